// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
)

type demoCmd struct {
	Once     bool   `help:"Exit when the closing table is printed, instead of serving until Ctrl-C."`
	JSON     bool   `help:"Print one JSON object on standard output; all else goes to standard error."`
	Data     string `help:"Folder of real data (indicators, STIX, MISP, Zeek logs, warning lists). Default: ../shared/data when it is there, else the sample in the program." placeholder:"DIR" type:"path"`
	Sample   bool   `help:"Use the sample in the program even when real data is there."`
	Rows     int64  `help:"Rows of the indicator list to take." default:"100000" placeholder:"N"`
	All      bool   `help:"Take the whole indicator list."`
	Resolver string `help:"unbound, bind, none (a plain DNS client asks the zone), or auto: the first that is installed." enum:"auto,unbound,bind,none" default:"auto"`
	Dir      string `help:"Keep both nodes in this new folder; default: a temporary one, removed at the end." placeholder:"DIR" type:"path"`
}

// demoResult is what --json prints. Counts are of the whole run; seconds are
// measured in it.
type demoResult struct {
	Data      string             `json:"data"`     // "real" or "sample"
	Resolver  string             `json:"resolver"` // "unbound", "bind" or "none"
	Items     int64              `json:"items"`    // items IL ingested
	Disclosed int64              `json:"disclosed"`
	Withheld  int64              `json:"withheld"`
	Articles  map[string]int64   `json:"articles"` // disclosed and withheld, by article: "1", …; "0" is what none grants
	Received  int64              `json:"received"` // items MA holds of IL
	Matches   int64              `json:"matches"`
	Blocked   int64              `json:"blocked"`   // values in MA's response policy zones
	Retracted int64              `json:"retracted"` // retractions MA confirmed
	Verified  bool               `json:"ledgers_verified"`
	Seconds   map[string]float64 `json:"seconds"`
}

// demo is a running demonstration.
type demo struct {
	*demoCmd
	e      *env
	say    io.Writer // what people read
	dir    string
	data   demoData
	il, ma *demoNode
	stub   *stubDNS
	dns    resolver
	result demoResult
	begun  time.Time

	resolverAddr string
	fresh        freshIndicator
}

// Run plays the main job with two nodes, each a process of its own.
func (c *demoCmd) Run(e *env) (err error) {
	d := &demo{demoCmd: c, e: e, say: e.stdout, begun: now()}
	d.result.Seconds = map[string]float64{}
	if c.JSON {
		d.say = e.stderr
	}
	if err := d.makeDir(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.end()) }()
	if d.data, err = findData(c, d.dir); err != nil {
		return err
	}
	d.result.Data = d.data.kind
	for _, step := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"Two authorities: nodes, keys pinned out of band", d.found},
		{"One agreement: drafted by IL, countersigned by MA", d.agree},
		{"Both serve; a resolver takes MA's response policy zones", d.serve},
		{"IL ingests intelligence", d.ingest},
		{"What the agreement allows reaches MA; the rest stays", d.exchange},
		{"MA's sensor reads DNS logs", d.sense},
		{"A resolver that takes MA's zones", d.block},
		{"Live: IL publishes one indicator", d.publish},
		{"IL retracts it", d.retract},
		{"Both ledgers verify", d.verify},
	} {
		fmt.Fprintf(d.say, "\n%s\n", d.bold(step.title))
		if err := step.run(e.ctx); err != nil {
			if e.ctx.Err() != nil {
				return fmt.Errorf("interrupted")
			}
			return fmt.Errorf("%s: %w\nThe nodes' logs:\n%s", step.title, err, d.logTails())
		}
	}
	d.result.Seconds["total"] = now().Sub(d.begun).Seconds()
	return d.close(e.ctx)
}

func (d *demo) makeDir() (err error) {
	if d.Dir == "" {
		d.dir, err = os.MkdirTemp("", "accord-demo-")
		return err
	}
	d.dir = d.Dir
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return fmt.Errorf("%w: --dir must name a folder that is not there yet", err)
	}
	return nil
}

