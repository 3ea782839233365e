// SPDX-License-Identifier: Apache-2.0

package list

import (
	"fmt"
	"net/netip"
	"strings"

	"accord"
	"accord/format/stix/pattern"
)

// kindOf names what the type column may say. The address kinds stand for
// either family; what is given decides.
var kindOf = map[string]accord.Kind{
	"domain": accord.KindDomain, "domain-name": accord.KindDomain, "hostname": accord.KindDomain, "host": accord.KindDomain, "fqdn": accord.KindDomain,
	"ip": accord.KindIPv4, "ipv4": accord.KindIPv4, "ipv4-addr": accord.KindIPv4, "ip-dst": accord.KindIPv4, "ip-src": accord.KindIPv4, "address": accord.KindIPv4,
	"ipv6": accord.KindIPv6, "ipv6-addr": accord.KindIPv6,
	"cidr": accord.KindCIDR, "ipv4-cidr": accord.KindCIDR, "ipv6-cidr": accord.KindCIDR, "network": accord.KindCIDR, "subnet": accord.KindCIDR, "net": accord.KindCIDR,
	"ip:port": accord.KindAddrPort, "ipv4:port": accord.KindAddrPort, "ipv6:port": accord.KindAddrPort, "ip-dst|port": accord.KindAddrPort, "addrport": accord.KindAddrPort,
	"url": accord.KindURL, "uri": accord.KindURL, "link": accord.KindURL,
	"email": accord.KindEmail, "email-addr": accord.KindEmail, "e-mail": accord.KindEmail, "email-src": accord.KindEmail,
	"md5": accord.KindMD5, "md5_hash": accord.KindMD5,
	"sha1": accord.KindSHA1, "sha-1": accord.KindSHA1, "sha1_hash": accord.KindSHA1,
	"sha256": accord.KindSHA256, "sha-256": accord.KindSHA256, "sha256_hash": accord.KindSHA256,
	"sha512": accord.KindSHA512, "sha-512": accord.KindSHA512, "sha512_hash": accord.KindSHA512,
	"hash": "", "file": "", "indicator": "", "": "",
}

// value reads one value of the type the list names; an empty type means that
// the value decides.
func value(typ, s string) (Row, error) {
	kind, known := kindOf[typ]
	if !known {
		if kind, known = kindOf[strings.ToLower(typ)]; !known {
			return Row{}, fmt.Errorf("type %q is not one that can be looked for", beginning(typ))
		}
	}
	s = Refang(s)
	if s == "" {
		return Row{}, errNone
	}
	if kind == "" {
		if kind = Detect(s); kind == "" {
			return Row{}, errNone
		}
	}
	switch kind {
	case accord.KindURL:
		return url(s)
	case accord.KindIPv4, accord.KindIPv6:
		if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
			kind = accord.KindIPv4
		} else if err == nil {
			kind = accord.KindIPv6
		}
	default: // is what it is called
	}
	return one(kind, s)
}

// url reads a URL with its scheme, without it, or its path alone.
func url(s string) (Row, error) {
	if strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") {
		if len(s) < 2 {
			return Row{}, fmt.Errorf("path %q is every host's", s)
		}
		return Row{Path: s}, nil
	}
	s = strings.TrimPrefix(s, "//")
	if strings.Contains(s, "://") {
		return one(accord.KindURL, s)
	}
	row, err := one(accord.KindURL, "http://"+s)
	if err != nil {
		return Row{}, err
	}
	secure, err := one(accord.KindURL, "https://"+s)
	row.Values = append(row.Values, secure.Values...)
	return row, err
}

func one(kind accord.Kind, s string) (Row, error) {
	v, err := pattern.Normalise(kind, s)
	if err != nil {
		return Row{}, err
	}
	return Row{Values: []accord.Observable{{Kind: kind, Value: v}}}, nil
}

// Detect says what kind of value s is, already refanged; empty when it is none.
// It looks at the shape alone: pattern.Normalise decides whether it is valid.
func Detect(s string) accord.Kind {
	switch {
	case s == "" || strings.ContainsAny(s, " \t\"<>"):
		return ""
	case strings.Contains(s, "://") || strings.HasPrefix(s, "/"):
		return accord.KindURL
	}
	if k := hash(s); k != "" {
		return k
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Is4() {
			return accord.KindIPv4
		}
		return accord.KindIPv6
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return accord.KindCIDR
	}
	if _, err := netip.ParseAddrPort(s); err == nil {
		return accord.KindAddrPort
	}
	host, _, path := strings.Cut(s, "/")
	switch {
	case !path && strings.Contains(s, "@"):
		return accord.KindEmail
	case !dotted(host):
		return ""
	case path || strings.ContainsAny(s, ":?"):
		return accord.KindURL
	}
	return accord.KindDomain
}

// dotted reports whether s could be a name of two labels, perhaps with a port:
// it has a dot inside, and its last label is not a number.
func dotted(s string) bool {
	s, _, _ = strings.Cut(s, ":")
	s = strings.TrimSuffix(s, ".")
	i := strings.LastIndexByte(s, '.')
	return i > 0 && i < len(s)-1 && strings.Trim(s[i+1:], "0123456789") != "" && !strings.ContainsAny(s, ",;|=()[]{}")
}

// hash returns the hash kind that a string of hex digits has the length of.
func hash(s string) accord.Kind {
	var kind accord.Kind
	switch len(s) {
	case 32:
		kind = accord.KindMD5
	case 40:
		kind = accord.KindSHA1
	case 64:
		kind = accord.KindSHA256
	case 128:
		kind = accord.KindSHA512
	default:
		return ""
	}
	if strings.Trim(s, "0123456789abcdefABCDEF") != "" {
		return ""
	}
	return kind
}

var fangs = strings.NewReplacer(
	"[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[DOT]", ".", "[.", ".", ".]", ".",
	"[:]", ":", "[://]", "://", "[/]", "/", "[@]", "@", "(@)", "@", "[at]", "@", "(at)", "@",
)

// Refang returns the value that a defanged text stands for: hxxp://a[.]example
// is http://a.example. Other text comes back trimmed.
func Refang(s string) string {
	s = strings.TrimSpace(s)
	if strings.ContainsAny(s, "[({") {
		s = fangs.Replace(s)
	}
	for _, scheme := range []string{"hxxp", "hXXp", "HXXP", "h**p", "hxtp", "htxp"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok && (strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "s:") || strings.HasPrefix(rest, "S:")) {
			return "http" + rest
		}
	}
	return s
}
