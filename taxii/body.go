// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
)

var (
	errTooLarge = errors.New("body is larger than allowed")
	errBomb     = errors.New("body expands more than allowed")
	errEncoding = errors.New("content encoding is not gzip or identity")
)

// bombFloor is how much may always come out of a compressed body before its
// ratio counts.
const bombFloor = 1 << 20

// firstRoom is the most that is set aside before anything has arrived.
const firstRoom = 64 << 10

// readBody reads all of r, decompressed: at most max octets of it, on the wire
// and after, and not more than ratio times what was on the wire.
func readBody(r io.Reader, encoding string, length, most int64, ratio int) ([]byte, error) {
	if length > most {
		return nil, errTooLarge
	}
	wire := &counter{r: io.LimitReader(r, most+1)}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return drain(wire, wire, length, most, 0)
	case "gzip", "x-gzip":
	default:
		return nil, errEncoding
	}
	z, err := gzip.NewReader(wire)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return drain(z, wire, length, most, int64(ratio))
}

func drain(r io.Reader, wire *counter, length, most, ratio int64) ([]byte, error) {
	var buf bytes.Buffer
	// What is announced is a claim: the buffer grows with what arrives.
	if length > 0 {
		buf.Grow(int(min(length, most, firstRoom)) + bytes.MinRead)
	}
	for {
		n, err := io.CopyN(&buf, r, 64<<10)
		size := int64(buf.Len())
		switch {
		case size > most || wire.n > most:
			return nil, errTooLarge
		case ratio > 0 && size > bombFloor && size > ratio*wire.n:
			return nil, errBomb
		case errors.Is(err, io.EOF) && n < 64<<10:
			return buf.Bytes(), nil
		case err != nil:
			return nil, err
		}
	}
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
