// SPDX-License-Identifier: Apache-2.0

package knowledge

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"accord"
)

// usual are MITRE's domains in their usual order.
var usual = []string{"enterprise-attack", "mobile-attack", "ics-attack"}

// usualTactics is the order of tactics where no matrix tells.
var usualTactics = []string{
	"reconnaissance", "resource-development", "initial-access", "execution", "persistence", "privilege-escalation", "defense-evasion",
	"evasion", "credential-access", "discovery", "lateral-movement", "collection", "command-and-control", "inhibit-response-function",
	"impair-process-control", "exfiltration", "network-effects", "remote-service-effects", "impact",
}

// referrer is an item that refers to an ATT&CK object.
type referrer struct {
	id, typ  string
	rel      string   // relationship_type
	from, to string   // of a relationship
	targets  []string // of any other
	source   string
	added    accord.Stamp
	live     bool
}

// other is the far end of a relationship that is no ATT&CK object.
type other struct {
	live    bool
	added   accord.Stamp
	matches int64
}

// known is everything a base is made of.
type known struct {
	entities  map[string]*entity
	matrices  map[string]*matrix
	referrers map[string]*referrer
	others    map[string]*other
	seq       int64
	cut       bool
}

func newKnown() *known {
	return &known{
		entities: map[string]*entity{}, matrices: map[string]*matrix{}, referrers: map[string]*referrer{}, others: map[string]*other{},
	}
}

// Build returns the base that items make up, all of them being given. Matches
// are not known to it.
func Build(items []accord.Item) *Base {
	k := newKnown()
	for i := range items {
		k.learn(&items[i])
	}
	for i := range items {
		k.refer(&items[i])
	}
	for i := range items {
		if o := k.others[items[i].ID]; o != nil {
			o.see(&items[i])
		}
	}
	return k.base()
}

func (o *other) see(it *accord.Item) {
	o.live, o.added = it.Withdrawn == 0 && !it.Revoked && it.False == "", it.Added
}

// learn takes it in as an ATT&CK object or a matrix, or forgets it as one.
func (k *known) learn(it *accord.Item) (changed, fresh bool) {
	if it.Type == "x-mitre-matrix" {
		m, ok := matrixOf(it)
		_, was := k.matrices[it.ID]
		if ok && len(k.matrices) < maxMatrices {
			k.matrices[it.ID] = m
		} else {
			delete(k.matrices, it.ID)
		}
		return ok || was, false
	}
	e, ok := entityOf(it)
	_, was := k.entities[it.ID]
	switch {
	case !ok:
		delete(k.entities, it.ID)
		return was, false
	case !was && len(k.entities) >= maxEntities:
		k.cut = true
		return true, false
	}
	k.entities[it.ID] = e
	return true, !was
}

// Bounds of what a base holds. ATT&CK's three domains are some 6,000 objects and
// 23,000 relationships.
const (
	maxEntities  = 50_000
	maxReferrers = 400_000
	maxMatrices  = 100
	maxTargets   = 10_000 // objects that one report names
)

// refer takes it in as something that refers to ATT&CK objects, or forgets it.
func (k *known) refer(it *accord.Item) (changed bool) {
	_, was := k.referrers[it.ID]
	r := k.referrerOf(it)
	switch {
	case r == nil:
		delete(k.referrers, it.ID)
		return was
	case !was && len(k.referrers) >= maxReferrers:
		k.cut = true
		return true
	}
	k.referrers[it.ID] = r
	for _, end := range []string{r.from, r.to} {
		if end != "" && k.entities[end] == nil && k.others[end] == nil {
			k.others[end] = &other{}
		}
	}
	return true
}

func (k *known) referrerOf(it *accord.Item) *referrer {
	if it.Withdrawn != 0 || it.Revoked || strings.HasPrefix(it.Type, "x-mitre-") { // a matrix, a collection
		return nil
	}
	touches := slices.ContainsFunc(it.Refs, func(r accord.Ref) bool { return r.Property != "created_by_ref" && k.entities[r.To] != nil })
	if !touches {
		return nil
	}
	r := &referrer{id: it.ID, typ: it.Type, source: it.Source, added: it.Added, live: true}
	if it.Type == "relationship" {
		w, ok := readWire(it.Bytes)
		if !ok || w.Deprecated {
			return nil
		}
		r.rel, r.from, r.to = clip(w.Relationship), w.SourceRef, w.TargetRef
		return r
	}
	if k.entities[it.ID] != nil {
		return nil // what an ATT&CK object names of its like is read from itself
	}
	for _, ref := range it.Refs {
		if k.entities[ref.To] != nil && len(r.targets) < maxTargets {
			r.targets = append(r.targets, ref.To)
		}
	}
	return r
}

