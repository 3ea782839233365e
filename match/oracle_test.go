// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/match"
)

func numberedID(n int) string { return fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", n) }

// naive is another matcher, made with nothing of the first: maps, strings, the
// standard library, every value tried against everything it may meet.
type naive struct {
	exact map[accord.Observable][]string
	cidrs map[netip.Prefix][]string
}

func newNaive(changes []accord.SoughtChange) *naive {
	n := &naive{exact: map[accord.Observable][]string{}, cidrs: map[netip.Prefix][]string{}}
	live := map[string]accord.SoughtChange{}
	for _, c := range changes {
		live[c.ID] = c
	}
	for id, c := range live {
		for _, s := range c.Sought {
			if s.Kind == accord.KindCIDR {
				p := netip.MustParsePrefix(s.Value).Masked()
				n.cidrs[p] = append(n.cidrs[p], id)
				continue
			}
			o := accord.Observable{Kind: s.Kind, Value: s.Value}
			if s.Kind == accord.KindDomain || s.Kind == accord.KindMD5 || s.Kind == accord.KindSHA256 {
				o.Value = strings.ToLower(o.Value)
			}
			n.exact[o] = append(n.exact[o], id)
		}
	}
	return n
}

// find returns the ids that a value meets, sorted, one each for each value met.
func (n *naive) find(kind accord.Kind, v string) []string {
	var ids []string
	switch kind {
	case accord.KindDomain:
		for v = strings.ToLower(strings.TrimSuffix(v, ".")); ; {
			ids = append(ids, n.exact[accord.Observable{Kind: kind, Value: v}]...)
			_, up, ok := strings.Cut(v, ".")
			if !ok {
				break
			}
			v = up
		}
	case accord.KindIPv4, accord.KindIPv6:
		a, err := netip.ParseAddr(v)
		if err != nil {
			return nil
		}
		kind = accord.KindIPv6
		if a = a.Unmap(); a.Is4() {
			kind = accord.KindIPv4
		}
		ids = append(ids, n.exact[accord.Observable{Kind: kind, Value: a.String()}]...)
		for p, list := range n.cidrs {
			if p.Contains(a) {
				ids = append(ids, list...)
			}
		}
	default:
		ids = append(ids, n.exact[accord.Observable{Kind: kind, Value: strings.ToLower(v)}]...)
	}
	slices.Sort(ids)
	return ids
}

// randomName is a name of a few labels, many of a length that is a multiple of 8.
func randomName(r *rand.Rand) string {
	labels := make([]string, 1+r.IntN(4))
	for i := range labels {
		n := []int{1, 2, 7, 8, 8, 8, 9, 16, 16, 24, 32, 63}[r.IntN(12)]
		labels[i] = strings.Repeat(string("ab"[r.IntN(2)]), n)
	}
	return strings.Join(labels, ".") + []string{".example", ".test", ".invalid", ".sixteen8.example"}[r.IntN(4)]
}

func randomValue(r *rand.Rand) accord.Observable {
	v4 := func() netip.Addr { return netip.AddrFrom4([4]byte{192, 0, byte(r.IntN(2)), byte(r.IntN(8))}) }
	v6 := func() netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(r.IntN(2)), 14: byte(r.IntN(2)), 15: byte(r.IntN(4))})
	}
	switch r.IntN(8) {
	case 0:
		return accord.Observable{Kind: accord.KindIPv4, Value: v4().String()}
	case 1:
		return accord.Observable{Kind: accord.KindIPv6, Value: v6().String()}
	case 2:
		return accord.Observable{Kind: accord.KindCIDR, Value: netip.PrefixFrom(v4(), r.IntN(33)).Masked().String()}
	case 3:
		return accord.Observable{Kind: accord.KindCIDR, Value: netip.PrefixFrom(v6(), r.IntN(129)).Masked().String()}
	case 4:
		return accord.Observable{Kind: accord.KindAddrPort, Value: netip.AddrPortFrom(v4(), uint16(1+r.IntN(3))).String()}
	case 5:
		return accord.Observable{Kind: accord.KindMD5, Value: fmt.Sprintf("%032x", r.IntN(50))}
	}
	return accord.Observable{Kind: accord.KindDomain, Value: randomName(r)}
}

