// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"

	"accord"
	"accord/store"
)

type restoreCmd struct {
	File  string `arg:"" help:"Backup that \"accord backup\" made, on either engine." placeholder:"FILE"`
	Store string `help:"Where to restore to, sqlite:FILE or postgres://…; default: the store that accord.toml names." placeholder:"URL"`
}

// Run fills a store that is not there yet, then checks it.
func (c *restoreCmd) Run(e *env) error {
	cfg, bare, err := c.config(e)
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	m, err := store.ReadManifest(f)
	if err != nil {
		return err
	}
	if m.Party != cfg.Self.Name {
		return fmt.Errorf("%w: the backup is of %s, and this node is %s", accord.ErrConflict, m.Party, cfg.Self.Name)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	m, files, err := store.Restore(e.ctx, cfg.storeURL(), f, e.log)
	if err != nil {
		return err
	}
	if bare {
		if err := writeFiles(e.home, files); err != nil {
			return fmt.Errorf("the store is restored, the keys are not: %w", err)
		}
	}
	fmt.Fprintf(e.stdout, "Restored %s as it was at %s: %d item versions, %d rows, up to change %d.\n", m.Party, m.Made, m.Tables["item"], m.Rows, m.Seq)
	if c.Store != "" {
		fmt.Fprintf(e.stdout, "  Set store.url in %s to %s.\n", configFile, withoutPassword(c.Store))
	}
	fmt.Fprint(e.stdout, `  Everyone signs in anew. Tokens, accounts and suspensions are as they were then: revoke again what was revoked since.
  When it serves, the node asks each partner what it holds before it signs anything to it; to one that holds more it signs nothing.
`)
	return c.check(e, cfg)
}

func (c *restoreCmd) check(e *env, cfg Config) error {
	fsck := fsckCmd{}
	if _, err := os.Stat(filepath.Join(e.home, keysFolder)); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(e.stdout, "  Put %s/ back, then \"accord fsck\".\n", keysFolder)
		return nil
	}
	k, err := loadKeys(filepath.Join(e.home, keysFolder))
	if err != nil {
		return err
	}
	db, err := store.OpenAsIs(e.ctx, cfg.storeURL(), e.log)
	if err != nil {
		return err
	}
	n := &node{config: cfg, keys: k, db: db, env: e}
	defer n.close()
	if n.self, err = n.card(); err != nil {
		return err
	}
	return fsck.check(n)
}

// config is the node's configuration: its own, or the one in the backup, and then
// the node's files are to be written too.
func (c *restoreCmd) config(e *env) (cfg Config, bare bool, err error) {
	cfg, err = loadConfig(e.home)
	if _, there := os.Stat(filepath.Join(e.home, configFile)); errors.Is(there, fs.ErrNotExist) {
		bare = true
		cfg, err = c.fromBackup(e)
	}
	if c.Store != "" {
		cfg.Store.URL = c.Store
	}
	return cfg, bare, err
}

func (c *restoreCmd) fromBackup(e *env) (Config, error) {
	cfg := defaultConfig()
	cfg.home = e.home
	f, err := os.Open(c.File)
	if err != nil {
		return cfg, err
	}
	defer f.Close() //nolint:errcheck // only read
	files, err := store.ReadFiles(f)
	if err != nil {
		return cfg, err
	}
	for _, x := range files {
		if x.Name == configFile {
			_, err := toml.Decode(string(x.Data), &cfg)
			return cfg, err
		}
	}
	return cfg, fmt.Errorf("%w: no %s in %s, and the backup was made without keys: put accord.toml and keys/ back first", accord.ErrNotFound, configFile, e.home)
}

// writeFiles puts a node's files in home, and never over one.
func writeFiles(home string, files []store.BackupFile) error {
	for _, x := range files {
		if x.Name != configFile && filepath.Dir(filepath.FromSlash(x.Name)) != keysFolder {
			return fmt.Errorf("%w: the backup holds %q, which is no file of a node", accord.ErrInvalid, x.Name)
		}
		path := filepath.Join(home, filepath.FromSlash(x.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := writeSecret(path, x.Data); err != nil {
			return err
		}
	}
	return nil
}

// withoutPassword is a store's URL as it may be shown.
func withoutPassword(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	who, host, at := strings.Cut(rest, "@")
	if !ok || !at {
		return url
	}
	name, _, _ := strings.Cut(who, ":")
	return scheme + "://" + name + "@" + host
}
