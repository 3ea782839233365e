// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"

	"accord/format/stix"
)

// stixCmd are the commands on STIX itself: they need no node.
type stixCmd struct {
	Validate stixValidateCmd `cmd:"" help:"Check STIX against the standard; each finding names its place and section."`
}

type stixValidateCmd struct {
	Files []string `arg:"" help:"Files of STIX 2.1 or 2.0; - is standard input."`
}

// Run exits with 0 when everything is valid, 1 when something is not, and 2 when
// an input could not be read to its end.
func (c *stixValidateCmd) Run(e *env) error {
	objects, bad := 0, 0
	for _, name := range c.Files {
		in := e.stdin
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return errStatus{2, err}
			}
			defer f.Close() //nolint:errcheck // only read
			in = f
		}
		n, wrong := c.read(e.stdout, in)
		objects, bad = objects+n, bad+wrong
	}
	fmt.Fprintf(e.stdout, "%d objects, %d not valid\n", objects, bad)
	if bad > 0 {
		return errStatus{1, fmt.Errorf("%d of %d objects are not valid", bad, objects)}
	}
	return nil
}

func (c *stixValidateCmd) read(w io.Writer, in io.Reader) (objects, bad int) {
	for raw, err := range stix.Read(in, stix.DefaultLimits) {
		objects++
		if err == nil {
			_, err = stix.Parse(raw, 0)
		}
		if err != nil {
			bad++
			fmt.Fprintln(w, cell(err.Error()))
		}
	}
	return objects, bad
}
