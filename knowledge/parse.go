// SPDX-License-Identifier: Apache-2.0

package knowledge

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"accord"
)

// Limits of what one object may bring into memory.
const (
	maxName = 200 // bytes
	maxList = 100 // names, platforms, tactics, references
)

// entity is an ATT&CK object as it is kept: its texts stay in the store.
type entity struct {
	id         string // STIX
	kind       Kind
	ext        string
	name       string
	aliases    []string
	platforms  []string
	domains    []string
	phases     []Phase
	shortname  string // of a tactic
	analytics  []string
	component  []string // data components an analytic looks at
	deprecated bool
	revoked    bool
	own        bool
	rank       int // how much it looks like MITRE's
	created    accord.Stamp
	source     string
}

// matrix is the order of a domain's tactics.
type matrix struct {
	id      string
	domain  string
	tactics []string
	rank    int
}

// wire is what is read of an object's bytes.
type wire struct {
	Name        string      `json:"name"`
	Aliases     []string    `json:"aliases"`
	XAliases    []string    `json:"x_mitre_aliases"`
	References  []reference `json:"external_references"`
	Phases      []phase     `json:"kill_chain_phases"`
	Platforms   []string    `json:"x_mitre_platforms"`
	Domains     []string    `json:"x_mitre_domains"`
	Deprecated  bool        `json:"x_mitre_deprecated"`
	Revoked     bool        `json:"revoked"`
	Shortname   string      `json:"x_mitre_shortname"`
	TacticRefs  []string    `json:"tactic_refs"`
	Analytics   []string    `json:"x_mitre_analytic_refs"`
	LogSources  []logSource `json:"x_mitre_log_source_references"`
	Version     string      `json:"x_mitre_version"`
	Description string      `json:"description"`
	Detection   string      `json:"x_mitre_detection"`
	Sectors     []string    `json:"x_mitre_sectors"`
	FirstSeen   string      `json:"first_seen"`
	LastSeen    string      `json:"last_seen"`

	Relationship string `json:"relationship_type"`
	SourceRef    string `json:"source_ref"`
	TargetRef    string `json:"target_ref"`
}

type reference struct {
	Source      string `json:"source_name"`
	ID          string `json:"external_id"`
	Description string `json:"description"`
	URL         string `json:"url"`
}

type phase struct {
	Chain string `json:"kill_chain_name"`
	Name  string `json:"phase_name"`
}

type logSource struct {
	Component string `json:"x_mitre_data_component_ref"`
	Name      string `json:"name"`
	Channel   string `json:"channel"`
}

// chains are the domains by the name of their kill chain, which is also the name
// of their references.
var chains = map[string]string{
	"mitre-attack": "enterprise-attack", "mitre-mobile-attack": "mobile-attack", "mitre-ics-attack": "ics-attack",
}

func readWire(b []byte) (w wire, ok bool) {
	return w, len(b) > 0 && json.Unmarshal(b, &w) == nil
}

// entityOf reads an item as an ATT&CK object; ok is false for any other.
func entityOf(it *accord.Item) (e *entity, ok bool) {
	how, known := of[it.Type]
	if !known || it.Withdrawn != 0 {
		return nil, false
	}
	w, ok := readWire(it.Bytes)
	if !ok {
		return nil, false
	}
	e = &entity{
		id: it.ID, kind: how.kind, name: clip(w.Name), shortname: clip(w.Shortname), deprecated: w.Deprecated, revoked: w.Revoked,
		own: it.Origin.Own(), created: it.Created, source: it.Source,
		aliases: list(append(w.Aliases, w.XAliases...)), platforms: list(w.Platforms), domains: list(w.Domains), analytics: list(w.Analytics),
	}
	for _, r := range w.References {
		if chains[r.Source] != "" && how.id.MatchString(r.ID) {
			e.ext = r.ID
			if len(e.domains) == 0 {
				e.domains = []string{chains[r.Source]}
			}
			break
		}
	}
	if e.ext == "" {
		return nil, false
	}
	e.aliases = slices.DeleteFunc(e.aliases, func(a string) bool { return strings.EqualFold(a, e.name) })
	for _, p := range w.Phases[:min(len(w.Phases), maxList)] {
		if d := chains[p.Chain]; d != "" && p.Name != "" {
			e.phases = append(e.phases, Phase{d, clip(p.Name)})
		}
	}
	if e.kind == Tactic && e.shortname != "" {
		for _, d := range e.domains {
			e.phases = append(e.phases, Phase{d, e.shortname})
		}
	}
	for _, l := range w.LogSources[:min(len(w.LogSources), maxList)] {
		e.component = append(e.component, l.Component)
	}
	e.rank = rankOf(w, e)
	return e, true
}

// rankOf is how much an object looks like MITRE's own.
func rankOf(w wire, e *entity) (rank int) {
	for _, is := range []bool{w.Version != "", len(w.Domains) > 0, len(e.phases) > 0, w.Description != ""} {
		if is {
			rank++
		}
	}
	return rank
}

func matrixOf(it *accord.Item) (m *matrix, ok bool) {
	w, ok := readWire(it.Bytes)
	if !ok || it.Type != "x-mitre-matrix" || it.Withdrawn != 0 || w.Deprecated || w.Revoked {
		return nil, false
	}
	m = &matrix{id: it.ID, tactics: list(w.TacticRefs)}
	if it.Origin.Own() {
		m.rank = 1
	}
	for _, r := range w.References {
		if chains[r.Source] != "" && slices.Contains(usual, r.ID) {
			m.domain = r.ID
		}
	}
	if m.domain == "" && len(w.Domains) > 0 {
		m.domain = clip(w.Domains[0])
	}
	return m, m.domain != ""
}

// clip keeps what an object names itself short enough for lists.
func clip(s string) string {
	s = strings.TrimSpace(s)
	if len(s) <= maxName {
		return s
	}
	return strings.ToValidUTF8(s[:maxName], "") + "…"
}

// list returns at most maxList of these, each once, none empty.
func list(in []string) []string {
	var out []string
	for _, s := range in[:min(len(in), 4*maxList)] {
		if s = clip(s); s != "" && !slices.Contains(out, s) && len(out) < maxList {
			out = append(out, s)
		}
	}
	return out
}
