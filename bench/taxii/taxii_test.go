// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"accord"
	"accord/exchange"
	"accord/format/stix"
	"accord/store"
	"accord/store/storetest"
	"accord/taxii"
	"accord/taxii/taxiitest"
)

// The defaults are for a run of seconds; medallion's time grows with the square.
var (
	objects = flag.Int("objects", 400, "objects read beside medallion")
	small   = flag.Int("small", 10_000, "items of the small store")
	large   = flag.Int("large", 50_000, "items of the large store")
)

const self = "bench.example"

var begin = accord.StampOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

func item(b *testing.B, n int) accord.Item {
	it, err := stix.NewIndicator(
		accord.Observable{Kind: accord.KindDomain, Value: fmt.Sprintf("host-%07d.bench.example", n)},
		stix.IndicatorFields{Source: "bench", Created: begin, ValidFrom: begin, TLP: accord.TLPGreen, Confidence: -1})
	if err != nil {
		b.Fatal(err)
	}
	return it
}

// fill makes a store of n items and serves it.
func fill(b *testing.B, n int) (*taxii.Client, *store.DB) {
	db := storetest.Open(b, storetest.SQLite(b))
	var batch []accord.Item
	for i := range n {
		if batch = append(batch, item(b, i)); len(batch) == 1000 || i == n-1 {
			if _, err := db.Ingest(context.Background(), batch, begin+accord.Stamp(i)); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	srv, err := taxii.New(taxii.Config{
		Title: "bench", Roots: []taxii.Root{{Name: exchange.OwnRoot, Title: "own"}}, Key: []byte("0123456789abcdef"),
		Backend: &exchange.Own{Self: self, Store: db},
		Authenticate: func(*http.Request) (taxii.Caller, error) {
			return taxii.Caller{Name: "bench", Role: accord.RoleReader}, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	ts := httptest.NewServer(srv)
	b.Cleanup(ts.Close)
	return &taxii.Client{URL: ts.URL, Token: "x", Timeout: time.Hour}, db
}

func readAll(b *testing.B, c *taxii.Client, root, collection string, want int) time.Duration {
	b.Helper()
	n, begun := 0, time.Now()
	for page, err := range c.Objects(context.Background(), root, collection, taxii.Query{}) {
		if err != nil {
			b.Fatal(err)
		}
		n += len(page.Objects)
	}
	if n != want {
		b.Fatalf("%d objects read of %d", n, want)
	}
	return time.Since(begun)
}

// BenchmarkReadBesideMedallion reads a whole collection by the same client from a
// node's own store and from medallion with its memory backend. x-medallion is how
// many times faster the node is.
func BenchmarkReadBesideMedallion(b *testing.B) {
	c, _ := fill(b, *objects)
	var list []taxiitest.Object
	for i := range *objects {
		list = append(list, taxiitest.Object{Bytes: item(b, i).Bytes, Added: begin + accord.Stamp(i)})
	}
	their := &taxii.Client{URL: taxiitest.Medallion(b, list, 1000), User: taxiitest.User, Password: taxiitest.Password, Timeout: time.Hour}
	var ours, theirs time.Duration
	rounds := 0
	for b.Loop() {
		for range 5 { // ours is short
			ours += readAll(b, c, "/own/", exchange.OwnID(self, "all"), *objects) / 5
		}
		theirs += readAll(b, their, taxiitest.Root, taxiitest.Collection, *objects)
		rounds++
	}
	b.ReportMetric(float64(*objects*rounds)/ours.Seconds(), "objects/s")
	b.ReportMetric(float64(*objects*rounds)/theirs.Seconds(), "medallion-objects/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-medallion")
}

// page is how long one page of 100 takes after a stamp.
func page(b *testing.B, c *taxii.Client, after accord.Stamp) time.Duration {
	b.Helper()
	begun := time.Now()
	for p, err := range c.Objects(context.Background(), "/own/", exchange.OwnID(self, "all"), taxii.Query{AddedAfter: after, Limit: 100}) {
		if err != nil || len(p.Objects) != 100 {
			b.Fatal(len(p.Objects), err)
		}
		break
	}
	return time.Since(begun)
}

// BenchmarkPageFlatness reads the first, the middle and the last page of 100 of a
// small and of a large store, in turns, and takes the fastest of many tries at each,
// for the machine is not ours alone. x-large is the most by which the large one is
// slower at the same place; x-depth by how much its slowest place is slower than its
// fastest.
func BenchmarkPageFlatness(b *testing.B) {
	var clients [2]*taxii.Client
	var places [2][3]accord.Stamp
	for i, n := range []int{*small, *large} {
		c, db := fill(b, n)
		clients[i], places[i] = c, [3]accord.Stamp{0, stampAt(b, db, n/2), stampAt(b, db, n-101)}
	}
	var best [2][3]time.Duration
	for b.Loop() {
		best = [2][3]time.Duration{}
		for range 60 {
			for i, c := range clients {
				for k, at := range places[i] {
					if took := page(b, c, at); best[i][k] == 0 || took < best[i][k] {
						best[i][k] = took
					}
				}
			}
		}
	}
	worst := 0.0
	for k, where := range []string{"first", "middle", "last"} {
		b.ReportMetric(float64(best[1][k].Microseconds()), "us-"+where)
		worst = max(worst, best[1][k].Seconds()/best[0][k].Seconds())
	}
	b.ReportMetric(worst, "x-large")
	b.ReportMetric(slices.Max(best[1][:]).Seconds()/slices.Min(best[1][:]).Seconds(), "x-depth")
}

// stampAt returns the date added of the k-th item.
func stampAt(b *testing.B, db *store.DB, k int) accord.Stamp {
	b.Helper()
	list, err := db.Collection(context.Background(), 0, k+1, accord.EntryFilter{Latest: true})
	if err != nil || len(list) != k+1 {
		b.Fatal(k, len(list), err)
	}
	return list[k].Stamp
}
