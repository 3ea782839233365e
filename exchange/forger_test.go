// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/exchange"
	"accord/ledger"
	"accord/testworld"
)

// forger speaks to a nation by hand with a partner's keys and connection, but
// keeps its log in memory, where it can be made to say anything.
type forger struct {
	t      *testing.T
	as, to *testworld.Nation
	key    *ledger.Key // signs checkpoints; the partner's own unless set
	origin string
	head   accord.Head
	tiles  map[[2]int64][]byte
	leaves []accord.Leaf
}

// newForger returns one who acts as IL before MA, which runs.
func newForger(t *testing.T) (*testworld.World, *forger) {
	t.Helper()
	w := testworld.New(t)
	w.IL.Serve() // so that MA can ask what it holds: it signs nothing before
	w.MA.Start()
	met(t, w.MA, w.IL)
	return w, forge(t, w.IL, w.MA)
}

// met waits until n has asked its partner what it holds.
func met(t *testing.T, n, partner *testworld.Nation) {
	t.Helper()
	testworld.Until(t, 30*time.Second, "a meeting", func() bool { return !n.Node.Health(partner.Self.Name).Reached.IsZero() })
}

func forge(t *testing.T, as, to *testworld.Nation) *forger {
	o := ledger.Origin(as.Self.Name, to.Self.Name)
	return &forger{t: t, as: as, to: to, key: as.Key, origin: o, head: accord.Head{Origin: o}, tiles: map[[2]int64][]byte{}}
}

// Tile implements ledger.TileReader.
func (f *forger) Tile(_ context.Context, _ string, level int, index int64) ([]byte, error) {
	b, ok := f.tiles[[2]int64{int64(level), index}]
	if !ok {
		return nil, accord.ErrNotFound
	}
	return b, nil
}

// clone is a log that may go another way from here.
func (f *forger) clone() *forger {
	c := *f
	c.tiles = map[[2]int64][]byte{}
	for k, v := range f.tiles {
		c.tiles[k] = bytes.Clone(v)
	}
	c.leaves = append([]accord.Leaf(nil), f.leaves...)
	return &c
}

func (f *forger) add(records ...[]byte) {
	f.t.Helper()
	var leaves []accord.Leaf
	for _, r := range records {
		l, err := ledger.NewLeaf(rand.Reader, r)
		if err != nil {
			f.t.Fatal(err)
		}
		leaves = append(leaves, l)
	}
	a, err := ledger.Append(f.t.Context(), f, f.head, leaves)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, tl := range a.Tiles {
		f.tiles[[2]int64{int64(tl.Level), tl.Index}] = tl.Data
	}
	f.head, f.leaves = a.Head, append(f.leaves, a.Leaves...)
}

// announcement is the log from leaf from on, with the checkpoint of its end.
func (f *forger) announcement(from int64) exchange.Announcement {
	f.t.Helper()
	signer, err := f.key.LogSigner(f.origin)
	if err != nil {
		f.t.Fatal(err)
	}
	checkpoint, err := ledger.SignHead(f.head, signer)
	if err != nil {
		f.t.Fatal(err)
	}
	a := exchange.Announcement{Origin: f.origin, From: from, Checkpoint: string(checkpoint)}
	for _, l := range f.leaves[from:] {
		a.Leaves = append(a.Leaves, exchange.WireLeaf{Kind: l.Kind, Salt: l.Salt[:], Record: string(l.Record)})
	}
	return a
}

// disclosure is the record of it as a giver writes it, under ma-il 1 article 1
// unless change says otherwise.
func (f *forger) disclosure(it accord.Item, change ...func(*accord.Disclosure)) []byte {
	f.t.Helper()
	d := accord.Disclosure{
		Stamp: accord.StampOf(time.Now()), Item: it.ItemKey, Sent: it.ItemKey,
		Agreement: "ma-il", Version: 1, Article: "1", Sum: sha256.Sum256(it.Bytes),
	}
	for _, c := range change {
		c(&d)
	}
	r, err := ledger.EncodeDisclosure(d, accord.Origin{})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// announce posts a and returns the status, and the size in the answer.
func (f *forger) announce(a exchange.Announcement) (status int, size int64) {
	f.t.Helper()
	body, err := json.Marshal(a)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.post("application/json", body)
}

func (f *forger) post(kind string, body []byte) (status int, size int64) {
	f.t.Helper()
	return post(f.t, f.as.Remote(f.to.Self), kind, body)
}

func post(t *testing.T, c *exchange.Client, kind string, body []byte) (status int, size int64) {
	t.Helper()
	res, err := c.HTTP.Post(c.URL+exchange.LogPath, kind, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := struct {
		Size int64 `json:"size"`
	}{-1}
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
	return res.StatusCode, got.Size
}

// must announces all from leaf from on, which must be taken and cosigned.
func (f *forger) must(from int64) {
	f.t.Helper()
	if status, size := f.announce(f.announcement(from)); status != http.StatusOK || size != f.head.Size {
		f.t.Fatalf("announcement: %d, size %d, want 200 and %d", status, size, f.head.Size)
	}
}

// push posts objects to the inbox.
func (f *forger) push(objects ...[]byte) (refused map[string]string) {
	f.t.Helper()
	refused, err := f.as.Remote(f.to.Self).Add(f.t.Context(), objects)
	if err != nil {
		f.t.Fatal(err)
	}
	return refused
}

// mirrored is what the other holds of the log: where it stands and how far it
// has cosigned.
func (f *forger) mirrored() (size, cosigned int64) {
	f.t.Helper()
	h, err := f.to.DB.Head(f.t.Context(), f.origin)
	if err != nil {
		f.t.Fatal(err)
	}
	return h.Size, h.Cosigned
}
