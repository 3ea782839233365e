// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"accord"
)

// sense runs MA's sensor over the DNS logs.
func (d *demo) sense(ctx context.Context) error {
	names, err := d.blockedNames(ctx, 100)
	if err != nil {
		return err
	}
	folder := filepath.Join(d.ma.home, "logs")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	for i, log := range d.data.logs {
		kind := "Zeek TSV"
		if log.json {
			kind = "Zeek JSON"
		}
		half := names[i*len(names)/len(d.data.logs) : (i+1)*len(names)/len(d.data.logs)]
		lines, err := mixLog(log, filepath.Join(folder, fmt.Sprintf("dns-%d.log", i)), half, now())
		if err != nil {
			return err
		}
		fmt.Fprintf(d.say, "  %s, %d lines of a %s log; of every 200 lines one was generated here from the indicators, at most %d\n",
			kind, lines, d.data.kind, len(half))
	}
	begun := now()
	if err := d.sensor(ctx, "once", filepath.Join(folder, "dns-*.log"), "--once", "--past"); err != nil {
		return err
	}
	s, err := d.ma.situation(ctx)
	if err != nil {
		return err
	}
	d.result.Seconds["match"] = now().Sub(begun).Seconds()
	fmt.Fprintf(d.say, "  %d matches, %d with repeats\n", s.Counts.Matches, s.Counts.MatchCount)
	return nil
}

// sensor runs the sensor program with a token of its own.
func (d *demo) sensor(ctx context.Context, name, logs string, flags ...string) error {
	token, err := d.ma.accord(ctx, nil, "token", "add", "ministry-"+name, "--role", "sensor")
	if err != nil {
		return err
	}
	file := filepath.Join(d.dir, "sensor-"+name+".token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return err
	}
	cfg, err := loadKeys(filepath.Join(d.ma.home, keysFolder))
	if err != nil {
		return err
	}
	pin, err := cfg.pin()
	if err != nil {
		return err
	}
	args := append([]string{
		"sensor", "--node", "https://" + d.ma.node, "--pin", pin, "--token-file", file,
		"--state", filepath.Join(d.dir, "sensor-"+name), logs,
	}, flags...)
	_, err = d.ma.accord(ctx, nil, args...)
	return err
}

