// SPDX-License-Identifier: Apache-2.0

package agreement_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
	"accord/agreement"
)

// textOf is an agreement between ns with these articles, each the lines of a
// TOML table.
func textOf(id string, ns []node, articles ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nid = %q\nversion = 1\ntitle = \"t\"\nfrom = 2026-01-01T00:00:00Z\nuntil = 2029-01-01T00:00:00Z\n", agreement.Header, id)
	for _, n := range ns {
		fmt.Fprintf(&b, "[[party]]\nname = %q\nnation = %q\ntitle = %q\nkey = %q\n", n.Name, n.Nation, n.Title, n.Key)
	}
	for _, a := range articles {
		b.WriteString("[[article]]\n" + a + "\n")
	}
	return b.String()
}

func inForce(t testing.TB, id string, ns []node, articles ...string) agreement.InForce {
	t.Helper()
	a, err := agreement.Open(signed(t, textOf(id, ns, articles...), ns...), parties(ns...))
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(articles, "\n"))
	}
	return agreement.InForce{Agreement: a}
}

func grant(number, more string) string {
	return fmt.Sprintf("number = %q\ntitle = \"g\"\neffect = \"share\"\n%s", number, more)
}

func exclusion(number, more string) string {
	return fmt.Sprintf("number = %q\ntitle = \"x\"\neffect = \"withhold\"\n%s", number, more)
}

const anyone = "from = [\"any\"]\nto = [\"any\"]\n"

func asVerdict(d agreement.Decision) verdict {
	return verdict{
		Shares: d.Effect.Shares(), Redacted: d.Effect == agreement.ShareRedacted, Pseudonymise: d.Pseudonymise,
		Agreement: d.Agreement, Article: d.Article, Redact: strings.Join(d.Redact, ","), Onward: d.Terms.Onward,
		Actions: d.Terms.Actions, Retain: d.Terms.Retain, Acknowledge: d.AcknowledgeWithin,
	}
}

var noon = accord.StampOf(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))

const day = accord.Stamp(24 * time.Hour / time.Microsecond)

// lattice is every item of a small world.
func lattice(yield func(accord.Item, bool) bool) {
	obs := [][]accord.Observable{nil, {{Kind: accord.KindDomain}}, {{Kind: accord.KindDomain}, {Kind: accord.KindEmail}}, {{Kind: "other"}}}
	origins := []accord.Origin{
		{},
		{Party: "cert.fi.example", Onward: accord.OnwardParties, Actions: accord.ActContact, Retain: noon + 10*day},
		{Party: "cert.fi.example", Onward: accord.OnwardParties, Actions: accord.ActExternalDirect, Retain: noon},
		{Party: "cert.fi.example", Onward: accord.OnwardInstitutions},
		{Party: "cert.ee.example", Onward: accord.OnwardParties, Actions: accord.ActInternal},
	}
	for _, typ := range []string{"indicator", "identity", "x-other"} {
		for tlp := accord.TLPClear; tlp <= accord.TLPRed; tlp++ {
			for pap := accord.PAPClear; pap <= accord.PAPRed; pap++ {
				for _, conf := range []int{-1, 49, 50} {
					for _, labels := range [][]string{nil, {"internal-only"}, {"phishing", "tested"}} {
						for i, ob := range obs {
							for j, or := range origins {
								for _, version := range []accord.Stamp{0, noon - 90*day, noon - 90*day - 1} {
									item := accord.Item{
										Type: typ, TLP: tlp, PAP: pap, Confidence: conf, Labels: labels, Observables: ob,
										Origin: or, Source: []string{"feed", "own"}[i%2], Class: []string{"class", "individual"}[j%2],
									}
									item.Version = version
									if i == 3 {
										item.Sectors = []string{"energy"}
									}
									if !yield(item, j == 1) {
										return
									}
								}
							}
						}
					}
				}
			}
		}
	}
}

