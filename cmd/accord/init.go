// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"accord"
	"accord/format/stix"
	"accord/store"
)

type initCmd struct {
	Name   string `required:"" help:"Name of the party: lower case, DNS-like, such as cert.ma.example. It can never change." placeholder:"NAME"`
	Nation string `required:"" help:"Country, ISO 3166-1 alpha-2." placeholder:"XX"`
	Title  string `help:"What people read; default: the name." placeholder:"TEXT"`

	Node    string  `help:"Address for partners, TAXII clients and sensors." placeholder:"HOST:PORT"`
	URL     string  `help:"How partners reach that address; default: https:// and the address." placeholder:"https://HOST:PORT"`
	Console string  `help:"Address of the console." placeholder:"HOST:PORT"`
	DNS     *string `help:"Address of the response policy zones; empty: none." placeholder:"HOST:PORT"`
	Store   string  `help:"Where everything is kept: sqlite:FILE or postgres://…; default: sqlite:accord.db." placeholder:"URL"`
}

func (c *initCmd) Run(e *env) error {
	cfg := defaultConfig()
	cfg.home = e.home
	cfg.Self = SelfConfig{Name: c.Name, Nation: c.Nation, Title: c.Title}
	if cfg.Self.Title == "" {
		cfg.Self.Title = c.Name
	}
	for value, given := range map[*string]string{
		&cfg.Listen.Node: c.Node, &cfg.Listen.URL: c.URL, &cfg.Listen.Console: c.Console, &cfg.Store.URL: c.Store,
	} {
		if given != "" {
			*value = given
		}
	}
	if c.DNS != nil {
		cfg.Listen.DNS = *c.DNS
	}
	if err := cfg.check(); err != nil {
		return fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	if err := os.MkdirAll(e.home, 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(e.home, configFile)); err == nil {
		return fmt.Errorf("%w: %s is a node already: nothing was changed", accord.ErrConflict, e.home)
	}
	if err := storeSelf(e, cfg); err != nil { // first, as it may fail and be tried again
		return err
	}
	text, err := configText(cfg)
	if err != nil {
		return err
	}
	err = writeNode(e.home, c.Name, text)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s holds keys but no %s: a node's keys are never written over: restore the file or name another folder",
			accord.ErrConflict, e.home, configFile)
	}
	if err != nil {
		return fmt.Errorf("make keys and %s: %w", configFile, err)
	}
	fmt.Fprintf(e.stdout, `Made the node %s in %s.

  %s/keys holds its private keys: back the folder up now, apart from the store.
  Next: accord account add NAME --role operator   an account for the console
        accord partner card > card.toml           what a partner needs to pin you
        accord serve                              run it
`, c.Name, e.home, e.home)
	return nil
}

// writeNode writes a node's keys and configuration so that cut short at any point
// it can be done again: both are written whole under other names, then moved. Keys
// beside a configuration not yet moved are of an init that lacked its last step.
func writeNode(home, name string, text []byte) error {
	keys, config := filepath.Join(home, keysFolder), filepath.Join(home, configFile)
	_, err := os.Lstat(config + ".new")
	begun := err == nil
	_, err = os.Lstat(keys)
	drawn := err == nil
	if drawn && begun {
		k, err := loadKeys(keys)
		begun = err == nil && k.node.Name() == name
	}
	if drawn && !begun {
		return &fs.PathError{Op: "make", Path: keys, Err: fs.ErrExist}
	}
	if !drawn {
		if err := os.RemoveAll(keys + ".new"); err != nil {
			return err
		}
		if err := makeKeys(keys+".new", name); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(config + ".new"); err != nil {
		return err
	}
	if err := writeSecret(config+".new", text); err != nil {
		return err
	}
	if !drawn {
		if err := os.Rename(keys+".new", keys); err != nil {
			return err
		}
	}
	return os.Rename(config+".new", config)
}

// storeSelf makes the store and puts the node's own identity object in it, which
// what it authors refers to.
func storeSelf(e *env, cfg Config) error {
	db, err := store.Open(e.ctx, cfg.storeURL(), e.log)
	if err != nil {
		return err
	}
	it, err := selfIdentity(cfg)
	if err == nil {
		_, err = db.Ingest(e.ctx, []accord.Item{it}, accord.StampOf(now()))
	}
	return errors.Join(err, db.Close())
}

// identityOf is the id of the STIX identity of a party: the same on every node.
func identityOf(party string) string {
	return "identity--" + uuid.NewSHA1(uuid.NameSpaceURL, []byte("accord:identity/"+party)).String()
}

func selfIdentity(cfg Config) (accord.Item, error) {
	at := now().UTC().Format("2006-01-02T15:04:05.000Z")
	raw, err := json.Marshal(struct {
		Type    string   `json:"type"`
		Spec    string   `json:"spec_version"`
		ID      string   `json:"id"`
		Author  string   `json:"created_by_ref"`
		Created string   `json:"created"`
		Mod     string   `json:"modified"`
		Name    string   `json:"name"`
		Class   string   `json:"identity_class"`
		Sectors []string `json:"sectors"`
	}{
		"identity", "2.1", identityOf(cfg.Self.Name), identityOf(cfg.Self.Name), at, at,
		cfg.Self.Title, "organization",
		[]string{"government"},
	})
	if err != nil {
		return accord.Item{}, err
	}
	it, err := stix.Parse(stix.Raw{Bytes: raw, Spec: "2.1"}, accord.TLPClear)
	it.Source = cfg.Self.Name
	return it, err
}

// configText writes a new node's accord.toml: what was said, and where to look
// for the rest.
func configText(c Config) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# The node's configuration. Every key is explained by\n# \"accord config show --reference\"; \"accord config check\" reads this file.\n\n")
	err := toml.NewEncoder(&b).Encode(c)
	return b.Bytes(), err
}
