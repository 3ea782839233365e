// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"accord"
	"accord/score"
	"accord/search"
	"accord/web/node"
)

// fakeStore keeps an invented world in memory. Methods that pages call return
// what the fields hold; errors come from fail, by method name.
type fakeStore struct {
	mu          sync.Mutex
	accounts    map[string]accord.Account
	sessions    map[[32]byte]accord.Session
	audit       []accord.AuditEntry
	items       []accord.Item // newest version first
	parties     []accord.Party
	counts      accord.Counts
	matches     []accord.Match
	protections []accord.Protection
	disclosures []accord.Disclosure
	withheld    []accord.Withheld
	received    []accord.Received
	changes     []accord.Change
	heads       []accord.Head
	leaves      map[string][]accord.Leaf
	attack      fakeAttack
	feeds       []accord.Feed
	qualities   map[string]accord.FeedQuality
	runs        map[string][]accord.FeedRun
	links       map[string][]accord.Link
	sightings   map[string]accord.Sightings
	sourcesOf   map[string][]accord.SourceOf
	said        []string // what analysts said
	fail        map[string]error
	before      map[string]func() // by method name
}

func (f *fakeStore) Account(_ context.Context, name string) (accord.Account, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.accounts[name]
	if !ok {
		return a, accord.ErrNotFound
	}
	return a, f.fail["Account"]
}

func (f *fakeStore) SetLocale(_ context.Context, name, locale string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meanwhile("SetLocale")
	a, ok := f.accounts[name]
	if !ok {
		return accord.ErrNotFound
	}
	a.Locale = locale
	f.accounts[name] = a
	return nil
}

func (f *fakeStore) SetPassword(_ context.Context, name, phc string, keep [32]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meanwhile("SetPassword")
	a, ok := f.accounts[name]
	switch {
	case !ok:
		return accord.ErrNotFound
	case a.Disabled:
		return accord.ErrForbidden
	}
	a.Password = phc
	f.accounts[name] = a
	for sum, s := range f.sessions {
		if s.Account == name && (sum != keep || s.Ticket) {
			delete(f.sessions, sum)
		}
	}
	return nil
}

func (f *fakeStore) ExtendSession(_ context.Context, sum [32]byte, expires accord.Stamp) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meanwhile("ExtendSession")
	s, ok := f.sessions[sum]
	if !ok || s.Ticket {
		return accord.ErrNotFound
	}
	s.Expires = expires
	f.sessions[sum] = s
	return nil
}

// meanwhile runs what the test says happens just before a method writes. The
// caller holds mu.
func (f *fakeStore) meanwhile(method string) {
	if do := f.before[method]; do != nil {
		do()
	}
}

func (f *fakeStore) PutSession(_ context.Context, s accord.Session) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions[s.Sum] = s
	return nil
}

func (f *fakeStore) Session(_ context.Context, sum [32]byte) (accord.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[sum]
	if !ok || s.Ticket {
		return s, accord.ErrNotFound
	}
	return s, nil
}

func (f *fakeStore) DeleteSession(_ context.Context, sum [32]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, sum)
	return nil
}

func (f *fakeStore) TakeTicket(_ context.Context, sum [32]byte, at accord.Stamp) (accord.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[sum]
	if !ok || !s.Ticket {
		return accord.Session{}, accord.ErrNotFound
	}
	delete(f.sessions, sum)
	if s.Expires <= at {
		return accord.Session{}, accord.ErrNotFound
	}
	return s, nil
}

func (f *fakeStore) Audit(_ context.Context, e accord.AuditEntry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.audit = append(f.audit, e)
	return nil
}

func (f *fakeStore) Counts(context.Context) (accord.Counts, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts, f.fail["Counts"]
}

func (f *fakeStore) Parties(context.Context) ([]accord.Party, error) { return f.parties, nil }

func (f *fakeStore) LastSeq(context.Context) (int64, error) { return int64(len(f.changes)), nil }

func (f *fakeStore) Changes(_ context.Context, after int64, limit int) ([]accord.Change, error) {
	return f.changes[after:min(int(after)+limit, len(f.changes))], nil
}

func (f *fakeStore) Items(_ context.Context, keys []accord.ItemKey) ([]accord.Item, error) {
	var out []accord.Item
	for _, k := range keys {
		if i := slices.IndexFunc(f.items, func(x accord.Item) bool { return x.ItemKey == k }); i >= 0 {
			out = append(out, f.items[i])
		}
	}
	return out, nil
}

func (f *fakeStore) Item(_ context.Context, id string) (accord.Item, error) {
	i := slices.IndexFunc(f.items, func(x accord.Item) bool { return x.ID == id })
	if i < 0 {
		return accord.Item{}, accord.ErrNotFound
	}
	return f.items[i], nil
}

