// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"testing"

	"accord"
	"accord/store"
	"accord/store/storetest"
)

// BenchmarkPage reads pages of lists over the items of one store: the first ones
// and those half-way down. The time does not depend on -items or on the depth.
func BenchmarkPage(b *testing.B) {
	all := items(*size, 1)
	red, half := accord.TLPRed, int64(*size/2)
	rare := all[0]
	rare.ID, rare.Type, rare.Source = "report--1", "report", "another"
	open(b, storetest.SQLite(b), func(d *store.DB) {
		if _, err := fill(b.Context(), d, append(all, rare)); err != nil {
			b.Fatal(err)
		}
		at := all[half].Name[:6]
		for name, read := range map[string]func() (int, error){
			"newest":                       func() (int, error) { return search(b, d, accord.Query{}) },
			"of a type":                    func() (int, error) { return search(b, d, accord.Query{Type: "indicator"}) },
			"of a rare type":               func() (int, error) { return search(b, d, accord.Query{Type: "report"}) },
			"of a rare source":             func() (int, error) { return search(b, d, accord.Query{Source: "another"}) },
			"with a label that none has":   func() (int, error) { return search(b, d, accord.Query{TLP: &red}) },
			"that begins with six letters": func() (int, error) { return search(b, d, accord.Query{Text: at}) },
			"that begins with one letter":  func() (int, error) { return search(b, d, accord.Query{Text: at[:1]}) },
			"of one value":                 func() (int, error) { return search(b, d, accord.Query{Text: all[half].Name}) },
			"changes":                      func() (int, error) { list, err := d.Changes(b.Context(), half, 1000); return len(list), err },
			"sought":                       func() (int, error) { list, err := d.SoughtSince(b.Context(), half, 1000); return len(list), err },
			"sought at the end": func() (int, error) {
				list, err := d.SoughtSince(b.Context(), int64(*size), 1000)
				return len(list), err
			},
			"counts": func() (int, error) { c, err := d.Counts(b.Context()); return int(c.Items), err },
		} {
			b.Run(name, func(b *testing.B) {
				n := 0
				for b.Loop() {
					var err error
					if n, err = read(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n), "rows")
			})
		}
	})
}

func search(b *testing.B, d *store.DB, q accord.Query) (int, error) {
	list, _, err := d.Search(b.Context(), q)
	return len(list), err
}
