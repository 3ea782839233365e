// SPDX-License-Identifier: Apache-2.0

package protect_test

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"accord"
	"accord/format/warninglist"
	"accord/protect"
)

func lines(all ...string) io.Reader { return strings.NewReader(strings.Join(all, "\n")) }

func observable(s string) accord.Observable {
	k, v, _ := strings.Cut(s, " ")
	return accord.Observable{Kind: accord.Kind(k), Value: v}
}

func TestTheBuiltInListsHold(t *testing.T) {
	n := protect.NewNever().Build()
	for _, s := range []string{
		"domain ", "domain com", "domain ma", "domain gov.ma", "domain co.uk", "domain unheard-of-tld", "domain github.io", "domain s3.amazonaws.com",
		"domain amazonaws.com", "domain compute.amazonaws.com", "domain x.kawasaki.jp", "domain kawasaki.jp",
		"domain localhost", "domain a.localhost", "domain printer.local", "domain x.onion", "domain 1.0.0.10.in-addr.arpa", "domain arpa",
		"domain a.root-servers.net", "domain root-servers.net", "domain pool.ntp.org", "domain 0.pool.ntp.org", "domain dns.google", "domain digicert.com",
		"domain CO.UK.", "domain 192.0.2.1",
		"ipv4 10.0.0.1", "ipv4 127.0.0.1", "ipv4 169.254.169.254", "ipv4 224.0.0.251", "ipv4 255.255.255.255", "ipv4 0.0.0.0", "ipv4 8.8.8.8", "ipv4 100.64.1.1",
		"ipv6 ::1", "ipv6 ::", "ipv6 fe80::1", "ipv6 fd00::1", "ipv6 ff02::1", "ipv6 ::ffff:10.0.0.1", "ipv6 2001:500:2::c",
		"cidr 8.8.0.0/16", "cidr 0.0.0.0/0", "cidr 10.1.0.0/16", "cidr 198.41.0.0/24", "cidr ::/0", "cidr fe80::/64", "cidr nonsense",
		"addrport 8.8.8.8:53", "addrport [::1]:443", "url http://dns.google/", "url https://8.8.8.8", "ipv4 nonsense", "addrport nonsense",
	} {
		if _, held := n.Holds(observable(s)); !held {
			t.Errorf("%s is not held", s)
		}
	}
	for _, s := range []string{
		"domain bad.example", "domain bad.test", "domain example.com", "domain evil.github.io", "domain evil.s3.amazonaws.com", "domain evil.gov.ma",
		"domain evil.ocsp.digicert.com", "domain notdns.google.example", "domain localhost.example",
		"ipv4 192.0.2.1", "ipv4 198.51.100.7", "ipv4 203.0.113.9", "ipv4 8.8.8.9", "ipv6 2001:db8::1", "cidr 192.0.2.0/24", "cidr 2001:db8::/32",
		"addrport 192.0.2.1:443", "url http://dns.google/evil", "url http://bad.example/", "md5 d41d8cd98f00b204e9800998ecf8427e", "email a@bad.example",
	} {
		if list, held := n.Holds(observable(s)); held {
			t.Errorf("%s is held by %q", s, list)
		}
	}
}

