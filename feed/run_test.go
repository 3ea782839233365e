// SPDX-License-Identifier: Apache-2.0

package feed_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"accord"
	"accord/feed"
)

func TestAListIsTakenOnceAndAskedForOnlyWhenItChanged(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{})
	w.serveText(rows(0, 3), `"one"`)
	if r := w.run(accord.RunTaken, ""); r.New != 3 || r.Bytes == 0 {
		t.Errorf("first: %+v", r)
	}
	w.run(accord.RunUnchanged, "")
	w.serveText(rows(0, 3), `"two"`)
	w.run(accord.RunUnchanged, "the same content")
	if s := w.state(); s.ETag != `"two"` {
		t.Errorf("the new validator is not kept: %+v", s)
	}
	w.serveText(rows(0, 4), `"three"`)
	if r := w.run(accord.RunTaken, ""); r.New != 1 || r.Same != 3 {
		t.Errorf("changed: %+v", r)
	}
	want := []string{"/feed", `/feed "one"`, `/feed "one"`, `/feed "two"`}
	if !slices.Equal(w.asked, want) {
		t.Errorf("asked %q, want %q", w.asked, want)
	}
	runs, err := w.db.FeedRuns(t.Context(), "f", 10)
	if err != nil || len(runs) != 4 || runs[0].New != 1 {
		t.Errorf("runs %+v, %v", runs, err)
	}
}

func TestAServerThatSaysNotModifiedForEverIsAskedForAllOfItOnceAWeek(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{})
	w.serve(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("ETag", `"x"`)
		if r.Header.Get("If-None-Match") != "" {
			rw.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(rw, rows(0, 3))
	})
	w.run(accord.RunTaken, "")
	for range 6 {
		w.run(accord.RunUnchanged, "")
		w.pass(23 * time.Hour)
	}
	w.pass(48 * time.Hour)
	w.run(accord.RunUnchanged, "the same content")
	if last := w.asked[len(w.asked)-1]; last != "/feed" {
		t.Errorf("the last request was %q, want it without a condition", last)
	}
	w.serve(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotModified) })
	w.pass(8 * 24 * time.Hour)
	w.run(accord.RunFailed, "to who has nothing")
}

func TestAFeedThatIsNotBelievableIsHeldAndNothingIsWithdrawn(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{Mirror: true})
	w.serveText(rows(0, 100), "")
	w.run(accord.RunTaken, "")
	for _, tt := range []struct{ name, text, words string }{
		{"a page", "<!doctype html><title>Sign in</title>", "is a page"},
		{"a page after white space", "\xef\xbb\xbf\r\n  <html>", "is a page"},
		{"nothing", "", "is empty"},
		{"blanks", " \n\n", "is empty"},
		{"a tenth", rows(0, 10), "brings 10 where it brought 100"},
		{"comments alone", "# all gone\n", "brings 0 where it brought 100"},
		{"other rows", rows(1000, 100), "more than 25 percent"},
	} {
		w.serveText(tt.text, "")
		w.run(accord.RunHeld, tt.words)
		if got := w.live(); got < 100 {
			t.Fatalf("%s: %d items live", tt.name, got)
		}
	}
	s := w.state()
	if s.Outcome != accord.RunHeld || !strings.Contains(s.Message, "--accept") || s.Failures == 0 {
		t.Errorf("state %+v", s)
	}
	// The next good one is taken, and withdraws what the odd one brought.
	w.serveText(rows(0, 99), "")
	w.runAs(true, accord.RunTaken, "")
	if got := w.live(); got != 99 {
		t.Errorf("%d live, want 99", got)
	}
}

func TestAPersonMayAcceptAndAFeedThatWithdrawsNothingIsAcceptedInTheEnd(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{})
	w.serveText(rows(0, 100), "")
	w.run(accord.RunTaken, "")
	w.serveText(rows(100, 5), "")
	for range 3 {
		w.run(accord.RunHeld, "brings 5 where it brought 100")
	}
	if r := w.run(accord.RunTaken, ""); r.New != 5 || w.live() != 105 {
		t.Errorf("%+v, %d live", r, w.live())
	}
	w.serveText(rows(0, 60), "")
	w.run(accord.RunTaken, "")
	w.serveText(rows(200, 2), "")
	w.run(accord.RunHeld, "")
	if r := w.runAs(true, accord.RunTaken, ""); r.New != 2 {
		t.Errorf("%+v", r)
	}
}

