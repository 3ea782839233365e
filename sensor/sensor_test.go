// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"accord"
	"accord/match"
)

// node is the other end: it gives an index and counts what it is told, each batch
// once.
type node struct {
	*httptest.Server
	mu      sync.Mutex
	feed    []accord.SoughtChange
	keeper  *match.Keeper
	batches map[string]bool
	posts   int
	counts  map[string]int64 // by originator
	deaf    int              // answers 500 after taking, so many times
	down    bool
	refuse  bool
	indexes []string // queries
}

func (n *node) LastSeq(context.Context) (int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return int64(len(n.feed)), nil
}

func (n *node) SoughtSince(_ context.Context, after int64, limit int) ([]accord.SoughtChange, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	rest := n.feed[min(int(after), len(n.feed)):]
	return rest[:min(limit, len(rest))], nil
}

func (n *node) seek(domain string, tlp accord.TLP) {
	n.mu.Lock()
	defer n.mu.Unlock()
	seq := int64(len(n.feed) + 1)
	id := fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", seq)
	n.feed = append(n.feed, accord.SoughtChange{Seq: seq, ID: id, Sought: []accord.Sought{{
		Observable: accord.Observable{Kind: accord.KindDomain, Value: domain}, Indicator: accord.ItemKey{ID: id}, Name: domain, TLP: tlp,
	}}})
}

