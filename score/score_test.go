// SPDX-License-Identifier: Apache-2.0

package score_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
	"accord/score"
)

const (
	t0  = accord.Stamp(1_700_000_000_000_000)
	day = accord.Stamp(24 * time.Hour / time.Microsecond)
)

// MISP's formula with MISP's published parameters, worked out by hand: lifetime 120
// days and speed 2 of its NIDS model, 3 days and 2.3 of its phishing model, base 80.
func TestThePolynomialIsMISPs(t *testing.T) {
	m := score.Default()
	for _, tt := range []struct {
		model score.Model
		days  float64
		want  float64
	}{
		{m.Network, 0, 80},
		{m.Network, 30, 40},
		{m.Network, 7.5, 60},
		{m.Network, 67.5, 20},
		{m.Network, 120, 0},
		{m.Network, 500, 0},
		{m.Phishing, 0, 80},
		{m.Phishing, 1.5, 20.8150},
		{m.Phishing, 3, 0},
		{m.File, 912.5, 40},
	} {
		got := tt.model.At(80, time.Duration(tt.days*24*float64(time.Hour)))
		if math.Abs(got-tt.want) > 0.001 {
			t.Errorf("%s after %g days: %.4f, want %.4f", tt.model.Name, tt.days, got, tt.want)
		}
	}
	half := m.Network
	half.Formula = score.Exponential
	if got := half.At(80, 60*24*time.Hour); math.Abs(got-20) > 0.001 {
		t.Errorf("after two half-lives: %g", got)
	}
}

func TestAScoreOnlyFallsAndEndsWhereItSaysItDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := score.Model{
			Name: "m", Formula: rapid.SampledFrom([]score.Formula{score.Polynomial, score.Exponential}).Draw(rt, "formula"),
			Lifetime: time.Duration(rapid.Int64Range(int64(time.Hour), int64(5000*24*time.Hour)).Draw(rt, "lifetime")),
			HalfLife: time.Duration(rapid.Int64Range(int64(time.Hour), int64(500*24*time.Hour)).Draw(rt, "half")),
			Speed:    rapid.Float64Range(0.1, 10).Draw(rt, "speed"), Threshold: rapid.Float64Range(0.5, 99).Draw(rt, "threshold"),
		}
		base := rapid.Float64Range(0, 100).Draw(rt, "base")
		a := time.Duration(rapid.Int64Range(0, int64(6000*24*time.Hour)).Draw(rt, "a"))
		b := a + time.Duration(rapid.Int64Range(0, int64(100*24*time.Hour)).Draw(rt, "b"))
		if x, y := m.At(base, a), m.At(base, b); y > x || x > base || y < 0 {
			rt.Fatalf("%g, then %g of %g", x, y, base)
		}
		end := m.Ends(base)
		switch {
		case base < m.Threshold:
			if end != 0 {
				rt.Fatalf("below from the start, and ends after %v", end)
			}
		default:
			const eps = 1e-6 // a microsecond moves a steep model by so much at most
			if got := m.At(base, end); got > m.Threshold+eps {
				rt.Fatalf("%g at its end, threshold %g", got, m.Threshold)
			}
			if got := m.At(base, end-2*time.Microsecond); got < m.Threshold-eps {
				rt.Fatalf("%g before its end, threshold %g", got, m.Threshold)
			}
		}
	})
}

func indicator(change func(*accord.Item)) *accord.Item {
	it := &accord.Item{
		Type: "indicator", Confidence: -1, Added: t0, ValidFrom: t0 - 10*day, Source: "feed",
		Observables: []accord.Observable{{Kind: accord.KindDomain, Value: "a.example"}},
	}
	if change != nil {
		change(it)
	}
	return it
}

func TestABaseIsMadeOfWhatIsSaid(t *testing.T) {
	m := score.Default()
	m.Reliability = map[string]float64{"spam": 0.25, "cert.il.example": 0.75}
	for name, tt := range map[string]struct {
		change func(*accord.Item)
		base   float64
		why    string
	}{
		"nothing said":         {nil, 80, "default network 80"},
		"confidence":           {func(it *accord.Item) { it.Confidence = 60 }, 60, "confidence 60"},
		"no confidence at all": {func(it *accord.Item) { it.Confidence = 0 }, 0, "confidence 0"},
		"a tag":                {func(it *accord.Item) { it.Tags = []string{`admiralty-scale:information-credibility="3"`} }, 50, `tag admiralty-scale:information-credibility="3" 50`},
		"a label and confidence": {func(it *accord.Item) {
			it.Confidence, it.Labels = 60, []string{`false-positive:risk="high"`, "phishing-kit"}
		}, 42.5, `confidence 60 tag false-positive:risk="high" 25`},
		"an unreliable source": {func(it *accord.Item) { it.Source = "spam" }, 20, "default network 80 reliability spam 25"},
		"a reliable party": {func(it *accord.Item) {
			it.Source, it.Origin.Party = "spam", "cert.il.example"
		}, 60, "default network 80 reliability cert.il.example 75"},
		"denied once, never seen":    {func(it *accord.Item) { it.Sighted.Negative = 1 }, 40, "default network 80 denied 1 0 50"},
		"denied once, often seen":    {func(it *accord.Item) { it.Sighted = accord.Sighted{Negative: 1, Count: 8} }, 72, "default network 80 denied 1 8 90"},
		"denied, of low confidence":  {func(it *accord.Item) { it.Confidence, it.Sighted.Negative = 30, 1000 }, 20, "confidence 30 denied 1000 0 67"},
		"denied by everybody":        {func(it *accord.Item) { it.Sighted.Negative = 1000 }, 20, "default network 80 denied 1000 0 25"},
		"an analyst says it is none": {func(it *accord.Item) { it.False = "bakery" }, 0, "default network 80 false-positive bakery"},
		"a marking does not count":   {func(it *accord.Item) { it.Tags = []string{"tlp:red"}; it.TLP = accord.TLPRed }, 80, "default network 80"},
	} {
		s := m.Of(indicator(tt.change), t0)
		var why []string
		for _, r := range s.Reasons {
			if r.Code != score.CodeDecay {
				why = append(why, strings.Join(append([]string{r.Code}, r.Args...), " "))
			}
			if said := score.English(r); strings.Contains(said, "%!") || said == r.Code {
				t.Errorf("%s: %q", name, said)
			}
		}
		if math.Abs(s.Base-tt.base) > 1e-9 || strings.Join(why, " ") != tt.why {
			t.Errorf("%s: base %g because %q, want %g because %q", name, s.Base, why, tt.base, tt.why)
		}
	}
}

