// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"accord"
)

const selectHead = "SELECT origin, size, root, checkpoint, cosigned, cosigner FROM head"

func scanHead(r *sql.Rows) (h accord.Head, err error) {
	var root []byte
	err = r.Scan(&h.Origin, &h.Size, &root, &h.Checkpoint, &h.Cosigned, &h.Cosigner)
	copy(h.Root[:], root)
	if len(h.Checkpoint) == 0 {
		h.Checkpoint = nil
	}
	if len(h.Cosigner) == 0 {
		h.Cosigner = nil
	}
	return h, err
}

// Head returns where the log origin stands: an empty Head when it is new.
func (d *DB) Head(ctx context.Context, origin string) (accord.Head, error) {
	h, err := head(ctx, d, origin)
	if err != nil {
		return accord.Head{}, fmt.Errorf("head of %s: %w", origin, err)
	}
	return h, nil
}

func head(ctx context.Context, q querier, origin string) (accord.Head, error) {
	h := accord.Head{Origin: origin}
	rows, err := q.query(ctx, selectHead+" WHERE origin = $1", origin)
	if err != nil {
		return h, err
	}
	err = all(rows, func(r *sql.Rows) (err error) {
		h, err = scanHead(r)
		return err
	})
	return h, err
}

// Heads returns where every log stands, by origin.
func (d *DB) Heads(ctx context.Context) (out []accord.Head, err error) {
	rows, err := d.query(ctx, selectHead+" ORDER BY origin")
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			h, err := scanHead(r)
			out = append(out, h)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("heads: %w", err)
	}
	return out, nil
}

// Leaves returns up to limit leaves of the log origin from index from on.
func (d *DB) Leaves(ctx context.Context, origin string, from int64, limit int) (out []accord.Leaf, err error) {
	rows, err := d.query(ctx, "SELECT idx, kind, salt, record FROM leaf WHERE origin = $1 AND idx >= $2 ORDER BY idx LIMIT $3", origin, from, limit)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var l accord.Leaf
			var salt []byte
			err := r.Scan(&l.Index, &l.Kind, &salt, &l.Record)
			copy(l.Salt[:], salt)
			out = append(out, l)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("leaves of %s: %w", origin, err)
	}
	return out, nil
}

// Tile returns a row of hashes of the log origin, or ErrNotFound.
func (d *DB) Tile(ctx context.Context, origin string, level int, index int64) (data []byte, err error) {
	rows, err := d.query(ctx, "SELECT data FROM tile WHERE origin = $1 AND level = $2 AND idx = $3", origin, level, index)
	if err == nil {
		err = one(rows, &data)
	}
	if err != nil {
		return nil, fmt.Errorf("tile %d/%d of %s: %w", level, index, origin, err)
	}
	return data, nil
}

// SetCosigned records that the other party has cosigned checkpoint, of size. An
// older size than the one recorded changes nothing; one beyond the log is
// ErrConflict, and a log that does not exist is ErrNotFound.
func (d *DB) SetCosigned(ctx context.Context, origin string, size int64, checkpoint []byte) error {
	return d.write(ctx, "set cosigned of "+origin, func(t *tx) error {
		h, err := head(ctx, t, origin)
		switch {
		case err != nil:
			return err
		case h.Size == 0:
			return fmt.Errorf("%w: no such log", accord.ErrNotFound)
		case size > h.Size:
			return fmt.Errorf("%w: cosigned at %d, the log has %d", accord.ErrConflict, size, h.Size)
		case size <= h.Cosigned:
			return nil
		}
		_, err = t.exec(ctx, "UPDATE head SET cosigned = $2, cosigner = $3 WHERE origin = $1", origin, size, opaque(checkpoint))
		return err
	})
}

// opaque makes bytes that a column may not hold as NULL.
func opaque(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

var (
	upsertHead = "INSERT INTO head (origin, size, root, checkpoint, cosigned, cosigner) VALUES ($1, $2, $3, $4, $5, $6) " +
		"ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, checkpoint = excluded.checkpoint, " +
		"cosigned = excluded.cosigned, cosigner = excluded.cosigner"
	insertLeaf = bulk{head: "INSERT INTO leaf (origin, idx, kind, salt, record) VALUES ", columns: 5}
	upsertTile = bulk{
		head: "INSERT INTO tile (origin, level, idx, data) VALUES ", columns: 4,
		tail: " ON CONFLICT (origin, level, idx) DO UPDATE SET data = excluded.data",
	}
)

// append applies an append to a log: a compare-and-swap on its size.
func (t *tx) append(ctx context.Context, a accord.LogAppend) error {
	h := a.Head
	if h.Origin == "" || h.Size != a.Prev+int64(len(a.Leaves)) {
		return fmt.Errorf("%w: append to %q of %d leaves from %d to %d", accord.ErrInvalid, h.Origin, len(a.Leaves), a.Prev, h.Size)
	}
	old, err := head(ctx, t, h.Origin)
	if err != nil {
		return err
	}
	if old.Size != a.Prev {
		return fmt.Errorf("%w: log %s has %d leaves, not %d", accord.ErrConflict, h.Origin, old.Size, a.Prev)
	}
	if old.Cosigned >= h.Cosigned {
		h.Cosigned, h.Cosigner = old.Cosigned, old.Cosigner
	}
	_, err = t.exec(ctx, upsertHead, h.Origin, h.Size, h.Root[:], opaque(h.Checkpoint), h.Cosigned, opaque(h.Cosigner))
	if err != nil {
		return err
	}
	var leaves, tiles []any
	for i, l := range a.Leaves {
		if l.Index != a.Prev+int64(i) {
			return fmt.Errorf("%w: leaf %d of %s where %d is due", accord.ErrInvalid, l.Index, h.Origin, a.Prev+int64(i))
		}
		leaves = append(leaves, h.Origin, l.Index, string(l.Kind), a.Leaves[i].Salt[:], opaque(l.Record))
	}
	for _, tl := range a.Tiles {
		tiles = append(tiles, h.Origin, int64(tl.Level), tl.Index, opaque(tl.Data))
	}
	return errors.Join(t.insert(ctx, insertLeaf, leaves), t.insert(ctx, upsertTile, tiles))
}
