// SPDX-License-Identifier: Apache-2.0

package misp_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"accord"
	form "accord/format/misp"
	"accord/misp"
)

// shelf is a library that knows which event holds what, and counts what is read.
type shelf struct {
	library
	asked [][]string
	read  []string
}

func (s *shelf) Lacking(_ context.Context, _ misp.Caller, values []string) (func(string) bool, error) {
	s.asked = append(s.asked, values)
	return func(uuid string) bool {
		e, err := s.library.Event(context.Background(), misp.Caller{}, "", uuid)
		for a := range e.All {
			if slices.ContainsFunc(misp.Texts(a), func(t string) bool { return slices.Contains(values, t) }) {
				return false
			}
		}
		return err == nil
	}, nil
}

func (s *shelf) Event(ctx context.Context, c misp.Caller, feed, uuid string) (*form.EventJSON, error) {
	s.read = append(s.read, uuid[35:])
	return s.library.Event(ctx, c, feed, uuid)
}

func scanning(t *testing.T, b misp.Backend, most int) *misp.Server {
	t.Helper()
	s, err := misp.New(misp.Config{
		Backend: b, Now: func() time.Time { return time.Unix(1_000_000, 0) }, MostScanned: most,
		Authenticate: func(*http.Request, string) (misp.Caller, error) {
			return misp.Caller{Name: "reader", Role: accord.RoleReader}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASearchForAValueReadsTheEventsThatMayHoldIt(t *testing.T) {
	for query, want := range map[string]string{
		`{"value":"B.EXAMPLE"}`:                          "b",
		`{"value":"192.0.2.7"}`:                          "ab",
		`{"value":["a.example","nothing.invalid"]}`:      "a",
		`{"value":"nothing.invalid"}`:                    "",
		`{"value":{"AND":["b.example","192.0.2.7"]}}`:    "?",
		`{"value":{"OR":["b.example"],"NOT":["x%"]}}`:    "b",
		`{"value":"b%"}`:                                 "ab",
		`{"value":["b.example","%x"]}`:                   "ab",
		`{"value":"!a.example"}`:                         "ab",
		`{}`:                                             "ab",
		`{"value":"b.example","deleted":[0,1]}`:          "b",
		`{"value":"retracted","deleted":[0,1],"page":1}`: "ab",
	} {
		for _, path := range []string{"attributes/restSearch", "events/restSearch", "events/index"} {
			b := &shelf{}
			narrow, plain := asks(scanning(t, b, 0), "POST", path, query), asks(server(t, library{}), "POST", path, query)
			if narrow.Code != 200 || narrow.Body.String() != plain.Body.String() {
				t.Errorf("%s %s: %d %s, without an index %s", path, query, narrow.Code, narrow.Body, plain.Body)
			}
			read := strings.Join(b.read, "")
			if path == "events/index" && query == "{}" { // of which heads are enough
				continue
			}
			if want == "?" { // either of both values will do to narrow it
				if read != "b" && read != "ab" {
					t.Errorf("%s %s: read %q", path, query, read)
				}
			} else if read != want {
				t.Errorf("%s %s: read %q, want %q", path, query, read, want)
			}
		}
	}
}

func TestASearchThatReadsTooMuchIsAnErrorAndNoCutAnswer(t *testing.T) {
	for _, path := range []string{"attributes/restSearch", "events/restSearch", "events/index"} {
		for query, want := range map[string]int{
			`{"value":"%nothing%"}`: 400,
			`{"value":"b%"}`:        400,
			`{"value":"a%"}`:        200, // found in between: it counts from there
			`{"value":"b.example"}`: 200, // the index knows
		} {
			w := asks(scanning(t, &shelf{}, 5), "POST", path, query)
			if w.Code != want || want == 400 && (!strings.Contains(w.Body.String(), "narrow") || !strings.Contains(w.Body.String(), `"message"`) || w.Header().Get("X-Response-Format") != "") {
				t.Errorf("%s %s: %d %s, want %d", path, query, w.Code, w.Body, want)
			}
		}
	}
	if w := asks(scanning(t, &shelf{}, 5), "POST", "attributes/restSearch", `{}`); w.Code != 200 || strings.Count(w.Body.String(), `"uuid"`) == 0 {
		t.Errorf("all: %d %s", w.Code, w.Body)
	}
}
