// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"accord"
)

// MediaType is what a report is sent as.
const MediaType = "application/json"

// Bounds of a report.
const (
	MaxReport      = 4 << 20 // bytes
	MaxReportMatch = 1000    // matches
	maxField       = 9000    // bytes of one text
)

// Report is what a sensor tells: matches, in a batch that has an id of its own so
// that it may be sent twice and counted once.
type Report struct {
	Batch   string        `json:"batch"` // UUID
	Matches []ReportMatch `json:"matches"`
}

// ReportMatch is one match as a sensor tells it. Names and origins stay at the
// centre, which knows them.
type ReportMatch struct {
	Indicator string            `json:"indicator"`
	Version   accord.Stamp      `json:"version"`
	Value     accord.Observable `json:"value"` // what was sought
	Seen      ReportSeen        `json:"seen"`  // the first
	First     accord.Stamp      `json:"first"`
	Last      accord.Stamp      `json:"last"`
	Count     int64             `json:"count"`
}

// ReportSeen is accord.Seen in a report.
type ReportSeen struct {
	Kind  accord.Kind  `json:"kind"`
	Value string       `json:"value"`
	At    accord.Stamp `json:"at"`
	Field string       `json:"field"`
	Log   string       `json:"log"`
	From  string       `json:"from"`
	UID   string       `json:"uid"`
}

// NewReport returns a report of matches.
func NewReport(batch string, matches []accord.Match) Report {
	r := Report{Batch: batch, Matches: make([]ReportMatch, len(matches))}
	for i := range matches {
		m := &matches[i]
		r.Matches[i] = ReportMatch{
			Indicator: m.Indicator.ID, Version: m.Indicator.Version, Value: m.Value,
			First: m.First, Last: m.Last, Count: m.Count,
			Seen: ReportSeen{m.Seen.Kind, cut(m.Seen.Value, maxField), m.Seen.At, cut(m.Seen.Field, 256), cut(m.Seen.Log, 256), cut(m.Seen.From, 256), cut(m.Seen.UID, 256)},
		}
	}
	return r
}

// cut makes of a text from a log one that a report may carry.
func cut(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	return string(bytes.ToValidUTF8([]byte(s), []byte("\uFFFD")))
}

// EncodeReport returns r as JSON.
func EncodeReport(r Report) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return b, nil
}

// DecodeReport reads a report, strictly: no more than MaxReport bytes, no unknown
// or repeated names, every match plausible. Errors are accord.ErrInvalid, except
// those of r.
func DecodeReport(r io.Reader) (Report, error) {
	var rep Report
	b, err := io.ReadAll(io.LimitReader(r, MaxReport+1))
	if err != nil {
		return rep, fmt.Errorf("read report: %w", err)
	}
	if len(b) > MaxReport {
		return rep, fmt.Errorf("read report: %w: larger than %d bytes", accord.ErrInvalid, MaxReport)
	}
	if err := json.Unmarshal(b, &rep, json.RejectUnknownMembers(true)); err != nil {
		return Report{}, fmt.Errorf("read report: %w: %w", accord.ErrInvalid, err)
	}
	if _, err := uuid.Parse(rep.Batch); err != nil || len(rep.Batch) != 36 {
		return Report{}, fmt.Errorf("read report: %w: batch %.40q is not a UUID", accord.ErrInvalid, rep.Batch)
	}
	if len(rep.Matches) > MaxReportMatch {
		return Report{}, fmt.Errorf("read report: %w: %d matches, at most %d", accord.ErrInvalid, len(rep.Matches), MaxReportMatch)
	}
	for i := range rep.Matches {
		if why := rep.Matches[i].wrong(); why != "" {
			return Report{}, fmt.Errorf("read report: %w: match %d: %s", accord.ErrInvalid, i, why)
		}
	}
	return rep, nil
}

// wrong says what cannot be in m, "" when nothing.
func (m *ReportMatch) wrong() string {
	switch {
	case m.Count < 1 || m.Count > 1<<40:
		return "count"
	case m.First > m.Last || m.First < 0 || m.Last > 1<<53:
		return "first and last"
	case int64(m.First)/day != int64(m.Last)/day:
		return "first and last are not of one day"
	case m.Seen.At < m.First || m.Seen.At > m.Last:
		return "seen at another time"
	}
	for _, s := range []string{m.Indicator, m.Value.Value, m.Seen.Value, m.Seen.Field, m.Seen.Log, m.Seen.From, m.Seen.UID} {
		if len(s) > 2*maxField {
			return "a text is too long"
		}
	}
	if v, ok := ValueOf(m.Value); !ok || v != m.Value {
		return "value"
	}
	return ""
}

// Confirm returns the matches of a report that ix bears out: what was seen does
// meet the indicator and value named, which is sought here and was let out to
// sensors. They have the sensor's name, and name and origin of the indicator.
// Unknown counts the others: withdrawn since, or made up. Ask only an index that
// has been loaded (Keeper.Ready): an empty one bears nothing out. Allow is the rule
// that sensors' indexes are made by; without one nothing is confirmed.
func (r *Report) Confirm(ix *Index, sensor string, allow func(accord.Sought) bool) (ms []accord.Match, unknown int) {
	if allow == nil {
		return nil, len(r.Matches)
	}
	fi := finder{ix: ix}
	for i := range r.Matches {
		m := &r.Matches[i]
		seen := accord.Seen{
			Observable: accord.Observable{Kind: m.Seen.Kind, Value: m.Seen.Value},
			At:         m.Seen.At, Field: m.Seen.Field, Log: m.Seen.Log, From: m.Seen.From, UID: m.Seen.UID,
		}
		found := false
		v, ok := valueOfSeen(seen)
		if !ok {
			unknown++
			continue
		}
		for _, h := range fi.find(&v) {
			s := h.seg.sought(h.e, h.k, h.key)
			if s.Indicator.ID != m.Indicator || s.Observable != m.Value || !allow(s) {
				continue
			}
			ms = append(ms, accord.Match{
				ID:        MatchID(m.Indicator, m.Value, sensor, seen.From, m.First),
				Indicator: s.Indicator, Value: s.Observable, Seen: seen, Sensor: sensor,
				First: m.First, Last: m.Last, Count: m.Count, Origin: s.Origin, Name: s.Name,
			})
			found = true
			break
		}
		if !found {
			unknown++
		}
	}
	return ms, unknown
}
