// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"accord"
	"accord/agreement"
	"accord/match"
)

func one(id int, o accord.Observable, tlp accord.TLP) accord.SoughtChange {
	i := numberedID(id)
	return accord.SoughtChange{Seq: int64(id), ID: i, Sought: []accord.Sought{{
		Observable: o, Indicator: accord.ItemKey{ID: i, Version: 5}, Name: "Campaign: " + o.Value, TLP: tlp, Held: "a list",
	}}}
}

func name(v string) accord.Observable { return accord.Observable{Kind: accord.KindDomain, Value: v} }

// leaves is the node's rule at the instant noon.
func leaves(s accord.Sought) bool {
	ok, _ := agreement.MayProtect(s.Origin, s.TLP, noon)
	return ok
}

const noon = accord.Stamp(1767312000e6)

// Without a rule nothing leaves and nothing is believed: this room has none.
func TestWithoutARuleNothingLeaves(t *testing.T) {
	ix := match.NewIndex(match.NewSalt()).Apply([]accord.SoughtChange{one(1, name("clear.example"), accord.TLPClear)})
	var b bytes.Buffer
	for what, err := range map[string]error{
		"whole": match.WriteIndex(&b, ix, nil), "delta": match.WriteDelta(&b, ix, 0, 1, nil, nil),
	} {
		if !errors.Is(err, accord.ErrInvalid) || b.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written", what, err, b.Len())
		}
	}
	rep := match.NewReport("6f0c1c3e-8f53-4d0b-9a0e-3a7d0b6f5c11", []accord.Match{{
		Indicator: accord.ItemKey{ID: numberedID(1)}, Value: name("clear.example"), First: noon, Last: noon, Count: 1,
		Seen: accord.Seen{Observable: name("clear.example"), At: noon},
	}})
	if ms, unknown := rep.Confirm(ix, "clinic", nil); len(ms) != 0 || unknown != 1 {
		t.Errorf("confirmed %+v, unknown %d", ms, unknown)
	}
	if ms, _ := rep.Confirm(ix, "clinic", leaves); len(ms) != 1 {
		t.Error("with a rule it is not confirmed either")
	}
}

