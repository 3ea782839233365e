// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"accord"
)

// Manifest says what a backup is of.
type Manifest struct {
	Version    int64            `json:"version"` // of the store's tables
	Migrations map[int64]string `json:"migrations"`
	Program    string           `json:"program"`
	Party      string           `json:"party"`
	Made       string           `json:"made"` // RFC 3339
	Engine     string           `json:"engine"`
	Seq        int64            `json:"seq"` // end of the change feed
	Heads      []ManifestHead   `json:"heads,omitempty"`
	Files      []string         `json:"files,omitempty"`
	Rows       int64            `json:"-"` // once it is written or read
	Tables     map[string]int64 `json:"-"`
}

// ManifestHead says where a log stood.
type ManifestHead struct {
	Origin string `json:"origin"`
	Size   int64  `json:"size"`
	Root   string `json:"root"` // hex
}

// BackupFile is a file that travels with a backup, such as a key.
type BackupFile struct {
	Name string `json:"name"` // relative, with slashes
	Data []byte `json:"data"`
}

// notKept are tables that no backup holds: the engine's record of migrations,
// which a restore makes anew, and sign-ins, which end with the node.
var notKept = map[string]bool{"goose_db_version": true, "migration": true, "session": true}

// snapshot is one moment of the store, for reading alone.
type snapshot struct {
	d    *DB
	conn *sql.Conn
	end  func() error
}

// snapshot begins reading at this moment; writers are not held up.
func (d *DB) snapshot(ctx context.Context) (*snapshot, error) {
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := &snapshot{d: d, conn: conn}
	begin := "BEGIN"
	if d.dialect == postgres {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s.end = func() error {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, conn.Close())
	}
	var n int64 // SQLite's moment is its first read
	if err := conn.QueryRowContext(ctx, "SELECT n FROM counter WHERE name = 'seq'").Scan(&n); err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

func (s *snapshot) engine() dialect { return s.d.dialect }

func (s *snapshot) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.conn.QueryContext(ctx, query, args...)
}

// columnsOf returns the tables that q sees, each with its columns, and what each
// column takes (see tableRows).
func columnsOf(ctx context.Context, q querier) (tables []tableHead, kinds map[string]string, err error) {
	list := "SELECT t.name, c.name, c.type FROM sqlite_master t, pragma_table_info(t.name) c " +
		"WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name, c.cid"
	if q.engine() == postgres {
		list = "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns " +
			"WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
	}
	rows, err := q.query(ctx, list)
	if err != nil {
		return nil, nil, err
	}
	kinds = map[string]string{}
	err = all(rows, func(r *sql.Rows) error {
		var table, column, kind string
		if err := r.Scan(&table, &column, &kind); err != nil {
			return err
		}
		if len(tables) == 0 || tables[len(tables)-1].Name != table {
			tables = append(tables, tableHead{Name: table})
		}
		last := &tables[len(tables)-1]
		last.Columns = append(last.Columns, column)
		kinds[table+"."+column] = kindOf(kind)
		return nil
	})
	return tables, kinds, err
}

func kindOf(declared string) string {
	switch strings.ToLower(declared) {
	case "text":
		return "s"
	case "blob", "bytea":
		return "b"
	case "integer", "bigint":
		return "i"
	case "real", "double precision":
		return "f"
	}
	return "?"
}

// Backup writes everything the store holds at one moment to w, while others read
// and write, and returns what it wrote. Of m, the party, the program and the
// moment are the caller's; files go with it. Sign-ins are left out. The form is
// the same for every engine, and [Restore] reads it. Memory does not grow with
// the store.
func (d *DB) Backup(ctx context.Context, w io.Writer, m Manifest, files []BackupFile) (Manifest, error) {
	m, err := d.backup(ctx, w, m, files)
	if err != nil {
		return m, fmt.Errorf("backup: %w", err)
	}
	return m, nil
}

func (d *DB) backup(ctx context.Context, w io.Writer, m Manifest, files []BackupFile) (_ Manifest, err error) {
	s, err := d.snapshot(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	if err := s.describe(ctx, &m); err != nil {
		return m, err
	}
	a, err := newArchiveWriter(w)
	if err != nil {
		return m, err
	}
	for _, f := range files {
		m.Files = append(m.Files, f.Name)
	}
	if err := a.object(frameManifest, m); err != nil {
		return m, err
	}
	for _, f := range files {
		if err := a.object(frameFile, f); err != nil {
			return m, err
		}
	}
	tables, _, err := columnsOf(ctx, s)
	if err != nil {
		return m, err
	}
	m.Tables = map[string]int64{}
	for _, t := range tables {
		if notKept[t.Name] {
			continue
		}
		if err := s.dump(ctx, a, t); err != nil {
			return m, fmt.Errorf("table %s: %w", t.Name, err)
		}
		m.Tables[t.Name] = a.rows
	}
	m.Rows = a.foot.Rows
	return m, a.close()
}

// describe fills in what the manifest says of the store.
func (s *snapshot) describe(ctx context.Context, m *Manifest) error {
	m.Version, m.Engine, m.Migrations = s.d.version, string(s.d.dialect), map[int64]string{}
	all, err := steps()
	if err != nil {
		return err
	}
	for _, st := range all {
		if st.version <= m.Version {
			m.Migrations[st.version] = st.sum
		}
	}
	rows, err := s.query(ctx, "SELECT n FROM counter WHERE name = 'seq'")
	if err == nil {
		err = one(rows, &m.Seq)
	}
	if err != nil {
		return err
	}
	if rows, err = s.query(ctx, selectHead+" ORDER BY origin"); err != nil {
		return err
	}
	return allHeads(rows, func(h accord.Head) {
		m.Heads = append(m.Heads, ManifestHead{h.Origin, h.Size, hex.EncodeToString(h.Root[:])})
	})
}

func allHeads(rows *sql.Rows, fn func(accord.Head)) error {
	return all(rows, func(r *sql.Rows) error {
		h, err := scanHead(r)
		fn(h)
		return err
	})
}

func (s *snapshot) dump(ctx context.Context, a *archiveWriter, t tableHead) error {
	if err := a.beginTable(t); err != nil {
		return err
	}
	rows, err := s.query(ctx, "SELECT "+strings.Join(t.Columns, ", ")+" FROM "+t.Name)
	if err != nil {
		return err
	}
	values := make([]any, len(t.Columns))
	into := make([]any, len(t.Columns))
	for i := range values {
		into[i] = &values[i]
	}
	err = all(rows, func(r *sql.Rows) error {
		if err := r.Scan(into...); err != nil {
			return err
		}
		return a.row(values)
	})
	if err != nil {
		return err
	}
	return a.endTable()
}
