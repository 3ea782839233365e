// SPDX-License-Identifier: Apache-2.0

// Package taxiitest runs other people's TAXII 2.1 implementations for tests: the
// OASIS client taxii2-client, and the OASIS server medallion with objects in its
// memory. They are Python, installed by "make tools" where $ACCORD_PYPEERS says;
// without them the test that asks is skipped, saying so.
//
// Failures end the test that called; what was started ends with it.
package taxiitest

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

//go:embed medallion.py
var script []byte

// Python returns an interpreter that has the module of a peer.
func Python(t testing.TB, peer, module string) string {
	t.Helper()
	if dir := os.Getenv("ACCORD_PYPEERS"); dir != "" {
		path := filepath.Join(dir, "bin", "python")
		if exec.CommandContext(t.Context(), path, "-c", "import "+module).Run() == nil { //nolint:gosec // the tests' own interpreter
			return path
		}
	}
	t.Skipf("SKIP: %s not installed: run make tools", peer)
	return ""
}

// User and Password are what medallion knows; Root and Collection what it serves.
const (
	User       = "reader"
	Password   = "secret"
	Root       = "/trustgroup1/"
	Collection = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
	Unreadable = "52892447-4d7e-4f70-b94d-d7f22742ff63" // may be written alone
)

// Object is what medallion is to hold.
type Object struct {
	Bytes []byte
	Added accord.Stamp
}

// Medallion serves objects until the test ends, and returns the server's URL. Pages
// have at most page objects.
func Medallion(t testing.TB, objects []Object, page int) string {
	t.Helper()
	python := Python(t, "medallion", "medallion")
	dir := t.TempDir()
	write := func(name string, v any) string {
		b, err := json.Marshal(v)
		if raw, ok := v.([]byte); ok {
			b, err = raw, nil
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	config := write("config.json", map[string]any{
		"users": map[string]string{User: Password},
		"taxii": map[string]int{"max_page_size": page},
		"backend": map[string]any{
			"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend",
			"filename": write("data.json", data(t, objects)), "session_timeout": 3600,
		},
	})
	cmd := exec.CommandContext(context.Background(), python, write("serve.py", script), config) //nolint:gosec // the tests' own interpreter
	var says bytes.Buffer
	cmd.Stderr = &says
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it keeps nothing
		_ = cmd.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("medallion does not start: %v: %s", err, &says)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

// data is medallion's file of everything.
func data(t testing.TB, objects []Object) map[string]any {
	t.Helper()
	var list []jsontext.Value
	var manifest []map[string]string
	for _, o := range objects {
		var head struct {
			ID       string `json:"id"`
			Spec     string `json:"spec_version"`
			Created  string `json:"created"`
			Modified string `json:"modified"`
		}
		if err := json.Unmarshal(o.Bytes, &head); err != nil {
			t.Fatal(err)
		}
		version := head.Modified
		if version == "" {
			version = head.Created
		}
		bytes := o.Bytes
		if version == "" { // as medallion itself does to what is added
			version = o.Added.String()
			bytes = fmt.Appendf(nil, `{"_date_added":%q,%s`, version, o.Bytes[1:])
		}
		spec := head.Spec
		if spec == "" {
			spec = "2.1"
		}
		list = append(list, bytes)
		manifest = append(manifest, map[string]string{
			"id": head.ID, "date_added": o.Added.String(), "version": version, "media_type": "application/stix+json;version=" + spec,
		})
	}
	box := func(id, title string, read bool, list, manifest any) map[string]any {
		return map[string]any{
			"id": id, "title": title, "can_read": read, "can_write": true, "media_types": []string{"application/stix+json;version=2.1"},
			"objects": list, "manifest": manifest,
		}
	}
	return map[string]any{
		"/discovery": map[string]any{"title": "medallion", "default": Root, "api_roots": []string{Root}},
		strings.Trim(Root, "/"): map[string]any{
			"information": map[string]any{
				"title": "Trust group", "versions": []string{"application/taxii+json;version=2.1"}, "max_content_length": 100 << 20,
			},
			"status":      []any{},
			"collections": []any{box(Collection, "All", true, list, manifest), box(Unreadable, "Inbox", false, []any{}, []any{})},
		},
	}
}
