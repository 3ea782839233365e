// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"accord"
)

// row is an item as the table holds it.
type row struct {
	accord.Item
	n      int64
	latest bool
	lname  string
	why    string
	own    *marks // its own markings, when tags raise them
}

// The columns of item in the order that row.into and row.args use.
const (
	itemHead = "n, id, version, type, latest, seq, party, source, lname, withdrawn, held, spec, name, created, " +
		"valid_from, valid_until, created_by, class, confidence, revoked, tlp, pap, atomic, added, origin, facts, why, retain, local"
	itemFull = itemHead + ", bytes"
)

var insertItem = bulk{head: "INSERT INTO item (" + itemFull + ") VALUES ", columns: 30}

const updateItem = "UPDATE item SET latest = $2, seq = $3, party = $4, source = $5, lname = $6, withdrawn = $7, held = $8, " +
	"spec = $9, name = $10, created = $11, valid_from = $12, valid_until = $13, created_by = $14, class = $15, confidence = $16, " +
	"revoked = $17, tlp = $18, pap = $19, atomic = $20, origin = $21, facts = $22, why = $23, retain = $24, local = $25, bytes = $26 WHERE n = $1"

// facts are the lists of an item, kept as JSON.
type facts struct {
	Observables [][2]string `json:"o,omitempty"`
	Refs        [][2]string `json:"r,omitempty"`
	Labels      []string    `json:"l,omitempty"`
	Sectors     []string    `json:"s,omitempty"`
}

func factsOf(it *accord.Item) (string, error) {
	f := facts{Labels: it.Labels, Sectors: it.Sectors}
	for _, o := range it.Observables {
		f.Observables = append(f.Observables, [2]string{string(o.Kind), o.Value})
	}
	for _, r := range it.Refs {
		f.Refs = append(f.Refs, [2]string{r.Property, r.To})
	}
	b, err := json.Marshal(f)
	return string(b), err
}

func (f facts) into(it *accord.Item) {
	it.Labels, it.Sectors = f.Labels, f.Sectors
	for _, o := range f.Observables {
		it.Observables = append(it.Observables, accord.Observable{Kind: accord.Kind(o[0]), Value: o[1]})
	}
	for _, r := range f.Refs {
		it.Refs = append(it.Refs, accord.Ref{Property: r[0], To: r[1]})
	}
}

func originText(o accord.Origin) (string, error) {
	if o == (accord.Origin{}) {
		return "", nil
	}
	b, err := json.Marshal(o)
	return string(b), err
}

func originOf(text string) (o accord.Origin, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &o)
	}
	return o, err
}

// scan reads a row of itemHead, or of itemFull when full.
func (r *row) scan(rows *sql.Rows, full bool) error {
	var party, origin, fact, local string
	var retain int64 // says what origin says
	into := []any{
		&r.n, &r.ID, &r.Version, &r.Type, &r.latest, &r.Seq, &party, &r.Source, &r.lname, &r.Withdrawn, &r.Held,
		&r.Spec, &r.Name, &r.Created, &r.ValidFrom, &r.ValidUntil, &r.CreatedBy, &r.Class, &r.Confidence, &r.Revoked,
		&r.TLP, &r.PAP, &r.Atomic, &r.Added, &origin, &fact, &r.why, &retain, &local,
	}
	if full {
		into = append(into, &r.Bytes)
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	if len(r.Bytes) == 0 {
		r.Bytes = nil // erased
	}
	var f facts
	if err := json.Unmarshal([]byte(fact), &f); err != nil {
		return fmt.Errorf("facts of %s: %w", r.ID, err)
	}
	f.into(&r.Item)
	if r.Withdrawn != 0 {
		r.Why = r.why
	}
	var err error
	if r.Origin, err = originOf(origin); err != nil {
		return fmt.Errorf("origin of %s: %w", r.ID, err)
	}
	return r.setLocal(local)
}

// erased reports whether only the row is left of what was deleted for good.
func (r *row) erased() bool { return r.Withdrawn != 0 && len(r.Bytes) == 0 }

// retain is when what is left of the item must be deleted, 0 for never.
func (r *row) retain() accord.Stamp {
	if r.erased() {
		return 0
	}
	return r.Origin.Retain
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// args appends the row's columns as insertItem wants them.
func (r *row) args(to []any) ([]any, error) {
	origin, err := originText(r.Origin)
	if err != nil {
		return nil, fmt.Errorf("origin of %s: %w", r.ID, err)
	}
	fact, err := factsOf(&r.Item)
	if err != nil {
		return nil, fmt.Errorf("facts of %s: %w", r.ID, err)
	}
	local, err := r.local()
	if err != nil {
		return nil, fmt.Errorf("what is known of %s: %w", r.ID, err)
	}
	return append(to,
		r.n, r.ID, int64(r.Version), r.Type, number(r.latest), r.Seq, r.Origin.Party, r.Source, r.lname, int64(r.Withdrawn), r.Held,
		r.Spec, r.Name, int64(r.Created), int64(r.ValidFrom), int64(r.ValidUntil), r.CreatedBy, r.Class, int64(r.Confidence), number(r.Revoked),
		int64(r.TLP), int64(r.PAP), number(r.Atomic), int64(r.Added), origin, fact, r.why, int64(r.retain()), local, opaque(r.Bytes)), nil
}

// update rewrites the row.
func (t *tx) update(ctx context.Context, r *row) error {
	a, err := r.args(nil)
	if err != nil {
		return err
	}
	// insertItem's order without id, version, type and added, which stay.
	args := slices.Concat(a[:1], a[4:23], a[24:])
	_, err = t.exec(ctx, updateItem, args...)
	return err
}

// longest is how many bytes of a value an index takes; PostgreSQL refuses more
// than some 2,700.
const longest = 500

// indexed returns value as it stands in an index: itself, or its beginning and
// its SHA-256 when it is too long.
func indexed(value string) string {
	if len(value) <= longest {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return strings.ToValidUTF8(value[:200], "") + "\uFFFF" + hex.EncodeToString(sum[:])
}

// long returns value when indexed changes it, else "".
func long(value string) string {
	if len(value) <= longest {
		return ""
	}
	return value
}

// values returns the observable values of it as they stand in the index, each once.
func values(it *accord.Item) []string {
	if len(it.Observables) == 1 {
		return []string{indexed(it.Observables[0].Value)}
	}
	out := make([]string, 0, len(it.Observables))
	for _, o := range it.Observables {
		out = append(out, indexed(o.Value))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// targets returns what it refers to, its author apart, each once.
func targets(it *accord.Item) []string {
	var out []string
	for _, r := range it.Refs {
		if r.Property != "created_by_ref" {
			out = append(out, r.To)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// searchName returns the name by which it is searched: lower case, cut to fit an
// index; "" when an observable value, which is searched too, says the same.
func searchName(it *accord.Item) string {
	name := strings.ToLower(it.Name)
	for _, o := range it.Observables {
		if o.Value == name {
			return ""
		}
	}
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest], "")
	}
	return name
}
