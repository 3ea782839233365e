// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"

	"accord"
)

// kind is accord.Kind as one byte, with the families told apart.
type kind uint8

const (
	noKind kind = iota
	domain
	ipv4
	ipv6
	cidr4
	cidr6
	addrPort4
	addrPort6
	url
	email
	md5
	sha1
	sha256
	sha512
	kinds
)

// maxKey is the longest key kept; longer values are not indexed.
const maxKey = 8192 + 64

var kindNames = [kinds]accord.Kind{
	domain: accord.KindDomain, ipv4: accord.KindIPv4, ipv6: accord.KindIPv6, cidr4: accord.KindCIDR, cidr6: accord.KindCIDR,
	addrPort4: accord.KindAddrPort, addrPort6: accord.KindAddrPort, url: accord.KindURL, email: accord.KindEmail,
	md5: accord.KindMD5, sha1: accord.KindSHA1, sha256: accord.KindSHA256, sha512: accord.KindSHA512,
}

// keyLen is the length of a kind's keys, 0 when it varies.
var keyLen = [kinds]int{
	ipv4: 4, ipv6: 16, cidr4: 5, cidr6: 17, addrPort4: 6, addrPort6: 18, md5: 16, sha1: 20, sha256: 32, sha512: 64,
}

// appendKey appends the key of a sought value: what is hashed and compared. Two
// values are the same when their kinds and keys are. noKind says that the value
// cannot be looked for.
func appendKey(dst []byte, o accord.Observable) (kind, []byte) {
	switch o.Kind {
	case accord.KindDomain:
		return appendDomain(dst, []byte(o.Value))
	case accord.KindIPv4, accord.KindIPv6:
		return appendAddr(dst, []byte(o.Value))
	case accord.KindCIDR:
		p, err := netip.ParsePrefix(o.Value)
		if err != nil {
			return noKind, dst
		}
		return appendPrefix(dst, p)
	case accord.KindAddrPort:
		ap, err := netip.ParseAddrPort(o.Value)
		if err != nil {
			return noKind, dst
		}
		return appendAddrPort(dst, ap.Addr(), ap.Port())
	case accord.KindURL:
		return appendURL(dst, []byte(o.Value), nil)
	case accord.KindEmail:
		return appendEmail(dst, []byte(o.Value))
	case accord.KindMD5:
		return appendHex(dst, []byte(o.Value), md5)
	case accord.KindSHA1:
		return appendHex(dst, []byte(o.Value), sha1)
	case accord.KindSHA256:
		return appendHex(dst, []byte(o.Value), sha256)
	case accord.KindSHA512:
		return appendHex(dst, []byte(o.Value), sha512)
	}
	return noKind, dst
}

// names maps Unicode names to A-labels as format/stix/pattern does.
var names = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false))

// appendDomain appends a name in lower case, A-label form, without a final dot.
func appendDomain(dst, b []byte) (kind, []byte) {
	b = bytes.TrimSuffix(b, []byte("."))
	n := len(dst)
	ascii := true
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		ascii = ascii && c < 0x80
		dst = append(dst, c)
	}
	if !ascii {
		if a, err := names.ToASCII(strings.ReplaceAll(string(b), "。", ".")); err == nil {
			dst = append(dst[:n], a...)
		}
	}
	if len(dst) == n || len(dst)-n > 253 {
		return noKind, dst[:n]
	}
	return domain, dst
}

func appendAddr(dst, b []byte) (kind, []byte) {
	a, ok := parseAddr(b)
	if !ok {
		return noKind, dst
	}
	if a.Is4() {
		four := a.As4()
		return ipv4, append(dst, four[:]...)
	}
	sixteen := a.As16()
	return ipv6, append(dst, sixteen[:]...)
}

// parseAddr reads an address without allocating when it is IPv4. An address
// mapped into IPv6 is IPv4; a zone is dropped.
func parseAddr(b []byte) (netip.Addr, bool) {
	var four [4]byte
	octet, digits, n := 0, 0, 0
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' && digits < 3 && (digits == 0 || n > 0):
			digits, n = digits+1, n*10+int(c-'0')
		case c == '.' && digits > 0 && n < 256 && octet < 3:
			four[octet] = byte(n)
			octet, digits, n = octet+1, 0, 0
		default:
			if i > 60 || len(b) > 60 || bytes.IndexByte(b, ':') < 0 {
				return netip.Addr{}, false
			}
			a, err := netip.ParseAddr(string(b))
			return a.Unmap().WithZone(""), err == nil
		}
	}
	if octet != 3 || digits == 0 || n > 255 {
		return netip.Addr{}, false
	}
	four[3] = byte(n)
	return netip.AddrFrom4(four), true
}

func appendPrefix(dst []byte, p netip.Prefix) (kind, []byte) {
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() {
		if bits < 96 {
			return noKind, dst
		}
		a, bits = a.Unmap(), bits-96
	}
	p = netip.PrefixFrom(a, bits).Masked()
	if p.Addr().Is4() {
		four := p.Addr().As4()
		return cidr4, append(append(dst, four[:]...), byte(bits))
	}
	sixteen := p.Addr().As16()
	return cidr6, append(append(dst, sixteen[:]...), byte(bits))
}

