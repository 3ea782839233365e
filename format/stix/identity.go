// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrNoContribution means that a cyber-observable has no property that its
// identifier could be made of: it has a random one (UUIDv4, §2.9).
var ErrNoContribution = errors.New("nothing contributes to its identifier")

// DeterministicID returns the identifier that the standard makes of a
// cyber-observable object (§3.4): UUIDv5 over the canonical JSON (RFC 8785) of its
// contributing properties. Of several hashes the first of MD5, SHA-1, SHA-256 and
// SHA-512 counts, else the first that stands there. It fails with
// ErrNoContribution when there are none, and with a *Problem when object is no
// cyber-observable of the standard.
func DeterministicID(object []byte) (string, error) {
	d, err := index(object, DefaultLimits.Depth)
	if err != nil {
		return "", err
	}
	defer d.release()
	typ := d.str("type")
	s := schemas[typ]
	if s == nil || s.class != classObservable {
		return "", problem("type", "3.4", "%s is not a cyber-observable object of the standard", show(typ))
	}
	return deterministicID(d, s)
}

func deterministicID(d *document, s *schema) (string, error) {
	b := []byte{'{'}
	for _, name := range s.id {
		n := d.get(name)
		if n == 0 {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, name), ':')
		if name == "hashes" && d.nodes[n].kind == '{' {
			b = d.appendOneHash(b, n)
		} else {
			b = append(b, d.bytes(n)...)
		}
	}
	if len(b) == 1 {
		return "", ErrNoContribution
	}
	v := jsontext.Value(append(b, '}'))
	if err := v.Canonicalize(); err != nil {
		return "", fmt.Errorf("id of %s: %w", s.name, err)
	}
	return string(appendID(nil, s.name, uuid5(observablesSpace, v))), nil
}

// appendOneHash appends the one hash of the dictionary at n that counts.
func (d *document) appendOneHash(b []byte, n int32) []byte {
	best := int32(0)
	for _, name := range [...]string{"MD5", "SHA-1", "SHA-256", "SHA-512"} {
		if best = d.find(n, name); best != 0 {
			break
		}
	}
	if best == 0 && d.nodes[n].next > n+1 {
		best = n + 2
	}
	if best == 0 {
		return append(b, "{}"...)
	}
	b = append(append(b, '{'), d.bytes(best-1)...)
	return append(append(append(b, ':'), d.bytes(best)...), '}')
}

// identity checks type and id.
func (c *checker) identity() {
	d := c.d
	if n := d.get("type"); d.kind(n) == '"' && schemas[c.typ] == nil {
		c.at(n, c.customType)
	}
	n := d.get("id")
	if d.kind(n) != '"' {
		return
	}
	c.at(n, func() {
		typ, uuid, ok := strings.Cut(c.id, "--")
		switch {
		case !ok || !validUUID(uuid) || !validTypeName(typ):
			c.add("identifier", "%s: want the type, two hyphens and a UUID", show(c.id))
		case typ != c.typ:
			c.add("id-type", "%s does not begin with the type of the object, %s", show(c.id), show(c.typ))
		case !rfc4122(uuid):
			c.add("identifier", "%s: its UUID is not one of RFC 4122: make a new one", show(c.id))
		case c.schema.class == classObservable:
			c.observableID(uuid)
		case uuid[14] != '4':
			c.add("id-version", "%s has a UUID of version %c: use version 4", show(c.id), uuid[14])
		}
	})
}

// observableID checks the id of a cyber-observable; c.path leads to it.
func (c *checker) observableID(uuid string) {
	if c.schema.name == "sco" { // a custom one: what contributes is its extension's to say
		if uuid[14] != '5' {
			c.add("id-version", "%s has a UUID of version %c: use version 5", show(c.id), uuid[14])
		}
		return
	}
	want, err := deterministicID(c.d, c.schema)
	switch {
	case errors.Is(err, ErrNoContribution):
		if uuid[14] != '4' {
			c.add("id-random", "%s: nothing contributes to the identifier, so its UUID is of version 4", show(c.id))
		}
	case err != nil:
	case strings.EqualFold(want, c.id):
		for _, name := range [...]string{"created", "modified", "created_by_ref", "revoked"} {
			if c.d.get(name) != 0 {
				c.add("id-namespace", "an object with %s has versions, so it needs an identifier of its own: use a UUID of version 4", name)
				return
			}
		}
	case uuid[14] == '5':
		c.add("id-value", "%s: by its properties it would be %s", show(c.id), want)
	default:
		c.add("id-version", "%s has a UUID of version %c: use %s", show(c.id), uuid[14], want)
	}
}

// customType checks the name of a type that the standard does not have.
func (c *checker) customType() {
	switch {
	case !validTypeName(c.typ):
		c.add("type-name", "%s: want 3 to 250 of a-z, 0-9 and -, a letter first, no two hyphens together", show(c.typ))
	case !strings.HasPrefix(c.typ, "x-") && !c.extended():
		c.add("custom-object-prefix", "%s is no type of the standard: give it the prefix x-, or define it by an extension", show(c.typ))
	case !c.extended():
		c.add("custom-object", "%s: define it by an extension (new-sdo, new-sco or new-sro)", show(c.typ))
	}
}
