// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var peopleTests = map[string]func(*testing.T, *store.DB){
	"a party is kept under its name":                   parties,
	"an agreement gathers signatures and suspensions":  agreements,
	"an account is kept under its name":                accounts,
	"a ticket serves once":                             ticketOnce,
	"a session ends when it is deleted":                sessions,
	"a token is found by its sum":                      tokens,
	"the use of a token does not undo its revocation":  tokenUse,
	"a session that ended is not extended":             sessionExtended,
	"a language is set and nothing else":               localeAlone,
	"a new password ends the other sessions":           passwordEnds,
	"an account put anew with less ends its sessions":  accountEnds,
	"the audit and the refusals are read newest first": audit,
}

func parties(t *testing.T, d *store.DB) {
	ctx := t.Context()
	p := accord.Party{Name: there, Nation: "IL", Title: "National authority", URL: "https://192.0.2.1:8443", Key: "k", TLSPin: "ab", Identity: "identity--1"}
	check(t, d.PutParty(ctx, p))
	p.Title = "Another title"
	check(t, d.PutParty(ctx, p))
	check(t, d.PutParty(ctx, accord.Party{Name: here, Nation: "MA"}))
	if diff := cmp.Diff([]accord.Party{p, {Name: here, Nation: "MA"}}, must(d.Parties(ctx))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(p, must(d.Party(ctx, there))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := d.Party(ctx, third); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a party that is not there: %v", err)
	}
	if err := d.PutParty(ctx, accord.Party{Name: "No Name"}); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a bad name: %v", err)
	}
}

func agreements(t *testing.T, d *store.DB) {
	ctx := t.Context()
	v1 := accord.AgreementRecord{ID: "accord-2021", Version: 1, Note: []byte("text\n"), Added: t0}
	check(t, d.PutAgreement(ctx, v1))
	v1.Note, v1.InForce = []byte("text\nsigned\n"), t0+1
	check(t, d.PutAgreement(ctx, v1))
	v2 := accord.AgreementRecord{ID: "accord-2021", Version: 2, Note: []byte("amended\n"), Added: t0 + 2}
	check(t, d.PutAgreement(ctx, v2))
	check(t, d.PutAgreement(ctx, accord.AgreementRecord{ID: "another", Version: 1, Note: []byte("x"), Added: t0}))
	s := accord.Suspension{Party: there, Note: []byte("we stop"), At: t0 + 3}
	check(t, d.PutSuspension(ctx, "accord-2021", s))
	s.Lifted = t0 + 4
	check(t, d.PutSuspension(ctx, "accord-2021", s))
	if err := d.PutSuspension(ctx, "none", s); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a suspension of nothing: %v", err)
	}
	v1.Suspensions, v2.Suspensions = []accord.Suspension{s}, []accord.Suspension{s}
	if diff := cmp.Diff(v1, must(d.Agreement(ctx, "accord-2021", 1))(t)); diff != "" {
		t.Errorf("version 1 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(v2, must(d.Agreement(ctx, "accord-2021", 0))(t)); diff != "" {
		t.Errorf("newest (-want +got):\n%s", diff)
	}
	if _, err := d.Agreement(ctx, "accord-2021", 3); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a version that is not there: %v", err)
	}
	if all := must(d.Agreements(ctx))(t); len(all) != 3 || all[0].Version != 1 || len(all[1].Suspensions) != 1 || all[2].ID != "another" {
		t.Errorf("all = %+v", all)
	}
	for _, c := range must(d.Changes(ctx, 0, 10))(t) {
		if c.Kind != accord.ChangeAgreement || c.Key != (accord.ItemKey{}) {
			t.Errorf("change %+v", c)
		}
	}
	if n := must(d.LastSeq(ctx))(t); n != 6 {
		t.Errorf("%d changes, want 6", n)
	}
}

func accounts(t *testing.T, d *store.DB) {
	ctx := t.Context()
	a := accord.Account{Name: "amina", Role: accord.RoleAnalyst, Password: "$argon2id$x", Locale: "ar", Created: t0}
	check(t, d.PutAccount(ctx, a))
	a.Disabled, a.Role = true, accord.RoleReader
	check(t, d.PutAccount(ctx, a))
	if diff := cmp.Diff(a, must(d.Account(ctx, "amina"))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if as := must(d.Accounts(ctx))(t); len(as) != 1 {
		t.Errorf("accounts %v", as)
	}
	if _, err := d.Account(ctx, "none"); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("an account that is not there: %v", err)
	}
}

