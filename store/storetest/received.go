// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var receivedTests = map[string]func(*testing.T, *store.DB){
	"a gift is announced, held and receipted":           gift,
	"a push that was not announced is refused":          notAnnounced,
	"a replay of a partner's log is refused":            replayedLog,
	"a retraction withdraws what the partner gave":      partnerRetracts,
	"a retraction leaves the node's own":                retractsOwn,
	"a retraction leaves what another partner gave too": givenTwice,
	"what is retracted may be given again":              givenAgain,
	"a retraction covers every earlier gift":            earlierGifts,
	"a confirmation is made once":                       confirmOnce,
	"a retraction before the object arrives bars it":    retractedFirst,
}

// taking is the receiver's side of one partner's log.
type taking struct {
	d           *store.DB
	party       string
	size, reply int64
}

func announced(party string, it accord.Item, index int64) accord.Received {
	return accord.Received{
		Party: party, Index: index, Item: it.ItemKey, Sum: sha256.Sum256(it.Bytes), Origin: given(it, party).Origin, Announced: t0,
	}
}

func (g *taking) mirror(t *testing.T, m accord.Mirroring, kind accord.LeafKind) {
	t.Helper()
	m.Party, m.At = g.party, t0+accord.Stamp(g.size)
	m.Append = grow(g.party+"/to/"+here, g.size, kind, 1)
	check(t, g.d.Mirror(t.Context(), m))
	g.size++
}

// announce mirrors one disclosure of it and returns its index.
func (g *taking) announce(t *testing.T, it accord.Item) int64 {
	t.Helper()
	g.mirror(t, accord.Mirroring{Pending: []accord.Received{announced(g.party, it, g.size)}}, accord.LeafDisclosure)
	return g.size - 1
}

func (g *taking) retract(t *testing.T, index int64) {
	t.Helper()
	g.mirror(t, accord.Mirroring{Retract: []accord.Received{{Party: g.party, Index: index}}}, accord.LeafRetraction)
}

func (g *taking) receive(it accord.Item, index int64) error {
	err := g.d.Receive(context.Background(), accord.Receiving{
		Party: g.party, Items: []accord.Item{given(it, g.party)}, Index: []int64{index},
		Append: grow(here+"/to/"+g.party, g.reply, accord.LeafReceipt, 1), At: t0 + day,
	})
	if err == nil {
		g.reply++
	}
	return err
}

// take announces and receives.
func (g *taking) take(t *testing.T, it accord.Item) int64 {
	t.Helper()
	index := g.announce(t, it)
	check(t, g.receive(it, index))
	return index
}

func live(t *testing.T, d *store.DB, it accord.Item) bool {
	t.Helper()
	return must(d.Items(t.Context(), []accord.ItemKey{it.ItemKey}))(t)[0].Withdrawn == 0
}

