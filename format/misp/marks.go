// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"slices"
	"strings"

	"accord"
)

// marked is what tags say of one object.
type marked struct {
	tlp        accord.TLP
	tlpSaid    bool
	pap        *accord.PAP
	labels     []string
	confidence *int
}

// confidences are the predicates of MISP's confidence-level taxonomy, with its
// own numbers.
var confidences = map[string]int{
	"completely-confident": 100, "usually-confident": 75, "fairly-confident": 50, "rarely-confident": 25, "unconfident": 0,
}

// credibility is the admiralty scale's, with the numbers of STIX 2.1 appendix A.
var credibility = map[string]int{
	`admiralty-scale:information-credibility="1"`: 90, `admiralty-scale:information-credibility="2"`: 70,
	`admiralty-scale:information-credibility="3"`: 50, `admiralty-scale:information-credibility="4"`: 30,
	`admiralty-scale:information-credibility="5"`: 10,
}

// analyses are the names of analysis.
var analyses = map[text]string{"0": "initial", "1": "ongoing", "2": "completed"}

// threats are the names of threat_level_id in MISP's own taxonomy.
var threats = map[text]string{"1": "high-risk", "2": "medium-risk", "3": "low-risk"}

// atLeast is the TLP that a distribution without a TLP tag stands for: 0 is "your
// organisation only", 1 "this community only", 4 a sharing group; 2, 3 and 5
// (inherit) narrow nothing.
var atLeast = map[text]accord.TLP{"0": accord.TLPAmberStrict, "1": accord.TLPAmber, "4": accord.TLPAmberStrict}

// marks reads the event's own tags.
func (c *conversion) marks() {
	m := marked{tlp: c.o.TLP}
	c.read(&m, string(c.UUID), c.Tags, c.Galaxies)
	if !m.tlpSaid {
		m.tlp = max(m.tlp, atLeast[c.Distribution])
	}
	if name, ok := threats[c.Threat]; ok {
		m.labels = append(m.labels, `misp:threat-level="`+name+`"`)
	}
	c.tlp, c.pap, c.confidence, c.tags = m.tlp, m.pap, m.confidence, m.labels
	c.labels = withPAP(slices.Clone(m.labels), m.pap)
	if name, ok := analyses[c.Analysis]; ok {
		c.labels = append(c.labels, `misp:analysis="`+name+`"`)
	}
	c.labels = clean(c.labels)
}

// quiet is own without its losses, which are reported once.
func (c *conversion) quiet(a attribute, in *object) marked {
	before := c.losses
	m := c.own("", a, in)
	c.losses = before
	return m
}

// own returns the marks of an attribute: the stricter of its own and the
// event's, and both their labels.
func (c *conversion) own(id string, a attribute, in *object) marked {
	m := marked{tlp: c.tlp, pap: c.pap}
	said := marked{}
	c.read(&said, id, a.Tags, a.Galaxies)
	if said.tlpSaid {
		m.tlp = max(m.tlp, said.tlp)
	}
	m.tlp = max(m.tlp, atLeast[a.Distribution])
	if in != nil {
		m.tlp = max(m.tlp, atLeast[in.Distribution])
	}
	if said.pap != nil && (m.pap == nil || *said.pap > *m.pap) {
		m.pap = said.pap
	}
	if m.confidence = said.confidence; m.confidence == nil {
		m.confidence = c.confidence
	}
	m.labels = append(slices.Clone(c.tags), said.labels...)
	m.labels = append(m.labels, `misp:type="`+string(a.Type)+`"`)
	if a.Category != "" {
		m.labels = append(m.labels, `misp:category="`+string(a.Category)+`"`)
	}
	if in != nil {
		m.labels = append(m.labels, `misp:object="`+string(in.Name)+`"`)
	}
	m.labels = clean(withPAP(m.labels, m.pap))
	return m
}

// read gathers tags and galaxies. A TLP or PAP tag that is not understood counts
// as RED: what somebody marked is not for us to open.
func (c *conversion) read(m *marked, id string, tags []Tag, galaxies []Galaxy) {
	for _, t := range tags {
		name := strings.TrimSpace(string(t.Name))
		low := strings.ToLower(name)
		switch {
		case strings.HasPrefix(low, "tlp:"):
			tlp, err := accord.ParseTLP(low)
			if err != nil {
				c.lose(id, "tag", "the TLP tag "+clip(name, 40)+": it counts as RED")
				tlp = accord.TLPRed
			}
			if !m.tlpSaid || tlp > m.tlp {
				m.tlp, m.tlpSaid = tlp, true
			}
		case strings.HasPrefix(low, "pap:"):
			pap, err := accord.ParsePAP(low)
			if err != nil {
				c.lose(id, "tag", "the PAP tag "+clip(name, 40)+": it counts as RED")
				pap = accord.PAPRed
			}
			if m.pap == nil || pap > *m.pap {
				m.pap = &pap
			}
		case low != "":
			if word, ok := strings.CutPrefix(low, "misp:confidence-level="); ok {
				if n, ok := confidences[strings.Trim(word, `"`)]; ok {
					m.confidence = &n
				}
			}
			if n, ok := credibility[low]; ok && m.confidence == nil {
				m.confidence = &n
			}
			m.labels = append(m.labels, name)
		}
	}
	for _, g := range galaxies {
		for _, cl := range g.Clusters {
			if cl.Tag != "" {
				m.labels = append(m.labels, string(cl.Tag))
			} else if cl.Value != "" {
				m.labels = append(m.labels, string(cl.Value))
			}
		}
	}
}

// clean returns labels without duplicates, sorted, bounded.
func clean(labels []string) []string {
	var out []string
	for _, l := range labels {
		if l = clip(strings.TrimSpace(l), 250); l != "" {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), 500)]
}

// withPAP adds the PAP marking as a label: STIX has no marking definition for it.
func withPAP(labels []string, pap *accord.PAP) []string {
	if pap == nil {
		return labels
	}
	return append(labels, "pap:"+pap.String())
}
