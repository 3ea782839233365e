// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"accord"
)

// Limits of a value.
const (
	maxName  = 253  // a domain name in text, RFC 1035 §2.3.4
	maxLabel = 63   // one label of it
	maxURL   = 8192 // a URL
	maxLocal = 64   // the local part of an e-mail address, RFC 5321 §4.5.3.1.1
)

// names maps Unicode names to A-labels as UTS 46 does for a lookup, without the
// rules of host names that names in the wild break (underscores, hyphens).
var names = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false))

// Normalise returns value in the one form in which values of kind are stored and
// compared, or an error that wraps accord.ErrInvalid when it is not a value of
// that kind. White space around it does not count. Its result is a fixed point.
// The forms:
//
//   - domain: lower case, A-labels, no final dot; underscores allowed.
//   - ipv4, ipv6: canonical text (RFC 5952); a /32 or /128 is dropped; an
//     IPv4-mapped IPv6 address is its IPv4 address, so not an ipv6 value.
//   - cidr: canonical prefix with the host bits zero.
//   - addrport: "192.0.2.1:443", "[2001:db8::1]:443".
//   - url: scheme and host in lower case, the host as a domain or address, no
//     default port, "/" for an empty path; the rest as it is. Without a scheme,
//     "host/path" is taken as http.
//   - email: the domain as a domain, all in lower case.
//   - hashes: lower-case hexadecimal of the right length.
func Normalise(kind accord.Kind, value string) (string, error) {
	if strings.IndexByte(value, 0) >= 0 || !utf8.ValidString(value) {
		return "", invalid(kind, value, "not text")
	}
	value = strings.TrimSpace(value)
	switch kind {
	case accord.KindDomain:
		return domain(value)
	case accord.KindIPv4, accord.KindIPv6:
		return address(kind, value)
	case accord.KindCIDR:
		return cidr(value)
	case accord.KindAddrPort:
		return addrPort(value)
	case accord.KindURL:
		return url(value)
	case accord.KindEmail:
		return email(value)
	case accord.KindMD5:
		return digest(kind, value, 32)
	case accord.KindSHA1:
		return digest(kind, value, 40)
	case accord.KindSHA256:
		return digest(kind, value, 64)
	case accord.KindSHA512:
		return digest(kind, value, 128)
	}
	return "", fmt.Errorf("%w: %q is not a kind of observable", accord.ErrInvalid, kind)
}

func invalid(kind accord.Kind, value, why string) error {
	return fmt.Errorf("%w: %s %q: %s", accord.ErrInvalid, kind, clip(value), why)
}

func domain(s string) (string, error) {
	const kind = accord.KindDomain
	given := s
	if len(s) > 4*maxName {
		return "", invalid(kind, given, "too long")
	}
	upper, wide := false, false
	for i := range len(s) {
		upper = upper || s[i] >= 'A' && s[i] <= 'Z'
		wide = wide || s[i] >= utf8.RuneSelf
	}
	if wide {
		a, err := names.ToASCII(strings.ReplaceAll(s, "。", "."))
		if err != nil {
			return "", invalid(kind, given, "no A-label form")
		}
		s, upper = a, true
	}
	if upper {
		s = strings.ToLower(s)
	}
	s = strings.TrimSuffix(s, ".")
	if why := nameFault(s); why != "" {
		return "", invalid(kind, given, why)
	}
	return s, nil
}

// nameFault says what is wrong with an ASCII name in lower case, or nothing.
func nameFault(s string) string {
	if s == "" || len(s) > maxName {
		return "a name has 1 to 253 bytes"
	}
	start, alpha := 0, false // of the current label
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '.' {
			if i == start || i-start > maxLabel {
				return "a label has 1 to 63 bytes"
			}
			if i == len(s) && !alpha {
				return "the last label is a number, so this is no name"
			}
			start, alpha = i+1, false
			continue
		}
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z' || c == '_' || c == '-':
			alpha = true
		case c >= '0' && c <= '9':
		default:
			return "only letters, digits, '-' and '_' stand in a name"
		}
	}
	return ""
}

