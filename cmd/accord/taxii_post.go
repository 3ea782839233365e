// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"time"

	"accord"
	"accord/format/stix"
	"accord/taxii"
)

type taxiiPostCmd struct {
	taxiiServer
	Files      []string      `arg:"" help:"STIX files: bundles, envelopes, objects, JSON lines; - is standard input."`
	Collection string        `required:"" help:"Id, alias or title of the collection." placeholder:"NAME"`
	Wait       time.Duration `help:"How long to wait for what the server has accepted and not done yet." default:"5m" placeholder:"DURATION"`
}

// Run adds the objects and prints what became of them.
func (t *taxiiPostCmd) Run(e *env) error {
	objects, err := t.objects(e)
	if err != nil {
		return err
	}
	c, root, col, err := t.collection(e, t.Collection, func(c *taxii.Client) { c.StatusWait = t.Wait })
	if err != nil {
		return err
	}
	if !col.CanWrite {
		return fmt.Errorf("%w: you may not write to collection %q", accord.ErrForbidden, t.Collection)
	}
	status, err := c.Add(e.ctx, root, col.ID, objects)
	for _, f := range status.Failures {
		fmt.Fprintf(e.stderr, "refused: %s %s: %s\n", visible(f.ID), visible(f.Version), visible(f.Message))
	}
	fmt.Fprintf(e.stdout, "%s: %d objects, %d added, %d refused, %d pending\n",
		visible(status.Status), status.TotalCount, status.SuccessCount, status.FailureCount, status.PendingCount)
	switch {
	case err != nil:
		return explainTAXII(err)
	case status.FailureCount > 0:
		return fmt.Errorf("%d objects were refused", status.FailureCount)
	case status.PendingCount > 0:
		return fmt.Errorf("%d objects are not done yet: posting them again does no harm", status.PendingCount)
	}
	return nil
}

// mostPosted bounds the bytes of a file to post, which is held in memory.
const mostPosted = 1 << 30

// objects reads every file, as it is.
func (t *taxiiPostCmd) objects(e *env) (out [][]byte, err error) {
	for _, name := range t.Files {
		if out, err = appendObjects(e, out, name); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, errors.Join(accord.ErrInvalid, errors.New("the files hold no object"))
	}
	return out, nil
}

func appendObjects(e *env, to [][]byte, name string) ([][]byte, error) {
	in, err := openIn(e, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	for raw, err := range stix.Read(in, stix.Limits{Total: mostPosted}) {
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", accord.ErrInvalid, cell(name), err)
		}
		to = append(to, raw.Bytes)
	}
	return to, nil
}
