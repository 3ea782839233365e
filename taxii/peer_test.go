// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"accord/taxii/taxiitest"
)

// The OASIS client reads, pages, adds, waits, filters and deletes.
func TestTheOASISPythonClientWorksAgainstTheServer(t *testing.T) {
	interpreter := taxiitest.Python(t, "taxii2-client", "taxii2client.v21")
	w := newWorld(t)
	w.mem.pending = 2
	ts := httptest.NewServer(w.srv)
	defer ts.Close()
	list := [][]byte{object(1, 1), object(1, 2)}
	for i := 2; i <= 9; i++ {
		list = append(list, object(i, 1))
	}
	malware := "malware--00000000-0000-4000-8000-000000000007"
	list = append(list, []byte(`{"type":"malware","spec_version":"2.1","id":"`+malware+`","modified":"2026-01-01T00:00:00.000Z","name":"é"}`))
	file := filepath.Join(t.TempDir(), "envelope.json")
	if err := os.WriteFile(file, envelopeOf(list...), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, "testdata/client.py", ts.URL+"/taxii2/", "both", "secret", col, file)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	var all []any
	for i := range 9 {
		all = append(all, idOf(i+1))
	}
	all = append(all, malware)
	want := map[string]any{
		"title": "Authority of Atlantis", "default": ts.URL + "/accord/",
		"versions": []any{"application/taxii+json;version=2.1"}, "max": 100000.0,
		"collections": []any{[]any{col, true, true}, []any{inbox, true, true}},
		"status":      []any{"complete", 11.0, 11.0, 0.0, 0.0}, "again": "complete",
		"pages": []any{all[0:4], all[4:8], all[8:10]}, "manifest": all,
		"one": 2.0, "versions_of_one": []any{versionOf(1), versionOf(2)}, "first": []any{versionOf(1)},
		"typed": []any{malware}, "after": all[3:], "deleted": 404.0, "wrong": 401.0,
		"roots": []any{"Accord", "Other"}, "contact": "cert@atlantis.example",
		"one collection": []any{"Indicators", "indicators", true, true}, "by its alias": "ValidationError",
		"successes": slices.Concat([]any{all[0], all[0]}, all[1:]), "status itself": []any{"complete", 11.0}, "duplicates": 0.0, "not waited for": 1.0,
		"spec 2.0": map[string]any{}, "spec 2.1": 10.0, "two ids": all[1:3], "a version": []any{versionOf(1)},
		"manifest of a type": []any{malware}, "manifest of a version": []any{versionOf(1), versionOf(2)},
		"limited": []any{3.0, 2.0}, "object pages": []any{1.0, 1.0}, "version deleted": []any{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
