// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"

	"accord"
)

// configCmd groups the commands on the configuration.
type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Read accord.toml and the keys, and say everything that is wrong."`
	Show  configShowCmd  `cmd:"" help:"Print the configuration in force, defaults included."`
}

type configCheckCmd struct{}

func (c *configCheckCmd) Run(e *env) error {
	cfg, err := loadConfig(e.home)
	if err != nil {
		return err
	}
	k, err := loadKeys(cfg.path(keysFolder))
	if err != nil {
		return err
	}
	n := &node{config: cfg, keys: k, env: e}
	_, ownErr := n.card()
	_, zoneErr := cfg.rpz()
	_, listErr := n.neverBlock()
	if err := errors.Join(ownErr, zoneErr, listErr); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, "The configuration is good.")
	return nil
}

type configShowCmd struct {
	Reference bool `help:"Explain every key instead."`
}

func (c *configShowCmd) Run(e *env) error {
	if c.Reference {
		_, err := fmt.Fprint(e.stdout, configReference())
		return err
	}
	cfg, err := loadConfig(e.home)
	if err != nil {
		return err
	}
	return toml.NewEncoder(e.stdout).Encode(cfg)
}

// version is set by the linker in a release; otherwise it is what the Go build
// information says.
var version = ""

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

type versionCmd struct{}

func (c *versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.stdout, "accord", versionText())
	return err
}

type completeCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

func (c *completeCmd) Run(e *env, k *kong.Context) error {
	script, err := completion(c.Shell, k.Model.Node)
	if err != nil {
		return fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	_, err = fmt.Fprint(e.stdout, script)
	return err
}
