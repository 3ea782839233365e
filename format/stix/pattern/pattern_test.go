// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
	"accord/format/stix/pattern"
)

// valid are patterns of STIX 2.1 §9 and of STIX 2.0, each with the form it is
// printed in ("" when it is printed as it stands).
var valid = []struct{ in, out string }{
	{`[ipv4-addr:value = '198.51.100.1/32']`, ""},
	{`[ipv4-addr:value = '198.51.100.1/32' OR ipv4-addr:value = '203.0.113.33/32'] REPEATS 5 TIMES`, ""},
	{`([ipv4-addr:value = '198.51.100.5'] FOLLOWEDBY [ipv4-addr:value = '198.51.100.10']) WITHIN 300 SECONDS`, ""},
	{`[file:name = 'foo.dll'] START t'2016-06-01T00:00:00Z' STOP t'2016-07-01T00:00:00Z'`, ""},
	{`[file:name = 'foo.dll'] START '2016-06-01T00:00:00Z' STOP '2016-07-01T00:00:00Z'`, `[file:name = 'foo.dll'] START t'2016-06-01T00:00:00Z' STOP t'2016-07-01T00:00:00Z'`},
	{`[file:size = 25536]`, ""},
	{`[file:size > -1 AND file:size <= 9223372036854775807]`, ""},
	{`[file:size = +5]`, `[file:size = 5]`},
	{`[file:size <> 1 OR file:size == 2]`, `[file:size != 1 OR file:size = 2]`},
	{`[type-a:property-j = 'W' AND type-a:property-k = 'X' OR type-a:property-l = 'Z']`, `[type-a:'property-j' = 'W' AND type-a:'property-k' = 'X' OR type-a:'property-l' = 'Z']`},
	{`[(type-a:j = 'W' AND type-a:k = 'X') OR (type-b:m = 'Y' AND type-b:n = 'Z')]`, `[type-a:j = 'W' AND type-a:k = 'X' OR type-b:m = 'Y' AND type-b:n = 'Z']`},
	{`[(a-a:x = 1 OR a-a:y = 2) AND a-a:z = 3]`, ""},
	{`[artifact:payload_bin = b'dGhpcyBpcyBhIHRlc3Q=']`, ""},
	{`[artifact:payload_bin = h'7468697320697320612074657374']`, ""},
	{"[artifact:payload_bin = b'dGhpcyBp\ncyBhIHRlc3Q=']", `[artifact:payload_bin = b'dGhpcyBpcyBhIHRlc3Q=']`},
	{`[email-message:from_ref.value MATCHES '.+\\@example\\.com$' AND email-message:body_multipart[*].body_raw_ref.name MATCHES '^Final Report.+\\.exe$']`, ""},
	{`[file:hashes.'SHA-256' = 'bf07' OR file:hashes.MD5 = 'cead'] AND [file:hashes.'SHA-256' = 'aec0']`, ""},
	{`[file:hashes.SHA-256 = 'bf07']`, `[file:hashes.'SHA-256' = 'bf07']`},
	{`[file:extensions.'windows-pebinary-ext'.sections[*].entropy > 7.0]`, ""},
	{`[file:mime_type = 'image/bmp' AND file:magic_number_hex = h'ffd8']`, ""},
	{`[network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = 'example.com'] REPEATS 5 TIMES WITHIN 1800 SECONDS`, ""},
	{`[network-traffic:dst_ref.value ISSUBSET '2001:0db8:dead:beef:0000:0000:0000:0000/64']`, ""},
	{`[ipv4-addr:value NOT ISSUPERSET '198.51.100.0/27']`, ""},
	{`[(file:name = 'pdf.exe' OR file:size = 371712) AND file:created = t'2014-01-13T07:03:17Z']`, ""},
	{
		`[process:command_line MATCHES '^.+>-add GlobalSign.cer -c -s -r localMachine Root$'] FOLLOWEDBY [process:command_line MATCHES'^.+>-add GlobalSign.cer -c -s -r localMachineTrustedPublisher$'] WITHIN 300 SECONDS`,
		`[process:command_line MATCHES '^.+>-add GlobalSign.cer -c -s -r localMachine Root$'] FOLLOWEDBY [process:command_line MATCHES '^.+>-add GlobalSign.cer -c -s -r localMachineTrustedPublisher$'] WITHIN 300 SECONDS`,
	},
	{
		`([file:name = 'foo.dll'] AND [windows-registry-key:key = 'HKEY_LOCAL_MACHINE\\foo\\bar']) OR [process:image_ref.name = 'fooproc' OR process:image_ref.name = 'procfoo']`,
		`[file:name = 'foo.dll'] AND [windows-registry-key:key = 'HKEY_LOCAL_MACHINE\\foo\\bar'] OR [process:image_ref.name = 'fooproc' OR process:image_ref.name = 'procfoo']`,
	},
	{`[a-a:x = 1] FOLLOWEDBY ([a-a:y = 2] FOLLOWEDBY [a-a:z = 3])`, ""},
	{`([a-a:x = 1] FOLLOWEDBY [a-a:y = 2]) FOLLOWEDBY [a-a:z = 3]`, `[a-a:x = 1] FOLLOWEDBY [a-a:y = 2] FOLLOWEDBY [a-a:z = 3]`},
	{`[a-a:x = 1] AND ([a-a:y = 2] OR [a-a:z = 3])`, ""},
	{`(([a-a:x = 1] REPEATS 2 TIMES) REPEATS 3 TIMES) REPEATS 4 TIMES`, `(([a-a:x = 1] REPEATS 2 TIMES) REPEATS 3 TIMES) REPEATS 4 TIMES`},
	{`[EXISTS windows-registry-key:values]`, ""},
	{`[NOT EXISTS windows-registry-key:values]`, ""},
	{`[exists:value = 1 AND exists:not = 2]`, ""},
	{`[process:name NOT IN ('proccy', 'proximus', 'badproc')]`, ""},
	{`[process:name IN ()]`, ""},
	{`[process:pid IN (1, 2.5)]`, ""},
	{`[process:is_hidden = TRUE]`, `[process:is_hidden = true]`},
	{`[directory:path LIKE 'C:\\Windows\\%\\foo']`, ""},
	{`[file:name NOT = 'it\'s']`, ""},
	{"[ file:name\u00a0=\t'x' ] // a note\n/* and another */", `[file:name = 'x']`},
	{`[x-usb-device:usbdrive.serial_number = '5758']`, ""},
	{`["domain-name":"value" = 'example.com']`, `[domain-name:value = 'example.com']`},
	{`[network-traffic:protocols[0] = 'tcp']`, ""},
	{`[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'x']`, ""},
	{`[file:size = .5] within 0.5 seconds`, `[file:size = .5] WITHIN 0.5 SECONDS`},
}

