// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/exchange"
	"accord/ledger"
	"accord/testworld"
)

func size(t *testing.T, n *testworld.Nation, from, to *testworld.Nation) int64 {
	t.Helper()
	h, err := n.DB.Head(t.Context(), ledger.Origin(from.Self.Name, to.Self.Name))
	if err != nil {
		t.Fatal(err)
	}
	return h.Size
}

// quarantined waits until n says so, and checks that it then signs nothing.
func quarantined(t *testing.T, n, partner *testworld.Nation) {
	t.Helper()
	testworld.Until(t, 30*time.Second, n.Self.Name+" puts itself in quarantine", func() bool {
		return n.Node.Health(partner.Self.Name).Quarantined != ""
	})
	before := size(t, n, n, partner)
	n.Ingest(testworld.Object(t, "indicator", "after the quarantine", nil))
	time.Sleep(60 * time.Millisecond) // a dozen looks of the decider
	if after := size(t, n, n, partner); after != before {
		t.Errorf("%s went on signing: its log has %d leaves, had %d", n, after, before)
	}
	if h := n.Node.Health(partner.Self.Name); !strings.Contains(h.Quarantined, "nothing more is signed") {
		t.Errorf("health says %+v", h)
	}
}

func TestAPartnerThatWasAwayGetsEverythingOnceWhenItIsBack(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	w.Settle()
	w.MA.Stop()
	const n = 1200
	for part := range 12 {
		var some []accord.Item
		for i := range n / 12 {
			some = append(some, testworld.Object(t, "indicator", fmt.Sprintf("i%d-%d", part, i), nil))
		}
		w.IL.Ingest(some...)
		if part == 5 {
			w.IL.Stop() // and IL goes too, for a while
			w.IL.Start()
		}
	}
	w.MA.Start()
	w.Settle()
	if got := len(w.MA.From(w.IL)); got != n {
		t.Errorf("MA holds %d of %d", got, n)
	}
	c, err := w.MA.DB.Counts(t.Context())
	if err != nil || c.Received[w.IL.Self.Name] != n || len(w.IL.Given(w.MA)) != n {
		t.Errorf("%d given, %d received, want %d of each, %v", len(w.IL.Given(w.MA)), c.Received[w.IL.Self.Name], n, err)
	}
	w.IL.Verify(w.MA.Self)
	w.MA.Verify(w.IL.Self)
}

func TestAGiverRestoredFromAnOldBackupSignsNothing(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	w.IL.Ingest(indicators(t, "early")...)
	w.Settle()
	w.IL.Stop()
	backup := w.IL.Backup()
	w.IL.Start()
	w.IL.Ingest(indicators(t, "late")...)
	w.Settle()
	w.IL.Stop()
	w.IL.Restore(backup)
	// It would sign more than it has lost, if it signed before it asked.
	w.IL.Ingest(indicators(t, "x1", "x2", "x3")...)
	w.IL.Start()
	quarantined(t, w.IL, w.MA)
	if got := size(t, w.IL, w.IL, w.MA); got != 1 {
		t.Errorf("IL's log has %d leaves, want the 1 of the backup", got)
	}
	if got := size(t, w.MA, w.IL, w.MA); got != 2 {
		t.Errorf("MA's mirror has %d leaves, want 2", got)
	}
	if len(w.MA.From(w.IL)) != 2 {
		t.Error("MA lost or got something")
	}
	// Nor does a restart make it forget.
	w.IL.Stop()
	w.IL.Start()
	quarantined(t, w.IL, w.MA)
}

func TestAReceiverRestoredFromAnOldBackupTakesNothingMore(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	w.IL.Ingest(indicators(t, "early")...)
	w.Settle()
	w.MA.Stop()
	backup := w.MA.Backup()
	w.MA.Start()
	w.IL.Ingest(indicators(t, "late")...)
	w.Settle()
	w.MA.Stop()
	w.MA.Restore(backup)
	w.MA.Start()
	quarantined(t, w.MA, w.IL)
	w.IL.Ingest(indicators(t, "later")...)
	testworld.Until(t, 20*time.Second, "IL to notice", func() bool { return w.IL.Node.Health(w.MA.Self.Name).Failing != "" })
	if got := len(w.MA.From(w.IL)); got != 1 {
		t.Errorf("MA holds %d items, want the 1 of the backup", got)
	}
	if got := size(t, w.MA, w.IL, w.MA); got != 1 {
		t.Errorf("MA mirrors and cosigns %d leaves, want the 1 of the backup", got)
	}
	if h := w.IL.Node.Health(w.MA.Self.Name); h.Quarantined != "" {
		t.Errorf("IL, whose ledger is whole, is in quarantine: %s", h.Quarantined)
	}
}

func TestAPartnerThatLostItsStoreIsInQuarantineAndCosignsNothing(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	w.IL.Ingest(indicators(t, "early")...)
	w.Settle()
	w.MA.Stop()
	w.MA.Restore(nil)
	w.MA.Pin(w.IL.Self)
	w.MA.Take(w.Agreement)
	w.MA.Start()
	quarantined(t, w.MA, w.IL)
	w.IL.Ingest(indicators(t, "late")...)
	testworld.Until(t, 20*time.Second, "IL to notice", func() bool { return w.IL.Node.Health(w.MA.Self.Name).Failing != "" })
	if got := len(w.MA.From(w.IL)); got != 0 {
		t.Errorf("MA took %d items without a ledger to receipt them in", got)
	}
	if got := size(t, w.MA, w.IL, w.MA); got != 0 {
		t.Errorf("MA cosigned %d leaves, as if it had never cosigned any before", got)
	}
	w.IL.Verify(w.MA.Self)
}