// changed makes a random stretch of feed: indicators come, change and go.
func changed(r *rand.Rand, seq *int64, n, ids int) []accord.SoughtChange {
	var out []accord.SoughtChange
	for range n {
		*seq++
		c := accord.SoughtChange{Seq: *seq, ID: numberedID(r.IntN(ids))}
		if r.IntN(20) == 0 {
			c.ID = fmt.Sprintf("x-odd--%d", r.IntN(ids)) // an id of another form
		}
		for range r.IntN(4) {
			c.Sought = append(c.Sought, accord.Sought{Observable: randomValue(r), Indicator: accord.ItemKey{ID: c.ID}, TLP: accord.TLP(r.IntN(3))})
		}
		out = append(out, c)
	}
	return out
}

func found(ix *match.Index, o accord.Observable) []string {
	var ids []string
	ix.Lookup(accord.Seen{Observable: o}, func(s accord.Sought) { ids = append(ids, s.Indicator.ID) })
	slices.Sort(ids)
	return ids
}

func everything(accord.Sought) bool { return true }

// TestIndexFindsWhatANaiveMatcherFinds compares, after each of many changes, the
// index, one built at once, a written copy, and a copy kept by deltas.
func TestIndexFindsWhatANaiveMatcherFinds(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 7))
		var feed []accord.SoughtChange
		var seq int64
		ix := match.NewIndex(match.NewSalt())
		kept := copyOf(t, ix)
		for range 40 {
			from := seq
			step := changed(r, &seq, 1+r.IntN(60), 400)
			feed = append(feed, step...)
			ix = ix.Apply(step)
			kept = deltaOf(t, ix, kept, from, seq, step)
			oracle := newNaive(feed)
			forms := map[string]*match.Index{"index": ix, "copy": copyOf(t, ix), "copy kept by deltas": kept}
			for range 60 {
				o := randomValue(r)
				for o.Kind == accord.KindCIDR {
					o = randomValue(r)
				}
				if o.Kind == accord.KindDomain && r.IntN(2) == 0 {
					o.Value = strings.Repeat("c", 8) + "." + strings.ToUpper(o.Value)
				}
				want := distinct(oracle.find(o.Kind, o.Value), o)
				for form, ix := range forms {
					if got := found(ix, o); !slices.Equal(distinct(got, o), want) {
						t.Fatalf("seed %d, %s, %v:\n got %v\nwant %v", seed, form, o, got, want)
					}
				}
			}
		}
	}
}

// distinct drops repeats: an indicator that holds a value twice speaks once for
// it, but once for each of several values.
func distinct(ids []string, _ accord.Observable) []string { return slices.Compact(slices.Clone(ids)) }

