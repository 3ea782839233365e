// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/exchange"
	"accord/ledger"
)

// Limits of request bodies, in bytes.
const (
	logMost   = 8 << 20
	depthMost = 64
)

var (
	errMediaType = errors.New("the body must be application/json")
	errMethod    = errors.New("this path is not for that method")
)

// read decodes a bounded, strict JSON body into v.
func read(w http.ResponseWriter, r *http.Request, most int64, v any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return errMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if err := depth(body); err != nil {
		return err
	}
	if jsontext.Value(body).Kind() != jsontext.KindBeginObject {
		return fmt.Errorf("%w: body: want a JSON object", accord.ErrInvalid)
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("%w: body: %w", accord.ErrInvalid, err)
	}
	return nil
}

// depth refuses JSON nested deeper than depthMost before it is decoded.
func depth(body []byte) error {
	deep, inString, escaped := 0, false, false
	for _, c := range body {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped, inString = c == '\\', c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if deep++; deep > depthMost {
				return fmt.Errorf("%w: body: JSON nested deeper than %d", accord.ErrInvalid, depthMost)
			}
		case c == '}' || c == ']':
			deep--
		}
	}
	return nil
}

func write(w http.ResponseWriter, v any) error { return writeStatus(w, http.StatusOK, v) }

func writeStatus(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	writeBy(w, writeWithin)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone when this fails
	return nil
}

func (a *API) health(w http.ResponseWriter, r *http.Request, _ caller) error {
	// What is wrong is for those who may read the log: the status is for all.
	if bad := a.Ready(r.Context()); len(bad) > 0 {
		a.Log.Error("not healthy", "parts", bad)
		return writeStatus(w, http.StatusServiceUnavailable, map[string]string{"status": "fail"})
	}
	return write(w, map[string]string{"status": "pass"})
}

func (a *API) situation(w http.ResponseWriter, r *http.Request, _ caller) error {
	c, err := a.Store.Counts(r.Context())
	if err != nil {
		return err
	}
	parties, err := a.Store.Parties(r.Context())
	if err != nil {
		return err
	}
	stages := map[string]int64{"protect": 0}
	for _, p := range parties {
		stages["decide:"+p.Name] = 0
	}
	for stage := range stages {
		if stages[stage], err = a.Store.Cursor(r.Context(), stage); err != nil {
			return err
		}
	}
	stages["match"] = a.Keeper.Index().Seq()
	return write(w, Situation{a.Self.Name, accord.StampOf(a.Now()), c, a.Keeper.Index().Size(), stages})
}

// Situation is the answer of GET /api/v1/situation.
type Situation struct {
	Party  string           `json:"party"`
	At     accord.Stamp     `json:"at"`
	Counts accord.Counts    `json:"counts"`
	Index  int              `json:"index"`  // values sought
	Stages map[string]int64 `json:"stages"` // how far each stage has come in the feed, whose end is counts.seq
}

// decisions counts what was given to and withheld from a party, by article.
func (a *API) decisions(w http.ResponseWriter, r *http.Request, _ caller) error {
	party := r.URL.Query().Get("party")
	if !accord.ValidPartyName(party) {
		return fmt.Errorf("%w: party %q: name one", accord.ErrInvalid, party)
	}
	parties, err := a.Store.Parties(r.Context())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(parties, func(p accord.Party) bool { return p.Name == party }) {
		return fmt.Errorf("%w: party %q is not pinned here", accord.ErrNotFound, party)
	}
	given, err := a.Store.DisclosedBy(r.Context(), party)
	if err != nil {
		return err
	}
	withheld, err := a.Store.WithheldBy(r.Context(), party, 1000)
	if err != nil {
		return err
	}
	return write(w, map[string]map[string]int64{"given": byNumber(given), "withheld": byNumber(withheld)})
}

// byNumber adds up what articles of the same number in several agreements did.
func byNumber(by map[accord.ArticleKey]int64) map[string]int64 {
	out := map[string]int64{}
	for k, n := range by {
		out[k.Article] += n
	}
	return out
}

