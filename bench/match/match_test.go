// SPDX-License-Identifier: Apache-2.0

package matchbench

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"accord"
	"accord/match"
)

// data is what every benchmark reads.
type data struct {
	domains []string
	logs    map[string][]byte // "tsv", "json"
	real    bool
}

var load = sync.OnceValue(func() *data {
	for _, dir := range []string{os.Getenv("ACCORD_DATA"), "../../../shared/data"} {
		d, err := realData(dir)
		if err == nil {
			return d
		}
		if !errors.Is(err, os.ErrNotExist) {
			fmt.Fprintln(os.Stderr, "REAL DATA NOT READABLE:", err)
		}
	}
	fmt.Fprintln(os.Stderr, "REAL DATA NOT HERE: set ACCORD_DATA; what follows is measured on made-up logs and names")
	return madeUp()
})

func realData(dir string) (*data, error) {
	if dir == "" {
		return nil, os.ErrNotExist
	}
	d := &data{real: true, logs: map[string][]byte{}}
	list, err := unpack(filepath.Join(dir, "indicators/maltrail.tsv.gz"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(list)) {
		if f := strings.Split(line, "\t"); f[0] == "domain" {
			d.domains = append(d.domains, f[1])
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(d.domains), func(i, j int) { d.domains[i], d.domains[j] = d.domains[j], d.domains[i] })
	for form, files := range map[string][]string{
		"tsv": {"zeek-default/dns.log.gz", "zeek-default/ssl.log.gz"}, "json": {"zeek-json/dns.json.gz", "zeek-json/ssl.json.gz"},
	} {
		for _, file := range files {
			b, err := unpack(filepath.Join(dir, "zeek", file))
			if err != nil {
				return nil, err
			}
			d.logs[form] = append(d.logs[form], b...)
		}
	}
	return d, nil
}

func unpack(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func madeUp() *data {
	r := rand.New(rand.NewPCG(1, 2))
	d := &data{logs: map[string][]byte{}}
	for i := range 200_000 {
		d.domains = append(d.domains, fmt.Sprintf("n%d-%x.example", i, r.Uint32()))
	}
	var tsv, js bytes.Buffer
	tsv.WriteString("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n" +
		"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tquery\tanswers\trejected\n" +
		"#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tvector[string]\tbool\n")
	for i := range 50_000 {
		query := fmt.Sprintf("w%d.quiet%d.test", i, r.IntN(5000))
		if i%1000 == 0 {
			query = "www." + d.domains[i%1000]
		}
		fmt.Fprintf(&tsv, "%d.5\tC%d\t192.0.2.%d\t5000\t198.51.100.53\t53\tudp\t%s\t192.0.2.%d\tF\n", 1767323045+i, i, i%250, query, i%200)
		fmt.Fprintf(&js, `{"_path":"dns","ts":%d.5,"uid":"C%d","id.orig_h":"192.0.2.%d","id.orig_p":5000,"id.resp_h":"198.51.100.53","id.resp_p":53,"proto":"udp","query":%q,"answers":["192.0.2.%d"],"rejected":false}`+"\n",
			1767323045+i, i, i%250, query, i%200)
	}
	d.logs["tsv"], d.logs["json"] = tsv.Bytes(), js.Bytes()
	return d
}

func indexOf(domains []string) *match.Index {
	b := match.NewBuilder(match.NewSalt())
	for i, v := range domains {
		id := fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", i)
		b.Add([]accord.SoughtChange{{ID: id, Sought: []accord.Sought{{
			Observable: accord.Observable{Kind: accord.KindDomain, Value: v}, Indicator: accord.ItemKey{ID: id}, Name: v,
		}}}})
	}
	return b.Index(1)
}

// sizes are how many names are sought.
var sizes = []struct {
	name string
	n    int
}{{"10k", 10_000}, {"100k", 100_000}, {"all", 1 << 30}}

// BenchmarkScan reads each log whole, by match and by the naive way in turn.
func BenchmarkScan(b *testing.B) {
	d := load()
	for _, form := range []string{"tsv", "json"} {
		for _, size := range sizes {
			b.Run(form+"/"+size.name, func(b *testing.B) {
				names := d.domains[:min(size.n, len(d.domains))]
				ix, set, log := indexOf(names), setOf(names), d.logs[form]
				b.SetBytes(int64(len(log)))
				var ours, theirs time.Duration
				var hits, naive int64
				for b.Loop() {
					start := time.Now()
					hits = scan(b, ix, log)
					ours += time.Since(start)
					b.StopTimer()
					start = time.Now()
					naive = decode(log, set)
					theirs += time.Since(start)
					b.StartTimer()
				}
				if hits != naive {
					b.Errorf("match finds %d, the naive way %d", hits, naive)
				}
				b.ReportMetric(float64(hits), "hits")
				b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-decode+map")
				each := ours.Seconds() / float64(b.N)
				if size.n <= 100_000 {
					for _, tool := range []string{"grep", "rg"} {
						if took, ok := tooled(b, tool, names, log); ok {
							b.ReportMetric(took.Seconds()/each, "x-"+tool)
						}
					}
				}
			})
		}
	}
}

func scan(b *testing.B, ix *match.Index, log []byte) int64 {
	st, err := match.Scan(context.Background(), ix, bytes.NewReader(log), match.ScanOptions{}, func(accord.Match) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	return st.Hits
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// decode is the plain way: every record decoded in full, every name looked up in
// a map with its parents.
func decode(log []byte, set map[string]bool) (hits int64) {
	count := func(v string) {
		v = strings.ToLower(strings.TrimSuffix(v, "."))
		if strings.ContainsAny(v, " /@") {
			return
		}
		for {
			if set[v] {
				hits++
			}
			_, up, ok := strings.Cut(v, ".")
			if !ok {
				return
			}
			v = up
		}
	}
	var fields []string
	for line := range bytes.Lines(log) {
		line = bytes.TrimRight(line, "\n")
		rec := map[string]any{}
		switch {
		case bytes.HasPrefix(line, []byte("#fields\t")):
			fields = strings.Split(string(line), "\t")[1:]
			continue
		case line[0] == '#':
			continue
		case line[0] == '{':
			if json.Unmarshal(line, &rec) != nil {
				continue
			}
		default:
			for i, v := range strings.Split(string(line), "\t") {
				rec[fields[i]] = v
			}
		}
		for _, f := range []string{"query", "server_name"} {
			if v, ok := rec[f].(string); ok {
				count(v)
			}
		}
		switch list := rec["answers"].(type) {
		case string:
			for v := range strings.SplitSeq(list, ",") {
				count(v)
			}
		case []any:
			for _, v := range list {
				if s, ok := v.(string); ok {
					count(s)
				}
			}
		}
	}
	return hits
}

// tooled is how long a search tool takes to count the lines that hold any of the
// names: less work than match does, and less right.
func tooled(b *testing.B, tool string, names []string, log []byte) (time.Duration, bool) {
	path, err := exec.LookPath(tool)
	if err != nil {
		b.Logf("SKIP: %s not installed", tool)
		return 0, false
	}
	dir := b.TempDir()
	list, file := filepath.Join(dir, "names"), filepath.Join(dir, "log")
	if os.WriteFile(list, []byte(strings.Join(names, "\n")+"\n"), 0o600) != nil || os.WriteFile(file, log, 0o600) != nil {
		b.Fatal("no room for the files")
	}
	cmd := exec.Command(path, "-c", "-F", "-f", list, file)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		b.Fatalf("%s: %v: %s", tool, err, out)
	}
	return time.Since(start), true
}

// BenchmarkMemory tells the bytes an indicator fills, in the index and in a map.
func BenchmarkMemory(b *testing.B) {
	d := load()
	for b.Loop() {
		ix := indexOf(d.domains)
		b.ReportMetric(float64(ix.Bytes())/float64(ix.Size()), "B/indicator")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	set := make(map[string]accord.ItemKey, len(d.domains))
	for i, n := range d.domains {
		set[n] = accord.ItemKey{ID: fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", i)}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(set)), "B/indicator-map")
}

// BenchmarkApply is how long one new indicator takes to be sought, beside all.
func BenchmarkApply(b *testing.B) {
	d := load()
	ix := indexOf(d.domains)
	n := 0
	for b.Loop() {
		id := fmt.Sprintf("indicator--00000000-0000-4000-9000-%012d", n)
		n++
		ix = ix.Apply([]accord.SoughtChange{{Seq: int64(n), ID: id, Sought: []accord.Sought{{
			Observable: accord.Observable{Kind: accord.KindDomain, Value: fmt.Sprintf("new%d.example", n)}, Indicator: accord.ItemKey{ID: id},
		}}}})
	}
}

// BenchmarkLookup asks for names that are not sought, and for names that are.
func BenchmarkLookup(b *testing.B) {
	d := load()
	ix := indexOf(d.domains)
	for _, tt := range []struct{ name, prefix, suffix string }{{"miss", "www.", ".invalid"}, {"hit", "www.", ""}} {
		b.Run(tt.name, func(b *testing.B) {
			seen := make([]accord.Seen, 4096)
			for i := range seen {
				seen[i].Kind, seen[i].Value = accord.KindDomain, tt.prefix+d.domains[(i*7919)%len(d.domains)]+tt.suffix
			}
			i := 0
			for b.Loop() {
				ix.Lookup(seen[i&4095], func(accord.Sought) {})
				i++
			}
		})
	}
}
