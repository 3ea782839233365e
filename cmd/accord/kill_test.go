// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"accord"
)

// pair is two nodes of the built program under one agreement, to be killed.
type pair struct {
	*demo
	t    *testing.T
	dice *rand.Rand
	made []string // ids of what was ingested and must arrive
	kept []string // and of what must not
}

// killRounds is how often a node is killed: more with ACCORD_KILL_ROUNDS.
func killRounds(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("ACCORD_KILL_ROUNDS"))
	if err != nil || n < 1 {
		return 6
	}
	t.Logf("%d rounds", n)
	return n
}

// newPair builds the program and sets both nodes up with it, as people would.
func newPair(t *testing.T) *pair {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	program := filepath.Join(dir, "accord")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, ".").CombinedOutput(); err != nil { //nolint:gosec // builds this package
		t.Fatalf("go build: %v\n%s", err, out)
	}
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("ACCORD_KILL_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("ACCORD_KILL_SEED=%d", seed)
	p := &pair{t: t, dice: rand.New(rand.NewPCG(seed, 1)), demo: &demo{ //nolint:gosec // a test's dice
		demoCmd: &demoCmd{}, e: &env{ctx: ctx, stdout: io.Discard, stderr: io.Discard}, say: io.Discard, dir: dir,
	}}
	for _, at := range []struct {
		n            **demoNode
		nation, name string
	}{{&p.il, "IL", "il.accord.test"}, {&p.ma, "MA", "ma.accord.test"}} {
		n, err := p.newNode(at.nation, at.name, "Authority of "+at.nation)
		if err != nil {
			t.Fatal(err)
		}
		n.program = program
		*at.n = n
		p.must(n.init(ctx))
	}
	for _, q := range [][2]*demoNode{{p.il, p.ma}, {p.ma, p.il}} {
		card := filepath.Join(dir, q[0].name+".card.toml")
		p.run(q[0], "partner", "card", "-o", card)
		p.run(q[1], "partner", "add", card)
	}
	p.must(p.agree(ctx))
	for _, n := range []*demoNode{p.il, p.ma} {
		p.must(n.serve(ctx))
		t.Cleanup(func() { p.kill(n) })
	}
	return p
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.tails())
	}
}

func (p *pair) tails() string {
	if p.il == nil || p.ma == nil {
		return ""
	}
	return p.logTails()
}

func (p *pair) run(n *demoNode, args ...string) string {
	p.t.Helper()
	out, err := n.accord(p.t.Context(), nil, args...)
	p.must(err)
	return out
}

// kill ends a node as a power cut ends a program: nothing of it runs any more.
func (p *pair) kill(n *demoNode) {
	if n.proc == nil || n.proc.Process == nil {
		return
	}
	_ = n.proc.Process.Kill()
	_ = n.proc.Wait() // an exit by SIGKILL is an error
	n.proc = nil
}

// bundle writes count indicators and one more that is RED.
func (p *pair) bundle(count int) (file string) {
	p.t.Helper()
	at := now().UTC().Format("2006-01-02T15:04:05.000Z")
	var objects []any
	for i := range count + 1 {
		id, marking := "indicator--"+uuid.NewString(), "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb" // TLP 2.0 GREEN
		if i == count {
			marking = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1" // TLP 2.0 RED
			p.kept = append(p.kept, id)
		} else {
			p.made = append(p.made, id)
		}
		objects = append(objects, map[string]any{
			"type": "indicator", "spec_version": "2.1", "id": id, "created": at, "modified": at, "valid_from": at,
			"pattern": "[domain-name:value = '" + id[11:19] + ".kill.example']", "pattern_type": "stix",
			"object_marking_refs": []string{marking},
		})
	}
	b, err := json.Marshal(map[string]any{"type": "bundle", "id": "bundle--" + uuid.NewString(), "objects": objects})
	if err != nil {
		p.t.Fatal(err)
	}
	file = filepath.Join(p.dir, fmt.Sprintf("bundle-%d.json", len(p.made)))
	p.must(os.WriteFile(file, b, 0o600))
	return file
}

// ingest reads a file at IL until it was taken whole; it may be killed too, and
// then begins again.
func (p *pair) ingest(ctx context.Context, file string, mortal time.Duration) error {
	for {
		cut, cancel := context.WithTimeout(ctx, mortal)
		_, err := p.il.accord(cut, nil, "ingest", "--source", "kill", file) // kills by SIGKILL when cut ends
		killed := cut.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !killed {
			return err
		}
		mortal = time.Minute
	}
}

// round ingests while nodes are killed and started again.
func (p *pair) round() {
	p.t.Helper()
	ctx := p.t.Context()
	mortal := time.Minute
	if p.dice.IntN(2) == 0 {
		mortal = time.Duration(20+p.dice.IntN(200)) * time.Millisecond
	}
	file, done := p.bundle(300), make(chan error, 1)
	go func() { done <- p.ingest(ctx, file, mortal) }()
	p.cut()
	p.must(<-done)
}

