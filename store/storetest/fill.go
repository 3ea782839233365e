// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"testing"

	"accord"
	"accord/store"
)

// Fill puts something of everything into an empty store: items of the node's own
// and a partner's, held, withdrawn and in two versions; disclosures, withholdings,
// retractions and receipts; parties, agreements, matches, protections, people.
func Fill(t *testing.T, d *store.DB) {
	t.Helper()
	ctx := t.Context()
	check(t, d.PutParty(ctx, accord.Party{Name: there, Nation: "IL", Title: "National authority", URL: "https://192.0.2.1:8443", Key: "k"}))
	check(t, d.PutAgreement(ctx, accord.AgreementRecord{ID: "accord-2021", Version: 1, Note: []byte("text\nsigned\n"), Added: t0, InForce: t0 + 1}))
	check(t, d.PutSuspension(ctx, "accord-2021", accord.Suspension{Party: there, Note: []byte("we stop"), At: t0 + 3, Lifted: t0 + 4}))
	var own []accord.Item
	for n := range 40 {
		it := indicator(n, t0)
		it.CreatedBy = "identity--00000000-0000-4000-8000-000000000001"
		it.Refs = []accord.Ref{{Property: "created_by_ref", To: it.CreatedBy}}
		own = append(own, it)
	}
	report := indicator(900, t0)
	report.Type, report.ID = "report", "report--00000000-0000-4000-8000-000000000900"
	report.Observables, report.Atomic = nil, false
	report.Refs = []accord.Ref{{Property: "object_refs", To: own[0].ID}, {Property: "object_refs", To: own[1].ID}}
	ingest(t, d, t0, append(own, report)...)
	ingest(t, d, t0, indicator(2, t0+1))
	check(t, d.Hold(ctx, []accord.ItemKey{own[3].ItemKey}, "top names", t0))
	must(d.Withdraw(ctx, own[4].ID, "wrong", t0))(t)
	g := &giving{d: d, party: there}
	g.disclose(t, own[0], own[0].ItemKey, nil)
	g.disclose(t, own[5], accord.ItemKey{ID: "indicator--pseudonym", Version: t0 + 1}, []byte(`{"less":1}`))
	g.disclose(t, own[6], own[6].ItemKey, nil)
	g.retract(t, 2)
	w := accord.Withheld{Party: there, Item: own[7].ItemKey, Type: "indicator", Article: "0", Reasons: []string{"no article grants it"}, At: t0}
	check(t, g.commit(accord.Disclosing{Withheld: []accord.Withheld{w}}, "", 0))
	check(t, d.SetPushed(ctx, there, 0, 2))
	from := &taking{d: d, party: third}
	for n := 100; n < 110; n++ {
		from.take(t, indicator(n, t0))
	}
	from.retract(t, 3)
	must(d.AddMatches(ctx, []accord.Match{match(1), match(2)}, t0+9))(t)
	shield(t, d, accord.Protecting{Add: []accord.Protection{protection("a.example", 1, "hot"), protection("b.example", 2, "base")}})
	shield(t, d, accord.Protecting{Move: []accord.Observable{domain("a.example")}})
	check(t, d.PutAccount(ctx, accord.Account{Name: "amina", Role: accord.RoleAnalyst, Password: "$argon2id$x", Created: t0}))
	signIn(t, d, 7, false)
	check(t, d.PutToken(ctx, accord.Token{Sum: [32]byte{9}, Name: "sensor-1", Role: accord.RoleSensor, Created: t0}))
	check(t, d.Audit(ctx, accord.AuditEntry{At: t0, Who: "cli", What: "party.put", Object: there}))
	check(t, d.RecordRefusal(ctx, "feed-a", "line 1", "not JSON", t0))
}