func TestValidPatternsAreReadAndPrinted(t *testing.T) {
	for _, tt := range valid {
		want := tt.out
		if want == "" {
			want = tt.in
		}
		p, err := pattern.Parse(tt.in)
		if err != nil {
			t.Errorf("Parse(%s): %v", tt.in, err)
			continue
		}
		if got := p.String(); got != want {
			t.Errorf("Parse(%s).String()\n got %s\nwant %s", tt.in, got, want)
		}
		again, err := pattern.Parse(want)
		if err != nil || again.String() != want {
			t.Errorf("Parse(%s) again: %v, %v", want, again, err)
		}
	}
}

// invalid are texts that are refused, at a byte and with words.
var invalid = []struct {
	in     string
	offset int
	says   string
}{
	{``, 0, `want "[" or "("`},
	{`[`, 1, "object path"},
	{`[]`, 1, "object path"},
	{`[a:b = 1`, 8, `want "]"`},
	{`[a:b = 1] [c:d = 2]`, 10, "AND, OR, FOLLOWEDBY"},
	{`[a:b = 1] OR`, 12, `want "["`},
	{`[a:b == ]`, 8, "want a constant"},
	{`[a = 1]`, 3, `want ":"`},
	{`[a: = 1]`, 4, "property name"},
	{`[a:b.1 = 1]`, 4, "comparison operator"},
	{`[a:b ; 1]`, 5, "has no meaning here"},
	{`[a:b = 'x]`, 7, "not closed"},
	{`[a:b = 'x\y']`, 9, "escape"},
	{`[a:b = h'abc']`, 7, "hexadecimal"},
	{`[a:b = b'@@']`, 7, "base64"},
	{`[a:b = t'2016-13-01T00:00:00Z']`, 7, "timestamp"},
	{`[a:b = t'2016-01-01t00:00:00Z']`, 7, "timestamp"},
	{`[a:b = t'2016-01-01T00:00:00+01:00']`, 7, "timestamp"},
	{`[a:b = 007]`, 7, "leading zero"},
	{`[a:b = 9223372036854775808]`, 7, "64 bits"},
	{`[a:b = 12x]`, 7, "neither a number nor a name"},
	{`[a:b > true]`, 7, "order"},
	{`[a:b LIKE 5]`, 10, "want a string"},
	{`[a:b IN (1, 'x')]`, 12, "one type"},
	{`[a:b IN (1 2)]`, 11, `","`},
	{`[a:b[-1] = 1]`, 5, "list index"},
	{`[a:b[x] = 1]`, 5, "list index"},
	{`[a:b ISSUBSET 'nowhere']`, 14, "subnet"},
	{`[domain-name:value = 'a.example' AND ipv4-addr:value = '192.0.2.1']`, 1, "different object types"},
	{`[a:b = 1 AND (c:d = 2 OR e:f = 3)]`, 1, "different object types"},
	{`[a:b = 1] REPEATS 0 TIMES`, 18, "positive integer"},
	{`[a:b = 1] REPEATS 1.5 TIMES`, 18, "positive integer"},
	{`[a:b = 1] WITHIN -5 SECONDS`, 17, "positive number"},
	{`[a:b = 1] WITHIN 5 MINUTES`, 19, "SECONDS"},
	{`[a:b = 1] WITHIN 5 SECONDS WITHIN 6 SECONDS`, 27, "second WITHIN"},
	{`[a:b = 1] START t'2016-01-02T00:00:00Z' STOP t'2016-01-01T00:00:00Z'`, 10, "not after"},
	{`[a:b = 1] START t'2016-01-02T00:00:00Z'`, 39, "STOP"},
	{`[NOT a:b = 1]`, 5, "EXISTS"},
	{`[EXISTS a:b = 1]`, 12, `want "]"`},
	{"[a:b = 1] /* note", 10, "comment"},
	{`[a:b = "x"]`, 7, "want a constant"},
	{`[a:b MATCHES '(']`, 13, "regular expression"},
	{"[a:b = '\xff']", 0, "UTF-8"},
	{strings.Repeat("(", 100) + "[a:b = 1]" + strings.Repeat(")", 100), 64, "deeper"},
	{"[" + strings.Repeat("(", 100) + "a:b = 1" + strings.Repeat(")", 100) + "]", 65, "deeper"},
	{"[a:b IN (1" + strings.Repeat(",1", 9000) + ")]", 16389, "more than"},
	{"[" + manyTypes() + "]", 759, "object types"},
	{strings.Repeat(" ", 65<<10), 64 << 10, "bytes"},
	{`[a:b MATCHES '` + strings.Repeat("x", 5000) + `']`, 13, "at most 4096"},
}