func TestAMirrorWithdrawsWhatIsGoneAndBringsItBack(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{Mirror: true})
	w.serveText(rows(0, 50), "")
	w.run(accord.RunTaken, "")
	w.serveText(rows(5, 50), "")
	if r := w.run(accord.RunTaken, ""); r.New != 5 || r.Withdrawn != 5 {
		t.Errorf("%+v", r)
	}
	if w.live() != 50 {
		t.Errorf("%d live", w.live())
	}
	w.serveText(rows(0, 55), "")
	if r := w.run(accord.RunTaken, ""); r.Updated != 5 || r.New != 0 || w.live() != 55 {
		t.Errorf("back: %+v, %d live", r, w.live())
	}
	w.serveText(rows(0, 55)+"# again\n", "")
	if r := w.run(accord.RunTaken, ""); r.Same != 55 || r.Updated+r.Withdrawn != 0 {
		t.Errorf("again: %+v", r)
	}
}

func TestWithoutMirrorWhatIsGoneStays(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{})
	w.serveText(rows(0, 50), "")
	w.run(accord.RunTaken, "")
	w.serveText(rows(5, 50), "")
	if r := w.run(accord.RunTaken, ""); r.New != 5 || r.Withdrawn != 0 || w.live() != 55 {
		t.Errorf("%+v, %d live", r, w.live())
	}
}

func TestQuotasHold(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{MaxRun: 10, MaxItems: 20, MaxBytes: 10_000, Mirror: true})
	w.serveText(rows(0, 30), "")
	if r := w.run(accord.RunTaken, "cut at 10"); r.New != 10 || r.Withdrawn != 0 {
		t.Errorf("%+v", r)
	}
	w.serveText(rows(10, 30), "")
	w.run(accord.RunTaken, "cut at 10")
	w.serveText(rows(20, 30), "")
	w.run(accord.RunHeld, "may have 20 in all")
	w.serveText(strings.Repeat("x", 10_001), "")
	if err := w.db.RemoveFeed(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	w.add(accord.Feed{MaxBytes: 10_000})
	w.run(accord.RunFailed, "10000")
}

func TestHostileServersChangeNothing(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	line := bytes.Repeat([]byte("# nothing\n"), 1<<20/10)
	for range 64 {
		_, _ = z.Write(line)
	}
	_ = z.Close()
	for name, h := range map[string]http.HandlerFunc{
		"goes on for ever": func(rw http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := rw.Write(line); err != nil {
					return
				}
			}
		},
		"redirects for ever": func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, r.URL.Path+"x", http.StatusFound) },
		"redirects inside": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "http://169.254.169.254/latest", http.StatusFound)
		},
		"redirects to files": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "file:///etc/passwd", http.StatusFound)
		},
		"a bomb in transfer": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Encoding", "gzip")
			_, _ = rw.Write(bomb.Bytes())
		},
		"a bomb in a file": func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(bomb.Bytes()) },
		"shorter than said": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "100000")
			fmt.Fprint(rw, rows(50, 10))
		},
		"drips for ever": func(rw http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				fmt.Fprint(rw, "#")
				rw.(http.Flusher).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		},
		"missing": func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotFound) },
		"cut":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.add(accord.Feed{Mirror: true, MaxBytes: 40 << 20, Timeout: accord.FeedDuration(2 * time.Second)})
			w.serveText(rows(0, 5), `"good"`)
			w.run(accord.RunTaken, "")
			w.serve(h)
			r := w.run(accord.RunFailed, "")
			if r.New+r.Withdrawn != 0 || w.live() != 5 {
				t.Errorf("%+v, %d live", r, w.live())
			}
			if s := w.state(); s.Failures != 1 || s.Message == "" || s.ETag != `"good"` || s.Due <= s.Started {
				t.Errorf("state %+v", s)
			}
			if files, err := os.ReadDir(w.worker.Config.Spool); err != nil || len(files) != 0 {
				t.Errorf("left behind: %v, %v", files, err)
			}
			// It recovers.
			w.serveText(rows(0, 6), `"better"`)
			if r := w.run(accord.RunTaken, ""); r.New != 1 || w.state().Failures != 0 {
				t.Errorf("afterwards: %+v, %+v", r, w.state())
			}
		})
	}
}

