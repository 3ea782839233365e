// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"net/netip"
	"slices"
	"strings"

	"accord"
)

// Cover returns values one of which is observed whenever the pattern matches: what
// [Observation.Values] gives of the observations holds one that one of these
// [Covers]. So a pattern need not be evaluated before one of them is seen. Of an AND
// or FOLLOWEDBY it is the cover of the most selective part; of an OR all. ok is
// false when there is none, as when a part of an OR asks for something that is not
// looked for.
func (p *Pattern) Cover() (values []accord.Observable, ok bool) {
	c := p.root.cover()
	return slices.Compact(c.values), c.ok
}

// cover is a set of values with what it costs to look for them.
type cover struct {
	values []accord.Observable
	cost   int
	ok     bool
}

// costs of a value, by how often it is seen where nothing is wrong.
var costs = map[accord.Kind]int{accord.KindDomain: 3, accord.KindIPv4: 4, accord.KindIPv6: 4, accord.KindCIDR: 64}

func (c *cover) add(values ...accord.Observable) {
	for _, v := range values {
		c.values = append(c.values, v)
		c.cost += max(costs[v.Kind], 1)
	}
}

// best returns the cheapest of covers that are.
func best(covers []cover) (out cover) {
	for _, c := range covers {
		if c.ok && (!out.ok || c.cost < out.cost) {
			out = c
		}
	}
	return out
}

// union returns what covers all of covers.
func union(covers []cover) cover {
	out := cover{ok: true}
	for _, c := range covers {
		if !c.ok {
			return cover{}
		}
		out.add(c.values...)
	}
	return out
}

func (o *observation) cover() cover {
	if o.test != nil {
		return o.test.cover()
	}
	covers := make([]cover, len(o.parts))
	for i := range o.parts {
		covers[i] = o.parts[i].cover()
	}
	if o.op == "OR" {
		return union(covers)
	}
	return best(covers)
}

func (c *comparison) cover() cover {
	if !c.joined() {
		return c.values()
	}
	covers := make([]cover, len(c.parts))
	for i := range c.parts {
		covers[i] = c.parts[i].cover()
	}
	if c.op == "OR" {
		return union(covers)
	}
	for _, end := range [...]string{"dst", "src"} {
		covers = append(covers, pairCover(c.parts, end))
	}
	return best(covers)
}

// values is the cover of one test: every constant it can be satisfied by.
func (c *comparison) values() cover {
	subset := c.op == "ISSUBSET" && !c.not
	kinds := c.path.kinds()
	if !subset && !c.equality() || kinds == nil || subset && kinds[0] != accord.KindIPv4 {
		return cover{}
	}
	out := cover{ok: true}
	for _, v := range c.value {
		o, ok := observable(kinds, v.text)
		if !ok || v.kind != tokString {
			return cover{}
		}
		out.add(o)
	}
	return out
}

// pairCover is the cover of an address and a port of one end of a connection.
func pairCover(parts []comparison, end string) cover {
	var addr, port *comparison
	for i := range parts {
		switch c := &parts[i]; {
		case c.joined() || !c.equality() || c.path.object != "network-traffic":
		case c.path.is(end+"_ref", "value"):
			addr = c
		case c.path.is(end + "_port"):
			port = c
		}
	}
	if addr == nil || port == nil || len(addr.value)*len(port.value) > maxPairs {
		return cover{}
	}
	out := cover{ok: true}
	for _, a := range addr.value {
		for _, n := range port.value {
			o, ok := pairOf(a.text, readNumber(n.text))
			if !ok || a.kind != tokString || n.kind != tokInt && n.kind != tokFloat {
				return cover{}
			}
			out.add(o)
		}
	}
	return out
}

// pairOf returns an address with a port as one value.
func pairOf(addr string, port number) (accord.Observable, bool) {
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimSuffix(addr, "/32"), "/128"))
	n := port.i
	if !port.whole {
		n = int64(max(min(port.f, 1<<20), -1))
	}
	if err != nil || ip.Zone() != "" || n < 1 || n > 65535 || port.compare(number{whole: true, i: n}) != 0 {
		return accord.Observable{}, false
	}
	return accord.Observable{Kind: accord.KindAddrPort, Value: netip.AddrPortFrom(ip.Unmap(), uint16(n)).String()}, true
}

// Covers reports whether c, a value of a cover, stands for the value seen: it is the
// same, or a network that contains it.
func Covers(c, seen accord.Observable) bool {
	if c == seen {
		return true
	}
	if c.Kind != accord.KindCIDR {
		return false
	}
	net, _ := prefixOf(c.Value)
	have, ok := prefixOf(seen.Value)
	return ok && contains(net, have)
}

// Values returns what of the observation is looked for, normalised: the values and
// hashes of its objects, and addresses with their ports.
func (o *Observation) Values() (out []accord.Observable) {
	add := func(v accord.Observable, ok bool) {
		if ok && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	for _, root := range o.roots {
		add(ObjectValue(root.kind, root.value.str("value")))
		hashes(root.kind, &root.value, add)
		for _, ref := range [...]string{"dst_ref", "src_ref", "from_ref", "sender_ref", "image_ref", "binary_ref"} {
			to := o.refers(root.value.str(ref))
			if to == nil {
				continue
			}
			p := path{object: root.kind, steps: []step{{name: ref}, {name: "value"}}}
			value := to.value.str("value")
			add(observable(p.kinds(), value))
			if root.kind == "process" {
				hashes("file", &to.value, add)
			}
			if port := root.value.get(strings.TrimSuffix(ref, "_ref") + "_port"); root.kind == "network-traffic" && port != nil && port.kind == '0' {
				add(pairOf(value, readNumber(port.text)))
			}
		}
	}
	return out
}

func hashes(kind string, v *value, add func(accord.Observable, bool)) {
	all := v.get("hashes")
	if all == nil || all.kind != '{' || kind != "file" && kind != "artifact" && kind != "x509-certificate" {
		return
	}
	for i, name := range all.names {
		if all.items[i].kind == '"' {
			add(HashValue(name, all.items[i].text))
		}
	}
}