func TestDecideAgreesWithAPlainReadingOnEveryItemOfASmallWorld(t *testing.T) {
	no, ee, lv := trio(t)
	two := []node{no, ee}
	worlds := map[string][]agreement.InForce{
		"everything": {inForce(t, "a", two,
			grant("10", anyone+"types = [\"*\"]\nmax_tlp = \"amber\"\nactions = \"externally-visible-direct-actions\"\nonward = \"parties\""),
			grant("2", "from = [\"cert.no.example\"]\nto = [\"any\"]\ntypes = [\"indicator\"]\nmax_tlp = \"amber+strict\"\nmax_pap = \"amber\"\nmin_confidence = 50\nmax_age = \"90d\"\nretain = \"30d\"\nacknowledge_within = \"1h\"\nactions = \"internally-visible-actions\"\nonward = \"institutions\""),
			grant("2.1", anyone+"types = [\"indicator\", \"identity\"]\nmax_tlp = \"green\"\nobservables = [\"domain\"]\nredact = [\"description\", \"aliases\"]\nretain = \"5d\"\nacknowledge_within = \"2h\""),
			grant("3", anyone+"types = [\"identity\"]\nmax_tlp = \"red\"\npseudonymise = true\nsources = [\"feed\"]"),
			exclusion("4", anyone+"types = [\"*\"]\nlabels = [\"internal-only\"]"),
			exclusion("1", anyone+"types = [\"x-other\"]\nabove_pap = \"green\"\nbelow_confidence = 50"),
			exclusion("5", anyone+"types = [\"*\"]\nolder_than = \"90d\"\nobservables = [\"email\"]"))},
		"conditions": {inForce(t, "a", two,
			grant("1", anyone+"types = [\"*\"]\nmax_tlp = \"clear\"\nlabels = [\"phishing\", \"x\"]\nwithout_labels = [\"untested\"]"),
			grant("2", anyone+"types = [\"*\"]\nmax_tlp = \"red\"\nsectors = [\"energy\"]\nonward = \"institutions\"\nredact = [\"aliases\"]"),
			grant("3", anyone+"types = [\"indicator\"]\nmax_tlp = \"green\"\nwithout_labels = [\"tested\"]\nmax_age = \"90d\""))},
		"two agreements": {
			inForce(t, "b", two, grant("1", anyone+"types = [\"indicator\"]\nmax_tlp = \"red\"\nonward = \"parties\"\nretain = \"9d\"")),
			inForce(t, "a", []node{no, ee, lv}, grant("7", anyone+"types = [\"*\"]\nmax_tlp = \"green\"\nactions = \"contact-for-instruction\""), exclusion("8", "from = [\"cert.ee.example\"]\nto = [\"any\"]\ntypes = [\"*\"]\nabove_tlp = \"clear\"")),
			inForce(t, "c", []node{no, lv}, exclusion("1", anyone+"types = [\"*\"]")),
		},
		"suspended": {
			{Agreement: inForce(t, "a", two, grant("1", anyone+"types = [\"*\"]\nmax_tlp = \"red\""), exclusion("2", anyone+"types = [\"*\"]\nlabels = [\"internal-only\"]")).Agreement, Suspended: map[string]bool{ee.Name: true}},
			inForce(t, "b", two, grant("1", anyone+"types = [\"indicator\"]\nmax_tlp = \"green\"")),
		},
		"nothing": nil,
	}
	n := 0
	for name, in := range worlds {
		for item, author := range lattice {
			for _, way := range [][2]string{{no.Name, ee.Name}, {ee.Name, no.Name}, {no.Name, lv.Name}, {no.Name, no.Name}} {
				n++
				got := agreement.Decide(in, &item, author, way[0], way[1], noon)
				want := refer(in, item, author, way[0], way[1], noon)
				if v := asVerdict(got); v != want {
					t.Fatalf("%s: %v %+v:\n%s\nreasons %v", name, way, item, cmp.Diff(want, v), got.Reasons)
				}
				if len(got.Reasons) == 0 {
					t.Fatalf("%s: no reason: %+v", name, got)
				}
				if got.Effect.Shares() && (got.Terms.Agreement != got.Agreement || got.Terms.Article != got.Article || got.Terms.Party != way[0] || got.Terms.Version != 1) {
					t.Fatalf("terms %+v", got.Terms)
				}
			}
		}
	}
	t.Logf("%d decisions", n)
}

