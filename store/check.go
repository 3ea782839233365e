// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"accord"
)

// Problem is one thing that is wrong in a store.
type Problem struct {
	Check string `json:"check"` // what was looked at: see docs/reference/fsck.md
	Where string `json:"where"` // which row, zone or log
	What  string `json:"what"`
	Do    string `json:"do"` // what to do about it
}

// Checking is what [DB.Check] is to look at, and what it has found.
type Checking struct {
	Self string // this node's party: its logs are held against its disclosures
	Deep bool   // every page of the file, and every hash of what was sent
	// Read returns an item as its bytes are read today; nil leaves that out. With
	// Deep every item is compared with its bytes.
	Read func(accord.Item) (accord.Item, error)
	// Report is told each problem, at most 20 of a kind.
	Report func(Problem)

	Checks   int   // kinds of check made
	Items    int64 // item versions read
	Problems int64 // found, reported or not
	Derived  bool  // some of them are in what Repair makes anew
}

const mostReported = 20

// What to do, by what kind of thing is wrong.
const (
	doRepair  = "stop the node and run \"accord fsck --repair\", which makes it anew from the items"
	doRestore = "keep a copy of the store as it is, and restore the newest backup that \"accord fsck\" finds sound"
	doLedger  = "sign nothing more: keep the store as it is, compare with the partner's copy (\"accord ledger verify\"), and restore a sound backup"
	doReport  = "report it with this text: the program wrote what it must not"
)

// found is one finding, of which more of its kind are counted without being told.
func (c *Checking) found(n *int, p Problem) {
	c.Problems++
	c.Derived = c.Derived || p.Do == doRepair
	if *n++; *n <= mostReported && c.Report != nil {
		c.Report(p)
	}
}

// Check looks at one moment of the store for what must never be, while others read
// and write, and tells c.Report. It writes nothing. Time grows with the store,
// memory does not, but for the totals.
func (d *DB) Check(ctx context.Context, c *Checking) (err error) {
	s, err := d.snapshot(ctx)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer func() { err = errors.Join(err, s.end()) }()
	for _, check := range []func(context.Context, *Checking) error{s.file, s.rules, s.tallies, s.items, s.sums} {
		if err := check(ctx, c); err != nil {
			return fmt.Errorf("check: %w", err)
		}
	}
	return nil
}

// file has SQLite look at its own file. PostgreSQL's pages are its own business.
func (s *snapshot) file(ctx context.Context, c *Checking) error {
	if s.d.dialect != sqlite {
		return nil
	}
	c.Checks++
	pragma := "PRAGMA quick_check"
	if c.Deep {
		pragma = "PRAGMA integrity_check"
	}
	rows, err := s.query(ctx, pragma)
	if err != nil {
		return err
	}
	n := 0
	return all(rows, func(r *sql.Rows) error {
		var line string
		if err := r.Scan(&line); err != nil || line == "ok" {
			return err
		}
		c.found(&n, Problem{"file", "the database file", line, doRestore})
		return nil
	})
}

// rule is a query that returns where something is wrong, which must be nowhere.
type rule struct {
	check, what, do string
	query           string // one text column; $1 is the node's party
}

// rules holds the store against every rule.
func (s *snapshot) rules(ctx context.Context, c *Checking) error {
	for _, r := range rules {
		if strings.Contains(r.query, "$1") && c.Self == "" {
			continue
		}
		c.Checks++
		var args []any
		if strings.Contains(r.query, "$1") {
			args = append(args, c.Self)
		}
		rows, err := s.query(ctx, r.query, args...)
		n := 0
		if err == nil {
			err = all(rows, func(row *sql.Rows) error {
				var where string
				err := row.Scan(&where)
				c.found(&n, Problem{r.check, where, r.what, r.do})
				return err
			})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.check, err)
		}
	}
	return nil
}

