// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"accord"
	"accord/store"
)

// The test binary is also the program: a script's "accord" is this one.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"accord": main})
}

// Each script is one thing that people do with the program, right and wrong.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "free": free, "answers": answers, "deepjson": deepJSON, "zipbomb": zipBomb, "blank": blank,
			"reads": reads, "saves": saves, "edit": edit, "times": times,
			"webdir": webDir, "until": untilSays,
		},
		RequireUniqueNames: true,
	})
}

// exits CODE COMMAND ARG… runs a command and wants this exit status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var status *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &status) {
		got = status.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// free VAR… sets variables to loopback addresses that nothing uses.
func free(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		addr, err := freeAddr()
		ts.Check(err)
		ts.Setenv(name, addr)
	}
}

// answers URL waits until a node answers there.
func answers(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(args[0]) //nolint:gosec,noctx // a test's own node
		if err != nil {
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("%s does not answer", args[0])
}

// deepjson FILE N writes N nested arrays.
func deepJSON(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	deep := `{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000001","objects":[` + strings.Repeat("[", n) + strings.Repeat("]", n) + "]}"
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(deep), 0o600))
}

// zipbomb FILE MEGABYTES writes an archive of one member of so many megabytes.
func zipBomb(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	z := zip.NewWriter(f)
	w, err := z.Create("feed.txt")
	ts.Check(err)
	line := bytes.Repeat([]byte("# nothing\n"), 1<<20/10)
	for range n {
		_, err := w.Write(line)
		ts.Check(err)
	}
	ts.Check(z.Close())
	ts.Check(f.Close())
}

// blank FILE BYTES writes white space.
func blank(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte(" "), n), 0o600))
}

// reads VAR FILE sets a variable to a file's text without the white space around it.
func reads(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// saves FILE writes what the last command printed.
func saves(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile("stdout")), 0o600))
}

// edit FROM TO OLD NEW copies a file with every OLD replaced; there must be one.
func edit(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[2]) {
		ts.Fatalf("%s has no %q", args[0], args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.ReplaceAll(text, args[2], args[3])), 0o600))
}

// webdir VAR DIR serves a folder over plain http on loopback until the script ends,
// and sets a variable to its address.
func webDir(ts *testscript.TestScript, _ bool, args []string) {
	files := http.FileServer(http.Dir(ts.MkAbs(args[1])))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A date of whole seconds cannot tell what changes within one; the content can.
		b, _ := os.ReadFile(filepath.Join(ts.MkAbs(args[1]), filepath.Clean("/"+r.URL.Path)))
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(b))))
		r.Header.Del("If-Modified-Since")
		files.ServeHTTP(w, r)
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// untilSays: until PATTERN COMMAND ARG… runs a command until it prints what matches.
func untilSays(ts *testscript.TestScript, _ bool, args []string) {
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("it never says %s:\n%s", args[0], ts.ReadFile("stdout"))
}

// times N VALUE wants the node in $ACCORD_HOME to have met a value so often.
func times(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	db, err := store.Open(context.Background(), "sqlite:"+filepath.Join(ts.Getenv("ACCORD_HOME"), "accord.db"), slog.New(slog.DiscardHandler))
	ts.Check(err)
	defer db.Close() //nolint:errcheck // only read
	ms, _, err := db.Matches(context.Background(), accord.MatchQuery{Text: args[1]})
	ts.Check(err)
	var got int64
	for _, m := range ms {
		got += m.Count
	}
	if got != want {
		ts.Fatalf("%s was met %d times, want %d", args[1], got, want)
	}
}

// Every script says at its top what it is about.
func TestEveryScriptSaysWhatItIsAbout(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("# ")) {
			t.Errorf("%s does not begin with a comment", f)
		}
	}
}