// article draws one article of a small vocabulary.
func article(t *rapid.T, number string, excludes bool) string {
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	s := pick("sides", anyone, "from = [\"cert.no.example\"]\nto = [\"any\"]\n", "from = [\"cert.ee.example\"]\nto = [\"cert.no.example\"]\n") +
		pick("types", "types = [\"*\"]\n", "types = [\"indicator\"]\n", "types = [\"identity\", \"report\"]\n") +
		pick("labels", "", "", "labels = [\"a\"]\n") + pick("without", "", "", "without_labels = [\"b\"]\n") +
		pick("observables", "", "", "observables = [\"domain\"]\n") + pick("sources", "", "", "sources = [\"feed\"]\n")
	if excludes {
		return exclusion(number, s+pick("above", "", "above_tlp = \"green\"\n", "above_tlp = \"amber\"\n")+pick("below", "", "below_confidence = 50\n"))
	}
	return grant(number, s+"max_tlp = \""+pick("max_tlp", "clear", "green", "amber", "amber+strict", "red")+"\"\n"+
		pick("confidence", "", "min_confidence = 50\n")+pick("age", "", "max_age = \"90d\"\n")+
		pick("pseudonymise", "", "pseudonymise = true\n")+pick("redact", "", "redact = [\"description\"]\n", "redact = [\"aliases\"]\n")+
		pick("actions", "", "actions = \"internally-visible-actions\"\n", "actions = \"externally-visible-direct-actions\"\n")+
		pick("onward", "", "onward = \"institutions\"\n", "onward = \"parties\"\n")+pick("retain", "", "retain = \"9d\"\n", "retain = \"90d\"\n"))
}

func drawItem(t *rapid.T) accord.Item {
	item := accord.Item{
		Type: rapid.SampledFrom([]string{"indicator", "identity", "report", "x-new"}).Draw(t, "type"),
		TLP:  accord.TLP(rapid.IntRange(0, 6).Draw(t, "tlp")), PAP: accord.PAP(rapid.IntRange(0, 4).Draw(t, "pap")),
		Confidence: rapid.IntRange(-1, 100).Draw(t, "confidence"), Source: rapid.SampledFrom([]string{"feed", ""}).Draw(t, "source"),
		Labels:  rapid.SampledFrom([][]string{nil, {"a"}, {"B"}, {"a", "b"}}).Draw(t, "labels"),
		Revoked: rapid.Bool().Draw(t, "revoked"),
		Class:   rapid.SampledFrom([]string{"", "class", "organization"}).Draw(t, "class"),
	}
	item.Version = noon + accord.Stamp(rapid.Int64Range(-100, 100).Draw(t, "age"))*day
	if rapid.Bool().Draw(t, "tainted") {
		item.Origin = accord.Origin{
			Party:  rapid.SampledFrom([]string{"cert.ee.example", "cert.fi.example"}).Draw(t, "giver"),
			Onward: accord.Onward(rapid.IntRange(0, 2).Draw(t, "onward")), Actions: accord.Action(rapid.IntRange(0, 4).Draw(t, "actions")),
			Retain: rapid.SampledFrom([]accord.Stamp{0, noon - 1, noon, noon + day}).Draw(t, "retain"),
		}
	}
	return item
}

