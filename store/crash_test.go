// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/store"
	"accord/store/storetest"
)

// victimEnv turns the test binary into the process that is killed: it writes to
// the store at this URL without end, and prints a line for each batch that the
// store acknowledged.
const victimEnv = "ACCORD_TEST_VICTIM"

const (
	victimParty = "cert.il.example"
	victimLog   = "cert.ma.example/to/cert.il.example"
	victimBatch = 20
)

func victimItem(batch, n int64) accord.Item {
	id := fmt.Sprintf("indicator--00000000-0000-4000-8000-%06d%06d", batch, n)
	return accord.Item{
		ItemKey: accord.ItemKey{ID: id, Version: 1}, Type: "indicator", Bytes: fmt.Appendf(nil, `{"id":%q}`, id), Atomic: true,
		Observables: []accord.Observable{{Kind: accord.KindDomain, Value: fmt.Sprintf("h%d-%d.example", batch, n)}}, Source: "feed",
	}
}

// victim ingests a batch, then discloses it, over and over.
func victim(url string) {
	ctx := context.Background()
	d, err := store.Open(ctx, url, slog.New(slog.DiscardHandler))
	for err == nil {
		err = victimTurn(ctx, d)
	}
	fmt.Println("failed", err)
	os.Exit(1)
}

func victimTurn(ctx context.Context, d *store.DB) error {
	batch, err := d.Cursor(ctx, "victim")
	if err != nil {
		return err
	}
	var items []accord.Item
	for n := range int64(victimBatch) {
		items = append(items, victimItem(batch, n))
	}
	if _, err := d.Ingest(ctx, items, 1); err != nil {
		return err
	}
	fmt.Println("ingested", batch)
	a := accord.LogAppend{Prev: batch * victimBatch, Head: accord.Head{Origin: victimLog, Size: (batch + 1) * victimBatch}}
	g := accord.Disclosing{Party: victimParty, Stage: "victim", From: batch, To: batch + 1, Append: &a, At: 1}
	for n, it := range items {
		index := a.Prev + int64(n)
		a.Leaves = append(a.Leaves, accord.Leaf{Index: index, Kind: accord.LeafDisclosure, Record: []byte(it.ID)})
		g.Disclosures = append(g.Disclosures, accord.Disclosure{
			Party: victimParty, Index: index, Stamp: accord.Stamp(index + 1), Item: it.ItemKey, Sent: it.ItemKey, Sum: sha256.Sum256(it.Bytes),
		})
	}
	if err := d.Disclose(ctx, g); err != nil {
		return err
	}
	fmt.Println("disclosed", batch)
	return nil
}

// A process that is killed at any moment loses nothing that the store said it
// has, and leaves nothing half written.
func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			url := engine(t)
			rounds := 8
			if testing.Short() {
				rounds = 2
			}
			ingested, disclosed := int64(-1), int64(-1)
			for range rounds {
				killOnce(t, url, &ingested, &disclosed)
				survey(t, url, ingested, disclosed)
			}
			if disclosed < int64(rounds)-1 {
				t.Errorf("only %d batches in %d rounds", disclosed+1, rounds)
			}
		})
	}
}

// killOnce runs the victim for a moment, kills it, and notes what it was told.
func killOnce(t *testing.T, url string, ingested, disclosed *int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	var timer *time.Timer
	for {
		line, err := lines.ReadString('\n')
		if timer == nil && (err != nil || strings.HasPrefix(line, "disclosed")) { // it works: a moment more
			timer = time.AfterFunc(time.Duration(20+rand.IntN(200))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		if err != nil { // what it was saying when it died was not said
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		var batch int64
		switch word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case "ingested":
			_, err = fmt.Sscan(rest, &batch)
			*ingested = batch
		case "disclosed":
			_, err = fmt.Sscan(rest, &batch)
			*disclosed = batch
		default:
			t.Errorf("the victim says %q", line)
		}
		if err != nil {
			t.Error(err)
		}
	}
	timer.Stop()
	_ = cmd.Wait() // killed
}

// The command line writes beside the server: neither waits long or fails.
func TestAProcessMayWriteBesideAnother(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			url := engine(t)
			d := storetest.Open(t, url)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), victimEnv+"="+url)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ours := int64(0)
			for turn := int64(0); turn < 40 || value(d.Cursor(t.Context(), "victim"))(t) < 5; turn++ {
				it := victimItem(900000+turn, 0)
				if _, err := d.Ingest(t.Context(), []accord.Item{it}, 1); err != nil {
					t.Error(err)
					break
				}
				ours++
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
			settle(t, d, url)
			counts := value(d.Counts(t.Context()))(t)
			changes := value(d.Changes(t.Context(), 0, 1<<30))(t)
			if counts.Items != int64(len(changes)) || counts.Seq != counts.Items || (counts.Items-ours)%victimBatch != 0 {
				t.Errorf("%d items, %d of ours, %d changes, seq %d", counts.Items, ours, len(changes), counts.Seq)
			}
		})
	}
}

// survey checks what is stored against what was acknowledged.
func survey(t *testing.T, url string, ingested, disclosed int64) {
	t.Helper()
	ctx := t.Context()
	d := storetest.Open(t, url)
	defer d.Close()
	settle(t, d, url)
	cursor := value(d.Cursor(ctx, "victim"))(t)
	head := value(d.Head(ctx, victimLog))(t)
	rows := value(d.Disclosures(ctx, victimParty, -1, 1<<30))(t)
	leaves := value(d.Leaves(ctx, victimLog, 0, 1<<30))(t)
	changes := value(d.Changes(ctx, 0, 1<<30))(t)
	counts := value(d.Counts(ctx))(t)
	if cursor < disclosed+1 || cursor > disclosed+2 {
		t.Errorf("%d batches disclosed, %d were acknowledged", cursor, disclosed+1)
	}
	if want := cursor * victimBatch; head.Size != want || int64(len(rows)) != want || int64(len(leaves)) != want || counts.Disclosed[victimParty] != want {
		t.Errorf("cursor %d: head of %d, %d disclosures, %d leaves, %d counted, want %d each",
			cursor, head.Size, len(rows), len(leaves), counts.Disclosed[victimParty], want)
	}
	for i, x := range rows {
		if len(x.Bytes) == 0 || string(leaves[i].Record) != x.Item.ID {
			t.Fatalf("disclosure %d is not whole", i)
		}
	}
	batches := counts.Items / victimBatch
	if batches < ingested+1 || batches > ingested+2 || counts.Items%victimBatch != 0 || counts.Items != int64(len(changes)) || counts.Seq != counts.Items {
		t.Errorf("%d items, %d changes, seq %d; %d batches were acknowledged", counts.Items, len(changes), counts.Seq, ingested+1)
	}
	for n := range int64(victimBatch) {
		if last := victimItem(batches-1, n); batches > 0 {
			if _, err := d.Item(ctx, last.ID); err != nil {
				t.Error(err)
			}
		}
	}
}

// settle waits until the server has noticed that the victim is gone: its last
// commit may still be under way.
func settle(t *testing.T, d *store.DB, url string) {
	t.Helper()
	for strings.HasPrefix(url, "postgres") {
		var others int
		row := d.Pool().QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "+
			"AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'")
		if err := row.Scan(&others); err != nil {
			t.Fatal(err)
		}
		if others == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func value[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
