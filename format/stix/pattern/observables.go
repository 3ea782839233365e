// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"slices"
	"strings"

	"accord"
)

// maxPairs bounds the address:port values that one AND may give.
const maxPairs = 1024

// Observables returns the values of the pattern that telemetry can be searched
// for, normalised, in the order they stand, without duplicates; values of other
// properties, and values that do not normalise, are left out.
//
// atomic reports that any one of the values, met alone, satisfies the pattern:
// one observation at a time, equality or membership, alternatives only. A
// pattern is not atomic when a value of it stands under START … STOP, REPEATS above
// 1, FOLLOWEDBY or an AND that is more than an address with its port, or when it has
// no values. That all values are sufficient does not mean that one is necessary:
// see [Pattern.Cover].
func (p *Pattern) Observables() (obs []accord.Observable, atomic bool) {
	f := finder{atomic: true}
	f.observation(&p.root)
	return f.found, f.atomic && len(f.found) > 0
}

// finder gathers values.
type finder struct {
	found  []accord.Observable
	seen   map[accord.Observable]bool // once there are many
	atomic bool
}

func (f *finder) add(o accord.Observable) {
	switch {
	case f.seen == nil && len(f.found) < 16:
		if slices.Contains(f.found, o) {
			return
		}
	case f.seen == nil:
		f.seen = make(map[accord.Observable]bool, 64)
		for _, had := range f.found {
			f.seen[had] = true
		}
		fallthrough
	default:
		if f.seen[o] {
			return
		}
		f.seen[o] = true
	}
	f.found = append(f.found, o)
}

// insufficient notes that values added since there were had do not satisfy the
// pattern alone.
func (f *finder) insufficient(had int) {
	if len(f.found) > had {
		f.atomic = false
	}
}

func (f *finder) observation(o *observation) {
	had := len(f.found)
	if o.test != nil {
		f.comparison(o.test)
	}
	for i := range o.parts {
		f.observation(&o.parts[i])
	}
	if len(o.parts) > 1 && o.op != "OR" {
		f.insufficient(had)
	}
	for _, q := range o.qualifiers {
		if q.kind == "START" || q.kind == "REPEATS" && q.number.text != "1" {
			f.insufficient(had)
		}
	}
}

func (f *finder) comparison(c *comparison) {
	switch {
	case !c.joined():
		f.test(c)
	case c.op == "OR":
		for i := range c.parts {
			f.comparison(&c.parts[i])
		}
	default:
		f.and(c.parts)
	}
}

// and takes the parts of a conjunction. What narrows nothing beyond the value
// itself (dst_ref.type beside dst_ref.value) does not count; an address and a
// port of the same end are one value.
func (f *finder) and(parts []comparison) {
	var rest []*comparison
	for i := range parts {
		if !impliedType(&parts[i], parts) {
			rest = append(rest, &parts[i])
		}
	}
	if len(rest) == 1 {
		f.comparison(rest[0])
		return
	}
	had := len(f.found)
	used := f.pairs(rest)
	for _, c := range rest {
		if !slices.Contains(used, c) {
			f.comparison(c)
		}
	}
	if len(used) != len(rest) {
		f.insufficient(had)
	}
}

// pairs adds the address:port values of a conjunction and returns the parts
// they were made of. Two ends of one connection are two values that must meet,
// so then nothing is atomic.
func (f *finder) pairs(parts []*comparison) (used []*comparison) {
	for _, end := range [...]string{"dst", "src"} {
		var addr, port *comparison
		for _, c := range parts {
			switch {
			case !c.equality() || c.path.object != "network-traffic":
			case c.path.is(end+"_ref", "value"):
				addr = c
			case c.path.is(end + "_port"):
				port = c
			}
		}
		if addr == nil || port == nil || len(addr.value)*len(port.value) > maxPairs {
			continue
		}
		if len(used) > 0 {
			f.atomic = false
		}
		used = append(used, addr, port)
		for _, a := range addr.value {
			for _, n := range port.value {
				f.pair(a, n)
			}
		}
	}
	return used
}

func (f *finder) pair(a, n literal) {
	o, ok := pairOf(a.text, readNumber(n.text))
	if a.kind != tokString || n.kind != tokInt || !ok {
		f.atomic = false
		return
	}
	f.add(o)
}

// equality reports whether c asks for one of its values.
func (c *comparison) equality() bool {
	if c.joined() {
		return false
	}
	switch c.op {
	case "=", "IN":
		return !c.not
	case "!=":
		return c.not
	}
	return false
}

