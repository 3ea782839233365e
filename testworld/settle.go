// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"context"
	"fmt"
	"maps"
	"time"

	"accord"
	"accord/ledger"
)

// Settled reports whether all that n decided to give to the party is receipted,
// and every retraction confirmed.
func (n *Nation) Settled(party string) bool {
	ctx := context.Background()
	c, err := n.DB.Counts(ctx)
	if err != nil {
		return false
	}
	at, err := n.DB.Cursor(ctx, "decide:"+party)
	return err == nil && at == c.Seq && c.Receipted[party] == c.Disclosed[party] && c.Confirmed[party] == c.Retracted[party]
}

// Settle waits until n has decided everything, all that it gives to other is
// held there or taken back, and other has cosigned the log to its end.
func (n *Nation) Settle(other *Nation) {
	n.t.Helper()
	ctx, party := context.Background(), other.Self.Name
	end := time.Now().Add(settleMost)
	for pause := 2 * time.Millisecond; ; pause = min(pause*3/2, 200*time.Millisecond) {
		why := n.unsettled(ctx, party)
		if why == "" {
			return
		}
		if time.Now().After(end) {
			n.t.Fatalf("%s to %s is not settled within %s: %s; %+v", n.Self.Name, party, settleMost, why, n.Node.Health(party))
		}
		time.Sleep(pause)
	}
}

// settleMost is how long a busy machine may take for what takes milliseconds.
const settleMost = 90 * time.Second

// unsettled says what is still to come, empty when nothing is.
func (n *Nation) unsettled(ctx context.Context, party string) string {
	end, err := n.DB.LastSeq(ctx)
	if err != nil {
		return err.Error()
	}
	at, err := n.DB.Cursor(ctx, "decide:"+party)
	if err != nil || at != end {
		return fmt.Sprintf("decided %d of %d changes, %v", at, end, err)
	}
	h, err := n.DB.Head(ctx, ledger.Origin(n.Self.Name, party))
	if err != nil || h.Cosigned != h.Size {
		return fmt.Sprintf("the log is cosigned to %d of %d, %v", h.Cosigned, h.Size, err)
	}
	rows, err := n.DB.Disclosures(ctx, party, -1, 1<<20)
	if err != nil {
		return err.Error()
	}
	retracted := map[string]int64{} // sent id → newest index taken back
	newest := map[accord.ItemKey]int64{}
	under := map[string]string{} // item → agreement and version it was last given under
	for _, d := range rows {
		newest[d.Sent] = max(newest[d.Sent], d.Index)
		under[d.Item.ID] = fmt.Sprint(d.Agreement, d.Version)
		if d.Retracted != 0 {
			retracted[d.Sent.ID] = max(retracted[d.Sent.ID], d.Index)
		}
	}
	for _, d := range rows {
		gone, taken := retracted[d.Sent.ID]
		// What did not arrive before it was given anew, or under a newer agreement,
		// is not sent any more.
		stands := newest[d.Sent] == d.Index && under[d.Item.ID] == fmt.Sprint(d.Agreement, d.Version)
		switch {
		case d.Retracted != 0 && d.Confirmed == 0:
			return fmt.Sprintf("the retraction of disclosure %d (%s) is not confirmed", d.Index, d.Sent.ID)
		case d.Receipted == 0 && stands && (!taken || d.Index > gone):
			return fmt.Sprintf("disclosure %d (%s) is not receipted", d.Index, d.Sent.ID)
		}
	}
	return ""
}

// Swept runs change, which must alter what is in force with other, and waits
// until n has begun to decide all items again.
func (n *Nation) Swept(other *Nation, change func()) {
	n.t.Helper()
	stage := "inforce:" + other.Self.Name
	at := func() int64 {
		v, err := n.DB.Cursor(context.Background(), stage)
		if err != nil {
			n.t.Fatal(err)
		}
		return v
	}
	before := at()
	change()
	Until(n.t, settleMost, "a new look at every item", func() bool { return at() != before })
}

// Held returns the live items that n holds, by id: the newest version of each.
func (n *Nation) Held(ids ...string) map[string]accord.Item {
	n.t.Helper()
	found, err := n.DB.Latest(context.Background(), ids)
	if err != nil {
		n.t.Fatal(err)
	}
	for id, it := range found {
		if it.Withdrawn != 0 {
			delete(found, id)
		}
	}
	return found
}

// From returns every live item that n holds of a party, by id.
func (n *Nation) From(party *Nation) map[string]accord.Item {
	n.t.Helper()
	out, after := map[string]accord.Item{}, ""
	for {
		page, next, err := n.DB.Search(context.Background(), accord.Query{Party: party.Self.Name, After: after, Limit: 500})
		if err != nil {
			n.t.Fatal(err)
		}
		var ids []string
		for _, it := range page {
			ids = append(ids, it.ID)
		}
		maps.Copy(out, n.Held(ids...))
		if after = next; after == "" {
			return out
		}
	}
}

// Given returns n's disclosures to other, in order, with the bytes sent.
func (n *Nation) Given(other *Nation) []accord.Disclosure {
	n.t.Helper()
	rows, err := n.DB.Disclosures(context.Background(), other.Self.Name, -1, 1<<20)
	if err != nil {
		n.t.Fatal(err)
	}
	return rows
}

// Withholds returns why n withholds the item id from other; nil when it does not.
func (n *Nation) Withholds(id string, other *Nation) *accord.Withheld {
	n.t.Helper()
	rows, err := n.DB.WithheldOf(context.Background(), id)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, w := range rows {
		if w.Party == other.Self.Name {
			return &w
		}
	}
	return nil
}

// Verify recomputes every log at n with these parties, and fails the test when
// one does not verify.
func (n *Nation) Verify(others ...accord.Party) {
	n.t.Helper()
	for _, o := range others {
		for _, pair := range [][2]accord.Party{{n.Self, o}, {o, n.Self}} {
			r, err := ledger.Verify(context.Background(), n.DB, pair[0], pair[1])
			if err != nil {
				n.t.Errorf("at %s: %v: %q", n.Self.Name, err, r.Problems)
			}
		}
	}
}