func TestAServerThatAsksToBeLeftAloneIs(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{Every: accord.FeedDuration(10 * time.Minute)})
	w.serve(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "7200")
		rw.WriteHeader(http.StatusTooManyRequests)
	})
	r := w.run(accord.RunFailed, "429")
	if wait := w.state().Due.Time().Sub(r.Ended.Time()); wait < 2*time.Hour || wait > 2*time.Hour+13*time.Minute {
		t.Errorf("waits %s", wait)
	}
}

func TestARunCutShortAtAnyWriteIsRepeatedWithoutHarm(t *testing.T) {
	const all = 2500 // three writes
	for n := range 4 {
		w := newWorld(t)
		w.add(accord.Feed{Mirror: true})
		w.serveText(rows(0, all), `"x"`)
		writes := 0
		w.fail = func() error {
			if writes++; writes > n {
				return errors.New("the power is gone")
			}
			return nil
		}
		w.pass(time.Minute)
		if r, err := w.worker.RunFeed(t.Context(), "f", false); err != nil || n < 3 && r.Outcome != accord.RunFailed {
			t.Fatalf("%+v, %v", r, err)
		}
		w.fail = nil
		w.pass(time.Hour)
		r, err := w.worker.RunFeed(t.Context(), "f", false)
		if err != nil || w.live() != all || r.Updated+r.Conflicts+r.Withdrawn != 0 {
			t.Errorf("cut at write %d: then %+v, %v, %d live", n, r, err, w.live())
		}
	}
}

func TestARunThatDiedKeepsOthersOutOnlyUntilItsLeaseEnds(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{})
	w.serveText(rows(0, 3), "")
	at := accord.StampOf(w.clock())
	if _, err := w.db.BeginFeedRun(t.Context(), "f", at, at+60_000_000); err != nil {
		t.Fatal(err)
	}
	if _, err := w.worker.RunFeed(t.Context(), "f", false); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("while it seems alive: %v", err)
	}
	w.pass(time.Minute)
	w.run(accord.RunTaken, "")
}

func TestOneHostIsAskedForOneFeedAtATime(t *testing.T) {
	w := newWorld(t)
	var now, most, all atomic.Int32
	w.serve(func(rw http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		time.Sleep(5 * time.Millisecond)
		fmt.Fprint(rw, rows(int(all.Add(1)), 1))
	})
	for i := range 4 {
		w.add(accord.Feed{Name: fmt.Sprintf("f%d", i), URL: fmt.Sprintf("%s/%d", w.server.URL, i), Every: accord.FeedDuration(24 * time.Hour)})
	}
	w.worker.Config.Poll = time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.worker.Run(ctx) }()
	for all.Load() < 4 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil || all.Load() != 4 || most.Load() != 1 {
		t.Errorf("%d runs, %d at once, %v; want 4, one at a time", all.Load(), most.Load(), err)
	}
}

