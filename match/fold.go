// SPDX-License-Identifier: Apache-2.0

package match

import (
	"github.com/google/uuid"

	"accord"
)

// space is the UUID namespace of match ids.
var space = uuid.MustParse("6f0c1c3e-8f53-5d0b-9a0e-3a7d0b6f5c11")

// day is a UTC day in microseconds.
const day = 24 * 60 * 60 * 1_000_000

// MatchID names what is folded into one match: an indicator, its value, a
// sensor, an originator, a UTC day. UUIDv5 of those, one a line.
func MatchID(indicator string, value accord.Observable, sensor, from string, at accord.Stamp) string {
	date := at.Time().Format("2006-01-02")
	text := indicator + "\n" + string(value.Kind) + "\n" + value.Value + "\n" + sensor + "\n" + from + "\n" + date
	return uuid.NewSHA1(space, []byte(text)).String()
}

// Fold gathers repeats of a match into one, up to a number of different ones:
// when it is full it must be emptied, and a repeat after that is a match with
// the same ID, whose counts add up where matches are stored.
type Fold struct {
	sensor string
	max    int
	at     map[foldKey]int
	list   []accord.Match
}

// foldKey is what a match's ID is made of.
type foldKey struct {
	indicator, value, from string
	kind                   accord.Kind
	day                    int64
}

// DefaultFold is how many different matches a Fold holds unless told otherwise.
const DefaultFold = 100_000

// NewFold returns a fold of up to limit matches, DefaultFold when 0, by a sensor.
func NewFold(sensor string, limit int) *Fold {
	if limit <= 0 {
		limit = DefaultFold
	}
	return &Fold{sensor: sensor, max: limit, at: map[foldKey]int{}}
}

// Add takes a meeting of s with what is sought, and reports whether the fold is
// now full.
func (f *Fold) Add(s accord.Sought, seen accord.Seen) (full bool) {
	key := foldKey{s.Indicator.ID, s.Value, seen.From, s.Kind, int64(seen.At) / day}
	if i, ok := f.at[key]; ok {
		m := &f.list[i]
		m.Count++
		m.Last = max(m.Last, seen.At)
		if seen.At < m.First {
			m.First, m.Seen = seen.At, seen
		}
		return len(f.list) >= f.max
	}
	f.at[key] = len(f.list)
	f.list = append(f.list, accord.Match{
		ID:        MatchID(s.Indicator.ID, s.Observable, f.sensor, seen.From, seen.At),
		Indicator: s.Indicator,
		Value:     s.Observable,
		Seen:      seen,
		Sensor:    f.sensor,
		First:     seen.At,
		Last:      seen.At,
		Count:     1,
		Origin:    s.Origin,
		Name:      s.Name,
	})
	return len(f.list) >= f.max
}

// Take returns the matches in the order they were first met and empties the fold.
func (f *Fold) Take() []accord.Match {
	list := f.list
	f.list = nil
	clear(f.at)
	return list
}
