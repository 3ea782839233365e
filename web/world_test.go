// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"accord"
	"accord/agreement"
	"accord/web/node"
)

// The invented world: three authorities under reserved names, with names in
// several scripts, long values, and one of everything a page can show.

var self = accord.Party{
	Name: "cert.xa.example", Nation: "XA", Title: "National Cyber Authority of Aldmark",
	Key:      "cert.xa.example+5f2c1d07+AQ5sWk0b8s6c2mQ1t2Zy7bq0rJp1yXo3l8Vd0mYkq2Yx",
	URL:      "https://node.cert.xa.example:8443",
	Identity: "identity--6a1f1c2e-7a52-4f0f-9a57-0d6b1c2f3a01",
}

var known = []accord.Party{
	self,
	{
		Name: "cert.xb.example", Nation: "XB", Title: "المديرية العامة لأمن نظم المعلومات",
		URL: "https://accord.cert.xb.example:8443", Key: "cert.xb.example+91ab77e0+AXh0s6c2mQ1t2Zy7bq0rJp1yXo3l8Vd0mYkq2Yx5sWk0b",
		TLSPin: strings.Repeat("3fa9c1", 10) + "77aa", Identity: "identity--0d6b1c2f-7a52-4f0f-9a57-6a1f1c2e3a02",
	},
	{
		Name: "cert.xc.example", Nation: "XC", Title: "מערך הסייבר הלאומי של צפונית",
		Key: "cert.xc.example+0c44d2b9+AR2Zy7bq0rJp1yXo3l8Vd0mYkq2Yx5sWk0b8s6c2mQ1t",
	},
}

const (
	botnet  = "indicator--2f7d8e10-53a1-4b6e-8c1e-1a2b3c4d5e01"
	phish   = "indicator--7be01c44-0a67-4d5e-b1c9-1a2b3c4d5e02"
	foreign = "indicator--c0ffee00-1111-4d5e-b1c9-1a2b3c4d5e03"
	malware = "malware--9d1e7a55-88c3-4a5d-9a60-1a2b3c4d5e04"
)

const object = `{"type":"indicator","spec_version":"2.1","id":"` + botnet + `","created":"2026-01-20T08:00:00.000Z","modified":"2026-01-28T09:30:00.000Z","name":"Loader beacon, second stage","pattern":"[domain-name:value = 'update.cdn-metrics.example'] OR [ipv4-addr:value = '198.51.100.23']","pattern_type":"stix","valid_from":"2026-01-20T08:00:00Z","confidence":85,"labels":["c2","loader"],"x_note":"</script><script>alert(1)</script>"}`

func indicator(id, name string, at accord.Stamp) accord.Item {
	return accord.Item{
		ItemKey: accord.ItemKey{ID: id, Version: at}, Type: "indicator", Spec: "2.1", Name: name, Created: at, Added: at + 1500000,
		Confidence: -1, TLP: accord.TLPGreen, PAP: accord.PAPGreen, Source: "national-feed", Bytes: []byte(object), Atomic: true,
	}
}

