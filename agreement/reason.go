// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"accord"
)

// Reason is one ground of a decision: a code with its arguments, so that it can
// be said in any language. String says it in English.
type Reason struct {
	Code string
	Args []string
}

// The codes, with their arguments. Those from "above-tlp" on say why an article
// that is about this kind of item did not grant it.
const (
	CodeGranted      = "granted"       // agreement, article
	CodeExcluded     = "excluded"      // agreement, article
	CodeNoAgreement  = "no-agreement"  // from, to
	CodeSuspended    = "suspended"     // agreement, party
	CodeNoArticle    = "no-article"    // type
	CodeWithdrawn    = "withdrawn"     //
	CodeGiver        = "giver"         // party
	CodeOnward       = "onward"        // giver, rule
	CodeActions      = "actions"       // giver, most that may be done
	CodeRetain       = "retain"        // giver, instant
	CodeMarking      = "marking"       //
	CodeAboveTLP     = "above-tlp"     // agreement, article, item's, ceiling
	CodeAbovePAP     = "above-pap"     // agreement, article, item's, ceiling
	CodeConfidence   = "confidence"    // agreement, article, floor
	CodeAge          = "age"           // agreement, article, most
	CodeObservables  = "observables"   // agreement, article
	CodeLabels       = "labels"        // agreement, article
	CodeSectors      = "sectors"       // agreement, article
	CodeSource       = "source"        // agreement, article
	CodeOwn          = "own"           //
	CodeTLP          = "tlp"           // item's, ceiling (MayProtect)
	CodePAP          = "pap"           // item's, ceiling (MayProtect)
	CodePermitted    = "permitted"     // giver
	CodeInstitutions = "institutions"  // giver
	CodePseudonym    = "pseudonymised" //
	CodeRedacted     = "redacted"      // properties…
	CodeRequired     = "required"      // property
	CodeNamed        = "named"         //
)

var english = map[string]string{
	CodeGranted: "article %[2]s of %[1]s grants it", CodeExcluded: "article %[2]s of %[1]s withholds it",
	CodeNoAgreement: "no agreement is in force from %s to %s", CodeSuspended: "%[2]s has suspended %[1]s",
	CodeNoArticle: "no article grants an object of type %s", CodeWithdrawn: "it has been withdrawn",
	CodeGiver: "it came from %s, who has it", CodeOnward: "%s gave it for onward use by: %s",
	CodeActions: "%s permits at most: %s", CodeRetain: "%s gave it until %s",
	CodeMarking:  "its marking is not one of TLP 2.0 or PAP",
	CodeAboveTLP: "article %[2]s of %[1]s: it is TLP:%[3]s, above %[4]s", CodeAbovePAP: "article %[2]s of %[1]s: it is PAP:%[3]s, above %[4]s",
	CodeConfidence:  "article %[2]s of %[1]s: its confidence does not reach %[3]s",
	CodeAge:         "article %[2]s of %[1]s: it is older than %[3]s",
	CodeObservables: "article %[2]s of %[1]s: it holds values of other kinds",
	CodeLabels:      "article %[2]s of %[1]s: its labels are not those asked for",
	CodeSectors:     "article %[2]s of %[1]s: it is about other sectors",
	CodeSource:      "article %[2]s of %[1]s: it comes from another source",
	CodeOwn:         "it is our own", CodeTLP: "it is TLP:%s, above %s", CodePAP: "it is PAP:%s, above %s",
	CodePermitted: "%s permits it", CodeInstitutions: "%s gave it to the authority alone",
	CodePseudonym: "the identity is replaced by a pseudonym", CodeRedacted: "left out: %s",
	CodeRequired: "it cannot stand without %s, which may not go",
	CodeNamed:    "it names an identity that goes under a pseudonym",
}

// String says the reason in English.
func (r Reason) String() string {
	format, known := english[r.Code]
	if !known {
		return strings.Join(append([]string{r.Code}, r.Args...), " ")
	}
	if r.Code == CodeRedacted {
		return fmt.Sprintf(format, strings.Join(r.Args, ", "))
	}
	args := make([]any, 4)
	for i := range args {
		args[i] = "?"
		if i < len(r.Args) {
			args[i] = r.Args[i]
		}
	}
	if !strings.Contains(format, "%[") {
		args = args[:strings.Count(format, "%s")]
	}
	return fmt.Sprintf(format, args...)
}

// MarshalText writes the code and its arguments, escaped and separated by
// spaces: how a reason is stored (accord.Withheld.Reasons).
func (r Reason) MarshalText() ([]byte, error) {
	words := []string{r.Code}
	for _, a := range r.Args {
		words = append(words, url.QueryEscape(a))
	}
	return []byte(strings.Join(words, " ")), nil
}

// UnmarshalText reads what MarshalText writes.
func (r *Reason) UnmarshalText(b []byte) error {
	words := strings.Split(string(b), " ")
	r.Code, r.Args = words[0], nil
	for _, w := range words[1:] {
		a, err := url.QueryUnescape(w)
		if err != nil {
			return fmt.Errorf("%w: reason %q", accord.ErrInvalid, b)
		}
		r.Args = append(r.Args, a)
	}
	return nil
}

// Texts returns reasons as they are stored.
func Texts(reasons []Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		b, _ := r.MarshalText() // cannot fail
		out[i] = string(b)
	}
	return out
}

// Reasons reads stored reasons; one that cannot be read stands as its own code.
func Reasons(texts []string) []Reason {
	out := make([]Reason, len(texts))
	for i, t := range texts {
		if out[i].UnmarshalText([]byte(t)) != nil {
			out[i] = Reason{Code: t}
		}
	}
	return slices.Clip(out)
}
