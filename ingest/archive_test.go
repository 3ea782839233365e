// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"accord"
	"accord/ingest"
)

// member is one entry of an archive.
type member struct {
	name, text string
	link       bool
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func tarred(members ...member) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o600, Size: int64(len(m.text)), Typeflag: tar.TypeReg}
		if m.link {
			h = &tar.Header{Name: m.name, Linkname: m.text, Typeflag: tar.TypeSymlink}
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if !m.link {
			_, _ = io.WriteString(w, m.text)
		}
	}
	_ = w.Close()
	return out.Bytes()
}

func zipped(members ...member) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		if m.link {
			h.SetMode(0o777 | 1<<27) // fs.ModeSymlink
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(f, m.text)
	}
	_ = w.Close()
	return out.Bytes()
}

func TestArchivesAreOpened(t *testing.T) {
	a, b := member{name: "x/a.txt", text: "a.example\n"}, member{name: "b.csv", text: "type,value\ndomain,b.example\n"}
	for name, bytes := range map[string][]byte{
		"gzip": gzipped([]byte("a.example\nb.example\n")), "tar": tarred(a, b), "tar.gz": gzipped(tarred(a, b)), "zip": zipped(a, b),
	} {
		m := newMemory()
		if r := run(t, ingester(m), "archive", bytes, ingest.Options{}); r.New != 2 || r.Refused != 0 {
			t.Errorf("%s: %v %v", name, r, r.Refusals)
		}
	}
}

func TestHostileEntriesAreRefusedAndTheRestIsRead(t *testing.T) {
	good := member{name: "good.txt", text: "a.example\n"}
	inner := string(gzipped([]byte("x.example\n")))
	for _, tt := range []struct {
		name string
		bad  member
		want string
	}{
		{"climbs out", member{name: "../../etc/cron.d/x", text: "x.example\n"}, "leads out"},
		{"climbs out further in", member{name: "a/../../x", text: "x.example\n"}, "leads out"},
		{"absolute", member{name: "/etc/passwd", text: "x.example\n"}, "leads out"},
		{"backslash", member{name: `..\x`, text: "x.example\n"}, "leads out"},
		{"drive", member{name: `C:x`, text: "x.example\n"}, "leads out"},
		{"link", member{name: "l", text: "/etc/passwd", link: true}, "a link or device"},
		{"gzip inside", member{name: "x.gz", text: inner}, "archive inside an archive"},
		{"zip inside", member{name: "x.zip", text: string(zipped(good))}, "archive inside an archive"},
		{"tar inside", member{name: "x.tar", text: string(tarred(good))}, "archive inside an archive"},
		{"empty", member{name: "e", text: ""}, "empty"},
	} {
		for kind, b := range map[string][]byte{"tar": tarred(tt.bad, good), "tar.gz": gzipped(tarred(tt.bad, good)), "zip": zipped(tt.bad, good)} {
			m := newMemory()
			r := run(t, ingester(m), "archive", b, ingest.Options{})
			if r.New != 1 || r.Refused != 1 || !strings.Contains(r.Refusals[0].Why, tt.want) {
				t.Errorf("%s in %s: %v %v; want the good entry, and a refusal that says %q", tt.name, kind, r, r.Refusals, tt.want)
			}
		}
	}
}

func TestGzipInGzipIsRefused(t *testing.T) {
	m := newMemory()
	r := run(t, ingester(m), "a", gzipped(gzipped([]byte("a.example\n"))), ingest.Options{})
	if r.New != 0 || r.Refused != 1 || !strings.Contains(r.Refusals[0].Why, "archive inside") {
		t.Errorf("%v %v", r, r.Refusals)
	}
}

func TestBombsStopAtTheirLimits(t *testing.T) {
	zeros := strings.Repeat("#", 18<<20)
	for _, tt := range []struct {
		name string
		b    []byte
		lim  ingest.Limits
		want string
	}{
		{"ratio of gzip", gzipped([]byte(zeros)), ingest.Limits{}, "over 200 times its size"},
		{"ratio of tar.gz", gzipped(tarred(member{name: "a", text: zeros})), ingest.Limits{}, "over 200 times its size"},
		{"ratio of zip", zipped(member{name: "a", text: zeros}), ingest.Limits{}, "over 200 times its size"},
		{"size", []byte(zeros), ingest.Limits{Bytes: 1 << 20}, "over 1048576 bytes"},
		{"size of an entry", tarred(member{name: "a", text: zeros}), ingest.Limits{Entry: 1 << 20}, "in one entry"},
		{"many entries", tarred(member{name: "a", text: "a.example"}, member{name: "b", text: "b.example"}), ingest.Limits{Entries: 1}, "too many entries"},
		{"many entries of zip", zipped(member{name: "a", text: "a.example"}, member{name: "b", text: "b.example"}), ingest.Limits{Entries: 1}, "too many entries"},
	} {
		m := newMemory()
		in := ingester(m)
		in.Limits = tt.lim
		r := run(t, in, "bomb", tt.b, ingest.Options{})
		if r.Refused == 0 || !strings.Contains(r.Refusals[0].Why, tt.want) {
			t.Errorf("%s: %v %v; want a refusal that says %q", tt.name, r, r.Refusals, tt.want)
		}
		if tt.lim.Bytes == 0 && strings.HasPrefix(tt.name, "ratio") && r.Bytes > 24<<20 {
			t.Errorf("%s: %d bytes came out before it stopped", tt.name, r.Bytes)
		}
	}
}

func TestAZipFromAStreamIsRefusedWithAdvice(t *testing.T) {
	m := newMemory()
	r, err := ingester(m).Stream(t.Context(), bytes.NewReader(zipped(member{name: "a", text: "a.example"})), "stdin", ingest.Options{})
	if err != nil || r.Refused != 1 || !strings.Contains(r.Refusals[0].Why, "give it as a file") {
		t.Errorf("%v %v %v", r, r.Refusals, err)
	}
}

func FuzzStream(f *testing.F) {
	good := member{name: "a.txt", text: "a.example\n"}
	f.Add(gzipped([]byte("a.example\n")))
	f.Add(tarred(good, member{name: "../x", text: "b.example"}, member{name: "l", text: "x", link: true}))
	f.Add(gzipped(tarred(good)))
	f.Add(zipped(good))
	f.Add([]byte(`{"type":"bundle","objects":[]}`))
	f.Add([]byte(`[{"Event":{}}]`))
	f.Add([]byte("[2001:db8::1]:53\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := ingester(newMemory())
		in.Limits = ingest.Limits{Bytes: 1 << 20, Entries: 10}
		for _, asFile := range []bool{false, true} {
			var r ingest.Report
			var err error
			if asFile {
				r, err = in.File(t.Context(), file(t, "f", b), ingest.Options{})
			} else {
				r, err = in.Stream(t.Context(), bytes.NewReader(b), "f", ingest.Options{})
			}
			if err != nil {
				t.Fatalf("what is read decides a refusal, never an error: %v", err)
			}
			if r.Objects != r.New+r.Updated+r.Same+r.Conflicts {
				t.Fatalf("%v does not add up", r)
			}
			for _, ref := range r.Refusals {
				if ref.Why == "" || strings.ContainsAny(ref.What, "\x00\n\x1b") {
					t.Fatalf("refusal %+q", ref)
				}
			}
		}
	})
}

var (
	_ ingest.Store = (*memory)(nil)
	_ ingest.Never = never(accord.Observable{})
)
