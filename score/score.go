// SPDX-License-Identifier: Apache-2.0

// Package score says how much an indicator still counts: a base from what is said
// of it, which decays with time and is refreshed when it is seen.
//
// The polynomial model is that of MISP, score = base × (1 − (t/τ)^(1/δ)), from
// "Decaying Indicators of Compromise" (arXiv:1803.11052) and "An indicator scoring
// method for MISP platforms" (arXiv:1902.03914); the exponential one is a
// half-life. Taxonomies' numerical values are MISP's. Where Accord differs from
// MISP stands in docs/explanation/score.md.
//
// Scores are 0 to 100, lifetimes in time.Duration, instants [accord.Stamp]. Nothing
// fails but [Models.Check], whose errors wrap accord.ErrInvalid. The package does
// no I/O and reads no clock; a Models that is no longer changed may be used from
// many goroutines.
package score

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"accord"
)

// Formula is how a model decays.
type Formula string

// The formulas.
const (
	Polynomial  Formula = "polynomial"
	Exponential Formula = "exponential"
)

// Model is how indicators of one kind decay.
type Model struct {
	Name    string
	Formula Formula
	// Lifetime is τ, after which the polynomial is 0.
	Lifetime time.Duration
	// Speed is δ: how fast it decays at first. 1 is a straight line, more decays
	// faster at first, less slower.
	Speed float64
	// HalfLife is the time in which the exponential falls to a half.
	HalfLife  time.Duration
	Threshold float64 // a score below it is expired
	Base      float64 // base score of what says nothing of its own confidence
}

const day = 24 * time.Hour

// The names of the models: the kinds of indicator that they are for.
const (
	Network  = "network"  // names, addresses, URLs
	Phishing = "phishing" // the same, labelled phishing
	File     = "file"     // hashes
)

// Models are the models of a node and how reliable its sources are.
type Models struct {
	Network, Phishing, File Model
	// Reliability is what the base of a source's (or party's) indicators is
	// multiplied by, 0 to 1; 1 for those that are not named.
	Reliability map[string]float64
}

// Default is what a node has that configures nothing: MISP's lifetimes and speeds
// of names, addresses and phishing, five years for hashes. Its threshold is lower
// than MISP's 30, so that what states a low confidence is still looked for.
func Default() Models {
	m := Model{Formula: Polynomial, Lifetime: 120 * day, Speed: 2, HalfLife: 30 * day, Threshold: 10, Base: 80}
	named := func(name string, lifetime time.Duration, speed float64, half time.Duration) Model {
		m := m
		m.Name, m.Lifetime, m.Speed, m.HalfLife = name, lifetime, speed, half
		return m
	}
	return Models{
		Network:  named(Network, 120*day, 2, 30*day),
		Phishing: named(Phishing, 3*day, 2.3, day),
		File:     named(File, 5*365*day, 1, 365*day),
	}
}

// Check returns what is wrong with m, nil when nothing is.
func (m Models) Check() error {
	for _, x := range []Model{m.Network, m.Phishing, m.File} {
		switch {
		case x.Formula != Polynomial && x.Formula != Exponential:
			return fmt.Errorf("%w: score.%s: formula %q: want polynomial or exponential", accord.ErrInvalid, x.Name, x.Formula)
		case x.Lifetime <= 0 || x.HalfLife <= 0:
			return fmt.Errorf("%w: score.%s: lifetime and half_life are more than 0 days", accord.ErrInvalid, x.Name)
		case !(x.Speed >= 0.01 && x.Speed <= 100):
			return fmt.Errorf("%w: score.%s: speed %g: want 0.01 to 100", accord.ErrInvalid, x.Name, x.Speed)
		case !(x.Threshold > 0 && x.Threshold < 100):
			return fmt.Errorf("%w: score.%s: threshold %g: want more than 0, less than 100", accord.ErrInvalid, x.Name, x.Threshold)
		case !(x.Base >= 0 && x.Base <= 100):
			return fmt.Errorf("%w: score.%s: base %g: want 0 to 100", accord.ErrInvalid, x.Name, x.Base)
		}
	}
	for name, r := range m.Reliability {
		if !(r >= 0 && r <= 1) {
			return fmt.Errorf("%w: score: reliability of %q is %g: want 0 to 1", accord.ErrInvalid, name, r)
		}
	}
	return nil
}

// At is what is left of base after t.
func (m Model) At(base float64, t time.Duration) float64 {
	if t <= 0 {
		return base
	}
	if m.Formula == Exponential {
		return base * math.Exp2(-float64(t)/float64(m.HalfLife))
	}
	return max(0, base*(1-math.Pow(float64(t)/float64(m.Lifetime), 1/m.Speed)))
}

// Ends is after how long base has fallen below the threshold; 0 when it is below
// from the start.
func (m Model) Ends(base float64) time.Duration {
	if base < m.Threshold || base <= 0 {
		return 0
	}
	var after float64
	if m.Formula == Exponential {
		after = float64(m.HalfLife) * math.Log2(base/m.Threshold)
	} else {
		after = float64(m.Lifetime) * math.Pow(1-m.Threshold/base, m.Speed)
	}
	// The first microsecond at which it is below, not at, the threshold.
	return time.Duration(math.Floor(after/1000)*1000) + time.Microsecond
}

