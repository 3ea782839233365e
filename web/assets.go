// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"

	"accord/web/page"
)

//go:embed assets/*
var files embed.FS

// assets serves what pages link to, under names that change with the content, so
// that a browser need never ask twice.
type assets struct {
	urls map[string]string // name → URL
	body map[string][]byte // URL → content
}

func newAssets(sources []*page.Source) (*assets, error) {
	a := &assets{urls: map[string]string{}, body: map[string][]byte{}}
	var css bytes.Buffer
	for _, name := range []string{"base.css", "parts.css"} {
		b, err := files.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("read asset: %w", err)
		}
		css.Write(b)
	}
	for _, s := range sources {
		css.Write(s.CSS())
	}
	a.add("console.css", css.Bytes())
	for _, name := range []string{"live.js", "mark.svg"} {
		b, err := files.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("read asset: %w", err)
		}
		a.add(name, b)
	}
	return a, nil
}

func (a *assets) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	u := "/assets/" + strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:8]) + ext
	a.urls[name], a.body[u] = u, content
}

// url returns the URL of the asset called name.
func (a *assets) url(name string) (string, error) {
	u, ok := a.urls[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return u, nil
}

// ServeHTTP serves an asset, or 404 for an old name.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, ok := a.body[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", contentType(r.URL.Path))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // the reader has gone, if this fails
}

// contentType does not ask the operating system, whose tables differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "application/octet-stream"
	}
}
