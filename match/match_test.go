// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"accord"
	"accord/match"
)

var update = flag.Bool("update", false, "write what is found into testdata")

// The language of testdata/*.txt. Above "----" is what happens, in order:
//
//	item    VALUE  SOURCE  TLP  [from=TIME] [until=TIME] [kind=KIND]
//	unitem  VALUE  SOURCE
//	seen    LOG  TIME  VALUE
//	line    TEXT   one line of a log
//
// Below is what it gives: "match VALUE SOURCE TLP", for each seen in order, and
// after all lines their matches, with how often.
func TestEachWordOfTestdata(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, want, ok := strings.Cut(string(b), "----\n")
			if !ok {
				t.Fatal("no ---- line")
			}
			for _, form := range []string{"as built", "from a sensor's copy"} {
				got := play(t, head, form != "as built")
				if *update {
					if err := os.WriteFile(file, []byte(head+"----\n"+got), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s (-want +got):\n%s", file, form, diff)
				}
			}
		})
	}
}

// play does what a script says. With copied, every lookup is in an index that
// has been written and read, so that what is above GREEN is there as digests.
func play(t *testing.T, script string, copied bool) string {
	t.Helper()
	ix := match.NewIndex(match.NewSalt())
	var out, log strings.Builder
	var seq int64
	index := func() *match.Index {
		if !copied {
			return ix
		}
		var b bytes.Buffer
		if err := match.WriteIndex(&b, ix, func(accord.Sought) bool { return true }); err != nil {
			t.Fatal(err)
		}
		got, err := match.ReadIndex(&b, nil, match.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for n, line := range strings.Split(script, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		seq++
		switch words[0] {
		case "item":
			s := item(t, words[1:])
			ix = ix.Apply([]accord.SoughtChange{{Seq: seq, ID: s.Indicator.ID, Sought: []accord.Sought{s}}})
		case "unitem":
			ix = ix.Apply([]accord.SoughtChange{{Seq: seq, ID: itemID(words[1], words[2])}})
		case "seen":
			s := accord.Seen{Log: words[1], Observable: observable(words[3])}
			if err := s.At.UnmarshalText([]byte(words[2])); err != nil {
				t.Fatal(err)
			}
			index().Lookup(s, func(s accord.Sought) { fmt.Fprintln(&out, "match ", s.Value, "", source(s), "", s.TLP) })
		case "line":
			log.WriteString(strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(line, "line"), "  "), "␉", "\t") + "\n")
		default:
			t.Fatalf("line %d: %q", n+1, line)
		}
	}
	if log.Len() > 0 {
		st, err := match.Scan(context.Background(), index(), strings.NewReader(log.String()), match.ScanOptions{Name: "dns.log"}, func(m accord.Match) error {
			fmt.Fprintf(&out, "match  %s  %s  %s  seen %s in %s %s from %s ×%d\n", m.Value.Value, m.First, m.Last, m.Seen.Value, m.Seen.Log, m.Seen.Field, m.Seen.From, m.Count)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "lines %d records %d bad %d\n", st.Lines, st.Records, st.Bad)
	}
	return out.String()
}

// source is the part of the script's SOURCE that survives blinding: the id.
func source(s accord.Sought) string {
	for _, name := range []string{"ee", "no", "ma", "own"} {
		if itemID(s.Value, name) == s.Indicator.ID {
			return name
		}
	}
	return "?"
}

func itemID(value, source string) string {
	v, _ := match.ValueOf(observable(value))
	return "indicator--" + uuid.NewSHA1(uuid.Nil, []byte(v.Value+" "+source)).String()
}

func item(t *testing.T, words []string) accord.Sought {
	t.Helper()
	tlp, err := accord.ParseTLP(words[2])
	if err != nil {
		t.Fatal(err)
	}
	s := accord.Sought{
		Observable: observable(words[0]), TLP: tlp, Name: "Known bad: " + words[0],
		Indicator: accord.ItemKey{ID: itemID(words[0], words[1])},
	}
	if words[1] != "own" {
		s.Origin = accord.Origin{Party: "cert." + words[1] + ".example"}
	}
	for _, w := range words[3:] {
		key, val, _ := strings.Cut(w, "=")
		switch key {
		case "from":
			err = s.ValidFrom.UnmarshalText([]byte(val))
		case "until":
			err = s.ValidUntil.UnmarshalText([]byte(val))
		case "kind":
			s.Kind = accord.Kind(val)
		default:
			t.Fatalf("word %q", w)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// observable tells a value's kind by its look.
func observable(v string) accord.Observable {
	for _, k := range []accord.Kind{
		accord.KindIPv4, accord.KindCIDR, accord.KindAddrPort, accord.KindMD5, accord.KindSHA1, accord.KindSHA256, accord.KindSHA512, accord.KindEmail,
	} {
		if o, ok := match.ValueOf(accord.Observable{Kind: k, Value: v}); ok {
			return accord.Observable{Kind: o.Kind, Value: v}
		}
	}
	if strings.Contains(v, "/") {
		return accord.Observable{Kind: accord.KindURL, Value: v}
	}
	return accord.Observable{Kind: accord.KindDomain, Value: v}
}