func (f *fakeStore) Versions(_ context.Context, id string) ([]accord.Item, error) {
	var out []accord.Item
	for _, i := range f.items {
		if i.ID == id {
			out = append(out, i)
		}
	}
	return out, nil
}

func (f *fakeStore) Latest(ctx context.Context, ids []string) (map[string]accord.Item, error) {
	out := map[string]accord.Item{}
	for _, id := range ids {
		if i, err := f.Item(ctx, id); err == nil {
			out[id] = i
		}
	}
	return out, nil
}

func (f *fakeStore) Referrers(_ context.Context, ids []string, _ int) ([]accord.ItemKey, error) {
	var out []accord.ItemKey
	for _, i := range f.items {
		for _, r := range i.Refs {
			if slices.Contains(ids, r.To) && r.Property != "created_by_ref" {
				out = append(out, i.ItemKey)
			}
		}
	}
	return out, nil
}

// Search pages by the number of items to skip; it knows types and words alone.
func (f *fakeStore) Search(_ context.Context, q accord.Query) ([]accord.Item, string, error) {
	skip, _ := strconv.Atoi(q.After)
	parsed, err := search.Parse(q.Q)
	if err != nil {
		return nil, "", err
	}
	var out []accord.Item
	for _, i := range f.items {
		fits := true
		for _, t := range parsed.Terms {
			switch t.Field {
			case "type":
				fits = fits && slices.Contains(t.Values, i.Type)
			case "":
				fits = fits && strings.Contains(i.Name+i.ID, t.Values[0])
			}
		}
		if fits {
			out = append(out, i)
		}
	}
	out = out[min(skip, len(out)):]
	if len(out) > 8 {
		return out[:8], strconv.Itoa(skip + 8), nil
	}
	return out, "", nil
}

func (f *fakeStore) Score(it accord.Item, now accord.Stamp) accord.Score {
	return score.Default().Of(&it, now)
}

func (f *fakeStore) SpreadOf(_ context.Context, items []accord.Item) (map[string]accord.Spread, error) {
	out := map[string]accord.Spread{}
	for _, it := range items {
		out[it.ID] = accord.Spread{Items: 3, Sources: len(it.Observables)}
	}
	return out, nil
}

func (f *fakeStore) Correlate(_ context.Context, id string) (accord.Correlation, error) {
	return accord.Correlation{Links: f.links[id]}, f.fail["Correlate"]
}

func (f *fakeStore) Sightings(_ context.Context, id string) (accord.Sightings, error) {
	return f.sightings[id], nil
}

func (f *fakeStore) Provenance(_ context.Context, key accord.ItemKey) ([]accord.SourceOf, error) {
	return f.sourcesOf[key.ID], nil
}

func (f *fakeStore) Tag(_ context.Context, id string, tags []string, who string, _ accord.Stamp) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, "tag "+id+" "+strings.Join(tags, ",")+" "+who)
	return f.alter(id, func(i *accord.Item) { i.Tags = append(i.Tags, tags...) })
}

func (f *fakeStore) Untag(_ context.Context, id string, tags []string, who string, _ accord.Stamp) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, "untag "+id+" "+strings.Join(tags, ",")+" "+who)
	return f.alter(id, func(i *accord.Item) {
		i.Tags = slices.DeleteFunc(i.Tags, func(t string) bool { return slices.Contains(tags, t) })
	})
}

func (f *fakeStore) MarkFalse(_ context.Context, id, why, who string, _ accord.Stamp) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, "false "+id+" "+why+" "+who)
	return f.alter(id, func(i *accord.Item) { i.False = why })
}

func (f *fakeStore) MarkTrue(_ context.Context, id, who string, _ accord.Stamp) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, "true "+id+" "+who)
	return f.alter(id, func(i *accord.Item) { i.False = "" })
}

func (f *fakeStore) alter(id string, how func(*accord.Item)) error {
	for i := range f.items {
		if f.items[i].ID == id {
			how(&f.items[i])
			return nil
		}
	}
	return accord.ErrNotFound
}

func (f *fakeStore) DisclosuresOf(_ context.Context, id string) ([]accord.Disclosure, error) {
	var out []accord.Disclosure
	for _, d := range f.disclosures {
		if d.Item.ID == id {
			out = append(out, d)
		}
	}
	return out, nil
}

func (f *fakeStore) WithheldOf(_ context.Context, id string) ([]accord.Withheld, error) {
	var out []accord.Withheld
	for _, w := range f.withheld {
		if w.Item.ID == id {
			out = append(out, w)
		}
	}
	return out, nil
}