func TestARunThatIsStoppedIsNoFailure(t *testing.T) {
	w := newWorld(t)
	w.add(accord.Feed{})
	ctx, cancel := context.WithCancel(t.Context())
	w.serve(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := w.worker.RunFeed(ctx, "f", false); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if s := w.state(); s.Failures != 0 || s.Lease != 0 || s.Due != 0 {
		t.Errorf("state %+v: want the next run at once", s)
	}
}

func TestFilesAndFoldersAreReadWhenTheyChange(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := w.clock()
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	put("a.txt", rows(0, 2))
	put(".hidden", rows(10, 2))
	put("broken.json", `{"type":"bundle","objects":[{`)
	w.add(accord.Feed{Kind: accord.FeedSTIX, URL: "file://" + dir})
	if r := w.run(accord.RunTaken, ""); r.New != 2 || r.Refused == 0 {
		t.Errorf("%+v", r)
	}
	w.run(accord.RunUnchanged, "")
	put("b.txt", rows(5, 1))
	put("a.txt", rows(0, 3))
	if r := w.run(accord.RunTaken, ""); r.New != 2 || r.Same != 2 {
		t.Errorf("%+v", r)
	}
	if err := w.db.RemoveFeed(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	w.add(accord.Feed{Mirror: true, URL: "file://" + filepath.Join(dir, "a.txt")})
	w.run(accord.RunTaken, "")
	w.run(accord.RunUnchanged, "")
	put("a.txt", rows(1, 3))
	w.run(accord.RunTaken, "")
	if err := os.Remove(filepath.Join(dir, "a.txt")); err != nil {
		t.Fatal(err)
	}
	w.run(accord.RunFailed, "no such file")
}

func TestSecretsAreReadFromFilesOfTheirOwnersAloneAndShownNowhere(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("user:hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		auth accord.FeedAuth
		want func(*http.Request) bool
	}{
		{accord.FeedAuth{Kind: "basic", File: file}, func(r *http.Request) bool { u, p, ok := r.BasicAuth(); return ok && u == "user" && p == "hush" }},
		{accord.FeedAuth{Kind: "bearer", File: file}, func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer user:hush" }},
		{accord.FeedAuth{Kind: "header", Name: "Auth-Key", File: file}, func(r *http.Request) bool { return r.Header.Get("Auth-Key") == "user:hush" }},
		{accord.FeedAuth{Kind: "query", Name: "auth-key", File: file}, func(r *http.Request) bool { return r.URL.Query().Get("auth-key") == "user:hush" }},
	} {
		w.add(accord.Feed{Auth: tt.auth})
		w.serve(func(rw http.ResponseWriter, r *http.Request) {
			if tt.want(r) {
				fmt.Fprint(rw, rows(i, 1))
				return
			}
			rw.WriteHeader(http.StatusUnauthorized)
		})
		w.run(accord.RunTaken, "")
		w.serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		if r := w.run(accord.RunFailed, ""); strings.Contains(r.Message, "hush") {
			t.Errorf("%s: %q shows the secret", tt.auth.Kind, r.Message)
		}
		if err := w.db.RemoveFeed(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	w.add(accord.Feed{Auth: accord.FeedAuth{Kind: "bearer", File: file}})
	w.run(accord.RunFailed, "chmod 600")
}

func TestWhatCouldNotBeRunIsRefused(t *testing.T) {
	good := accord.Feed{Name: "f", Kind: accord.FeedList, URL: "https://feeds.example/x"}
	if err := feed.Check(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*accord.Feed){
		"name":            func(f *accord.Feed) { f.Name = "A feed" },
		"kind":            func(f *accord.Feed) { f.Kind = "rss" },
		"plain http":      func(f *accord.Feed) { f.URL = "http://feeds.example/x" },
		"scheme":          func(f *accord.Feed) { f.URL, f.PlainHTTP = "gopher://feeds.example/x", true },
		"password in URL": func(f *accord.Feed) { f.URL = "https://u:p@feeds.example/x" },
		"relative file":   func(f *accord.Feed) { f.URL = "file:x" },
		"file of a host":  func(f *accord.Feed) { f.URL = "file://host/x" },
		"often":           func(f *accord.Feed) { f.Every = accord.FeedDuration(time.Second) },
		"mirror of STIX":  func(f *accord.Feed) { f.Kind, f.Mirror = accord.FeedSTIX, true },
		"form of STIX":    func(f *accord.Feed) { f.Kind, f.List.Column = accord.FeedSTIX, "1" },
		"form":            func(f *accord.Feed) { f.List.Delimiter = "::" },
		"quota":           func(f *accord.Feed) { f.MaxBytes = -1 },
		"collection":      func(f *accord.Feed) { f.Kind = accord.FeedTAXII },
		"TAXII over http": func(f *accord.Feed) {
			f.Kind, f.URL, f.PlainHTTP = accord.FeedTAXII, "http://feeds.example/api/collections/x/", true
		},
		"credential's kind": func(f *accord.Feed) { f.Auth = accord.FeedAuth{Kind: "digest", File: "x"} },
		"credential's file": func(f *accord.Feed) { f.Auth = accord.FeedAuth{Kind: "bearer"} },
		"header's name":     func(f *accord.Feed) { f.Auth = accord.FeedAuth{Kind: "header", Name: "X: y", File: "x"} },
		"header":            func(f *accord.Feed) { f.Auth = accord.FeedAuth{Kind: "header", Name: "host", File: "x"} },
	} {
		f := good
		edit(&f)
		if err := feed.Check(f); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
