// SPDX-License-Identifier: Apache-2.0

// Package rpz writes observables as DNS Response Policy Zone triggers, and reads
// them back.
//
// Source: draft-vixie-dnsop-dns-rpz-00: §3 actions, §4.2 QNAME, §4.3 response
// addresses (RPZ-IP), §4.1.1 how they are encoded; RFC 1035 §2.3.4 for lengths. A domain becomes two
// owner names, itself and "*." under it; an address or a network becomes one
// RPZ-IP owner. Names are absolute, in lower case, with the final dot; zone
// names are given the same way, such as "hot.rpz.".
//
// Lengths are octets as on the wire, the final zero included: 255 for an owner
// with its zone, 63 for a label. All failures wrap [accord.ErrInvalid]. Pure;
// safe for concurrent use.
package rpz

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"accord"
)

// Action is what a resolver does for a name that a trigger meets.
type Action uint8

// The actions of the draft §3 that are encoded as a CNAME. Local data, the other
// one, is any other record: see [LocalData].
const (
	NXDomain Action = iota // say that the name does not exist
	NoData                 // say that it has no such record
	Passthru               // answer as if there were no policy
	Drop                   // do not answer
	TCPOnly                // truncate, so that the client asks over TCP
)

var targets = [...]string{".", "*.", "rpz-passthru.", "rpz-drop.", "rpz-tcp-only."}

// Target returns the CNAME target that encodes a.
func (a Action) Target() string {
	if int(a) < len(targets) {
		return targets[a]
	}
	return ""
}

// ParseTarget returns the action that a CNAME target encodes; ok is false for
// any other target, which is local data.
func ParseTarget(target string) (a Action, ok bool) {
	for i, t := range targets {
		if strings.EqualFold(t, target) {
			return Action(i), true
		}
	}
	return 0, false
}

// MaxOwner is the longest owner name, in octets on the wire (RFC 1035 §2.3.4).
const MaxOwner = 255

// The labels that name a trigger other than QNAME (draft §4).
const (
	labelIP       = "rpz-ip"
	labelClientIP = "rpz-client-ip"
	labelNSDName  = "rpz-nsdname"
	labelNSIP     = "rpz-nsip"
)

// Enforceable reports whether values of kind k can be an RPZ trigger.
func Enforceable(k accord.Kind) bool {
	switch k {
	case accord.KindDomain, accord.KindIPv4, accord.KindIPv6, accord.KindCIDR:
		return true
	default:
		return false
	}
}

// Owners returns the owner names that make o a trigger in zone: the name and
// its wildcard for a domain, one RPZ-IP name for an address or a network. It
// refuses other kinds, values that are not in normal form, host bits set in a
// network, and owners longer than [MaxOwner].
func Owners(o accord.Observable, zone string) ([]string, error) {
	if err := checkZone(zone); err != nil {
		return nil, err
	}
	if o.Kind != accord.KindDomain {
		rel, err := ipOwner(o)
		if err != nil {
			return nil, err
		}
		return []string{absolute(rel, zone)}, nil
	}
	if err := checkDomain(o.Value); err != nil {
		return nil, err
	}
	wild := absolute("*."+o.Value, zone)
	if wireLen(wild) > MaxOwner {
		return nil, fmt.Errorf("%w: domain of %d octets is too long for zone %s", accord.ErrInvalid, len(o.Value), zone)
	}
	return []string{wild[2:], wild}, nil
}

// Parse returns the observable that an owner name in zone is a trigger for, and
// whether the owner is the wildcard of a domain. It refuses the zone's own name,
// names outside the zone, and triggers other than QNAME and RPZ-IP.
func Parse(owner, zone string) (o accord.Observable, wildcard bool, err error) {
	if err := checkZone(zone); err != nil {
		return o, false, err
	}
	owner = strings.ToLower(owner)
	rel, ok := relative(owner, zone)
	if !ok || rel == "" || wireLen(owner) > MaxOwner {
		return o, false, fmt.Errorf("%w: %.300q is not a trigger in zone %s", accord.ErrInvalid, owner, zone)
	}
	switch last := rel[strings.LastIndexByte(rel, '.')+1:]; last {
	case labelIP:
		o, err = parseIP(strings.TrimSuffix(strings.TrimSuffix(rel, labelIP), "."))
		return o, false, err
	case labelClientIP, labelNSDName, labelNSIP:
		return o, false, fmt.Errorf("%w: trigger %s is not read", accord.ErrInvalid, last)
	}
	rel, wildcard = strings.CutPrefix(rel, "*.")
	if err := checkDomain(rel); err != nil {
		return o, false, err
	}
	return accord.Observable{Kind: accord.KindDomain, Value: rel}, wildcard, nil
}

