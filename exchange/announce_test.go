// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/exchange"
	"accord/ledger"
	"accord/testworld"
)

func stranger(t *testing.T, name string) *ledger.Key {
	t.Helper()
	skey, _, err := ledger.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ledger.ParseKey(skey)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func indicators(t *testing.T, names ...string) (all []accord.Item) {
	t.Helper()
	for _, n := range names {
		all = append(all, testworld.Object(t, "indicator", n, nil))
	}
	return all
}

func TestAnAnnouncementThatIsNotRightIsRefusedAndNothingOfItTaken(t *testing.T) {
	t.Parallel()
	w, base := newForger(t)
	its := indicators(t, "a", "b", "c")
	base.add(base.disclosure(its[0]), base.disclosure(its[1]))
	base.must(0)
	// An agreement that only IL has signed, and one between MA and a third.
	gr := testworld.NewNation(t, "GR", "gr.accord.test")
	testworld.Pin(w.MA, gr)
	w.MA.Take(testworld.Sign(t, testworld.Draft(t, "half", w.IL, w.MA), w.IL))
	testworld.Agree(t, testworld.Draft(t, "gr-ma", w.MA, gr), w.MA, gr)

	retraction := func(f *forger, key *ledger.Key, origin string, index int64) []byte {
		r, err := ledger.NewRetraction(ledger.Retraction{
			Origin: origin, Item: its[0].ItemKey, Spans: ledger.Spans([]int64{index}), At: accord.StampOf(time.Now()),
		}, key.Signer())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	receipt := func(key *ledger.Key, giver string) []byte {
		r, err := ledger.NewReceipt(ledger.Receipt{
			Origin: ledger.Origin(giver, w.IL.Self.Name),
			Size:   1, Spans: ledger.Spans([]int64{0}), At: accord.StampOf(time.Now()),
		}, key.Signer())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	under := func(id string, version int, article string) func(*accord.Disclosure) {
		return func(d *accord.Disclosure) { d.Agreement, d.Version, d.Article = id, version, article }
	}
	after := func(f *forger, records ...[]byte) exchange.Announcement {
		f.add(records...)
		return f.announcement(2)
	}
	for _, tt := range []struct {
		name   string
		make   func(f *forger) exchange.Announcement
		status int
	}{
		{"a gap", func(f *forger) exchange.Announcement {
			f.add(f.disclosure(its[2]), f.disclosure(its[2]))
			return f.announcement(3)
		}, 409},
		{"a leaf changed that the mirror holds", func(f *forger) exchange.Announcement {
			a := after(f, f.disclosure(its[2]))
			b := f.announcement(0)
			b.Leaves[1].Record = a.Leaves[0].Record
			return b
		}, 409},
		{"a salt changed that the mirror holds", func(f *forger) exchange.Announcement {
			a := f.announcement(0)
			a.Leaves[0].Salt = bytes.Repeat([]byte{1}, 16)
			return a
		}, 409},
		{"another history", func(f *forger) exchange.Announcement {
			g := forge(t, f.as, f.to)
			g.add(g.disclosure(its[1]), g.disclosure(its[0]), g.disclosure(its[2]))
			return g.announcement(2)
		}, 409},
		{"leaves in another order than the checkpoint", func(f *forger) exchange.Announcement {
			a := after(f, f.disclosure(its[2]), f.disclosure(its[0]))
			slices.Reverse(a.Leaves)
			return a
		}, 409},
		{"a checkpoint of more than the leaves", func(f *forger) exchange.Announcement {
			a := after(f, f.disclosure(its[2]), f.disclosure(its[0]))
			a.Leaves = a.Leaves[:1]
			return a
		}, 422},
		{"a checkpoint of less than the mirror", func(f *forger) exchange.Announcement {
			g := forge(t, f.as, f.to)
			g.add(g.disclosure(its[0]))
			a := after(f, f.disclosure(its[2]))
			a.Checkpoint = g.announcement(0).Checkpoint
			return a
		}, 409},
		{"a checkpoint that a stranger signed", func(f *forger) exchange.Announcement {
			f.key = stranger(t, f.as.Self.Name)
			return after(f, f.disclosure(its[2]))
		}, 403},
		{"no checkpoint", func(f *forger) exchange.Announcement {
			a := after(f, f.disclosure(its[2]))
			a.Checkpoint = ""
			return a
		}, 422},
		{"the receiver's own log", func(f *forger) exchange.Announcement {
			a := after(f, f.disclosure(its[2]))
			a.Origin = ledger.Origin(f.to.Self.Name, f.as.Self.Name)
			return a
		}, 403},
		{"the log to somebody else", func(f *forger) exchange.Announcement {
			f.origin = ledger.Origin(f.as.Self.Name, "gr.accord.test")
			f.head.Origin = f.origin
			return after(f, f.disclosure(its[2]))
		}, 403},
		{"an agreement that nobody knows", func(f *forger) exchange.Announcement {
			return after(f, f.disclosure(its[2], under("other", 1, "1")))
		}, 422},
		{"a version that nobody knows", func(f *forger) exchange.Announcement {
			return after(f, f.disclosure(its[2], under("ma-il", 2, "1")))
		}, 422},
		{"an agreement that MA has not signed", func(f *forger) exchange.Announcement {
			return after(f, f.disclosure(its[2], under("half", 1, "1")))
		}, 422},
		{"an agreement with somebody else", func(f *forger) exchange.Announcement {
			return after(f, f.disclosure(its[2], under("gr-ma", 1, "1")))
		}, 422},
		{"an article that is not there", func(f *forger) exchange.Announcement {
			return after(f, f.disclosure(its[2], under("ma-il", 1, "99")))
		}, 422},
		{"an article that withholds", func(f *forger) exchange.Announcement {
			return after(f, f.disclosure(its[2], under("ma-il", 1, "5")))
		}, 422},
		{"a retraction that a stranger signed", func(f *forger) exchange.Announcement {
			return after(f, retraction(f, stranger(t, f.as.Self.Name), f.origin, 0))
		}, 403},
		{"a retraction in another log", func(f *forger) exchange.Announcement {
			return after(f, retraction(f, f.as.Key, ledger.Origin(f.as.Self.Name, "gr.accord.test"), 0))
		}, 422},
		{"a receipt that a stranger signed", func(f *forger) exchange.Announcement {
			return after(f, receipt(stranger(t, f.as.Self.Name), w.MA.Self.Name))
		}, 403},
		{"a receipt for another log", func(f *forger) exchange.Announcement {
			return after(f, receipt(f.as.Key, "gr.accord.test"))
		}, 422},
		{"a retraction of what was not announced", func(f *forger) exchange.Announcement {
			return after(f, retraction(f, f.as.Key, f.origin, 7))
		}, 422},
		{"a good record and a bad one", func(f *forger) exchange.Announcement {
			return after(f, f.disclosure(its[2]), f.disclosure(its[2], under("other", 1, "1")))
		}, 422},
		{"a kind that is not the record's", func(f *forger) exchange.Announcement {
			a := after(f, f.disclosure(its[2]))
			a.Leaves[0].Kind = accord.LeafRetraction
			return a
		}, 422},
		{"a kind that is not known", func(f *forger) exchange.Announcement {
			a := after(f, f.disclosure(its[2]))
			a.Leaves[0].Kind = "wish"
			return a
		}, 422},
		{"a short salt", func(f *forger) exchange.Announcement {
			a := after(f, f.disclosure(its[2]))
			a.Leaves[0].Salt = a.Leaves[0].Salt[:15]
			return a
		}, 422},
		{"a record that is too long", func(f *forger) exchange.Announcement {
			a := after(f, f.disclosure(its[2]))
			a.Leaves[0].Record += strings.Repeat("x", ledger.MaxRecord)
			return a
		}, 422},
		{"no leaves", func(f *forger) exchange.Announcement {
			a := f.announcement(0)
			a.Leaves = nil
			return a
		}, 422},
		{"too many leaves", func(f *forger) exchange.Announcement {
			a := f.announcement(0)
			a.Leaves = slices.Repeat(a.Leaves[:1], 1001)
			return a
		}, 422},
		{"a negative index", func(f *forger) exchange.Announcement {
			a := f.announcement(0)
			a.From = -1
			return a
		}, 422},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := base.clone()
			f.t = t
			status, size := f.announce(tt.make(f))
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if status == http.StatusConflict && size != 2 {
				t.Errorf("the answer says size %d, want 2 to go on from", size)
			}
			if size, cosigned := base.mirrored(); size != 2 || cosigned != 2 {
				t.Errorf("the mirror has %d leaves, %d cosigned, want 2", size, cosigned)
			}
			if pending, err := w.MA.DB.PendingReceived(t.Context(), w.IL.Self.Name, []accord.ItemKey{its[2].ItemKey}); err != nil || len(pending) != 0 {
				t.Errorf("something is announced: %v %v", pending, err)
			}
		})
	}
	// It can still go on, and a replay changes nothing.
	base.add(base.disclosure(its[2]))
	base.must(2)
	for from := range int64(3) {
		base.must(from)
	}
	part := base.clone()
	old := part.announcement(0)
	base.add(base.disclosure(its[0], func(d *accord.Disclosure) { d.Article = "2" }))
	base.must(3)
	if status, size := base.announce(old); status != http.StatusOK || size != 4 {
		t.Errorf("a replay of an older stretch: %d, size %d, want 200 and 4", status, size)
	}
	if size, cosigned := base.mirrored(); size != 4 || cosigned != 4 {
		t.Errorf("the mirror has %d leaves, %d cosigned, want 4", size, cosigned)
	}
}

func TestABodyThatIsTooMuchIsRefusedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	_, f := newForger(t)
	f.add(f.disclosure(indicators(t, "a")[0]))
	const good = `{"origin":"o","from":0,"leaves":[],"checkpoint":"c"}`
	for name, tt := range map[string]struct {
		kind, body string
		status     int
	}{
		"nine million bytes":    {"application/json", `{"origin":"` + strings.Repeat("x", 9<<20) + `"}`, 413},
		"a million deep":        {"application/json", strings.Repeat("[", 1e6), 422},
		"sixty-five deep":       {"application/json", `{"leaves":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`, 422},
		"a name given twice":    {"application/json", `{"origin":"a","origin":"b","from":0,"leaves":[],"checkpoint":"c"}`, 422},
		"a name in capitals":    {"application/json", `{"Origin":"a","from":0,"leaves":[],"checkpoint":"c"}`, 422},
		"a name nobody knows":   {"application/json", `{"origin":"a","from":0,"leaves":[],"checkpoint":"c","x":1}`, 422},
		"a number out of range": {"application/json", `{"origin":"a","from":1e400,"leaves":[],"checkpoint":"c"}`, 422},
		"bytes not of UTF-8":    {"application/json", "{\"origin\":\"\xff\",\"from\":0,\"leaves\":[],\"checkpoint\":\"c\"}", 422},
		"two values":            {"application/json", good + good, 422},
		"nothing":               {"application/json", "", 422},
		"another media type":    {"text/plain", good, 415},
		"no media type":         {"", good, 415},
	} {
		t.Run(name, func(t *testing.T) {
			g := *f
			g.t = t
			if status, _ := g.post(tt.kind, []byte(tt.body)); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
		})
	}
	if size, _ := f.mirrored(); size != 0 {
		t.Errorf("the mirror has %d leaves", size)
	}
	f.must(0)
}

