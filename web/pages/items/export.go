// SPDX-License-Identifier: Apache-2.0

package items

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/web/page"
)

// Bounds of a download.
const (
	exportItems = 10_000
	exportBytes = 64 << 20
	exportPage  = 500
)

// head names the columns of a table.
var head = strings.Fields("id type name tlp pap values labels tags score source party state valid_until added")

// ExportStore is what a download reads and writes.
type ExportStore interface {
	Store
	Latest(ctx context.Context, ids []string) (map[string]accord.Item, error)
	Audit(ctx context.Context, e accord.AuditEntry) error
}

// Export answers with what a query finds, as CSV or as one STIX object a line. It
// is for the authority's own people: what leaves for a party goes by agreement,
// never this way. Each download is recorded. One that does not hold all that was found
// says so in its last line, its name and its record.
func Export(store ExportStore) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		form := r.URL.Query()
		x := &export{store: store, now: r.Now}
		var err error
		switch form.Get("format") {
		case "csv":
			x.lines = csv.NewWriter(&x.body)
			err = x.lines.Write(head)
		case "jsonl":
		default:
			err = fmt.Errorf("%w: format %q: want csv or jsonl", accord.ErrInvalid, form.Get("format"))
		}
		if err != nil {
			return nil, err
		}
		if err := x.all(ctx, accord.Query{Q: orAll(form.Get("q")), Now: r.Now, Limit: exportPage}); err != nil {
			return nil, err
		}
		if err := x.end(); err != nil {
			return nil, err
		}
		err = store.Audit(ctx, accord.AuditEntry{
			At: r.Now, Who: r.Account.Name, What: "items.export", Object: form.Get("q"), Detail: form.Get("format") + ", " + strconv.Itoa(x.n) + " items" + x.short(),
		})
		if err != nil {
			return nil, fmt.Errorf("record download: %w", err)
		}
		a := &page.Answer{Body: x.body.Bytes(), Type: "application/x-ndjson", File: "accord-items" + strings.ReplaceAll(x.short(), ", ", "-") + ".jsonl"}
		if x.lines != nil {
			a.Type, a.File = "text/csv; charset=utf-8", strings.TrimSuffix(a.File, ".jsonl")+".csv"
		}
		return a, nil
	}
}

// export gathers a download.
type export struct {
	store ExportStore
	now   accord.Stamp
	body  bytes.Buffer
	lines *csv.Writer // nil for JSON
	n     int         // items written
	cut   bool        // more was found than a download takes
	left  int         // objects whose bytes cannot be written as a line
}

// all writes what q finds, up to the bounds.
func (x *export) all(ctx context.Context, q accord.Query) error {
	for {
		list, next, err := x.store.Search(ctx, q)
		if err != nil {
			return err
		}
		room := exportItems - x.n
		if x.body.Len() >= exportBytes {
			room = 0
		}
		if len(list) > room {
			list, x.cut = list[:room], true
		}
		if err := x.add(ctx, list); err != nil {
			return err
		}
		if next == "" || x.cut {
			return nil
		}
		q.After = next
	}
}

func (x *export) add(ctx context.Context, list []accord.Item) error {
	if x.lines != nil {
		x.n += len(list)
		for _, it := range list {
			if err := x.lines.Write(x.row(it)); err != nil {
				return err
			}
		}
		x.lines.Flush()
		return x.lines.Error()
	}
	for len(list) > 0 { // a few at a time: one object may be large
		part := list[:min(len(list), 50)]
		list = list[len(part):]
		ids := make([]string, len(part))
		for i, it := range part {
			ids[i] = it.ID
		}
		held, err := x.store.Latest(ctx, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			line := jsontext.Value(held[id].Bytes).Clone()
			if len(line) == 0 || line.Compact() != nil {
				x.left++ // it was stored before objects were read so strictly
				continue
			}
			if x.body.Len()+len(line) >= exportBytes {
				x.cut = true
				return nil
			}
			x.body.Write(line)
			x.body.WriteByte('\n')
			x.n++
		}
	}
	return nil
}

// short is what the record and the file's name say of a download that is not all
// of what was found.
func (x *export) short() string {
	if x.cut || x.left > 0 {
		return ", incomplete"
	}
	return ""
}

// end says in the last line what is not in the file.
func (x *export) end() error {
	if x.short() == "" {
		return nil
	}
	says := fmt.Sprintf("incomplete: %d items written", x.n)
	if x.cut {
		says += fmt.Sprintf("; more were found than a download takes (%d items, %d MiB): narrow the query", exportItems, exportBytes>>20)
	}
	if x.left > 0 {
		says += fmt.Sprintf("; %d found whose stored bytes are not one JSON object: see accord fsck", x.left)
	}
	if x.lines != nil {
		if err := x.lines.Write(append([]string{says}, make([]string, len(head)-1)...)); err != nil {
			return err
		}
		x.lines.Flush()
		return x.lines.Error()
	}
	line, err := jsontext.AppendQuote([]byte(`{"accord":`), says)
	if err != nil {
		return err
	}
	x.body.Write(append(line, "}\n"...))
	return nil
}

func (x *export) row(it accord.Item) []string {
	var values []string
	for _, o := range it.Observables {
		values = append(values, o.Value)
	}
	score := ""
	if it.Type == "indicator" {
		score = strconv.FormatInt(page.GaugeOf(x.store.Score(it, x.now), x.now).Now, 10)
	}
	row := []string{
		it.ID, it.Type, it.Name, it.TLP.String(), it.PAP.String(), strings.Join(values, " "), strings.Join(it.Labels, " "), strings.Join(it.Tags, " "),
		score, it.Source, it.Origin.Party, page.StateOf(it, x.now), it.ValidUntil.String(), it.Added.String(),
	}
	for i, cell := range row {
		row[i] = inert(cell)
	}
	return row
}

// inert keeps a spreadsheet from reading a cell as a formula.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
