// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"
)

// gzipFloor is the size below which compressing an answer gains nothing.
const gzipFloor = 1 << 10

var gzips = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return z
}}

// send answers with a resource.
func (s *Server) send(q *request, status int, resource any) {
	b, err := json.Marshal(resource)
	if err != nil {
		s.cfg.Log.ErrorContext(q.r.Context(), "taxii answer not encoded", "err", err)
		status, b = http.StatusInternalServerError, []byte(`{"title":"Internal Server Error"}`)
	}
	s.stream(q, status, int64(len(b)), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// stream answers with what write writes, about size octets. When that fails midway,
// the answer is cut off, so that the client does not take a part for the whole.
func (s *Server) stream(q *request, status int, size int64, write func(io.Writer) error) {
	h := q.w.Header()
	// §3.1: "All TAXII responses MUST include the appropriate media type and version".
	h.Set("Content-Type", MediaType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept, Accept-Encoding, Authorization")
	compress := size >= gzipFloor && takesGzip(q.r.Header)
	if compress {
		h.Set("Content-Encoding", "gzip")
	}
	q.w.WriteHeader(status)
	if q.r.Method == http.MethodHead {
		return
	}
	err := s.body(q.w, compress, write)
	var stop *stopped
	switch {
	case err == nil:
	case errors.As(err, &stop):
		if q.r.Context().Err() == nil {
			s.cfg.Log.ErrorContext(q.r.Context(), "taxii answer cut off", "path", plain(q.r.URL.Path), "caller", q.caller.Name, "err", err)
		}
		panic(http.ErrAbortHandler)
	default: // the client has gone; there is nobody to tell
	}
}

func (s *Server) body(w io.Writer, compress bool, write func(io.Writer) error) error {
	if !compress {
		buf := bufio.NewWriterSize(w, 32<<10)
		return errors.Join(write(buf), buf.Flush())
	}
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	z.Reset(w)
	buf := bufio.NewWriterSize(z, 32<<10)
	if err := write(buf); err != nil {
		return err
	}
	return errors.Join(buf.Flush(), z.Close())
}

// stopped is a Backend that failed while its objects were being sent.
type stopped struct{ error }

func (s *stopped) Unwrap() error { return s.error }

// writeEnvelope writes an envelope around objects, each as its own bytes. next
// needs no escaping. §2 forbids empty lists: without objects it is {}.
func writeEnvelope(w io.Writer, objects iter.Seq2[[]byte, error], next string) error {
	open := "{"
	if next != "" {
		open += `"more":true,"next":` + strconv.Quote(next) + ","
	}
	before := open + `"objects":[`
	for o, err := range objects {
		if err != nil {
			return &stopped{err}
		}
		if o == nil {
			continue
		}
		if _, err := io.WriteString(w, before); err != nil {
			return err
		}
		if _, err := w.Write(o); err != nil {
			return err
		}
		before = ","
	}
	end := "]}"
	if before != "," { // none was left
		end = strings.TrimSuffix(open, ",") + "}"
	}
	_, err := io.WriteString(w, end)
	return err
}