func TestLawsOfDecisionHoldForEveryAgreementAndItem(t *testing.T) {
	no, ee, _ := trio(t)
	two := []node{no, ee}
	rapid.Check(t, func(rt *rapid.T) {
		var articles []string
		for i := range rapid.IntRange(1, 6).Draw(rt, "articles") {
			articles = append(articles, article(rt, fmt.Sprint(i+1), rapid.IntRange(0, 3).Draw(rt, "kind") == 0))
		}
		in := []agreement.InForce{inForce(t, "a", two, articles...)}
		item, author := drawItem(rt), rapid.Bool().Draw(rt, "author")
		decide := func(in []agreement.InForce) agreement.Decision {
			return agreement.Decide(in, &item, author, no.Name, ee.Name, noon)
		}
		d := decide(in)

		// The ceiling, and taint.
		if d.Effect.Shares() {
			r, _ := in[0].Agreement.Article(d.Article)
			if r.Effect != agreement.Share || item.TLP > *r.MaxTLP || item.TLP > accord.TLPRed {
				rt.Fatalf("above the ceiling: %+v by %+v", d, r)
			}
			if o := item.Origin; !o.Own() && (o.Party == ee.Name || o.Onward != accord.OnwardParties || o.Retain != 0 && noon >= o.Retain ||
				d.Terms.Actions > o.Actions || o.Retain != 0 && (d.Terms.Retain == 0 || d.Terms.Retain > o.Retain)) {
				rt.Fatalf("taint: %+v of %+v", d, o)
			}
		}
		// The order of articles.
		order := rapid.Permutation(articles).Draw(rt, "order")
		if diff := cmp.Diff(d, decide([]agreement.InForce{inForce(t, "a", two, order...)})); diff != "" {
			rt.Fatalf("another order: %s", diff)
		}
		// One exclusion more never discloses more, here or in another agreement.
		x := article(rt, "77", true)
		for what, more := range map[string][]agreement.InForce{
			"here":      {inForce(t, "a", two, append(slices.Clone(articles), x)...)},
			"elsewhere": append(slices.Clone(in), inForce(t, "b", two, x)),
		} {
			e := decide(more)
			if e.Effect.Shares() && diff(e, d) != "" {
				rt.Fatalf("an exclusion %s changed what goes: %s", what, diff(e, d))
			}
		}
		// An exclusion that applies overrides every grant.
		all := inForce(t, "c", two, exclusion("1", anyone+"types = [\"*\"]"))
		if e := decide(append(slices.Clone(in), all)); e.Effect != agreement.Withhold {
			rt.Fatalf("not overridden: %+v", e)
		}
		// One grant more never loosens what another grants.
		g := article(rt, "78", false)
		if e := decide([]agreement.InForce{inForce(t, "a", two, append(slices.Clone(articles), g)...)}); d.Effect.Shares() &&
			(!e.Effect.Shares() || e.Terms.Onward > d.Terms.Onward || e.Terms.Actions > d.Terms.Actions ||
				d.Terms.Retain != 0 && e.Terms.Retain > d.Terms.Retain || d.Pseudonymise && !e.Pseudonymise || len(e.Redact) < len(d.Redact)) {
			rt.Fatalf("a grant loosened: %+v then %+v", d, e)
		}
		// A suspension never discloses more.
		in[0].Suspended = map[string]bool{rapid.SampledFrom([]string{no.Name, ee.Name}).Draw(rt, "by"): true}
		if e := decide(in); e.Effect != agreement.Withhold {
			rt.Fatalf("suspended and shared: %+v", e)
		}
	})
}

func diff(a, b agreement.Decision) string { return cmp.Diff(a, b) }

func TestADecisionSaysWhy(t *testing.T) {
	no, ee, lv := trio(t)
	in := []agreement.InForce{inForce(t, "a", []node{no, ee},
		grant("1", anyone+"types = [\"indicator\"]\nmax_tlp = \"green\"\nmax_pap = \"green\""),
		grant("2", anyone+"types = [\"malware\"]\nmax_tlp = \"red\"\nmin_confidence = 50"),
		grant("3", anyone+"types = [\"tool\"]\nmax_tlp = \"red\"\nmax_age = \"90d\""),
		grant("4", anyone+"types = [\"report\"]\nmax_tlp = \"red\"\nlabels = [\"a\"]"),
		grant("5", anyone+"types = [\"campaign\"]\nmax_tlp = \"red\"\nonward = \"parties\""),
		exclusion("6", anyone+"types = [\"*\"]\nlabels = [\"secret\"]"))}
	fi := accord.Origin{Party: "cert.fi.example", Onward: accord.OnwardParties}
	for _, tt := range []struct {
		item accord.Item
		to   string
		want string
	}{
		{accord.Item{Type: "indicator"}, ee.Name, "article 1 of a grants it"},
		{accord.Item{Type: "indicator", TLP: accord.TLPRed}, ee.Name, "article 1 of a: it is TLP:red, above green"},
		{accord.Item{Type: "indicator", PAP: accord.PAPRed}, ee.Name, "article 1 of a: it is PAP:red, above green"},
		{accord.Item{Type: "malware", Confidence: -1}, ee.Name, "article 2 of a: its confidence does not reach 50"},
		{accord.Item{Type: "tool"}, ee.Name, "article 3 of a: it is older than 90d"},
		{accord.Item{Type: "report"}, ee.Name, "article 4 of a: its labels are not those asked for"},
		{accord.Item{Type: "note"}, ee.Name, "no article grants an object of type note"},
		{accord.Item{Type: "note", Labels: []string{"secret"}}, ee.Name, "article 6 of a withholds it"},
		{accord.Item{Type: "campaign", Origin: fi}, ee.Name, "article 5 of a grants it"},
		{accord.Item{Type: "campaign", Origin: accord.Origin{Party: ee.Name, Onward: accord.OnwardParties}}, ee.Name, "it came from cert.ee.example, who has it"},
		{accord.Item{Type: "campaign", Origin: accord.Origin{Party: "cert.fi.example", Onward: accord.OnwardInstitutions}}, ee.Name, "cert.fi.example gave it for onward use by: institutions"},
		{accord.Item{Type: "campaign", Origin: accord.Origin{Party: "cert.fi.example", Onward: accord.OnwardParties, Retain: noon}}, ee.Name, "cert.fi.example gave it until 2026-06-01T12:00:00.000000Z"},
		{accord.Item{Type: "campaign", Withdrawn: 1}, ee.Name, "it has been withdrawn"},
		{accord.Item{Type: "campaign", Revoked: true}, ee.Name, "article 5 of a grants it"},
		{accord.Item{Type: "campaign", TLP: 9}, ee.Name, "its marking is not one of TLP 2.0 or PAP"},
		{accord.Item{Type: "campaign"}, lv.Name, "no agreement is in force from cert.no.example to cert.lv.example"},
		{accord.Item{Type: "campaign"}, no.Name, "no agreement is in force from cert.no.example to cert.no.example"},
	} {
		d := agreement.Decide(in, &tt.item, false, no.Name, tt.to, noon)
		if len(d.Reasons) != 1 || d.Reasons[0].String() != tt.want {
			t.Errorf("%+v: %v, want %q", tt.item, d.Reasons, tt.want)
		}
		if back := agreement.Reasons(agreement.Texts(d.Reasons)); !cmp.Equal(back, d.Reasons) {
			t.Errorf("stored: %s", cmp.Diff(back, d.Reasons))
		}
	}
}

