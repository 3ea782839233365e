// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"accord/api"
)

// timed is a response on a connection with deadlines: it keeps the one that each
// write had.
type timed struct {
	*httptest.ResponseRecorder
	until time.Time
	left  []time.Duration // to the deadline, by write; 0 = none was set since the last
}

func (w *timed) SetWriteDeadline(t time.Time) error {
	w.until = t
	return nil
}

func (w *timed) Write(b []byte) (int, error) {
	left := time.Duration(0)
	if !w.until.IsZero() {
		left = time.Until(w.until)
	}
	w.left, w.until = append(w.left, left), time.Time{}
	return w.ResponseRecorder.Write(b)
}

// A client that reads nothing is let go of; one that reads slowly is not.
func TestEveryWriteHasItsTime(t *testing.T) {
	w := newWorld(t)
	for n := range 50 {
		w.Ingest(indicator(t, n+1, fmt.Sprintf("%0200d.example", n)[150:], nil))
	}
	w.keep()
	a := api.New(w.config)
	for path, token := range map[string]string{
		"/api/v1/health": "", "/api/v1/openapi.yaml": "", "/api/v1/items": "reader", "/metrics": "reader",
		"/api/v1/sensor/index": "sensor", "/api/v1/items/none": "reader", "/nothing": "",
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, http.NoBody)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+w.tokens[token])
		}
		rec := &timed{ResponseRecorder: httptest.NewRecorder()}
		a.ServeHTTP(rec, r)
		if len(rec.left) == 0 {
			t.Errorf("%s writes nothing", path)
		}
		for n, left := range rec.left {
			if left < 20*time.Second || left > 30*time.Second {
				t.Errorf("%s: write %d has %s", path, n, left)
			}
		}
		if path == "/api/v1/sensor/index" && len(rec.left) < 2 {
			t.Errorf("the index is written in %d pieces", len(rec.left))
		}
	}
}
