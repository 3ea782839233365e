// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"accord"
	"accord/protect/rpzserver"
)

type resolverCmd struct {
	Kind    string `arg:"" help:"bind or unbound." enum:"bind,unbound"`
	Primary string `help:"Address of this node's zones as the resolver reaches it; default: listen.dns." placeholder:"ADDR:PORT"`
	Dir     string `help:"Folder where the resolver keeps its copies." placeholder:"DIR"`
	Out     string `short:"o" help:"Folder to write the files into; default: standard output." type:"path" placeholder:"DIR"`
}

// Run prints the part of a resolver's configuration that takes and enforces the
// node's zones.
func (c *resolverCmd) Run(e *env) error {
	cfg, err := loadConfig(e.home)
	if err != nil {
		return err
	}
	zones, err := cfg.rpz()
	if err != nil {
		return err
	}
	if c.Primary == "" {
		c.Primary = cfg.Listen.DNS
	}
	primary, err := netip.ParseAddrPort(c.Primary)
	if err != nil {
		return fmt.Errorf("%w: --primary %q: want an address and port", accord.ErrInvalid, c.Primary)
	}
	r := rpzserver.Resolver{Kind: c.Kind, Primary: primary, Dir: c.Dir}
	if len(zones.Keys) > 0 {
		r.Key = zones.Keys[0]
	}
	files, err := rpzserver.ResolverConfig(zones, r)
	if err != nil {
		return err
	}
	for _, f := range files {
		if c.Out == "" {
			fmt.Fprintf(e.stdout, "# %s: %s\n%s\n", f.Name, f.Where, f.Text)
			continue
		}
		// A key's secret may be in it.
		if err := os.WriteFile(filepath.Join(c.Out, f.Name), []byte(f.Text), 0o600); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%s: include it in %s\n", f.Name, f.Where)
	}
	return nil
}
