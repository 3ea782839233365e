// SPDX-License-Identifier: Apache-2.0

package list

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"accord"
	"accord/format/stix"
	"accord/format/stix/pattern"
)

// Options say what a list's rows have in common.
type Options struct {
	Source    string // names the list
	CreatedBy string // id of the identity that stands as author; may be empty
	TLP       accord.TLP
	Labels    []string
	Created   accord.Stamp // needed: a list has no dates of its own
	Modified  accord.Stamp // 0: Created
}

// namespace is the UUIDv5 namespace of the indicators that have no single value.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://accord.example/ns/list"))

// Item returns the row's indicator. Its id depends on the source, the value, the
// category and the family, so that two rows that say different things of one
// value are two indicators, and the same row is always the same one. A path
// alone becomes an indicator without observables: nothing can look it up, but it
// is kept and can be shared.
func (r Row) Item(o Options) (accord.Item, error) {
	f := stix.IndicatorFields{
		Source: o.Source + "\x00" + r.Category + "\x00" + r.Family,
		Name:   r.name(), Description: r.Comment, Family: r.Family, Labels: r.labels(o.Labels),
		Created: o.Created, Modified: o.Modified, CreatedBy: o.CreatedBy, TLP: o.TLP, Confidence: -1,
	}
	if len(r.Values) == 1 {
		return stix.NewIndicator(r.Values[0], f)
	}
	return r.written(f)
}

// name is the value, and what it is said to be.
func (r Row) name() string {
	name := r.Path
	if len(r.Values) == 1 {
		name = r.Values[0].Value
	} else if len(r.Values) > 1 {
		_, name, _ = strings.Cut(r.Values[0].Value, "://")
	}
	switch {
	case r.Family != "":
		return name + " (" + r.Family + ")"
	case r.Category != "":
		return name + " (" + r.Category + ")"
	}
	return name
}

func (r Row) labels(more []string) []string {
	if r.Category == "" {
		return more
	}
	return append([]string{r.Category}, more...)
}

// indicator is what is written of an indicator that stix.NewIndicator does not make.
type indicator struct {
	Type        string       `json:"type"`
	Spec        string       `json:"spec_version"`
	ID          string       `json:"id"`
	CreatedBy   string       `json:"created_by_ref,omitempty"`
	Created     accord.Stamp `json:"created"`
	Modified    accord.Stamp `json:"modified"`
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Pattern     string       `json:"pattern"`
	PatternType string       `json:"pattern_type"`
	ValidFrom   accord.Stamp `json:"valid_from"`
	Types       []string     `json:"indicator_types"`
	Labels      []string     `json:"labels,omitempty"`
	Markings    []string     `json:"object_marking_refs"`
}

// written makes the indicator of a path, or of a value of several forms.
func (r Row) written(f stix.IndicatorFields) (accord.Item, error) {
	var key strings.Builder
	key.WriteString(f.Source + "\x00" + r.Path)
	// LIKE has no escape (STIX 2.1 §9.6): a '%' or '_' of the path matches more
	// than itself.
	text := []byte("[url:value LIKE ")
	if r.Path != "" {
		text = pattern.AppendQuote(text, "%"+r.Path)
	} else {
		text = text[:1]
		for i, v := range r.Values {
			if i > 0 {
				text = append(text, " OR "...)
			}
			text = pattern.AppendQuote(append(text, "url:value = "...), v.Value)
			key.WriteString("\x00" + v.Value)
		}
	}
	if f.Family != "" {
		f.Labels = append(slices.Clip(f.Labels), "family:"+f.Family)
	}
	if f.Modified == 0 {
		f.Modified = f.Created
	}
	b, err := json.Marshal(indicator{
		Type: "indicator", Spec: "2.1", ID: "indicator--" + uuid.NewSHA1(namespace, []byte(key.String())).String(), CreatedBy: f.CreatedBy,
		Created: f.Created, Modified: f.Modified, Name: f.Name, Description: f.Description,
		Pattern: string(append(text, ']')), PatternType: "stix", ValidFrom: f.Created,
		Types: []string{"malicious-activity"}, Labels: f.Labels, Markings: []string{stix.MarkingID(f.TLP)},
	})
	if err != nil {
		return accord.Item{}, fmt.Errorf("list: %w: %w", accord.ErrInvalid, err)
	}
	return stix.Parse(stix.Raw{Bytes: b, Spec: "2.1"}, f.TLP)
}