func TestInvalidPatternsAreRefusedWithTheirPlace(t *testing.T) {
	for _, tt := range invalid {
		_, err := pattern.Parse(tt.in)
		var e *pattern.Error
		if !errors.As(err, &e) || !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("Parse(%.60s) = %v, want an Error that is ErrInvalid", tt.in, err)
			continue
		}
		if e.Offset != tt.offset || !strings.Contains(e.Message, tt.says) {
			t.Errorf("Parse(%.60s): at %d: %s; want %q at %d", tt.in, e.Offset, e.Message, tt.says, tt.offset)
		}
		if errors.Is(err, pattern.ErrUnsupported) {
			t.Errorf("Parse(%.60s) is unsupported, want only invalid", tt.in)
		}
	}
}

// manyTypes tests a property of a hundred object types.
func manyTypes() string {
	var parts []string
	for i := range 100 {
		parts = append(parts, fmt.Sprintf("t-%d:x=1", i))
	}
	return strings.Join(parts, " OR ")
}

func TestAnErrorKnowsItsLineAndColumn(t *testing.T) {
	_, err := pattern.Parse("[file:name = 'é'\n  OR é]")
	var e *pattern.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e.Line != 2 || e.Column != 6 || e.Offset != 23 {
		t.Errorf("got line %d column %d byte %d, want 2, 6, 23", e.Line, e.Column, e.Offset)
	}
}