func TestDocumentationNamesAreHeldWhenAsked(t *testing.T) {
	n, err := protect.LoadNever(protect.NeverConfig{Documentation: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"domain bad.example", "domain bad.test", "domain www.example.com", "ipv4 192.0.2.1", "ipv6 2001:db8::1"} {
		if list, held := n.Holds(observable(s)); !held || list != "documentation" {
			t.Errorf("%s: %q %v", s, list, held)
		}
	}
}

func TestACriticalNameProtectsItsAncestorsAndNotItsChildren(t *testing.T) {
	b := protect.NewNever()
	if err := b.Critical("national", lines("# ours", "", "Www.Health.Gov.Example.  # the portal", "*.bank.example", "192.0.2.64/26", "2001:db8::53", "bücher.example")); err != nil {
		t.Fatal(err)
	}
	n := b.Build()
	for s, want := range map[string]bool{
		"domain www.health.gov.example": true, "domain health.gov.example": true, "domain gov.example": true,
		"domain evil.www.health.gov.example": false, "domain other.health.gov.example": false, "domain xhealth.gov.example": false,
		"domain bank.example": true, "domain a.bank.example": true, "domain a.b.bank.example": true, "domain xbank.example": false,
		"domain xn--bcher-kva.example": true,
		"ipv4 192.0.2.64":              true, "ipv4 192.0.2.127": true, "ipv4 192.0.2.63": false, "ipv4 192.0.2.128": false,
		"cidr 192.0.2.0/24": true, "cidr 192.0.2.96/28": true, "cidr 192.0.2.0/26": false,
		"ipv6 2001:db8::53": true, "ipv6 2001:db8::54": false, "cidr 2001:db8::/64": true,
	} {
		list, held := n.Holds(observable(s))
		if held != want || held && list != "national" {
			t.Errorf("%s: %q %v, want %v", s, list, held, want)
		}
	}
	if got := n.Allow(); len(got) != 5 || got[0].Value != "www.health.gov.example" || got[0].Under || !got[1].Under {
		t.Errorf("Allow = %v", got)
	}
}

func TestACriticalListThatCannotBeReadIsRefused(t *testing.T) {
	for _, bad := range []string{"two words.example", "http://a.example/", "*.*.example", "a..example", "192.0.2.0/33", "*", "."} {
		if err := protect.NewNever().Critical("national", lines("ok.example", bad)); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", bad, err)
		}
	}
	if _, err := protect.LoadNever(protect.NeverConfig{Critical: []string{filepath.Join(t.TempDir(), "none")}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := protect.LoadNever(protect.NeverConfig{WarningLists: t.TempDir()}); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("empty folder: %v", err)
	}
}

func TestWarningListsHoldByTheirType(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.json":       `{"name":"Dotted","type":"string","matching_attributes":["domain","hostname"],"list":[".shared.example","Other.Example"]}`,
		"b.json":       `{"name":"Hosts","type":"hostname","matching_attributes":["domain"],"list":["www.host.example","192.0.2.9"]}`,
		"c/list.json":  `{"name":"Nets","type":"cidr","matching_attributes":["ip-dst"],"list":["198.51.100.0/25","203.0.113.7","junk"]}`,
		"d.json":       `{"name":"Hashes","type":"string","matching_attributes":["md5"],"list":["D41D8CD98F00B204E9800998ECF8427E"]}`,
		"e.json":       `{"name":"Parts","type":"substring","matching_attributes":["domain","url"],"list":["keyword","abc"]}`,
		"f.json":       `{"name":"Expressions","type":"regex","list":["/.*/"]}`,
		"notalist.txt": `x`,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := protect.LoadNever(protect.NeverConfig{WarningLists: dir})
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]string{
		"domain shared.example": "Dotted", "domain other.example": "Dotted", "domain evil.shared.example": "",
		"domain host.example": "Hosts", "domain www.host.example": "Hosts", "domain evil.www.host.example": "", "ipv4 192.0.2.9": "Hosts",
		"ipv4 198.51.100.1": "Nets", "ipv4 203.0.113.7": "Nets", "ipv4 198.51.100.129": "",
		"md5 d41d8cd98f00b204e9800998ecf8427e": "Hashes", "domain has-keyword.bad.example": "Parts", "url http://bad.example/KEYWORD": "Parts",
		"domain abc.bad.example": "",
	} {
		if list, held := n.Holds(observable(s)); list != want || held != (want != "") {
			t.Errorf("%s: %q %v, want %q", s, list, held, want)
		}
	}
	skipped := map[string]int{}
	for _, l := range n.Lists() {
		skipped[l.Name] = l.Skipped
	}
	if skipped["Nets"] != 1 || skipped["Parts"] != 1 || skipped["Expressions"] != 1 {
		t.Errorf("skipped = %v", skipped)
	}
	if len(n.Allow()) != 0 {
		t.Error("a warning list was taken for the nation's own")
	}
}

// The table is hashes and binary search; the rule, spelled out, is the oracle.
func TestNamesAreHeldAsTheRuleSays(t *testing.T) {
	label := rapid.SampledFrom([]string{"a", "b", "c", "dd", "example1"})
	name := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(append(rapid.SliceOfN(label, 1, 4).Draw(t, "labels"), "example"), ".")
	})
	rapid.Check(t, func(t *rapid.T) {
		critical := rapid.SliceOfN(name, 0, 20).Draw(t, "critical")
		trees := rapid.SliceOfN(name, 0, 3).Draw(t, "trees")
		b := protect.NewNever()
		text := strings.Join(critical, "\n") + "\n"
		for _, tree := range trees {
			text += "*." + tree + "\n"
		}
		if err := b.Critical("national", strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		n := b.Build()
		asked := name.Draw(t, "asked")
		want := false
		for _, c := range append(critical, trees...) {
			want = want || c == asked || strings.HasSuffix(c, "."+asked)
		}
		for _, c := range trees {
			want = want || strings.HasSuffix(asked, "."+c)
		}
		if _, held := n.Holds(domain(asked)); held != want {
			t.Fatalf("%s beside %v and under %v: held %v, want %v", asked, critical, trees, held, want)
		}
	})
}

