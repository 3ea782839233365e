// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord"
)

// Limits of a Collection; beyond them Add refuses.
const (
	MaxNesting = 64          // objects and lists within each other
	maxValues  = 4 << 20     // JSON values in one Collection, some 100 bytes each
	maxObjects = 1 << 20     // objects in one Collection
	maxNumber  = 999_999_999 // number_observed, §4.14.1
	tick       = 100 * time.Nanosecond
)

// ErrLimit is what Match and Add return when the work or the data went beyond
// its limit: whether the pattern matches is then not known.
var ErrLimit = errors.New("limit reached")

// Observation is what one observation expression is tested against (§9.1): an
// observed-data object, which stands for Number observations at instants between
// First and Last that are not said more closely, or a cyber-observable object
// that no observed-data refers to, which was observed once at no known time.
type Observation struct {
	ID     string    // of the observed-data or observable
	Number int64     // at least 1
	First  time.Time // zero when no time is known
	Last   time.Time

	timed       bool
	first, last int64 // in ticks
	roots       []*object
	refers      func(id string) *object
}

// object is a cyber-observable object.
type object struct {
	id, kind string
	value    value
}

// Collection gathers STIX objects and makes observations of them. It is not safe
// for concurrent use; the observations it gives are.
type Collection struct {
	observed []*seen
	at       map[string]int // observed by id
	objects  map[string]*object
	order    []*object
	values   int // used
}

// seen is an observed-data object.
type seen struct {
	Observation
	modified instant
	revoked  bool
	refs     []string
	embedded map[string]*object
	keys     []string // of embedded, in order
}

// notObservable are the types of STIX that are no cyber-observable objects (§4, §5,
// §7, §8); observed-data may refer to relationships, patterns cannot (§9.7).
var notObservable = strings.Fields(`attack-pattern bundle campaign course-of-action extension-definition grouping identity
incident indicator infrastructure intrusion-set language-content location malware malware-analysis marking-definition
note observed-data opinion relationship report sighting threat-actor tool vulnerability`)

// observableTypes are those of §6. In STIX 2.0 some have properties called created and
// modified.
var observableTypes = strings.Fields(`artifact autonomous-system directory domain-name email-addr email-message file
ipv4-addr ipv6-addr mac-addr mutex network-traffic process software url user-account windows-registry-key x509-certificate`)

// isObservable reports whether v, of type typ, is a cyber-observable object. One of
// another type is, unless it has the dates of a domain object (§3.2).
func isObservable(typ string, v *value) bool {
	return slices.Contains(observableTypes, typ) ||
		!slices.Contains(notObservable, typ) && (v.get("created") == nil || v.get("modified") == nil)
}

// Add takes one STIX object (of a bundle, say) in JSON. Observed-data and
// cyber-observable objects are kept; others are passed over. Of two versions of an
// observed-data the newer counts, of two observables with one identifier the first.
// Its error wraps accord.ErrInvalid or ErrLimit.
func (c *Collection) Add(data []byte) error {
	v, left, err := readValue(data, maxValues-c.values)
	if err != nil {
		return fmt.Errorf("read observation: %w", err)
	}
	typ := v.str("type")
	switch {
	case v.kind != '{' || typ == "":
		return fmt.Errorf("%w: read observation: want a STIX object with a type", accord.ErrInvalid)
	case typ == "bundle":
		return fmt.Errorf("%w: read observation: a bundle is not an object; add what it holds", accord.ErrInvalid)
	case typ == "observed-data":
		err = c.addObserved(v)
	case isObservable(typ, &v):
		err = c.addObject(v, typ)
	default:
		return nil // another object: nothing to look for
	}
	c.values = maxValues - left
	return err
}

func (c *Collection) addObject(v value, typ string) error {
	id := v.str("id")
	if c.objects == nil {
		c.objects = map[string]*object{}
	}
	if _, had := c.objects[id]; had && id != "" {
		return nil
	}
	if len(c.order) == maxObjects {
		return fmt.Errorf("%w: more than %d objects; give fewer at a time", ErrLimit, maxObjects)
	}
	o := &object{id: id, kind: typ, value: v}
	if id != "" {
		c.objects[id] = o
	}
	c.order = append(c.order, o)
	return nil
}