func TestWhatRE2LacksIsNamedAndNotCalledInvalidSTIX(t *testing.T) {
	for in, says := range map[string]string{
		`(?=a)b`:                "look-ahead",
		`(?!a)b`:                "negative look-ahead",
		`(?<=a)b`:               "look-behind",
		`(?<!a)b`:               "negative look-behind",
		`(?>a+)b`:               "atomic group",
		`(a)\\1`:                "back-reference",
		`a*+`:                   "possessive",
		`a{2000}`:               "repeat above 1000",
		`(a{1000}|b{1000}){30}`: "", // refused either as a repeat or as too large
	} {
		_, err := pattern.Parse("[a:b MATCHES '" + in + "']")
		if !errors.Is(err, pattern.ErrUnsupported) || !strings.Contains(err.Error(), says) {
			t.Errorf("MATCHES %s: %v, want unsupported: %s", in, err, says)
		}
	}
	many := "[a:b MATCHES '" + strings.Repeat("(x{900})", 80) + "']"
	if _, err := pattern.Parse(many); !errors.Is(err, pattern.ErrUnsupported) {
		t.Errorf("an expression of 72000 instructions: %v, want unsupported", err)
	}
}

func obs(kv ...string) (out []accord.Observable) {
	for i := 0; i < len(kv); i += 2 {
		out = append(out, accord.Observable{Kind: accord.Kind(kv[i]), Value: kv[i+1]})
	}
	return out
}

