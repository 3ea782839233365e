// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord/format/stix/pattern"
)

// question is asked of the OASIS implementations, see testdata/peers.py.
type question struct {
	Parse  string         `json:"parse,omitzero"`
	Match  string         `json:"match,omitzero"`
	Bundle jsontext.Value `json:"bundle,omitzero"`
}

type answer struct {
	OK     bool   `json:"ok"`
	Failed bool   `json:"failed"` // it raised an exception
	Why    string `json:"why"`
}

// ask runs the OASIS implementations once and returns their answers, in order.
func ask(t testing.TB, questions []question) []answer {
	t.Helper()
	dir := os.Getenv("ACCORD_PYPEERS")
	python := filepath.Join(dir, "bin", "python")
	if dir == "" || exec.Command(python, "-c", "import stix2matcher.matcher, stix2patterns.validator").Run() != nil {
		t.Skip("SKIP: stix2-patterns and stix2-matcher not installed: run make tools")
	}
	var in bytes.Buffer
	for _, q := range questions {
		if err := json.MarshalWrite(&in, q); err != nil {
			t.Fatal(err)
		}
		in.WriteByte('\n')
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, filepath.Join("testdata", "peers.py"))
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask the OASIS implementations: %v", err)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(out))
	answers := make([]answer, len(questions))
	for i := range answers {
		if err := json.UnmarshalDecode(dec, &answers[i]); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	return answers
}

// readOnly is a kind of text that one of the parsers takes and the other does not.
type readOnly struct {
	by    string // "accord" or "stix2-patterns"
	text  string // expression that the text satisfies; empty: any
	says  string // expression that the message of the one that refuses satisfies
	right string // who is, by the standard
	why   string
}

// readByOne lists every kind; docs/reference/pattern-disagreements.md says the same.
var readByOne = []readOnly{
	{"accord", ``, `is not a valid .* hash`, "accord", "§9.6.1 asks for a constant of the property's type, a string; it may be a prefix for LIKE, or a member of any set"},
	{"accord", `hashes`, `AttributeError`, "accord", "the check of hashes fails on an index in the path"},
	{"accord", `^\s*\(`, `missing square brackets`, "accord", "§9.4: white space may stand between ( and ["},
	{"accord", `\b(within|repeats|times|seconds|start|stop|and|or|not|in|TRUE|FALSE|True)\b`, `.`, "stix2-patterns", "keywords in any case, as in STIX 2.0"},
	{"accord", `START\s*'`, `.`, "stix2-patterns", "START and STOP with plain strings, as in STIX 2.0"},
	{"accord", `[:.]\s*\w+-`, `.`, "stix2-patterns", "a hyphen in a bare property name, as in STIX 2.0"},
	{"accord", `"`, `.`, "stix2-patterns", "names in quotation marks, as in STIX 2.0"},
	{"accord", `[:.]\s*(true|LAST|AND|OR|IN)\b|LAST:|IN:`, `.`, "accord", "§9.7 reserves no names"},
	{"accord", `b'[^']*\n`, `.`, "accord", "§9.2: line feeds in base64 MUST be supported"},
	{"accord", `b''`, `.`, "accord", "§9.2: no octets are an array of octets"},
	{"stix2-patterns", ``, `a property name, got string ''`, "accord", "§3.1: a name has a character at least"},
	{"stix2-patterns", ``, `timestamp "`, "accord", "§2.16: there is no 30 February, and a leap second only at 23:59:60"},
	{"stix2-patterns", ``, `RE2 does not have`, "stix2-patterns", "constructs of PCRE that RE2 has not; such an indicator is kept, and not searched for"},
	{"stix2-patterns", ``, `regular expression is refused`, "accord", "§9.6.1: the constant MUST be a regular expression"},
	{"stix2-patterns", ``, `ISSU(B|PER)SET wants`, "accord", "§9.6.1: the constant MUST be an address or a subnet"},
	{"stix2-patterns", ``, `does not fit`, "accord", "§2.6, §2.10: the range of numbers"},
	{"stix2-patterns", ``, `want a positive`, "accord", "§9.5.1: WITHIN and REPEATS want more than nothing"},
	{"stix2-patterns", ``, `constants of IN are all of one type`, "accord", "§9.6.1: the constants of a set are homogeneous"},
	{"stix2-patterns", ``, `STOP is not after START`, "stix2-patterns", "the grammar has it; nothing can match it, so it is a slip of its author"},
	{"stix2-patterns", ``, `operands of AND name different object types`, "accord", "§9.5: all operands of AND MUST be satisfiable with the same object"},
	{"stix2-patterns", ``, `a second \w+ on the same`, "accord", "§9.5.1: no two qualifiers of a type"},
	{"stix2-patterns", ``, `deeper than|more than \d+`, "stix2-patterns", "bounds on hostile input"},
}

// kindOf returns the row that a disagreement belongs to, -1 for none.
func kindOf(rows []readOnly, by, text, says string) int {
	for i, r := range rows {
		if r.by == by && regexp.MustCompile(r.text).MatchString(text) && regexp.MustCompile(r.says).MatchString(says) {
			return i
		}
	}
	return -1
}

func TestTheParserAgreesWithThatOfOASISButForWhatIsListed(t *testing.T) {
	generated := 2000
	if testing.Short() {
		generated = 200
	}
	var questions []question
	for _, s := range corpus(generated) {
		if utf8.ValidString(s) && len(s) < 3000 { // JSON, and the time that it takes them
			questions = append(questions, question{Parse: s})
		}
	}
	met := make([]int, len(readByOne))
	taken, refused := 0, 0
	for i, a := range ask(t, questions) {
		text := questions[i].Parse
		_, err := pattern.Parse(text)
		switch {
		case a.OK && err == nil:
			taken++
			continue
		case !a.OK && err != nil:
			refused++
			continue
		}
		by, says := "accord", a.Why
		if err != nil {
			by, says = "stix2-patterns", err.Error()
		}
		kind := kindOf(readByOne, by, text, says)
		if kind < 0 {
			t.Errorf("only %s reads %q; the other says %s", by, text, says)
			continue
		}
		met[kind]++
	}
	t.Logf("of %d texts both read %d and refuse %d", len(questions), taken, refused)
	for i, n := range met {
		if n == 0 && !testing.Short() {
			t.Errorf("the disagreement %q is listed and does not occur", readByOne[i].why)
		}
	}
	if taken < generated/5 || refused < generated/5 {
		t.Errorf("both read %d and refuse %d of %d texts: the draw shows little", taken, refused, len(questions))
	}
}
