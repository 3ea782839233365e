// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"

	"accord"
	"accord/sensor"
)

type sensorCmd struct {
	Logs      []string `arg:"" help:"Log files, as glob patterns; rotated and compressed ones too."`
	Node      string   `required:"" help:"Address of the authority's node." placeholder:"https://HOST:PORT"`
	TokenFile string   `required:"" help:"File with the token that \"accord token add NAME --role sensor\" printed." type:"existingfile" placeholder:"FILE"`
	Pin       string   `help:"The node's TLS key: tls_pin of its card. Without it the certificate must be a public one." placeholder:"HEX"`
	State     string   `help:"Folder of the sensor's own: index, bookmark, spool." default:"accord-sensor" type:"path" placeholder:"DIR"`
	Once      bool     `help:"Read what is there to its end, report and exit."`
	DryRun    bool     `help:"Print what would be reported, and report nothing."`
	Past      bool     `help:"Match what was seen before an indicator became valid, or after, too."`
}

// Run runs a sensor. It needs no node folder: it lies at an institution.
func (c *sensorCmd) Run(e *env) error {
	token, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return err
	}
	secret := strings.TrimSpace(string(token))
	if secret == "" || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w: %s does not hold a token: \"accord token add NAME --role sensor\" at the node prints one", accord.ErrInvalid, c.TokenFile)
	}
	if c.Pin != "" && !isHex(c.Pin, 64) {
		return fmt.Errorf("%w: --pin: want the 64 hex digits of the node's tls_pin", accord.ErrInvalid)
	}
	s, err := sensor.New(sensor.Config{
		Node: c.Node, Token: secret, TLSPin: c.Pin, State: c.State, Logs: c.Logs,
		Once: c.Once, DryRun: c.DryRun, Out: e.stdout, AnyTime: c.Past, Now: now, Log: e.log,
	})
	if err != nil {
		return err
	}
	err = s.Run(e.ctx)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	st := s.Status()
	fmt.Fprintf(e.stderr, "%d lines, %d bytes, %d bad lines, %d matches, %d batches waiting\n", st.Lines, st.Bytes, st.Bad, st.Matches, st.Spooled)
	return err
}
