// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"testing"

	"accord"
)

// BenchmarkTerms is what the inverted index costs an item of a list, its rows apart.
func BenchmarkTerms(b *testing.B) {
	r := row{latest: true, Item: accord.Item{
		Type: "indicator", Name: "a.host.example (heodo)", Source: "feed", Labels: []string{"family:heodo", "malicious-activity", "malware"},
		Observables: []accord.Observable{{Kind: accord.KindDomain, Value: "a.host.example"}},
		Bytes:       fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000001","created_by_ref":"identity--3fbc9432-2c82-5860-aa97-527ed8ee1143","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","name":"a.host.example (heodo)","indicator_types":["malicious-activity"],"labels":["malware","family:heodo"],"pattern":"[domain-name:value = 'a.host.example']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z","object_marking_refs":["marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"]}`),
	}}
	b.ReportAllocs()
	for b.Loop() {
		if len(r.terms()) < 10 {
			b.Fatal("too few terms")
		}
	}
}
