// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"accord"
)

//go:embed template.toml
var templateText string

var draft = template.Must(template.New("draft").Delims("<<", ">>").Funcs(template.FuncMap{"q": quote}).Parse(templateText))

// Terms is what a draft is made from.
type Terms struct {
	ID          string
	Version     int // 0 counts as 1
	Title       string
	From, Until accord.Stamp // Until 0 = open-ended
	Self        accord.Party
	Partner     accord.Party
	// Giver gives context (reports, malware, campaigns, …); empty = both do.
	Giver string
	// Internal are labels of what never leaves; empty = "internal-only" and
	// "law-enforcement".
	Internal []string
}

// Template returns a commented draft for two parties, to be read, changed and
// signed. It parses.
func Template(t Terms) (string, error) {
	t.Version = max(t.Version, 1)
	if len(t.Internal) == 0 {
		t.Internal = []string{"internal-only", "law-enforcement"}
	}
	if t.Title == "" {
		t.Title = fmt.Sprintf("Cyber-defence accord between %s and %s", nameOf(t.Self), nameOf(t.Partner))
	}
	var b strings.Builder
	if err := draft.Execute(&b, t); err != nil {
		return "", fmt.Errorf("draft agreement: %w", err)
	}
	if _, err := parse(b.String()); err != nil {
		return "", fmt.Errorf("draft agreement: %w", err)
	}
	return b.String(), nil
}

func nameOf(p accord.Party) string {
	if p.Title != "" {
		return p.Title
	}
	return p.Name
}

// Receiver is the party that does not give context.
func (t Terms) Receiver() string {
	switch t.Giver {
	case t.Self.Name:
		return t.Partner.Name
	case t.Partner.Name:
		return t.Self.Name
	}
	return Any
}

// Sender is the party that gives context.
func (t Terms) Sender() string {
	if t.Giver == "" {
		return Any
	}
	return t.Giver
}

// Instant writes an instant as TOML does.
func (t Terms) Instant(s accord.Stamp) string { return s.Time().Format("2006-01-02T15:04:05Z") }

// quote writes a TOML basic string. What TOML or a signed note cannot hold is
// refused by the parser afterwards.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