func worldItems() []accord.Item {
	b := indicator(botnet, "Loader beacon, second stage", ago(26*time.Hour))
	b.TLP, b.PAP, b.Confidence, b.Labels = accord.TLPAmberStrict, accord.PAPAmber, 85, []string{"c2", "loader", "malicious-activity"}
	b.ValidFrom, b.ValidUntil, b.CreatedBy = ago(220*time.Hour), ago(-90*24*time.Hour), self.Identity
	b.Observables = []accord.Observable{
		{Kind: accord.KindDomain, Value: "update.cdn-metrics.example"},
		{Kind: accord.KindIPv4, Value: "198.51.100.23"},
		{Kind: accord.KindURL, Value: "https://update.cdn-metrics.example/collect/v2/telemetry/beacon?session=00000000000000000000000000000000&cfg=aHR0cHM6Ly91cGRhdGU"},
		{Kind: accord.KindSHA256, Value: strings.Repeat("9c1185a5c5e9fc54", 4)},
	}
	b.Refs = []accord.Ref{{Property: "created_by_ref", To: self.Identity}, {Property: "object_refs", To: malware}, {Property: "object_refs", To: "tool--00000000-0000-4000-8000-000000000009"}}
	old := b
	old.Version, old.Name = ago(220*time.Hour), "Loader beacon"

	f := indicator(foreign, "صفحة تصيّد تنتحل بوابة الضرائب", ago(5*time.Hour))
	f.Source, f.Origin = "cert.xb.example", accord.Origin{
		Party: "cert.xb.example", Agreement: "xa-xb-2026", Version: 2, Article: "3",
		Onward: accord.OnwardInstitutions, Actions: accord.ActInternal, Retain: ago(-90 * 24 * time.Hour),
	}
	f.Observables = []accord.Observable{{Kind: accord.KindDomain, Value: "tax-refund.portal-login.example"}}

	p := indicator(phish, "Kampagne „Rechnung“: webmail look-alike with a rather long descriptive name that must wrap", ago(50*time.Hour))
	p.Held, p.TLP = "Top 10k domains", accord.TLPClear

	m := indicator(malware, "GlassLoader", ago(300*time.Hour))
	m.Type, m.TLP, m.Refs = "malware", accord.TLPRed, nil

	us := indicator(self.Identity, self.Title, ago(900*time.Hour))
	us.Type, us.TLP = "identity", accord.TLPClear

	r := indicator("relationship--5b0f7b7a-2222-4d5e-b1c9-1a2b3c4d5e05", "", ago(25*time.Hour))
	r.Type, r.Refs, r.Labels = "relationship", []accord.Ref{{Property: "source_ref", To: botnet}, {Property: "target_ref", To: malware}}, []string{"indicates"}

	w := indicator("indicator--11112222-3333-4d5e-b1c9-1a2b3c4d5e06", "Shared hosting address (false positive)", ago(80*time.Hour))
	w.Withdrawn, w.TLP = ago(3*time.Hour), accord.TLPAmber

	list := []accord.Item{b, f, p, m, us, r, w, old}
	for i := range 14 {
		list = append(list, indicator(fmt.Sprintf("indicator--aaaa%04d-3333-4d5e-b1c9-1a2b3c4d5e07", i), fmt.Sprintf("scan-%d.malware-host.example", i), ago(time.Duration(60+i)*time.Hour)))
	}
	return list
}