// base puts it all together.
func (k *known) base() *Base {
	b := &Base{
		Seq: k.seq, Cut: k.cut, objects: map[string]*Object{}, bySTIX: make(map[string]*Object, len(k.entities)),
		ordered: map[Kind][]*Object{}, columns: map[string][]Column{},
	}
	k.objects(b)
	k.links(b)
	for _, o := range b.objects {
		o.finish()
	}
	for _, o := range b.objects {
		if !o.Revoked && !o.Deprecated {
			b.ordered[o.Kind] = append(b.ordered[o.Kind], o)
		}
	}
	for kind := range b.ordered {
		slices.SortFunc(b.ordered[kind], compareNames)
	}
	k.matrix(b)
	return b
}

// objects folds entities of one identifier into one object.
func (k *known) objects(b *Base) {
	byID := map[string][]*entity{}
	for _, e := range k.entities {
		byID[e.ext] = append(byID[e.ext], e)
	}
	for id, same := range byID {
		slices.SortFunc(same, better)
		e := same[0]
		o := &Object{
			ID: id, Kind: e.kind, STIX: e.id, Source: e.source, Name: e.name, Aliases: e.aliases, Platforms: e.platforms,
			Domains: e.domains, Tactics: e.phases, Deprecated: e.deprecated, Revoked: e.revoked,
		}
		if o.Name == "" {
			o.Name = id
		}
		for _, s := range same {
			b.bySTIX[s.id] = o
			if s != e {
				o.Also = append(o.Also, s.id)
			}
		}
		b.objects[id] = o
	}
	for id, o := range b.objects {
		if parent, _, sub := strings.Cut(id, "."); sub && b.objects[parent] != nil {
			o.Parent = b.objects[parent]
			if !o.Revoked && !o.Deprecated {
				o.Parent.Subs = append(o.Parent.Subs, o)
			}
		}
	}
}

// better orders objects of one identifier: in use before not, own before given,
// like MITRE's before unlike, old before new.
func better(a, b *entity) int {
	no := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(no(a.revoked || a.deprecated), no(b.revoked || b.deprecated)), cmp.Compare(no(b.own), no(a.own)),
		cmp.Compare(b.rank, a.rank), cmp.Compare(a.created, b.created), cmp.Compare(a.id, b.id),
	)
}

// links joins objects to each other and to what refers to them.
func (k *known) links(b *Base) {
	for _, r := range k.referrers {
		from, to := b.bySTIX[r.from], b.bySTIX[r.to]
		switch {
		case r.typ != "relationship":
			for _, t := range r.targets {
				if o := b.bySTIX[t]; o != nil {
					o.Refs = append(o.Refs, Ref{Item: r.id, Added: r.added, Live: r.live})
				}
			}
		case from != nil && to != nil:
			join(r, from, to)
		case to != nil:
			k.outside(to, r, r.from)
		case from != nil:
			k.outside(from, r, r.to)
		}
	}
	for _, e := range k.entities {
		o := b.bySTIX[e.id]
		if o.STIX != e.id {
			continue
		}
		for _, to := range slices.Concat(e.analytics, e.component) {
			if t := b.bySTIX[to]; t != nil && t != o {
				o.Links = append(o.Links, Link{Verb: "has", Out: true, To: t, Source: e.source})
				t.Links = append(t.Links, Link{Verb: "has", To: o, Source: e.source})
			}
		}
	}
}

func join(r *referrer, from, to *Object) {
	switch {
	case from == to || r.rel == "subtechnique-of": // their identifiers say it
	case r.rel == "revoked-by":
		if from.Revoked {
			from.Successor = to
		}
	default:
		from.Links = append(from.Links, Link{Rel: r.id, Verb: r.rel, Out: true, To: to, Source: r.source})
		to.Links = append(to.Links, Link{Rel: r.id, Verb: r.rel, To: from, Source: r.source})
	}
}

