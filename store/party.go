// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"

	"accord"
)

const selectParty = "SELECT name, nation, title, url, note_key, tls_pin, identity FROM party"

// PutParty stores a party under its name, or replaces it.
func (d *DB) PutParty(ctx context.Context, p accord.Party) error {
	if !accord.ValidPartyName(p.Name) {
		return fmt.Errorf("put party: %w: name %q", accord.ErrInvalid, p.Name)
	}
	return d.write(ctx, "put party", func(t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO party (name, nation, title, url, note_key, tls_pin, identity) VALUES ($1, $2, $3, $4, $5, $6, $7) "+
			"ON CONFLICT (name) DO UPDATE SET nation = excluded.nation, title = excluded.title, url = excluded.url, "+
			"note_key = excluded.note_key, tls_pin = excluded.tls_pin, identity = excluded.identity",
			p.Name, string(p.Nation), p.Title, p.URL, p.Key, p.TLSPin, p.Identity)
		return err
	})
}

// Parties returns every party, by name.
func (d *DB) Parties(ctx context.Context) ([]accord.Party, error) {
	return d.parties(ctx, selectParty+" ORDER BY name")
}

// Party returns a party, or ErrNotFound.
func (d *DB) Party(ctx context.Context, name string) (accord.Party, error) {
	ps, err := d.parties(ctx, selectParty+" WHERE name = $1", name)
	if err == nil && len(ps) == 0 {
		err = accord.ErrNotFound
	}
	if err != nil {
		return accord.Party{}, fmt.Errorf("party %s: %w", name, err)
	}
	return ps[0], nil
}

func (d *DB) parties(ctx context.Context, query string, args ...any) (out []accord.Party, err error) {
	rows, err := d.query(ctx, query, args...)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var p accord.Party
			err := r.Scan(&p.Name, &p.Nation, &p.Title, &p.URL, &p.Key, &p.TLSPin, &p.Identity)
			out = append(out, p)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("parties: %w", err)
	}
	return out, nil
}

// PutAgreement stores a version of an agreement, or replaces it: more signatures,
// or in force now. The moment it was first added stays. Suspensions it carries are
// stored as PutSuspension does.
func (d *DB) PutAgreement(ctx context.Context, r accord.AgreementRecord) error {
	if r.ID == "" || r.Version < 1 {
		return fmt.Errorf("put agreement: %w: %q version %d", accord.ErrInvalid, r.ID, r.Version)
	}
	return d.write(ctx, "put agreement "+r.ID, func(t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO agreement (id, version, note, added, in_force) VALUES ($1, $2, $3, $4, $5) "+
			"ON CONFLICT (id, version) DO UPDATE SET note = excluded.note, in_force = excluded.in_force",
			r.ID, r.Version, opaque(r.Note), int64(r.Added), int64(r.InForce))
		if err != nil {
			return err
		}
		for _, s := range r.Suspensions {
			if err := t.putSuspension(ctx, r.ID, s); err != nil {
				return err
			}
		}
		t.change(accord.ChangeAgreement, accord.ItemKey{}, max(r.Added, r.InForce))
		return nil
	})
}

// PutSuspension stores a party's suspension of an agreement, named by its party
// and moment, or replaces it: lifted now. An agreement that is not there is ErrNotFound.
func (d *DB) PutSuspension(ctx context.Context, id string, s accord.Suspension) error {
	return d.write(ctx, "put suspension of "+id, func(t *tx) error {
		var n int64
		rows, err := t.query(ctx, "SELECT count(*) FROM agreement WHERE id = $1", id)
		if err == nil {
			err = one(rows, &n)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return accord.ErrNotFound
		}
		if err := t.putSuspension(ctx, id, s); err != nil {
			return err
		}
		t.change(accord.ChangeAgreement, accord.ItemKey{}, max(s.At, s.Lifted))
		return nil
	})
}

func (t *tx) putSuspension(ctx context.Context, id string, s accord.Suspension) error {
	_, err := t.exec(ctx, "INSERT INTO suspension (agreement, party, at, note, lifted) VALUES ($1, $2, $3, $4, $5) "+
		"ON CONFLICT (agreement, party, at) DO UPDATE SET note = excluded.note, lifted = excluded.lifted",
		id, s.Party, int64(s.At), opaque(s.Note), int64(s.Lifted))
	return err
}

// Agreements returns every version of every agreement, by id and version.
func (d *DB) Agreements(ctx context.Context) ([]accord.AgreementRecord, error) {
	return d.agreements(ctx, "", "")
}

// Agreement returns one version of an agreement, the newest when version is 0, or
// ErrNotFound.
func (d *DB) Agreement(ctx context.Context, id string, version int) (accord.AgreementRecord, error) {
	rs, err := d.agreements(ctx, " WHERE id = $1", " WHERE agreement = $1", id)
	if err != nil {
		return accord.AgreementRecord{}, err
	}
	if version == 0 && len(rs) > 0 {
		return rs[len(rs)-1], nil
	}
	for _, r := range rs {
		if r.Version == version {
			return r, nil
		}
	}
	return accord.AgreementRecord{}, fmt.Errorf("agreement %s version %d: %w", id, version, accord.ErrNotFound)
}

func (d *DB) agreements(ctx context.Context, where, whose string, args ...any) (out []accord.AgreementRecord, err error) {
	rows, err := d.query(ctx, "SELECT id, version, note, added, in_force FROM agreement"+where+" ORDER BY id, version", args...)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var a accord.AgreementRecord
			err := r.Scan(&a.ID, &a.Version, &a.Note, &a.Added, &a.InForce)
			out = append(out, a)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("agreements: %w", err)
	}
	suspensions := map[string][]accord.Suspension{}
	rows, err = d.query(ctx, "SELECT agreement, party, at, note, lifted FROM suspension"+whose+" ORDER BY agreement, at, party", args...)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var id string
			var s accord.Suspension
			err := r.Scan(&id, &s.Party, &s.At, &s.Note, &s.Lifted)
			suspensions[id] = append(suspensions[id], s)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("suspensions: %w", err)
	}
	for i := range out {
		out[i].Suspensions = suspensions[out[i].ID]
	}
	return out, nil
}