func TestExportHidesWhatIsAboveGreenAndLeavesOutWhatMayNotGo(t *testing.T) {
	partner := one(6, name("narrow.example"), accord.TLPClear)
	partner.Sought[0].Origin = accord.Origin{Party: "cert.no.example", Onward: accord.OnwardNone, Actions: accord.ActInternal}
	given := one(7, name("given.example"), accord.TLPClear)
	given.Sought[0].Origin = accord.Origin{Party: "cert.no.example", Onward: accord.OnwardInstitutions, Actions: accord.ActInternal}
	late := one(8, name("late.example"), accord.TLPClear)
	late.Sought[0].Origin = given.Sought[0].Origin
	late.Sought[0].Origin.Retain = noon
	ix := match.NewIndex(match.NewSalt()).Apply([]accord.SoughtChange{
		one(1, name("clear.example"), accord.TLPClear), one(2, name("green.example"), accord.TLPGreen),
		one(3, name("amber.example"), accord.TLPAmber), one(4, name("strict.example"), accord.TLPAmberStrict), one(5, name("red.example"), accord.TLPRed),
		partner, given, late,
	})
	var b bytes.Buffer
	if err := match.WriteIndex(&b, ix, leaves); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(bytes.NewReader(b.Bytes()[len("accord-index/1\n"):]))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var plain bytes.Buffer
	if _, err := z.WriteTo(&plain); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{"clear": true, "green": true, "amber": false, "strict": false, "red.": false, "narrow": false, "given": true, "late": false, "cert.no": false} {
		if got := strings.Contains(plain.String(), word); got != want {
			t.Errorf("%q in the export: %v", word, got)
		}
	}
	got, err := match.ReadIndex(&b, nil, match.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for v, want := range map[string]int{"clear": 1, "green": 1, "amber": 1, "strict": 0, "red": 0, "narrow": 0, "given": 1, "late": 0} {
		if n := len(found(got, name("x."+v+".example"))); n != want {
			t.Errorf("%s: found %d times, want %d", v, n, want)
		}
	}
	got.Lookup(accord.Seen{Observable: name("amber.example")}, func(s accord.Sought) {
		if s.Name != "" || s.Value != "amber.example" || s.TLP != accord.TLPAmber || s.Held != "a list" || s.Indicator.Version != 5 {
			t.Errorf("blinded indicator speaks as %+v", s)
		}
	})
	kept := copyOf(t, got) // as a sensor saves it
	if len(found(kept, name("amber.example"))) != 1 || len(found(kept, name("clear.example"))) != 1 {
		t.Error("what a sensor saves does not find what it found")
	}
}

func TestDeltaFitsOnlyWhereItBegins(t *testing.T) {
	ix := match.NewIndex(match.NewSalt()).Apply([]accord.SoughtChange{one(1, name("a.example"), accord.TLPClear)})
	sensor := copyOf(t, ix)
	step := []accord.SoughtChange{one(2, name("b.example"), accord.TLPClear)}
	delta := func(from int64) *bytes.Buffer {
		var b bytes.Buffer
		if err := match.WriteDelta(&b, ix, from, 2, step, leaves); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	for what, err := range map[string]error{
		"no index":           second(match.ReadIndex(delta(1), nil, match.Limits{})),
		"another place":      second(match.ReadIndex(delta(0), sensor, match.Limits{})),
		"another generation": second(match.ReadIndex(delta(1), copyOf(t, match.NewIndex(match.NewSalt()).At(1)), match.Limits{})),
	} {
		if !errors.Is(err, accord.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if next, err := match.ReadIndex(delta(1), sensor, match.Limits{}); err != nil || len(found(next, name("b.example"))) != 1 || next.Seq() != 2 {
		t.Errorf("a delta that fits: %v", err)
	}
}

func second[A any](_ A, err error) error { return err }

func TestIndexFromOutsideIsBounded(t *testing.T) {
	var many []accord.SoughtChange
	for i := range 1000 {
		many = append(many, one(i, name(fmt.Sprintf("n%d.example", i)), accord.TLP(i%3)))
	}
	var b bytes.Buffer
	if err := match.WriteIndex(&b, match.NewIndex(match.NewSalt()).Apply(many), leaves); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	if _, err := match.ReadIndex(bytes.NewReader(whole), nil, match.Limits{Entries: 1000}); err != nil {
		t.Errorf("as many as allowed: %v", err)
	}
	if _, err := match.ReadIndex(bytes.NewReader(whole), nil, match.Limits{Entries: 999}); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := match.ReadIndex(bytes.NewReader(whole), nil, match.Limits{Bytes: 10_000}); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("too large: %v", err)
	}
	for n := 0; n < len(whole); n += 1 + len(whole)/500 {
		if _, err := match.ReadIndex(bytes.NewReader(whole[:n]), nil, match.Limits{}); err == nil {
			t.Errorf("cut at %d of %d: accepted", n, len(whole))
		}
	}
}

// FuzzReadIndex reads any bytes: both as they are and packed after a true head.
func FuzzReadIndex(f *testing.F) {
	ix := match.NewIndex(match.Salt{1}).Apply([]accord.SoughtChange{
		one(1, name("a.example"), accord.TLPClear), one(2, name("hidden.example"), accord.TLPAmber),
		one(3, accord.Observable{Kind: accord.KindCIDR, Value: "192.0.2.0/24"}, accord.TLPAmber),
		one(4, accord.Observable{Kind: accord.KindCIDR, Value: "2001:db8::/32"}, accord.TLPClear),
	})
	var full, delta bytes.Buffer
	if err := match.WriteIndex(&full, ix, leaves); err != nil {
		f.Fatal(err)
	}
	step := []accord.SoughtChange{{ID: numberedID(1)}, one(9, name("b.example"), accord.TLPGreen), {ID: "x-odd--1", Sought: one(9, name("c.example"), 0).Sought}}
	if err := match.WriteDelta(&delta, ix, 4, 9, step, leaves); err != nil {
		f.Fatal(err)
	}
	old, err := match.ReadIndex(bytes.NewReader(full.Bytes()), nil, match.Limits{})
	if err != nil {
		f.Fatal(err)
	}
	const magic = "accord-index/1\n"
	dec, err := zstd.NewReader(nil)
	if err != nil {
		f.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{full.Bytes(), delta.Bytes()} {
		inner, err := dec.DecodeAll(b[len(magic):], nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(inner, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, in []byte, pack bool) {
		if pack {
			in = enc.EncodeAll(in, []byte(magic))
		}
		got, err := match.ReadIndex(bytes.NewReader(in), old, match.Limits{Entries: 1000, Bytes: 1 << 20})
		if err != nil {
			if !errors.Is(err, accord.ErrInvalid) && !errors.Is(err, accord.ErrConflict) && !strings.Contains(err.Error(), "zstd") && !strings.Contains(err.Error(), "magic number") {
				t.Logf("other error: %v", err)
			}
			return
		}
		for _, v := range []string{"a.example", "hidden.example", "b.example"} {
			got.Lookup(accord.Seen{Observable: name(v)}, func(accord.Sought) {})
		}
		got.Lookup(accord.Seen{Observable: accord.Observable{Kind: accord.KindIPv4, Value: "192.0.2.1"}}, func(accord.Sought) {})
		got.Lookup(accord.Seen{Observable: accord.Observable{Kind: accord.KindIPv6, Value: "2001:db8::1"}}, func(accord.Sought) {})
		_ = got.Apply(step).Bytes()
	})
}

// feed is a change feed in memory.
type feed struct {
	mu   sync.Mutex
	list []accord.SoughtChange
	last int64
	fail bool
}

func (f *feed) LastSeq(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail {
		return 0, errors.New("feed is broken")
	}
	return f.last, nil
}

func (f *feed) SoughtSince(_ context.Context, after int64, limit int) (out []accord.SoughtChange, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.list {
		if c.Seq > after && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, nil
}

func (f *feed) put(c accord.SoughtChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	c.Seq = f.last
	for i := range f.list {
		if f.list[i].ID == c.ID {
			f.list = append(f.list[:i:i], f.list[i+1:]...)
			break
		}
	}
	f.list = append(f.list, c)
}

func TestKeeperFollowsTheFeedThroughFailures(t *testing.T) {
	f := &feed{}
	for i := range 25_000 {
		c := one(i, name(fmt.Sprintf("n%d.example", i)), accord.TLPClear)
		c.Seq = int64(i + 1)
		f.list, f.last = append(f.list, c), c.Seq
	}
	k := match.NewKeeper(f, match.NewSalt(), time.Hour, slog.New(slog.DiscardHandler))
	if err := k.Export(context.Background(), &bytes.Buffer{}, 0, "", leaves); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("export before it is loaded: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- k.Run(ctx) }()
	<-k.Ready()
	if n := k.Index().Size(); n != 25_000 {
		t.Errorf("%d values", n)
	}
	wait := func(what string, until func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !until(); time.Sleep(time.Millisecond) {
			k.Kick()
			if time.Now().After(end) {
				t.Fatal("never: " + what)
			}
		}
	}
	sensor := func(since int64, generation string) (int, *match.Index) {
		var b bytes.Buffer
		if err := k.Export(ctx, &b, since, generation, leaves); err != nil {
			t.Fatal(err)
		}
		n := b.Len()
		old := k.Index()
		ix, err := match.ReadIndex(&b, old.At(0), match.Limits{})
		if err != nil {
			return n, nil
		}
		return n, ix
	}
	before := k.Index()
	f.put(one(99_999, name("new.example"), accord.TLPClear))
	f.put(accord.SoughtChange{ID: numberedID(7)})
	wait("the new is found", func() bool { return len(found(k.Index(), name("new.example"))) == 1 })
	if len(found(k.Index(), name("n7.example"))) != 0 || len(found(before, name("n7.example"))) != 1 {
		t.Error("a withdrawn indicator speaks, or an old index has changed")
	}
	full, _ := sensor(0, "")
	delta, _ := sensor(before.Seq(), before.Generation())
	stranger, _ := sensor(before.Seq(), "0123456789abcdef")
	if delta > 500 || full < 10_000 || stranger < 10_000 {
		t.Errorf("delta %d bytes, full %d, to a stranger %d", delta, full, stranger)
	}
	f.mu.Lock()
	f.fail = true
	f.mu.Unlock()
	k.Kick()
	f.put(one(100_000, name("later.example"), accord.TLPClear))
	f.mu.Lock()
	f.fail = false
	f.mu.Unlock()
	wait("found after a failure", func() bool { return len(found(k.Index(), name("later.example"))) == 1 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestReportIsReadStrictly(t *testing.T) {
	at := accord.Stamp(1767323045e6)
	good := match.NewReport("6f0c1c3e-8f53-4d0b-9a0e-3a7d0b6f5c11", []accord.Match{{
		Indicator: accord.ItemKey{ID: numberedID(1), Version: 5}, Value: name("bad.example"), First: at, Last: at + 5, Count: 3,
		Seen: accord.Seen{Observable: name("www.bad.example"), At: at, Field: "query\xff", Log: "dns", From: "192.0.2.1", UID: "C1"},
	}})
	b, err := match.EncodeReport(good)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := match.DecodeReport(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	for what, text := range map[string]string{
		"unknown name":   strings.Replace(string(b), `"count"`, `"x":1,"count"`, 1),
		"repeated name":  strings.Replace(string(b), `"count"`, `"count":1,"count"`, 1),
		"other case":     strings.Replace(string(b), `"count"`, `"Count"`, 1),
		"no count":       strings.Replace(string(b), `"count":3`, `"count":0`, 1),
		"two days":       strings.Replace(string(b), `"last":"2026-01-02`, `"last":"2026-01-03`, 1),
		"not normalised": strings.Replace(string(b), `"bad.example"`, `"BAD.example"`, 1),
		"no batch":       strings.Replace(string(b), `6f0c1c3e-8f53`, `6f0c1c3e_8f53`, 1),
		"two values":     string(b) + string(b),
		"large":          `{"batch":"` + strings.Repeat("x", match.MaxReport) + `"}`,
		"many":           `{"batch":"6f0c1c3e-8f53-4d0b-9a0e-3a7d0b6f5c11","matches":[{}` + strings.Repeat(",{}", match.MaxReportMatch) + `]}`,
	} {
		if text == string(b) {
			t.Errorf("%s: test changes nothing", what)
		}
		if _, err := match.DecodeReport(strings.NewReader(text)); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ix := match.NewIndex(match.NewSalt()).Apply([]accord.SoughtChange{one(1, name("bad.example"), accord.TLPGreen)})
	ms, unknown := rep.Confirm(ix, "clinic", leaves)
	if len(ms) != 1 || unknown != 0 || ms[0].Sensor != "clinic" || ms[0].Name != "Campaign: bad.example" ||
		ms[0].ID != match.MatchID(numberedID(1), name("bad.example"), "clinic", "192.0.2.1", at) {
		t.Errorf("confirmed %+v, unknown %d", ms, unknown)
	}
	for what, change := range map[string]func(*match.ReportMatch){
		"another indicator": func(m *match.ReportMatch) { m.Indicator = numberedID(2) },
		"not under it":      func(m *match.ReportMatch) { m.Seen.Value = "wwwbad.example" },
		"another value":     func(m *match.ReportMatch) { m.Value = name("example") },
	} {
		lie := rep
		lie.Matches = append([]match.ReportMatch(nil), rep.Matches...)
		change(&lie.Matches[0])
		if ms, unknown := lie.Confirm(ix, "clinic", leaves); len(ms) != 0 || unknown != 1 {
			t.Errorf("%s: confirmed %+v", what, ms)
		}
	}
	secret := match.NewIndex(match.NewSalt()).Apply([]accord.SoughtChange{one(1, name("bad.example"), accord.TLPRed)})
	if ms, _ := rep.Confirm(secret, "clinic", leaves); len(ms) != 0 {
		t.Error("a sensor learns by guessing what it was not given")
	}
}

func TestValueOfVeryManyIndicatorsDoesNotFloodOrSlowOthers(t *testing.T) {
	var many []accord.SoughtChange
	for i := range 50_000 {
		many = append(many, one(i, name("shared.example"), accord.TLPClear))
	}
	for i := range 1000 {
		many = append(many, one(50_000+i, name(fmt.Sprintf("n%d.example", i)), accord.TLPClear))
	}
	ix := match.NewIndex(match.NewSalt()).Apply(many)
	if n := len(found(ix, name("shared.example"))); n != 1000 {
		t.Errorf("%d indicators speak of one value, want 1000", n)
	}
	for i := range 1000 {
		if n := len(found(ix, name(fmt.Sprintf("n%d.example", i)))); n != 1 {
			t.Fatalf("n%d: found %d times", i, n)
		}
	}
}

func TestStormIsFoldedWithinBounds(t *testing.T) {
	ix := match.NewIndex(match.NewSalt()).Apply([]accord.SoughtChange{one(1, name("bad.example"), accord.TLPGreen)})
	var log strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&log, "{\"ts\":1767323045.0,\"id.orig_h\":\"192.0.2.%d\",\"query\":\"w%d.bad.example\"}\n", i%50, i)
	}
	for limit, want := range map[int]int{0: 50, 100: 50, 7: -1} {
		sum, calls := int64(0), 0
		ids := map[string]bool{}
		_, err := match.Scan(context.Background(), ix, strings.NewReader(log.String()), match.ScanOptions{Fold: limit}, func(m accord.Match) error {
			sum, calls, ids[m.ID] = sum+m.Count, calls+1, true
			return nil
		})
		if err != nil || sum != 5000 || len(ids) != 50 || want > 0 && calls != want {
			t.Errorf("fold of %d: %d matches of %d ids, counting %d, %v", limit, calls, len(ids), sum, err)
		}
	}
	broken := errors.New("no room")
	if _, err := match.Scan(context.Background(), ix, strings.NewReader(log.String()), match.ScanOptions{}, func(accord.Match) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("emit fails: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := match.Scan(ctx, ix, strings.NewReader(log.String()), match.ScanOptions{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