// end stops what runs and removes a temporary folder.
func (d *demo) end() error {
	var errs []error
	for _, n := range []*demoNode{d.ma, d.il} {
		if n != nil {
			errs = append(errs, n.stop())
		}
	}
	if d.dns != nil {
		errs = append(errs, d.dns.stop())
	}
	if d.stub != nil {
		d.stub.close()
	}
	if d.Dir == "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}

// close prints the table and, unless --once, serves until interrupted.
func (d *demo) close(ctx context.Context) error {
	d.table()
	if d.JSON {
		b, err := json.Marshal(d.result, json.Deterministic(true))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(d.e.stdout, "%s\n", b); err != nil {
			return err
		}
	}
	if d.Once {
		return nil
	}
	fmt.Fprintln(d.say, "\nBoth nodes keep running. Sign in (each link works once, for an hour):")
	for _, n := range []*demoNode{d.il, d.ma} {
		link, err := n.accord(ctx, nil, "account", "link", "demo", "--ttl", "1h")
		if err != nil {
			return err
		}
		fmt.Fprintf(d.say, "  %s  %s\n", n.nation, link)
	}
	fmt.Fprintln(d.say, "\nCtrl-C ends the demonstration.")
	<-ctx.Done()
	return nil
}

// found makes the two nodes and pins each at the other.
func (d *demo) found(ctx context.Context) error {
	var err error
	if d.il, err = d.newNode("IL", "il.accord.test", "National cyber authority of IL (demonstration)"); err != nil {
		return err
	}
	if d.ma, err = d.newNode("MA", "ma.accord.test", "National cyber authority of MA (demonstration)"); err != nil {
		return err
	}
	for _, n := range []*demoNode{d.il, d.ma} {
		if err := n.init(ctx); err != nil {
			return err
		}
		fmt.Fprintf(d.say, "  %s  %s\n", n.nation, n.home)
	}
	if err := d.ma.setUp(d); err != nil {
		return err
	}
	for _, pair := range [][2]*demoNode{{d.il, d.ma}, {d.ma, d.il}} {
		card := filepath.Join(d.dir, pair[0].name+".card.toml")
		if _, err := pair[0].accord(ctx, nil, "partner", "card", "-o", card); err != nil {
			return err
		}
		if _, err := pair[1].accord(ctx, nil, "partner", "add", card); err != nil {
			return err
		}
	}
	return nil
}

// agree drafts at IL, signs there, countersigns at MA, and brings the note home.
func (d *demo) agree(ctx context.Context) error {
	file := func(name string) string { return filepath.Join(d.dir, name) }
	for _, step := range []struct {
		at   *demoNode
		args []string
	}{
		{d.il, []string{"agreement", "draft", "--with", d.ma.name, "--giver", d.il.name, "-o", file("agreement.toml")}},
		{d.il, []string{"agreement", "sign", file("agreement.toml"), "-o", file("agreement.il.note")}},
		{d.ma, []string{"agreement", "sign", file("agreement.il.note"), "-o", file("agreement.note")}},
		{d.il, []string{"agreement", "import", file("agreement.note")}},
	} {
		if _, err := step.at.accord(ctx, nil, step.args...); err != nil {
			return err
		}
	}
	said, err := d.il.accord(ctx, nil, "agreement", "check", file("agreement.note"))
	if err != nil {
		return err
	}
	fmt.Fprintf(d.say, "%s\n", indent(said))
	state, err := d.ma.accord(ctx, nil, "agreement", "status")
	if err != nil {
		return err
	}
	fmt.Fprintf(d.say, "%s\n", indent(state))
	return nil
}

// serve starts both nodes and the resolver.
func (d *demo) serve(ctx context.Context) error {
	for _, n := range []*demoNode{d.il, d.ma} {
		if err := n.serve(ctx); err != nil {
			return err
		}
	}
	var err error
	if d.stub, err = newStubDNS(); err != nil {
		return err
	}
	if d.dns, err = d.startResolver(ctx); err != nil {
		return err
	}
	d.result.Resolver = d.dns.kind()
	fmt.Fprintf(d.say, "  IL  node %s, console http://%s\n  MA  node %s, console http://%s, zones at %s\n  Resolver: %s\n",
		d.il.node, d.il.console, d.ma.node, d.ma.console, d.ma.dns, d.dns.describe())
	return nil
}

// ingest reads everything at IL.
func (d *demo) ingest(ctx context.Context) error {
	fmt.Fprintf(d.say, "  %s\n", d.data.describe)
	begun := now()
	for _, f := range d.data.feeds {
		args := append([]string{"ingest", "--source", f.source, "--unmarked", f.unmarked}, f.flags...)
		said, err := d.il.accord(ctx, d.e.stderr, append(args, f.path)...)
		if err != nil && !partly(said, err) {
			return err
		}
		fmt.Fprintf(d.say, "  %-12s %s\n", f.source, said)
	}
	d.result.Seconds["ingest"] = now().Sub(begun).Seconds()
	return nil
}

// partly reports whether an ingest that failed has taken what it could: real
// data holds files that are cut short, and the rest of it is good.
func partly(said string, err error) bool {
	var exit *exec.ExitError
	return said != "" && errors.As(err, &exit) && exit.ExitCode() == exitStatus(accord.ErrInvalid)
}

// exchange waits until everything disclosed is received and receipted.
func (d *demo) exchange(ctx context.Context) error {
	begun := now()
	var il, ma situation
	most := 5 * time.Minute
	if d.All {
		most = time.Hour
	}
	err := d.until(ctx, most, func() (bool, error) {
		var err error
		if il, err = d.il.situation(ctx); err != nil {
			return false, err
		}
		if ma, err = d.ma.situation(ctx); err != nil {
			return false, err
		}
		d.live("decided %d of %d changes · given %d · receipted %d · withheld %d · MA blocks %d",
			il.Stages["decide:"+d.ma.name], il.Counts.Seq, il.Counts.Disclosed[d.ma.name], il.Counts.Receipted[d.ma.name],
			il.Counts.Withheld[d.ma.name], sumOf(ma.Counts.Protections))
		return il.Stages["decide:"+d.ma.name] == il.Counts.Seq && il.Counts.Receipted[d.ma.name] == il.Counts.Disclosed[d.ma.name] &&
			ma.Stages["protect"] == ma.Counts.Seq && ma.Stages["match"] == ma.Counts.Seq, nil
	})
	d.live("")
	if err != nil {
		return err
	}
	d.result.Seconds["exchange"] = now().Sub(begun).Seconds()
	d.result.Items = il.Counts.Items
	d.result.Articles, err = d.articles(ctx)
	return err
}

func (d *demo) bold(s string) string {
	if isTerminal(d.say) {
		return "\x1b[1m" + s + "\x1b[0m"
	}
	return s
}

// live rewrites one line on a terminal; elsewhere it says nothing.
func (d *demo) live(format string, args ...any) {
	if isTerminal(d.say) {
		fmt.Fprintf(d.say, "\r\x1b[K  "+format, args...)
	}
	if format == "" && isTerminal(d.say) {
		fmt.Fprintln(d.say)
	}
}

// articles prints what each article decided.
func (d *demo) articles(ctx context.Context) (map[string]int64, error) {
	var given, withheld map[string]int64
	if err := d.il.get(ctx, "/api/v1/decisions?party="+d.ma.name, &struct {
		Given    *map[string]int64 `json:"given"`
		Withheld *map[string]int64 `json:"withheld"`
	}{&given, &withheld}); err != nil {
		return nil, err
	}
	all := map[string]int64{}
	for _, a := range sortedKeys(given) {
		all[a] += given[a]
		fmt.Fprintf(d.say, "  article %-3s gave     %7d\n", a, given[a])
	}
	for _, a := range sortedKeys(withheld) {
		all[a] += withheld[a]
		why := "withheld"
		if a == "0" {
			why = "withheld (no article grants them)"
		}
		fmt.Fprintf(d.say, "  article %-3s %s %7d\n", a, why, withheld[a])
	}
	return all, nil
}

// table prints the closing table.
func (d *demo) table() {
	r := d.result
	fmt.Fprintf(d.say, "\n%s (%s data, resolver: %s)\n", d.bold("The record"), r.Data, r.Resolver)
	for _, row := range []struct {
		what string
		n    int64
	}{
		{"items at IL", r.Items},
		{"disclosed to MA", r.Disclosed},
		{"withheld", r.Withheld},
		{"received by MA", r.Received},
		{"matches", r.Matches},
		{"values blocked", r.Blocked},
		{"retractions confirmed", r.Retracted},
	} {
		fmt.Fprintf(d.say, "  %-24s %10d\n", row.what, row.n)
	}
	fmt.Fprintf(d.say, "  %-24s %10t\n\n", "ledgers verified", r.Verified)
	for _, k := range []string{"ingest", "exchange", "match", "publish_to_received", "publish_to_matched", "publish_to_blocked", "retract_to_unblocked", "retract_to_confirmed", "total"} {
		if v, ok := r.Seconds[k]; ok {
			fmt.Fprintf(d.say, "  %-24s %10.3f s\n", k, v)
		}
	}
}

// until polls check until it says so; it fails after most.
func (d *demo) until(ctx context.Context, most time.Duration, check func() (bool, error)) error {
	end := now().Add(most)
	for {
		ok, err := check()
		if ok || err != nil && !errors.Is(err, accord.ErrNotFound) {
			return err
		}
		if now().After(end) {
			return fmt.Errorf("not done after %s", most)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func sumOf(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}
