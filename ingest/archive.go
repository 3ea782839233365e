// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// input is a file or stream as it is given.
type input struct {
	r    io.Reader
	at   io.ReaderAt // nil for a stream: a zip archive cannot be read then
	size int64       // 0 = unknown
	name string
}

// entry is one text inside the input: the input itself, or an archive's member.
type entry struct {
	name string
	r    *bufio.Reader
}

// peekSize is how much of a text may be looked at to tell its format.
const peekSize = 64 << 10

// Reasons why an input or an entry is refused.
var (
	errBomb    = errors.New("decompresses to too much")
	errNested  = errors.New("an archive inside an archive is not opened")
	errName    = errors.New("a name that leads out of the archive")
	errNotFile = errors.New("a link or device, not a file")
	errMany    = errors.New("too many entries")
	errPacked  = errors.New("compressed in a way that is not read here: give it as gzip, zip or plain text")
	errStream  = errors.New("a zip archive cannot be read from a stream: give it as a file")
	errEmpty   = errors.New("empty")
)

// opener unpacks one input within limits.
type opener struct {
	lim   Limits
	in    *meter // compressed bytes taken from the input
	out   int64  // decompressed bytes handed on
	fault error  // the input itself failed: not what it says, but the reading of it
	visit func(entry) error
	// refuse is told of an entry that is not read; its error ends the walk.
	refuse func(name string, why error) error
}

// meter counts what is read of the input, keeps the error it fails with, and
// stops when ctx ends.
type meter struct {
	ctx context.Context //nolint:containedctx // it lives as long as the run
	o   *opener
	r   io.Reader
	at  io.ReaderAt
	n   int64
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	if err != nil && err != io.EOF {
		m.o.fault = err
	}
	return n, err
}

func (m *meter) ReadAt(p []byte, off int64) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.at.ReadAt(p, off)
	if err != nil && err != io.EOF {
		m.o.fault = err
	}
	return n, err
}

// counted hands on decompressed bytes while all of them stay within the limits.
type counted struct {
	r io.Reader
	o *opener
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	o := c.o
	o.out += int64(n)
	switch {
	case o.out > o.lim.Bytes:
		return 0, fmt.Errorf("%w: over %d bytes", errBomb, o.lim.Bytes)
	case o.out > ratioFree && o.out/max(o.in.n, 1) > o.lim.Ratio:
		return 0, fmt.Errorf("%w: over %d times its size", errBomb, o.lim.Ratio)
	}
	return n, err
}

// capped hands on the bytes of one entry while they stay within its limit.
type capped struct {
	r           io.Reader
	limit, left int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, fmt.Errorf("%w: over %d bytes in one entry", errBomb, c.limit)
	}
	return n, err
}

// text wraps what one entry decompresses to.
func (o *opener) text(r io.Reader) *bufio.Reader {
	return bufio.NewReaderSize(&capped{r: r, limit: o.lim.Entry, left: o.lim.Entry}, peekSize)
}

// open walks the texts of in.
func (o *opener) open(ctx context.Context, in input) error {
	o.in = &meter{ctx: ctx, o: o, r: in.r}
	raw := bufio.NewReaderSize(o.in, peekSize)
	pack := packing(raw)
	var body *bufio.Reader
	switch pack {
	case "zip":
		if in.at == nil {
			return errStream
		}
		return o.zip(ctx, in)
	case "gzip":
		z, err := gzip.NewReader(raw)
		if err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		defer z.Close()
		body = bufio.NewReaderSize(counted{z, o}, peekSize)
		if pack = packing(body); pack != "" && pack != "tar" {
			return errNested
		}
	case "", "tar":
		body = bufio.NewReaderSize(counted{raw, o}, peekSize)
	default:
		return errPacked
	}
	if pack == "tar" {
		return o.tar(body)
	}
	return o.visit(entry{in.name, o.text(body)})
}

// packing tells an archive or compression by its first bytes; "" is none.
func packing(r *bufio.Reader) string {
	head, _ := r.Peek(512) // a short or failing text is told from what there is
	for name, magic := range map[string]string{
		"gzip": "\x1f\x8b", "zip": "PK\x03\x04", "zip (empty)": "PK\x05\x06", "zstd": "\x28\xb5\x2f\xfd",
		"xz": "\xfd7zXZ\x00", "bzip2": "BZh", "7z": "7z\xbc\xaf\x27\x1c", "rar": "Rar!\x1a\x07",
	} {
		if bytes.HasPrefix(head, []byte(magic)) && (name != "bzip2" || len(head) > 4 && head[4] == '1') {
			return strings.TrimSuffix(name, " (empty)")
		}
	}
	if len(head) >= 262 && string(head[257:262]) == "ustar" {
		return "tar"
	}
	return ""
}

// tar walks a tar archive.
func (o *opener) tar(r io.Reader) error {
	t := tar.NewReader(r)
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("tar: %w", err)
		}
		if n >= o.lim.Entries {
			return fmt.Errorf("%w: over %d", errMany, o.lim.Entries)
		}
		switch h.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		case tar.TypeReg:
			err = o.member(h.Name, t)
		default:
			err = o.refuse(shown(h.Name), errNotFile)
		}
		if err != nil {
			return err
		}
	}
}

// zip walks a zip archive.
func (o *opener) zip(ctx context.Context, in input) error {
	o.in.at = io.NewSectionReader(in.at, 0, in.size) // an offset outside it is the archive's fault
	z, err := zip.NewReader(o.in, in.size)
	if err != nil {
		return fmt.Errorf("zip: %w", err)
	}
	z.RegisterDecompressor(zip.Deflate, flate.NewReader)
	if len(z.File) > o.lim.Entries {
		return fmt.Errorf("%w: %d", errMany, len(z.File))
	}
	o.in.n = in.size // so the ratio is that of the whole: entries may overlap
	for _, f := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case f.Mode().IsDir():
			continue
		case !f.Mode().IsRegular():
			err = o.refuse(shown(f.Name), errNotFile)
		default:
			err = o.zipped(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// zipped opens one member of a zip archive.
func (o *opener) zipped(f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return o.refuse(shown(f.Name), fmt.Errorf("zip: %w", err))
	}
	defer r.Close()
	return o.member(f.Name, counted{r, o})
}

// member hands one member of an archive on, or refuses it.
func (o *opener) member(name string, r io.Reader) error {
	if !safeName(name) {
		return o.refuse(shown(name), errName)
	}
	text := o.text(r)
	if packing(text) != "" {
		return o.refuse(name, errNested)
	}
	return o.visit(entry{name, text})
}

// safeName reports whether a member's name stays inside its archive. Nothing is
// ever written under it; it only appears in reports.
func safeName(name string) bool {
	return name != "" && len(name) <= 1024 && !strings.ContainsAny(name, "\\\x00") && !path.IsAbs(name) &&
		!(len(name) > 1 && name[1] == ':') && name == shown(name) &&
		!strings.HasPrefix(path.Clean(name), "..")
}

// shown returns name fit to be shown: short, without control characters.
func shown(name string) string {
	if len(name) > 1024 {
		name = name[:1024]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return '?'
		}
		return r
	}, name)
}
