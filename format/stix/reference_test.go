// SPDX-License-Identifier: Apache-2.0

package stix_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"accord/format/stix"
)

var update = flag.Bool("update", false, "write golden files")

// page compares a page of the reference with what the data says.
func page(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "../../docs/reference/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil { //nolint:gosec // a page for everybody
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the data says: run go test ./format/stix -run TheReferenceSays -update", path)
	}
}

func TestTheReferenceSaysWhatIsChecked(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# What `accord stix validate` checks\n\n" +
		"Codes are stable. MUST: an object that fails is not valid. SHOULD: it is valid, and could be better; `--strict` refuses it too.\n" +
		"The section is of STIX 2.1 with Errata 01; a finding names a nearer one where there is one. Written from `format/stix/checks.go`.\n\n" +
		"| code | level | section | what must hold |\n|---|---|---|---|\n")
	for _, c := range stix.Checks {
		section := ""
		if c.Section != "" {
			section = "§" + c.Section
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Code, c.Level, section, c.Says)
	}
	page(t, "stix-checks.md", b.Bytes())
}

func TestTheReferenceSaysWhereOthersDisagree(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Disagreements with stix2-validator and python-stix2\n\n" +
		"Every kind of object that Accord and a reference implementation judge differently, found over the objects of\n" +
		"`format/stix/testdata/valid.jsonl` and 4,000 changes of them. \"accepts\": it takes what Accord refuses, by the code of\n" +
		"[stix-checks](stix-checks.md); \"refuses\": it refuses what Accord takes, with this message. python-stix2 is asked with\n" +
		"`allow_custom`, unless the row says otherwise. `TestEveryDisagreementWithTheReferenceImplementationsIsExplained` fails on a\n" +
		"kind that is not here, and on one that no longer happens.\n\n" +
		"| who | does | what | right | section | why |\n|---|---|---|---|---|---|\n")
	for _, d := range disagreements {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | §%s | %s |\n", d.peer, d.does, strings.ReplaceAll("`"+d.what+"`", "|", `\|`), d.right, d.section, d.why)
	}
	page(t, "stix-disagreements.md", b.Bytes())
}
