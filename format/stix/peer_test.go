// SPDX-License-Identifier: Apache-2.0

package stix_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"accord/format/stix"
)

// opinion is what testdata/peer.py says of one object.
type opinion struct {
	Valid  bool     `json:"valid"`  // stix2-validator
	Errors []string `json:"errors"` // and why not
	Strict string   `json:"strict"` // why python-stix2 refuses it; empty: it does not
	Custom string   `json:"custom"` // the same with allow_custom
	ID     string   `json:"id"`     // the deterministic id it makes
}

// peers asks stix2-validator and python-stix2 about objects, in one process.
func peers(t *testing.T, objects [][]byte) []opinion {
	t.Helper()
	python := filepath.Join(os.Getenv("ACCORD_PYPEERS"), "bin", "python")
	if os.Getenv("ACCORD_PYPEERS") == "" || exec.Command(python, "-c", "import stix2, stix2validator").Run() != nil {
		t.Skip("SKIP: stix2-validator not installed: run make tools")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "testdata/peer.py")
	cmd.Stdin = bytes.NewReader(bytes.Join(objects, []byte("\n")))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []opinion
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var o opinion
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	if len(all) != len(objects) {
		t.Fatalf("%d answers to %d objects", len(all), len(objects))
	}
	return all
}

// plain takes out of a message what differs from case to case.
func plain(s string) string {
	for _, r := range []struct{ from, to string }{
		{`^[a-z0-9-]*--[0-9a-fA-F-]*: `, ""},
		{`"[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|\([^)]*\)`, "…"},
		{`Invalid value for \w+ …`, "Invalid value"},
		{`Selector .* in \w+ is`, "Selector … is"},
		{`: \S+ is not of type`, ": … is not of type"},
		{`SHA-?[0-9]+|MD5`, "…"},
		{`[0-9]+`, "0"},
	} {
		s = regexp.MustCompile(r.from).ReplaceAllString(s, r.to)
	}
	s = strings.Join(strings.Fields(s), " ")
	return s[:min(len(s), 90)]
}

// kinds returns the kinds of disagreement between us and the peers on an object.
func kinds(object []byte, o opinion) (out []string, why string) {
	code := ""
	for _, f := range stix.Validate(stix.Raw{Bytes: object}) {
		if f.Level == stix.Must && code == "" {
			code, why = f.Code, f.String()
		}
	}
	switch {
	case code != "" && o.Valid:
		out = append(out, "stix2-validator accepts: "+code)
	case code == "" && !o.Valid:
		out = append(out, "stix2-validator refuses: "+plain(o.Errors[0]))
	}
	switch {
	case code != "" && o.Custom == "":
		out = append(out, "python-stix2 accepts: "+code)
	case code == "" && o.Custom != "":
		out = append(out, "python-stix2 refuses: "+plain(o.Custom))
	case code == "" && o.Strict != "":
		kind, _, _ := strings.Cut(o.Strict, ":")
		out = append(out, "python-stix2 refuses without allow_custom: "+kind)
	}
	return out, why + " " + strings.Join(o.Errors, "; ") + " " + o.Custom
}

// isAccepts reports whether we refuse the object and python-stix2 does not: then it
// is no matter what it would be called.
func isAccepts(kind string) bool { return strings.HasPrefix(kind, "python-stix2 accepts") }

// whyNamed says what an object has that python-stix2 names it otherwise for.
func whyNamed(object []byte) string {
	for _, f := range stix.Validate(stix.Raw{Bytes: object}) {
		if f.Code == "hash-vocabulary" {
			return "a hash of another name"
		}
	}
	return "unexplained"
}

// Every kind of disagreement with the reference implementations is listed, with
// who is right and why; and every listed one still happens.
func TestEveryDisagreementWithTheReferenceImplementationsIsExplained(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: stix2-validator is slow")
	}
	objects := append(validObjects(t), mutations(t, 1, 4000)...)
	objects = append(objects, []byte(domainObject("identity", `,"name":"n","x_example":{"list":[]}`))) // as ATT&CK has it
	happened := map[string]int{}
	for i, o := range peers(t, objects) {
		found, why := kinds(objects[i], o)
		want, err := stix.DeterministicID(objects[i])
		if err == nil && o.ID != "" && o.ID != want && !slices.ContainsFunc(found, isAccepts) {
			found = append(found, "python-stix2 names: "+whyNamed(objects[i]))
			why += want + " " + o.ID
		}
		for _, k := range found {
			happened[k]++
			if happened[k] == 1 && !slices.ContainsFunc(disagreements, func(d disagreement) bool { return d.kind() == k }) {
				t.Errorf("not listed: %s\n\t%s\n\t%s", k, strings.TrimSpace(why), objects[i])
			}
		}
	}
	for _, d := range disagreements {
		if happened[d.kind()] == 0 {
			t.Errorf("no longer happens: %s", d.kind())
		}
	}
}
