// SPDX-License-Identifier: Apache-2.0

package list

import (
	"fmt"
	"strconv"
	"strings"

	"accord"
)

// form is an accord.ListForm, read.
type form struct {
	number  int    // column with the value, from 1; 0: by name, or as the content says
	name    string // of that column
	kind    string
	sep     byte // 0: as the content says
	comment string
}

// CheckForm refuses a form that cannot be read by.
func CheckForm(f accord.ListForm) error {
	_, err := formOf(f)
	return err
}

func formOf(f accord.ListForm) (out form, err error) {
	bad := func(format string, args ...any) (form, error) {
		return form{}, fmt.Errorf("%w: list: %s", accord.ErrInvalid, fmt.Sprintf(format, args...))
	}
	out.name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(f.Column)), " ", "_")
	if n, err := strconv.Atoi(out.name); err == nil {
		if n < 1 || n > maxCells {
			return bad("column %d: want 1 to %d", n, maxCells)
		}
		out.number, out.name = n, ""
	}
	if _, known := kindOf[string(f.Kind)]; !known {
		return bad("kind %.40q is not one that can be looked for", string(f.Kind))
	}
	out.kind = string(f.Kind)
	switch d := f.Delimiter; {
	case d == "tab" || d == "\\t":
		out.sep = '\t'
	case len(d) == 1 && d[0] >= ' ' && d[0] < 0x7f && d != `"`:
		out.sep = d[0]
	case d != "" && d != "\t":
		return bad("delimiter %.40q: want one character, or tab", d)
	case d == "\t":
		out.sep = '\t'
	}
	if len(f.Comment) > 16 || strings.TrimSpace(f.Comment) != f.Comment {
		return bad("comment sign %.40q: want at most 16 characters without space around them", f.Comment)
	}
	out.comment = f.Comment
	return out, nil
}

// seps are the separators to try: the one that was said, else these.
func (f form) seps(these []byte) []byte {
	if f.sep != 0 {
		return []byte{f.sep}
	}
	return these
}

// numbered reads the column with the number that was said. A first line in which
// it holds no value is a header.
func (p *parser) numbered(s string) (Row, bool, error) {
	first := !p.begun
	p.begun = true
	best := fmt.Errorf("no column %d", p.form.number)
	for _, sep := range p.form.seps([]byte{'\t', ',', ';', '|'}) {
		cells, err := p.split(s, sep)
		if err != nil || len(cells) < p.form.number {
			continue
		}
		row, err := value(p.form.kind, strings.TrimSpace(cells[p.form.number-1]))
		if err == nil {
			return row, true, nil
		}
		best = err
	}
	if first {
		return Row{}, false, nil
	}
	return Row{}, false, best
}
