// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/format/stix/pattern"
)

// observed writes an observed-data of STIX 2.0 with objects embedded.
func observed(n int, first, last, objects string) string {
	return fmt.Sprintf(`{"type":"observed-data","id":"observed-data--00000000-0000-4000-8000-%012d","number_observed":%d,`+
		`"first_observed":%q,"last_observed":%q,"objects":%s}`, len(objects)+len(first), n, first, last, objects)
}

// at is an observed-data with one file of the given name, observed once at a second of a minute.
func at(i, second int, name string) string {
	t := fmt.Sprintf("2026-01-02T03:04:%02dZ", second)
	return fmt.Sprintf(`{"type":"observed-data","id":"observed-data--00000000-0000-4000-8000-%012d","number_observed":1,`+
		`"first_observed":%q,"last_observed":%q,"objects":{"0":{"type":"file","name":%q}}}`, i, t, t, name)
}

func collect(t testing.TB, objects ...string) []pattern.Observation {
	t.Helper()
	var c pattern.Collection
	for _, o := range objects {
		if err := c.Add([]byte(o)); err != nil {
			t.Fatalf("Add(%s): %v", o, err)
		}
	}
	return c.Observations()
}

func mustMatch(t testing.TB, text string, obs []pattern.Observation) pattern.Result {
	t.Helper()
	p, err := pattern.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Match(obs, pattern.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func TestComparisonsAreTheStandards(t *testing.T) {
	const objects = `{
		"0": {"type":"file","name":"foo.dll","size":25536,"x_ratio":1.5,"x_whole":1.0,"x_on":true,"x_off":false,"x_null":null,
			"x_big":9007199254740993,"x_huge":1e300,"created":"2014-01-13T07:03:17.5Z","x_bad_time":"yesterday","x_empty":"",
			"hashes":{"MD5":"cead3f77f6cda6ec00f57d76c9a6879f","SHA-256":"bf07"},
			"magic_number_hex":"FFd8","payload_bin":"dGhpcyBpcyBhIHRlc3Q=","x_bad_hex":"abc","x_latin":"\u00ff\u00d8","x_multi":"a\nb","x_line":"ab\n",
			"x_list":["a","b"],"x_list_of":[{"k":1},{"k":2},{"l":3}],"x_none":[],"parent_directory_ref":"1","content_ref":"9",
			"extensions":{"windows-pebinary-ext":{"sections":[{"entropy":7.5},{"entropy":1}]}}, "x_nfd":"e\u0301","x_nfc":"\u00e9","x_hex":"not","x_quote":"it's \\ here"},
		"1": {"type":"directory","path":"C:\\Windows\\System32","contains_refs":["0","8","2"]},
		"2": {"type":"ipv4-addr","value":"198.51.100.7"},
		"3": {"type":"ipv4-addr","value":"198.51.100.0/27"},
		"4": {"type":"ipv6-addr","value":"2001:db8:dead::1"},
		"5": {"type":"network-traffic","src_ref":"2","dst_ref":"4","protocols":["tcp","http"],"dst_port":443}}`
	obs := collect(t, observed(1, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", objects))
	for test, want := range map[string]bool{
		`file:name = 'foo.dll'`: true, `file:name = 'FOO.dll'`: false, `file:name != 'x'`: true, `file:name NOT = 'x'`: true,
		`file:name NOT != 'foo.dll'`: true, `file:nome != 'x'`: false, `file:nome NOT = 'x'`: false, `directory:name != 'x'`: false,
		`file:name > 'foo'`: true, `file:name < 'fop'`: true, `file:name <= 'foo.dll'`: true, `file:name > 'zoo'`: false,
		`file:size = 25536`: true, `file:size = 25536.0`: true, `file:size = '25536'`: false, `file:size != '25536'`: true,
		`file:size NOT = '25536'`: true, `file:size > '1'`: false, `file:size NOT > '1'`: true, `file:size < 25536.5`: true,
		`file:x_ratio = 1`: false, `file:x_ratio > 1`: true, `file:x_ratio < 2`: true, `file:x_whole = 1`: true,
		`file:x_big = 9007199254740993`: true, `file:x_big = 9007199254740992`: false, `file:x_big = 9007199254740992.0`: false,
		`file:x_big > 9007199254740992.0`: true, `file:x_huge > 9223372036854775807`: true, `file:x_huge > -1`: true,
		`file:x_on = true`: true, `file:x_on = false`: false, `file:x_off = false`: true, `file:x_on = 1`: false, `file:x_on != 1`: true,
		`file:x_on IN (true)`: true, `file:x_null = 'a'`: false, `file:x_null != 'a'`: false, `EXISTS file:x_null`: false,
		`file:created = t'2014-01-13T07:03:17.500Z'`: true, `file:created > t'2014-01-13T07:03:17Z'`: true,
		`file:created < t'2014-01-13T07:03:17.5000000001Z'`: true, `file:created = '2014-01-13T07:03:17.5Z'`: true,
		`file:x_bad_time = t'2014-01-13T07:03:17Z'`: false, `file:x_bad_time != t'2014-01-13T07:03:17Z'`: true, `file:x_bad_time > t'2014-01-13T07:03:17Z'`: false,
		`file:name IN ('x', 'foo.dll')`: true, `file:name NOT IN ('x', 'foo.dll')`: false, `file:name NOT IN ()`: true, `file:name IN ()`: false,
		`file:size IN (1, 25536.0)`: true, `file:hashes.MD5 = 'cead3f77f6cda6ec00f57d76c9a6879f'`: true, `file:hashes.'SHA-256' LIKE 'bf%'`: true,
		`file:name LIKE 'foo.dll'`: true, `file:name LIKE 'foo'`: false, `file:name LIKE '%'`: true, `file:name LIKE 'f__.d%'`: true,
		`file:name LIKE '_______'`: true, `file:name LIKE '______'`: false, `file:x_multi LIKE 'a%b'`: true, `file:x_multi LIKE 'a_b'`: true,
		`file:x_line LIKE 'ab'`: false, `file:x_empty LIKE '%'`: true, `file:x_empty LIKE '_'`: false, `file:x_empty = ''`: true,
		`file:name LIKE '%o%l%l'`: true, `file:name LIKE '%o%x%'`: false, `file:size LIKE '%'`: false, `file:size NOT LIKE '%'`: true,
		`file:name MATCHES 'o\\.d'`: true, `file:name MATCHES '^o'`: false, `file:x_multi MATCHES 'a.b'`: true, `file:x_multi MATCHES 'a$'`: false,
		`file:x_line MATCHES 'b$'`: true, `file:x_line MATCHES 'b\\z'`: false, `file:name NOT MATCHES 'q'`: true, `file:size MATCHES '2'`: false,
		`file:x_nfd = 'é'`: false, `file:x_nfc = 'é'`: true, `file:x_nfd LIKE '_'`: true, `file:x_nfd LIKE 'é'`: true, `file:x_nfd MATCHES '^.$'`: true,
		"file:x_nfc LIKE 'e\u0301'": true, "file:x_nfc MATCHES '^e\u0301$'": true,
		`file:magic_number_hex = h'ffd8'`: true, `file:magic_number_hex = b'/9g='`: true, `file:magic_number_hex = 'ÿØ'`: true, `file:magic_number_hex = 'FFd8'`: false,
		`file:magic_number_hex > h'ff'`: true, `file:magic_number_hex < h'ffd9'`: true, `file:magic_number_hex MATCHES '^\\xff\\xd8$'`: true,
		`file:magic_number_hex LIKE 'ÿ_'`: true, `file:magic_number_hex = '€'`: false, `file:magic_number_hex != '€'`: true, `file:magic_number_hex LIKE '€%'`: false,
		`file:magic_number_hex NOT LIKE '€%'`: true, `file:payload_bin = 'this is a test'`: true, `file:payload_bin = 'dGhpcyBpcyBhIHRlc3Q='`: false,
		`file:payload_bin = b'dGhpcyBpcyBhIHRlc3Q='`: true, `file:payload_bin = h'7468697320697320612074657374'`: true, `file:payload_bin MATCHES 'is.a'`: true,
		`file:x_bad_hex = h'abcd'`: false, `file:x_bad_hex != h'abcd'`: true, `file:x_latin = h'ffd8'`: true, `file:name = h'666f6f2e646c6c'`: true,
		`file:x_list = 'a'`: false, `file:x_list != 'a'`: true, `file:x_list[0] = 'a'`: true, `file:x_list[1] = 'a'`: false, `file:x_list[2] != 'a'`: false,
		`file:x_list[*] = 'b'`: true, `file:x_list[*] != 'b'`: true, `file:x_list[*] NOT = 'b'`: false, `file:x_list[*] NOT = 'c'`: true, `file:x_list[9999999999] = 'a'`: false,
		`file:x_none[*] NOT = 'b'`: false, `EXISTS file:x_none`: true, `EXISTS file:x_none[*]`: false, `file:x_list_of[*].k = 2`: true, `file:x_list_of[*].k > 2`: false,
		`file:extensions.'windows-pebinary-ext'.sections[*].entropy > 7.0`: true, `file:extensions.'windows-pebinary-ext'.sections[1].entropy > 7.0`: false,
		`EXISTS file:hashes`: true, `EXISTS file:hashes.MD6`: false, `NOT EXISTS file:hashes.MD6`: true, `NOT EXISTS file:hashes`: false, `EXISTS directory:path`: true, `NOT EXISTS mutex:name`: false,
		`file:parent_directory_ref.path = 'C:\\Windows\\System32'`: true, `file:parent_directory_ref.contains_refs[0].name = 'foo.dll'`: true,
		`file:content_ref.name != 'x'`: false, `EXISTS file:content_ref`: true, `EXISTS file:content_ref.name`: false, `file:parent_directory_ref = '1'`: true,
		`directory:contains_refs[*].value = '198.51.100.7'`: true, `directory:contains_refs[2].value = '198.51.100.7'`: true, `directory:contains_refs[1].value = '198.51.100.7'`: false,
		`directory:contains_refs.value = '198.51.100.7'`: false, `network-traffic:src_ref.type = 'ipv4-addr'`: true,
		`ipv4-addr:value ISSUBSET '198.51.100.0/24'`: true, `ipv4-addr:value ISSUBSET '198.51.101.0/24'`: false, `ipv4-addr:value ISSUBSET '198.51.100.7'`: true,
		`ipv4-addr:value ISSUPERSET '198.51.100.0/28'`: true, `ipv4-addr:value ISSUPERSET '198.51.100.0/26'`: false, `ipv4-addr:value ISSUPERSET '198.51.100.7'`: true,
		`ipv6-addr:value ISSUBSET '2001:0db8:dead::/48'`: true, `network-traffic:dst_ref.value ISSUBSET '2001:0db8:dead::/48'`: true, `ipv6-addr:value ISSUBSET '0.0.0.0/0'`: false,
		`file:name ISSUBSET '198.51.100.0/24'`: false, `file:name NOT ISSUBSET '198.51.100.0/24'`: true, `file:size ISSUBSET '198.51.100.0/24'`: false,
		`network-traffic:protocols[*] = 'http' AND network-traffic:dst_port = 443`: true, `file:name = 'x' OR file:size > 1 AND file:x_on = true`: true,
		`(file:name = 'x' OR file:size > 1) AND file:x_on = false`: false, `ipv4-addr:value = '198.51.100.7' AND ipv4-addr:value ISSUPERSET '198.51.100.0/28'`: false,
		`directory:path LIKE 'C:\\Windows\\%'`: true, `file:x_quote = 'it\'s \\ here'`: true, `observed-data:number_observed = 1`: false, `file:x_hex = 'not'`: false,
	} {
		if got := mustMatch(t, "["+test+"]", obs).Matched; got != want {
			t.Errorf("[%s]: %v, want %v", test, got, want)
		}
	}
}

func TestObservationsAreCombinedAsTheStandardSays(t *testing.T) {
	a, b, c, d := at(1, 10, "a"), at(2, 20, "b"), at(3, 30, "c"), at(4, 30, "a")
	one := []string{a, b, c, d}
	both := observed(1, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", `{"0":{"type":"file","name":"a"},"1":{"type":"file","name":"b"}}`)
	five := observed(5, "2026-01-02T03:04:00Z", "2026-01-02T03:04:40Z", `{"0":{"type":"file","name":"a"}}`)
	wide := observed(1, "2026-01-02T03:04:00Z", "2026-01-02T03:04:59Z", `{"0":{"type":"file","name":"w"}}`)
	for _, tt := range []struct {
		in   string
		data []string
		want bool
	}{
		{`[file:name='a'] AND [file:name='b']`, one, true},
		{`[file:name='a'] AND [file:name='b']`, []string{both}, false},
		{`[file:name='a'] OR [file:name='b']`, []string{both}, true},
		{`[file:name='a'] AND [file:name='b']`, []string{both, a}, true},
		{`[file:name='a'] AND [file:name='a'] AND [file:name='a']`, one, false},
		{`[file:name='a'] REPEATS 2 TIMES`, one, true},
		{`[file:name='a'] REPEATS 3 TIMES`, one, false},
		{`[file:name='a'] REPEATS 5 TIMES`, []string{five}, true},
		{`[file:name='a'] REPEATS 6 TIMES`, []string{five}, false},
		{`[file:name='a'] REPEATS 7 TIMES`, append(one, five), true},
		{`[file:name='a'] REPEATS 999999999999999999 TIMES`, one, false},
		{`[file:name='a'] FOLLOWEDBY [file:name='b']`, one, true},
		{`[file:name='b'] FOLLOWEDBY [file:name='a']`, one, true},
		{`[file:name='c'] FOLLOWEDBY [file:name='b']`, one, false},
		{`[file:name='c'] FOLLOWEDBY [file:name='a']`, one, true}, // the same instant will do
		{`[file:name='a'] FOLLOWEDBY [file:name='c'] FOLLOWEDBY [file:name='a']`, one, true},
		{`[file:name='a'] FOLLOWEDBY [file:name='b'] REPEATS 2 TIMES`, one, false},
		{`[file:name='b'] FOLLOWEDBY [file:name='a'] REPEATS 2 TIMES`, one, false},
		{`[file:name='a'] FOLLOWEDBY ([file:name='b'] FOLLOWEDBY [file:name='c'])`, one, true},
		{`([file:name='a'] AND [file:name='b']) WITHIN 10 SECONDS`, one, false}, // less than ten
		{`([file:name='a'] AND [file:name='b']) WITHIN 10.0000001 SECONDS`, one, true},
		{`([file:name='a'] AND [file:name='b'] AND [file:name='c']) WITHIN 10 SECONDS`, one, false},
		{`([file:name='a'] AND [file:name='b'] AND [file:name='c']) WITHIN 11 SECONDS`, one, true},
		{`[file:name='a'] REPEATS 2 TIMES WITHIN 20 SECONDS`, one, false},
		{`[file:name='a'] REPEATS 2 TIMES WITHIN 21 SECONDS`, one, true},
		{`[file:name='a'] WITHIN 1 SECONDS REPEATS 2 TIMES`, one, true},
		{`([file:name='a'] WITHIN 1 SECONDS) REPEATS 2 TIMES`, one, true},
		{`([file:name='a' OR file:name = 'b'] REPEATS 2 TIMES WITHIN 11 SECONDS) REPEATS 2 TIMES`, one, false},
		{`([file:name IN ('a','b','c')] REPEATS 2 TIMES WITHIN 11 SECONDS) REPEATS 2 TIMES`, one, true},
		{`([file:name IN ('a','b','c')] REPEATS 2 TIMES WITHIN 1 SECONDS) REPEATS 2 TIMES`, one, false},
		{`[file:name='a'] START t'2026-01-02T03:04:10Z' STOP t'2026-01-02T03:04:30Z'`, one, true},
		{`[file:name='a'] REPEATS 2 TIMES START t'2026-01-02T03:04:10Z' STOP t'2026-01-02T03:04:30Z'`, one, false},
		{`[file:name='a'] REPEATS 2 TIMES START t'2026-01-02T03:04:10Z' STOP t'2026-01-02T03:04:30.001Z'`, one, true},
		{`([file:name='w'] FOLLOWEDBY [file:name='a']) WITHIN 1 SECONDS`, append(one, wide), true},
		{`[file:name='c'] FOLLOWEDBY [file:name='w'] FOLLOWEDBY [file:name='b']`, append(one, wide), false},
		{`([file:name='a'] FOLLOWEDBY [file:name='w'] FOLLOWEDBY [file:name='b']) START t'2026-01-02T03:04:00Z' STOP t'2026-01-02T03:04:59Z'`, append(one, wide), true},
		// One observation has one time: not late for the one and early for the other.
		{`([file:name='w'] AND [file:name='a']) WITHIN 1 SECONDS`, append(one, wide), true},
		{`([file:name='b'] FOLLOWEDBY [file:name='w'] FOLLOWEDBY [file:name='c']) WITHIN 11 SECONDS`, append(one, wide), true},
		{`([file:name='b'] AND [file:name='a']) AND [file:name='a'] OR [file:name='q']`, one, true},
		{`([file:name='b'] AND [file:name='q']) OR ([file:name='c'] FOLLOWEDBY [file:name='a'])`, one, true},
		{`(([file:name='a'] AND [file:name='b']) OR [file:name='c']) REPEATS 2 TIMES`, one, true},
		{`(([file:name='a'] AND [file:name='b']) OR [file:name='c']) REPEATS 3 TIMES`, one, false},
		{`([file:name='a'] FOLLOWEDBY [file:name IN ('b','c')]) REPEATS 2 TIMES`, one, true},
		{`([file:name='a'] FOLLOWEDBY [file:name='b']) REPEATS 2 TIMES`, one, false},
	} {
		if got := mustMatch(t, tt.in, collect(t, tt.data...)); got.Matched != tt.want {
			t.Errorf("%s: %v, want %v", tt.in, got, tt.want)
		}
	}
}

func TestAMatchSaysWhatItBound(t *testing.T) {
	obs := collect(t, at(1, 10, "a"), at(2, 20, "b"), at(3, 30, "a"), at(4, 40, "c"))
	p, err := pattern.Parse(`[file:name='b'] FOLLOWEDBY ([file:name='x'] OR [file:name='a'])`)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Match(obs, pattern.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := pattern.Result{Matched: true, Bound: []pattern.Bound{{Test: 0, Observation: 1, Count: 1}, {Test: 2, Observation: 2, Count: 1}}}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"[file:name = 'b']", "[file:name = 'x']", "[file:name = 'a']"}, p.Tests()); d != "" {
		t.Error(d)
	}
	for in, want := range map[string][][]int{
		`[file:name='a']`:                            {{0}, {2}},
		`[file:name='a'] OR [file:name='c']`:         {{0}, {2}, {3}},
		`[file:name='a'] AND [file:name!='a']`:       {{0, 1}, {2, 3}},
		`[file:name='a'] FOLLOWEDBY [file:name='c']`: {{0, 3}},
		`[file:name='q']`:                            nil,
	} {
		p, err := pattern.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		all, err := p.MatchAll(obs, pattern.Limits{})
		var got [][]int
		for _, r := range all {
			var one []int
			for _, b := range r.Bound {
				one = append(one, b.Observation)
			}
			got = append(got, one)
		}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", in, err, d)
		}
	}
}

func TestObservationsAreMadeOfWhatIsThere(t *testing.T) {
	const od = `{"type":"observed-data","id":"observed-data--1","modified":"2026-01-02T00:00:00Z","number_observed":1,"first_observed":"2026-01-02T03:04:05Z","last_observed":"2026-01-02T03:04:05Z",`
	objects := []string{
		`{"type":"domain-name","id":"domain-name--1","value":"a.example","resolves_to_refs":["ipv4-addr--1","ipv4-addr--2"]}`,
		`{"type":"ipv4-addr","id":"ipv4-addr--1","value":"192.0.2.1"}`,
		`{"type":"ipv4-addr","id":"ipv4-addr--2","value":"192.0.2.2"}`,
		od + `"object_refs":["domain-name--1","ipv4-addr--1"]}`,
		strings.Replace(od, "02T00", "01T00", 1) + `"object_refs":["ipv4-addr--2"]}`, // an older version
		`{"type":"domain-name","id":"domain-name--2","value":"b.example","resolves_to_refs":["ipv4-addr--2"]}`,
		strings.Replace(od, "data--1", "data--2", 1) + `"revoked":true,"object_refs":["domain-name--1","ipv4-addr--1"]}`,
		`{"type":"indicator","id":"indicator--1","created":"2026-01-02T03:04:05Z"}`,
	}
	obs := collect(t, objects...)
	var ids []string
	for _, o := range obs {
		ids = append(ids, o.ID)
	}
	if d := cmp.Diff([]string{"observed-data--1", "ipv4-addr--2", "domain-name--2"}, ids); d != "" {
		t.Error(d)
	}
	for in, want := range map[string]bool{
		`[domain-name:resolves_to_refs[0].value = '192.0.2.1']`:                                      true,
		`[domain-name:resolves_to_refs[*].value = '192.0.2.2' AND domain-name:value = 'a.example']`:  false, // not in object_refs (§9.7.4)
		`[domain-name:resolves_to_refs[*].value = '192.0.2.2' AND domain-name:value = 'b.example']`:  true,
		`[ipv4-addr:value = '192.0.2.2'] REPEATS 2 TIMES`:                                            false,
		`[ipv4-addr:value = '192.0.2.2'] AND [domain-name:value = 'b.example']`:                      true,
		`[ipv4-addr:value = '192.0.2.2'] FOLLOWEDBY [domain-name:value = 'a.example']`:               false, // no time is known
		`[ipv4-addr:value = '192.0.2.2'] START t'2016-01-01T00:00:00Z' STOP t'2036-01-01T00:00:00Z'`: false,
	} {
		if got := mustMatch(t, in, obs).Matched; got != want {
			t.Errorf("%s: %v, want %v", in, got, want)
		}
	}
}

func TestWhatIsNoObservationIsRefused(t *testing.T) {
	for in, says := range map[string]string{
		`{`:                  "not strict JSON",
		`[]`:                 "want a STIX object",
		`{"a":1,"a":2}`:      "duplicate",
		`{"type":"bundle"}`:  "a bundle is not an object",
		`{"type":"file"} {}`: "something follows",
		observed(0, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", `{}`):                                         "from 1 to 999999999",
		observed(1000000000, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", `{}`):                                "from 1 to 999999999",
		observed(1, "2026-01-02T03:04:06Z", "2026-01-02T03:04:05Z", `{}`):                                         "before first_observed",
		observed(1, "2026-01-02", "2026-01-02T03:04:05Z", `{}`):                                                   "timestamps",
		`{"type":"observed-data","first_observed":"2026-01-02T03:04:05Z","last_observed":"2026-01-02T03:04:05Z"}`: "number_observed",
		strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65):                                               "deeper than 64",
	} {
		var c pattern.Collection
		err := c.Add([]byte(in))
		if !errors.Is(err, accord.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("Add(%.60s): %v, want %q", in, err, says)
		}
	}
}

func TestHostileSearchesEndWithALimit(t *testing.T) {
	var data []string
	for i := range 60 {
		data = append(data, at(i, i, string(rune('a'+i%20))))
	}
	obs := collect(t, data...)
	// More expressions than observations: no search at all is needed.
	p, err := pattern.Parse(strings.Repeat("[file:name LIKE '%'] AND ", 60) + "[file:name LIKE '%']")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Match(obs, pattern.Limits{Steps: 1 << 20}); err != nil || r.Matched {
		t.Errorf("pigeons: %v %v", r, err)
	}
	p, _ = pattern.Parse(`[file:name LIKE '` + strings.Repeat("%a", 1000) + `']`)
	if _, err := p.Match(obs, pattern.Limits{Steps: 10}); !errors.Is(err, pattern.ErrLimit) {
		t.Errorf("ten steps: %v", err)
	}
	p, _ = pattern.Parse(`([file:name='a'] FOLLOWEDBY [file:name='b']) REPEATS 1000000 TIMES`)
	if _, err := p.Match(obs, pattern.Limits{}); !errors.Is(err, pattern.ErrLimit) || !strings.Contains(err.Error(), "1024") {
		t.Errorf("a million copies: %v", err)
	}
	// A path that doubles what it looks at with each step.
	both := `{"type":"directory","contains_refs":["0","1"]}`
	obs = collect(t, observed(1, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", `{"0":`+both+`,"1":`+both+`}`))
	p, _ = pattern.Parse(`[directory:contains_refs[*]` + strings.Repeat(".contains_refs[*]", 60) + `.path = 'x']`)
	if _, err := p.Match(obs, pattern.Limits{Steps: 1 << 20}); !errors.Is(err, pattern.ErrLimit) {
		t.Errorf("2 to the 60th paths: %v", err)
	}
}

func TestOnePatternMatchesInManyPlacesAtOnce(t *testing.T) {
	p, err := pattern.Parse(`([file:name = 'a'] FOLLOWEDBY [file:name MATCHES 'b$']) WITHIN 60 SECONDS`)
	if err != nil {
		t.Fatal(err)
	}
	obs := collect(t, at(1, 10, "a"), at(2, 20, "b"))
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if r, err := p.Match(obs, pattern.Limits{}); err != nil || !r.Matched {
				t.Errorf("%v %v", r, err)
			}
		})
	}
	g.Wait()
}