func (c *Collection) addObserved(v value) error {
	s := &seen{revoked: v.get("revoked") != nil && v.get("revoked").kind == 't'}
	s.ID = v.str("id")
	s.modified, _ = readInstant(v.str("modified"))
	if err := s.times(v); err != nil {
		return fmt.Errorf("%w: observed-data %s: %w", accord.ErrInvalid, clip(s.ID), err)
	}
	if refs := v.get("object_refs"); refs != nil && refs.kind == '[' {
		for _, r := range refs.items {
			if r.kind == '"' {
				s.refs = append(s.refs, r.text)
			}
		}
	}
	if all := v.get("objects"); all != nil && all.kind == '{' {
		s.embedded = make(map[string]*object, len(all.items))
		for i, name := range all.names {
			s.embedded[name] = &object{id: name, kind: all.items[i].str("type"), value: all.items[i]}
			s.keys = append(s.keys, name)
		}
	}
	i, had := c.at[s.ID]
	switch {
	case had && c.observed[i].modified.compare(s.modified) < 0:
		c.observed[i] = s
		return nil
	case had:
		return nil
	case len(c.observed) == maxObjects:
		return fmt.Errorf("%w: more than %d objects; give fewer at a time", ErrLimit, maxObjects)
	}
	if c.at == nil {
		c.at = map[string]int{}
	}
	if s.ID != "" {
		c.at[s.ID] = len(c.observed)
	}
	c.observed = append(c.observed, s)
	return nil
}

// times reads first_observed, last_observed and number_observed (§4.14.1).
func (s *seen) times(v value) error {
	from, ok := readInstant(v.str("first_observed"))
	to, also := readInstant(v.str("last_observed"))
	if !ok || !also {
		return errors.New("want first_observed and last_observed as timestamps (§4.14)")
	}
	if from.compare(to) > 0 {
		return errors.New("last_observed is before first_observed (§4.14)")
	}
	n := v.get("number_observed")
	if n == nil || n.kind != '0' {
		return errors.New("want number_observed (§4.14)")
	}
	number, err := strconv.ParseInt(n.text, 10, 64)
	if err != nil || number < 1 || number > maxNumber {
		return fmt.Errorf("number_observed is %s: want an integer from 1 to %d (§4.14)", clip(n.text), maxNumber)
	}
	s.Number, s.timed = number, true
	s.First, s.Last = from.time(), to.time()
	s.first, s.last = from.ticks(), to.ticks()
	return nil
}

// Observations returns what was added: the observed-data in the order they came,
// revoked ones left out, then the observables that none of them refers to.
func (c *Collection) Observations() []Observation {
	var out []Observation
	used := map[string]bool{}
	for _, s := range c.observed {
		for _, id := range s.refs {
			used[id] = true
		}
		if s.revoked {
			continue
		}
		o := s.Observation
		if len(s.keys) > 0 {
			for _, k := range s.keys {
				o.roots = appendRoot(o.roots, s.embedded[k])
			}
			o.refers = func(id string) *object { return s.embedded[id] }
		} else {
			// Only what object_refs lists may be followed (§9.7.4).
			mine := make(map[string]*object, len(s.refs))
			for _, id := range s.refs {
				if to := c.objects[id]; to != nil && mine[id] == nil {
					mine[id] = to
					o.roots = appendRoot(o.roots, to)
				}
			}
			o.refers = func(id string) *object { return mine[id] }
		}
		out = append(out, o)
	}
	for _, b := range c.order {
		if b.id == "" || !used[b.id] {
			out = append(out, Observation{
				ID: b.id, Number: 1, first: math.MinInt64, last: math.MaxInt64,
				roots: []*object{b}, refers: func(id string) *object { return c.objects[id] },
			})
		}
	}
	return out
}

func appendRoot(to []*object, o *object) []*object {
	if slices.Contains(notObservable, o.kind) {
		return to
	}
	return append(to, o)
}