// is reports whether the path's steps are exactly names.
func (p *path) is(names ...string) bool {
	if len(p.steps) != len(names) {
		return false
	}
	for i, n := range names {
		if p.steps[i].index || p.steps[i].name != n {
			return false
		}
	}
	return true
}

// impliedType reports whether c is "x_ref.type = 'ipv4-addr'" beside an
// equality on x_ref.value whose values are all of that type.
func impliedType(c *comparison, beside []comparison) bool {
	n := len(c.path.steps)
	if !c.equality() || n != 2 || c.path.steps[1].name != "type" || len(c.value) != 1 {
		return false
	}
	for i := range beside {
		b := &beside[i]
		if !b.equality() || b.path.object != c.path.object || !b.path.is(c.path.steps[0].name, "value") {
			continue
		}
		return !slices.ContainsFunc(b.value, func(v literal) bool { return typeOf(v.text) != c.value[0].text })
	}
	return false
}

// typeOf is the type of the object that has s as its value.
func typeOf(s string) string {
	f, ok := prefixOf(s)
	switch {
	case ok && f.Addr().Is4():
		return "ipv4-addr"
	case ok:
		return "ipv6-addr"
	}
	return "domain-name"
}

// test takes one comparison.
func (f *finder) test(c *comparison) {
	subset := c.op == "ISSUBSET" && !c.not
	if !subset && !c.equality() {
		return
	}
	kinds := c.path.kinds()
	if kinds == nil || subset && kinds[0] != accord.KindIPv4 {
		return
	}
	for _, v := range c.value {
		if v.kind != tokString {
			continue
		}
		if o, ok := observable(kinds, v.text); ok {
			f.add(o)
		}
	}
}

// observable normalises text as the first of kinds that takes it.
func observable(kinds []accord.Kind, text string) (accord.Observable, bool) {
	for _, k := range kinds {
		if v, err := Normalise(k, text); err == nil {
			return accord.Observable{Kind: k, Value: v}, true
		}
	}
	return accord.Observable{}, false
}

var (
	addressKinds = []accord.Kind{accord.KindIPv4, accord.KindIPv6, accord.KindCIDR}
	endKinds     = []accord.Kind{accord.KindIPv4, accord.KindIPv6, accord.KindCIDR, accord.KindDomain}
	domainKinds  = []accord.Kind{accord.KindDomain}
	urlKinds     = []accord.Kind{accord.KindURL, accord.KindAddrPort} // feeds write address:port as a URL
	emailKinds   = []accord.Kind{accord.KindEmail}
)

// kinds returns the kinds that a value at the path may have, nil when telemetry
// is not searched for it.
func (p *path) kinds() []accord.Kind {
	if len(p.steps) == 1 && p.is("value") {
		return valueKinds(p.object)
	}
	switch p.object {
	case "network-traffic":
		if p.is("dst_ref", "value") || p.is("src_ref", "value") {
			return endKinds
		}
	case "email-message":
		if p.is("from_ref", "value") || p.is("sender_ref", "value") {
			return emailKinds
		}
	case "file", "artifact", "x509-certificate":
		if len(p.steps) == 2 && p.steps[0].name == "hashes" && !p.steps[1].index {
			return kindsOfHash(p.steps[1].name)
		}
	case "process":
		if len(p.steps) == 3 && (p.steps[0].name == "image_ref" || p.steps[0].name == "binary_ref") && p.steps[1].name == "hashes" {
			return kindsOfHash(p.steps[2].name)
		}
	}
	return nil
}

// valueKinds returns the kinds of the value of an observable object.
func valueKinds(object string) []accord.Kind {
	switch object {
	case "domain-name", "hostname":
		return domainKinds
	case "ipv4-addr", "ipv6-addr":
		return addressKinds
	case "url":
		return urlKinds
	case "email-addr":
		return emailKinds
	}
	return nil
}

var hashKinds = map[string][]accord.Kind{
	"MD5":    {accord.KindMD5},
	"SHA1":   {accord.KindSHA1},
	"SHA256": {accord.KindSHA256},
	"SHA512": {accord.KindSHA512},
}

// kindsOfHash returns the kind of a hash by its name in hash-algorithm-ov, with or
// without hyphens, in any case; nil for others.
func kindsOfHash(name string) []accord.Kind {
	return hashKinds[strings.ToUpper(strings.ReplaceAll(name, "-", ""))]
}

// ObjectValue returns the observable that an observable object of the given type
// stands for by its value property.
func ObjectValue(object, value string) (accord.Observable, bool) {
	return observable(valueKinds(object), value)
}

// HashValue returns the observable that a hash of the given name stands for.
func HashValue(name, value string) (accord.Observable, bool) {
	return observable(kindsOfHash(name), value)
}