func TestIdentitiesGoUnderAPseudonymUnlessTheyAreAuthorsOrClasses(t *testing.T) {
	no, ee, _ := trio(t)
	in := []agreement.InForce{inForce(t, "a", []node{no, ee}, grant("1", anyone+"types = [\"*\"]\nmax_tlp = \"red\"\npseudonymise = true"))}
	for _, tt := range []struct {
		typ, class string
		author     bool
		want       agreement.Effect
	}{
		{"identity", "organization", false, agreement.ShareRedacted},
		{"identity", "", false, agreement.ShareRedacted},
		{"identity", "organization", true, agreement.Share},
		{"identity", "class", false, agreement.Share},
		{"indicator", "", false, agreement.Share},
	} {
		d := agreement.Decide(in, &accord.Item{Type: tt.typ, Class: tt.class}, tt.author, no.Name, ee.Name, noon)
		if d.Effect != tt.want || d.Pseudonymise != (tt.want == agreement.ShareRedacted) {
			t.Errorf("%+v: %+v", tt, d)
		}
	}
}

func TestADateInTheFutureMakesNothingFresh(t *testing.T) {
	no, ee, _ := trio(t)
	in := []agreement.InForce{inForce(t, "a", []node{no, ee}, grant("1", anyone+"types = [\"*\"]\nmax_tlp = \"red\"\nmax_age = \"90d\""))}
	for _, tt := range []struct {
		version, created, added accord.Stamp
		want                    bool
	}{
		{noon - 90*day, 0, 0, true},
		{noon - 90*day - 1, 0, 0, false},
		{0, 0, noon - 1, true},
		{0, 0, 0, false},
		{noon + day, noon - 91*day, noon, false},
		{noon + day, noon + day, noon - 91*day, false},
		{noon + day, 0, noon - day, true},
	} {
		item := accord.Item{ItemKey: accord.ItemKey{Version: tt.version}, Created: tt.created, Added: tt.added}
		if d := agreement.Decide(in, &item, false, no.Name, ee.Name, noon); d.Effect.Shares() != tt.want {
			t.Errorf("%+v: %v", tt, d.Reasons)
		}
	}
}