func newWorld() (*fakeStore, *fakeNode) {
	f := &fakeStore{
		accounts: map[string]accord.Account{}, sessions: map[[32]byte]accord.Session{}, fail: map[string]error{}, before: map[string]func(){},
		items: worldItems(), parties: known, leaves: map[string][]accord.Leaf{},
		counts: accord.Counts{
			Items: 1612408, Indicators: 1498220, Withdrawn: 312, Held: 1804, Matches: 577, MatchCount: 48213, Seq: 2200134,
			Protections: map[string]int64{"hot": 1204, "base": 1402117},
			Disclosed:   map[string]int64{"cert.xb.example": 18201, "cert.xc.example": 412}, Receipted: map[string]int64{"cert.xb.example": 18198, "cert.xc.example": 0},
			Withheld: map[string]int64{"cert.xb.example": 90411, "cert.xc.example": 1611996}, Retracted: map[string]int64{"cert.xb.example": 37},
			Confirmed: map[string]int64{"cert.xb.example": 36}, Received: map[string]int64{"cert.xb.example": 20877},
			ByType:   map[string]int64{"indicator": 1498220, "relationship": 80114, "malware": 9120, "identity": 2110, "report": 1801, "attack-pattern": 835},
			BySource: map[string]int64{"national-feed": 900112, "cert.xb.example": 20877, "urlhaus-mirror": 691419},
		},
	}
	for name, role := range map[string]accord.Role{"reader": accord.RoleReader, "analyst": accord.RoleAnalyst, "director": accord.RoleDirector, "operator": accord.RoleOperator, "probe": accord.RoleSensor} {
		f.accounts[name] = accord.Account{Name: name, Role: role, Created: ago(900 * time.Hour)}
	}
	f.accounts["leila.haddad"] = accord.Account{Name: "leila.haddad", Role: accord.RoleAnalyst, Created: ago(900 * time.Hour)}
	addKnown(f)
	addFeeds(f)
	addAttack(f)
	addMatches(f)
	addRecords(f)
	n := &fakeNode{allowed: 318, offered: worldCatalogue(), fail: map[string]error{}, agreements: worldAgreements(), explained: []node.Explanation{
		{Party: "cert.xb.example", Effect: "share-redacted", Agreement: "xa-xb-2026", Version: 2, Article: "2", Title: "Technical indicators", Reasons: []string{"granted xa-xb-2026 2"}, Redacted: []string{"object_refs[1]", "x_note"}},
		{Party: "cert.xc.example", Effect: "withhold", Agreement: "xa-xc-pilot", Version: 1, Article: "1", Title: "Open indicators", Reasons: []string{"above-tlp xa-xc-pilot 1 amber%2Bstrict green", "confidence xa-xc-pilot 1 90"}},
		{Party: "poll.xd.example", Effect: "withhold", Reasons: []string{"no-agreement cert.xa.example poll.xd.example"}},
		{Party: "cert.xe.example", Effect: "share", Agreement: "hub-2025", Version: 4, Article: "2.1", Title: "Shared within the hub", Reasons: []string{"granted hub-2025 2.1"}},
	}, health: []node.Health{
		{Part: "exchange", State: "late", Detail: "cert.xc.example has not answered", Since: ago(14 * time.Minute)},
		{Part: "resolver", Name: "192.0.2.53:53", State: "late", Detail: "NOTIFY of hot.rpz.: no answer", Since: ago(3 * time.Minute)},
		{Part: "store", State: "ok"},
		{Part: "ingest", State: "ok"},
		{Part: "match", State: "ok"},
		{Part: "protect", State: "ok"},
		{Part: "ledger", State: "ok"},
	}}
	return f, n
}

func addMatches(f *fakeStore) {
	key := f.items[0].ItemKey
	for i := range 9 {
		v := f.items[0].Observables[i%3]
		m := accord.Match{
			ID: fmt.Sprint(i), Indicator: key, Value: v, Sensor: []string{"ministry-of-health", "centre", "port-authority"}[i%3],
			First: ago(time.Duration(9*i+40) * time.Minute), Last: ago(time.Duration(7*i+1) * time.Minute), Count: int64(1 + i*i*37), Name: f.items[0].Name,
			Seen: accord.Seen{Observable: v, Field: "query", Log: "dns", From: "203.0.113." + fmt.Sprint(10+i), UID: fmt.Sprintf("CHhAvVGS1DHFjwGM%d", i)},
		}
		if i == 4 {
			m.Indicator, m.Name, m.Origin = f.items[1].ItemKey, f.items[1].Name, f.items[1].Origin
			m.Value = f.items[1].Observables[0]
		}
		f.matches = append(f.matches, m)
	}
	for i, v := range []accord.Observable{f.items[0].Observables[0], f.items[0].Observables[1], f.items[1].Observables[0]} {
		p := accord.Protection{Observable: v, Zone: []string{"hot", "base", "hot"}[i], Item: key, Source: "national-feed", Added: ago(time.Hour), Expires: ago(-120 * 24 * time.Hour)}
		if i == 2 {
			p.Item, p.Source = f.items[1].ItemKey, "cert.xb.example"
		}
		f.protections = append(f.protections, p)
	}
}

