// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bufio"
	"fmt"
	"io"
)

// Writer streams objects as one bundle or one envelope. Write each object, then
// Close. The first error of the underlying writer sticks.
type Writer struct {
	w     *bufio.Writer
	head  string // what goes before the list of objects
	tail  string // what goes after it
	empty string // the whole, when there are no objects
	count int
}

// NewBundle returns a Writer of a STIX bundle (§8). id is "bundle--" and a UUID.
func NewBundle(w io.Writer, id string) (*Writer, error) {
	if !validID(id) || typeOf(id) != "bundle" {
		return nil, problem("id", "8.1", "%q is not the id of a bundle", clip(id))
	}
	head := `{"type":"bundle","id":"` + id + `"`
	return &Writer{w: bufio.NewWriter(w), head: head + `,"objects":[`, tail: "]}\n", empty: head + "}\n"}, nil
}

// NewEnvelope returns a Writer of a TAXII 2.1 envelope (§3.7). More, when it is
// called before Close, adds where the next page begins. An empty page is {}.
func NewEnvelope(w io.Writer) *Writer {
	return &Writer{w: bufio.NewWriter(w), head: `{"objects":[`, tail: "]}\n", empty: "{}\n"}
}

// More marks an envelope as having a next page; next may be empty.
func (w *Writer) More(next string) {
	rest := `"more":true`
	if next != "" {
		rest += `,"next":` + string(quoted(next))
	}
	w.tail = "]," + rest + "}\n"
	w.empty = "{" + rest + "}\n"
}

// Write adds one object, which is written as it is.
func (w *Writer) Write(object []byte) error {
	sep := ","
	if w.count == 0 {
		sep = w.head
	}
	w.count++
	if _, err := w.w.WriteString(sep + "\n"); err != nil {
		return fmt.Errorf("write objects: %w", err)
	}
	if _, err := w.w.Write(object); err != nil {
		return fmt.Errorf("write objects: %w", err)
	}
	return nil
}

// Close writes the end; it does not close the underlying writer.
func (w *Writer) Close() error {
	end := w.tail
	if w.count == 0 {
		end = w.empty
	}
	if _, err := w.w.WriteString(end); err != nil {
		return fmt.Errorf("write objects: %w", err)
	}
	if err := w.w.Flush(); err != nil {
		return fmt.Errorf("write objects: %w", err)
	}
	return nil
}
