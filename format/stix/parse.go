// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"accord"
	"accord/format/stix/pattern"
)

// Limits of what is copied out of an object for lists and search; the object's
// own bytes are not cut.
const (
	maxNameText  = 512 // bytes
	maxLabelText = 256
	maxLabels    = 1000
)

// Parse reads one object and fills every field of an Item that its bytes decide.
// An object of STIX 2.0 is upgraded to 2.1 first. An object without a TLP mark
// counts as defaultTLP. The Item keeps raw.Bytes; the caller gives them up. Its
// error is a *Problem.
func Parse(raw Raw, defaultTLP accord.TLP) (accord.Item, error) {
	d, err := index(raw.Bytes, DefaultLimits.Depth)
	if err != nil {
		return accord.Item{}, err
	}
	defer func() { d.release() }()
	p := parser{d: d, typ: d.str("type"), id: d.str("id")}
	if err := p.identity(); err != nil {
		return accord.Item{}, p.about(err)
	}
	spec, err := specOf(d, p.typ, raw.Spec)
	if err != nil {
		return accord.Item{}, p.about(err)
	}
	if spec == "2.0" {
		up, err := index(upgrade(d, p.typ), DefaultLimits.Depth)
		if err != nil {
			return accord.Item{}, p.about(err)
		}
		d.release()
		d, p.d = up, up
	}
	it, err := p.item(defaultTLP)
	if err != nil {
		return accord.Item{}, p.about(err)
	}
	it.Spec = spec
	return it, nil
}

// parser reads one indexed object.
type parser struct {
	d       *document
	typ, id string
	schema  *schema
}

// about adds the object's id to a Problem.
func (p *parser) about(err error) error {
	var pr *Problem
	if errors.As(err, &pr) && pr.Object == "" {
		pr.Object = clip(p.id)
	}
	return err
}

// identity checks type and id (§3.2, §2.9).
func (p *parser) identity() error {
	switch {
	case p.typ == "":
		return problem("type", "3.2", "the object has no type")
	case p.typ == "bundle":
		return problem("type", "8", "a bundle is not an object; read what it holds")
	case !validType(p.typ):
		return problem("type", "3.1", "%q is not the name of a type: 3 to 250 of a-z, 0-9 and '-'", clip(p.typ))
	case p.id == "":
		return problem("id", "3.2", "the object has no id")
	case !validID(p.id):
		return problem("id", "2.9", "%q is not an identifier: want type--UUID", clip(p.id))
	case typeOf(p.id) != p.typ:
		return problem("id", "2.9", "the id does not begin with the type %q", p.typ)
	}
	return nil
}

// specOf returns the version the object is written in. An object that does not
// say is of its bundle's version; in none, it is of 2.0 if it has no place in
// 2.1 without saying (§3.2).
func specOf(d *document, typ, bundle string) (string, error) {
	n := d.get("spec_version")
	if n != 0 {
		switch v := d.text(n); {
		case d.kind(n) == '"' && (v == "2.1" || v == "2.0"):
			return v, nil
		default:
			return "", problem("spec_version", "3.2", "%s: this node reads \"2.0\" and \"2.1\"", clip(string(d.bytes(n))))
		}
	}
	if s := schemas[typ]; s != nil && s.class == classObservable {
		return "2.1", nil
	}
	if bundle != "" && bundle != "2.0" {
		return "", problem("spec_version", "3.2", "the object does not say its version, and the bundle is of %q", clip(bundle))
	}
	if schemas[typ] == nil && d.get("created") == 0 && d.get("modified") == 0 && bundle == "" {
		return "2.1", nil // an observable of an extension
	}
	return "2.0", nil
}

// item checks the object and reads the Item out of it.
func (p *parser) item(defaultTLP accord.TLP) (accord.Item, error) {
	p.schema = schemaOf(p.d, p.typ)
	if err := p.check(); err != nil {
		return accord.Item{}, err
	}
	d := p.d
	root := d.nodes[0]
	it := accord.Item{Type: p.typ, Confidence: -1, Bytes: d.raw[root.start:root.end:root.end]}
	it.ID = p.id
	it.Created = stampOf(d.str("created"))
	it.Version = stampOf(d.str("modified"))
	if it.Version == 0 {
		it.Version = it.Created
	}
	it.ValidFrom = stampOf(d.str("valid_from"))
	it.ValidUntil = stampOf(d.str("valid_until"))
	it.CreatedBy = d.str("created_by_ref")
	it.Class = tidy(d.str("identity_class"), maxLabelText)
	if n := d.get("confidence"); n != 0 {
		it.Confidence, _ = strconv.Atoi(string(d.bytes(n))) // checked
	}
	it.Revoked = d.kind(d.get("revoked")) == 't'
	m := markingOf(d, p.typ)
	it.TLP, it.PAP = defaultTLP, m.pap
	if m.has {
		it.TLP = m.tlp
	}
	it.Labels = p.labels()
	if p.typ == "identity" {
		it.Sectors = p.sectors()
	}
	it.Refs = p.refs()
	if err := p.observables(&it); err != nil {
		return it, err
	}
	it.Name = p.name(it.Observables)
	return it, nil
}

// stampOf reads an instant that check has accepted.
func stampOf(s string) accord.Stamp {
	t, ok := instant(s)
	if !ok {
		return 0
	}
	return accord.StampOf(t)
}