// LocalData returns the target that sends clients to a walled garden: a CNAME
// to host, an absolute name outside the reserved ones.
func LocalData(host string) (target string, err error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if err := checkDomain(host); err != nil {
		return "", err
	}
	if _, reserved := ParseTarget(host + "."); reserved {
		return "", fmt.Errorf("%w: %s encodes an action, not a host", accord.ErrInvalid, host)
	}
	return host + ".", nil
}

// Parent returns the name one label up, and false when v has one label. It is
// how a wildcard's reach is walked.
func Parent(v string) (string, bool) {
	_, rest, ok := strings.Cut(v, ".")
	return rest, ok && rest != ""
}

func checkZone(zone string) error {
	name, ok := strings.CutSuffix(zone, ".")
	if !ok || zone == "." {
		return fmt.Errorf("%w: zone %q: want an absolute name such as \"hot.rpz.\"", accord.ErrInvalid, zone)
	}
	return checkLabels(name)
}

// checkDomain accepts a normalised name that may be a QNAME trigger: not a
// wildcard, and not ending in a label that names another trigger.
func checkDomain(name string) error {
	if err := checkLabels(name); err != nil {
		return err
	}
	switch last := name[strings.LastIndexByte(name, '.')+1:]; last {
	case labelIP, labelClientIP, labelNSDName, labelNSIP:
		return fmt.Errorf("%w: name ends in the reserved label %s", accord.ErrInvalid, last)
	}
	return nil
}

// checkLabels accepts labels of 1–63 of a–z, 0–9, '-', '_'.
func checkLabels(name string) error {
	if len(name)+2 > MaxOwner {
		return fmt.Errorf("%w: name of %d octets", accord.ErrInvalid, len(name))
	}
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '.' {
			c := name[i]
			if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
				continue
			}
			return fmt.Errorf("%w: %q has %q, which a name in normal form has not", accord.ErrInvalid, name, c)
		}
		if n := i - start; n == 0 || n > 63 {
			return fmt.Errorf("%w: %q has a label of %d octets", accord.ErrInvalid, name, n)
		}
		start = i + 1
	}
	return nil
}

// wireLen is the length on the wire of an absolute name without escapes.
func wireLen(absolute string) int { return len(absolute) + 1 }

func absolute(rel, zone string) string { return rel + "." + zone }

func relative(owner, zone string) (string, bool) {
	if owner == zone {
		return "", true
	}
	rel, ok := strings.CutSuffix(owner, "."+zone)
	return rel, ok && rel != ""
}

// ipOwner writes an address or network as prefix length and reversed words, and
// the label rpz-ip (draft §4.1.1).
func ipOwner(o accord.Observable) (string, error) {
	p, err := prefixOf(o)
	if err != nil {
		return "", err
	}
	b := strconv.AppendInt(nil, int64(p.Bits()), 10)
	if p.Addr().Is4() {
		a := p.Addr().As4()
		for i := len(a) - 1; i >= 0; i-- {
			b = append(b, '.')
			b = strconv.AppendInt(b, int64(a[i]), 10)
		}
	} else {
		b = appendV6(b, p.Addr().As16())
	}
	return string(append(b, "."+labelIP...)), nil
}

// appendV6 writes the eight words from last to first; the first longest run of
// two or more zero words is one "zz", as "::" is in RFC 5952 §4.2.
func appendV6(b []byte, a [16]byte) []byte {
	var w [8]uint16
	for i := range w {
		w[i] = uint16(a[2*i])<<8 | uint16(a[2*i+1])
	}
	from, to := longestZeros(w)
	for i := 7; i >= 0; i-- {
		b = append(b, '.')
		if to-from >= 2 && i == to-1 {
			b = append(b, "zz"...)
			i = from
			continue
		}
		b = strconv.AppendUint(b, uint64(w[i]), 16)
	}
	return b
}

