// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Wire keeps what crosses the border into a nation and what it answers: put its
// [Wire.Through] before the nation's handler.
type Wire struct {
	mu       sync.Mutex
	requests []Crossing
}

// Crossing is one request with its answer, bodies decompressed.
type Crossing struct {
	Method, Path string
	Body, Answer []byte
	Status       int
}

// Through is for [Nation.Through].
func (w *Wire) Through(h http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		defer func() { // what is cut has crossed too
			c := Crossing{
				Method: r.Method, Path: r.URL.RequestURI(), Status: answer.Code,
				Body: plain(body, r.Header), Answer: plain(answer.Body.Bytes(), answer.Header()),
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.requests = append(w.requests, c)
		}()
		h.ServeHTTP(answer, r)
		replay(out, answer)
	})
}

func replay(out http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(out.Header(), answer.Header())
	out.WriteHeader(answer.Code)
	_, _ = out.Write(answer.Body.Bytes())
}

// plain is a body without its content encoding.
func plain(b []byte, h http.Header) []byte {
	if h.Get("Content-Encoding") != "gzip" {
		return bytes.Clone(b)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return bytes.Clone(b)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		return bytes.Clone(b)
	}
	return out
}

// All returns every crossing so far.
func (w *Wire) All() []Crossing {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Crossing(nil), w.requests...)
}

// Says reports whether text occurs in anything that crossed, in whatever way JSON
// writes it.
func (w *Wire) Says(text string) bool {
	for _, c := range w.All() {
		for _, b := range [][]byte{c.Body, c.Answer} {
			if strings.Contains(strings.ToLower(unescaped(b)), strings.ToLower(text)) {
				return true
			}
		}
	}
	return false
}

// unescaped is every string in b as a reader sees it, and b itself.
func unescaped(b []byte) string {
	var out strings.Builder
	out.Write(b)
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.ReadToken()
		if err != nil {
			return out.String()
		}
		if t.Kind() == '"' {
			out.WriteByte('\n')
			out.WriteString(t.String())
		}
	}
}

// Objects returns the bytes of every object that was pushed over this wire, in
// order, repeats included.
func (w *Wire) Objects() [][]byte {
	var all [][]byte
	for _, c := range w.All() {
		if c.Method != http.MethodPost || !strings.HasSuffix(c.Path, "/objects/") {
			continue
		}
		var e struct {
			Objects []jsontext.Value `json:"objects"`
		}
		if json.Unmarshal(c.Body, &e) != nil {
			continue
		}
		for _, o := range e.Objects {
			all = append(all, o)
		}
	}
	return all
}

// Cuts breaks requests at random, until it is told to stop: before they are
// handled, or after, so that the answer is lost. Put its [Cuts.Through] before a
// nation's handler.
type Cuts struct {
	mu     sync.Mutex
	rand   *rand.Rand
	before float64
	after  float64
	made   int
}

// NewCuts returns cuts that follow from seed, of the given likelihoods.
func NewCuts(seed uint64, before, after float64) *Cuts {
	return &Cuts{rand: rand.New(rand.NewPCG(seed, seed)), before: before, after: after}
}

// Through is for [Nation.Through].
func (c *Cuts) Through(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.falls(&c.before) {
			panic(http.ErrAbortHandler)
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		if c.falls(&c.after) {
			panic(http.ErrAbortHandler)
		}
		replay(w, answer)
	})
}

// falls reports whether a cut of likelihood p, one of c's, falls now.
func (c *Cuts) falls(p *float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rand.Float64() >= *p {
		return false
	}
	c.made++
	return true
}

// Stop makes no more cuts and returns how many there were.
func (c *Cuts) Stop() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before, c.after = 0, 0
	return c.made
}

// Resume cuts again, with these likelihoods.
func (c *Cuts) Resume(before, after float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before, c.after = before, after
}
