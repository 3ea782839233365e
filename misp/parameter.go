// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// mostTerms is how many texts one filter may hold, mostWild how many of them may
// hold a %, for each of those is tried on each attribute.
const (
	mostTerms = 10_000
	mostWild  = 200
	mostSigns = 2 * mostWild // % in all
	longWild  = 4096         // bytes of a text with %
)

// textOf reads a JSON string, number or boolean as text.
func textOf(v jsontext.Value) (string, error) {
	switch v.Kind() {
	case '"':
		var s string
		err := json.Unmarshal(v, &s)
		return s, err
	case '0', 't', 'f':
		return string(v), nil
	}
	return "", fmt.Errorf("%w: want a text", accord.ErrInvalid)
}

// truth reads true, 1, "1" and the like.
func truth(v jsontext.Value) (bool, error) {
	s, err := textOf(v)
	if err != nil {
		return false, err
	}
	switch strings.ToLower(s) {
	case "true", "1", "yes":
		return true, nil
	case "false", "0", "no", "":
		return false, nil
	}
	return false, fmt.Errorf("%w: %.30q: want 1 or 0", accord.ErrInvalid, s)
}

// count reads a number from 0 to most.
func count(v jsontext.Value, most int) (int, error) {
	s, err := textOf(v)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%w: %.30q: want a number from 0 to %d", accord.ErrInvalid, s, most)
	}
	return n, nil
}

// texts reads a text or a list of texts.
func texts(v jsontext.Value) ([]string, error) {
	list := []jsontext.Value{v}
	if v.Kind() == '[' {
		list = nil
		if err := json.Unmarshal(v, &list); err != nil {
			return nil, err
		}
	}
	if len(list) > mostTerms {
		return nil, fmt.Errorf("%w: over %d values", accord.ErrInvalid, mostTerms)
	}
	out := make([]string, len(list))
	for i, e := range list {
		var err error
		if out[i], err = textOf(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readTerms reads a filter: a text, with && between alternatives and ! before what
// must not be; a list of those; or {"OR": […], "AND": […], "NOT": […]}.
func readTerms(v jsontext.Value) (t terms, err error) {
	if t, err = termsOf(v); err != nil {
		return t, err
	}
	signs := 0
	for _, term := range slices.Concat(t.or.wild, t.and.wild, t.not.wild) {
		if signs += strings.Count(term, "%"); signs > mostSigns || len(term) > longWild {
			return t, fmt.Errorf("%w: over %d %% in a filter, or over %d bytes in a text with one", accord.ErrInvalid, mostSigns, longWild)
		}
	}
	if len(t.or.wild)+len(t.and.wild)+len(t.not.wild) > mostWild {
		return t, fmt.Errorf("%w: over %d values with %%", accord.ErrInvalid, mostWild)
	}
	return t, nil
}

func termsOf(v jsontext.Value) (t terms, err error) {
	if v.Kind() == '{' {
		var m map[string]jsontext.Value
		if err := json.Unmarshal(v, &m); err != nil {
			return t, err
		}
		for name, list := range m {
			got, err := texts(list)
			if err != nil {
				return t, err
			}
			of := map[string]*alternatives{"OR": &t.or, "AND": &t.and, "NOT": &t.not}[strings.ToUpper(name)]
			if of == nil {
				return t, fmt.Errorf("%w: %.30q: want OR, AND or NOT", accord.ErrInvalid, name)
			}
			for _, s := range got {
				of.add(s)
			}
		}
		return t, nil
	}
	list, err := texts(v)
	if err != nil {
		return t, err
	}
	for _, s := range list {
		for one := range strings.SplitSeq(s, "&&") {
			if not, ok := strings.CutPrefix(one, "!"); ok {
				t.not.add(not)
			} else if one != "" {
				t.or.add(one)
			}
		}
	}
	if !t.some() {
		return t, fmt.Errorf("%w: an empty filter", accord.ErrInvalid)
	}
	return t, nil
}

// units are the letters of a relative time, in seconds.
var units = map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 7 * 86400}

// moment reads Unix seconds, a day, an RFC 3339 instant, or how long ago as in 7d.
func moment(s string, now time.Time) (int64, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n < 1e12 {
		return int64(n), nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime} {
		if at, err := time.Parse(form, s); err == nil {
			return at.Unix(), nil
		}
	}
	if len(s) > 1 {
		n, err := strconv.ParseInt(s[:len(s)-1], 10, 32)
		if unit := units[s[len(s)-1]]; err == nil && unit > 0 && n >= 0 {
			return now.Unix() - n*unit, nil
		}
	}
	return 0, fmt.Errorf("%w: %.40q: want Unix seconds, a day, or how long ago as in 7d", accord.ErrInvalid, s)
}

// readSpan reads one moment, since when, or two, between which.
func readSpan(v jsontext.Value, now time.Time) (s span, err error) {
	list, err := texts(v)
	if err != nil {
		return s, err
	}
	if len(list) == 0 || len(list) > 2 {
		return s, fmt.Errorf("%w: want one moment or two", accord.ErrInvalid)
	}
	if s.from, err = moment(list[0], now); err == nil && len(list) == 2 {
		if s.to, err = moment(list[1], now); s.to < s.from {
			s.from, s.to = s.to, s.from
		}
	}
	return s, err
}

// readDay reads a moment as its day.
func readDay(v jsontext.Value, now time.Time) (string, error) {
	s, err := textOf(v)
	if err != nil {
		return "", err
	}
	at, err := moment(s, now)
	return time.Unix(at, 0).UTC().Format(time.DateOnly), err
}

// readDeleted reads whether deleted attributes are wanted too, or alone.
func readDeleted(q *query, v jsontext.Value, _ time.Time) error {
	list, err := texts(v)
	if err != nil {
		return err
	}
	switch {
	case len(list) == 2:
		q.deleted = "with"
	case len(list) == 1 && list[0] == "only":
		q.deleted = "only"
	case len(list) == 1:
		on, err := truth(jsontext.Value(strconv.Quote(list[0])))
		if on {
			q.deleted = "with"
		}
		return err
	default:
		return fmt.Errorf("%w: want 0, 1, only or [0, 1]", accord.ErrInvalid)
	}
	return nil
}