func longestZeros(w [8]uint16) (from, to int) {
	for i := 0; i < 8; i++ {
		j := i
		for j < 8 && w[j] == 0 {
			j++
		}
		if j-i > to-from {
			from, to = i, j
		}
		i = max(i, j-1)
	}
	return from, to
}

// prefixOf reads the value of an address or a network in canonical form.
func prefixOf(o accord.Observable) (netip.Prefix, error) {
	bad := func(why string) (netip.Prefix, error) {
		return netip.Prefix{}, fmt.Errorf("%w: %s %.60q: %s", accord.ErrInvalid, o.Kind, o.Value, why)
	}
	switch o.Kind {
	case accord.KindIPv4, accord.KindIPv6:
		a, err := netip.ParseAddr(o.Value)
		if err != nil || a.Zone() != "" || a.Is4() != (o.Kind == accord.KindIPv4) || a.Is4In6() || a.String() != o.Value {
			return bad("not an address in canonical form")
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	case accord.KindCIDR:
		p, err := netip.ParsePrefix(o.Value)
		if err != nil || p.Addr().Is4In6() || p.String() != o.Value {
			return bad("not a network in canonical form")
		}
		if p != p.Masked() {
			return bad("host bits are set")
		}
		if p.Bits() == 0 {
			return bad("holds every address")
		}
		return p, nil
	default:
		return bad("not a value that RPZ can enforce")
	}
}

// parseIP reads what ipOwner writes, without the final label. It also reads
// BIND's spelling without "zz", but refuses host bits.
func parseIP(rel string) (accord.Observable, error) {
	bad := fmt.Errorf("%w: %.300q is not an RPZ-IP trigger", accord.ErrInvalid, rel)
	labels := strings.Split(rel, ".")
	bits, err := strconv.ParseUint(labels[0], 10, 8)
	if err != nil || bits == 0 || strconv.FormatUint(bits, 10) != labels[0] {
		return accord.Observable{}, bad
	}
	labels = labels[1:]
	var a netip.Addr
	var ok bool
	if len(labels) == 4 && labels[0] != "zz" && !strings.Contains(rel, "zz") {
		a, ok = parseV4(labels)
	} else {
		a, ok = parseV6(labels)
	}
	p := netip.PrefixFrom(a, int(bits))
	if !ok || !p.IsValid() || p != p.Masked() || a.Is4In6() {
		return accord.Observable{}, bad
	}
	switch {
	case !p.IsSingleIP():
		return accord.Observable{Kind: accord.KindCIDR, Value: p.String()}, nil
	case a.Is4():
		return accord.Observable{Kind: accord.KindIPv4, Value: a.String()}, nil
	default:
		return accord.Observable{Kind: accord.KindIPv6, Value: a.String()}, nil
	}
}

func parseV4(labels []string) (netip.Addr, bool) {
	var a [4]byte
	for i, l := range labels {
		n, err := strconv.ParseUint(l, 10, 8)
		if err != nil || strconv.FormatUint(n, 10) != l {
			return netip.Addr{}, false
		}
		a[3-i] = byte(n)
	}
	return netip.AddrFrom4(a), true
}

func parseV6(labels []string) (netip.Addr, bool) {
	if len(labels) > 8 {
		return netip.Addr{}, false
	}
	var a [16]byte
	at, zz := 8, false // at: word to the right of the next one
	for _, l := range labels {
		if l == "zz" {
			if zz || len(labels) == 8 {
				return netip.Addr{}, false
			}
			zz = true
			at -= 8 - (len(labels) - 1)
			continue
		}
		n, err := strconv.ParseUint(l, 16, 16)
		if err != nil || at == 0 || strconv.FormatUint(n, 16) != l {
			return netip.Addr{}, false
		}
		at--
		a[2*at], a[2*at+1] = byte(n>>8), byte(n)
	}
	return netip.AddrFrom16(a), at == 0
}