// cut kills one node or both at a random moment, and starts them.
func (p *pair) cut() {
	p.t.Helper()
	time.Sleep(time.Duration(p.dice.IntN(500)) * time.Millisecond)
	victims := [][]*demoNode{{p.il}, {p.ma}, {p.ma, p.il}}[p.dice.IntN(3)]
	for _, n := range victims {
		p.kill(n)
	}
	for _, n := range victims {
		p.must(n.serve(p.t.Context()))
	}
}

// settle waits until everything decided has arrived and both ledgers verify,
// cosigned to the end.
func (p *pair) settle(most time.Duration, done func(il, ma situation) bool) (il, ma situation) {
	p.t.Helper()
	ctx := p.t.Context()
	err := p.until(ctx, most, func() (ok bool, err error) {
		if il, err = p.il.situation(ctx); err != nil {
			return false, err
		}
		if ma, err = p.ma.situation(ctx); err != nil {
			return false, err
		}
		return il.Stages["decide:"+p.ma.name] == il.Counts.Seq && ma.Stages["decide:"+p.il.name] == ma.Counts.Seq && done(il, ma), nil
	})
	if err != nil {
		p.must(fmt.Errorf("%w\nIL: %+v\nMA: %+v", err, il, ma))
	}
	for _, n := range []*demoNode{p.il, p.ma} {
		said := ""
		err := p.until(ctx, most, func() (whole bool, err error) {
			said, whole, err = cosigned(ctx, n)
			return whole, err
		})
		if err != nil {
			p.must(fmt.Errorf("%s: %w\n%s", n.nation, err, said))
		}
	}
	return il, ma
}

// held returns the ids of live items that MA has of IL, and fails on one that is
// there twice.
func (p *pair) held() map[string]bool {
	p.t.Helper()
	ids := map[string]bool{}
	for next := ""; ; {
		var page struct {
			Items []struct {
				ID string `json:"id"`
			} `json:"items"`
			Next string `json:"next"`
		}
		p.must(p.ma.get(p.t.Context(), "/api/v1/items?limit=500&state=live&party="+p.il.name+"&after="+url.QueryEscape(next), &page))
		for _, it := range page.Items {
			if ids[it.ID] {
				p.t.Errorf("MA has %s twice", it.ID)
			}
			ids[it.ID] = true
		}
		if next = page.Next; next == "" {
			return ids
		}
	}
}

func TestNodesThatAreKilledAtAnyMomentLoseAndDoubleNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: builds the program and kills it: not with -short")
	}
	p := newPair(t)
	begun := now()
	rounds := killRounds(t)
	for range rounds {
		p.round()
	}
	t.Logf("%d rounds, %d items, %.1f s", rounds, len(p.made), now().Sub(begun).Seconds())
	il, ma := p.settle(2*time.Minute, func(il, ma situation) bool {
		return il.Counts.Disclosed[p.ma.name] >= int64(len(p.made)) &&
			il.Counts.Receipted[p.ma.name] == il.Counts.Disclosed[p.ma.name]
	})
	held := p.held()
	for _, id := range p.made {
		if !held[id] {
			t.Errorf("%s was ingested and did not arrive", id)
		}
	}
	for _, id := range p.kept {
		if held[id] {
			t.Errorf("%s is RED and arrived", id)
		}
	}
	// IL's own identity is what it gives besides.
	disclosed, received := il.Counts.Disclosed[p.ma.name], ma.Counts.Received[p.il.name]
	if disclosed != received || int(disclosed) != len(held) || len(held) != len(p.made)+1 {
		t.Errorf("%d made, %d disclosed, %d received, %d held", len(p.made), disclosed, received, len(held))
	}
	if n := il.Counts.Withheld[p.ma.name]; int(n) != len(p.kept) {
		t.Errorf("%d withheld, want %d", n, len(p.kept))
	}
	p.takeBack(12)
	t.Logf("all in %.1f s", now().Sub(begun).Seconds())
}

// takeBack retracts some of what was given while nodes are killed.
func (p *pair) takeBack(n int) {
	p.t.Helper()
	ctx, done := p.t.Context(), make(chan error, 1)
	gone := p.made[:n]
	go func() {
		var errs []error
		for _, id := range gone {
			_, err := p.il.accord(ctx, nil, "retract", id, "--reason", "a test")
			errs = append(errs, err)
		}
		done <- errors.Join(errs...)
	}()
	p.cut()
	p.cut()
	p.must(<-done)
	p.settle(2*time.Minute, func(il, _ situation) bool {
		return il.Counts.Retracted[p.ma.name] == int64(n) && il.Counts.Confirmed[p.ma.name] == int64(n)
	})
	held := p.held()
	for _, id := range gone {
		if held[id] {
			p.t.Errorf("%s was taken back and is there", id)
		}
	}
	if len(held) != len(p.made)+1-n {
		p.t.Errorf("MA holds %d items, want %d", len(held), len(p.made)+1-n)
	}
	var it demoItem
	p.must(p.ma.get(ctx, "/api/v1/items/"+gone[0], &it))
	if it.Withdrawn == accord.Stamp(0) || !strings.HasPrefix(it.ID, "indicator--") {
		p.t.Errorf("MA says %+v of what was taken back", it)
	}
}