func TestTheKindOfIndicatorChoosesTheModelAndASightingRenewsIt(t *testing.T) {
	m := score.Default()
	phishing := indicator(func(it *accord.Item) { it.Labels = []string{"phishing"} })
	file := indicator(func(it *accord.Item) { it.Observables = []accord.Observable{{Kind: accord.KindSHA256, Value: "x"}} })
	seen := indicator(func(it *accord.Item) { it.Sighted = accord.Sighted{Last: t0 + 50*day, Count: 1} })
	later := indicator(func(it *accord.Item) { it.ValidFrom = t0 + 5*day })
	report := indicator(func(it *accord.Item) { it.Type = "report" })
	var got []string
	for _, it := range []*accord.Item{indicator(nil), phishing, file, seen, later, report} {
		s := m.Of(it, t0+60*day)
		if e := m.Ends(it); e != s.ExpiresAt {
			t.Errorf("Ends %v, ExpiresAt %v", e, s.ExpiresAt)
		}
		got = append(got, fmt.Sprintf("%s since %d now %.1f expired %t", s.Model, (s.Since-t0)/day, s.Now, s.Expired(t0+60*day)))
	}
	want := []string{
		"network since 0 now 23.4 expired false", "phishing since 0 now 0.0 expired true", "file since 0 now 77.4 expired false",
		"network since 50 now 56.9 expired false", "network since 5 now 25.8 expired false", " since 0 now 80.0 expired false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSightingsAndOpinionsAreRead(t *testing.T) {
	for text, want := range map[string]string{
		`{"sighting_of_ref":"indicator--1","count":3,"first_seen":"2023-11-14T22:13:20Z","last_seen":"2023-11-15T22:13:20Z"}`: "[indicator--1] false 0 1 3",
		`{"sighting_of_ref":"indicator--1"}`:                                     "[indicator--1] false 2 2 1",
		`{"sighting_of_ref":"indicator--1","first_seen":"2023-11-14T22:13:20Z"}`: "[indicator--1] false 0 2 1",
		`{"sighting_of_ref":"indicator--1","count":0}`:                           "",
		`{"count":3}`: "", `{`: "", ``: "", `{"sighting_of_ref":7}`: "",
		`{"opinion":"strongly-disagree","object_refs":["b","a","b"]}`: "[a b] true 2 2 1",
		`{"opinion":"agree","object_refs":["a"]}`:                     "", `{"opinion":"disagree","object_refs":[]}`: "",
	} {
		it := accord.Item{Type: "sighting", Bytes: []byte(text)}
		it.Version = t0 + 2*day
		if strings.Contains(text, "opinion") {
			it.Type = "opinion"
		}
		s, ok := score.Saying(&it)
		got := ""
		if ok {
			got = fmt.Sprint(s.Of, s.Negative, " ", int64((s.First-t0)/day), " ", int64((s.Last-t0)/day), " ", s.Count)
		}
		if strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		it.Revoked = true
		if _, ok := score.Saying(&it); ok {
			t.Errorf("revoked, %s counts", text)
		}
	}
}

func TestModelsAndReliabilityAreChecked(t *testing.T) {
	if err := score.Default().Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*score.Models){
		"formula": func(m *score.Models) { m.Network.Formula = "linear" }, "lifetime": func(m *score.Models) { m.File.Lifetime = 0 },
		"speed": func(m *score.Models) { m.Phishing.Speed = math.NaN() }, "threshold": func(m *score.Models) { m.Network.Threshold = 0 },
		"base": func(m *score.Models) { m.Network.Base = 101 }, "reliability": func(m *score.Models) { m.Reliability = map[string]float64{"x": 2} },
	} {
		m := score.Default()
		change(&m)
		if err := m.Check(); !errors.Is(err, accord.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if source, r, err := score.ParseReliability("spam list d"); source != "spam list" || r != 0.25 || err != nil {
		t.Errorf("%q %g %v", source, r, err)
	}
	for _, s := range []string{"", "x", "x G", " A"} {
		if _, _, err := score.ParseReliability(s); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