var rules = []rule{
	{
		"feed", "is in the change feed above the counter", doRestore,
		"SELECT 'change ' || seq FROM change WHERE seq > (SELECT n FROM counter WHERE name = 'seq') ORDER BY seq",
	},
	{
		"feed", "is missing from the change feed", doRestore,
		"SELECT 'change ' || (x.seq - 1) FROM (SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM change) x WHERE x.seq <> x.before + 1",
	},
	{
		"cursor", "stands beyond the end of the change feed", doRestore,
		"SELECT name FROM stage WHERE (name LIKE 'decide:%' OR name = 'protect') AND seq > (SELECT n FROM counter WHERE name = 'seq')",
	},
	{
		"counter", "has a number above its counter", doRestore,
		"SELECT 'protection ' || value FROM protection WHERE n > (SELECT n FROM counter WHERE name = 'protection') " +
			"UNION ALL SELECT 'audit entry ' || n FROM audit WHERE n > (SELECT n FROM counter WHERE name = 'audit') " +
			"UNION ALL SELECT 'refusal ' || n FROM refusal WHERE n > (SELECT n FROM counter WHERE name = 'refusal')",
	},
	{"item-latest", "has not exactly one newest version", doRestore, "SELECT id FROM item GROUP BY id HAVING sum(latest) <> 1"},
	{
		"item-seq", "has a number that the change feed has not", doRestore,
		"SELECT id FROM item WHERE n > seq OR seq > (SELECT n FROM counter WHERE name = 'seq')",
	},
	{
		"disclosure-item", "discloses an item version that is not stored", doRestore,
		"SELECT d.party || ' ' || d.idx FROM disclosure d LEFT JOIN item i ON i.id = d.item_id AND i.version = d.item_version WHERE i.n IS NULL",
	},
	{
		"disclosure-stamp", "has a stamp that another disclosure to the same party has", doRestore,
		"SELECT party || ' ' || stamp FROM disclosure GROUP BY party, stamp HAVING count(*) > 1",
	},
	{
		"disclosure-standing", "is sent under an id and version of which another disclosure stands too", doRestore,
		"SELECT party || ' ' || sent_id FROM disclosure WHERE standing = 1 GROUP BY party, sent_id, sent_version HAVING count(*) > 1",
	},
	{
		"disclosure-state", "was confirmed before it was retracted, or stands though it was retracted", doRestore,
		"SELECT party || ' ' || idx FROM disclosure WHERE confirmed > 0 AND retracted = 0 OR standing = 1 AND retracted > 0",
	},
	{
		"disclosure-leaf", "was disclosed without a leaf in the log", doLedger,
		"SELECT d.party || ' ' || d.idx FROM disclosure d LEFT JOIN leaf l ON l.origin = $1 || '/to/' || d.party AND l.idx = d.idx " +
			"AND l.kind = 'disclosure' WHERE l.idx IS NULL",
	},
	{
		"leaf-disclosure", "is a leaf in the log without a disclosure", doLedger,
		"SELECT h.origin || ' ' || l.idx FROM head h JOIN leaf l ON l.origin = h.origin AND l.kind = 'disclosure' " +
			"LEFT JOIN disclosure d ON $1 || '/to/' || d.party = h.origin AND d.idx = l.idx " +
			"WHERE substr(h.origin, 1, length($1) + 4) = $1 || '/to/' AND d.idx IS NULL",
	},
	{
		"leaf-received", "is announced in a partner's log and has no row of what was received", doLedger,
		"SELECT h.origin || ' ' || l.idx FROM head h JOIN leaf l ON l.origin = h.origin AND l.kind = 'disclosure' " +
			"LEFT JOIN received r ON r.party || '/to/' || $1 = h.origin AND r.idx = l.idx " +
			"WHERE substr(h.origin, length(h.origin) - length($1) - 3) = '/to/' || $1 AND r.idx IS NULL",
	},
	{
		"received-leaf", "was received and is announced in no log", doLedger,
		"SELECT r.party || ' ' || r.idx FROM received r LEFT JOIN leaf l ON l.origin = r.party || '/to/' || $1 AND l.idx = r.idx " +
			"AND l.kind = 'disclosure' WHERE l.idx IS NULL",
	},
	{
		"log", "has a head of another size than its leaves", doLedger,
		"SELECT h.origin FROM head h LEFT JOIN (SELECT origin, count(*) AS n, min(idx) AS a, max(idx) AS z FROM leaf GROUP BY origin) l " +
			"ON l.origin = h.origin WHERE h.size <> COALESCE(l.n, 0) OR h.size > 0 AND (l.a <> 0 OR l.z <> h.size - 1) OR h.cosigned > h.size",
	},
	{"log", "has leaves and no head", doLedger, "SELECT DISTINCT origin FROM leaf WHERE origin NOT IN (SELECT origin FROM head)"},
	{
		"received-state", "was confirmed before it was retracted, or waits for a change that is not there", doRestore,
		"SELECT party || ' ' || idx FROM received WHERE confirmed > 0 AND retracted = 0 OR change_seq > (SELECT n FROM counter WHERE name = 'seq')",
	},
	{
		"withheld-item", "is withheld and not stored", doRestore,
		"SELECT w.item_id FROM withheld w LEFT JOIN item i ON i.id = w.item_id AND i.latest = 1 WHERE i.n IS NULL",
	},
	{
		"protection-item", "is protected for an item that is not stored", doReport,
		"SELECT p.zone || ' ' || p.value FROM protection p WHERE NOT EXISTS (SELECT 1 FROM item i WHERE i.id = p.item)",
	},
	{
		"protection-zone", "is in the hot and in the base zone", doReport,
		"SELECT DISTINCT p.value FROM protection p JOIN protection q ON q.zone = 'base' AND q.kind = p.kind AND q.value = p.value WHERE p.zone = 'hot'",
	},
	{
		"zone-entries", "counts other values than it has", doRepair,
		"SELECT COALESCE(z.name, p.zone) FROM (SELECT zone, count(*) AS n FROM (SELECT DISTINCT zone, kind, value FROM protection) x GROUP BY zone) p " +
			"FULL JOIN zone z ON z.name = p.zone WHERE COALESCE(z.entries, 0) <> COALESCE(p.n, 0)",
	},
	{
		"journal", "has a line in the journal outside its serials", doReport,
		"SELECT DISTINCT j.zone || ' ' || j.serial FROM journal j LEFT JOIN zone z ON z.name = j.zone WHERE z.name IS NULL OR j.serial <= z.since OR j.serial > z.serial",
	},
	{
		"journal", "was last said otherwise in the journal than the zone has it", doReport,
		"SELECT x.zone || ' ' || x.value FROM (SELECT zone, kind, value, adds, row_number() OVER (PARTITION BY zone, kind, value ORDER BY serial DESC) AS k FROM journal) x " +
			"WHERE x.k = 1 AND x.adds <> CASE WHEN EXISTS (SELECT 1 FROM protection p WHERE p.zone = x.zone AND p.kind = x.kind AND p.value = x.value) THEN 1 ELSE 0 END",
	},
	{
		"suspension", "suspends an agreement that is not stored", doRestore,
		"SELECT s.agreement FROM suspension s WHERE NOT EXISTS (SELECT 1 FROM agreement a WHERE a.id = s.agreement)",
	},
}