func TestObservablesOfAPattern(t *testing.T) {
	md5, sha1 := strings.Repeat("0123456789ABCDEF", 2), strings.Repeat("0123456789", 4)
	for _, tt := range []struct {
		name, in string
		want     []accord.Observable
		atomic   bool
	}{
		{"a domain", `[domain-name:value = 'Login.Example.']`, obs("domain", "login.example"), true},
		{"an address", `[ipv4-addr:value = '192.0.2.1/32']`, obs("ipv4", "192.0.2.1"), true},
		{"a subnet", `[ipv4-addr:value = '192.0.2.7/24']`, obs("cidr", "192.0.2.0/24"), true},
		{"a subset", `[ipv6-addr:value ISSUBSET '2001:0db8::/32']`, obs("cidr", "2001:db8::/32"), true},
		{"IPv6", `[ipv6-addr:value = '2001:0DB8:0:0::1']`, obs("ipv6", "2001:db8::1"), true},
		{"either", `[domain-name:value = 'a.example' OR url:value = 'http://b.example']`, obs("domain", "a.example", "url", "http://b.example/"), true},
		{"either observation", `[domain-name:value = 'a.example'] OR [domain-name:value = 'b.example']`, obs("domain", "a.example", "domain", "b.example"), true},
		{"one of a set", `[domain-name:value IN ('a.example', 'b.example', 'A.example')]`, obs("domain", "a.example", "domain", "b.example"), true},
		{"either, one of them no value", `[domain-name:value = 'a.example' OR file:name = 'x']`, obs("domain", "a.example"), true},
		{"both observations", `[domain-name:value = 'a.example'] AND [domain-name:value = 'b.example']`, obs("domain", "a.example", "domain", "b.example"), false},
		{"one after the other", `[domain-name:value = 'a.example'] FOLLOWEDBY [domain-name:value = 'b.example']`, obs("domain", "a.example", "domain", "b.example"), false},
		{"both of one object", `[file:hashes.MD5 = '` + md5 + `' AND file:name = 'x']`, obs("md5", strings.ToLower(md5)), false},
		{"two hashes of one file", `[file:hashes.MD5 = '` + md5 + `' OR file:hashes.'SHA-1' = '` + sha1 + `']`, obs("md5", strings.ToLower(md5), "sha1", sha1), true},
		{"not", `[domain-name:value != 'a.example']`, nil, false},
		{"not in", `[domain-name:value NOT IN ('a.example')]`, nil, false},
		{"not unequal", `[domain-name:value NOT != 'a.example']`, obs("domain", "a.example"), true},
		{"like", `[domain-name:value LIKE '%.example']`, nil, false},
		{"repeated", `[domain-name:value = 'a.example'] REPEATS 2 TIMES`, obs("domain", "a.example"), false},
		{"repeated once", `[domain-name:value = 'a.example'] REPEATS 1 TIMES WITHIN 5 SECONDS`, obs("domain", "a.example"), true},
		{"in a window", `[domain-name:value = 'a.example'] START t'2016-01-01T00:00:00Z' STOP t'2017-01-01T00:00:00Z'`, obs("domain", "a.example"), false},
		{"address and port", `[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]`, obs("addrport", "192.0.2.1:443"), true},
		{"typed address and port", `[network-traffic:dst_ref.type = 'ipv6-addr' AND network-traffic:dst_ref.value = '2001:db8::1' AND network-traffic:dst_port IN (80, 443)]`, obs("addrport", "[2001:db8::1]:80", "addrport", "[2001:db8::1]:443"), true},
		{"address, port and more", `[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443 AND network-traffic:src_port = 5]`, obs("addrport", "192.0.2.1:443"), false},
		{"both ends", `[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443 AND network-traffic:src_ref.value = '192.0.2.2' AND network-traffic:src_port = 5]`, obs("addrport", "192.0.2.1:443", "addrport", "192.0.2.2:5"), false},
		{"typed name", `[network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = 'c.example']`, obs("domain", "c.example"), true},
		{"wrongly typed", `[network-traffic:dst_ref.type = 'ipv6-addr' AND network-traffic:dst_ref.value = '192.0.2.1']`, obs("ipv4", "192.0.2.1"), false},
		{"sender", `[email-message:from_ref.value = 'Eve@Example.com']`, obs("email", "eve@example.com"), true},
		{"port that is none", `[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 70000]`, nil, false},
		{"address and port as a URL", `[url:value = '192.0.2.1:8080']`, obs("addrport", "192.0.2.1:8080"), true},
		{"malformed values", `[ipv4-addr:value = '300.1.1.1' OR domain-name:value = 'a b' OR file:hashes.MD5 = 'xyz']`, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := pattern.Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			got, atomic := p.Observables()
			if d := cmp.Diff(tt.want, got); d != "" || atomic != tt.atomic {
				t.Errorf("atomic %v, want %v; values (-want +got):\n%s", atomic, tt.atomic, d)
			}
		})
	}
}

