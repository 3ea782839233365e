// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"

	"accord"
	"accord/match"
)

// waitMost is how many seconds an answer may be held back.
const waitMost = 30

// sensorIndex sends what a sensor seeks: the whole index, or the changes since
// the feed entry it holds, for which it may wait.
func (a *API) sensorIndex(w http.ResponseWriter, r *http.Request, _ caller) error {
	since, err := number(r, "since", math.MaxInt64)
	if err != nil {
		return err
	}
	wait, err := number(r, "wait", waitMost)
	if err != nil {
		return err
	}
	select {
	case <-a.Keeper.Ready():
	default:
		w.Header().Set("Retry-After", "2")
		return fmt.Errorf("%w: the index is still being loaded: ask again", accord.ErrConflict)
	}
	generation := r.URL.Query().Get("generation")
	if ix := a.Keeper.Index(); wait > 0 && generation == ix.Generation() && since <= ix.Seq() {
		a.hold(r.Context(), since, time.Duration(wait)*time.Second)
		if r.Context().Err() != nil { // the sensor has gone, or the node is stopping
			panic(http.ErrAbortHandler)
		}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "no-store")
	if err := a.Keeper.Export(r.Context(), paced{w}, since, generation, a.Allow); err != nil {
		// The stream is cut: its end mark is missing, so the sensor keeps what it has.
		a.Log.Warn("index not sent whole", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// hold waits until something sought has changed after since, at most so long.
func (a *API) hold(ctx context.Context, since int64, most time.Duration) {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-a.Keeper.Changed(since):
	}
}

// number reads a query parameter that is a number from 0 to most; 0 without it.
func number(r *http.Request, name string, most int64) (int64, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%w: %s %q: want a number from 0 to %d", accord.ErrInvalid, name, s, most)
	}
	return n, nil
}

// sensorMatches takes a report. A report sent again is counted once.
func (a *API) sensorMatches(w http.ResponseWriter, r *http.Request, c caller) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != match.MediaType {
		return errMediaType
	}
	select {
	case <-a.Keeper.Ready():
	default:
		// Nothing can be confirmed yet, and what is not confirmed is not kept.
		w.Header().Set("Retry-After", "2")
		return fmt.Errorf("%w: the index is still being loaded: send the report again", accord.ErrConflict)
	}
	report, err := match.DecodeReport(http.MaxBytesReader(w, r.Body, match.MaxReport))
	if err != nil {
		return err
	}
	found, unknown := report.Confirm(a.Keeper.Index(), c.token.Name, a.Allow)
	if unknown > 0 {
		a.Log.Warn("sensor reported matches that the index does not bear out", "sensor", c.token.Name, "matches", unknown)
	}
	// The batch's id is the sensor's own: another sensor's cannot hide it.
	added, err := a.Store.AddMatchBatch(r.Context(), c.token.Name+"/"+report.Batch, found, accord.StampOf(a.Now()))
	if err != nil {
		return err
	}
	return write(w, struct {
		Taken   int `json:"taken"`
		New     int `json:"new"`
		Unknown int `json:"unknown"`
	}{len(found), added, unknown})
}

// MatchLine is one match as the API and the command line show it.
type MatchLine struct {
	ID        string            `json:"id"`
	Value     accord.Observable `json:"value"`
	Indicator string            `json:"indicator"`
	Name      string            `json:"name,omitempty"`
	Party     string            `json:"party,omitempty"` // who gave the indicator; empty for the node's own
	Agreement string            `json:"agreement,omitempty"`
	Article   string            `json:"article,omitempty"`
	Sensor    string            `json:"sensor"`
	Seen      string            `json:"seen"` // the value in the log
	Field     string            `json:"field"`
	Log       string            `json:"log"`
	From      string            `json:"from,omitempty"`
	UID       string            `json:"uid,omitempty"` // the log's own pivot
	First     accord.Stamp      `json:"first"`
	Last      accord.Stamp      `json:"last"`
	Count     int64             `json:"count"`
}

// LineOf returns m as a MatchLine.
func LineOf(m accord.Match) MatchLine {
	return MatchLine{
		ID: m.ID, Value: m.Value, Indicator: m.Indicator.ID, Name: m.Name,
		Party: m.Origin.Party, Agreement: m.Origin.Agreement, Article: m.Origin.Article,
		Sensor: m.Sensor, Seen: m.Seen.Value, Field: m.Seen.Field, Log: m.Seen.Log, From: m.Seen.From, UID: m.Seen.UID,
		First: m.First, Last: m.Last, Count: m.Count,
	}
}
