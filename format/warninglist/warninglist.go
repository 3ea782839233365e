// SPDX-License-Identifier: Apache-2.0

// Package warninglist reads MISP warning lists: values that are known to be
// harmless or shared, and must not be taken for indicators.
//
// Source: MISP/misp-warninglists, schema.json. A list is one JSON object with
// name, type (string, substring, hostname, cidr, regex), matching_attributes and
// list; it may be gzipped. Members that the schema does not name are ignored.
//
// Sizes are bytes; instants do not occur. [Read] refuses, with an error that
// wraps [accord.ErrInvalid], what is not strict JSON (duplicate members, invalid
// UTF-8), what is larger than [MaxBytes] once unpacked, and more than
// [MaxEntries] entries. Regular expressions are not read: [List.Skipped] counts
// them. Pure; safe for concurrent use.
package warninglist

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// Bounds on one list. The largest published list is about 20 MB.
const (
	MaxBytes   = 64 << 20 // unpacked
	MaxEntries = 2_000_000
	maxEntry   = 4096
	maxDepth   = 8
)

// Type says how the entries of a list are compared with a value.
type Type string

// The types of the schema.
const (
	String    Type = "string"    // the whole value
	Substring Type = "substring" // anywhere in the value
	Hostname  Type = "hostname"  // a name, and in MISP the names under it
	CIDR      Type = "cidr"      // addresses and networks
	Regex     Type = "regex"     // not read
)

// List is one warning list.
type List struct {
	Name     string
	Type     Type
	Matching []string // MISP attribute types it speaks of; empty = all
	Entries  []string // trimmed, not otherwise changed; none is empty
	Skipped  int      // entries not read: regular expressions, empty and overlong ones
}

// Speaks reports whether the list is about one of these MISP attribute types.
func (l List) Speaks(attributes ...string) bool {
	if len(l.Matching) == 0 {
		return true
	}
	for _, m := range l.Matching {
		for part := range strings.SplitSeq(m, "|") {
			if slices.Contains(attributes, part) {
				return true
			}
		}
	}
	return false
}

// Read reads one list, gzipped or not.
func Read(r io.Reader) (List, error) {
	br := bufio.NewReader(r)
	if magic, _ := br.Peek(2); string(magic) == "\x1f\x8b" {
		zr, err := gzip.NewReader(br)
		if err != nil {
			return List{}, fmt.Errorf("%w: warning list: %w", accord.ErrInvalid, err)
		}
		br = bufio.NewReader(zr)
	}
	l, err := read(&bounded{r: br, left: MaxBytes})
	if err != nil {
		return List{}, fmt.Errorf("%w: warning list: %w", accord.ErrInvalid, err)
	}
	return l, nil
}

// bounded fails, rather than ends, when more than left bytes are read.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("more than %d bytes", MaxBytes)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func read(r io.Reader) (List, error) {
	d := jsontext.NewDecoder(r)
	var l List
	if t, err := d.ReadToken(); err != nil {
		return l, err
	} else if t.Kind() != '{' {
		return l, errors.New("want an object")
	}
	haveList := false
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return l, err
		}
		switch name := t.String(); name {
		case "name":
			l.Name, err = text(d)
		case "type":
			var s string
			s, err = text(d)
			l.Type = Type(s)
		case "matching_attributes":
			l.Matching, err = texts(d, 1000, nil)
		case "list":
			haveList = true
			l.Entries, err = texts(d, MaxEntries, &l.Skipped)
		default:
			err = skip(d)
		}
		if err != nil {
			return l, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return l, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return l, errors.New("more than one value")
	}
	return l, l.check(haveList)
}

func (l *List) check(haveList bool) error {
	if l.Name == "" || !haveList {
		return errors.New("want name, type and list")
	}
	switch l.Type {
	case String, Substring, Hostname, CIDR:
		return nil
	case Regex:
		l.Skipped += len(l.Entries)
		l.Entries = nil
		return nil
	default:
		return fmt.Errorf("type %.40q is not one of string, substring, hostname, cidr, regex", l.Type)
	}
}

func text(d *jsontext.Decoder) (string, error) {
	t, err := d.ReadToken()
	if err != nil {
		return "", err
	}
	if t.Kind() != '"' {
		return "", errors.New("want a string")
	}
	return strings.TrimSpace(t.String()), nil
}

// texts reads an array of strings. Empty and overlong ones are left out and
// counted in skipped.
func texts(d *jsontext.Decoder, most int, skipped *int) ([]string, error) {
	if t, err := d.ReadToken(); err != nil {
		return nil, err
	} else if t.Kind() != '[' {
		return nil, errors.New("want an array")
	}
	var all []string
	for n := 0; d.PeekKind() != ']'; n++ {
		s, err := text(d)
		if err != nil {
			return nil, err
		}
		if n == most {
			return nil, fmt.Errorf("more than %d entries", most)
		}
		if s != "" && len(s) <= maxEntry {
			all = append(all, s)
		} else if skipped != nil {
			*skipped++
		}
	}
	_, err := d.ReadToken()
	return all, err
}

// skip reads past one value of bounded depth.
func skip(d *jsontext.Decoder) error {
	base := d.StackDepth()
	for {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		if d.StackDepth() > base+maxDepth {
			return fmt.Errorf("nested deeper than %d", maxDepth)
		}
		if d.StackDepth() == base && t.Kind() != 0 {
			return nil
		}
	}
}
