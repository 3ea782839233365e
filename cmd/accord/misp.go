// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"accord"
	"accord/format/misp"
	"accord/format/stix"
)

// mispCmd are the commands on MISP itself: they need no node.
type mispCmd struct {
	Convert mispConvertCmd `cmd:"" help:"Convert a MISP event or a STIX document; what is lost is said on standard error. Exits 0 when nothing is lost, 1 when something is, 2 when an input cannot be read."`
}

type mispConvertCmd struct {
	File     string     `arg:"" help:"A MISP event, or STIX 2.1 or 2.0; - is standard input. Its content tells which."`
	To       string     `help:"What to write: stix, a bundle; misp, an event or a response with several." enum:"stix,misp" required:"" placeholder:"FORMAT"`
	Unmarked accord.TLP `help:"What an object without a TLP marking counts as." default:"amber" placeholder:"TLP"`
}

// mostConvert is the largest input, which is held in memory.
const mostConvert = 256 << 20

// Run converts.
func (c *mispConvertCmd) Run(e *env) error {
	b, err := readIn(e, c.File, mostConvert)
	if err != nil {
		return errStatus{2, err}
	}
	items, losses, err := c.items(b)
	if err != nil {
		return errStatus{2, fmt.Errorf("%s: %w", cell(c.File), err)}
	}
	out := bufio.NewWriter(e.stdout)
	if c.To == "stix" {
		err = writeBundle(out, b, items)
	} else {
		var more []misp.Loss
		more, err = writeEvents(out, items)
		losses = append(losses, more...)
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return errStatus{2, err}
	}
	for _, l := range losses {
		fmt.Fprintf(e.stderr, "lost: %s %s: %s\n", cell(l.Type), cell(l.UUID), cell(l.Why))
	}
	if len(losses) > 0 {
		return errStatus{1, fmt.Errorf("%d things were lost, above: the rest is written", len(losses))}
	}
	return nil
}

// items reads the input, of whichever format it is.
func (c *mispConvertCmd) items(b []byte) (items []accord.Item, losses []misp.Loss, err error) {
	if isMISP(b) {
		for event, err := range misp.Read(bytes.NewReader(b), misp.Limits{Event: mostConvert}) {
			if err != nil {
				return nil, nil, err
			}
			made, lost, err := event.Items(misp.Options{TLP: c.Unmarked})
			if err != nil {
				return nil, nil, err
			}
			items, losses = append(items, made...), append(losses, lost...)
		}
		return items, losses, nil
	}
	for raw, err := range stix.Read(bytes.NewReader(b), stix.DefaultLimits) {
		if err != nil {
			return nil, nil, err
		}
		it, err := stix.Parse(raw, c.Unmarked)
		if err != nil {
			return nil, nil, err
		}
		items = append(items, it)
	}
	return items, nil, nil
}

// isMISP tells MISP from STIX by the members of the document: STIX's have a type.
func isMISP(b []byte) bool {
	var doc struct {
		Type string `json:"type"`
	}
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '[' {
		var list []struct {
			Type string `json:"type"`
		}
		return json.Unmarshal(b, &list) != nil || len(list) == 0 || list[0].Type == ""
	}
	return json.Unmarshal(b, &doc) == nil && doc.Type == "" && !bytes.Contains(b[:min(len(b), 4096)], []byte(`"spec_version"`))
}

// writeBundle writes each item once, in a bundle whose id follows from the input.
func writeBundle(w io.Writer, input []byte, items []accord.Item) error {
	sum := sha256.Sum256(input)
	out, err := stix.NewBundle(w, "bundle--"+uuid.NewSHA1(uuid.NameSpaceOID, sum[:]).String())
	if err != nil {
		return err
	}
	seen := map[accord.ItemKey]bool{}
	for _, it := range items {
		if seen[it.ItemKey] {
			continue
		}
		seen[it.ItemKey] = true
		if err := out.Write(it.Bytes); err != nil {
			return err
		}
	}
	return out.Close()
}

// writeEvents writes one event by itself, several as a response.
func writeEvents(w io.Writer, items []accord.Item) ([]misp.Loss, error) {
	events, losses, err := misp.Events(items, misp.WriteOptions{Org: misp.OrgJSON{UUID: "00000000-0000-4000-8000-000000000000", Name: "unknown"}})
	if err != nil {
		return nil, err
	}
	type document struct {
		Event misp.EventJSON `json:"Event"`
	}
	docs := make([]document, len(events))
	for i := range events {
		docs[i] = document{events[i]}
	}
	var v any = map[string]any{"response": docs}
	if len(docs) == 1 {
		v = docs[0]
	}
	if err := json.MarshalWrite(w, v, json.Deterministic(true)); err != nil {
		return nil, err
	}
	_, err = io.WriteString(w, "\n")
	return losses, err
}
