// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
	"accord/format/stix/pattern"
)

func TestTheCoverIsOfTheMostSelectivePart(t *testing.T) {
	md5 := strings.Repeat("0a", 16)
	for in, want := range map[string][]accord.Observable{
		`[domain-name:value = 'A.example']`:                                                                                                 obs("domain", "a.example"),
		`[domain-name:value = 'a.example' OR file:name = 'x']`:                                                                              nil,
		`[domain-name:value = 'a.example' AND domain-name:resolves_to_refs[0].value = '192.0.2.1']`:                                         obs("domain", "a.example"),
		`[file:hashes.MD5 = '` + md5 + `' AND file:name = 'x']`:                                                                             obs("md5", md5),
		`[domain-name:value = 'a.example'] AND [file:hashes.MD5 = '` + md5 + `']`:                                                           obs("md5", md5),
		`[domain-name:value = 'a.example'] FOLLOWEDBY [file:name = 'x']`:                                                                    obs("domain", "a.example"),
		`[domain-name:value = 'a.example'] OR [domain-name:value = 'b.example'] START t'2026-01-01T00:00:00Z' STOP t'2027-01-01T00:00:00Z'`: obs("domain", "a.example", "domain", "b.example"),
		`[domain-name:value IN ('a.example', 'not a name')]`:                                                                                nil,
		`[domain-name:value NOT IN ('a.example')]`:                                                                                          nil,
		`[domain-name:value != 'a.example']`:                                                                                                nil,
		`[domain-name:value LIKE '%.example']`:                                                                                              nil,
		`[domain-name:value IN ()]`:                                                                                                         {},
		`[ipv4-addr:value ISSUBSET '192.0.2.0/24' AND ipv4-addr:value = '192.0.2.1']`:                                                       obs("ipv4", "192.0.2.1"),
		`[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port IN (80, 443.0)]`:                                         obs("addrport", "192.0.2.1:80", "addrport", "192.0.2.1:443"),
		`[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 70000]`:                                                obs("ipv4", "192.0.2.1"),
	} {
		p, err := pattern.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Cover()
		if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 || ok != (want != nil) {
			t.Errorf("%s: %v %v, want %v", in, got, ok, want)
		}
	}
}

// sought draws a test of a value that is looked for, or of another property.
func sought(t *rapid.T) string {
	domain := rapid.SampledFrom([]string{"a.example", "b.example", "xn--bcher-kva.example"})
	address := rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.200", "198.51.100.7"})
	md5 := rapid.SampledFrom([]string{strings.Repeat("0a", 16), strings.Repeat("0b", 16)})
	switch rapid.IntRange(0, 9).Draw(t, "test") {
	case 0, 1:
		return fmt.Sprintf("domain-name:value = '%s'", domain.Draw(t, "domain"))
	case 2:
		return fmt.Sprintf("ipv4-addr:value = '%s'", address.Draw(t, "address"))
	case 3:
		return "ipv4-addr:value ISSUBSET '192.0.2.0/25'"
	case 4:
		return fmt.Sprintf("file:hashes.MD5 = '%s'", md5.Draw(t, "md5"))
	case 5:
		return fmt.Sprintf("network-traffic:dst_ref.value = '%s'", address.Draw(t, "address"))
	case 6:
		return fmt.Sprintf("network-traffic:dst_ref.value IN ('%s', '%s')", address.Draw(t, "address"), domain.Draw(t, "domain"))
	case 7:
		return "network-traffic:dst_port = " + rapid.SampledFrom([]string{"80", "443"}).Draw(t, "port")
	case 8:
		return "file:name = 'x'"
	}
	return "domain-name:value != 'a.example'"
}