// blockedNames asks MA for names that its zones block.
func (d *demo) blockedNames(ctx context.Context, most int) ([]string, error) {
	var names []string
	next := ""
	for len(names) < most {
		var page struct {
			Items []struct {
				accord.Observable
			} `json:"items"`
			Next string `json:"next"`
		}
		if err := d.ma.get(ctx, "/api/v1/protections?limit=500&after="+next, &page); err != nil {
			return nil, err
		}
		for _, p := range page.Items {
			if p.Kind == accord.KindDomain && len(names) < most {
				names = append(names, p.Value)
			}
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: MA blocks no name", accord.ErrNotFound)
	}
	return names, nil
}

// openName is one that nothing blocks; the stub behind the resolver answers it.
const openName = "www.example.org"

// block asks the resolver for a blocked name and for one that is not.
func (d *demo) block(ctx context.Context) error {
	names, err := d.blockedNames(ctx, 1)
	if err != nil {
		return err
	}
	if err := d.until(ctx, 2*time.Minute, func() (bool, error) { return d.dns.blocked(ctx, names[0]) }); err != nil {
		return fmt.Errorf("%s is not blocked: %w", names[0], err)
	}
	fmt.Fprintf(d.say, "  %-40s NXDOMAIN\n", names[0])
	open, err := d.dns.blocked(ctx, openName)
	if err != nil {
		return err
	}
	if open {
		return fmt.Errorf("%w: %s is blocked and should resolve", accord.ErrConflict, openName)
	}
	fmt.Fprintf(d.say, "  %-40s resolves\n", openName)
	return nil
}

// freshIndicator is the one that is published while everything runs.
type freshIndicator struct {
	id, name string
	added    accord.Stamp // at IL
}

// publish measures one indicator from IL's store to MA's resolver and sensor.
func (d *demo) publish(ctx context.Context) error {
	d.fresh.id = "indicator--" + uuid.NewString()
	d.fresh.name = "c2-" + d.fresh.id[11:19] + ".threat.example"
	path := filepath.Join(d.dir, "fresh.json")
	if err := os.WriteFile(path, freshBundle(d.fresh.id, d.fresh.name), 0o600); err != nil {
		return err
	}
	if blocked, err := d.dns.blocked(ctx, d.fresh.name); err != nil || blocked {
		return fmt.Errorf("%s before it was published: blocked %t, %w", d.fresh.name, blocked, err)
	}
	live := filepath.Join(d.ma.home, "logs", "live.log")
	stop, err := d.liveSensor(ctx, live)
	if err != nil {
		return err
	}
	defer stop()
	if _, err := d.il.accord(ctx, nil, "ingest", "--source", "demo-analyst", path); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	var received, blocked, matched time.Time
	g.Go(func() error { return d.reached(gctx, "reach MA", &received, d.isReceived) })
	g.Go(func() error { return d.reached(gctx, "be blocked", &blocked, d.isBlocked) })
	g.Go(func() error {
		return d.reached(gctx, "be matched", &matched, func(ctx context.Context) (bool, error) { return d.isMatched(ctx, live) })
	})
	if err := g.Wait(); err != nil {
		return err
	}
	it, err := d.il.item(ctx, d.fresh.id)
	if err != nil {
		return err
	}
	d.fresh.added = it.Added
	at, err := d.ma.item(ctx, d.fresh.id)
	if err != nil {
		return err
	}
	d.measure("publish_to_received", it.Added.Time(), at.Added.Time())
	d.measure("publish_to_blocked", it.Added.Time(), blocked)
	d.measure("publish_to_matched", it.Added.Time(), matched)
	return nil
}

// reached waits for check and notes when.
func (d *demo) reached(ctx context.Context, what string, when *time.Time, check func(context.Context) (bool, error)) error {
	err := d.until(ctx, time.Minute, func() (bool, error) { return check(ctx) })
	*when = now()
	if err != nil {
		return fmt.Errorf("%s did not %s: %w", d.fresh.name, what, err)
	}
	return nil
}

func (d *demo) isReceived(ctx context.Context) (bool, error) {
	it, err := d.ma.item(ctx, d.fresh.id)
	return it.ID != "", err
}

func (d *demo) isBlocked(ctx context.Context) (bool, error) { return d.dns.blocked(ctx, d.fresh.name) }

// isMatched writes one more query for the name into the followed log, and asks
// whether the sensor has reported it.
func (d *demo) isMatched(ctx context.Context, live string) (bool, error) {
	f, err := os.OpenFile(live, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	if _, err := f.WriteString(dnsLine(d.fresh.name, now(), true)); err != nil {
		return false, err
	}
	if err := f.Close(); err != nil {
		return false, err
	}
	var page struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	err = d.ma.get(ctx, "/api/v1/matches?text="+d.fresh.name, &page)
	return len(page.Items) > 0, err
}

// liveSensor starts a sensor that follows a log, and returns what stops it.
func (d *demo) liveSensor(ctx context.Context, live string) (stop func(), err error) {
	if err := os.WriteFile(live, nil, 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- d.sensor(ctx, "live", live) }()
	return func() { cancel(); <-done }, nil //nolint:errcheck // its end by cancelling is no error
}

func (d *demo) measure(what string, from, to time.Time) {
	d.result.Seconds[what] = to.Sub(from).Seconds()
	fmt.Fprintf(d.say, "  %-24s %8.3f s\n", what, to.Sub(from).Seconds())
}

// freshBundle is a STIX bundle of one indicator.
func freshBundle(id, name string) []byte {
	at := now().UTC().Format("2006-01-02T15:04:05.000Z")
	b, err := json.Marshal(map[string]any{
		"type": "bundle", "id": "bundle--" + uuid.NewString(),
		"objects": []any{map[string]any{
			"type": "indicator", "spec_version": "2.1", "id": id, "created": at, "modified": at, "valid_from": at,
			"name": "Command and control at " + name, "pattern": "[domain-name:value = '" + name + "']", "pattern_type": "stix",
			"indicator_types": []string{"malicious-activity"}, "confidence": 85,
			"object_marking_refs": []string{"marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"}, // TLP 2.0 GREEN
		}},
	}, json.Deterministic(true))
	if err != nil {
		panic(err) // strings and lists always encode
	}
	return b
}

// retract takes the indicator back at IL and waits for MA.
func (d *demo) retract(ctx context.Context) error {
	if _, err := d.il.accord(ctx, nil, "retract", d.fresh.id, "--reason", "false positive"); err != nil {
		return err
	}
	var unblocked, confirmed time.Time
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return d.reached(gctx, "be unblocked", &unblocked, func(ctx context.Context) (bool, error) {
			blocked, err := d.isBlocked(ctx)
			return !blocked, err
		})
	})
	g.Go(func() error {
		return d.reached(gctx, "be confirmed as retracted", &confirmed, func(ctx context.Context) (bool, error) {
			s, err := d.il.situation(ctx)
			return s.Counts.Confirmed[d.ma.name] > 0, err
		})
	})
	if err := g.Wait(); err != nil {
		return err
	}
	it, err := d.il.item(ctx, d.fresh.id)
	if err != nil {
		return err
	}
	d.measure("retract_to_unblocked", it.Withdrawn.Time(), unblocked)
	d.measure("retract_to_confirmed", it.Withdrawn.Time(), confirmed)
	return nil
}

// cosigned verifies a node's logs, and says whether each is cosigned to its end.
func cosigned(ctx context.Context, n *demoNode) (said string, whole bool, err error) {
	out, err := n.accord(ctx, nil, "ledger", "verify", "--json")
	if err != nil {
		return "", false, err
	}
	var b strings.Builder
	lines := strings.Split(out, "\n")
	whole = len(lines) == 2
	for _, line := range lines {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			return "", false, err
		}
		whole = whole && l.OK && l.Cosigned == l.Size
		fmt.Fprintf(&b, "%s  %d leaves, all cosigned by the other: %s\n", l.Origin, l.Size, countKinds(l.Kinds))
	}
	return b.String(), whole, nil
}

// verify recomputes the ledgers of both and takes the closing counts.
func (d *demo) verify(ctx context.Context) error {
	for _, n := range []*demoNode{d.il, d.ma} {
		var said string
		err := d.until(ctx, time.Minute, func() (whole bool, err error) {
			said, whole, err = cosigned(ctx, n)
			return whole, err
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(d.say, "  at %s\n%s\n", n.nation, indent(said))
	}
	d.result.Verified = true // any other outcome is an error
	il, err := d.il.situation(ctx)
	if err != nil {
		return err
	}
	ma, err := d.ma.situation(ctx)
	if err != nil {
		return err
	}
	r := &d.result
	r.Disclosed, r.Withheld = il.Counts.Disclosed[d.ma.name], il.Counts.Withheld[d.ma.name]
	r.Received, r.Retracted = ma.Counts.Received[d.il.name], il.Counts.Confirmed[d.ma.name]
	r.Matches, r.Blocked = ma.Counts.Matches, ma.Counts.Protections["hot"]+ma.Counts.Protections["base"]
	return nil
}
