// SPDX-License-Identifier: Apache-2.0

package safehttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"accord"
)

// Limits bound an answer's body. Zero fields take their defaults.
type Limits struct {
	Bytes int64         // as it comes, and decompressed; default 256 MiB
	Ratio int64         // decompressed over compressed bytes, after 16 MiB; default 200
	Stall time.Duration // without a byte; default 30 s
}

// ratioFree is how much may come out before the ratio is looked at.
const ratioFree = 16 << 20

// Body returns an answer's body within limits, decompressed when its
// Content-Encoding is gzip. cancel must end the request; it is called when nothing
// comes for too long. Closing the reader closes the body.
func Body(res *http.Response, lim Limits, cancel func()) (io.ReadCloser, error) {
	if lim.Bytes <= 0 {
		lim.Bytes = 256 << 20
	}
	if lim.Ratio <= 0 {
		lim.Ratio = 200
	}
	if lim.Stall <= 0 {
		lim.Stall = 30 * time.Second
	}
	if res.ContentLength > lim.Bytes {
		return nil, fmt.Errorf("%w: an answer of %d bytes: at most %d are taken", accord.ErrInvalid, res.ContentLength, lim.Bytes)
	}
	b := &body{lim: lim, raw: res.Body}
	b.timer = time.AfterFunc(lim.Stall, func() { b.stalled.Store(true); cancel() })
	switch coding := strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
		b.text = readFunc(b.readRaw)
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(readFunc(b.readRaw))
		if err != nil {
			b.timer.Stop()
			return nil, b.explain(fmt.Errorf("gzip: %w", err))
		}
		b.text, b.packed = z, true
	default:
		b.timer.Stop()
		return nil, fmt.Errorf("%w: an answer in Content-Encoding %.40q: gzip alone was asked for", accord.ErrInvalid, coding)
	}
	return b, nil
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// body is an answer's body within its limits.
type body struct {
	lim     Limits
	raw     io.ReadCloser
	text    io.Reader
	packed  bool
	in, out int64
	timer   *time.Timer
	stalled atomic.Bool
}

func (b *body) readRaw(p []byte) (int, error) {
	n, err := b.raw.Read(p)
	if n > 0 {
		b.timer.Reset(b.lim.Stall)
	}
	if b.in += int64(n); b.in > b.lim.Bytes {
		return 0, fmt.Errorf("%w: the answer goes on after %d bytes", accord.ErrInvalid, b.lim.Bytes)
	}
	return n, err
}

// Read does as io.Reader says.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	b.out += int64(n)
	switch {
	case b.packed && b.out > b.lim.Bytes:
		return 0, fmt.Errorf("%w: the answer decompresses to over %d bytes", accord.ErrInvalid, b.lim.Bytes)
	case b.packed && b.out > ratioFree && b.out/max(b.in, 1) > b.lim.Ratio:
		return 0, fmt.Errorf("%w: the answer decompresses to over %d times its size", accord.ErrInvalid, b.lim.Ratio)
	case err != nil && !errors.Is(err, io.EOF):
		return n, b.explain(err)
	}
	return n, err
}

// explain says that the body stalled, where err does not.
func (b *body) explain(err error) error {
	switch {
	case b.stalled.Load():
		return fmt.Errorf("%w: nothing came for %s", accord.ErrInvalid, b.lim.Stall)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the answer ends before its end: %w", err)
	}
	return err
}

// Close ends the body.
func (b *body) Close() error {
	b.timer.Stop()
	return b.raw.Close()
}
