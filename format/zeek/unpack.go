// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"accord"
)

// Limits on packed input: beyond the first freeBytes, what comes out may be at
// most maxRatio times what went in. Logs pack 5 to 40 times; bombs 1,000 and more.
const (
	freeBytes = 16 << 20
	maxRatio  = 250
)

// Unpack returns what r holds, unpacked when it is gzip or zstd, within the
// bounds that a Reader has. Close it after use; r is not closed.
func Unpack(r io.Reader) io.ReadCloser { return &unpacker{r: r} }

// unpacker reads gzip, zstd or plain bytes, whichever r holds.
type unpacker struct {
	r      io.Reader
	in     int64
	out    int64
	from   io.Reader
	packed bool
	// unpacked says not to look.
	unpacked bool
	closing  func() error
}

func (u *unpacker) Read(p []byte) (int, error) {
	if u.from == nil {
		if err := u.open(); err != nil {
			return 0, err
		}
	}
	n, err := u.from.Read(p)
	if !u.packed {
		return n, err
	}
	u.out += int64(n)
	if u.out > freeBytes && u.out > maxRatio*u.in {
		return 0, fmt.Errorf("unpack: %w: more than %d times its packed size", accord.ErrInvalid, maxRatio)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("unpack: %w", err)
	}
	return n, err
}

func (u *unpacker) open() error {
	if u.unpacked {
		u.from = u.r
		return nil
	}
	head := make([]byte, 4)
	n, err := io.ReadFull(u.r, head)
	head = head[:n]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	whole := &counter{r: &prefixed{head: head, r: u.r}, n: &u.in}
	switch {
	case n >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		g, err := gzip.NewReader(whole)
		if err != nil {
			return fmt.Errorf("unpack gzip: %w", err)
		}
		u.from, u.packed = g, true
	case n == 4 && head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd:
		d, err := zstd.NewReader(whole, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return fmt.Errorf("unpack zstd: %w", err)
		}
		u.from, u.packed = d, true
		u.closing = func() error { d.Close(); return nil }
	default:
		u.from = whole
	}
	return nil
}

// Close frees what unpacking holds.
func (u *unpacker) Close() error {
	if u.closing == nil {
		return nil
	}
	return u.closing()
}

// prefixed gives head, then r. Unlike io.MultiReader it never reads r to fill a
// buffer that head has begun, so that a live stream is not waited for.
type prefixed struct {
	head []byte
	r    io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.r.Read(b)
}

type counter struct {
	r io.Reader
	n *int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	*c.n += int64(n)
	return n, err
}
