// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"accord"
)

// maxPause is the longest a client waits between tries; a server that asks for
// more gets its Retry-After handed to the caller.
const maxPause = 30 * time.Second

// response is an answer read to its end.
type response struct {
	status int
	header http.Header
	body   []byte
}

// do makes a request, again if it may help, and returns an answer of the 200
// series. Any other answer is an *Error.
func (c *Client) do(ctx context.Context, method, target string, body []byte, compress bool) (*response, error) {
	if compress {
		var err error
		if body, err = squeeze(body); err != nil {
			return nil, err
		}
	}
	pause := 200 * time.Millisecond
	for try := 1; ; try++ {
		answer, err := c.attempt(ctx, method, target, body, compress)
		if err == nil {
			return answer, nil
		}
		wait, again := retry(err)
		if !again || try >= c.Attempts || wait > maxPause || ctx.Err() != nil {
			return nil, fmt.Errorf("%s %s: %w", method, plain(target), err)
		}
		wait = max(wait, pause/2+rand.N(pause/2))
		if err := sleep(ctx, wait); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, plain(target), err)
		}
		pause = min(2*pause, maxPause)
	}
}

func squeeze(body []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// retry says whether trying again may help, and how long the server wants us to
// wait. What does not come from the server (a lost connection, a body that ended
// early) may be tried again; what it said and we refuse may not.
func retry(err error) (time.Duration, bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return e.RetryAfter, true
		}
		return 0, false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return 0, false
	}
	for _, final := range []error{accord.ErrInvalid, accord.ErrForbidden, errTooLarge, errBomb, errEncoding} {
		if errors.Is(err, final) {
			return 0, false
		}
	}
	return 0, true
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// attempt makes a request once.
func (c *Client) attempt(ctx context.Context, method, target string, body []byte, compressed bool) (*response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	h := req.Header
	h.Set("Accept", MediaType)
	h.Set("Accept-Encoding", "gzip")
	h.Set("User-Agent", c.UserAgent)
	if body != nil {
		h.Set("Content-Type", MediaType)
	}
	if compressed {
		h.Set("Content-Encoding", "gzip")
	}
	switch {
	case c.Token != "":
		h.Set("Authorization", "Bearer "+c.Token)
	case c.User != "":
		req.SetBasicAuth(c.User, c.Password)
	}
	resp, err := c.doer.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer := &response{status: resp.StatusCode, header: resp.Header}
	if resp.StatusCode/100 != 2 {
		answer.body, _ = readBody(resp.Body, resp.Header.Get("Content-Encoding"), 0, 64<<10, c.MaxRatio)
		return nil, answer.refusal()
	}
	if method == http.MethodDelete {
		return answer, nil
	}
	if ct := resp.Header.Get("Content-Type"); !isTAXII(ct) {
		return nil, fmt.Errorf("%w: the answer is %q, not %s", accord.ErrInvalid, plain(ct), MediaType)
	}
	answer.body, err = readBody(resp.Body, resp.Header.Get("Content-Encoding"), resp.ContentLength, c.MaxResponse, c.MaxRatio)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return answer, nil
}

// refusal returns an answer outside the 200 series as an error.
func (r *response) refusal() *Error {
	e := &Error{Status: r.status, Title: http.StatusText(r.status), RetryAfter: retryAfter(r.header)}
	if r.status/100 == 3 {
		e.Description = "a redirect, which is not followed: " + plain(r.header.Get("Location"))
		return e
	}
	var told errorResource
	if isTAXII(r.header.Get("Content-Type")) && decode(r.body, &told) == nil && told.Title != "" {
		e.Title, e.Description = plain(told.Title), plain(told.Description)
	}
	return e
}

// retryAfter reads the header in either form; a date is measured against the
// server's own Date, so that no clock of ours is needed.
func retryAfter(h http.Header) time.Duration {
	s := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil || at.Before(now) {
		return 0
	}
	return at.Sub(now)
}
