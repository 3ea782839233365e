// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"accord"
	"accord/ledger"
)

const (
	ee = "cert.ee.example"
	no = "cert.no.example"
)

// memory is a store of logs in memory, as one party has them.
type memory struct {
	heads  map[string]accord.Head
	leaves map[string][]accord.Leaf
	tiles  map[string][]byte
	reads  int
}

func newMemory() *memory {
	return &memory{heads: map[string]accord.Head{}, leaves: map[string][]accord.Leaf{}, tiles: map[string][]byte{}}
}

func (m *memory) Head(_ context.Context, origin string) (accord.Head, error) {
	h := m.heads[origin]
	h.Origin = origin
	return h, nil
}

func (m *memory) Leaves(_ context.Context, origin string, from int64, limit int) ([]accord.Leaf, error) {
	all := m.leaves[origin]
	if from >= int64(len(all)) {
		return nil, nil
	}
	return all[from:min(int64(len(all)), from+int64(limit))], nil
}

func tileKey(origin string, level int, index int64) string {
	return fmt.Sprintf("%s %d %d", origin, level, index)
}

func (m *memory) Tile(_ context.Context, origin string, level int, index int64) ([]byte, error) {
	m.reads++
	t, known := m.tiles[tileKey(origin, level, index)]
	if !known {
		return nil, fmt.Errorf("tile: %w", accord.ErrNotFound)
	}
	return t, nil
}

func (m *memory) apply(t testing.TB, a accord.LogAppend) {
	t.Helper()
	if have := m.heads[a.Head.Origin].Size; have != a.Prev {
		t.Fatalf("append at %d, the log has %d", a.Prev, have)
	}
	m.heads[a.Head.Origin] = a.Head
	m.leaves[a.Head.Origin] = append(m.leaves[a.Head.Origin], a.Leaves...)
	for _, tile := range a.Tiles {
		m.tiles[tileKey(a.Head.Origin, tile.Level, tile.Index)] = tile.Data
	}
}

// author is a party with its key.
type author struct {
	accord.Party
	key *ledger.Key
}

func newAuthor(t testing.TB, name string) author {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	skey, vkey, err := ledger.GenerateKey(bytes.NewReader(seed[:]), name)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ledger.ParseKey(skey)
	if err != nil {
		t.Fatal(err)
	}
	return author{accord.Party{Name: name, Key: vkey}, k}
}