func ticketOnce(t *testing.T, d *store.DB) {
	ctx := t.Context()
	put := func(b byte) accord.Session {
		s := accord.Session{Sum: [32]byte{b}, Account: "amina", Ticket: true, Created: t0, Expires: t0 + 10}
		check(t, d.PutSession(ctx, s))
		return s
	}
	s := put(1)
	if _, err := d.Session(ctx, s.Sum); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a ticket served as a session: %v", err)
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			got, err := d.TakeTicket(ctx, s.Sum, t0+1)
			if err == nil && got == s {
				won.Add(1)
			} else if !errors.Is(err, accord.ErrNotFound) {
				t.Error(got, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("taken %d times", won.Load())
	}
	if _, err := d.TakeTicket(ctx, put(2).Sum, t0+10); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("an expired ticket: %v", err)
	}
}

func sessions(t *testing.T, d *store.DB) {
	ctx := t.Context()
	s := accord.Session{Sum: [32]byte{1, 255}, Account: "amina", Created: t0, Expires: t0 + day}
	check(t, d.PutSession(ctx, s))
	if got := must(d.Session(ctx, s.Sum))(t); got != s {
		t.Errorf("session %+v", got)
	}
	if _, err := d.TakeTicket(ctx, s.Sum, t0); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a session served as a ticket: %v", err)
	}
	check(t, d.DeleteSession(ctx, s.Sum))
	check(t, d.DeleteSession(ctx, s.Sum))
	if _, err := d.Session(ctx, s.Sum); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("after it ended: %v", err)
	}
	check(t, d.PutSession(ctx, s))
	late := accord.Session{Sum: [32]byte{2}, Account: "amina", Created: t0 + 2*day, Expires: t0 + 3*day}
	check(t, d.PutSession(ctx, late))
	if _, err := d.Session(ctx, s.Sum); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("an ended session is kept: %v", err)
	}
}

func tokens(t *testing.T, d *store.DB) {
	ctx := t.Context()
	k := accord.Token{Sum: [32]byte{9}, Name: "sensor-1", Role: accord.RoleSensor, Created: t0, Expires: t0 + day}
	check(t, d.PutToken(ctx, k))
	k.Used, k.Revoked = t0+5, true
	check(t, d.PutToken(ctx, k))
	if got := must(d.Token(ctx, k.Sum))(t); got != k {
		t.Errorf("token %+v", got)
	}
	if _, err := d.Token(ctx, [32]byte{8}); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a token that is not there: %v", err)
	}
	if ks := must(d.Tokens(ctx))(t); len(ks) != 1 {
		t.Errorf("tokens %v", ks)
	}
}

func audit(t *testing.T, d *store.DB) {
	ctx := t.Context()
	for n := range 5 {
		check(t, d.Audit(ctx, accord.AuditEntry{At: t0, Who: "cli", What: "party.put", Object: there, Detail: fmt.Sprint(n)}))
		check(t, d.RecordRefusal(ctx, "feed-a", fmt.Sprint("line ", n), "not JSON", t0))
	}
	entries := must(d.AuditEntries(ctx, 2))(t)
	if len(entries) != 2 || entries[0].Detail != "4" || entries[1].Detail != "3" || entries[0].Who != "cli" {
		t.Errorf("entries %+v", entries)
	}
	refusals := must(d.Refusals(ctx, 10))(t)
	want := accord.Refusal{At: t0, Source: "feed-a", What: "line 4", Why: "not JSON"}
	if len(refusals) != 5 || refusals[0] != want {
		t.Errorf("refusals %+v", refusals)
	}
}

func tokenUse(t *testing.T, d *store.DB) {
	ctx := t.Context()
	k := accord.Token{Sum: [32]byte{9}, Name: "sensor-1", Role: accord.RoleSensor, Created: t0, Revoked: true}
	check(t, d.PutToken(ctx, k))
	check(t, d.UseToken(ctx, k.Sum, t0+5))
	k.Used = t0 + 5
	if got := must(d.Token(ctx, k.Sum))(t); got != k {
		t.Errorf("token %+v", got)
	}
	if err := d.UseToken(ctx, [32]byte{8}, t0); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a token that is not there: %v", err)
	}
}

