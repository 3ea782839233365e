// SPDX-License-Identifier: Apache-2.0

package item

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/knowledge"
	"accord/web/page"
)

// Attack gives ATT&CK as it is held now.
type Attack interface {
	Base() *knowledge.Base
}

// Knowledge is what is known of an item beside its bytes.
type Knowledge interface {
	Score(it accord.Item, now accord.Stamp) accord.Score
	Correlate(ctx context.Context, id string) (accord.Correlation, error)
	Sightings(ctx context.Context, id string) (accord.Sightings, error)
	Provenance(ctx context.Context, key accord.ItemKey) ([]accord.SourceOf, error)
	Tag(ctx context.Context, id string, tags []string, who string, at accord.Stamp) error
	Untag(ctx context.Context, id string, tags []string, who string, at accord.Stamp) error
	MarkFalse(ctx context.Context, id, why, who string, at accord.Stamp) error
	MarkTrue(ctx context.Context, id, who string, at accord.Stamp) error
}

// Score is the item's score with its course.
type Score struct {
	accord.Score
	Gauge    page.Gauge
	Decays   bool
	Curve    string // points of the curve, in a box of curveWide by curveHigh
	Limit    int64  // height of the threshold in it
	NowX     int64  // where the present is in it
	Course   []Point
	Wide     int64
	High     int64
	Rounded  int64 // Base
	Boundary int64 // Threshold
}

// Point is the score at an instant.
type Point struct {
	At  accord.Stamp
	Now int64
}

// The box that the curve is drawn in, and how many steps it takes.
const (
	curveWide  = 320
	curveHigh  = 100
	curveSteps = 40
	courseRows = 9
)

// scoreOf draws the item's score from when it began to past its end.
func scoreOf(know Knowledge, it accord.Item, now accord.Stamp) Score {
	s := Score{Score: know.Score(it, now), Wide: curveWide, High: curveHigh}
	s.Gauge = page.GaugeOf(s.Score, now)
	s.Rounded, s.Boundary = round(s.Base), round(s.Threshold)
	s.Decays = s.Model != "" && s.ExpiresAt > s.Since
	if !s.Decays {
		return s
	}
	from, until := s.Since, s.ExpiresAt+(s.ExpiresAt-s.Since)/8
	if now > until && now-from < 20*(until-from) {
		until = now
	}
	s.Limit, s.NowX = curveHigh-s.Boundary, int64(float64(now-from)/float64(until-from)*curveWide)
	s.NowX = min(curveWide, max(0, s.NowX))
	var points []string
	for i := range curveSteps + 1 {
		at := from + accord.Stamp(i)*(until-from)/curveSteps
		n := know.Score(it, at).Now
		points = append(points, strconv.Itoa(i*curveWide/curveSteps)+","+strconv.FormatInt(curveHigh-round(n), 10))
		if i%(curveSteps/(courseRows-1)) == 0 {
			s.Course = append(s.Course, Point{at, round(n)})
		}
	}
	s.Curve = strings.Join(points, " ")
	return s
}

func round(f float64) int64 { return int64(min(100, max(0, f)) + 0.5) }

// Relation is a relationship as a sentence: From, what it does, To.
type Relation struct {
	ID       string
	From, To page.ItemLink
	Verb     string
	FromHere bool // From is the item shown
	ToHere   bool
}

// Link is what other items have in common with this one.
type Link struct {
	By      string // of [linkby]
	Kind    string
	Value   string
	To      page.ItemLink // of a common reference
	Count   int64
	More    bool
	Sources []string
	Items   []accord.Linked
}

// Technique is an ATT&CK object that the item stands for or refers to.
type Technique struct{ ID, Name, Kind string }

// known reads what is known of the item.
func (v *View) known(ctx context.Context, store Store, attack Attack, now accord.Stamp) error {
	v.Score = scoreOf(store, v.Item, now)
	c, err := store.Correlate(ctx, v.Item.ID)
	if err != nil {
		return err
	}
	for _, l := range c.Links {
		v.Links = append(v.Links, Link{
			By: string(l.By), Kind: string(l.Value.Kind), Value: l.Value.Value, To: page.ItemLink{ID: l.Value.Value, Name: l.Name},
			Count: int64(l.Count), More: l.More, Sources: l.Sources, Items: l.Items,
		})
	}
	if v.Sightings, err = store.Sightings(ctx, v.Item.ID); err != nil {
		return err
	}
	if v.Sources, err = store.Provenance(ctx, v.Item.ItemKey); err != nil {
		return err
	}
	v.techniques(attack.Base())
	return nil
}