func TestNetworksAreHeldAsTheRuleSays(t *testing.T) {
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := netip.AddrFrom4([4]byte{203, 0, rapid.SampledFrom([]byte{112, 113}).Draw(t, "c"), rapid.Byte().Draw(t, "d")})
		return netip.PrefixFrom(a, rapid.IntRange(22, 32).Draw(t, "bits")).Masked()
	})
	rapid.Check(t, func(t *rapid.T) {
		listed := rapid.SliceOfN(prefix, 0, 8).Draw(t, "listed")
		b := protect.NewNever()
		var text strings.Builder
		for _, p := range listed {
			fmt.Fprintln(&text, p)
		}
		if err := b.Critical("national", strings.NewReader(text.String())); err != nil {
			t.Fatal(err)
		}
		asked := prefix.Draw(t, "asked")
		want := false
		for _, p := range listed {
			want = want || p.Overlaps(asked)
		}
		if _, held := b.Build().Holds(accord.Observable{Kind: accord.KindCIDR, Value: asked.String()}); held != want {
			t.Fatalf("%s beside %v: held %v, want %v", asked, listed, held, want)
		}
	})
}

func dataDir(t testing.TB) string {
	dir := os.Getenv("ACCORD_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "warninglists")); err != nil {
		t.Skip("SKIP: real data not here: set ACCORD_DATA")
	}
	return dir
}

func TestThePublishedListsHoldInLittleMemory(t *testing.T) {
	dir := dataDir(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, err := protect.LoadNever(protect.NeverConfig{WarningLists: filepath.Join(dir, "warninglists")})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	entries := 0
	for _, l := range n.Lists() {
		entries += l.Entries
	}
	t.Logf("%d entries in %d kB", entries, (int64(after.HeapAlloc)-int64(before.HeapAlloc))/1000)
	if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 20<<20 {
		t.Errorf("%d bytes", used)
	}
	for _, s := range []string{
		"domain weebly.com", "domain whatismyipaddress.com", "domain google.com", "domain microsoft.com", "domain duckdns.org", "ipv4 1.1.1.1", "ipv4 104.16.0.1",
	} {
		if _, held := n.Holds(observable(s)); !held {
			t.Errorf("%s is not held", s)
		}
	}
	for _, s := range []string{"domain evil-c2.duckdns.org", "domain qmxkzjw.weebly.com"} {
		if list, held := n.Holds(observable(s)); held {
			t.Errorf("%s is held by %s: a child of a shared host may be blocked", s, list)
		}
	}
	countHeld(t, n, filepath.Join(dir, "indicators", "maltrail.tsv.gz"))
}

// countHeld logs how much of a real indicator list is held, and by what.
func countHeld(t *testing.T, n *protect.NeverBlock, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	total, by := 0, map[string]int{}
	sc := bufio.NewScanner(zr)
	for sc.Scan() {
		cols := strings.Split(sc.Text(), "\t")
		if len(cols) < 2 || cols[0] != "domain" {
			continue
		}
		total++
		if list, held := n.Holds(domain(cols[1])); held {
			by[list]++
		}
	}
	held := 0
	for _, c := range by {
		held += c
	}
	t.Logf("%d of %d domains held: %v", held, total, by)
	if total > 0 && held*20 > total {
		t.Errorf("%d of %d indicators held: the rule is too wide", held, total)
	}
}

func BenchmarkHolds(b *testing.B) {
	nb := protect.NewNever()
	var entries []string
	for i := range 200_000 {
		entries = append(entries, fmt.Sprintf("host%d.site%d.example", i, i%5000))
	}
	if err := nb.Warning(warninglist.List{Name: "many", Type: warninglist.String, Matching: []string{"domain"}, Entries: entries}); err != nil {
		b.Fatal(err)
	}
	n := nb.Build()
	asked := []accord.Observable{domain("host777.site777.example"), domain("a.b.c.evil.example"), {Kind: accord.KindIPv4, Value: "192.0.2.1"}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n.Holds(asked[i%len(asked)])
	}
}