func TestNormalise(t *testing.T) {
	for _, tt := range []struct {
		kind     accord.Kind
		in, want string // "" = refused
	}{
		{accord.KindDomain, "EXAMPLE.com.", "example.com"},
		{accord.KindDomain, "_dmarc.under_score.example", "_dmarc.under_score.example"},
		{accord.KindDomain, "bücher.example", "xn--bcher-kva.example"},
		{accord.KindDomain, "BÜCHER。example", "xn--bcher-kva.example"},
		{accord.KindDomain, "xn--BCHER-kva.example", "xn--bcher-kva.example"},
		{accord.KindDomain, "faß.example", "xn--fa-hia.example"},
		{accord.KindDomain, "-x-.example", "-x-.example"},
		{accord.KindDomain, "192.0.2.1", ""},
		{accord.KindDomain, "a..example", ""},
		{accord.KindDomain, "", ""},
		{accord.KindDomain, ".", ""},
		{accord.KindDomain, "a b.example", ""},
		{accord.KindDomain, "a/b.example", ""},
		{accord.KindDomain, "*.example", ""},
		{accord.KindDomain, strings.Repeat("a", 64) + ".example", ""},
		{accord.KindDomain, strings.Repeat("a.", 127) + "example", ""},
		{accord.KindIPv4, "192.0.2.1", "192.0.2.1"},
		{accord.KindIPv4, "::ffff:192.0.2.1", "192.0.2.1"},
		{accord.KindIPv4, "192.0.2.01", ""},
		{accord.KindIPv4, "192.0.2.0/24", ""},
		{accord.KindIPv4, "2001:db8::1", ""},
		{accord.KindIPv6, "2001:DB8::0001", "2001:db8::1"},
		{accord.KindIPv6, "fe80::1%eth0", ""},
		{accord.KindIPv6, "::ffff:192.0.2.1", ""},
		{accord.KindCIDR, "192.0.2.77/24", "192.0.2.0/24"},
		{accord.KindCIDR, "::ffff:192.0.2.0/120", "192.0.2.0/24"},
		{accord.KindCIDR, "::ffff:192.0.2.0/90", ""},
		{accord.KindCIDR, "192.0.2.0/33", ""},
		{accord.KindAddrPort, "192.0.2.1:443", "192.0.2.1:443"},
		{accord.KindAddrPort, "[2001:DB8::1]:443", "[2001:db8::1]:443"},
		{accord.KindAddrPort, "192.0.2.1:0", ""},
		{accord.KindAddrPort, "192.0.2.1:65536", ""},
		{accord.KindURL, "HTTP://Example.COM:80", "http://example.com/"},
		{accord.KindURL, "https://example.com:8443/A?b=C#D", "https://example.com:8443/A?b=C#D"},
		{accord.KindURL, "https://Bücher.example?x", "https://xn--bcher-kva.example/?x"},
		{accord.KindURL, "example.com/x.php", "http://example.com/x.php"},
		{accord.KindURL, " http://192.0.2.1/a ", "http://192.0.2.1/a"},
		{accord.KindURL, "http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"},
		{accord.KindURL, "http://user@Example.com/", "http://user@example.com/"},
		{accord.KindURL, "/path/only", ""},
		{accord.KindURL, "example.com", ""},
		{accord.KindURL, "http://exa mple.com/", ""},
		{accord.KindURL, "http:///x", ""},
		{accord.KindURL, "javascript:alert(1)//", ""},
		{accord.KindEmail, "Eve@EXAMPLE.com", "eve@example.com"},
		{accord.KindEmail, "eve@bücher.example", "eve@xn--bcher-kva.example"},
		{accord.KindEmail, "eve", ""},
		{accord.KindEmail, "a@b@example.com", ""},
		{accord.KindMD5, strings.Repeat("AB", 16), strings.Repeat("ab", 16)},
		{accord.KindMD5, strings.Repeat("ag", 16), ""},
		{accord.KindSHA1, strings.Repeat("0f", 20), strings.Repeat("0f", 20)},
		{accord.KindSHA256, strings.Repeat("0f", 20), ""},
		{accord.KindSHA512, strings.Repeat("0f", 64), strings.Repeat("0f", 64)},
		{accord.KindDomain, "a\x00.example", ""},
		{"colour", "red", ""},
	} {
		got, err := pattern.Normalise(tt.kind, tt.in)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Normalise(%s, %q) = %q, %v; want %q", tt.kind, tt.in, got, err, tt.want)
		}
		if err != nil && !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("Normalise(%s, %q): %v is not ErrInvalid", tt.kind, tt.in, err)
		}
	}
}

