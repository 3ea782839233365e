// SPDX-License-Identifier: Apache-2.0

package scale_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"

	"accord"
)

const t0 = accord.Stamp(1_700_000_000_000_000)

// made returns the n-th item: an indicator of about 680 bytes with a random id
// and value, the same in every run.
func made(n int) accord.Item {
	r := rand.New(rand.NewPCG(uint64(n), 7)) //nolint:gosec // made up, not secret
	u, v := r.Uint64(), r.Uint64()
	id := fmt.Sprintf("indicator--%08x-%04x-4%03x-8%03x-%012x", u>>32, u>>16&0xffff, u&0xfff, v>>48&0xfff, v&0xffffffffffff)
	o := value(r, n)
	at := t0 + accord.Stamp(n)*1000
	return accord.Item{
		ItemKey: accord.ItemKey{ID: id, Version: at}, Type: "indicator", Spec: "2.1", Name: o.Value, Created: at, ValidFrom: at,
		ValidUntil: at + 90*24*3600*1_000_000, Confidence: 70, TLP: accord.TLPGreen, Labels: []string{"malicious-activity"},
		Observables: []accord.Observable{o}, Atomic: true, Source: fmt.Sprintf("feed-%d", n%20),
		Bytes: fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":%q,"created":%q,"modified":%q,"name":%q,"description":%q,`+
			`"indicator_types":["malicious-activity"],"pattern":"[%s = '%s']","pattern_type":"stix","valid_from":%q,"valid_until":%q,`+
			`"confidence":70,"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]}`,
			id, at, at, o.Value, strings.Repeat("seen in traffic ", 8), paths[o.Kind], o.Value, at, at+90*24*3600*1_000_000),
	}
}

var paths = map[accord.Kind]string{
	accord.KindDomain: "domain-name:value", accord.KindIPv4: "ipv4-addr:value", accord.KindURL: "url:value",
	accord.KindSHA256: "file:hashes.'SHA-256'",
}

// value draws what the n-th item seeks: a name, an address of a network that
// nobody has, a URL, a hash.
func value(r *rand.Rand, n int) accord.Observable {
	name := fmt.Sprintf("%x.host%d.example", r.Uint64(), r.IntN(1000))
	switch n % 20 {
	case 1, 7, 13:
		return accord.Observable{Kind: accord.KindIPv4, Value: fmt.Sprintf("10.%d.%d.%d", n/20>>16&0xff, n/20>>8&0xff, n/20&0xff)}
	case 5, 11:
		return accord.Observable{Kind: accord.KindURL, Value: "http://" + name + "/a/" + hex.EncodeToString(fmt.Appendf(nil, "%d", n))}
	case 17:
		sum := sha256.Sum256(fmt.Appendf(nil, "file %d", n))
		return accord.Observable{Kind: accord.KindSHA256, Value: hex.EncodeToString(sum[:])}
	}
	return accord.Observable{Kind: accord.KindDomain, Value: name}
}

// batchOf returns items from to to.
func batchOf(from, to int) []accord.Item {
	out := make([]accord.Item, 0, to-from)
	for n := from; n < to; n++ {
		out = append(out, made(n))
	}
	return out
}