// page is one page of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

func limit(r *http.Request) (int, error) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return 50, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 500 {
		return 0, fmt.Errorf("%w: limit %q: want 1 to 500", accord.ErrInvalid, s)
	}
	return n, nil
}

// among refuses a parameter that is none of these.
func among(name, value string, these ...string) error {
	if slices.Contains(these, value) {
		return nil
	}
	return fmt.Errorf("%w: %s %q: want one of %s", accord.ErrInvalid, name, value, strings.Join(these[1:], ", "))
}

// ItemLine is an item as the API shows it, without its bytes in lists.
type ItemLine struct {
	ID         string              `json:"id"`
	Version    accord.Stamp        `json:"version,omitzero"`
	Type       string              `json:"type"`
	Name       string              `json:"name,omitempty"`
	TLP        accord.TLP          `json:"tlp"`
	Confidence *int                `json:"confidence,omitempty"`
	Source     string              `json:"source"`
	Origin     *originView         `json:"origin,omitempty"`
	Held       string              `json:"held,omitempty"`
	Withdrawn  accord.Stamp        `json:"withdrawn,omitzero"`
	Added      accord.Stamp        `json:"added"`
	Values     []accord.Observable `json:"values,omitempty"`
	Labels     []string            `json:"labels,omitempty"`
	Tags       []string            `json:"tags,omitempty"`
	False      string              `json:"false_positive,omitempty"`
	Sighted    *sightedView        `json:"sighted,omitempty"`
	Score      *scoreView          `json:"score,omitempty"`
	Sources    []sourceView        `json:"sources,omitempty"`
	Object     jsontext.Value      `json:"object,omitempty"`
}

// originView is where an item came from and what may be done with it.
type originView struct {
	Party     string        `json:"party"`
	Agreement string        `json:"agreement"`
	Version   int           `json:"version"`
	Article   string        `json:"article"`
	TLP       accord.TLP    `json:"tlp"` // what its giver holds it to be
	Onward    accord.Onward `json:"onward"`
	Actions   accord.Action `json:"actions"`
	Retain    accord.Stamp  `json:"retain,omitzero"`
}

func (a *API) viewOf(it accord.Item) ItemLine {
	return ItemLineOf(it, a.Store.Score(it, accord.StampOf(a.Now())))
}

// ItemLineOf is an item without its bytes, with its score.
func ItemLineOf(it accord.Item, score accord.Score) ItemLine {
	v := ItemLine{
		ID: it.ID, Version: it.Version, Type: it.Type, Name: it.Name, TLP: it.TLP, Source: it.Source,
		Held: it.Held, Withdrawn: it.Withdrawn, Added: it.Added, Values: it.Observables,
		Labels: it.Labels, Tags: it.Tags, False: it.False,
	}
	if it.Sighted != (accord.Sighted{}) {
		v.Sighted = &sightedView{it.Sighted.Count, it.Sighted.Negative, it.Sighted.First, it.Sighted.Last}
	}
	if it.Type == "indicator" {
		v.Score = scoreOf(score)
	}
	if it.Confidence >= 0 {
		v.Confidence = &it.Confidence
	}
	if !it.Origin.Own() {
		o := it.Origin
		v.Origin = &originView{o.Party, o.Agreement, o.Version, o.Article, o.TLP, o.Onward, o.Actions, o.Retain}
	}
	return v
}

