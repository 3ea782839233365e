// SPDX-License-Identifier: Apache-2.0

package patternbench_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord/format/stix/pattern"
)

// patterns are of the shapes that indicators have, with values of their own.
func patterns(n int) []string {
	shapes := []string{
		"[domain-name:value = 'host%d.example']",
		"[ipv4-addr:value = '192.0.2.%d' OR domain-name:value = 'b.example']",
		"[file:hashes.'SHA-256' = '%064d' AND file:name = 'foo.dll']",
		"[url:value LIKE 'https://host%d.example/%%'] REPEATS 5 TIMES WITHIN 300 SECONDS",
		"([file:name = 'f%d'] FOLLOWEDBY [process:command_line MATCHES '^x.*y$']) WITHIN 600 SECONDS START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'",
	}
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(shapes[i%len(shapes)], i%250)
	}
	return out
}

// oasis returns how many seconds the reference implementations took for the
// question, 0 when they are not installed.
func oasis(b *testing.B, question map[string]any) float64 {
	b.Helper()
	dir := os.Getenv("ACCORD_PYPEERS")
	if dir == "" {
		dir = filepath.Join("..", "..", ".tools", "pypeers")
	}
	in, err := json.Marshal(question)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), filepath.Join(dir, "bin", "python"), filepath.Join("testdata", "bench.py"))
	if cmd.Err != nil {
		b.Log("stix2-patterns and stix2-matcher not installed: no comparison; run make tools")
		return 0
	}
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Logf("no comparison: %v; run make tools", err)
		return 0
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	return seconds
}

// report gives done things in b's time as a rate, against n in seconds elsewhere.
func report(b *testing.B, what string, done int, took time.Duration, n int, seconds float64) {
	rate := float64(done) / took.Seconds()
	b.ReportMetric(rate, what+"/s")
	if seconds > 0 {
		b.ReportMetric(rate*seconds/float64(n), "x-oasis")
	}
}

func BenchmarkParse(b *testing.B) {
	all := patterns(1000)
	seconds := oasis(b, map[string]any{"parse": all})
	begin, done := time.Now(), 0
	for b.Loop() {
		for _, text := range all {
			if _, err := pattern.Parse(text); err != nil {
				b.Fatal(err)
			}
			done++
		}
	}
	report(b, "patterns", done, time.Since(begin), len(all), seconds)
}

// bundle makes n observed-data of one file each, a second apart.
func bundle(n int) jsontext.Value {
	var all []string
	for i := range n {
		at := time.Date(2026, 1, 2, 0, 0, i, 0, time.UTC).Format(time.RFC3339)
		file := fmt.Sprintf("file--00000000-0000-4000-8000-%012d", i)
		all = append(all,
			fmt.Sprintf(`{"type":"file","spec_version":"2.1","id":%q,"name":"f%d","size":%d}`, file, i%250, i),
			fmt.Sprintf(`{"type":"observed-data","spec_version":"2.1","id":"observed-data--00000000-0000-4000-8000-%012d","created":"2026-01-02T03:04:05.000Z",`+
				`"modified":"2026-01-02T03:04:05.000Z","first_observed":%q,"last_observed":%q,"number_observed":1,"object_refs":[%q]}`, i, at, at, file))
	}
	return jsontext.Value(`{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000001","objects":[` + strings.Join(all, ",") + "]}")
}

func collected(b *testing.B, text jsontext.Value) []pattern.Observation {
	b.Helper()
	var v struct {
		Objects []jsontext.Value `json:"objects"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		b.Fatal(err)
	}
	var c pattern.Collection
	for _, o := range v.Objects {
		if err := c.Add(o); err != nil {
			b.Fatal(err)
		}
	}
	return c.Observations()
}

// shapes of matching, from one test to a search over times.
var shapes = []struct {
	name, text   string
	observations int
	alone        bool // the reference implementation does not end in time
}{
	{"one", "[file:name = 'f249']", 500, false},
	{"none", "[file:name LIKE '%x' AND file:size > 10]", 500, false},
	{"and", "[file:name = 'f1'] AND [file:name = 'f2'] AND [file:size > 240]", 500, false},
	{"followed", "[file:name = 'f240'] FOLLOWEDBY [file:name = 'f3'] FOLLOWEDBY [file:name = 'f5']", 500, false},
	{"within", "([file:name = 'f10'] AND [file:name = 'f12']) WITHIN 2 SECONDS", 500, false},
	{"repeats", "[file:size >= 0] REPEATS 20 TIMES WITHIN 21 SECONDS", 100, false},
	{"many", "([file:name = 'f10'] AND [file:name = 'f12'] AND [file:name = 'f14']) WITHIN 4 SECONDS", 20000, true},
	{"manytimes", "[file:name LIKE 'f%'] REPEATS 5000 TIMES WITHIN 5000 SECONDS", 20000, true},
}

func BenchmarkMatch(b *testing.B) {
	for _, s := range shapes {
		b.Run(s.name, func(b *testing.B) {
			text := bundle(s.observations)
			const n = 20
			seconds := 0.0
			if !s.alone {
				seconds = oasis(b, map[string]any{"match": slicesRepeat(s.text, n), "bundle": text})
			}
			obs := collected(b, text)
			p, err := pattern.Parse(s.text)
			if err != nil {
				b.Fatal(err)
			}
			begin, done := time.Now(), 0
			for b.Loop() {
				if _, err := p.Match(obs, pattern.Limits{}); err != nil {
					b.Fatal(err)
				}
				done++
			}
			report(b, "matches", done, time.Since(begin), n, seconds)
		})
	}
}

func slicesRepeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// BenchmarkLimit is the time that hostile input takes until its steps are over.
func BenchmarkLimit(b *testing.B) {
	var c pattern.Collection
	err := c.Add(fmt.Appendf(nil, `{"type":"file","id":"file--1","name":%q}`, strings.Repeat("a", 400_000)))
	if err != nil {
		b.Fatal(err)
	}
	p, err := pattern.Parse("[file:name LIKE '%" + strings.Repeat("a", 2000) + "b']")
	if err != nil {
		b.Fatal(err)
	}
	obs := c.Observations()
	for b.Loop() {
		if _, err := p.Match(obs, pattern.Limits{}); !errors.Is(err, pattern.ErrLimit) {
			b.Fatal(err)
		}
	}
}
