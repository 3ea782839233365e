// SPDX-License-Identifier: Apache-2.0

package search

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"accord"
	"accord/format/stix/pattern"
)

var fangs = strings.NewReplacer(
	"[://]", "://", "[:]//", "://", "[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[:]", ":", "[@]", "@", "(@)", "@", "[at]", "@", "(at)", "@", "[/]", "/",
)

// Refang undoes what people do to a value so that nobody follows it: hxxp,
// evil[.]example, user[at]evil.example, and quotes or brackets around it.
func Refang(s string) string {
	s = strings.Trim(strings.TrimSpace(s), "<>\"'`,;")
	s = fangs.Replace(s)
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		switch strings.ToLower(scheme) {
		case "hxxp", "hxtp", "htxp", "meow":
			return "http://" + rest
		case "hxxps", "hxtps", "htxps":
			return "https://" + rest
		case "fxp":
			return "ftp://" + rest
		}
	}
	return s
}

// byLength are the kinds of digest by the number of their hexadecimal digits.
var byLength = map[int]accord.Kind{32: accord.KindMD5, 40: accord.KindSHA1, 64: accord.KindSHA256, 128: accord.KindSHA512}

// ValueOf reads a text as a value, in any of the ways that people write it.
func ValueOf(s string) (o accord.Observable, ok bool) {
	s = Refang(s)
	if s == "" || len(s) > 8192 || strings.ContainsAny(s, " \t\n") {
		return o, false
	}
	kinds := []accord.Kind{accord.KindIPv4, accord.KindIPv6, accord.KindCIDR, accord.KindAddrPort}
	switch {
	case strings.Contains(s, "://"):
		kinds = []accord.Kind{accord.KindURL}
	case byLength[len(s)] != "" && !strings.Contains(s, "."):
		kinds = []accord.Kind{byLength[len(s)]}
	case strings.Contains(s, "@") && !strings.Contains(s, "/"):
		kinds = []accord.Kind{accord.KindEmail}
	case strings.Contains(s, "."):
		kinds = append(kinds, accord.KindDomain)
		if strings.Contains(s, "/") {
			kinds = append(kinds, accord.KindURL)
		}
	}
	for _, k := range kinds {
		if v, err := pattern.Normalise(k, s); err == nil {
			return accord.Observable{Kind: k, Value: v}, true
		}
	}
	return o, false
}

// Hosts returns the names and addresses that o lies at: itself, the host of a URL,
// the domain of an address of mail, the address of a socket.
func hostOf(o accord.Observable) (host accord.Observable, ok bool) {
	h := o.Value
	switch o.Kind {
	case accord.KindDomain, accord.KindIPv4, accord.KindIPv6:
		return o, true
	case accord.KindEmail:
		h = h[strings.LastIndexByte(h, '@')+1:]
	case accord.KindAddrPort:
		ap, err := netip.ParseAddrPort(h)
		if err != nil {
			return host, false
		}
		h = ap.Addr().String()
	case accord.KindURL:
		_, h, _ = strings.Cut(h, "://")
		if i := strings.IndexAny(h, "/?#"); i >= 0 {
			h = h[:i]
		}
		h = h[strings.LastIndexByte(h, '@')+1:]
		if i := strings.LastIndexByte(h, ':'); i > strings.LastIndexByte(h, ']') {
			h = h[:i]
		}
		h = strings.Trim(h, "[]")
	default:
		return host, false
	}
	if a, err := netip.ParseAddr(h); err == nil {
		kind := accord.KindIPv6
		if a.Is4() {
			kind = accord.KindIPv4
		}
		return accord.Observable{Kind: kind, Value: h}, true
	}
	return accord.Observable{Kind: accord.KindDomain, Value: h}, h != ""
}

// registrable is the name under which the public suffix list lets people register:
// the name itself when it is a suffix.
func registrable(name string) string {
	if r, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return r
	}
	return name
}

// Under is where o is filed to be found from what it lies under: the registrable
// name or the address of its host. Not ok when it lies under nothing but itself.
func Under(o accord.Observable) (key string, ok bool) {
	h, ok := hostOf(o)
	if !ok {
		return "", false
	}
	key = h.Value
	if h.Kind == accord.KindDomain {
		key = registrable(h.Value)
	}
	return key, key != o.Value
}

// FiledUnder is the key under which Under files what lies under o; not ok for what
// nothing is filed under.
func FiledUnder(o accord.Observable) (key string, ok bool) {
	if o.Kind == accord.KindDomain {
		return registrable(o.Value), true
	}
	return o.Value, o.Kind == accord.KindIPv4 || o.Kind == accord.KindIPv6
}

// Lies reports whether v lies under o: a name or URL under a domain, an address or
// network in a network, a URL or socket at an address. A value does not lie under
// itself.
func Lies(v, o accord.Observable) bool {
	if v == o {
		return false
	}
	if o.Kind == accord.KindCIDR {
		outer, err := netip.ParsePrefix(o.Value)
		if err != nil {
			return false
		}
		if v.Kind == accord.KindCIDR {
			inner, err := netip.ParsePrefix(v.Value)
			return err == nil && inner.Bits() > outer.Bits() && outer.Contains(inner.Addr())
		}
		h, ok := hostOf(v)
		if !ok {
			return false
		}
		a, err := netip.ParseAddr(h.Value)
		return err == nil && outer.Contains(a)
	}
	h, ok := hostOf(v)
	if !ok {
		return false
	}
	return h.Value == o.Value || o.Kind == accord.KindDomain && strings.HasSuffix(h.Value, "."+o.Value)
}

// Wider returns the values under which o lies: parents of a name as far as its
// registrable name, networks, hosts.
func Wider(o accord.Observable) (out []accord.Observable) {
	if o.Kind == accord.KindCIDR {
		p, err := netip.ParsePrefix(o.Value)
		if err != nil {
			return nil
		}
		return networks(p.Addr(), p.Bits()-1)
	}
	h, ok := hostOf(o)
	if !ok {
		return nil
	}
	if h != o {
		out = append(out, h)
	}
	if a, err := netip.ParseAddr(h.Value); err == nil {
		return append(out, networks(a, a.BitLen())...)
	}
	top := registrable(h.Value)
	for name := h.Value; name != top && len(out) < 130; {
		_, parent, ok := strings.Cut(name, ".")
		if !ok || !strings.HasSuffix(parent, top) {
			break
		}
		name = parent
		out = append(out, accord.Observable{Kind: accord.KindDomain, Value: name})
	}
	return out
}

func networks(a netip.Addr, bits int) (out []accord.Observable) {
	for ; bits >= 0; bits-- {
		if p, err := a.Prefix(bits); err == nil {
			out = append(out, accord.Observable{Kind: accord.KindCIDR, Value: p.String()})
		}
	}
	return out
}

// Beginning is the beginning that the text of every address in the network o has;
// empty when they have none in common, or o is no network.
func Beginning(o accord.Observable) string {
	p, err := netip.ParsePrefix(o.Value)
	if o.Kind != accord.KindCIDR || err != nil {
		return ""
	}
	a, sep, size := p.Addr(), ".", 8
	if !a.Is4() {
		sep, size = ":", 16
	}
	groups := strings.Split(a.String(), sep)
	whole := groups[:min(p.Bits()/size, len(groups))]
	if i := slices.IndexFunc(whole, func(g string) bool { return g == "" || !a.Is4() && g == "0" }); i >= 0 {
		whole = whole[:i]
	}
	if len(whole) == 0 {
		return ""
	}
	if len(whole) == len(groups) {
		return a.String()
	}
	return strings.Join(whole, sep) + sep
}