// instant reads a timestamp (§2.16): RFC 3339 with capital T and Z.
func instant(s string) (time.Time, bool) {
	if len(s) < 20 || len(s) > 64 || s[10] != 'T' || s[13] != ':' || s[len(s)-1] != 'Z' || s[19] == ',' {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil
}

// tidy makes s fit for a list: valid text on one line, at most limit bytes.
func tidy(s string, limit int) string {
	if len(s) <= limit && !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == ' ' }), " ")
	if len(s) <= limit {
		return s
	}
	n := limit - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// labelLists are the properties whose values become the Item's labels.
var labelLists = [...]string{
	"labels", "indicator_types", "malware_types", "infrastructure_types",
	"threat_actor_types", "tool_types", "report_types",
}

func (p *parser) labels() (out []string) {
	for _, name := range labelLists {
		for _, l := range p.d.strings(name) {
			if l = strings.ToLower(tidy(l, maxLabelText)); l != "" && len(out) < maxLabels {
				out = append(out, l)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (p *parser) sectors() (out []string) {
	for _, s := range p.d.strings("sectors") {
		if s = tidy(s, maxLabelText); s != "" && len(out) < maxLabels {
			out = append(out, s)
		}
	}
	return out
}

// refs returns the references of the object, markings excluded, each once, in
// the order they stand. Inside the deprecated objects of an observed-data the
// references are local keys, not identifiers, so they are left out; so is what
// is no identifier in a nested dictionary, whose keys are anybody's.
func (p *parser) refs() (out []accord.Ref) {
	p.eachRef(func(name string, n int32) {
		if to := p.d.text(n); validID(to) {
			out = append(out, accord.Ref{Property: name, To: to})
		}
	})
	return unique(out)
}

// unique drops what stands in list before, without disturbing the order.
func unique(list []accord.Ref) []accord.Ref {
	if len(list) <= 8 {
		out := list[:0]
		for _, r := range list {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
		return out
	}
	seen := make(map[accord.Ref]bool, len(list))
	return slices.DeleteFunc(list, func(r accord.Ref) bool {
		had := seen[r]
		seen[r] = true
		return had
	})
}

// eachRef calls f with each string that a reference property holds, at any
// depth, and the property's name.
func (p *parser) eachRef(f func(name string, n int32)) {
	d := p.d
	for k := int32(1); k < int32(len(d.nodes)); k++ {
		nd := d.nodes[k]
		if nd.kind != 'k' || nd.end-nd.start < 6 {
			continue
		}
		name := d.raw[nd.start+1 : nd.end-1]
		if p.typ == "observed-data" && string(name) == "objects" {
			k = nd.next - 1
			k = d.nodes[k+1].next - 1
			continue
		}
		if name[len(name)-1] != 'f' && name[len(name)-1] != 's' && !strings.Contains(string(name), "\\") {
			continue
		}
		prop := d.name(k)
		ref, many := isReference(prop)
		if !ref || isMarking(prop) {
			continue
		}
		if v := k + 1; !many && d.nodes[v].kind == '"' {
			f(prop, v)
		} else if many {
			d.elements(v, func(_ int, e int32) {
				if d.nodes[e].kind == '"' {
					f(prop, e)
				}
			})
		}
	}
}

// observables fills in what telemetry can be searched for.
func (p *parser) observables(it *accord.Item) error {
	d := p.d
	switch {
	case p.typ == "indicator":
		text := d.str("pattern")
		if d.str("pattern_type") != "stix" {
			return nil
		}
		pat, err := pattern.Parse(text)
		if errors.Is(err, pattern.ErrUnsupported) {
			return nil // kept, and given on; this node cannot look for it
		}
		if err != nil {
			return problem("pattern", "9", "%v", err)
		}
		it.Observables, it.Atomic = pat.Observables()
	case p.schema.class == classObservable:
		it.Observables = p.objectValues(nil, 0, p.typ)
	case p.typ == "observed-data":
		n := d.get("objects")
		if d.kind(n) != '{' {
			return nil
		}
		for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
			if t := d.find(k+1, "type"); d.kind(t) == '"' {
				it.Observables = p.objectValues(it.Observables, k+1, d.text(t))
			}
		}
	}
	return nil
}

// objectValues appends the values of the observable object at n.
func (p *parser) objectValues(to []accord.Observable, n int32, typ string) []accord.Observable {
	add := func(o accord.Observable, ok bool) {
		if ok && !slices.Contains(to, o) && len(to) < maxLabels {
			to = append(to, o)
		}
	}
	d := p.d
	if v := d.find(n, "value"); d.kind(v) == '"' {
		add(pattern.ObjectValue(typ, d.text(v)))
	}
	if h := d.find(n, "hashes"); d.kind(h) == '{' {
		for k := h + 1; k < d.nodes[h].next; k = d.nodes[k+1].next {
			if d.nodes[k+1].kind == '"' {
				add(pattern.HashValue(d.text(k), d.text(k+1)))
			}
		}
	}
	return to
}

// naming are the properties that name an object which has no name, in the order
// they are tried.
var naming = [...]string{
	"name", "value", "abstract", "content", "relationship_type", "opinion", "product", "path", "key",
	"display_name", "account_login", "user_id", "command_line", "subject", "serial_number", "country", "region", "context",
}

func (p *parser) name(obs []accord.Observable) string {
	for _, n := range naming {
		if s := p.d.str(n); s != "" {
			return tidy(s, maxNameText)
		}
	}
	if len(obs) > 0 {
		return tidy(obs[0].Value, maxNameText)
	}
	if n := p.d.get("number"); p.typ == "autonomous-system" && n != 0 {
		return "AS" + tidy(string(p.d.bytes(n)), 32)
	}
	return tidy(p.d.str("pattern"), maxNameText)
}