func TestWhatMayBecomeAProtection(t *testing.T) {
	full := accord.Origin{Party: "cert.fi.example", Onward: accord.OnwardInstitutions, Actions: accord.ActInternal, Retain: noon + 1}
	less := func(f func(*accord.Origin)) accord.Origin { o := full; f(&o); return o }
	for _, tt := range []struct {
		name   string
		origin accord.Origin
		tlp    accord.TLP
		want   bool
	}{
		{"our own", accord.Origin{}, accord.TLPAmber, true},
		{"our own, strict", accord.Origin{}, accord.TLPAmberStrict, false},
		{"permitted", full, accord.TLPAmber, true},
		{"permitted, red", full, accord.TLPRed, false},
		{"for contact only", less(func(o *accord.Origin) { o.Actions = accord.ActContact }), accord.TLPClear, false},
		{"for the authority only", less(func(o *accord.Origin) { o.Onward = accord.OnwardNone }), accord.TLPClear, false},
		{"its time has come", less(func(o *accord.Origin) { o.Retain = noon }), accord.TLPClear, false},
		{"without an end", less(func(o *accord.Origin) { o.Retain = 0 }), accord.TLPClear, true},
	} {
		got, why := agreement.MayProtect(tt.origin, tt.tlp, noon)
		if got != tt.want || why.Code == "" {
			t.Errorf("%s: %v, %s", tt.name, got, why)
		}
	}
	for name, item := range map[string]accord.Item{
		"PAP:AMBER": {PAP: accord.PAPAmber}, "withdrawn": {Withdrawn: 1}, "revoked": {Revoked: true}, "red": {TLP: accord.TLPRed},
	} {
		if ok, _ := agreement.MayBlock(&item, noon); ok {
			t.Errorf("%s may be blocked", name)
		}
	}
	if ok, _ := agreement.MayBlock(&accord.Item{PAP: accord.PAPGreen, Origin: full}, noon); !ok {
		t.Error("PAP:GREEN may not be blocked")
	}
}

// tenArticles is a realistic agreement for the benchmark.
func tenArticles(t testing.TB, no, ee node) agreement.InForce {
	return inForce(t, "a", []node{no, ee},
		grant("1", anyone+"types = [\"indicator\"]\nmax_tlp = \"amber\"\nmin_confidence = 30\nactions = \"internally-visible-actions\"\nonward = \"institutions\"\nretain = \"730d\"\nacknowledge_within = \"1h\""),
		grant("2", anyone+"types = [\"report\", \"malware\", \"campaign\", \"tool\", \"attack-pattern\"]\nmax_tlp = \"amber\""),
		grant("3", anyone+"types = [\"relationship\", \"sighting\"]\nmax_tlp = \"amber\""),
		grant("4", anyone+"types = [\"identity\"]\nmax_tlp = \"amber\"\npseudonymise = true"),
		grant("5", anyone+"types = [\"vulnerability\"]\nmax_tlp = \"red\""),
		grant("6", "from = [\"cert.no.example\"]\nto = [\"any\"]\ntypes = [\"indicator\"]\nmax_tlp = \"green\"\nobservables = [\"domain\", \"ipv4\"]\nmax_age = \"90d\""),
		grant("7", anyone+"types = [\"observed-data\"]\nmax_tlp = \"green\"\nredact = [\"description\"]"),
		exclusion("8", anyone+"types = [\"*\"]\nlabels = [\"internal-only\", \"law-enforcement\"]"),
		exclusion("9", anyone+"types = [\"*\"]\nabove_tlp = \"amber\""),
		exclusion("10", anyone+"types = [\"*\"]\nsources = [\"intelligence-service\"]"))
}

func BenchmarkDecide(b *testing.B) {
	no, ee, _ := trio(b)
	in := []agreement.InForce{tenArticles(b, no, ee)}
	items := []accord.Item{
		{Type: "indicator", TLP: accord.TLPGreen, Confidence: 80, Labels: []string{"malicious-activity", "phishing"}, Source: "feed", Observables: []accord.Observable{{Kind: accord.KindDomain}}},
		{Type: "indicator", TLP: accord.TLPAmber, Confidence: 50, Source: "feed", Observables: []accord.Observable{{Kind: accord.KindURL}}},
		{Type: "malware", TLP: accord.TLPClear, Source: "own"},
		{Type: "relationship", TLP: accord.TLPRed},
		{Type: "indicator", Labels: []string{"internal-only"}, Confidence: 90},
		{Type: "identity", Class: "organization"},
		{Type: "report", TLP: accord.TLPGreen, Labels: []string{"threat-report"}},
		{Type: "indicator", Confidence: 90, Origin: accord.Origin{Party: "cert.fi.example", Onward: accord.OnwardParties, Actions: accord.ActInternal}},
	}
	for i := range items {
		items[i].Version = noon - day
	}
	decide := func(i int) bool {
		return agreement.Decide(in, &items[i%len(items)], false, no.Name, ee.Name, noon).Effect.Shares()
	}
	shared := 0
	for i := range items {
		if decide(i) {
			shared++
		}
	}
	if shared == 0 || shared == len(items) {
		b.Fatalf("%d of %d shared", shared, len(items))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		decide(i)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M_decisions/s")
}