func appendAddrPort(dst []byte, a netip.Addr, port uint16) (kind, []byte) {
	a = a.Unmap()
	if a.Is4() {
		four := a.As4()
		return addrPort4, binary.BigEndian.AppendUint16(append(dst, four[:]...), port)
	}
	sixteen := a.As16()
	return addrPort6, binary.BigEndian.AppendUint16(append(dst, sixteen[:]...), port)
}

// appendURL appends a URL, or a host and what follows it: scheme and host in
// lower case, no default port, no user, no fragment, an empty path as "/"
// (RFC 3986 §6.2). One that begins with '/' has no host and is not looked for.
func appendURL(dst, b, rest []byte) (kind, []byte) {
	n := len(dst)
	scheme := ""
	if rest != nil {
		scheme = "http"
		dst = append(dst, "http://"...)
	} else if i := bytes.Index(b, []byte("://")); i > 0 && i <= 10 && bytes.IndexByte(b[:i], '/') < 0 {
		dst = appendLower(dst, b[:i])
		scheme = string(dst[n:])
		dst = append(dst, "://"...)
		b = b[i+3:]
	}
	host := b
	if rest == nil {
		if i := bytes.IndexAny(b, "/?#"); i >= 0 {
			host, rest = b[:i], b[i:]
		}
	}
	if i := bytes.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if scheme == "http" {
		host = bytes.TrimSuffix(host, []byte(":80"))
	}
	if scheme == "https" {
		host = bytes.TrimSuffix(host, []byte(":443"))
	}
	if len(host) == 0 || len(host)+len(rest) > maxKey-16 {
		return noKind, dst[:n]
	}
	dst = appendLower(dst, host)
	if i := bytes.IndexByte(rest, '#'); i >= 0 {
		rest = rest[:i]
	}
	if len(rest) == 0 || rest[0] != '/' {
		dst = append(dst, '/')
	}
	return url, append(dst, rest...)
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendEmail appends an address in lower case: no mailbox in use tells letters
// of either case apart, whatever RFC 5321 allows.
func appendEmail(dst, b []byte) (kind, []byte) {
	b = bytes.TrimSpace(b)
	at := bytes.IndexByte(b, '@')
	if at <= 0 || at == len(b)-1 || len(b) > 320 {
		return noKind, dst
	}
	return email, appendLower(dst, b)
}

func appendHex(dst, b []byte, k kind) (kind, []byte) {
	n := len(dst)
	if len(b) != 2*keyLen[k] {
		return noKind, dst
	}
	dst = append(dst, b[:keyLen[k]]...)
	if _, err := hex.Decode(dst[n:], b); err != nil {
		return noKind, dst[:n]
	}
	return k, dst
}

// keyValue is the value that a key stands for, in canonical text.
func keyValue(k kind, key []byte) accord.Observable {
	o := accord.Observable{Kind: kindNames[k]}
	switch k {
	case ipv4, ipv6:
		a, _ := netip.AddrFromSlice(key)
		o.Value = a.String()
	case cidr4, cidr6:
		a, _ := netip.AddrFromSlice(key[:len(key)-1])
		o.Value = netip.PrefixFrom(a, int(key[len(key)-1])).String()
	case addrPort4, addrPort6:
		a, _ := netip.AddrFromSlice(key[:len(key)-2])
		o.Value = netip.AddrPortFrom(a, binary.BigEndian.Uint16(key[len(key)-2:])).String()
	case md5, sha1, sha256, sha512:
		o.Value = hex.EncodeToString(key)
	default:
		o.Value = string(key)
	}
	return o
}

// ValueOf returns o as this package compares it: two values match as equals when
// what ValueOf returns is equal. It is false when o cannot be looked for.
func ValueOf(o accord.Observable) (accord.Observable, bool) {
	k, key := appendKey(nil, o)
	if k == noKind {
		return accord.Observable{}, false
	}
	return keyValue(k, key), true
}

// idPrefix is what nearly all indicators' ids begin with.
const idPrefix = "indicator--"

// parseID packs an id of the usual form, indicator-- and a UUID in lower case.
func parseID(id string) (u [16]byte, ok bool) {
	s, ok := strings.CutPrefix(id, idPrefix)
	if !ok || len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' || strings.ToLower(s) != s {
		return u, false
	}
	at := 0
	for _, part := range []string{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
		n, err := hex.Decode(u[at:], []byte(part))
		if err != nil {
			return u, false
		}
		at += n
	}
	return u, true
}

func formatID(u [16]byte) string {
	var b [47]byte
	copy(b[:], idPrefix)
	h := b[len(idPrefix):]
	hex.Encode(h[:8], u[:4])
	hex.Encode(h[9:13], u[4:6])
	hex.Encode(h[14:18], u[6:8])
	hex.Encode(h[19:23], u[8:10])
	hex.Encode(h[24:], u[10:])
	h[8], h[13], h[18], h[23] = '-', '-', '-', '-'
	return string(b[:])
}