func (a author) logVerifier(t testing.TB, origin string) note.Verifier {
	t.Helper()
	v, err := ledger.LogVerifier(a.Key, origin)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (a author) signHead(t testing.TB, h accord.Head) []byte {
	t.Helper()
	s, err := a.key.LogSigner(h.Origin)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ledger.SignHead(h, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	ctx = context.Background()
	now = accord.StampOf(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
)

// counting is a source of salts that is never random and never zero.
type counting struct{ n uint64 }

func (c *counting) Read(p []byte) (int, error) {
	c.n++
	clear(p)
	binary.BigEndian.PutUint64(p, c.n)
	return len(p), nil
}

func itemKey(i int) accord.ItemKey {
	return accord.ItemKey{ID: fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", i), Version: now + accord.Stamp(i)}
}

var terms = accord.Origin{
	Agreement: "no-ee", Version: 2, Article: "1.1", Onward: accord.OnwardInstitutions,
	Actions: accord.ActInternal, Retain: now + 1,
}

func disclosure(t testing.TB, i int) []byte {
	t.Helper()
	rec, err := ledger.EncodeDisclosure(accord.Disclosure{
		Item: itemKey(i), Sent: itemKey(i), Stamp: now + accord.Stamp(i),
		Agreement: terms.Agreement, Version: terms.Version, Article: terms.Article, Sum: sha256.Sum256([]byte{byte(i)}),
	}, terms)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func leavesOf(t testing.TB, records ...[]byte) []accord.Leaf {
	t.Helper()
	var out []accord.Leaf
	salt := &counting{}
	for _, r := range records {
		l, err := ledger.NewLeaf(salt, r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

func disclosures(t testing.TB, from, to int) []accord.Leaf {
	t.Helper()
	var recs [][]byte
	for i := from; i < to; i++ {
		recs = append(recs, disclosure(t, i))
	}
	return leavesOf(t, recs...)
}

func (m *memory) add(t testing.TB, origin string, leaves ...accord.Leaf) {
	t.Helper()
	h, _ := m.Head(ctx, origin)
	a, err := ledger.Append(ctx, m, h, leaves)
	if err != nil {
		t.Fatal(err)
	}
	m.apply(t, a)
}

// reference recomputes a log with the tlog package alone.
type reference []tlog.Hash

func (r reference) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, r[i])
	}
	return out, nil
}

func referenceOf(t testing.TB, leaves []accord.Leaf) reference {
	t.Helper()
	var r reference
	for i, l := range leaves {
		entry := sha256.Sum256(append(l.Salt[:], l.Record...))
		hs, err := tlog.StoredHashes(int64(i), entry[:], r)
		if err != nil {
			t.Fatal(err)
		}
		r = append(r, hs...)
	}
	return r
}

func TestAppendsOfAnySizeMakeTheTreeAndTilesThatTlogMakes(t *testing.T) {
	all := disclosures(t, 0, 70_000)
	ref := referenceOf(t, all)
	origin := ledger.Origin(no, ee)
	m := newMemory()
	for _, step := range []int{0, 1, 1, 1, 5, 247, 1, 1, 254, 300, 1000, 1, 0, 62_000, 1500, 800, 4000} {
		h, _ := m.Head(ctx, origin)
		end := min(int(h.Size)+step, len(all))
		m.reads = 0
		m.add(t, origin, all[h.Size:end]...)
		if m.reads > 3 {
			t.Errorf("append at %d read %d tiles", h.Size, m.reads)
		}
		h, _ = m.Head(ctx, origin)
		want, err := tlog.TreeHash(h.Size, ref)
		if err != nil {
			t.Fatal(err)
		}
		if h.Root != want {
			t.Fatalf("root at %d differs from tlog's", h.Size)
		}
	}
	h, _ := m.Head(ctx, origin)
	for _, tile := range tlog.NewTiles(8, 0, h.Size) {
		want, err := tlog.ReadTileData(tile, ref)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.tiles[tileKey(origin, tile.L, tile.N)]; !bytes.HasPrefix(got, want) {
			t.Errorf("tile %v differs from tlog's", tile)
		}
	}
	for i, l := range m.leaves[origin] {
		if l.Index != int64(i) {
			t.Fatalf("leaf %d has index %d", i, l.Index)
		}
	}
}

func TestProofsHoldAndAlteredOnesDoNot(t *testing.T) {
	origin := ledger.Origin(no, ee)
	m := newMemory()
	m.add(t, origin, disclosures(t, 0, 700)...)
	old, _ := m.Head(ctx, origin)
	m.add(t, origin, disclosures(t, 700, 1500)...)
	h, _ := m.Head(ctx, origin)
	for _, i := range []int64{0, 1, 255, 256, 511, 699, 700, 1499} {
		p, err := ledger.ProveInclusion(ctx, m, origin, h.Size, i)
		if err != nil {
			t.Fatal(err)
		}
		leaf := m.leaves[origin][i]
		if err := ledger.CheckInclusion(p, h.Size, h.Root, leaf); err != nil {
			t.Errorf("leaf %d: %v", i, err)
		}
		leaf.Salt[3] ^= 1
		if err := ledger.CheckInclusion(p, h.Size, h.Root, leaf); !errors.Is(err, ledger.ErrProof) {
			t.Errorf("leaf %d with another salt: %v", i, err)
		}
		leaf = m.leaves[origin][i]
		long := append(slices.Clone(p), make([][32]byte, 65)...)
		if err := ledger.CheckInclusion(long, h.Size, h.Root, leaf); !errors.Is(err, ledger.ErrProof) {
			t.Errorf("leaf %d with an oversized proof: %v", i, err)
		}
		leaf.Index = (i + 1) % h.Size
		if err := ledger.CheckInclusion(p, h.Size, h.Root, leaf); !errors.Is(err, ledger.ErrProof) {
			t.Errorf("leaf %d at another index: %v", i, err)
		}
	}
	for _, n := range []int64{0, 700, 1500} {
		p, err := ledger.ProveConsistency(ctx, m, origin, h.Size, n)
		if err != nil {
			t.Fatal(err)
		}
		root := map[int64][32]byte{0: sha256.Sum256(nil), 700: old.Root, 1500: h.Root}[n]
		if err := ledger.CheckConsistency(p, h.Size, h.Root, n, root); err != nil {
			t.Errorf("from %d: %v", n, err)
		}
		root[0] ^= 1
		if err := ledger.CheckConsistency(p, h.Size, h.Root, n, root); !errors.Is(err, ledger.ErrProof) {
			t.Errorf("from %d with another root: %v", n, err)
		}
	}
}
