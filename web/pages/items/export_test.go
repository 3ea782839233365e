// SPDX-License-Identifier: Apache-2.0

package items_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"accord"
	"accord/web/page"
	"accord/web/pages/items"
)

// shelf is a store of count items whose objects are bytes each.
type shelf struct {
	items.ExportStore // nothing else is asked of it
	count             int
	object            []byte
	broken            string // the id of one whose bytes are none
	audit             []accord.AuditEntry
}

func (s *shelf) Search(_ context.Context, q accord.Query) (list []accord.Item, next string, err error) {
	at := 0
	if q.After != "" {
		if _, err := fmt.Sscan(q.After, &at); err != nil {
			return nil, "", err
		}
	}
	for ; at < s.count && len(list) < q.Limit; at++ {
		list = append(list, accord.Item{ItemKey: accord.ItemKey{ID: fmt.Sprintf("malware--%d", at)}, Type: "malware"})
	}
	if at < s.count {
		next = fmt.Sprint(at)
	}
	return list, next, nil
}

func (s *shelf) Latest(_ context.Context, ids []string) (map[string]accord.Item, error) {
	out := map[string]accord.Item{}
	for _, id := range ids {
		if id != s.broken {
			out[id] = accord.Item{Bytes: s.object}
		}
	}
	return out, nil
}

func (s *shelf) Audit(_ context.Context, e accord.AuditEntry) error {
	s.audit = append(s.audit, e)
	return nil
}

// download returns the lines of an export, its file name and its record.
func (s *shelf) download(t *testing.T, format string) (lines []string, file, record string) {
	t.Helper()
	a, err := items.Export(s)(t.Context(), &page.Request{Request: httptest.NewRequest("GET", "/items/export?format="+format, nil), Account: accord.Account{Name: "amina"}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(a.Body)), "\n"), a.File, s.audit[len(s.audit)-1].Detail
}

func TestADownloadThatIsNotAllSaysSo(t *testing.T) {
	big := append(append([]byte(`{"type":"malware","x":"`), bytes.Repeat([]byte("a"), 1<<20)...), `"}`...)
	small := []byte(`{"type":"malware"}`)
	for _, c := range []struct {
		name, format string
		shelf        shelf
		lines        int
		file, record string
		says         string
	}{
		{"bytes", "jsonl", shelf{count: 70, object: big}, 64, "accord-items-incomplete.jsonl", "jsonl, 63 items, incomplete", `{"accord":"incomplete: 63 items written; more were found`},
		{"bytes no longer", "jsonl", shelf{count: 63, object: big}, 63, "accord-items.jsonl", "jsonl, 63 items", ""},
		{"items", "csv", shelf{count: 10_001}, 10_002, "accord-items-incomplete.csv", "csv, 10000 items, incomplete", `incomplete: 10000 items written; more were found`},
		{"items no more", "csv", shelf{count: 10_000}, 10_001, "accord-items.csv", "csv, 10000 items", ""},
		{"no bytes", "jsonl", shelf{count: 3, object: small, broken: "malware--1"}, 3, "accord-items-incomplete.jsonl", "jsonl, 2 items, incomplete", `{"accord":"incomplete: 2 items written; 1 found whose`},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines, file, record := c.shelf.download(t, c.format)
			if len(lines) != c.lines || file != c.file || record != c.record {
				t.Errorf("%d lines in %s, recorded as %q: want %d, %s, %q", len(lines), file, record, c.lines, c.file, c.record)
			}
			last := strings.TrimPrefix(lines[len(lines)-1], `"`)
			if c.says == "" == strings.Contains(last, "incomplete") || !strings.HasPrefix(last, c.says) {
				t.Errorf("the last line is %.200s, want %s", last, c.says)
			}
		})
	}
}
