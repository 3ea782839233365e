// SPDX-License-Identifier: Apache-2.0

package score

import (
	"fmt"
	"strings"

	"accord"
)

// taxonomies are the machine tags of MISP taxonomies that say how far an item is
// to be trusted, with their points. Those of estimative-language are the middle of
// the range that ICD 203 gives.
var taxonomies = map[string]float64{
	`admiralty-scale:source-reliability="a"`: 100, `admiralty-scale:source-reliability="b"`: 75,
	`admiralty-scale:source-reliability="c"`: 50, `admiralty-scale:source-reliability="d"`: 25,
	`admiralty-scale:source-reliability="e"`: 0, `admiralty-scale:source-reliability="f"`: 50,
	`admiralty-scale:information-credibility="1"`: 100, `admiralty-scale:information-credibility="2"`: 75,
	`admiralty-scale:information-credibility="3"`: 50, `admiralty-scale:information-credibility="4"`: 25,
	`admiralty-scale:information-credibility="5"`: 0, `admiralty-scale:information-credibility="6"`: 50,
	`estimative-language:likelihood-probability="almost-no-chance"`: 3, `estimative-language:likelihood-probability="very-unlikely"`: 12.5,
	`estimative-language:likelihood-probability="unlikely"`: 32.5, `estimative-language:likelihood-probability="roughly-even-chance"`: 50,
	`estimative-language:likelihood-probability="likely"`: 67.5, `estimative-language:likelihood-probability="very-likely"`: 87.5,
	`estimative-language:likelihood-probability="almost-certain"`: 97,
	`false-positive:risk="low"`:                                   75, `false-positive:risk="medium"`: 50, `false-positive:risk="high"`: 25,
}

// pointsOf is what a label or tag says of how far an item is to be trusted, 0–100.
func pointsOf(tag string) (points float64, known bool) {
	if strings.IndexByte(tag, '=') < 0 {
		return 0, false
	}
	points, known = taxonomies[strings.ToLower(tag)]
	return points, known
}

// admiralty are the reliabilities of the Admiralty scale.
var admiralty = map[string]float64{"A": 1, "B": 0.75, "C": 0.5, "D": 0.25, "E": 0, "F": 0.5}

// ParseReliability reads "SOURCE LETTER", the letter one of the Admiralty scale, A
// (completely reliable) to F (cannot be judged).
func ParseReliability(s string) (source string, r float64, err error) {
	i := strings.LastIndexByte(s, ' ')
	if i > 0 {
		var known bool
		if r, known = admiralty[strings.ToUpper(s[i+1:])]; known {
			return strings.TrimSpace(s[:i]), r, nil
		}
	}
	return "", 0, fmt.Errorf("%w: reliability %q: want a source and a letter of the Admiralty scale, such as \"urlhaus B\"", accord.ErrInvalid, s)
}

var english = map[string]string{
	CodeConfidence: "stated confidence %s", CodeTag: "%s counts %s", CodeDefault: "nothing stated: %s indicators begin at %s",
	CodeReliability: "%s is %s %% reliable", CodeDenied: "%s say false positive, seen %s times: %s %% remains",
	CodeFalse: "an analyst marked it a false positive: %s", CodeDecay: "decays as %s: %s days old of %s",
	CodeSeen: "refreshed when seen at %s",
}

// English says a reason in English.
func English(r accord.ScoreReason) string {
	format, known := english[r.Code]
	if !known || strings.Count(strings.ReplaceAll(format, "%%", ""), "%s") != len(r.Args) {
		return strings.Join(append([]string{r.Code}, r.Args...), " ")
	}
	args := make([]any, len(r.Args))
	for i, a := range r.Args {
		args[i] = a
	}
	return fmt.Sprintf(format, args...)
}