func (f *fakeStore) ReceivedOf(_ context.Context, id string) ([]accord.Received, error) {
	var out []accord.Received
	for _, r := range f.received {
		if r.Item.ID == id {
			out = append(out, r)
		}
	}
	return out, nil
}

func (f *fakeStore) Matches(_ context.Context, q accord.MatchQuery) ([]accord.Match, string, error) {
	var out []accord.Match
	for _, m := range f.matches {
		if (q.Indicator == "" || m.Indicator.ID == q.Indicator) && (q.Text == "" || m.Value.Value == q.Text) {
			out = append(out, m)
		}
	}
	return out, "", f.fail["Matches"]
}

func (f *fakeStore) Protections(_ context.Context, q accord.ProtectionQuery) ([]accord.Protection, string, error) {
	var out []accord.Protection
	for _, p := range f.protections {
		if (q.Item == "" || p.Item.ID == q.Item) && (q.Zone == "" || p.Zone == q.Zone) {
			out = append(out, p)
		}
	}
	return out, "", nil
}

func (f *fakeStore) Zone(_ context.Context, zone string) (uint32, int64, error) {
	return 2026012901, f.counts.Protections[zone], nil
}

func (f *fakeStore) Heads(context.Context) ([]accord.Head, error) { return f.heads, nil }

func (f *fakeStore) Leaves(_ context.Context, origin string, from int64, limit int) ([]accord.Leaf, error) {
	var out []accord.Leaf
	for _, l := range f.leaves[origin] {
		if l.Index >= from && len(out) < limit {
			out = append(out, l)
		}
	}
	return out, nil
}

// fakeNode answers what a node would.
type fakeNode struct {
	mu         sync.Mutex
	explained  []node.Explanation
	agreements []node.Agreement
	health     []node.Health
	allowed    int64
	offered    []node.CatalogueFeed
	added      []string
	retracted  []string // "id reason who"
	fail       map[string]error
}

func (f *fakeNode) Explain(context.Context, accord.Item) ([]node.Explanation, error) {
	return f.explained, f.fail["Explain"]
}

func (f *fakeNode) Retract(_ context.Context, id, reason, who string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retracted = append(f.retracted, id+" "+reason+" "+who)
	return f.fail["Retract"]
}

func (f *fakeNode) VerifyLedger(_ context.Context, origin string) (node.LedgerReport, error) {
	ok := !strings.HasPrefix(origin, "cert.xc.example/")
	return node.LedgerReport{
		Origin: origin, OK: ok, Size: 18231, At: accord.StampOf(noon),
		Checks: []node.Check{
			{Name: "tree", OK: true},
			{Name: "signature", OK: true},
			{Name: "consistency", OK: true},
			{Name: "cosignature", OK: ok, Detail: map[bool]string{false: "the cosignature of size 412 is not by the pinned key: compare keys with the party"}[ok]},
		},
	}, nil
}

func (f *fakeNode) Agreements(context.Context) ([]node.Agreement, error) { return f.agreements, nil }

func (f *fakeNode) Agreement(_ context.Context, id string, version int) (node.Agreement, error) {
	for _, a := range f.agreements {
		if a.ID == id && (version == 0 || a.Version == version) {
			return a, nil
		}
	}
	return node.Agreement{}, accord.ErrNotFound
}

func (f *fakeStore) Feeds(context.Context) ([]accord.Feed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.feeds), f.fail["Feeds"]
}

func (f *fakeStore) FeedQualities(context.Context, []string) (map[string]accord.FeedQuality, error) {
	return f.qualities, nil
}

func (f *fakeStore) FeedRuns(_ context.Context, name string, _ int) ([]accord.FeedRun, error) {
	return f.runs[name], nil
}

func (f *fakeStore) EnableFeed(_ context.Context, name string, on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.feeds {
		if f.feeds[i].Name == name {
			f.feeds[i].Enabled, f.feeds[i].State.Due = on, 0
			return nil
		}
	}
	return accord.ErrNotFound
}

func (f *fakeNode) Catalogue() []node.CatalogueFeed { return f.offered }

func (f *fakeNode) AddFeed(_ context.Context, entry, who string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(f.offered, func(c node.CatalogueFeed) bool { return c.Name == entry }) {
		return accord.ErrNotFound
	}
	f.added = append(f.added, entry+" "+who)
	return nil
}

func (f *fakeNode) Allowed() int64 { return f.allowed }

func (f *fakeNode) Health(context.Context) ([]node.Health, error) { return f.health, nil }

// noon is when the invented world is looked at.
var noon = time.Date(2026, 1, 29, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) accord.Stamp { return accord.StampOf(noon.Add(-d)) }

func (f *fakeStore) setItems(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Items = n
}
