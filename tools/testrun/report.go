// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string
	Output      string
	FailedBuild string
}

// test is one test, or with an empty name what the package says outside of tests.
type test struct{ pkg, name string }

type skip struct {
	test
	reason string
}

// report gathers events. What a test printed is kept until its result is known.
type report struct {
	w              io.Writer
	output         map[test]*strings.Builder
	running        map[test]bool
	build          map[string]*strings.Builder // by import path
	passed, failed int
	failedIn       map[string]bool // by package
	skipped        []skip
}

func newReport(w io.Writer) *report {
	return &report{w: w, output: map[test]*strings.Builder{}, running: map[test]bool{}, build: map[string]*strings.Builder{}, failedIn: map[string]bool{}}
}

// read takes events until the input ends. A line that is no event is passed on.
func (r *report) read(in *bufio.Reader) error {
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				r.take(e)
			} else {
				fmt.Fprintf(r.w, "%s", line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		add(r.build, e.ImportPath, e.Output)
	case "output":
		add(r.output, t, e.Output)
	case "run":
		r.running[t] = true
	case "pass", "skip", "fail":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(t, e.Action)
		}
	}
}

func add[K comparable](to map[K]*strings.Builder, k K, text string) {
	b := to[k]
	if b == nil {
		b = &strings.Builder{}
		to[k] = b
	}
	b.WriteString(text)
}

func (r *report) text(t test) string {
	if b := r.output[t]; b != nil {
		return b.String()
	}
	return ""
}

func (r *report) endTest(t test, result string) {
	delete(r.running, t)
	switch result {
	case "pass":
		r.passed++
	case "skip":
		r.skipped = append(r.skipped, skip{t, reason(r.text(t))})
	case "fail":
		r.fail(t.pkg)
		fmt.Fprintf(r.w, "%s", said(r.text(t)))
	}
	delete(r.output, t)
}

// said is what a test printed, without the lines on when it ran.
func said(output string) string {
	var b strings.Builder
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, "=== ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// reason is what a skipped test said, on one line.
func reason(output string) string {
	var words []string
	for line := range strings.Lines(said(output)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--- ") {
			words = append(words, line)
		}
	}
	return strings.Join(words, " ")
}

// endPackage prints go test's own last line of the package and, when it failed, what
// it and the tests that never ended have said.
func (r *report) endPackage(e event) {
	whole := test{pkg: e.Package}
	text := r.text(whole)
	if e.Action != "fail" {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		if last := lines[len(lines)-1]; !strings.HasSuffix(last, "[no test files]") {
			fmt.Fprintln(r.w, last)
		}
	} else {
		r.failPackage(e, text)
	}
	maps.DeleteFunc(r.output, func(t test, _ *strings.Builder) bool { return t.pkg == e.Package })
}

func (r *report) failPackage(e event, text string) {
	if b := r.build[e.FailedBuild]; b != nil {
		fmt.Fprintf(r.w, "%s", b.String())
		r.fail(e.Package)
	}
	for _, t := range slices.SortedFunc(maps.Keys(r.running), func(a, b test) int { return strings.Compare(a.name, b.name) }) {
		if t.pkg == e.Package {
			fmt.Fprintf(r.w, "%s--- FAIL: %s did not end\n", r.text(t), t.name)
			r.fail(e.Package)
			delete(r.running, t)
		}
	}
	if !r.failedIn[e.Package] { // os.Exit in TestMain, and the like
		r.fail(e.Package)
	}
	fmt.Fprintf(r.w, "%s", text)
}

func (r *report) fail(pkg string) {
	r.failed++
	r.failedIn[pkg] = true
}

// finish prints the skipped tests and the count; it reports whether anything failed.
func (r *report) finish(strict bool, allow []string) bool {
	refused := 0
	for _, s := range r.skipped {
		mark := "SKIP"
		if strict && !slices.ContainsFunc(allow, func(a string) bool { return strings.Contains(s.reason, a) }) {
			mark = "SKIP NOT ALLOWED HERE"
			refused++
		}
		fmt.Fprintf(r.w, "%s: %s %s: %s\n", mark, s.pkg, s.name, s.reason)
	}
	if refused > 0 {
		fmt.Fprintf(r.w, "FAIL: %d tests skipped for reasons not allowed in CI: run make tools\n", refused)
	}
	fmt.Fprintf(r.w, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skipped))
	return r.failed > 0 || refused > 0
}