// source draws the text of a pattern, not always valid.
func source() *rapid.Generator[string] {
	path := rapid.SampledFrom([]string{"a-a:x", "a-a:'y-y'.z[*]", "a-a:b[0]", "domain-name:value", "file:hashes.MD5"})
	text := rapid.StringMatching(`[a-zé'\\ ]{0,6}`)
	test := rapid.Custom(func(t *rapid.T) string {
		p := path.Draw(t, "path")
		switch rapid.IntRange(0, 5).Draw(t, "test") {
		case 0:
			return "EXISTS " + p
		case 1:
			return p + " IN (1, -2.5)"
		case 2:
			return p + " NOT LIKE " + string(pattern.AppendQuote(nil, text.Draw(t, "text")))
		case 3:
			return p + " >= h'00ff'"
		}
		return p + " = " + string(pattern.AppendQuote(nil, text.Draw(t, "text")))
	})
	var join func(t *rapid.T, leaf func(*rapid.T) string, ops []string, depth int) string
	join = func(t *rapid.T, leaf func(*rapid.T) string, ops []string, depth int) string {
		out := ""
		for i := range rapid.IntRange(1, 3).Draw(t, "n") {
			if i > 0 {
				out += " " + rapid.SampledFrom(ops).Draw(t, "op") + " "
			}
			if depth > 0 && rapid.Bool().Draw(t, "deep") {
				out += "(" + join(t, leaf, ops, depth-1) + ")"
			} else {
				out += leaf(t)
			}
		}
		return out
	}
	return rapid.Custom(func(t *rapid.T) string {
		leaf := func(t *rapid.T) string {
			out := "[" + join(t, func(t *rapid.T) string { return test.Draw(t, "leaf") }, []string{"AND", "OR"}, 2) + "]"
			return out + rapid.SampledFrom([]string{"", "", " REPEATS 2 TIMES", " WITHIN 1.5 SECONDS REPEATS 3 TIMES"}).Draw(t, "qualifier")
		}
		return join(t, leaf, []string{"AND", "OR", "FOLLOWEDBY"}, 3)
	})
}

func TestAPrintedPatternReadsAsTheSame(t *testing.T) {
	read := 0
	rapid.Check(t, func(t *rapid.T) {
		in := source().Draw(t, "pattern")
		p, err := pattern.Parse(in)
		if err != nil {
			return
		}
		read++
		roundTrip(t, p)
	})
	if read < 10 && !testing.Short() {
		t.Errorf("only %d of the drawn patterns were valid", read)
	}
}

// roundTrip checks that Parse of the print is equal in tree, text and values.
func roundTrip(t interface{ Errorf(string, ...any) }, p *pattern.Pattern) {
	text := p.String()
	again, err := pattern.Parse(text)
	if err != nil {
		t.Errorf("the printed pattern %s is refused: %v", text, err)
		return
	}
	if d := cmp.Diff(pattern.Tree(p), pattern.Tree(again), cmp.Exporter(func(reflect.Type) bool { return true })); d != "" {
		t.Errorf("%s reads as another pattern:\n%s", text, d)
	}
	if again.String() != text {
		t.Errorf("%s is printed again as %s", text, again)
	}
	o1, a1 := p.Observables()
	o2, a2 := again.Observables()
	if d := cmp.Diff(o1, o2); d != "" || a1 != a2 {
		t.Errorf("%s: other values:\n%s", text, d)
	}
	for _, o := range o1 {
		if v, err := pattern.Normalise(o.Kind, o.Value); err != nil || v != o.Value {
			t.Errorf("Normalise(%v) = %q, %v: no fixed point", o, v, err)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, tt := range valid {
		f.Add(tt.in)
	}
	f.Add(`[a:b MATCHES '(?=x)(a{1000}){2}']`)
	f.Fuzz(func(t *testing.T, in string) {
		p, err := pattern.Parse(in)
		if err != nil {
			var e *pattern.Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(in) || e.Line < 1 || e.Column < 1 {
				t.Errorf("Parse(%q): %v", in, err)
			}
			return
		}
		if len(p.String()) <= pattern.MaxSize {
			roundTrip(t, p)
		}
	})
}
