// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"fmt"
	"slices"
	"strings"

	"accord"
)

var kinds = []accord.Kind{
	accord.KindDomain, accord.KindIPv4, accord.KindIPv6, accord.KindCIDR, accord.KindAddrPort, accord.KindURL,
	accord.KindEmail, accord.KindMD5, accord.KindSHA1, accord.KindSHA256, accord.KindSHA512,
}

// needed are properties that STIX 2.1 requires of some object, or that carry
// what an item means or is marked with: a copy without them is another object.
// Only optional properties may be left out (TAXII 2.1 §8.2.2).
var needed = []string{
	"type", "id", "spec_version", "created", "modified", "revoked", "extensions", "object_marking_refs",
	"granular_markings", "definition", "definition_type", "pattern", "pattern_type", "valid_from",
	"relationship_type", "source_ref", "target_ref", "sighting_of_ref", "object_refs", "published",
	"first_observed", "last_observed", "number_observed", "objects", "opinion", "content", "context",
	"is_family", "product", "value", "path", "subject", "number", "protocols", "key",
}

// nameless are the types whose name is optional (STIX 2.1 §4).
var nameless = []string{"indicator", "malware"}

func (a *Agreement) checkArticle(r *Article) error {
	if strings.TrimSpace(r.Title) == "" {
		return fmt.Errorf("%w: title is missing", accord.ErrInvalid)
	}
	if err := a.checkSides(r); err != nil {
		return err
	}
	if err := checkWords(r); err != nil {
		return err
	}
	for _, n := range []*int{r.MinConfidence, r.BelowConfidence} {
		if n != nil && (*n < 0 || *n > 100) {
			return fmt.Errorf("%w: confidence %d: want 0 to 100", accord.ErrInvalid, *n)
		}
	}
	if r.Effect == Share {
		return checkGrant(r)
	}
	return checkExclusion(r)
}

func (a *Agreement) checkSides(r *Article) error {
	for _, side := range []struct {
		key   string
		names []string
	}{{"from", r.From}, {"to", r.To}} {
		if len(side.names) == 0 {
			return fmt.Errorf("%w: %s is missing: name parties, or %q", accord.ErrInvalid, side.key, Any)
		}
		for _, n := range side.names {
			if _, known := a.Party(n); !known && (n != Any || len(side.names) > 1) {
				return fmt.Errorf("%w: %s %q: not a party of this agreement", accord.ErrInvalid, side.key, n)
			}
		}
		if err := noTwice(side.key, side.names); err != nil {
			return err
		}
	}
	if r.From[0] != Any && r.To[0] != Any && len(r.From) == 1 && slices.Equal(r.From, r.To) {
		return fmt.Errorf("%w: from and to are the same party", accord.ErrInvalid)
	}
	return nil
}

func checkWords(r *Article) error {
	if len(r.Types) == 0 {
		return fmt.Errorf("%w: types is missing: name STIX types, or %q", accord.ErrInvalid, All)
	}
	for _, t := range r.Types {
		if t == All && len(r.Types) == 1 {
			continue
		}
		if len(t) < 3 || len(t) > 250 || strings.Trim(t, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("%w: types: %q is not the name of a STIX type", accord.ErrInvalid, t)
		}
	}
	for _, k := range r.Observables {
		if !slices.Contains(kinds, k) {
			return fmt.Errorf("%w: observables: unknown kind %q", accord.ErrInvalid, k)
		}
	}
	for _, list := range []struct {
		key   string
		words []string
	}{
		{"types", r.Types},
		{"labels", r.Labels},
		{"without_labels", r.WithoutLabels},
		{"sectors", r.Sectors},
		{"sources", r.Sources},
		{"redact", r.Redact},
		{"pillar", []string{r.Pillar}},
	} {
		for _, w := range list.words {
			if w == "" && list.key != "pillar" || len(w) > 250 || w != strings.TrimSpace(w) {
				return fmt.Errorf("%w: %s: %q", accord.ErrInvalid, list.key, w)
			}
			if list.key != "sources" && w != strings.ToLower(w) {
				return fmt.Errorf("%w: %s: %q: want lower case", accord.ErrInvalid, list.key, w)
			}
		}
		if err := noTwice(list.key, list.words); err != nil {
			return err
		}
	}
	return nil
}

func noTwice(key string, words []string) error {
	if len(words) > maxList {
		return fmt.Errorf("%w: %s: more than %d entries", accord.ErrInvalid, key, maxList)
	}
	seen := map[string]bool{}
	for _, w := range words {
		if seen[w] {
			return fmt.Errorf("%w: %s: %q appears twice", accord.ErrInvalid, key, w)
		}
		seen[w] = true
	}
	return nil
}

func checkGrant(r *Article) error {
	if r.MaxTLP == nil {
		return fmt.Errorf("%w: max_tlp is missing: an article that shares says up to which TLP", accord.ErrInvalid)
	}
	for key, given := range map[string]bool{
		"above_tlp": r.AboveTLP != nil, "above_pap": r.AbovePAP != nil,
		"below_confidence": r.BelowConfidence != nil, "older_than": r.OlderThan != 0,
	} {
		if given {
			return fmt.Errorf("%w: %s belongs to an article that withholds; one that shares has max_tlp, max_pap, min_confidence, max_age", accord.ErrInvalid, key)
		}
	}
	for _, p := range r.Redact {
		if strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || len(p) < 3 {
			return fmt.Errorf("%w: redact: %q is not a top-level property", accord.ErrInvalid, p)
		}
		if slices.Contains(needed, p) {
			return fmt.Errorf("%w: redact: %s cannot be left out of a STIX object", accord.ErrInvalid, p)
		}
		if p == "name" && slices.ContainsFunc(r.Types, func(t string) bool { return !slices.Contains(nameless, t) }) {
			return fmt.Errorf("%w: redact: name can be left out only of %s", accord.ErrInvalid, strings.Join(nameless, " and "))
		}
	}
	return nil
}

func checkExclusion(r *Article) error {
	for key, given := range map[string]bool{
		"max_tlp": r.MaxTLP != nil, "max_pap": r.MaxPAP != nil, "min_confidence": r.MinConfidence != nil, "max_age": r.MaxAge != 0,
		"pseudonymise": r.Pseudonymise, "redact": len(r.Redact) > 0, "actions": r.Actions != 0, "attribution": r.Attribution != 0,
		"onward": r.Onward != 0, "retain": r.Retain != 0, "acknowledge_within": r.AcknowledgeWithin != 0,
		"confirm_retraction_within": r.ConfirmRetractionWithin != 0,
	} {
		if given {
			return fmt.Errorf("%w: %s belongs to an article that shares; one that withholds has above_tlp, above_pap, below_confidence, older_than", accord.ErrInvalid, key)
		}
	}
	return nil
}
