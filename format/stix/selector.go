// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"strconv"
	"strings"
)

// maxSteps bounds the properties and list items that the selectors of one object
// may be compared with; beyond it a selector selects nothing.
const maxSteps = 5_000_000

// resolve follows a selector (§7.2.3), such as "external_references.[1].url",
// from the object's root and returns the nodes it passes, the selected value
// last; nil when it selects nothing. Names are matched longest first, for a
// dictionary's key may itself hold a full stop.
func (d *document) resolve(selector string) []int32 {
	if selector == "" || len(selector) > 4096 {
		return nil
	}
	return d.follow(0, selector, nil)
}

func (d *document) follow(n int32, rest string, path []int32) []int32 {
	if rest == "" {
		return path
	}
	if d.steps > maxSteps {
		return nil
	}
	switch d.nodes[n].kind {
	case '[':
		head, tail, more := strings.Cut(rest, ".")
		if more && tail == "" || len(head) < 3 || head[0] != '[' || head[len(head)-1] != ']' {
			return nil
		}
		want, err := strconv.Atoi(head[1 : len(head)-1])
		if err != nil || want < 0 || head[1] == '+' {
			return nil
		}
		for e := n + 1; e < d.nodes[n].next; e = d.nodes[e].next {
			if d.steps++; want == 0 {
				return d.follow(e, tail, append(path, e))
			}
			want--
		}
		return nil
	case '{':
		best, rests := int32(0), ""
		for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
			d.steps++
			if tail, ok := d.named(k, rest); ok && (best == 0 || len(tail) < len(rests)) {
				best, rests = k+1, tail
			}
		}
		if best == 0 {
			return nil
		}
		return d.follow(best, strings.TrimPrefix(rests, "."), append(path, best))
	}
	return nil
}
