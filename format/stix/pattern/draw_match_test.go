// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"fmt"
	"strings"
)

// oneTime is a scene and a pattern that it satisfies only if its second observation
// has a time before :10 for START … STOP and another after :20 for FOLLOWEDBY.
const oneTimePattern = "[file:name = 'b'] FOLLOWEDBY [file:name = 'w'] START t'2026-01-02T03:04:00Z' STOP t'2026-01-02T03:04:10Z'"

const oneTimeScene = `{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000001","objects":[
{"type":"file","id":"file--00000000-0000-4000-8000-000000000001","name":"b"},{"type":"file","id":"file--00000000-0000-4000-8000-000000000002","name":"w"},
{"type":"observed-data","id":"observed-data--00000000-0000-4000-8000-000000000001","first_observed":"2026-01-02T03:04:20Z",
"last_observed":"2026-01-02T03:04:20Z","number_observed":1,"object_refs":["file--00000000-0000-4000-8000-000000000001"]},
{"type":"observed-data","id":"observed-data--00000000-0000-4000-8000-000000000002","first_observed":"2026-01-02T03:04:00Z",
"last_observed":"2026-01-02T03:04:59Z","number_observed":1,"object_refs":["file--00000000-0000-4000-8000-000000000002"]}]}`

// scene draws a bundle of STIX 2.1: up to five observed-data of a few objects. The
// values are few, so that drawn patterns meet them.
func (g grammar) scene() string {
	var all []string
	for i := range 1 + g.IntN(5) {
		var refs []string
		add := func(kind, properties string) string {
			id := fmt.Sprintf("%s--00000000-0000-4000-8000-%06d%06d", kind, i, len(refs))
			refs = append(refs, `"`+id+`"`)
			all = append(all, fmt.Sprintf(`{"type":%q,"spec_version":"2.1","id":%q%s}`, kind, id, properties))
			return id
		}
		for range 1 + g.IntN(2) {
			g.object(add)
		}
		if g.IntN(8) == 0 {
			refs = refs[:len(refs)-1] // what is not listed may not be followed
		}
		first := g.IntN(40)
		last := first + []int{0, 0, 0, 5, 15}[g.IntN(5)]
		if len(refs) == 0 {
			refs = []string{`"file--00000000-0000-4000-8000-999999999999"`}
		}
		all = append(all, fmt.Sprintf(`{"type":"observed-data","spec_version":"2.1","id":"observed-data--00000000-0000-4000-8000-%012d",`+
			`"created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","first_observed":"2026-01-02T03:04:%02dZ",`+
			`"last_observed":"2026-01-02T03:04:%02d.000Z","number_observed":%d,"object_refs":[%s]}`,
			i, first, last, []int{1, 1, 1, 2, 3}[g.IntN(5)], strings.Join(refs, ",")))
	}
	return `{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000001","objects":[` + strings.Join(all, ",") + "]}"
}

func (g grammar) object(add func(kind, properties string) string) {
	switch g.IntN(4) {
	case 0:
		file := add("file", g.file())
		add("directory", fmt.Sprintf(`,"path":%s,"contains_refs":["file--00000000-0000-4000-8000-999999999999",%q]`, g.one(`"C:\\Windows"`, `"/tmp"`), file))
	case 1:
		src := add("ipv4-addr", `,"value":`+g.one(`"192.0.2.1"`, `"192.0.2.0/28"`, `"198.51.100.7"`, `"192.0.2.1/32"`))
		dst := add("ipv6-addr", `,"value":`+g.one(`"2001:db8::1"`, `"2001:db8::/48"`))
		add("network-traffic", fmt.Sprintf(`,"src_ref":%q,"dst_ref":%q,"protocols":[%s],"dst_port":%s,"is_active":%s`,
			src, dst, g.one(`"tcp"`, `"tcp","http"`, `"udp","tcp"`), g.one("80", "443"), g.one("true", "false")))
	default:
		add("file", g.file())
	}
}

func (g grammar) file() string {
	out := `,"name":` + g.one(`"foo.dll"`, `"foo.exe"`, `"é"`, `"e\u0301"`, `"a\nb"`, `"f"`, `""`)
	for _, p := range []string{
		`,"size":` + g.one("1", "25536", "1.5", "9007199254740993"),
		`,"created":` + g.one(`"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.5Z"`, `"2025-12-31T23:59:59.999Z"`),
		`,"magic_number_hex":` + g.one(`"ffd8"`, `"00"`, `"666f6f"`),
		`,"x_list":` + g.one(`["a","b"]`, `["b"]`, `[]`, `[1,2]`, `["a",null]`),
		`,"x_any":` + g.one(`true`, `1`, `"1"`, `1.0`, `null`, `{}`, `"2026-01-02T03:04:05Z"`, `"yesterday"`),
		`,"x_bin":` + g.one(`"Zm9v"`, `"AA=="`),
		`,"hashes":{"MD5":"cead3f77f6cda6ec00f57d76c9a6879f"}`,
		`,"extensions":{"x-ext":{"sections":[{"entropy":7.5},{"entropy":1}]}}`,
	} {
		if g.IntN(2) == 0 {
			out += p
		}
	}
	return out
}