func addRecords(f *fakeStore) {
	key := f.items[0].ItemKey
	f.disclosures = []accord.Disclosure{
		{Party: "cert.xb.example", Index: 18199, Stamp: ago(26 * time.Hour), Item: key, Agreement: "xa-xb-2026", Version: 2, Article: "2", Redacted: []string{"object_refs[1]", "x_note"}, Sent: key, Receipted: ago(26*time.Hour - 2*time.Second)},
		{Party: "cert.xe.example", Index: 77, Stamp: ago(25 * time.Hour), Item: key, Agreement: "hub-2025", Version: 4, Article: "2.1", Sent: key},
		{Party: "cert.xf.example", Index: 12, Stamp: ago(24 * time.Hour), Item: key, Agreement: "hub-2025", Version: 4, Article: "2.1", Sent: key, Receipted: ago(23 * time.Hour), Retracted: ago(4 * time.Hour), Confirmed: ago(3 * time.Hour)},
		{Party: "cert.xg.example", Index: 4, Stamp: ago(24 * time.Hour), Item: key, Agreement: "hub-2025", Version: 4, Article: "2.1", Sent: key, Receipted: ago(23 * time.Hour), Retracted: ago(4 * time.Hour)},
	}
	f.withheld = []accord.Withheld{{Party: "cert.xc.example", Item: key, Agreement: "xa-xc-pilot", Article: "1", Reasons: []string{"above-tlp xa-xc-pilot 1 amber%2Bstrict green"}, At: ago(26 * time.Hour)}}
	f.received = []accord.Received{{Party: "cert.xb.example", Index: 20870, Item: f.items[1].ItemKey, Origin: f.items[1].Origin, Announced: ago(5 * time.Hour), Held: ago(5*time.Hour - time.Second)}}
	for i, item := range f.items[:7] {
		kind := accord.ChangeItem
		if item.Withdrawn != 0 {
			kind = accord.ChangeWithdrawn
		}
		f.changes = append(f.changes, accord.Change{Seq: int64(i + 1), Kind: kind, Key: item.ItemKey, At: ago(time.Duration(70-i*9) * time.Minute)})
	}
	f.changes = append(f.changes, accord.Change{Seq: 8, Kind: accord.ChangeAgreement, At: ago(4 * time.Minute)}, accord.Change{Seq: 9, Kind: accord.ChangeMatch, Key: key, At: ago(time.Minute)})
	for _, h := range []struct {
		origin         string
		size, cosigned int64
	}{{"cert.xa.example/to/cert.xb.example", 18231, 18229}, {"cert.xb.example/to/cert.xa.example", 20914, 20914}, {"cert.xc.example/to/cert.xa.example", 412, 0}} {
		root := sha256.Sum256([]byte(h.origin))
		text := fmt.Sprintf("%s\n%d\nqJ2v5mYkq2Yx5sWk0b8s6c2mQ1t2Zy7bq0rJp1yXo3l=\n\n— %s kash+5fLcHQc0m9dJmYkq2Yx5sWk0b8s6c2mQ1t2Zy7bq0rJp1yXo3l8Vd0mYkq2Y=\n", h.origin, h.size, h.origin[:15])
		f.heads = append(f.heads, accord.Head{Origin: h.origin, Size: h.size, Root: root, Checkpoint: []byte(text), Cosigned: h.cosigned, Cosigner: []byte(text)})
		for i := range int64(8) {
			kind := []accord.LeafKind{accord.LeafDisclosure, accord.LeafDisclosure, accord.LeafReceipt, accord.LeafRetraction, accord.LeafConfirmation}[i%5]
			f.leaves[h.origin] = append(f.leaves[h.origin], accord.Leaf{Index: h.size - 8 + i, Kind: kind, Record: fmt.Appendf(nil, "accord %s v1\nitem %s\nagreement xa-xb-2026 2 article 2\nsum %x\n", kind, botnet, root)})
		}
	}
}