func TestABackupSinceWhichNothingWasSignedIsGoodToGoOn(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	w.IL.Ingest(indicators(t, "early")...)
	w.Settle()
	for _, n := range []*testworld.Nation{w.IL, w.MA} {
		n.Stop()
		backup := n.Backup()
		n.Start()
		n.Stop()
		n.Restore(backup)
		n.Start()
	}
	w.IL.Ingest(indicators(t, "late")...)
	w.Settle()
	if got := len(w.MA.From(w.IL)); got != 2 {
		t.Errorf("MA holds %d items, want 2", got)
	}
}

func TestARestoredNodeWaitsForItsPartnerBeforeItSigns(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	w.IL.Ingest(indicators(t, "early")...)
	w.Settle()
	w.MA.Stop()
	w.IL.Stop()
	w.IL.Start()
	w.IL.Ingest(indicators(t, "late")...)
	time.Sleep(60 * time.Millisecond)
	if got := size(t, w.IL, w.IL, w.MA); got != 1 {
		t.Errorf("IL signed %d leaves before MA could say what it holds, want 1", got)
	}
	w.MA.Start()
	w.Settle()
	if len(w.MA.From(w.IL)) != 2 {
		t.Error("what waited did not arrive")
	}
}

func TestACosignatureWhoseAnswerWasLostIsAskedForAgain(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	cuts := testworld.NewCuts(1, 0, 1) // everything is handled, nothing is answered
	w.MA.Through = cuts.Through
	w.Start()
	// IL must have met MA once, to sign at all.
	cuts.Stop()
	w.IL.Ingest(indicators(t, "a")...)
	w.Settle()
	cuts.Resume(0, 1)
	w.IL.Ingest(indicators(t, "b")...)
	testworld.Until(t, 20*time.Second, "the mirror", func() bool { return size(t, w.MA, w.IL, w.MA) == 2 })
	cuts.Stop()
	w.Settle()
	w.IL.Stop() // and when it was lost because IL died
	w.IL.Start()
	h, err := w.IL.DB.Head(t.Context(), ledger.Origin(w.IL.Self.Name, w.MA.Self.Name))
	if err != nil || h.Cosigned != 2 {
		t.Errorf("cosigned to %d, %v", h.Cosigned, err)
	}
}

func TestAForkThatAPartnerCosignedIsFoundAtTheNextMeeting(t *testing.T) {
	t.Parallel()
	w, f := newForger(t) // speaks with IL's keys, as one who stole them
	f.add(f.disclosure(indicators(t, "forged")[0]))
	f.must(0)
	// IL's own node has a log of the same length and another content.
	g := forge(t, w.IL, w.MA)
	own := indicators(t, "own")[0]
	w.IL.Ingest(own)
	g.add(g.disclosure(own))
	signer, err := w.IL.Key.LogSigner(g.origin)
	if err != nil {
		t.Fatal(err)
	}
	head := g.head
	if head.Checkpoint, err = ledger.SignHead(head, signer); err != nil {
		t.Fatal(err)
	}
	var tiles []accord.Tile
	for k, v := range g.tiles {
		tiles = append(tiles, accord.Tile{Level: int(k[0]), Index: k[1], Data: v})
	}
	d := accord.Disclosure{
		Party: w.MA.Self.Name, Stamp: accord.StampOf(time.Now()), Item: own.ItemKey, Sent: own.ItemKey,
		Agreement: "ma-il", Version: 1, Article: "1",
	}
	if err := w.IL.DB.Disclose(t.Context(), accord.Disclosing{
		Party: w.MA.Self.Name, Stage: "a test", Disclosures: []accord.Disclosure{d}, At: d.Stamp,
		Append: &accord.LogAppend{Head: head, Leaves: g.leaves, Tiles: tiles},
	}); err != nil {
		t.Fatal(err)
	}
	w.IL.Work()
	quarantined(t, w.IL, w.MA)
	if !strings.Contains(w.IL.Node.Health(w.MA.Self.Name).Quarantined, "another history") {
		t.Errorf("health says %+v", w.IL.Node.Health(w.MA.Self.Name))
	}
}

// teller is a partner's node that says what it is told to.
type teller struct {
	says  exchange.Mirrored
	heard chan exchange.Announcement
}

func (p teller) Mirrored(context.Context, string) (exchange.Mirrored, error) { return p.says, nil }

func (p teller) Announce(_ context.Context, a exchange.Announcement) (exchange.Mirrored, error) {
	select {
	case p.heard <- a:
	default:
	}
	return exchange.Mirrored{}, accord.ErrConflict
}

func (p teller) Add(context.Context, [][]byte) (map[string]string, error) {
	return nil, accord.ErrConflict
}

// meets runs the pusher of n to a partner that says what it is told to.
func meets(t *testing.T, n *testworld.Nation, partner accord.Party, remote teller) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- (&exchange.Pusher{Node: n.Node, Party: partner, Remote: remote}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAPartnerThatHoldsMoreIsEnoughWithoutACosignature(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	meets(t, w.IL, w.MA.Self, teller{says: exchange.Mirrored{Size: 1}})
	quarantined(t, w.IL, w.MA)
}

func TestAPartnerThatHoldsAllAndHasNotCosignedItGetsTheLastLeafOnceMore(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	w.IL.Ingest(indicators(t, "a", "b", "c")...)
	w.Settle()
	w.IL.Stop()
	w.IL.Open()
	heard := make(chan exchange.Announcement, 1)
	meets(t, w.IL, w.MA.Self, teller{exchange.Mirrored{Size: 3}, heard})
	select {
	case a := <-heard:
		if a.From != 2 || len(a.Leaves) != 1 {
			t.Errorf("it was sent %d leaves from %d", len(a.Leaves), a.From)
		}
	case <-time.After(30 * time.Second):
		t.Error("nothing was announced")
	}
}