// soughtPattern draws a pattern of one to four observation expressions.
func soughtPattern(t *rapid.T) string {
	var out []string
	for range rapid.IntRange(1, 3).Draw(t, "expressions") {
		test := sought(t)
		object, _, _ := strings.Cut(test, ":")
		for range rapid.IntRange(0, 2).Draw(t, "more") {
			next := sought(t)
			if strings.HasPrefix(next, object+":") && rapid.Bool().Draw(t, "and") {
				test += " AND " + next
			} else if !strings.Contains(test, " AND ") {
				test += " OR " + next
				object = "none"
			}
		}
		out = append(out, "["+test+"]"+rapid.SampledFrom([]string{"", "", "", " REPEATS 2 TIMES", " REPEATS 1 TIMES", " START t'2026-01-02T00:00:00Z' STOP t'2026-01-03T00:00:00Z'"}).Draw(t, "qualifier"))
	}
	return strings.Join(out, rapid.SampledFrom([]string{" AND ", " OR ", " FOLLOWEDBY "}).Draw(t, "op"))
}

// alone is an observed-data in which nothing but o was seen, as each object that has it.
func alone(o accord.Observable) string {
	objects := map[accord.Kind]string{
		accord.KindDomain: `{"0":{"type":"domain-name","value":%q},"1":{"type":"network-traffic","dst_ref":"0"}}`,
		accord.KindIPv4:   `{"0":{"type":"ipv4-addr","value":%q},"1":{"type":"network-traffic","dst_ref":"0"}}`,
		accord.KindMD5:    `{"0":{"type":"file","hashes":{"MD5":%q}}}`,
	}
	value := o.Value
	switch o.Kind {
	case accord.KindCIDR:
		o.Kind, value = accord.KindIPv4, strings.TrimSuffix(o.Value, "/25")
	case accord.KindAddrPort:
		host, port, _ := strings.Cut(value, ":")
		return observed(1, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z",
			fmt.Sprintf(`{"0":{"type":"ipv4-addr","value":%q},"1":{"type":"network-traffic","dst_ref":"0","dst_port":%s}}`, host, port))
	default:
	}
	return observed(1, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", fmt.Sprintf(objects[o.Kind], value))
}

func TestWhatMatchesShowsAValueOfTheCoverAndAtomicValuesMatchAlone(t *testing.T) {
	matched, atomics := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := soughtPattern(t)
		p, err := pattern.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		values, atomic := p.Observables()
		if atomic {
			atomics++
		}
		for _, v := range values {
			var c pattern.Collection
			if err := c.Add([]byte(alone(v))); err != nil {
				t.Fatal(err)
			}
			if r, err := p.Match(c.Observations(), pattern.Limits{}); atomic && (err != nil || !r.Matched) {
				t.Fatalf("%s is called atomic, and %v alone does not match: %v", text, v, err)
			}
		}
		// Observations of some of the values and of others.
		var c pattern.Collection
		for i := range rapid.IntRange(0, 5).Draw(t, "observations") {
			o := rapid.SampledFrom(append(values, obs("domain", "a.example", "ipv4", "192.0.2.1", "md5", strings.Repeat("0b", 16), "addrport", "192.0.2.200:443")...)).Draw(t, "value")
			if err := c.Add([]byte(strings.Replace(alone(o), "-8000-", fmt.Sprintf("-800%d-", i), 1))); err != nil {
				t.Fatal(err)
			}
		}
		seen := c.Observations()
		r, err := p.Match(seen, pattern.Limits{})
		if err != nil || !r.Matched {
			return
		}
		matched++
		cover, ok := p.Cover()
		if ok && !slices.ContainsFunc(seen, func(o pattern.Observation) bool {
			return slices.ContainsFunc(o.Values(), func(v accord.Observable) bool {
				return slices.ContainsFunc(cover, func(c accord.Observable) bool { return pattern.Covers(c, v) })
			})
		}) {
			t.Fatalf("%s matches without a value of its cover %v", text, cover)
		}
	})
	if !testing.Short() && (matched < 5 || atomics < 5) {
		t.Errorf("%d matched and %d were atomic: the draw shows little", matched, atomics)
	}
}
