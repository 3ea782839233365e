// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"

	"accord"
)

// addrKind tells whether b is an address, and of which family; empty when not.
func addrKind(b []byte) accord.Kind {
	if len(b) < 2 || len(b) > 60 {
		return ""
	}
	colon := false
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9', c == '.', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		case c == ':':
			colon = true
		case c == '%' && colon: // a zone follows, of any letters
			return parsedKind(b)
		default:
			return ""
		}
	}
	if colon {
		return parsedKind(b)
	}
	if isIPv4(b) {
		return accord.KindIPv4
	}
	return ""
}

func parsedKind(b []byte) accord.Kind {
	a, err := netip.ParseAddr(string(b))
	switch {
	case err != nil:
		return ""
	case a.Unmap().Is4():
		return accord.KindIPv4
	}
	return accord.KindIPv6
}

func isIPv4(b []byte) bool {
	octets, digits, n := 1, 0, 0
	for _, c := range b {
		switch {
		case c == '.':
			if digits == 0 || octets == 4 {
				return false
			}
			octets, digits, n = octets+1, 0, 0
		case c < '0' || c > '9' || digits > 0 && n == 0: // a leading zero is octal to some
			return false
		default:
			digits, n = digits+1, n*10+int(c-'0')
			if n > 255 {
				return false
			}
		}
	}
	return octets == 4 && digits > 0
}

func (z *Reader) putAddr(name string, b []byte) {
	if k := addrKind(b); k != "" {
		z.add(Value{Kind: k, Text: b, Field: name})
	}
}

// putName takes a domain name or an address, perhaps with a port as HTTP's Host
// has it.
func (z *Reader) putName(name string, b []byte) {
	if k := addrKind(b); k != "" {
		z.add(Value{Kind: k, Text: b, Field: name})
		return
	}
	host, port, ok := splitPort(b)
	if ok {
		if k := addrKind(host); k != "" {
			z.add(Value{Kind: k, Text: host, Field: name})
			z.add(Value{Kind: accord.KindAddrPort, Text: host, Port: port, Field: name})
			return
		}
		b = host
	}
	if isName(b) {
		z.add(Value{Kind: accord.KindDomain, Text: b, Field: name})
	}
}

// isName tells what may be a domain name: it has a dot, no space, and its last
// label is no number, which no top-level domain is (RFC 3696 §2).
func isName(b []byte) bool {
	b = bytes.TrimSuffix(b, []byte("."))
	dot := bytes.LastIndexByte(b, '.')
	if dot < 0 || len(b) > 512 || bytes.ContainsAny(b, " \t/@\"") {
		return false
	}
	for _, c := range b[dot+1:] {
		if c < '0' || c > '9' {
			return true
		}
	}
	return false
}

// splitPort cuts "host:port" and "[v6]:port", and "[v6]" with port 0.
func splitPort(b []byte) (host []byte, port uint16, ok bool) {
	i := bytes.LastIndexByte(b, ':')
	if i <= 0 {
		return nil, 0, false
	}
	host = b[:i]
	if host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	} else if bytes.IndexByte(host, ':') >= 0 {
		return nil, 0, false
	}
	port, ok = parsePort(b[i+1:])
	return host, port, ok
}

func parsePort(b []byte) (uint16, bool) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || n > 65535 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if n < 1 || n > 65535 {
		return 0, false
	}
	return uint16(n), true
}

func (z *Reader) putURL(name string, b []byte) {
	i := bytes.Index(b, []byte("://"))
	if i <= 0 || i > 10 || len(b) > 16<<10 {
		return
	}
	z.add(Value{Kind: accord.KindURL, Text: b, Field: name})
	host := b[i+3:]
	if j := bytes.IndexAny(host, "/?#"); j >= 0 {
		host = host[:j]
	}
	if j := bytes.LastIndexByte(host, '@'); j >= 0 {
		host = host[j+1:]
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	z.putName(name, host)
}

// putMail takes every mail address in b: "Name <a@b.example>, c@d.example".
func (z *Reader) putMail(name string, b []byte) {
	for len(b) > 0 {
		at := bytes.IndexByte(b, '@')
		if at < 0 {
			return
		}
		start := at
		for start > 0 && mailByte(b[start-1]) {
			start--
		}
		end := at + 1
		for end < len(b) && mailByte(b[end]) {
			end++
		}
		if start < at && end > at+1 {
			z.add(Value{Kind: accord.KindEmail, Text: b[start:end], Field: name})
		}
		b = b[end:]
	}
}

func mailByte(c byte) bool {
	switch c {
	case ' ', '\t', '<', '>', ',', ';', ':', '"', '(', ')', '[', ']', '\\', '@', '\'':
		return false
	}
	return c >= ' ' && c != 0x7f
}

// hashKinds are the kinds by the number of hexadecimal digits.
var hashKinds = map[int]accord.Kind{
	32: accord.KindMD5, 40: accord.KindSHA1, 64: accord.KindSHA256, 128: accord.KindSHA512,
}

func hashKind(b []byte) accord.Kind {
	k := hashKinds[len(b)]
	if k == "" {
		return ""
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return ""
		}
	}
	return k
}

func (z *Reader) putHash(name string, b []byte) {
	if bytes.IndexByte(b, ':') >= 0 && len(b) < 256 { // aa:bb:cc…
		n := len(z.spare)
		for _, c := range b {
			if c != ':' {
				z.spare = append(z.spare, c)
			}
		}
		b = z.spare[n:]
	}
	if k := hashKind(b); k != "" {
		z.add(Value{Kind: k, Text: b, Field: name})
	}
}

// parseTime reads seconds since the epoch with a fraction, milliseconds or
// microseconds as whole numbers (told by their size), or RFC 3339; 0 when it is
// none of them.
func parseTime(b []byte) accord.Stamp {
	var whole, frac int64
	i, digits := 0, 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9' && i < 17; i++ {
		whole = whole*10 + int64(b[i]-'0')
	}
	if i > 0 && i < len(b) && b[i] == '.' {
		for i++; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			if digits < 6 {
				frac, digits = frac*10+int64(b[i]-'0'), digits+1
			}
		}
	}
	if i < len(b) || i == 0 {
		return parseTimeText(string(b))
	}
	for ; digits < 6; digits++ {
		frac *= 10
	}
	switch {
	case whole < 1e11:
		return accord.Stamp(whole*1e6 + frac)
	case whole < 1e14:
		return accord.Stamp(whole*1e3 + frac/1e3)
	}
	return accord.Stamp(whole)
}

func parseTimeText(s string) accord.Stamp {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return accord.StampOf(t)
	}
	if t, err := time.Parse("2006-01-02T15:04:05.999999-0700", s); err == nil {
		return accord.StampOf(t)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f <= 0 || f > 1e11 {
		return 0
	}
	return accord.Stamp(f * 1e6)
}