// everything may leave the node: which rule it has is not the sensor's business.
func everything(accord.Sought) bool { return true }

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{batches: map[string]bool{}, counts: map[string]int64{}}
	n.seek("bad.example", accord.TLPGreen)
	n.seek("hidden.example", accord.TLPAmber)
	n.keeper = match.NewKeeper(n, match.NewSalt(), time.Millisecond, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- n.keeper.Run(ctx) }()
	<-n.keeper.Ready()
	n.Server = httptest.NewTLSServer(http.HandlerFunc(n.serve))
	t.Cleanup(func() {
		n.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	n.mu.Lock()
	down, refuse := n.down, n.refuse
	n.mu.Unlock()
	switch {
	case down:
		http.Error(w, "down", http.StatusServiceUnavailable)
	case r.URL.Path == "/api/v1/sensor/index":
		n.mu.Lock()
		n.indexes = append(n.indexes, r.URL.RawQuery)
		n.mu.Unlock()
		var since int64
		_, _ = fmt.Sscan(r.URL.Query().Get("since"), &since)
		if err := n.keeper.Export(r.Context(), w, since, r.URL.Query().Get("generation"), everything); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	case refuse:
		http.Error(w, "no", http.StatusUnprocessableEntity)
	default:
		n.take(w, r)
	}
}

func (n *node) take(w http.ResponseWriter, r *http.Request) {
	rep, err := match.DecodeReport(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.posts++
	if !n.batches[rep.Batch] {
		n.batches[rep.Batch] = true
		ms, _ := rep.Confirm(n.keeper.Index(), "clinic", everything)
		for _, m := range ms {
			n.counts[m.Seen.From] += m.Count
		}
	}
	if n.deaf > 0 {
		n.deaf--
		http.Error(w, "taken, but the answer is lost", http.StatusInternalServerError)
	}
}

func (n *node) total() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	var sum int64
	for _, c := range n.counts {
		sum += c
	}
	return sum
}

// world is a node, a directory of logs and one of state.
type world struct {
	*node
	t    *testing.T
	logs string
	conf Config
	out  bytes.Buffer
	says bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{node: newNode(t), t: t, logs: t.TempDir()}
	sum := sha256.Sum256(w.Certificate().RawSubjectPublicKeyInfo)
	w.conf = Config{
		Node: w.URL, Token: "secret", TLSPin: hex.EncodeToString(sum[:]), State: filepath.Join(t.TempDir(), "state"),
		Logs: []string{filepath.Join(w.logs, "*.log*")}, Once: true, Out: &w.out, Now: time.Now, Log: slog.New(slog.NewTextHandler(&w.says, nil)),
	}
	return w
}

// run runs a sensor once to its end.
func (w *world) run() error {
	w.t.Helper()
	s, err := New(w.conf)
	if err != nil {
		return err
	}
	err = s.Run(context.Background())
	if err := s.Close(); err != nil {
		w.t.Error(err)
	}
	return err
}

// mustFind runs once and wants so many sightings at the node in all.
func (w *world) mustFind(want int64, when string) {
	w.t.Helper()
	if err := w.run(); err != nil {
		w.t.Fatalf("%s: %v\n%s", when, err, w.says.String())
	}
	if got := w.total(); got != want {
		w.t.Errorf("%s: node counts %d, want %d\n%s", when, got, want, w.says.String())
	}
}

const header = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n#open\t%s\n" +
	"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tquery\n#types\ttime\tstring\taddr\tport\taddr\tport\tstring\n"

// lines are n records of a log, from the i-th on, that each meet bad.example.
func lines(i, n int) string {
	var b strings.Builder
	for ; n > 0; n-- {
		fmt.Fprintf(&b, "%d.000000\tC%d\t192.0.2.%d\t5000\t198.51.100.53\t53\tw%d.bad.example\n", 1767323045+i, i, i%200, i)
		i++
	}
	return b.String()
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.logs, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) append(name, text string) {
	w.t.Helper()
	f, err := os.OpenFile(filepath.Join(w.logs, name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err != nil || f.Close() != nil {
		w.t.Fatal(err)
	}
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLogThatIsRotatedEveryWayIsReadOnce(t *testing.T) {
	w := newWorld(t)
	first := fmt.Sprintf(header, "1") + lines(0, 3)
	w.write("dns.log", first)
	w.mustFind(3, "at first")
	w.mustFind(3, "again")
	w.append("dns.log", lines(3, 2))
	w.mustFind(5, "grown")

	if err := os.Rename(filepath.Join(w.logs, "dns.log"), filepath.Join(w.logs, "dns.1.log")); err != nil {
		t.Fatal(err)
	}
	w.append("dns.1.log", lines(5, 1))
	w.write("dns.log", fmt.Sprintf(header, "2")+lines(6, 1))
	w.mustFind(7, "renamed, and begun anew")

	w.write("dns.1.log.gz", packed(t, first+lines(3, 2)+lines(5, 1)))
	if err := os.Remove(filepath.Join(w.logs, "dns.1.log")); err != nil {
		t.Fatal(err)
	}
	w.mustFind(7, "packed")
	w.write("other.log.gz", packed(t, fmt.Sprintf(header, "3")+lines(10, 4)))
	w.mustFind(11, "another, packed")
	w.mustFind(11, "and again")

	copied, err := os.ReadFile(filepath.Join(w.logs, "dns.log"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("dns.log.1", string(copied)+lines(20, 1)) // written just before it was copied away
	w.write("dns.log", "")
	w.append("dns.log", fmt.Sprintf(header, "4")+lines(21, 2))
	w.mustFind(14, "copied and truncated")
	w.write("dns.log", fmt.Sprintf(header, "5")+lines(30, 9)) // longer at once than what was read
	w.mustFind(23, "truncated and grown past the mark")
}

func TestTwoLogsThatBeginAlikeAreBothRead(t *testing.T) {
	w := newWorld(t)
	begin := fmt.Sprintf(header, "1") + strings.Repeat("# nothing\n", 200)
	w.write("a.log", begin+lines(0, 3))
	w.mustFind(3, "one")
	w.write("b.log", begin+lines(7, 5))
	w.mustFind(8, "the other")
}

func TestMatchesWaitForANodeThatIsDownAndAreCountedOnce(t *testing.T) {
	w := newWorld(t)
	w.write("dns.log", fmt.Sprintf(header, "1")+lines(0, 3))
	w.conf.AnyTime = true
	w.mustFind(3, "at first")
	w.append("dns.log", lines(3, 2))
	w.down = true
	if err := w.run(); err == nil || !strings.Contains(err.Error(), "503") {
		t.Fatalf("a run while the node is down: %v", err)
	}
	w.append("dns.log", lines(5, 1))
	if err := w.run(); err == nil {
		t.Fatal("a second run while the node is down went well")
	}
	if err := os.Remove(filepath.Join(w.conf.State, "bookmark.json")); err != nil { // as if it had not been saved
		t.Fatal(err)
	}
	w.down, w.deaf = false, 1
	if err := w.run(); err == nil {
		t.Fatal("a run with a lost answer went well")
	}
	w.mustFind(6, "up again")
	if w.posts != 4 {
		t.Errorf("%d posts, want 4: one at first, one twice, one more", w.posts)
	}
}

func TestReportThatIsRefusedIsKeptForPeople(t *testing.T) {
	w := newWorld(t)
	w.write("dns.log", fmt.Sprintf(header, "1")+lines(0, 1))
	w.refuse = true
	w.mustFind(0, "refused")
	kept, err := filepath.Glob(filepath.Join(w.conf.State, "refused", "*.json"))
	if err != nil || len(kept) != 1 {
		t.Errorf("kept %v, %v", kept, err)
	}
}

func TestValueAboveGreenIsFoundThoughTheSensorHoldsItBlinded(t *testing.T) {
	w := newWorld(t)
	w.write("dns.log", fmt.Sprintf(header, "1")+strings.ReplaceAll(lines(0, 2), "bad.", "hidden."))
	w.mustFind(2, "blinded")
	b, err := os.ReadFile(filepath.Join(w.conf.State, "index"))
	if err != nil || bytes.Contains(b, []byte("hidden")) || len(b) == 0 {
		t.Errorf("index kept: %d bytes, %v", len(b), err)
	}
	w.seek("late.example", accord.TLPClear)
	for end := time.Now().Add(5 * time.Second); w.keeper.Index().Seq() < 3 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	w.append("dns.log", strings.ReplaceAll(lines(5, 1), "bad.", "late."))
	w.mustFind(3, "after a delta")
	if last := w.indexes[len(w.indexes)-1]; !strings.Contains(last, "since=2") {
		t.Errorf("index asked with %q, want a delta since 2", last)
	}
}

func TestStrangerIsNotSpokenTo(t *testing.T) {
	w := newWorld(t)
	w.write("dns.log", fmt.Sprintf(header, "1")+lines(0, 1))
	good := w.conf.TLSPin
	w.conf.TLSPin = strings.Repeat("00", 32)
	if err := w.run(); err == nil || !strings.Contains(err.Error(), "pinned") {
		t.Errorf("another key: %v", err)
	}
	w.conf.TLSPin, w.conf.Token = good, "wrong"
	if err := w.run(); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("wrong token: %v", err)
	}
	w.conf.Node = "http://node.example"
	if err := w.run(); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("plain http: %v", err)
	}
}

func TestDryRunTellsAndMovesNothing(t *testing.T) {
	w := newWorld(t)
	w.write("a.log", fmt.Sprintf(header, "1")+lines(0, 2))
	w.write("b.log", fmt.Sprintf(header, "2")+strings.Repeat(lines(0, 1000), 100))
	w.conf.DryRun = true
	w.mustFind(0, "dry")
	if !strings.Contains(w.out.String(), "bad.example") || strings.Count(w.out.String(), "w1.bad.example") < 2 {
		t.Errorf("it says:\n%.2000s", w.out.String())
	}
	w.conf.DryRun = false
	w.mustFind(100_002, "in earnest")
}

func TestTwoSensorsDoNotShareAState(t *testing.T) {
	w := newWorld(t)
	s, err := New(w.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := New(w.conf); err == nil {
		t.Error("a second sensor opened the same state")
	}
}

func TestLogIsFollowedWhileItGrowsAndIsRotated(t *testing.T) {
	w := newWorld(t)
	w.conf.Once, w.conf.Every, w.conf.IndexEvery = false, 5*time.Millisecond, 20*time.Millisecond
	s, err := New(w.conf)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	w.write("dns.log", fmt.Sprintf(header, "1"))
	want := int64(0)
	for i := range 60 {
		text := lines(i*10, 10)
		half := len(text) / 2
		w.append("dns.log", text[:half])
		time.Sleep(time.Duration(i%4) * time.Millisecond)
		w.append("dns.log", text[half:])
		want += 10
		if i%10 == 9 {
			if err := os.Rename(filepath.Join(w.logs, "dns.log"), filepath.Join(w.logs, fmt.Sprintf("old.%d.log", i))); err != nil {
				t.Fatal(err)
			}
			w.write("dns.log", fmt.Sprintf(header, fmt.Sprint(i)))
		}
	}
	for end := time.Now().Add(20 * time.Second); w.total() < want && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(30 * time.Millisecond) // for what would come too much
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := w.total(); got != want {
		t.Errorf("node counts %d, want %d\n%s", got, want, w.says.String())
	}
}
