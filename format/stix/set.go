// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"strconv"
	"strings"
)

// mostRemembered is how many identifiers a Validator remembers: some 150 bytes each.
const mostRemembered = 1_000_000

// Report is what a Validator counted.
type Report struct {
	Objects  int  `json:"objects"`  // objects checked
	Invalid  int  `json:"invalid"`  // of them with a finding of level MUST
	Must     int  `json:"must"`     // findings of level MUST, of bundles too
	Should   int  `json:"should"`   // findings of level SHOULD
	Upgraded int  `json:"upgraded"` // objects of STIX 2.0, checked in their 2.1 form
	Partial  bool `json:"partial"`  // an input ended in an error: what follows it was not checked
	// Forgotten is how many objects were not compared with others of their id,
	// because a million ids were remembered.
	Forgotten int `json:"forgotten"`
}

// Valid reports whether everything was read and nothing is against a MUST.
func (r Report) Valid() bool { return r.Must == 0 && !r.Partial }

// Validator checks a set of objects against STIX 2.1: each as Validate does, the
// bundles around them, and the versions of one object against one another (§3.6).
// What it reads in several calls is one set. It holds one object at a time and
// remembers a million ids. One goroutine uses it at a time.
type Validator struct {
	lim    Limits
	seed   maphash.Seed
	ids    map[[16]byte]*lineage
	report Report
	emit   func(Finding) error
}

// NewValidator returns a Validator of inputs within lim.
func NewValidator(lim Limits) *Validator {
	return &Validator{lim: lim.withDefaults(), seed: maphash.MakeSeed(), ids: map[[16]byte]*lineage{}}
}

// Report returns the counts so far.
func (v *Validator) Report() Report { return v.report }

// Read checks what r holds, in any of the forms that the function Read takes, and
// calls found with each finding. Where r holds several JSON texts one after
// another, paths in those after the first begin with the text's number, such as
// [1]. The error is of r, or of found; input that is wrong is a finding, and
// makes the Report partial when it could not be read to its end.
func (v *Validator) Read(r io.Reader, found func(Finding) error) error {
	v.emit = found
	text := ""
	var container bundle
	s := newSplitter(r, v.lim, func(_ Raw, err error) bool { return v.unread(text, err) == nil })
	texts := 0
	next := func() { texts++; text = "[" + strconv.Itoa(texts) + "]"; container = bundle{} }
	s.member = container.member
	s.accept = func(raw []byte, in step) error {
		place := text
		if in.index >= 0 {
			container.count++
			if container.listed {
				place = string(appendName([]byte(place), "objects"))
			}
			place += "[" + strconv.Itoa(in.index) + "]"
		} else {
			defer next()
		}
		return v.object(Raw{Bytes: raw, Spec: s.spec}, place)
	}
	var failed error
	s.ended = func(typ string, list bool) {
		if failed == nil {
			failed = v.bundle(&container, typ, text)
		}
		next()
	}
	err := s.run()
	switch {
	case failed != nil:
		return failed
	case err == nil:
		return nil
	}
	var p *Problem
	if errors.As(err, &p) || errors.Is(err, errStopped) {
		v.report.Partial = true
		return v.add(Finding{Path: text, Code: "truncated", Message: printable(err.Error())})
	}
	return err
}

// unread is about what is no object, or too large.
func (v *Validator) unread(place string, err error) error {
	return v.add(Finding{Path: place, Code: "json", Message: printable(err.Error())})
}

func (v *Validator) add(f Finding) error {
	check := checkOf(f.Code)
	f.Level = check.Level
	if f.Section == "" {
		f.Section = check.Section
	}
	if f.Level == Must {
		v.report.Must++
	} else {
		v.report.Should++
	}
	return v.emit(f)
}

// object checks one object and compares it with what is remembered.
func (v *Validator) object(raw Raw, place string) error {
	c := checker{sets: v}
	c.check(raw, place)
	v.report.Objects++
	v.report.Must += c.must
	v.report.Should += c.should
	if c.must > 0 {
		v.report.Invalid++
	}
	if c.upgraded {
		v.report.Upgraded++
	}
	for _, f := range c.found {
		if err := v.emit(f); err != nil {
			return err
		}
	}
	return nil
}

// bundle is what is seen of a bundle around its objects.
type bundle struct {
	id     []byte
	listed bool // its objects have begun
	count  int
	odd    []byte // objects, when it is no list
	twice  string // a name that stands twice
	names  []string
	others []string
}

func (b *bundle) member(name string, value []byte) {
	if slices.Contains(b.names, name) {
		b.twice = name
	} else if len(b.names) < 100 {
		b.names = append(b.names, name)
	}
	switch name {
	case "id":
		b.id = bytes.Clone(value)
	case "type":
	case "objects":
		b.listed = true
		b.odd = value
	case "spec_version": // of STIX 2.0
	default:
		if len(b.others) < 100 && !slices.Contains(b.others, name) {
			b.others = append(b.others, name)
		}
	}
}

// bundle checks the bundle itself (§8.1), which is at place.
func (v *Validator) bundle(b *bundle, typ, place string) error {
	if typ != "bundle" {
		return nil // a TAXII envelope
	}
	id := unquoted(b.id)
	at := func(name string) string { return string(appendName([]byte(place), name)) }
	var f []Finding
	_, uuid, _ := strings.Cut(id, "--")
	switch {
	case b.id == nil:
		f = append(f, Finding{Path: place, Code: "required", Message: "id is missing: a bundle needs it"})
	case !validID(id) || typeOf(id) != "bundle" || !rfc4122(uuid):
		f = append(f, Finding{Path: at("id"), Code: "bundle", Message: show(id) + ": want \"bundle--\" and a UUID"})
	case uuid[14] != '4':
		f = append(f, Finding{Path: at("id"), Code: "id-version", Message: show(id) + " has a UUID of another version: use version 4"})
	}
	switch {
	case b.odd != nil:
		f = append(f, Finding{Path: at("objects"), Code: "type", Section: "8.1", Message: "want a list of objects"})
	case b.listed && b.count == 0:
		f = append(f, Finding{Path: at("objects"), Code: "empty-list", Message: "the list is empty: leave it out, or give it an object"})
	}
	if b.twice != "" {
		f = append(f, Finding{Path: at(b.twice), Code: "json", Message: "not strict JSON: the same name twice in one object"})
	}
	for _, name := range b.others {
		switch {
		case everyCommon[name]:
			f = append(f, Finding{Path: at(name), Code: "not-applicable", Message: "a bundle has no " + name + ": leave it out"})
		case !validPropertyName(name):
			f = append(f, Finding{Path: at(name), Code: "custom-name", Message: show(name) + ": want 3 to 250 of a-z, 0-9 and _"})
		default:
			f = append(f, Finding{Path: at(name), Code: "custom-property", Message: show(name) + ": nobody keeps what stands on a bundle (§8): leave it out"})
		}
	}
	for i := range f {
		f[i].Object = named(id)
		if err := v.add(f[i]); err != nil {
			return err
		}
	}
	return nil
}
