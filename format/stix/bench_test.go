// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bytes"
	"io"
	"testing"

	"accord"
	"accord/format/stix/pattern"
)

// benchIndicator is an indicator of the size feeds send.
const benchIndicator = `{"type":"indicator","spec_version":"2.1","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
"created_by_ref":"identity--f431f809-377b-45e0-aa1c-6a4751cae5ff","created":"2026-04-06T20:03:48.000Z","modified":"2026-04-06T20:03:48.000Z",
"indicator_types":["malicious-activity"],"name":"Login page of a phishing kit","description":"Seen in messages to public institutions.",
"pattern":"[url:value = 'http://login.example/4712/' OR domain-name:value = 'login.example']","pattern_type":"stix",
"valid_from":"2026-04-06T20:03:48Z","valid_until":"2026-08-06T20:03:48Z","labels":["phishing"],"confidence":70,
"kill_chain_phases":[{"kill_chain_name":"lockheed-martin-cyber-kill-chain","phase_name":"delivery"}],
"external_references":[{"source_name":"report","url":"https://cert.ma.example/2026/17"}],
"object_marking_refs":["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"]}`

func BenchmarkParseIndicator(b *testing.B) {
	raw := Raw{Bytes: []byte(benchIndicator)}
	b.SetBytes(int64(len(raw.Bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw, accord.TLPAmber); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewIndicator(b *testing.B) {
	o := accord.Observable{Kind: accord.KindDomain, Value: "login.example"}
	f := IndicatorFields{Source: "list", Labels: []string{"malware"}, Family: "example_family", Created: 1767323045000000, Confidence: 50, CreatedBy: "identity--f431f809-377b-45e0-aa1c-6a4751cae5ff"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewIndicator(o, f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRedact(b *testing.B) {
	raw := []byte(benchIndicator)
	r := Redaction{Drop: []string{"description", "external_references"}, Remove: map[string]bool{"identity--f431f809-377b-45e0-aa1c-6a4751cae5ff": true}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Redact(raw, r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPattern(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		p, err := pattern.Parse("[url:value = 'http://login.example/4712/' OR domain-name:value = 'login.example']")
		if err != nil {
			b.Fatal(err)
		}
		p.Observables()
	}
}

func BenchmarkReadAndParseATTACK(b *testing.B) {
	data, err := io.ReadAll(realData(b, "attack-ics.stix21.json.gz"))
	if err != nil {
		b.Fatal(err)
	}
	benchStream(b, data)
}

func BenchmarkReadAndParseStream(b *testing.B) {
	var data []byte
	for range 2000 {
		data = append(append(data, benchIndicator...), '\n')
	}
	benchStream(b, data)
}

func benchStream(b *testing.B, data []byte) {
	b.SetBytes(int64(len(data)))
	n := 0
	for b.Loop() {
		for raw, err := range Read(bytes.NewReader(data), Limits{}) {
			if err == nil {
				_, err = Parse(raw, accord.TLPAmber)
			}
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "objects/s")
}