func copyOf(t testing.TB, ix *match.Index) *match.Index {
	t.Helper()
	var b bytes.Buffer
	if err := match.WriteIndex(&b, ix, everything); err != nil {
		t.Fatal(err)
	}
	got, err := match.ReadIndex(&b, nil, match.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func deltaOf(t testing.TB, ix, kept *match.Index, from, to int64, step []accord.SoughtChange) *match.Index {
	t.Helper()
	var b bytes.Buffer
	if err := match.WriteDelta(&b, ix, from, to, step, everything); err != nil {
		t.Fatal(err)
	}
	next, err := match.ReadIndex(&b, kept, match.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// naiveScan decodes every record in full and looks its values up.
func naiveScan(t *testing.T, text string, n *naive) map[string]int64 {
	t.Helper()
	hits := map[string]int64{}
	count := func(kind accord.Kind, v string) {
		for _, id := range slices.Compact(n.find(kind, v)) {
			hits[id]++
		}
	}
	name := func(v string) {
		if a, err := netip.ParseAddr(v); err == nil {
			count(accord.KindIPv4, a.String())
		} else if strings.Contains(v, ".") && !strings.ContainsAny(v, " \t/@\"") {
			count(accord.KindDomain, v)
		}
	}
	var fields []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		rec := map[string]any{}
		switch {
		case strings.HasPrefix(line, "#fields\t"):
			fields = strings.Split(line, "\t")[1:]
			continue
		case strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "{"):
			if err := json.Unmarshal([]byte(line), &rec); err != nil {
				t.Fatal(err)
			}
		default:
			for i, v := range strings.Split(line, "\t") {
				if v == "-" || v == "(empty)" {
					continue
				}
				rec[fields[i]] = v
				if fields[i] == "answers" || fields[i] == "cert_chain_fps" || fields[i] == "client_cert_chain_fps" {
					var list []any
					for one := range strings.SplitSeq(v, ",") {
						list = append(list, strings.ReplaceAll(one, `\x2c`, ","))
					}
					rec[fields[i]] = list
				}
			}
		}
		for _, f := range []string{"query", "server_name"} {
			if v, ok := rec[f].(string); ok {
				name(v)
			}
		}
		for _, v := range anyList(rec["answers"]) {
			name(v)
		}
		for _, f := range []string{"cert_chain_fps", "client_cert_chain_fps"} {
			for _, v := range anyList(rec[f]) {
				count(accord.KindSHA256, v)
			}
		}
		for _, f := range []string{"id.orig_h", "id.resp_h"} {
			if v, ok := rec[f].(string); ok {
				count(accord.KindIPv4, v)
			}
		}
		if h, ok := rec["id.resp_h"].(string); ok {
			if ap, err := netip.ParseAddrPort(fmt.Sprintf("%v:%v", h, rec["id.resp_p"])); err == nil {
				count(accord.KindAddrPort, ap.String())
			}
		}
	}
	return hits
}

func anyList(v any) (out []string) {
	list, _ := v.([]any)
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// TestScanOfRealLogsFindsWhatANaiveMatcherFinds takes real logs and real
// indicators, with a sample of what the logs hold added so that there are hits.
func TestScanOfRealLogsFindsWhatANaiveMatcherFinds(t *testing.T) {
	dir := realData(t)
	changes := maltrail(t, 200_000)
	if testing.Short() {
		changes = changes[:20_000]
	}
	add := func(k accord.Kind, v string) {
		n := len(changes)
		changes = append(changes, accord.SoughtChange{Seq: int64(n + 1), ID: numberedID(n), Sought: []accord.Sought{{
			Observable: accord.Observable{Kind: k, Value: v}, Indicator: accord.ItemKey{ID: numberedID(n)},
		}}})
	}
	for _, v := range []string{"wrccdc.org", "wrccdc.cpp.edu", "google.com", "in-addr.arpa", "local", "microsoft.com", "com", "ise.wrccdc.org", "a.b"} {
		add(accord.KindDomain, v)
	}
	for _, v := range []string{"134.71.0.0/16", "10.47.0.0/20", "0.0.0.0/1", "10.0.0.100/32", "fe80::/10", "2001::/16"} {
		add(accord.KindCIDR, v)
	}
	add(accord.KindIPv4, "10.0.0.100")
	add(accord.KindAddrPort, "10.0.0.100:53")
	add(accord.KindSHA256, "B2DAFBCDBC75210672F137F27CE882CCB799887631655D4F11191D5A678E44FE")

	b := match.NewBuilder(match.NewSalt())
	b.Add(changes)
	ix := b.Index(1)
	oracle := newNaive(valid(changes))
	for _, file := range []string{"zeek-default/dns.log.gz", "zeek-default/ssl.log.gz", "zeek-json/dns.json.gz", "zeek-json/ssl.json.gz"} {
		text := unpacked(t, filepath.Join(dir, "zeek", file))
		want := naiveScan(t, text, oracle)
		got := map[string]int64{}
		st, err := match.Scan(context.Background(), ix, strings.NewReader(text), match.ScanOptions{Name: file}, func(m accord.Match) error {
			got[m.Indicator.ID] += m.Count
			return nil
		})
		if err != nil || st.Bad > 0 {
			t.Fatalf("%s: %+v, %v", file, st, err)
		}
		t.Logf("%s: %d records, %d values, %d hits of %d indicators", file, st.Records, st.Seen, st.Hits, len(got))
		if diff := cmp.Diff(want, got); diff != "" || len(want) < 5 {
			t.Errorf("%s: %d indicators hit (-naive +scan):\n%.3000s", file, len(want), diff)
		}
	}
}

// valid leaves out prefixes and URLs, which the naive matcher cannot read all of.
func valid(changes []accord.SoughtChange) []accord.SoughtChange {
	return slices.DeleteFunc(slices.Clone(changes), func(c accord.SoughtChange) bool {
		s := c.Sought[0]
		if s.Kind == accord.KindCIDR {
			_, err := netip.ParsePrefix(s.Value)
			return err != nil
		}
		return s.Kind == accord.KindURL
	})
}
