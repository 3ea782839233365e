// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// budget is the work that may still be done; it decides nothing by the clock, so
// that the same input always ends the same way.
type budget struct {
	left int64
	over bool
}

// spend takes n steps and reports whether there were so many.
func (b *budget) spend(n int64) bool {
	if b.left -= n; b.left < 0 {
		b.over = true
	}
	return !b.over
}

func (b *budget) err() error {
	if b.over {
		return fmt.Errorf("%w: match a pattern: more steps than allowed; give fewer observations, or a larger limit", ErrLimit)
	}
	return nil
}

// check is a comparison expression made ready.
type check struct {
	*comparison
	parts     []check
	walk      []walk
	constants []constant
	like      *like
	regex     *regexp.Regexp
	cost      int64 // of regex, per byte
	net       netip.Prefix
}

// walk is a step of an object path; index is -1 for *, -2 for a property.
type walk struct {
	name  string
	index int
}

const (
	every    = -1
	property = -2
)

func newCheck(c *comparison) check {
	k := check{comparison: c}
	if c.joined() {
		for i := range c.parts {
			k.parts = append(k.parts, newCheck(&c.parts[i]))
		}
		return k
	}
	for _, s := range c.path.steps {
		w := walk{name: s.name, index: property}
		switch n, err := strconv.Atoi(s.name); {
		case s.index && s.name == "*":
			w.index = every
		case s.index && err == nil:
			w.index = n
		case s.index:
			w.index = int(^uint(0) >> 1) // out of any list's range
		}
		k.walk = append(k.walk, w)
	}
	for _, v := range c.value {
		k.constants = append(k.constants, newConstant(v))
	}
	switch c.op {
	case "LIKE":
		k.like = newLike(c.value[0].text)
	case "MATCHES":
		k.regex, k.cost = compileRegex(c.value[0].text)
	case "ISSUBSET", "ISSUPERSET":
		k.net, _ = prefixOf(c.value[0].text)
	}
	return k
}

// observed reports whether o satisfies the observation expression: all of it
// begins at one object (§9.5).
func (k *check) observed(o *Observation, b *budget) bool {
	for _, root := range o.roots {
		if k.holds(o, root, b) {
			return true
		}
	}
	return false
}

func (k *check) holds(o *Observation, root *object, b *budget) bool {
	if !b.spend(1) {
		return false
	}
	if k.joined() {
		any := k.op == "OR"
		for i := range k.parts {
			if k.parts[i].holds(o, root, b) == any {
				return any
			}
		}
		return !any
	}
	if root.kind != k.path.object {
		return false
	}
	e := evaluation{k: k, o: o, b: b}
	e.step(found{v: &root.value}, k.walk)
	if k.op == "EXISTS" { // the one that asks about the path itself
		return e.present != k.not
	}
	// A path that leads nowhere makes the comparison false, NOT or no NOT (§9.6).
	return e.present && e.any != k.not
}

// evaluation is one comparison held against one object.
type evaluation struct {
	k       *check
	o       *Observation
	b       *budget
	present bool // the path leads to a value
	any     bool // that satisfies the comparison
}

// step follows the rest of the path from f; with [*] it goes on until a value
// satisfies the comparison (§9.7.2).
func (e *evaluation) step(f found, rest []walk) {
	if e.any || !e.b.spend(1) || f.v.kind == 'n' { // null is no value of STIX
		return
	}
	if len(rest) == 0 {
		e.present = true
		e.any = e.k.test(f, e.b)
		return
	}
	w := rest[0]
	switch {
	case w.index == every && f.v.kind == '[':
		for i := range f.v.items {
			e.step(found{&f.v.items[i], f.name}, rest[1:])
		}
	case w.index >= 0 && f.v.kind == '[' && w.index < len(f.v.items):
		e.step(found{&f.v.items[w.index], f.name}, rest[1:])
	case w.index == property:
		v := f.v
		if v.kind == '"' && (strings.HasSuffix(f.name, "_ref") || strings.HasSuffix(f.name, "_refs")) {
			to := e.o.refers(v.text) // §9.7.4
			if to == nil {
				return
			}
			v = &to.value
		}
		if next := v.get(w.name); next != nil {
			e.step(found{next, w.name}, rest[1:])
		}
	}
}

// test reports whether f satisfies the operator, before any NOT.
func (k *check) test(f found, b *budget) bool {
	switch k.op {
	case "=", "IN":
		if !b.spend(int64(len(k.constants))) {
			return false
		}
		for i := range k.constants {
			if order, ok := f.against(&k.constants[i]); ok && order == 0 {
				return true
			}
		}
		return false
	case "EXISTS":
		return true
	case "!=":
		order, ok := f.against(&k.constants[0])
		return !ok || order != 0
	case "LIKE":
		s, latin, ok := f.normal(b)
		return ok && (!latin || k.like.latin) && k.like.match(s, b)
	case "MATCHES":
		s, _, ok := f.normal(b)
		return ok && b.spend(int64(len(s))*k.cost) && k.regex.MatchString(s)
	case "ISSUBSET", "ISSUPERSET":
		have, ok := netip.Prefix{}, false
		if f.v.kind == '"' {
			have, ok = prefixOf(f.v.text)
		}
		if k.op == "ISSUPERSET" {
			return ok && contains(have, k.net)
		}
		return ok && contains(k.net, have)
	}
	order, ok := f.against(&k.constants[0])
	return ok && ordered(k.op, order)
}

func ordered(op string, order int) bool {
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	return false
}

// contains reports whether all of b is in a.
func contains(a, b netip.Prefix) bool { return a.Bits() <= b.Bits() && a.Contains(b.Addr()) }

// normal returns a string in NFC for LIKE and MATCHES (§9.6.2); of a binary
// property the octets, as code points.
func (f found) normal(b *budget) (s string, latin, ok bool) {
	if f.v.kind != '"' || !b.spend(int64(len(f.v.text)/8)) {
		return "", false, false
	}
	octets, binary, ok := f.octets()
	if binary {
		return wide(octets), true, ok
	}
	return norm.NFC.String(f.v.text), false, true
}
