// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"time"

	"accord"
	"accord/feed/safehttp"
)

// fetched is a body on disk.
type fetched struct {
	path           string
	size           int64
	sum            string // SHA-256, hex
	etag, modified string
}

// whole reads a feed that is one text.
func (r *run) whole(ctx context.Context) error {
	client, err := r.client(r.feed)
	if err != nil {
		return err
	}
	got, err := r.fetch(ctx, client)
	if err != nil || got == nil {
		return err // nil: not modified
	}
	defer os.Remove(got.path) //nolint:errcheck // a temporary file
	r.sum.Bytes += got.size
	r.state.Full = accord.StampOf(r.Now())
	if got.sum == r.state.Sum && !r.accept {
		// Another validator for the same content says nothing new.
		r.state.ETag, r.state.Modified = got.etag, got.modified
		r.notes = "the same content as before"
		return nil
	}
	if err := r.text(ctx, got.path, got.size, path.Base(r.feed.URL)); err != nil {
		return err
	}
	r.state.ETag, r.state.Modified, r.state.Sum = got.etag, got.modified, got.sum
	return nil
}

// fetch asks for the feed, and only for what is new when it can. Nil is "not
// modified".
func (r *run) fetch(ctx context.Context, client *http.Client) (*fetched, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.feed.URL, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%w: URL", accord.ErrInvalid)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	s := r.state
	// A server that says "not modified" for ever is asked for all of it now and then.
	asked := (s.ETag != "" || s.Modified != "") && s.Full != 0 && r.Now().Sub(s.Full.Time()) < fullAfter && !r.accept
	if asked && s.ETag != "" {
		req.Header.Set("If-None-Match", s.ETag)
	}
	if asked && s.Modified != "" {
		req.Header.Set("If-Modified-Since", s.Modified)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && asked:
		return nil, nil //nolint:nilnil // said above
	case res.StatusCode == http.StatusNotModified:
		return nil, fmt.Errorf("%w: the server says \"not modified\" to who has nothing", accord.ErrInvalid)
	case res.StatusCode != http.StatusOK:
		return nil, &statusError{res.StatusCode, retryAfter(res.Header.Get("Retry-After"), r.Now())}
	}
	body, err := safehttp.Body(res, safehttp.Limits{Bytes: r.feed.MaxBytes}, cancel)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	got, err := r.spool(body)
	if err != nil {
		return nil, err
	}
	got.etag, got.modified = validator(res.Header.Get("ETag")), validator(res.Header.Get("Last-Modified"))
	return got, nil
}

// validator is a header that is to be sent back, unless it is oddly long.
func validator(v string) string {
	if len(v) > 500 {
		return ""
	}
	return v
}

// spool writes a body to a file. The caller removes it.
func (r *run) spool(body io.Reader) (got *fetched, err error) {
	f, err := os.CreateTemp(r.Config.Spool, "feed-*")
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), body)
	if err != nil {
		return nil, err
	}
	return &fetched{path: f.Name(), size: n, sum: hex.EncodeToString(h.Sum(nil))}, nil
}

// What makes a text hard to believe: fewer objects than 1/shrunk of the last
// time, when there were at least believable.
const (
	shrunk     = 2
	believable = 20
	patience   = 3 // runs after which a feed that withdraws nothing is taken as small as it is
)

// text judges a text and takes it: what it holds more, and, for a mirror, what it
// holds no more.
func (r *run) text(ctx context.Context, file string, size int64, name string) error {
	if err := looksWrong(file); err != nil {
		return err
	}
	if err := r.shrank(ctx, file, size, name); err != nil {
		return err
	}
	in := Input{Path: file, Name: name, Limit: r.feed.MaxRun - r.sum.Objects}
	gone := newAbsent(r)
	if r.feed.Mirror {
		in.Seen = gone.see
	}
	before := r.sum.Objects
	if err := r.intake(ctx, in); err != nil {
		return err
	}
	r.state.Bytes, r.state.Objects = size, r.sum.Objects-before
	if r.state.Objects >= r.feed.MaxRun {
		r.notes = fmt.Sprintf("cut at %d rows or objects: raise max_run", r.feed.MaxRun)
		return nil // what is missing may be in the rest
	}
	if r.feed.Mirror {
		return gone.withdraw(ctx)
	}
	return nil
}

// shrank holds a feed that has far less than the last time.
func (r *run) shrank(ctx context.Context, file string, size int64, name string) error {
	s := r.state
	if r.accept || s.Objects < believable || size >= s.Bytes/shrunk || !r.feed.Mirror && s.Failures >= patience {
		return nil
	}
	got, err := r.Intake.Take(ctx, r.feed, Input{Path: file, Name: name, Limit: r.feed.MaxRun, Dry: true})
	if err != nil {
		return err
	}
	if got.Objects < s.Objects/shrunk {
		return held("it brings %d where it brought %d before: if that is right, run \"accord feed run %s --accept\"", got.Objects, s.Objects, r.feed.Name)
	}
	return nil
}

// looksWrong holds a text that is empty or a page.
func looksWrong(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read: %w", err)
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head[:n], []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(head) == 0 && n < 4096:
		return held("it is empty")
	case len(head) > 0 && head[0] == '<':
		return held("it is a page (HTML or XML), not a feed: has it moved, or does it want a key?")
	}
	return nil
}

// bounded is a client whose answers' bodies are within limits, for packages that
// read them themselves.
type bounded struct {
	client *http.Client
	most   int64
	count  func(int64)
}

// Do does as http.Client.Do.
func (b bounded) Do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	req = req.Clone(ctx)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := b.client.Do(req) //nolint:gosec // the client is safehttp's, which judges every address
	if err != nil {
		cancel()
		return nil, err
	}
	body, err := safehttp.Body(res, safehttp.Limits{Bytes: b.most, Stall: 30 * time.Second}, cancel)
	if err != nil {
		cancel()
		return nil, errors.Join(err, res.Body.Close())
	}
	res.Body = &counting{body, cancel, b.count}
	return res, nil
}

// counting tells how much is read, and ends the request when it is closed.
type counting struct {
	io.ReadCloser
	cancel func()
	count  func(int64)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.count(int64(n))
	return n, err
}

func (c *counting) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