// signIn puts a session of amina's, or a ticket, under a sum that begins with b.
func signIn(t *testing.T, d *store.DB, b byte, ticket bool) accord.Session {
	t.Helper()
	s := accord.Session{Sum: [32]byte{b}, Account: "amina", Ticket: ticket, Created: t0, Expires: t0 + day}
	check(t, d.PutSession(t.Context(), s))
	return s
}

func signedIn(t *testing.T, d *store.DB, s accord.Session) bool {
	t.Helper()
	_, err := d.Session(t.Context(), s.Sum)
	if s.Ticket {
		_, err = d.TakeTicket(t.Context(), s.Sum, t0)
	}
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func sessionExtended(t *testing.T, d *store.DB) {
	ctx := t.Context()
	s, ticket := signIn(t, d, 1, false), signIn(t, d, 2, true)
	check(t, d.ExtendSession(ctx, s.Sum, t0+2*day))
	if got := must(d.Session(ctx, s.Sum))(t); got.Expires != t0+2*day || got.Account != "amina" || got.Created != t0 {
		t.Errorf("extended %+v", got)
	}
	check(t, d.DeleteSession(ctx, s.Sum))
	for _, sum := range [][32]byte{s.Sum, ticket.Sum} {
		if err := d.ExtendSession(ctx, sum, t0+3*day); !errors.Is(err, accord.ErrNotFound) {
			t.Errorf("extend %x: %v", sum[:1], err)
		}
	}
	if signedIn(t, d, s) {
		t.Error("a session that ended is there again")
	}
}

func localeAlone(t *testing.T, d *store.DB) {
	ctx := t.Context()
	a := accord.Account{Name: "amina", Role: accord.RoleReader, Password: "p", Disabled: true, Created: t0}
	check(t, d.PutAccount(ctx, a))
	check(t, d.SetLocale(ctx, "amina", "fr"))
	a.Locale = "fr"
	if diff := cmp.Diff(a, must(d.Account(ctx, "amina"))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := d.SetLocale(ctx, "none", "fr"); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("an account that is not there: %v", err)
	}
}

func passwordEnds(t *testing.T, d *store.DB) {
	ctx := t.Context()
	a := accord.Account{Name: "amina", Role: accord.RoleAnalyst, Password: "p", Locale: "ar", Created: t0}
	check(t, d.PutAccount(ctx, a))
	kept, other, ticket := signIn(t, d, 1, false), signIn(t, d, 2, false), signIn(t, d, 3, true)
	foreign := accord.Session{Sum: [32]byte{4}, Account: "yael", Created: t0, Expires: t0 + day}
	check(t, d.PutSession(ctx, foreign))
	check(t, d.SetPassword(ctx, "amina", "q", kept.Sum))
	a.Password = "q"
	if diff := cmp.Diff(a, must(d.Account(ctx, "amina"))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for s, want := range map[accord.Session]bool{kept: true, other: false, ticket: false, foreign: true} {
		if got := signedIn(t, d, s); got != want {
			t.Errorf("session %x there: %v, want %v", s.Sum[:1], got, want)
		}
	}
	if err := d.SetPassword(ctx, "none", "q", [32]byte{}); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("an account that is not there: %v", err)
	}
	a.Disabled = true
	check(t, d.PutAccount(ctx, a))
	if err := d.SetPassword(ctx, "amina", "r", [32]byte{}); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("a disabled account: %v", err)
	}
	if got := must(d.Account(ctx, "amina"))(t); got.Password != "q" || !got.Disabled {
		t.Errorf("account %+v", got)
	}
}

func accountEnds(t *testing.T, d *store.DB) {
	ctx := t.Context()
	a := accord.Account{Name: "amina", Role: accord.RoleAnalyst, Password: "p", Created: t0}
	check(t, d.PutAccount(ctx, a))
	s := signIn(t, d, 1, false)
	a.Role = accord.RoleOperator
	check(t, d.PutAccount(ctx, a))
	if !signedIn(t, d, s) {
		t.Error("another role ended the session")
	}
	a.Password = "q"
	check(t, d.PutAccount(ctx, a))
	if signedIn(t, d, s) {
		t.Error("the session outlived its password")
	}
	s = signIn(t, d, 2, false)
	a.Disabled = true
	check(t, d.PutAccount(ctx, a))
	if signedIn(t, d, s) {
		t.Error("the session outlived its account")
	}
}
