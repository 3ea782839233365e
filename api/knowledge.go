// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"math"
	"net/http"

	"accord"
)

// bodyMost bounds what an analyst sends about an item, in bytes.
const bodyMost = 64 << 10

// scoreView is how much an indicator still counts, and why.
type scoreView struct {
	Base      float64              `json:"base"`
	Now       float64              `json:"now"`
	Model     string               `json:"model,omitempty"`
	Threshold float64              `json:"threshold,omitzero"`
	Since     accord.Stamp         `json:"since,omitzero"`
	ExpiresAt accord.Stamp         `json:"expires_at,omitzero"`
	Reasons   []accord.ScoreReason `json:"reasons"`
}

func scoreOf(s accord.Score) *scoreView {
	tenth := func(f float64) float64 { return math.Round(f*10) / 10 }
	v := scoreView{tenth(s.Base), tenth(s.Now), s.Model, s.Threshold, s.Since, s.ExpiresAt, s.Reasons}
	if v.Reasons == nil {
		v.Reasons = []accord.ScoreReason{}
	}
	return &v
}

type sightedView struct {
	Count    int64        `json:"count"`
	Negative int64        `json:"negative"`
	First    accord.Stamp `json:"first,omitzero"`
	Last     accord.Stamp `json:"last,omitzero"`
}

type sourceView struct {
	Source string       `json:"source"`
	Party  string       `json:"party,omitempty"`
	First  accord.Stamp `json:"first"`
}

// linkView is one thing that other items have in common with an item.
type linkView struct {
	By      accord.LinkBy `json:"by"`
	Kind    accord.Kind   `json:"kind,omitempty"`
	Value   string        `json:"value"`
	Name    string        `json:"name,omitempty"`
	Count   int           `json:"count"`
	More    bool          `json:"more"`
	Sources []string      `json:"sources,omitempty"`
	Parties []string      `json:"parties,omitempty"`
	Items   []linkedView  `json:"items,omitempty"`
}

type linkedView struct {
	ID      string       `json:"id"`
	Version accord.Stamp `json:"version,omitzero"`
	Type    string       `json:"type"`
	Name    string       `json:"name,omitempty"`
	Source  string       `json:"source"`
	Party   string       `json:"party,omitempty"`
	TLP     accord.TLP   `json:"tlp"`
	Added   accord.Stamp `json:"added"`
}

func (a *API) correlations(w http.ResponseWriter, r *http.Request, _ caller) error {
	c, err := a.Store.Correlate(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return write(w, CorrelationOf(c))
}

// Correlation is the answer of GET /api/v1/items/{id}/correlations.
type Correlation struct {
	Links []linkView `json:"links"`
}

// CorrelationOf is c as the API shows it.
func CorrelationOf(c accord.Correlation) Correlation {
	out := Correlation{[]linkView{}}
	for _, l := range c.Links {
		v := linkView{By: l.By, Kind: l.Value.Kind, Value: l.Value.Value, Name: l.Name, Count: l.Count, More: l.More, Sources: l.Sources, Parties: l.Parties}
		for _, x := range l.Items {
			v.Items = append(v.Items, linkedView{x.ID, x.Version, x.Type, x.Name, x.Source, x.Party, x.TLP, x.Added})
		}
		out.Links = append(out.Links, v)
	}
	return out
}

// sightingView is one word on whether an item was seen.
type sightingView struct {
	Kind     string       `json:"kind"`
	By       string       `json:"by"`
	Item     string       `json:"item,omitempty"`
	Match    string       `json:"match,omitempty"`
	Negative bool         `json:"negative,omitzero"`
	First    accord.Stamp `json:"first,omitzero"`
	Last     accord.Stamp `json:"last,omitzero"`
	Count    int64        `json:"count"`
}

func (a *API) sightings(w http.ResponseWriter, r *http.Request, _ caller) error {
	s, err := a.Store.Sightings(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return write(w, SightingsOf(s))
}

// Sightings is the answer of GET /api/v1/items/{id}/sightings.
type Sightings struct {
	sightedView
	By   []sightingView `json:"by"`
	More bool           `json:"more"`
}

// SightingsOf is s as the API shows it.
func SightingsOf(s accord.Sightings) Sightings {
	out := Sightings{sightedView{s.Count, s.Negative, s.First, s.Last}, []sightingView{}, s.More}
	for _, x := range s.By {
		out.By = append(out.By, sightingView{x.Kind, x.By, x.Item.ID, x.Match, x.Negative, x.First, x.Last, x.Count})
	}
	return out
}

func (a *API) tags(w http.ResponseWriter, r *http.Request, c caller) error {
	var in struct {
		Add    []string `json:"add"`
		Remove []string `json:"remove"`
	}
	if err := read(w, r, bodyMost, &in); err != nil {
		return err
	}
	if len(in.Add)+len(in.Remove) == 0 {
		return fmt.Errorf("%w: name the tags to add or to remove", accord.ErrInvalid)
	}
	id, now := r.PathValue("id"), accord.StampOf(a.Now())
	if err := a.Store.Retag(r.Context(), id, in.Add, in.Remove, c.token.Name, now); err != nil {
		return err
	}
	return a.known(w, r, id)
}

func (a *API) falsePositive(w http.ResponseWriter, r *http.Request, c caller) error {
	var in struct {
		False bool   `json:"false_positive"`
		Why   string `json:"why"`
	}
	if err := read(w, r, bodyMost, &in); err != nil {
		return err
	}
	id, now := r.PathValue("id"), accord.StampOf(a.Now())
	var err error
	if in.False {
		err = a.Store.MarkFalse(r.Context(), id, in.Why, c.token.Name, now)
	} else {
		err = a.Store.MarkTrue(r.Context(), id, c.token.Name, now)
	}
	if err != nil {
		return err
	}
	return a.known(w, r, id)
}

// known answers with what is known of an item now.
func (a *API) known(w http.ResponseWriter, r *http.Request, id string) error {
	it, err := a.Store.Item(r.Context(), id)
	if err != nil {
		return err
	}
	return write(w, a.viewOf(it))
}

func (a *API) labels(w http.ResponseWriter, r *http.Request, _ caller) error {
	n, err := limit(r)
	if err != nil {
		return err
	}
	found, err := a.Store.Labels(r.Context(), r.URL.Query().Get("begins"), n)
	if err != nil {
		return err
	}
	type view struct {
		Label string `json:"label"`
		Items int    `json:"items"`
	}
	out := page[view]{Items: []view{}}
	for _, l := range found {
		out.Items = append(out.Items, view(l))
	}
	return write(w, out)
}
