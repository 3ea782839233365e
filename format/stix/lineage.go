// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"encoding/hex"
	"hash/maphash"
	"strconv"
	"strings"
)

// lineage is what a Validator remembers of one UUID.
type lineage struct {
	typ      string
	created  uint64 // hashes; 0: none
	creator  uint64
	versions []revision
}

// revision is one version of an object.
type revision struct {
	modified string // normal: without zeros at its end
	content  uint64
	revoked  bool
}

// mostRevisions bounds the versions remembered of one object.
const mostRevisions = 1000

// versions compares an object with the others of its id (§3.6, §2.9).
func (c *checker) versions() {
	v := c.sets
	key, ok := uuidBytes(c.id)
	if !ok {
		return
	}
	l := v.ids[key]
	if l == nil {
		if len(v.ids) >= mostRemembered {
			v.report.Forgotten++
			return
		}
		l = &lineage{typ: strings.Clone(c.typ), created: c.hashOf("created"), creator: c.hashOf("created_by_ref")}
		v.ids[key] = l
	} else if !c.akin(l) {
		return
	}
	n := c.d.get("modified")
	if c.d.kind(n) != '"' || !validTimestamp(c.d.bare(n)) {
		return
	}
	c.revision(l, n)
}

// akin compares what all versions share, and reports whether the object is of the
// remembered type.
func (c *checker) akin(l *lineage) bool {
	d := c.d
	creator := c.hashOf("created_by_ref")
	if l.typ != c.typ {
		if creator != 0 && creator == l.creator {
			c.at(d.get("id"), func() {
				c.add("id-reused", "%s: the same producer gave this UUID to %s: make a new one", show(c.id), article(l.typ))
			})
		}
		return false
	}
	if created := c.hashOf("created"); created != l.created && created != 0 && l.created != 0 {
		c.at(d.get("created"), func() { c.add("version-created", "another version of this object has another created: keep it") })
	}
	if creator != l.creator && d.get("modified") != 0 {
		at := d.get("created_by_ref")
		say := func() {
			c.add("version-creator", "another version of this object has another creator: keep it, or make a new object")
		}
		if at == 0 {
			say()
		} else {
			c.at(at, say)
		}
	}
	return true
}

// revision compares the object with the versions remembered; n is its modified.
func (c *checker) revision(l *lineage, n int32) {
	d := c.d
	now := revision{modified: normalInstant(d.bare(n)), content: c.contentHash(0), revoked: d.kind(d.get("revoked")) == 't'}
	known := false
	for _, r := range l.versions {
		switch {
		case r.modified == now.modified:
			known = true
			if r.content != now.content {
				c.at(n, func() {
					c.add("version-content", "this version appears with other content: give a changed object a later modified")
				})
			}
		case r.revoked && r.modified < now.modified:
			c.at(n, func() { c.add("version-revoked", "an earlier version revokes this object: make a new object") })
		case now.revoked && now.modified < r.modified:
			c.at(d.get("revoked"), func() { c.add("version-revoked", "a later version of this object exists: revoke that") })
		}
	}
	if !known && len(l.versions) < mostRevisions {
		l.versions = append(l.versions, now)
	}
}

// normalInstant is a valid timestamp without zeros at its end, so that texts
// order as instants do.
func normalInstant(b []byte) string { return string(b[:19]) + "." + fraction(b) }

// uuidBytes returns the UUID of an identifier.
func uuidBytes(id string) (u [16]byte, ok bool) {
	_, text, _ := strings.Cut(id, "--")
	if !validUUID(text) {
		return u, false
	}
	_, err := hex.Decode(u[:], []byte(strings.ReplaceAll(text, "-", "")))
	return u, err == nil
}

// hashOf hashes a top-level string; 0 when there is none. Timestamps count by
// what they mean.
func (c *checker) hashOf(name string) uint64 {
	n := c.d.get(name)
	if c.d.kind(n) != '"' {
		return 0
	}
	b := c.d.bare(n)
	if validTimestamp(b) {
		b = []byte(normalInstant(b))
	}
	return maphash.Bytes(c.sets.seed, b)
}

// contentHash hashes the value at n by what it means: members in any order, and
// without those that have their default.
func (c *checker) contentHash(n int32) uint64 {
	d, seed := c.d, c.sets.seed
	switch nd := d.nodes[n]; nd.kind {
	case '{':
		sum := uint64(1)
		for k := n + 1; k < nd.next; k = d.nodes[k+1].next {
			name := d.bare(k)
			if n == 0 && d.nodes[k+1].kind == 'f' && (string(name) == "revoked" || string(name) == "defanged" || string(name) == "summary") {
				continue
			}
			var h maphash.Hash
			h.SetSeed(seed)
			_, _ = h.Write(name)
			maphash.WriteComparable(&h, c.contentHash(k+1))
			sum += h.Sum64()
		}
		return sum
	case '[':
		var h maphash.Hash
		h.SetSeed(seed)
		for e := n + 1; e < nd.next; e = d.nodes[e].next {
			maphash.WriteComparable(&h, c.contentHash(e))
		}
		return h.Sum64() + 2
	case '"':
		if b := d.bare(n); validTimestamp(b) {
			return maphash.String(seed, normalInstant(b))
		}
		return maphash.Bytes(seed, d.bare(n))
	case '0':
		if f, err := strconv.ParseFloat(string(d.bytes(n)), 64); err == nil {
			return maphash.Comparable(seed, f)
		}
	}
	return maphash.Bytes(seed, d.bytes(n)) + 3
}
