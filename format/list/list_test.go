// SPDX-License-Identifier: Apache-2.0

package list_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/format/list"
)

// read renders what a list gives, one line each.
func read(text string, lim list.Limits) []string {
	var got []string
	for row, err := range list.Read(strings.NewReader(text), lim) {
		if err != nil {
			var bad *list.RowError
			if !errors.As(err, &bad) || !errors.Is(err, accord.ErrInvalid) {
				got = append(got, "end: "+err.Error())
				continue
			}
			got = append(got, fmt.Sprintf("%d: refused", bad.Line))
			continue
		}
		s := fmt.Sprintf("%d:", row.Line)
		for _, o := range row.Values {
			s += fmt.Sprintf(" %s %s", o.Kind, o.Value)
		}
		if row.Path != "" {
			s += " path " + row.Path
		}
		for _, more := range []string{row.Category, row.Family, row.Comment} {
			if more != "" {
				s += " | " + more
			}
		}
		got = append(got, s)
	}
	return got
}

func TestReadsWhatFeedsPublish(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{
			"tab separated with header", "type\tvalue\tcategory\tfamily\n" +
				"domain\tBad.Example\tmalware\tsalt\n" +
				"ipv4:port\t192.0.2.1:443\tmalware\tsalt\n" +
				"cidr\t198.51.100.7/24\tsuspicious\tparking\n" +
				"url\t/gate.php\tmalware\tsalt\n" +
				"url\tbad.example/a\tmalware\tsalt\n" +
				"url\thttp://192.0.2.9\tmalware\tsalt\n" +
				"ipv4\t2001:db8::1\tmalware\tsalt\n",
			[]string{
				"2: domain bad.example | malware | salt",
				"3: addrport 192.0.2.1:443 | malware | salt",
				"4: cidr 198.51.100.0/24 | suspicious | parking",
				"5: path /gate.php | malware | salt",
				"6: url http://bad.example/a url https://bad.example/a | malware | salt",
				"7: url http://192.0.2.9/ | malware | salt",
				"8: ipv6 2001:db8::1 | malware | salt",
			},
		},
		{
			"comma separated, quoted, other names", "\ufeff\"first_seen\",\"IOC Value\",\"malware\",\"comment\"\r\n" +
				"\"2026-01-02\",\"hxxps://bad[.]example/x,y\",\"Salt\",\"said \"\"hi\"\"\"\r\n",
			[]string{`2: url https://bad.example/x,y | Salt | said "hi"`},
		},
		{
			"header in a comment", "# made by nobody\n# \"first_seen\",\"dst_ip\",\"port\",\"malware\"\n\"x\",\"192.0.2.4\",\"80\",\"Salt\"\n",
			[]string{"3: ipv4 192.0.2.4 | Salt"},
		},
		{
			"one value a line", "# comment\n\nbad.example\nbad[.]example # why\n192.0.2.1\n2001:db8::/32\n[2001:db8::1]:53\n" +
				"d41d8cd98f00b204e9800998ecf8427e\nDA39A3EE5E6B4B0D3255BFEF95601890AFD80709\nuser[@]bad.example\nhxxp://bad.example/a;b,c\n// more\n",
			[]string{
				"3: domain bad.example", "4: domain bad.example | why", "5: ipv4 192.0.2.1", "6: cidr 2001:db8::/32", "7: addrport [2001:db8::1]:53",
				"8: md5 d41d8cd98f00b204e9800998ecf8427e", "9: sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709", "10: email user@bad.example",
				"11: url http://bad.example/a;b,c",
			},
		},
		{"single column with header", "domain\nbad.example\nx;y.example\n", []string{"2: domain bad.example", "3: refused"}},
		{"hosts file", "127.0.0.1 localhost.example\n0.0.0.0\tbad.example # ad\n", []string{"1: domain localhost.example", "2: domain bad.example"}},
		{"cells without header", "2026-01-02,192.0.2.1,salt\n", []string{"1: ipv4 192.0.2.1"}},
		{
			"bad lines are refused and the rest goes on", "type,value\ndomain,bad.example\ndomain\nregkey,HKLM\ndomain,no_dots here\nmd5,abc\ndomain,good.example\n\xff\nurl,/\n",
			[]string{"2: domain bad.example", "3: refused", "4: refused", "5: refused", "6: refused", "7: domain good.example", "8: refused", "9: refused"},
		},
		{"nothing", "", nil},
		{"no line end", "bad.example", []string{"1: domain bad.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, read(tt.text, list.Limits{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALongLineIsSkippedNotHeld(t *testing.T) {
	long := strings.Repeat("a", 300<<10)
	got := read("a.example\n"+long+"\nb.example\n"+long, list.Limits{Line: 100})
	want := []string{"1: domain a.example", "2: refused", "3: domain b.example", "4: refused"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	name := strings.Repeat("a.", 46) + "example"
	if got := read(name+"\n", list.Limits{Line: len(name)}); len(got) != 1 || got[0] != "1: domain "+name {
		t.Errorf("a line of exactly the limit: %q", got)
	}
}

func TestAReaderErrorEndsTheList(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("a.example\nb.exam"), iotest.ErrReader(io.ErrClosedPipe))
	var last error
	n := 0
	for _, err := range list.Read(broken, list.Limits{}) {
		n, last = n+1, err
	}
	if n != 2 || !errors.Is(last, io.ErrClosedPipe) || errors.Is(last, accord.ErrInvalid) {
		t.Errorf("%d yielded, last %v; want the row and the reader's error", n, last)
	}
}

func TestRefangGivesTheValueBack(t *testing.T) {
	for in, want := range map[string]string{
		"hxxp://a[.]example": "http://a.example", "hXXps[:]//a(dot)example/": "https://a.example/", " a{.}example ": "a.example",
		"u[at]a.example": "u@a.example", "[2001:db8::1]:80": "[2001:db8::1]:80", "hxxp.example": "hxxp.example",
		"192[.]0[.]2[.]1": "192.0.2.1",
	} {
		if got := list.Refang(in); got != want {
			t.Errorf("Refang(%q) = %q, want %q", in, got, want)
		}
	}
}

// dataDir returns the folder of real data, or skips.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ACCORD_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIP: real data not here: set ACCORD_DATA")
	}
	return dir
}

