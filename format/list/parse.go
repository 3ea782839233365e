// SPDX-License-Identifier: Apache-2.0

package list

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxCells is the most columns a line may have.
const maxCells = 64

// columns says where a header puts what; -1 is nowhere.
type columns struct {
	sep                                byte
	n                                  int
	typ, value, category, family, note int
}

// The usual names of each column, the better one first.
var (
	typeNames     = []string{"type", "kind", "ioc_type", "indicator_type", "observable_type"}
	valueNames    = []string{"value", "indicator", "ioc", "ioc_value", "observable", "url", "domain", "fqdn", "hostname", "host", "ip", "ip_address", "dst_ip", "src_ip", "address", "cidr", "sha256", "sha256_hash", "sha1", "sha1_hash", "md5", "md5_hash", "hash", "email"}
	categoryNames = []string{"category", "threat_type", "threat", "class", "classification"}
	familyNames   = []string{"family", "malware", "malware_family", "malware_printable", "signature"}
	noteNames     = []string{"comment", "description", "note", "notes", "info"}
)

// parser holds what earlier lines said of the later ones.
type parser struct {
	begun bool     // the first line that is not a comment has been seen
	head  *columns // the header in force
	offer *columns // a header found in a comment, if the first line fits it
	cells []string
	form  form
}

// line reads one line; ok is false for what carries no row (blank, comment, header).
func (p *parser) line(s string) (row Row, ok bool, err error) {
	if !utf8.ValidString(s) {
		return Row{}, false, errUTF8
	}
	t := strings.TrimSpace(s)
	if t == "" {
		return Row{}, false, nil
	}
	if p.form.comment != "" && strings.HasPrefix(t, p.form.comment) {
		return Row{}, false, nil
	}
	if c, isComment := comment(t); isComment {
		if !p.begun {
			if h := p.header(c); h != nil && h.n > 1 {
				p.offer = h
			}
		}
		return Row{}, false, nil
	}
	if p.form.number > 0 {
		return p.numbered(s)
	}
	if !p.begun {
		p.begun = true
		if p.head = p.header(s); p.head != nil {
			return Row{}, false, nil
		}
		if p.offer != nil {
			if cells, err := p.split(s, p.offer.sep); err == nil && len(cells) == p.offer.n {
				p.head = p.offer
			}
		}
	}
	if p.head != nil {
		row, err = p.table(s)
	} else {
		row, err = p.plain(t)
	}
	return row, err == nil, err
}

// comment returns what follows the comment sign.
func comment(t string) (string, bool) {
	for _, sign := range []string{"#", "//", ";"} {
		if rest, ok := strings.CutPrefix(t, sign); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// header returns the columns that s names, or nil when s is not a header.
func (p *parser) header(s string) *columns {
	for _, sep := range p.form.seps([]byte{'\t', ',', ';'}) {
		cells, err := p.split(s, sep)
		if err != nil || len(cells) == 1 && sep != ';' {
			continue
		}
		names := make([]string, len(cells))
		for i, c := range cells {
			names[i] = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(c)), " ", "_")
		}
		h := &columns{
			sep: sep, n: len(names), typ: first(names, typeNames), value: first(names, valueNames),
			category: first(names, categoryNames), family: first(names, familyNames), note: first(names, noteNames),
		}
		if p.form.name != "" {
			h.value = slices.Index(names, p.form.name)
		}
		if h.value >= 0 {
			return h
		}
	}
	return nil
}

// first returns where the first of wanted stands in names, or -1.
func first(names, wanted []string) int {
	for _, w := range wanted {
		if i := slices.Index(names, w); i >= 0 {
			return i
		}
	}
	return -1
}

// table reads a line under a header.
func (p *parser) table(s string) (Row, error) {
	h := p.head
	cells, err := p.split(s, h.sep)
	if err != nil {
		return Row{}, err
	}
	if len(cells) != h.n {
		return Row{}, fmt.Errorf("%d columns where the header has %d", len(cells), h.n)
	}
	cell := func(i int) string {
		if i < 0 {
			return ""
		}
		return strings.TrimSpace(cells[i])
	}
	typ := cell(h.typ)
	if p.form.kind != "" {
		typ = p.form.kind
	}
	row, err := value(typ, cell(h.value))
	if err != nil {
		return Row{}, err
	}
	row.Category, row.Family, row.Comment = cell(h.category), cell(h.family), cell(h.note)
	return row, nil
}

// plain reads a line of a list without header: the whole line, else its first
// word, else its first cell that is an indicator. A line of a hosts file
// ("0.0.0.0 name") means its name.
func (p *parser) plain(t string) (Row, error) {
	word, rest, more := strings.Cut(strings.ReplaceAll(t, "\t", " "), " ")
	if !more {
		if row, err := value(p.form.kind, t); err == nil {
			return row, nil
		}
	} else {
		rest = strings.TrimSpace(rest)
		if name, _, _ := strings.Cut(rest, " "); word == "0.0.0.0" || word == "127.0.0.1" || word == "::1" || word == "::" {
			return value("domain", name)
		}
		if row, err := value(p.form.kind, word); err == nil {
			if c, isComment := comment(rest); isComment {
				row.Comment = c
			}
			return row, nil
		}
	}
	for _, sep := range p.form.seps([]byte{'\t', ',', ';', '|'}) {
		if strings.IndexByte(t, sep) < 0 {
			continue
		}
		cells, err := p.split(t, sep)
		if err != nil {
			continue
		}
		for _, c := range cells {
			if row, err := value(p.form.kind, strings.TrimSpace(c)); err == nil {
				return row, nil
			}
		}
	}
	return Row{}, errNone
}

var (
	errNone  = errors.New("no indicator in it: want a domain, address, network, URL, e-mail address or hash")
	errQuote = errors.New("unbalanced quotes")
)

// split cuts s at sep. Commas and semicolons respect double quotes (RFC 4180,
// but a quoted cell ends on its line); tabs do not. The result is valid until
// the next call.
func (p *parser) split(s string, sep byte) ([]string, error) {
	p.cells = p.cells[:0]
	for {
		if len(p.cells) == maxCells {
			return nil, fmt.Errorf("over %d columns", maxCells)
		}
		var cell string
		more := false
		if t := strings.TrimLeft(s, " "); sep != '\t' && strings.HasPrefix(t, `"`) {
			var err error
			if cell, s, err = quoted(t[1:]); err != nil {
				return nil, err
			}
			s = strings.TrimLeft(s, " ")
			if s != "" && s[0] != sep {
				return nil, errQuote
			}
			if more = s != ""; more {
				s = s[1:]
			}
		} else if i := strings.IndexByte(s, sep); i >= 0 {
			cell, s, more = s[:i], s[i+1:], true
		} else {
			cell = s
		}
		p.cells = append(p.cells, cell)
		if !more {
			return p.cells, nil
		}
	}
}

// quoted returns the cell up to its closing quote, and what follows that.
func quoted(s string) (cell, rest string, err error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return "", "", errQuote
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		if !strings.HasPrefix(s, `"`) {
			return b.String(), s, nil
		}
		b.WriteByte('"')
		s = s[1:]
	}
}
