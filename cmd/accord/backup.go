// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/store"
)

type backupCmd struct {
	File     string `arg:"" help:"File to write; it must not be there yet." placeholder:"FILE"`
	WithKeys bool   `help:"Put keys/ and accord.toml in too: whoever reads the file is then the node. Encrypt it."`
	JSON     bool   `help:"Print one JSON object."`
}

// Run writes the store as it is at one moment; the node may run.
func (c *backupCmd) Run(e *env) error {
	cfg, err := loadConfig(e.home)
	if err != nil {
		return err
	}
	if err := storeIsThere(cfg); err != nil {
		return err
	}
	var files []store.BackupFile
	if c.WithKeys {
		if files, err = secretFiles(cfg.home); err != nil {
			return err
		}
	}
	db, err := store.OpenReading(e.ctx, cfg.storeURL(), e.log)
	if err != nil {
		return err
	}
	m := store.Manifest{Party: cfg.Self.Name, Program: versionText(), Made: now().UTC().Format(time.RFC3339)}
	size, err := c.write(e.ctx, db, &m, files)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if c.JSON {
		return printManifest(e.stdout, m, size)
	}
	fmt.Fprintf(e.stdout, "Backed up %s to %s: %d item versions, %d rows, up to change %d; %s.\n",
		m.Party, c.File, m.Tables["item"], m.Rows, m.Seq, bytesText(size))
	if c.WithKeys {
		fmt.Fprintln(e.stdout, "  It holds the node's private keys: encrypt it, and keep it where only you can read it.")
	} else {
		fmt.Fprintf(e.stdout, "  Without keys: without a copy of %s and %s it is of no use.\n", filepath.Join(cfg.home, keysFolder), configFile)
	}
	return nil
}

// write makes the file whole under another name, on the disk, then gives it its
// own.
func (c *backupCmd) write(ctx context.Context, db *store.DB, m *store.Manifest, files []store.BackupFile) (size int64, err error) {
	if _, err := os.Lstat(c.File); err == nil {
		return 0, fmt.Errorf("%w: %s is there already: a backup is never written over a file", accord.ErrConflict, c.File)
	}
	f, err := os.CreateTemp(filepath.Dir(c.File), filepath.Base(c.File)+".part-*") // mode 0600
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if *m, err = db.Backup(ctx, f, *m, files); err == nil {
		err = f.Sync()
	}
	if size, _ = f.Seek(0, io.SeekEnd); err != nil {
		return size, errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return size, err
	}
	if err := os.Rename(f.Name(), c.File); err != nil {
		return size, err
	}
	return size, syncFolder(filepath.Dir(c.File))
}

// syncFolder has a new name in a folder on the disk.
func syncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// secretFiles reads what makes a node who it is.
func secretFiles(home string) (files []store.BackupFile, err error) {
	for _, name := range []string{configFile, keysFolder + "/node.key", keysFolder + "/pseudonym.key", keysFolder + "/tls.key", keysFolder + "/tls.crt"} {
		b, err := os.ReadFile(filepath.Join(home, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		files = append(files, store.BackupFile{Name: name, Data: b})
	}
	return files, nil
}

func printManifest(w io.Writer, m store.Manifest, size int64) error {
	b, err := json.Marshal(struct {
		store.Manifest
		Items int64 `json:"items"`
		Rows  int64 `json:"rows"`
		Bytes int64 `json:"bytes"`
	}{m, m.Tables["item"], m.Rows, size}, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", (n+1023)>>10)
}

// storeIsThere refuses a SQLite store that is missing or empty: it would read as
// one that holds nothing.
func storeIsThere(c Config) error {
	file, ok := c.storeFile()
	if !ok {
		return nil
	}
	if info, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return fmt.Errorf("%w: the store %s is missing or empty: mount its disk or restore it from a backup (\"accord restore\"); \"accord init\" makes a new node", accord.ErrNotFound, file)
	}
	return nil
}