func (a *API) items(w http.ResponseWriter, r *http.Request, _ caller) error {
	n, err := limit(r)
	if err != nil {
		return err
	}
	get := r.URL.Query().Get
	if err := among("state", get("state"), "", "live", "withdrawn", "held"); err != nil {
		return err
	}
	q := accord.Query{
		Text: get("text"), Type: get("type"), Source: get("source"), Party: get("party"),
		State: get("state"), After: get("after"), Limit: n, Q: get("q"), Now: accord.StampOf(a.Now()),
	}
	if s := get("tlp"); s != "" {
		t, err := accord.ParseTLP(s)
		if err != nil {
			return err
		}
		q.TLP = &t
	}
	found, next, err := a.Store.Search(r.Context(), q)
	if err != nil {
		return err
	}
	out := page[ItemLine]{Items: []ItemLine{}, Next: next}
	for _, it := range found {
		out.Items = append(out.Items, a.viewOf(it))
	}
	return write(w, out)
}

func (a *API) item(w http.ResponseWriter, r *http.Request, _ caller) error {
	it, err := a.Store.Item(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	v := a.viewOf(it)
	from, err := a.Store.Provenance(r.Context(), it.ItemKey)
	if err != nil {
		return err
	}
	for _, s := range from {
		v.Sources = append(v.Sources, sourceView(s))
	}
	v.Object = jsontext.Value(it.Bytes)
	return write(w, v)
}

func (a *API) matches(w http.ResponseWriter, r *http.Request, _ caller) error {
	n, err := limit(r)
	if err != nil {
		return err
	}
	get := r.URL.Query().Get
	found, next, err := a.Store.Matches(r.Context(), accord.MatchQuery{Text: get("text"), Indicator: get("indicator"), After: get("after"), Limit: n})
	if err != nil {
		return err
	}
	out := page[MatchLine]{Items: []MatchLine{}, Next: next}
	for _, m := range found {
		out.Items = append(out.Items, LineOf(m))
	}
	return write(w, out)
}

func (a *API) protections(w http.ResponseWriter, r *http.Request, _ caller) error {
	n, err := limit(r)
	if err != nil {
		return err
	}
	get := r.URL.Query().Get
	if err := among("zone", get("zone"), "", "hot", "base", "allow"); err != nil {
		return err
	}
	found, next, err := a.Store.Protections(r.Context(), accord.ProtectionQuery{Text: get("text"), Zone: get("zone"), Item: get("item"), After: get("after"), Limit: n})
	if err != nil {
		return err
	}
	type view struct {
		accord.Observable
		Zone    string       `json:"zone"`
		Item    string       `json:"item"`
		Source  string       `json:"source"`
		Added   accord.Stamp `json:"added"`
		Expires accord.Stamp `json:"expires"`
	}
	out := page[view]{Items: []view{}, Next: next}
	for _, p := range found {
		out.Items = append(out.Items, view{p.Observable, p.Zone, p.Item.ID, p.Source, p.Added, p.Expires})
	}
	return write(w, out)
}

func (a *API) metrics(w http.ResponseWriter, r *http.Request, _ caller) error {
	if a.Metrics == nil {
		return fmt.Errorf("%w: this node serves no metrics", accord.ErrNotFound)
	}
	a.Metrics.ServeHTTP(paced{w}, r)
	return nil
}

func (a *API) logSize(w http.ResponseWriter, r *http.Request, c caller) error {
	if o, own := r.URL.Query().Get("origin"), ledger.Origin(c.party.Name, a.Self.Name); o != "" && o != own {
		return fmt.Errorf("%w: log %q is not yours to ask for: want %q", accord.ErrForbidden, o, own)
	}
	m, err := a.Exchange.Mirrored(r.Context(), c.party.Name)
	if err != nil {
		return err
	}
	return write(w, m)
}

func (a *API) logAnnounce(w http.ResponseWriter, r *http.Request, c caller) error {
	var in exchange.Announcement
	if err := read(w, r, logMost, &in); err != nil {
		return err
	}
	out, err := a.Exchange.Mirror(r.Context(), c.party, in)
	if err != nil {
		a.Log.Warn("announcement refused", "party", c.party.Name, "from", in.From, "leaves", len(in.Leaves), "error", err)
		if errors.Is(err, accord.ErrConflict) {
			return gap{err, out.Size}
		}
		return err
	}
	return write(w, out)
}
