// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bytes"
	"cmp"
	"math/bits"
	"net/netip"
	"slices"

	"accord"
	"accord/format/zeek"
)

// hit is an entry that a seen value met.
type hit struct {
	seg *segment
	e   *entry
	k   kind
	key []byte // in the clear; lasts as long as the finder's scratch
}

// finder looks values up. It holds scratch, so that a lookup allocates nothing.
type finder struct {
	ix   *Index
	key  []byte
	hits []hit
}

// Lookup calls f for every indicator that s meets, the narrowest value first and
// those of one value by id. A seen without a time meets whatever its time.
func (ix *Index) Lookup(s accord.Seen, f func(accord.Sought)) {
	fi := finder{ix: ix}
	v, ok := valueOfSeen(s)
	if !ok {
		return
	}
	for _, h := range fi.find(&v) {
		if h.seg.spanOf(h.e).holds(s.At) {
			f(h.seg.sought(h.e, h.k, h.key))
		}
	}
}

// valueOfSeen returns s in the form that logs are read into.
func valueOfSeen(s accord.Seen) (zeek.Value, bool) {
	if s.Kind != accord.KindAddrPort {
		return zeek.Value{Kind: s.Kind, Text: []byte(s.Value)}, true
	}
	ap, err := netip.ParseAddrPort(s.Value)
	if err != nil {
		return zeek.Value{}, false
	}
	return zeek.Value{Kind: s.Kind, Text: []byte(ap.Addr().String()), Port: ap.Port()}, true
}

// holds reports whether an indicator speaks of what was seen at the instant.
func (s *span) holds(at accord.Stamp) bool {
	return at == 0 || at >= s.from && (s.until == 0 || at < s.until)
}

// find returns what v meets. The result lasts until the next call.
func (f *finder) find(v *zeek.Value) []hit {
	f.hits = f.hits[:0]
	var k kind
	switch v.Kind {
	case accord.KindDomain:
		f.findDomain(v.Text)
		return f.hits
	case accord.KindIPv4, accord.KindIPv6:
		f.findAddr(v.Text)
		return f.hits
	case accord.KindURL:
		f.findURL(v)
		return f.hits
	case accord.KindAddrPort:
		a, ok := parseAddr(v.Text)
		if !ok {
			return nil
		}
		k, f.key = appendAddrPort(f.key[:0], a, v.Port)
	case accord.KindEmail:
		k, f.key = appendEmail(f.key[:0], v.Text)
	case accord.KindMD5:
		k, f.key = appendHex(f.key[:0], v.Text, md5)
	case accord.KindSHA1:
		k, f.key = appendHex(f.key[:0], v.Text, sha1)
	case accord.KindSHA256:
		k, f.key = appendHex(f.key[:0], v.Text, sha256)
	case accord.KindSHA512:
		k, f.key = appendHex(f.key[:0], v.Text, sha512)
	case accord.KindCIDR: // is in no log
	}
	if k != noKind {
		f.probe(k, f.key)
	}
	return f.hits
}

// findDomain probes a name and every name above it.
func (f *finder) findDomain(text []byte) {
	var k kind
	k, f.key = appendDomain(f.key[:0], text)
	if k == noKind {
		return
	}
	for name := f.key; ; {
		f.probe(domain, name)
		dot := bytes.IndexByte(name, '.')
		if dot < 0 {
			return
		}
		name = name[dot+1:]
	}
}

// findAddr probes an address, then every prefix of it, the longest first.
func (f *finder) findAddr(text []byte) {
	var k kind
	k, f.key = appendAddr(f.key[:0], text)
	switch k {
	case ipv4:
		f.probe(ipv4, f.key)
		var lengths uint64
		for _, s := range f.ix.segs {
			lengths |= s.prefix4
		}
		f.prefixes(cidr4, 4, 0, lengths)
	case ipv6:
		f.probe(ipv6, f.key)
		for w := 2; w >= 0; w-- {
			var lengths uint64
			for _, s := range f.ix.segs {
				lengths |= s.prefix6[w]
			}
			f.prefixes(cidr6, 16, 64*w, lengths)
		}
	default: // no address
	}
}

// prefixes probes the prefixes of the address in f.key[:size] whose lengths, less
// base, are set in lengths. Keys are appended, since hits refer to them.
func (f *finder) prefixes(k kind, size, base int, lengths uint64) {
	for lengths != 0 {
		top := 63 - bits.LeadingZeros64(lengths)
		lengths &^= 1 << top
		n := base + top
		at := len(f.key)
		f.key = append(f.key, f.key[:size]...)
		masked := f.key[at:]
		for i := range masked {
			switch keep := n - 8*i; {
			case keep <= 0:
				masked[i] = 0
			case keep < 8:
				masked[i] &= 0xff << (8 - keep)
			}
		}
		f.key = append(f.key, byte(n))
		if !f.probe(k, f.key[at:]) {
			f.key = f.key[:at]
		}
	}
}

// findURL probes a URL, the same under the other of http and https (a log does
// not always know which it was, nor a list), and without a scheme.
func (f *finder) findURL(v *zeek.Value) {
	var k kind
	k, f.key = appendURL(f.key[:0], v.Text, v.Rest)
	if k == noKind {
		return
	}
	full := f.key
	f.probe(url, full)
	i := bytes.Index(full[:min(len(full), 14)], []byte("://"))
	if i <= 0 {
		return
	}
	bare := full[i+3:]
	if other := otherScheme(full[:i]); other != "" {
		at := len(f.key)
		f.key = append(append(f.key, other...), bare...)
		f.probe(url, f.key[at:])
	}
	f.probe(url, bare)
}

func otherScheme(scheme []byte) string {
	switch string(scheme) {
	case "http":
		return "https://"
	case "https":
		return "http://"
	}
	return ""
}

// maxPerValue is how many indicators of one value a lookup gives, those held
// longest: a partner that sends one name a million times must not make each
// record that shows it a million matches.
const maxPerValue = 1000

// probe appends the hits of one key, by id, and reports whether there are any.
func (f *finder) probe(k kind, key []byte) bool {
	ix := f.ix
	hash := ix.sieve.sum(k, key)
	first := len(f.hits)
	for n, s := range slices.Backward(ix.segs) {
		run := s.run(hash)
		for i := range run {
			if len(f.hits)-first >= maxPerValue {
				break
			}
			e := &run[i]
			if ix.same(s, e, k, key) && !ix.replaced(n, e.id) {
				f.hits = append(f.hits, hit{seg: s, e: e, k: k, key: key})
			}
		}
	}
	if len(f.hits)-first > 1 {
		f.hits = append(f.hits[:first], distinct(f.hits[first:])...)
	}
	return len(f.hits) > first
}

// distinct sorts the hits of one key by indicator, one each.
func distinct(hits []hit) []hit {
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(compareID(a.e.id, b.e.id), cmp.Compare(a.e.off, b.e.off))
	})
	return slices.CompactFunc(hits, func(a, b hit) bool { return a.e.id == b.e.id })
}

// same compares e's key with key, through the digest when e has only that.
func (ix *Index) same(s *segment, e *entry, k kind, key []byte) bool {
	ek, stored, blind := s.key(e)
	if ek != k {
		return false
	}
	if !blind {
		return bytes.Equal(stored, key)
	}
	sum := ix.salt.digest(k, key)
	return bytes.Equal(sum[:], stored[:digestLen])
}

// replaced reports whether a segment newer than segs[n] speaks for indicator u.
func (ix *Index) replaced(n int, u id) bool {
	for _, s := range ix.segs[n+1:] {
		if s.kills(u) {
			return true
		}
	}
	return false
}