func TestTheRealListIsReadAlmostWhole(t *testing.T) {
	f, err := os.Open(filepath.Join(dataDir(t), "indicators", "maltrail.tsv.gz"))
	if err != nil {
		t.Skip("SKIP: real data not here: ", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, paths, bad := 0, 0, 0
	for row, err := range list.Read(z, list.Limits{}) {
		switch {
		case err != nil:
			if bad++; bad <= 10 {
				t.Log(err)
			}
		case row.Path != "":
			paths++
		}
		rows++
	}
	t.Logf("%d rows, %d of them paths alone, %d refused", rows, paths, bad)
	if rows < 1_000_000 || bad*1000 > rows {
		t.Errorf("%d of %d rows refused, want under one in a thousand", bad, rows)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"type,value\ndomain,bad.example\n", "bad[.]example # x\n", "\"a\",\"b\n", "#ip,url\n192.0.2.1,x", "[2001:db8::1]:53\n", "0.0.0.0 a.example\r\n\xff\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := strings.Count(s, "\n") + 1
		last := 0
		for row, err := range list.Read(strings.NewReader(s), list.Limits{Line: 256}) {
			if err == nil {
				if (len(row.Values) == 0) == (row.Path == "") {
					t.Fatalf("row %+v: want values or a path", row)
				}
				if row.Line <= last || row.Line > lines {
					t.Fatalf("line %d after %d of %d", row.Line, last, lines)
				}
				last = row.Line
			}
		}
	})
}
