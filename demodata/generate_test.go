// SPDX-License-Identifier: Apache-2.0

package demodata_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"accord/demodata"
)

var update = flag.Bool("update", false, "write the sample files anew")

// made is every file and who makes it.
var made = map[string]func() []byte{
	demodata.Bundle21: bundle21, demodata.Bundle20: bundle20, demodata.Event: event,
	demodata.Indicators: indicators, demodata.DNSLog: dnsLog, demodata.DNSJSON: dnsJSON,
	demodata.Warning: warning, demodata.Critical: critical, demodata.Techniques: techniques,
}

func TestTheSampleFilesAreWhatTheGeneratorMakes(t *testing.T) {
	for name, make := range made {
		want := make()
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := demodata.FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what is made: go test ./demodata -update", name)
		}
	}
}

// Whatever looks like a name must end in a reserved top-level domain, and
// whatever looks like an address must be one for documentation.
func TestTheSampleNamesNobodyReal(t *testing.T) {
	name := regexp.MustCompile(`[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.[A-Za-z]{2,}`)
	address := regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`)
	reserved := regexp.MustCompile(`(?i)\.(example|test|invalid)$`)
	file := regexp.MustCompile(`(?i)\.(json|tsv|log|txt|dll|exe|docx|elf|php|bin|js|orig|resp|warninglist|py|zip|jpg|io|ps)$|^hashes\.|^id\.|value$|type$|stix|dst_|src_|opensource`)
	for f := range made {
		b, err := demodata.FS.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range name.FindAllString(string(b), -1) {
			if !reserved.MatchString(n) && !file.MatchString(n) && !strings.Contains(n, "_") {
				t.Errorf("%s: %q is not under a reserved name", f, n)
			}
		}
		for _, a := range address.FindAllString(string(b), -1) {
			if !strings.HasPrefix(a, "192.0.2.") && !strings.HasPrefix(a, "198.51.100.") && !strings.HasPrefix(a, "203.0.113.") {
				t.Errorf("%s: %q is no documentation address", f, a)
			}
		}
	}
}

// object is a JSON object; its names are written in alphabetical order.
type object map[string]any

// id returns the identifier of the object of that type and name.
func id(typ, name string) string { return typ + "--" + bare(typ+"/"+name) }

func bare(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://accord.example/demodata/"+name)).String()
}

func pretty(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}

// The markings used: ids of TLP 1 (STIX 2.1 §7.2.1.4) and of TLP 2.0.
var marking = map[string]string{
	"white1": "613f2e26-407d-48c7-9eca-b8e91df99dc9", "green1": "34098fce-860f-48ae-8e50-ebd3cc5e41da",
	"amber1": "f88d31f6-486f-44da-b317-01333bde0b82", "red1": "5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
	"clear": "94868c89-83c2-464b-929b-a1a8aa3c8487", "green": "bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
	"amber": "55d920b0-5e8b-4f79-9ee9-91f868d9b421", "strict": "939a9414-2ddd-4d32-a0cd-375ea402b003",
	"red": "e828b379-4e03-4974-9ac4-e53a884c97c1",
}

func marked(tlp string) []string { return []string{"marking-definition--" + marking[tlp]} }

const (
	born    = "2026-02-03T08:00:00.000Z"
	changed = "2026-02-10T09:30:00.000Z"
)

// words make names that are clearly nobody's.
var words = []string{
	"amber", "anchor", "basalt", "beacon", "birch", "bramble", "canal", "cedar", "cinder", "cobalt", "copper", "coral", "delta", "drift", "ember",
	"fjord", "flint", "gannet", "granite", "gravel", "harbour", "hazel", "heron", "indigo", "iron", "ivory", "juniper", "kelp", "lagoon", "lantern",
	"larch", "linen", "maple", "marble", "marsh", "mica", "moss", "nectar", "ochre", "onyx", "otter", "pebble", "pewter", "pine", "plover",
	"quartz", "quay", "raven", "reed", "river", "rook", "rust", "saffron", "sage", "salt", "sand", "slate", "sorrel", "spruce", "tarn",
	"thistle", "tide", "timber", "topaz", "umber", "velvet", "walnut", "wharf", "willow", "wren", "yarrow", "zephyr",
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 20260203)) }

// site returns a name under a reserved top-level domain.
func site(r *rand.Rand) string {
	tld := []string{"example", "test", "invalid"}[r.IntN(3)]
	name := words[r.IntN(len(words))] + "-" + words[r.IntN(len(words))]
	if r.IntN(2) == 0 {
		name += fmt.Sprint(r.IntN(90) + 10)
	}
	if r.IntN(3) == 0 {
		name = []string{"cdn", "gate", "mail", "login", "update", "static"}[r.IntN(6)] + "." + name
	}
	return name + "." + tld
}

func hexString(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[r.IntN(16)]
	}
	return string(b)
}

// badAddress returns an address that the lists call bad; clients and harmless
// servers are elsewhere (see client).
func badAddress(r *rand.Rand) string {
	switch r.IntN(3) {
	case 0:
		return fmt.Sprintf("192.0.2.%d", 1+r.IntN(254))
	case 1:
		return fmt.Sprintf("203.0.113.%d", 1+r.IntN(254))
	}
	return fmt.Sprintf("198.51.100.%d", 128+r.IntN(126))
}

// indicators makes the list.
func indicators() []byte {
	r := random(1)
	families := []string{"tidehook", "lampblack", "greyheron", "saltlamp", "quietpipe", "parking", "kelpie"}
	ports := []int{80, 443, 8080, 8443, 4444, 1337}
	seen := map[string]bool{}
	var b bytes.Buffer
	b.WriteString("type\tvalue\tcategory\tfamily\n")
	add := func(n int, typ string, value func() string) {
		for n > 0 {
			v := value()
			if seen[v] {
				continue
			}
			seen[v] = true
			n--
			category := []string{"malware", "malware", "malicious", "suspicious"}[r.IntN(4)]
			fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", typ, v, category, families[r.IntN(len(families))])
		}
	}
	add(1400, "domain", func() string { return site(r) })
	add(120, "ipv4", func() string { return badAddress(r) })
	add(20, "ipv6", func() string { return fmt.Sprintf("2001:db8:bad:%x::%x", 1+r.IntN(60000), 1+r.IntN(60000)) })
	add(150, "ipv4:port", func() string { return fmt.Sprintf("%s:%d", badAddress(r), ports[r.IntN(len(ports))]) })
	add(3, "cidr", func() string { return fmt.Sprintf("203.0.113.%d/28", 16*r.IntN(16)) })
	add(120, "url", func() string {
		return fmt.Sprintf("http://%s/%s/gate%d.php", site(r), words[r.IntN(len(words))], r.IntN(100))
	})
	add(40, "url", func() string { return fmt.Sprintf("%s/%s.bin", site(r), words[r.IntN(len(words))]) })
	add(30, "url", func() string { return fmt.Sprintf("/%s/%s.php", words[r.IntN(len(words))], hexString(r, 6)) })
	add(50, "md5", func() string { return hexString(r, 32) })
	add(50, "sha256", func() string { return hexString(r, 64) })
	return b.Bytes()
}

// listed returns the first n domains of the list.
func listed(n int) []string {
	var out []string
	for line := range strings.Lines(string(indicators())) {
		if f := strings.Split(line, "\t"); f[0] == "domain" && len(out) < n {
			out = append(out, f[1])
		}
	}
	return out
}

// warning makes a MISP warning list.
func warning() []byte {
	return pretty(object{
		"name": "Shared hosts (sample)", "description": "Hosts that many innocent customers share. Fiction.", "version": 20260203, "type": "hostname",
		"matching_attributes": []string{"domain", "hostname", "domain|ip", "url"},
		"list":                []string{"shared-pages.example", "cdn-commons.example", "free-forms.test"},
	})
}

// critical makes a nation's own list.
func critical() []byte {
	return []byte(`# What must never be blocked here, whoever asks. Fiction.
*.gov.example             # the nation's public institutions
*.hospitals.example
power-grid.example
tax-office.example
time.metrology.example    # national time service
198.51.100.53             # the national resolver
198.51.100.0/26           # the ministries' network
2001:db8:c0de::/48
`)
}

func TestTheLogsMeetTheIntelligence(t *testing.T) {
	for _, name := range []string{demodata.DNSLog, demodata.DNSJSON} {
		b, err := demodata.FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range bad() {
			if !bytes.Contains(b, []byte(n)) {
				t.Errorf("%s never asks for %s", name, n)
			}
		}
	}
}