func gift(t *testing.T, d *store.DB) {
	ctx := t.Context()
	g := &taking{d: d, party: there}
	it := indicator(1, t0)
	index := g.announce(t, it)
	want := announced(there, it, index)
	pending := must(d.PendingReceived(ctx, there, []accord.ItemKey{it.ItemKey, {ID: "x--1"}}))(t)
	if diff := cmp.Diff(map[accord.ItemKey][]accord.Received{it.ItemKey: {want}}, pending); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
	if got := must(d.PendingReceived(ctx, third, []accord.ItemKey{it.ItemKey}))(t); len(got) != 0 {
		t.Errorf("pending from another: %v", got)
	}
	check(t, g.receive(it, index))
	check(t, g.receive(it, index)) // pushed again: receipted again, stored once
	want.Held = t0 + day
	if diff := cmp.Diff([]accord.Received{want}, must(d.ReceivedOf(ctx, it.ID))(t)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	if got := must(d.Item(ctx, it.ID))(t); got.Origin.Party != there || string(got.Bytes) != string(it.Bytes) {
		t.Errorf("stored %+v", got)
	}
	if c := must(d.Counts(ctx))(t); c.Received[there] != 1 || c.Items != 1 {
		t.Errorf("counts %+v", c)
	}
	if diff := cmp.Diff([]string{line("item", it)}, feed(t, d)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
}

func notAnnounced(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	index := g.announce(t, indicator(1, t0))
	for name, err := range map[string]error{
		"another item": g.receive(indicator(2, t0), index), "another version": g.receive(indicator(1, t0+1), index),
		"another leaf": g.receive(indicator(1, t0), index+1),
	} {
		if !errors.Is(err, accord.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h := must(d.Head(t.Context(), out))(t); h.Size != 0 {
		t.Error("a refused push was receipted")
	}
	if err := d.Receive(t.Context(), accord.Receiving{Items: []accord.Item{indicator(1, t0)}}); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("items without leaves: %v", err)
	}
}

func replayedLog(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	it := indicator(1, t0)
	g.take(t, it)
	again := accord.Mirroring{Party: there, Append: grow(back, 0, accord.LeafDisclosure, 1), Pending: []accord.Received{announced(there, it, 0)}, At: t0}
	if err := d.Mirror(t.Context(), again); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("replay: %v", err)
	}
	unknown := accord.Mirroring{Party: there, Append: grow(back, 1, accord.LeafRetraction, 1), Retract: []accord.Received{{Index: 9}}, At: t0}
	if err := d.Mirror(t.Context(), unknown); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a retraction of nothing: %v", err)
	}
	if h := must(d.Head(t.Context(), back))(t); h.Size != 1 {
		t.Errorf("the mirror has %d leaves", h.Size)
	}
}

func partnerRetracts(t *testing.T, d *store.DB) {
	ctx := t.Context()
	g := &taking{d: d, party: there}
	it := indicator(1, t0)
	index := g.take(t, it)
	g.retract(t, index)
	if live(t, d, it) {
		t.Error("the item is still live")
	}
	if diff := cmp.Diff([]string{line("item", it), line("withdrawn", it)}, feed(t, d)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
	rows, seqs, err := d.Unconfirmed(ctx, there, 10)
	if err != nil || len(rows) != 1 || rows[0].Index != index || seqs[index] != 2 {
		t.Errorf("unconfirmed = %v %v %v", rows, seqs, err)
	}
	if got := must(d.PendingReceived(ctx, there, []accord.ItemKey{it.ItemKey}))(t); len(got) != 0 {
		t.Errorf("still pending: %v", got)
	}
	if err := g.receive(it, index); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("pushed after its retraction: %v", err)
	}
}

func retractsOwn(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	index := g.take(t, it)
	g.retract(t, index)
	if !live(t, d, it) {
		t.Error("the node's own item was withdrawn")
	}
	if _, seqs, err := d.Unconfirmed(t.Context(), there, 10); err != nil || seqs[index] != 0 {
		t.Errorf("waits for %v %v", seqs, err)
	}
}

func givenTwice(t *testing.T, d *store.DB) {
	a, b := &taking{d: d, party: there}, &taking{d: d, party: third}
	it := indicator(1, t0)
	first, second := a.take(t, it), b.take(t, it)
	a.retract(t, first)
	if got := must(d.Item(t.Context(), it.ID))(t); got.Withdrawn != 0 || got.Origin.Party != third || got.Source != third {
		t.Errorf("after the first giver's retraction: %+v", got)
	}
	b.retract(t, second)
	if live(t, d, it) {
		t.Error("both took it back, and it is live")
	}
	want := []string{line("item", it), line("item", it), line("withdrawn", it)}
	if diff := cmp.Diff(want, feed(t, d)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
}

func givenAgain(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	it := indicator(1, t0)
	g.retract(t, g.take(t, it))
	g.take(t, it)
	if !live(t, d, it) {
		t.Error("given again, and not live")
	}
	if got := must(d.SoughtSince(t.Context(), 2, 10))(t); len(got) != 1 || len(got[0].Sought) != 1 {
		t.Errorf("sought %+v", got)
	}
	// Taken back only after it was given again under a new leaf: it stays.
	other := indicator(2, t0)
	first := g.take(t, other)
	g.take(t, other)
	g.retract(t, first)
	if !live(t, d, other) {
		t.Error("the later gift stands, and the item was withdrawn")
	}
}

func earlierGifts(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	v1, v2 := indicator(1, t0), indicator(1, t0+1)
	first := g.take(t, v1)
	g.take(t, v2)
	g.retract(t, g.take(t, v2))
	if live(t, d, v1) || live(t, d, v2) {
		t.Error("an earlier gift of the object outlived its retraction")
	}
	if got := must(d.PendingReceived(t.Context(), there, []accord.ItemKey{v1.ItemKey, v2.ItemKey}))(t); len(got) != 0 {
		t.Errorf("pending: %v", got)
	}
	if err := g.receive(v1, first); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("an earlier version was pushed again: %v", err)
	}
}

func confirmOnce(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	index := g.take(t, indicator(1, t0))
	confirm := func(prev int64) error {
		return d.Confirm(t.Context(), accord.Confirming{
			Party: there, Index: []int64{index}, Append: grow(out, prev, accord.LeafConfirmation, 1), At: t0 + 2*day,
		})
	}
	if err := confirm(1); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("before the retraction: %v", err)
	}
	g.retract(t, index)
	check(t, confirm(1))
	for _, prev := range []int64{1, 2} {
		if err := confirm(prev); !errors.Is(err, accord.ErrConflict) {
			t.Errorf("again from %d: %v", prev, err)
		}
	}
	if rows, _, err := d.Unconfirmed(t.Context(), there, 10); err != nil || len(rows) != 0 {
		t.Errorf("unconfirmed %v %v", rows, err)
	}
	if got := must(d.ReceivedOf(t.Context(), indicator(1, 0).ID))(t); got[0].Confirmed != t0+2*day {
		t.Errorf("row %+v", got[0])
	}
}

func retractedFirst(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	it := indicator(1, t0)
	index := g.announce(t, it)
	g.retract(t, index)
	if err := g.receive(it, index); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("it was taken in: %v", err)
	}
	if rows, seqs, err := d.Unconfirmed(t.Context(), there, 10); err != nil || len(rows) != 1 || seqs[index] != 0 {
		t.Errorf("unconfirmed = %v %v %v", rows, seqs, err)
	}
}
