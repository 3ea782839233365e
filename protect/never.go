// SPDX-License-Identifier: Apache-2.0

package protect

import (
	"hash/maphash"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"accord"
)

// NeverBlock knows what must never be blocked. A name is held when it is the
// root, a public suffix, special-use, or an ancestor of or equal to a protected
// name: blocking it would block the protected one. A child of a protected name is
// not held (evil.shared-host.example beside shared-host.example), unless its list
// says so with "*.". An address is held inside a protected network; a network, when
// it overlaps one. Hashes, URLs and addresses of mail are held when listed.
//
// Names are kept as 64-bit keyed hashes, ten bytes each: 200,000 names and their
// ancestors take about 5 MB.
type NeverBlock struct {
	seed  maphash.Seed
	names table // protected names and their ancestors
	trees table // names under which all is held
	exact table // other values, as they are written, in lower case
	parts []part
	nets  []span // sorted, disjoint
	lists []ListSize
	allow []Allowed
}

// ListSize says how much of one list is held.
type ListSize struct {
	Name    string
	Entries int
	Skipped int // entries that could not be used, such as regular expressions
}

// Allowed is an entry of the nation's critical list, for a zone that answers as
// if there were no policy.
type Allowed struct {
	accord.Observable
	Under bool // and every name under it
}

type part struct {
	text string
	list uint16
}

// Lists returns the lists that are held, in the order in which they speak.
func (n *NeverBlock) Lists() []ListSize { return slices.Clone(n.lists) }

// Allow returns the nation's critical names and networks.
func (n *NeverBlock) Allow() []Allowed { return slices.Clone(n.allow) }

// Holds reports whether o must never be blocked, and the name of the list that
// says so.
func (n *NeverBlock) Holds(o accord.Observable) (list string, held bool) {
	switch o.Kind {
	case accord.KindDomain:
		return n.holdsName(o.Value)
	case accord.KindIPv4, accord.KindIPv6:
		return n.holdsAddr(o.Value)
	case accord.KindCIDR:
		p, err := netip.ParsePrefix(o.Value)
		if err != nil {
			return unreadable, true
		}
		return n.holdsPrefix(p)
	case accord.KindAddrPort:
		ap, err := netip.ParseAddrPort(o.Value)
		if err != nil {
			return unreadable, true
		}
		return n.holdsPrefix(netip.PrefixFrom(ap.Addr(), ap.Addr().BitLen()))
	case accord.KindURL:
		return n.holdsURL(o.Value)
	case accord.KindEmail:
		return n.holdsText(o.Value)
	default: // hashes
		return n.find(&n.exact, strings.ToLower(o.Value))
	}
}

// unreadable is the list of what is not a value of its kind: what cannot be
// understood is not blocked.
const unreadable = "malformed value"

func (n *NeverBlock) holdsName(name string) (string, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" {
		return listRoot, true
	}
	if suffix, icann := publicsuffix.PublicSuffix(name); suffix == name {
		if icann || !strings.Contains(name, ".") {
			return listSuffix, true
		}
		return listPrivateSuffix, true
	}
	if list, ok := n.find(&n.names, name); ok {
		return list, true
	}
	for at := name; ; {
		if list, ok := n.find(&n.trees, at); ok {
			return list, true
		}
		_, rest, ok := strings.Cut(at, ".")
		if !ok {
			break
		}
		at = rest
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return unreadable, true
	}
	return n.holdsPart(name)
}

func (n *NeverBlock) holdsAddr(value string) (string, bool) {
	a, err := netip.ParseAddr(value)
	if err != nil {
		return unreadable, true
	}
	return n.holdsPrefix(netip.PrefixFrom(a.WithZone(""), a.BitLen()))
}

func (n *NeverBlock) holdsPrefix(p netip.Prefix) (string, bool) {
	q := spanOf(p)
	i, _ := slices.BinarySearchFunc(n.nets, q.lo, func(s span, lo netip.Addr) int {
		if s.hi.Less(lo) {
			return -1
		}
		return 1
	})
	if i < len(n.nets) && !q.hi.Less(n.nets[i].lo) {
		return n.lists[n.nets[i].list].Name, true
	}
	return "", false
}

// holdsURL holds a listed URL, and one that is no more than a protected host.
func (n *NeverBlock) holdsURL(value string) (string, bool) {
	if list, ok := n.holdsText(value); ok {
		return list, true
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || len(u.Path) > 1 || u.RawQuery != "" {
		return "", false
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return n.holdsPrefix(netip.PrefixFrom(a.WithZone(""), a.BitLen()))
	}
	return n.holdsName(u.Hostname())
}

func (n *NeverBlock) holdsText(value string) (string, bool) {
	value = strings.ToLower(value)
	if list, ok := n.find(&n.exact, value); ok {
		return list, true
	}
	return n.holdsPart(value)
}

func (n *NeverBlock) holdsPart(value string) (string, bool) {
	for _, p := range n.parts {
		if strings.Contains(value, p.text) {
			return n.lists[p.list].Name, true
		}
	}
	return "", false
}

func (n *NeverBlock) find(t *table, value string) (string, bool) {
	i, ok := slices.BinarySearch(t.keys, maphash.String(n.seed, value))
	if !ok {
		return "", false
	}
	return n.lists[t.list[i]].Name, true
}

// table maps the hash of a value to the list that holds it.
type table struct {
	keys []uint64 // sorted
	list []uint16
}

type row struct {
	key  uint64
	list uint16
}

// tableOf sorts rows; of rows with one key the earliest list stays.
func tableOf(rows []row) table {
	slices.SortFunc(rows, func(a, b row) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return int(a.list) - int(b.list)
	})
	rows = slices.CompactFunc(rows, func(a, b row) bool { return a.key == b.key })
	t := table{keys: make([]uint64, len(rows)), list: make([]uint16, len(rows))}
	for i, r := range rows {
		t.keys[i], t.list[i] = r.key, r.list
	}
	return t
}

// span is a run of addresses of one family, both ends included.
type span struct {
	lo, hi netip.Addr
	list   uint16
}

// spanOf returns the addresses of p; those of IPv4 written as IPv6 are IPv4.
func spanOf(p netip.Prefix) span {
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() && bits >= 96 {
		a, bits = a.Unmap(), bits-96
	}
	p = netip.PrefixFrom(a, bits).Masked()
	lo := p.Addr()
	if lo.Is4() {
		b := lo.As4()
		fill(b[:], p.Bits())
		return span{lo: lo, hi: netip.AddrFrom4(b)}
	}
	b := lo.As16()
	fill(b[:], p.Bits())
	return span{lo: lo, hi: netip.AddrFrom16(b)}
}

// fill sets every bit of b from bit on.
func fill(b []byte, bit int) {
	for i := bit; i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
}

// merge sorts spans and joins those that overlap; the widest one's list speaks.
func merge(all []span) []span {
	slices.SortFunc(all, func(a, b span) int {
		if c := a.lo.Compare(b.lo); c != 0 {
			return c
		}
		if c := b.hi.Compare(a.hi); c != 0 {
			return c
		}
		return int(a.list) - int(b.list)
	})
	var out []span
	for _, s := range all {
		if k := len(out) - 1; k >= 0 && s.lo.BitLen() == out[k].hi.BitLen() && s.lo.Compare(out[k].hi) <= 0 {
			if out[k].hi.Less(s.hi) {
				out[k].hi = s.hi
			}
			continue
		}
		out = append(out, s)
	}
	return slices.Clip(out)
}