func TestOnlyThePartnerItselfAnnouncesItsLog(t *testing.T) {
	t.Parallel()
	w := testworld.New3(t, func(_, text string) string { return text })
	w.IL.Serve()
	w.MA.Start()
	met(t, w.MA, w.IL)
	f := forge(t, w.IL, w.MA)
	f.add(f.disclosure(indicators(t, "a")[0]))
	good := f.announcement(0)
	another := testworld.Certificate(t, w.IL.Self.Name) // the same name, another key
	token := w.MA.Token(w.IL.Self.Name)
	for name, c := range map[string]*exchange.Client{
		"a certificate of the same name with another key": w.IL.RemoteWith(w.MA.Self, another),
		"another partner":     w.GR.Remote(w.MA.Self),
		"the receiver itself": w.MA.Remote(w.MA.Self),
	} {
		if _, err := c.Announce(t.Context(), good); err == nil || !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("%s announced: %v", name, err)
		}
	}
	// A token opens collections, not the ledger.
	reader := w.MA.Reader(token)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.MA.Self.URL+exchange.LogPath, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := reader.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a token client announced: %d, want 403", res.StatusCode)
	}
	// Nobody learns how far another's log is mirrored, nor writes its inbox.
	if _, err := w.GR.Remote(w.MA.Self).Mirrored(t.Context(), f.origin); err == nil {
		t.Error("GR learned what MA holds of IL's log")
	}
	c := w.GR.Remote(w.MA.Self)
	c.Inbox = exchange.InboxID(w.MA.Self.Name, w.IL.Self.Name)
	if _, err := c.Add(t.Context(), [][]byte{indicators(t, "a")[0].Bytes}); err == nil {
		t.Error("GR wrote into IL's inbox")
	}
	if size, _ := f.mirrored(); size != 0 {
		t.Errorf("the mirror has %d leaves", size)
	}
	f.must(0)
}

func TestANodeSpeaksOnlyWithTheHolderOfThePinnedKey(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	w.MA.Cert = testworld.Certificate(t, w.MA.Self.Name) // somebody answers at MA's address
	w.MA.Serve()
	_, err := w.IL.Remote(w.MA.Self).Mirrored(t.Context(), ledger.Origin(w.IL.Self.Name, w.MA.Self.Name))
	if err == nil || !strings.Contains(err.Error(), "pinned") {
		t.Errorf("IL spoke with a stranger: %v", err)
	}
}
