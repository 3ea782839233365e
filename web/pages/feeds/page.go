// SPDX-License-Identifier: Apache-2.0

// Package feeds is the page of where intelligence comes from by itself: each
// feed's state, its last and next run, what it is worth compared with the others,
// and a catalogue of public feeds to switch on. An operator switches feeds on and
// off and asks for a run at once; everybody reads. Percentages are of distinct
// values or indicators since the store was made.
package feeds

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"

	"accord"
	"accord/web/node"
	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "feeds", Files: files}

// Store is what the page reads and writes.
type Store interface {
	Feeds(ctx context.Context) ([]accord.Feed, error)
	FeedQualities(ctx context.Context, sources []string) (map[string]accord.FeedQuality, error)
	FeedRuns(ctx context.Context, name string, limit int) ([]accord.FeedRun, error)
	EnableFeed(ctx context.Context, name string, on bool) error
	Audit(ctx context.Context, e accord.AuditEntry) error
}

// Catalogue offers feeds to switch on.
type Catalogue interface {
	Catalogue() []node.CatalogueFeed
	AddFeed(ctx context.Context, entry, who string) error
}

// View is what the page shows.
type View struct {
	MayRun  bool
	Feeds   []Feed
	Offered []Offer
	Behind  int64 // changes that qualities lag by, the most of all
}

// Feed is one feed with what it is worth.
type Feed struct {
	accord.Feed
	Host    string
	State   string // of [feedstate]
	Words   string // why, as the run said it; empty when it went well
	Next    accord.Stamp
	Soon    bool
	Run     accord.FeedRun
	HasRun  bool
	Quality accord.FeedQuality
	Has     bool // there is something to measure
	First   int64
	Unique  int64
	Fresh   int64
	Useful  int64
	False   int64
	Errors  []accord.Refusal
}

// Offer is a feed of the catalogue.
type Offer struct {
	node.CatalogueFeed
	Here bool // it is among the feeds
}

// refusals is how many refusals of a run are shown.
const refusals = 5

// New returns the page's handler.
func New(store Store, catalogue Catalogue) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		list, err := store.Feeds(ctx)
		if err != nil {
			return nil, err
		}
		names := make([]string, len(list))
		for i, f := range list {
			names[i] = f.Name
		}
		quality, err := store.FeedQualities(ctx, names)
		if err != nil {
			return nil, err
		}
		v := &View{MayRun: r.May(accord.RoleOperator)}
		here := map[string]bool{}
		for _, f := range list {
			runs, err := store.FeedRuns(ctx, f.Name, 1)
			if err != nil {
				return nil, err
			}
			row := feedOf(f, quality[f.Name], r.Now)
			if len(runs) > 0 {
				row.Run, row.HasRun = runs[0], true
				row.Errors = runs[0].Refusals[:min(len(runs[0].Refusals), refusals)]
			}
			v.Feeds = append(v.Feeds, row)
			v.Behind = max(v.Behind, row.Quality.Behind)
			here[f.Catalog], here[f.Name] = true, true
		}
		for _, c := range catalogue.Catalogue() {
			v.Offered = append(v.Offered, Offer{c, here[c.Name]})
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

func feedOf(f accord.Feed, q accord.FeedQuality, now accord.Stamp) Feed {
	row := Feed{Feed: f, Host: hostOf(f.URL), Quality: q, Words: f.State.Message, Next: f.State.Due}
	switch {
	case !f.Enabled:
		row.State, row.Next = "off", 0
	case f.State.Lease > now:
		row.State = "running"
	case f.State.Outcome == accord.RunFailed:
		row.State = "failed"
	case f.State.Outcome == accord.RunHeld:
		row.State = "held"
	case f.State.OK == 0:
		row.State = "waiting"
	default:
		row.State = "ok"
	}
	row.Soon = f.Enabled && row.Next <= now
	row.Has = q.Indicators > 0 || q.Values > 0
	row.First, row.Unique = share(q.First, q.Values), share(q.Unique, q.Values)
	row.Fresh, row.Useful, row.False = share(q.Fresh, q.Dated), share(q.Useful, q.Indicators), share(q.FalsePositive, q.Indicators)
	return row
}

// share is n of all in percent; -1 when there is nothing to share.
func share(n, all int64) int64 {
	if all <= 0 {
		return -1
	}
	return (100*n + all/2) / all
}

// hostOf is the part of an address that a column can hold.
func hostOf(address string) string {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	host, _, _ := strings.Cut(rest, "/")
	if host == "" {
		return rest
	}
	return host
}

// verbs are what the record calls what a form asks for.
var verbs = map[string]string{"on": "enable", "off": "disable", "run": "run"}

// Switch answers the form that switches a feed on or off, or runs it now.
func Switch(store Store) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		name, do := r.PostFormValue("feed"), r.PostFormValue("do")
		list, err := store.Feeds(ctx)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(f accord.Feed) bool { return f.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%w: no feed %.100q", accord.ErrNotFound, name)
		}
		if verbs[do] == "" {
			return nil, fmt.Errorf("%w: a feed is switched on or off, or run", accord.ErrInvalid)
		}
		if do == "run" && !list[i].Enabled {
			return nil, fmt.Errorf("%w: %s is switched off", accord.ErrConflict, name)
		}
		if err := store.EnableFeed(ctx, name, do != "off"); err != nil { // what is switched on runs at once
			return nil, fmt.Errorf("switch feed: %w", err)
		}
		err = store.Audit(ctx, accord.AuditEntry{At: r.Now, Who: r.Account.Name, What: "feed." + verbs[do], Object: name})
		if err != nil {
			return nil, fmt.Errorf("record: %w", err)
		}
		return &page.Answer{To: "/feeds#feed-" + name}, nil
	}
}

// Add answers the form that takes a feed from the catalogue and switches it on.
func Add(catalogue Catalogue) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		name := r.PostFormValue("entry")
		if err := catalogue.AddFeed(ctx, name, r.Account.Name); err != nil {
			return nil, fmt.Errorf("add feed: %w", err)
		}
		return &page.Answer{To: "/feeds#feed-" + name}, nil
	}
}