// The codes of a score's reasons, with their arguments.
const (
	CodeConfidence  = "confidence"     // points
	CodeTag         = "tag"            // tag, points
	CodeDefault     = "default"        // model, points
	CodeReliability = "reliability"    // source, percent
	CodeDenied      = "denied"         // how many say false positive, how many saw it, percent
	CodeFalse       = "false-positive" // why
	CodeDecay       = "decay"          // model, days since, lifetime or half-life in days
	CodeSeen        = "seen"           // instant of the last sighting
)

// Of scores an item at now. What is no indicator, or holds no value, has a base
// and does not decay.
func (m Models) Of(it *accord.Item, now accord.Stamp) accord.Score {
	model, decays := m.modelOf(it)
	s := accord.Score{Since: since(it)}
	s.Base = m.base(it, model, &s)
	if !decays {
		s.Now = s.Base
		return s
	}
	s.Model, s.Threshold = model.Name, model.Threshold
	t := max(0, time.Duration(now-s.Since)*time.Microsecond)
	s.Now = model.At(s.Base, t)
	s.ExpiresAt = s.Since + accord.Stamp(model.Ends(s.Base)/time.Microsecond)
	if it.Sighted.Last != 0 && s.Since == it.Sighted.Last {
		because(&s, CodeSeen, s.Since.String())
	}
	length := model.Lifetime
	if model.Formula == Exponential {
		length = model.HalfLife
	}
	because(&s, CodeDecay, model.Name, days(t), days(length))
	return s
}

// Ends is the ExpiresAt of the item's score, without its reasons.
func (m Models) Ends(it *accord.Item) accord.Stamp {
	model, decays := m.modelOf(it)
	if !decays {
		return 0
	}
	return since(it) + accord.Stamp(model.Ends(m.base(it, model, nil))/time.Microsecond)
}

func because(s *accord.Score, code string, args ...string) {
	s.Reasons = append(s.Reasons, accord.ScoreReason{Code: code, Args: args})
}

func days(d time.Duration) string {
	return strconv.FormatFloat(math.Round(10*float64(d)/float64(day))/10, 'f', -1, 64)
}

func points(p float64) string { return strconv.FormatFloat(math.Round(p), 'f', -1, 64) }

// since is from when an item decays: it was last seen, became valid, or came.
func since(it *accord.Item) accord.Stamp {
	return max(it.Added, it.ValidFrom, it.Sighted.Last)
}

// digests are the kinds of value that name a file.
var digests = []accord.Kind{accord.KindMD5, accord.KindSHA1, accord.KindSHA256, accord.KindSHA512}

// modelOf returns the model for an item, and whether it decays at all.
func (m *Models) modelOf(it *accord.Item) (model *Model, decays bool) {
	if it.Type != "indicator" || len(it.Observables) == 0 {
		return &m.Network, false
	}
	file, phishing := false, false
	for _, o := range it.Observables {
		file = file || slices.Contains(digests, o.Kind)
	}
	for _, l := range it.Labels {
		phishing = phishing || l == Phishing
	}
	for _, l := range it.Tags {
		phishing = phishing || l == Phishing
	}
	switch {
	case file:
		return &m.File, true
	case phishing:
		return &m.Phishing, true
	}
	return &m.Network, true
}

// leastDenied is what is left however many say false positive, and twice the
// threshold where that is more: only the node's own analysts end an indicator, not
// whoever sends opinions.
const leastDenied = 0.25

// base is the base score: the mean of what is said of the item, times how reliable
// who says it is, less what false positives take. Its reasons go to s, unless nil.
func (m *Models) base(it *accord.Item, model *Model, s *accord.Score) float64 {
	sum, n := 0.0, 0
	if it.Confidence >= 0 {
		sum, n = float64(it.Confidence), 1
		if s != nil {
			because(s, CodeConfidence, points(sum))
		}
	}
	factor := 1.0
	for _, tags := range [][]string{it.Labels, it.Tags} {
		for _, tag := range tags {
			p, known := pointsOf(tag)
			if !known {
				continue
			}
			sum, n = sum+p, n+1
			if s != nil {
				because(s, CodeTag, tag, points(p))
			}
		}
	}
	base := model.Base
	if n > 0 {
		base = sum / float64(n)
	} else if s != nil {
		because(s, CodeDefault, model.Name, points(model.Base))
	}
	for _, who := range []string{it.Origin.Party, it.Source} {
		if r, known := m.Reliability[who]; known && who != "" {
			factor *= r
			if s != nil {
				because(s, CodeReliability, who, points(100*r))
			}
			break
		}
	}
	if no, yes := max(0, it.Sighted.Negative), max(0, it.Sighted.Count); no > 0 {
		f := max(leastDenied, float64(yes+1)/float64(yes+no+1))
		if b := base * factor; b > 0 { // nor does it end by being denied
			f = max(f, min(1, 2*model.Threshold/b))
		}
		factor *= f
		if s != nil {
			because(s, CodeDenied, strconv.FormatInt(no, 10), strconv.FormatInt(yes, 10), points(100*f))
		}
	}
	if it.False != "" {
		factor = 0
		if s != nil {
			because(s, CodeFalse, it.False)
		}
	}
	return min(100, max(0, base*factor))
}