const signedText = `# accord agreement v1
id = "xa-xb-2026"
version = 2
title = "Accord on cyber defence between Aldmark and Brevia"
from = 2026-01-01T00:00:00Z
until = 2031-01-01T00:00:00Z

[[party]]
name = "cert.xa.example"
nation = "XA"
title = "National Cyber Authority of Aldmark"

[[article]]
number = "2"
title = "Technical indicators"
effect = "share"
max_tlp = "amber"

— cert.xa.example XywdB6c2mQ1t2Zy7bq0rJp1yXo3l8Vd0mYkq2Yx5sWk0b8s6c2mQ1t2Zy7bq0rJp1yXo3l8Vd0mYkq2Y=
— cert.xb.example kat34Kc2mQ1t2Zy7bq0rJp1yXo3l8Vd0mYkq2Yx5sWk0b8s6c2mQ1t2Zy7bq0rJp1yXo3l8Vd0mYkq2Y=
`

func worldAgreements() []node.Agreement {
	day := agreement.Period(24 * time.Hour)
	articles := []node.Article{
		{Article: agreement.Article{
			Number: "2", Title: "Technical indicators", Effect: agreement.Share, From: []string{agreement.Any}, To: []string{agreement.Any},
			Types: []string{"indicator", "malware", "relationship"}, Observables: []accord.Kind{accord.KindDomain, accord.KindIPv4, accord.KindSHA256},
			MaxTLP: new(accord.TLPAmberStrict), MaxPAP: new(accord.PAPAmber), MinConfidence: new(50), MaxAge: 180 * day, Pseudonymise: true, Redact: []string{"x_note"},
			Actions: accord.ActInternal, Onward: accord.OnwardInstitutions, Retain: 365 * day, AcknowledgeWithin: agreement.Period(10 * time.Minute), ConfirmRetractionWithin: day,
		}, Given: 17120, Got: 20800, Withheld: 811},
		{Article: agreement.Article{
			Number: "3", Title: "Phishing against public services", Effect: agreement.Share, From: []string{"cert.xb.example"}, To: []string{"cert.xa.example"},
			Types: []string{agreement.All}, Labels: []string{"phishing"}, Sectors: []string{"government-national", "financial-services"}, MaxTLP: new(accord.TLPGreen), Actions: accord.ActExternalDirect,
			Onward: accord.OnwardParties, Attribution: agreement.AttributionMustNot,
		}, Given: 1081, Got: 77, Withheld: -1},
		{Article: agreement.Article{
			Number: "7.1", Title: "Not given: what names a person's mailbox", Effect: agreement.Withhold, From: []string{agreement.Any}, To: []string{agreement.Any},
			Types: []string{agreement.All}, Observables: []accord.Kind{accord.KindEmail}, AboveTLP: new(accord.TLPGreen),
		}, Withheld: 412},
	}
	return []node.Agreement{
		{
			ID: "xa-xb-2026", Version: 2, Title: "Accord on cyber defence between Aldmark and Brevia", Status: "in-force", Text: signedText, Note: []byte(signedText),
			From: accord.StampOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), Until: accord.StampOf(time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)), InForce: ago(700 * time.Hour),
			Signatures: []node.Signature{
				{Party: self.Name, Title: self.Title, Nation: "XA", Signed: true, At: ago(710 * time.Hour), Key: self.Key},
				{Party: "cert.xb.example", Title: known[1].Title, Nation: "XB", Signed: true, At: ago(700 * time.Hour), Key: known[1].Key},
			},
			Articles: articles, Versions: []int{2, 1}, Suspensions: []accord.Suspension{{Party: "cert.xb.example", At: ago(400 * time.Hour), Lifted: ago(380 * time.Hour)}},
		},
		{
			ID: "xa-xc-pilot", Version: 1, Title: "פיילוט חילופי מידע", Status: "signing", Text: signedText, Note: []byte(signedText), From: ago(-48 * time.Hour),
			Signatures: []node.Signature{{Party: self.Name, Title: self.Title, Nation: "XA", Signed: true, At: ago(5 * time.Hour), Key: self.Key}, {Party: "cert.xc.example", Title: known[2].Title, Nation: "XC"}},
			Articles:   articles[:1], Versions: []int{1}, Suspensions: []accord.Suspension{{Party: "cert.xc.example", At: ago(time.Hour)}},
		},
	}
}