// asked draws a comparison that a scene may satisfy.
func (g grammar) asked(object string) string {
	not := g.one("", "", "", "", " NOT")
	order := g.one("=", "!=", "<", "<=", ">", ">=")
	tests := map[string][]string{
		"file": {
			"file:name" + not + " " + order + " " + g.one("'foo.dll'", "'é'", "'f'", "''", "h'666f6f2e646c6c'", "5", "t'2026-01-02T03:04:05Z'"),
			"file:name" + not + " LIKE " + g.one("'foo%'", "'%'", "'_'", "'é'", "'a%b'", "'%.d_l'", "''"),
			"file:name" + not + " MATCHES " + g.one("'^foo'", "'a.b'", "'^é$'", "'l+$'", "'^$'"),
			"file:name" + not + " IN " + g.one("('foo.dll', 'f')", "('x')", "()"),
			"file:size" + not + " " + order + " " + g.one("1", "1.0", "25536", "1.5", "9007199254740992", "9007199254740992.0", "'1'"),
			"file:size" + not + " IN " + g.one("(1, 1.5)", "(25536.0)", "(2)", "('1')"),
			"file:created" + not + " " + order + " " + g.one("t'2026-01-02T03:04:05.000Z'", "t'2026-01-02T03:04:05.5Z'", "'2026-01-02T03:04:05Z'"),
			"file:magic_number_hex" + not + " " + order + " " + g.one("h'ffd8'", "b'/9g='", "'ÿØ'", "'foo'", "'€'", "h'00'", "1"),
			"file:magic_number_hex" + not + " " + g.one("MATCHES '^f'", "MATCHES '\\\\xff'", "LIKE 'f%'", "IN (h'ffd8')", "IN ('foo')"),
			"file:x_bin" + not + " " + order + " " + g.one("'foo'", "b'Zm9v'", "h'00'"),
			"file:x_list[*]" + not + " " + order + " " + g.one("'a'", "'b'", "1"),
			"file:x_list" + g.one("[0]", "[1]", "") + not + " " + g.one("=", "!=") + " " + g.one("'a'", "'b'"),
			"file:x_any" + not + " " + order + " " + g.one("1", "'1'", "t'2026-01-02T03:04:05Z'", "1.5"),
			"file:x_any" + not + " " + g.one("= true", "!= true", "IN (1)", "IN (true)", "LIKE '%'"),
			"file:hashes.MD5 = 'cead3f77f6cda6ec00f57d76c9a6879f'",
			"file:extensions.'x-ext'.sections" + g.one("[*]", "[0]", "[1]") + ".entropy" + not + " > 5",
			"EXISTS file:" + g.one("name", "hashes.MD5", "x_list", "x_any", "x_none"),
		},
		"directory": {
			"directory:path" + not + " = 'C:\\\\Windows'",
			"directory:contains_refs" + g.one("[*]", "[0]", "[1]") + ".name" + not + " " + g.one("= 'foo.dll'", "!= 'f'", "LIKE 'foo%'"),
		},
		"network-traffic": {
			"network-traffic:src_ref" + g.one("", ".value", ".type") + not + " " + g.one("= '192.0.2.1'", "!= '192.0.2.1'", "= 'ipv4-addr'"),
			"network-traffic:src_ref.value" + not + " " + g.one("ISSUBSET '192.0.2.0/24'", "ISSUPERSET '192.0.2.0/30'", "ISSUBSET '192.0.2.1'"),
			"network-traffic:src_ref" + not + " LIKE 'ipv4-addr--%'",
			"network-traffic:dst_ref.value" + not + " ISSUBSET '2001:db8::/32'",
			"network-traffic:dst_port" + not + " " + order + " " + g.one("80", "100"),
			"network-traffic:protocols[*]" + not + " = " + g.one("'tcp'", "'udp'"),
			"network-traffic:is_active" + not + " = " + g.one("true", "false", "1"),
		},
		"ipv4-addr": {
			"ipv4-addr:value" + not + " " + g.one("ISSUBSET '192.0.2.0/24'", "ISSUBSET '0.0.0.0/0'", "ISSUPERSET '192.0.2.1'", "= '192.0.2.1'", "LIKE '192.%'", "ISSUBSET '2001:db8::/32'"),
		},
	}
	of := tests[object]
	return of[g.IntN(len(of))]
}

// askedPattern draws a pattern that a scene may satisfy.
func (g grammar) askedPattern(depth int) string {
	var out string
	if depth == 0 || g.IntN(2) == 0 {
		object := g.one("file", "file", "file", "directory", "network-traffic", "ipv4-addr")
		if out = g.asked(object); g.IntN(2) == 0 {
			object, out = "file", g.one("file:name != 'f'", "file:size >= 1", "EXISTS file:hashes")
		}
		for range g.IntN(2) * g.IntN(3) {
			out += " " + g.one("AND", "OR") + " " + g.asked(object)
		}
		out = "[" + out + "]"
	} else {
		out = "(" + g.askedPattern(depth-1) + " " + g.one("AND", "OR", "FOLLOWEDBY") + " " + g.askedPattern(depth-1) + ")"
	}
	if g.IntN(3) == 0 {
		out += g.one(" REPEATS 2 TIMES", " REPEATS 3 TIMES", " WITHIN 5 SECONDS", " WITHIN 10.5 SECONDS", " START t'2026-01-02T03:04:05Z' STOP t'2026-01-02T03:04:20Z'", " REPEATS 2 TIMES WITHIN 5 SECONDS")
	}
	return out
}