// outside adds the item at the far end of r to what refers to o.
func (k *known) outside(o *Object, r *referrer, item string) {
	x := k.others[item]
	if x == nil || item == "" {
		return
	}
	o.Refs = append(o.Refs, Ref{Item: item, Via: r.id, Verb: r.rel, Added: x.added, Live: r.live && x.live, Matches: x.matches})
}

// finish orders what an object has, and counts.
func (o *Object) finish() {
	slices.SortFunc(o.Subs, func(a, b *Object) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(o.Links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.To.ID, b.To.ID), cmp.Compare(a.Rel, b.Rel))
	})
	slices.SortFunc(o.Refs, func(a, b Ref) int {
		return cmp.Or(cmp.Compare(b.Added, a.Added), cmp.Compare(a.Item, b.Item), cmp.Compare(a.Via, b.Via))
	})
	counted := make(map[string]bool, len(o.Refs))
	for _, r := range o.Refs {
		if !r.Live || counted[r.Item] {
			continue
		}
		counted[r.Item] = true
		typ, _, _ := strings.Cut(r.Item, "--")
		switch typ {
		case "indicator":
			o.Count.Indicators++
			o.Count.Matches += r.Matches
		case "report", "grouping", "note":
			o.Count.Reports++
		case "malware", "tool":
			o.Count.Malware++
		default:
			o.Count.Others++
		}
	}
}

// matrix orders tactics and puts techniques under them.
func (k *known) matrix(b *Base) {
	byPhase := map[Phase][]*Object{}
	for _, t := range b.ordered[Technique] {
		if t.Parent != nil && !t.Parent.Revoked && !t.Parent.Deprecated {
			continue
		}
		for _, p := range t.Tactics {
			if !slices.Contains(byPhase[p], t) {
				byPhase[p] = append(byPhase[p], t)
			}
		}
		if len(t.Tactics) == 0 {
			for _, d := range t.Domains {
				byPhase[Phase{d, ""}] = append(byPhase[Phase{d, ""}], t)
			}
		}
	}
	tactics := map[Phase]*Object{}
	for _, t := range b.ordered[Tactic] {
		for _, p := range t.Tactics {
			tactics[p] = t
		}
	}
	for p := range maps.Keys(byPhase) {
		if !slices.Contains(b.domains, p.Domain) {
			b.domains = append(b.domains, p.Domain)
		}
	}
	slices.SortFunc(b.domains, func(x, y string) int { return cmp.Or(place(usual, x)-place(usual, y), cmp.Compare(x, y)) })
	for _, d := range b.domains {
		for _, p := range k.phases(b, d, byPhase, tactics) {
			c := Column{Phase: p, Name: title(p.Name), Techniques: byPhase[p]}
			if t := tactics[p]; t != nil {
				c.ID, c.Name = t.ID, t.Name
			}
			b.columns[d] = append(b.columns[d], c)
		}
	}
}

// phases returns a domain's tactics in order: as its matrix says, then as usual.
func (k *known) phases(b *Base, domain string, filled map[Phase][]*Object, tactics map[Phase]*Object) (out []Phase) {
	add := func(p Phase) {
		if p.Domain == domain && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	matrices := slices.SortedFunc(maps.Values(k.matrices), func(x, y *matrix) int {
		return cmp.Or(cmp.Compare(y.rank, x.rank), cmp.Compare(len(y.tactics), len(x.tactics)), cmp.Compare(x.id, y.id))
	})
	for _, m := range matrices {
		for _, ref := range m.tactics {
			if t := b.bySTIX[ref]; m.domain == domain && t != nil {
				for _, p := range t.Tactics {
					add(p)
				}
			}
		}
	}
	rest := slices.Concat(slices.Collect(maps.Keys(filled)), slices.Collect(maps.Keys(tactics)))
	slices.SortFunc(rest, func(x, y Phase) int {
		return cmp.Or(place(usualTactics, x.Name)-place(usualTactics, y.Name), cmp.Compare(x.Name, y.Name))
	})
	for _, p := range rest {
		if len(filled[p]) > 0 || len(out) == 0 {
			add(p)
		}
	}
	return out
}

func place(in []string, s string) int {
	if i := slices.Index(in, s); i >= 0 {
		return i
	}
	return len(in)
}

// title writes "initial-access" as "Initial Access".
func title(name string) string {
	words := strings.Split(name, "-")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}
