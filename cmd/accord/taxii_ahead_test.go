// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACursorIsNeverAheadOfTheClock(t *testing.T) {
	const col = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/taxii+json;version=2.1")
		switch {
		case strings.HasSuffix(r.URL.Path, "/objects/"):
			w.Header().Set("X-TAXII-Date-Added-First", "9999-12-31T23:59:59.999999Z")
			w.Header().Set("X-TAXII-Date-Added-Last", "9999-12-31T23:59:59.999999Z")
			fmt.Fprint(w, `{"objects":[{"type":"x"}]}`)
		case strings.HasSuffix(r.URL.Path, "/collections/"):
			fmt.Fprintf(w, `{"collections":[{"id":%q,"title":"c","can_read":true,"can_write":false}]}`, col)
		default:
			fmt.Fprint(w, `{"title":"r","versions":["application/taxii+json;version=2.1"],"max_content_length":1000000}`)
		}
	}))
	defer s.Close()
	cursor := filepath.Join(t.TempDir(), "cursor")
	operator{t, t.TempDir()}.types("taxii", "get", s.URL+"/api/", "--collection", col, "--cursor", cursor)
	b, err := os.ReadFile(cursor)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "9999") || !strings.Contains(string(b), `"added_after":"`) {
		t.Errorf("%s: a run from here would be given nothing until the year 9999", b)
	}
}