// ends are the two ends of a relationship, read from its bytes.
func ends(it accord.Item) (kind, from, to string) {
	var w struct {
		Kind string `json:"relationship_type"`
		From string `json:"source_ref"`
		To   string `json:"target_ref"`
	}
	if json.Unmarshal(it.Bytes, &w) != nil {
		return "", "", ""
	}
	return w.Kind, w.From, w.To
}

// relations reads the relationships among what refers to the item, and the item
// itself when it is one, as sentences.
func (v *View) relations(ctx context.Context, store Store, by []accord.Item) error {
	if v.Item.Type == "relationship" {
		by = append([]accord.Item{v.Item}, by...)
	}
	var ids []string
	for _, r := range by {
		if r.Type == "relationship" {
			_, from, to := ends(r)
			ids = append(ids, from, to)
		}
	}
	held, err := store.Latest(ctx, slices.DeleteFunc(ids, func(id string) bool { return id == "" }))
	if err != nil {
		return err
	}
	for _, r := range by {
		if r.Type != "relationship" {
			continue
		}
		kind, from, to := ends(r)
		if kind == "" {
			continue
		}
		v.Relations = append(v.Relations, Relation{
			ID: r.ID, Verb: kind, FromHere: from == v.Item.ID, ToHere: to == v.Item.ID,
			From: page.ItemLink{ID: from, Name: held[from].Name}, To: page.ItemLink{ID: to, Name: held[to].Name},
		})
	}
	return nil
}

// techniques names the ATT&CK objects that the item is, names or is related to.
func (v *View) techniques(b *knowledge.Base) {
	add := func(id string) {
		o, ok := b.Of(id)
		if !ok || slices.ContainsFunc(v.Techniques, func(t Technique) bool { return t.ID == o.ID }) || len(v.Techniques) == maxRows {
			return
		}
		v.Techniques = append(v.Techniques, Technique{o.ID, o.Name, string(o.Kind)})
	}
	add(v.Item.ID)
	for _, r := range v.Item.Refs {
		add(r.To)
	}
	for _, r := range v.Relations {
		add(r.From.ID)
		add(r.To.ID)
	}
}

// wrongs are the words in an address that say what was wrong with a form.
var wrongs = []string{"tag", "why"}

// Tags answers the form that adds or removes a tag.
func Tags(store Store) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		id, tag := r.PathValue("id"), strings.ToLower(strings.TrimSpace(r.PostFormValue("tag")))
		if _, err := store.Item(ctx, id); err != nil {
			return nil, err
		}
		if !accord.ValidTag(tag) || strings.HasPrefix(tag, "tlp:") && !marks(tag) || strings.HasPrefix(tag, "pap:") && !marks(tag) {
			return back(id, "tag"), nil
		}
		var err error
		if r.PostFormValue("do") == "remove" {
			err = store.Untag(ctx, id, []string{tag}, r.Account.Name, r.Now)
		} else {
			err = store.Tag(ctx, id, []string{tag}, r.Account.Name, r.Now)
		}
		if err != nil {
			return nil, fmt.Errorf("tag %s: %w", id, err)
		}
		return back(id, ""), nil
	}
}

func marks(tag string) bool {
	_, _, ok := accord.Mark(tag)
	return ok
}

// False answers the form that says an item is a false positive, or is not.
func False(store Store) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		id, why := r.PathValue("id"), strings.Join(strings.Fields(r.PostFormValue("why")), " ")
		it, err := store.Item(ctx, id)
		if err != nil {
			return nil, err
		}
		if it.Type != "indicator" {
			return nil, fmt.Errorf("%w: %s is no indicator: only an indicator can be a false positive", accord.ErrInvalid, id)
		}
		if r.PostFormValue("do") == "undo" {
			if err := store.MarkTrue(ctx, id, r.Account.Name, r.Now); err != nil {
				return nil, fmt.Errorf("false positive %s: %w", id, err)
			}
			return back(id, ""), nil
		}
		if why == "" || len(why) > 500 {
			return back(id, "why"), nil
		}
		if err := store.MarkFalse(ctx, id, why, r.Account.Name, r.Now); err != nil {
			return nil, fmt.Errorf("false positive %s: %w", id, err)
		}
		return back(id, ""), nil
	}
}

// back leads to the item, and to the word on what was wrong.
func back(id, wrong string) *page.Answer {
	to := page.ItemPath(id)
	if wrong != "" {
		to += "?wrong=" + wrong
	}
	return &page.Answer{To: to + "#known"}
}