func address(kind accord.Kind, s string) (string, error) {
	bare := s
	if before, _, ok := strings.Cut(s, "/"); ok {
		f, err := netip.ParsePrefix(s)
		if err != nil || !f.IsSingleIP() {
			return "", invalid(kind, s, "not one address")
		}
		bare = before
	}
	a, err := netip.ParseAddr(bare)
	if err != nil || a.Zone() != "" {
		return "", invalid(kind, s, "not an address")
	}
	a = a.Unmap()
	if a.Is4() != (kind == accord.KindIPv4) {
		return "", invalid(kind, s, "an address of the other family")
	}
	return a.String(), nil
}

func cidr(s string) (string, error) {
	f, ok := prefixOf(s)
	if !ok {
		return "", invalid(accord.KindCIDR, s, "want address/bits")
	}
	if a := f.Addr(); a.Is4In6() {
		if f.Bits() < 96 {
			return "", invalid(accord.KindCIDR, s, "wider than the IPv4-mapped addresses")
		}
		f = netip.PrefixFrom(a.Unmap(), f.Bits()-96)
	}
	return f.Masked().String(), nil
}

func addrPort(s string) (string, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Addr().Zone() != "" || ap.Port() == 0 {
		return "", invalid(accord.KindAddrPort, s, "want address:port, an IPv6 address in brackets")
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String(), nil
}

func digest(kind accord.Kind, s string, n int) (string, error) {
	if len(s) != n {
		return "", invalid(kind, s, "want "+strconv.Itoa(n)+" hexadecimal digits")
	}
	upper := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			upper = true
		default:
			return "", invalid(kind, s, "want hexadecimal digits")
		}
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, nil
}

func email(s string) (string, error) {
	const kind = accord.KindEmail
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 4*maxLocal {
		return "", invalid(kind, s, "want local@domain")
	}
	local := strings.ToLower(s[:at])
	if len(local) > maxLocal || strings.ContainsFunc(local, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("<>()[],;:\"\\@", r)
	}) {
		return "", invalid(kind, s, "the local part has a character that needs quoting, or is too long")
	}
	d, err := domain(s[at+1:])
	if err != nil {
		return "", invalid(kind, s, "the part after @ is not a domain")
	}
	return local + "@" + d, nil
}

// defaultPort of the schemes whose port is dropped when it says nothing.
var defaultPort = map[string]string{"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}

func url(s string) (string, error) {
	const kind = accord.KindURL
	if len(s) > maxURL {
		return "", invalid(kind, s, "longer than 8192 bytes")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", invalid(kind, s, "white space or a control character")
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !schemeName(scheme) {
		scheme, rest = "http", s
		if strings.IndexByte(s, '/') < 1 {
			return "", invalid(kind, s, "want scheme://host/path or host/path")
		}
	}
	scheme = strings.ToLower(scheme)
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	user := ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	host, err := hostPort(authority, defaultPort[scheme])
	if err != nil {
		return "", invalid(kind, s, err.Error())
	}
	if tail == "" || tail[0] != '/' {
		tail = "/" + tail
	}
	return scheme + "://" + user + host + tail, nil
}

func schemeName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !(c >= 'a' && c <= 'z') && (i == 0 || !(s[i] >= '0' && s[i] <= '9') && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return s != ""
}

// hostPort normalises host or host:port, and drops the port def.
func hostPort(s, def string) (string, error) {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if port != "" && (err != nil || n == 0) {
			return "", fmt.Errorf("the port %q is no port", clip(port))
		}
		if n > 0 {
			port = strconv.FormatUint(n, 10)
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !strings.HasSuffix(inner, "]") || a.Zone() != "" || a.Is4() {
			return "", fmt.Errorf("the host %q is no IPv6 address", clip(host))
		}
		host = "[" + a.String() + "]"
	} else if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		host = a.String()
	} else if host, err = domain(host); err != nil {
		return "", fmt.Errorf("the host is neither a name nor an address")
	}
	if port == "" || port == def {
		return host, nil
	}
	return host + ":" + port, nil
}
