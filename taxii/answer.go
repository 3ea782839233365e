// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
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
	s.stream(q, status, int64(len(b)), func(w io.Writer) {
		_, _ = w.Write(b)
	})
}

// stream answers with what write writes, about size octets. A write that fails
// means that the client has gone; there is nobody to tell.
func (s *Server) stream(q *request, status int, size int64, write func(io.Writer)) {
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
	if !compress {
		buf := bufio.NewWriterSize(q.w, 32<<10)
		write(buf)
		_ = buf.Flush()
		return
	}
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	z.Reset(q.w)
	buf := bufio.NewWriterSize(z, 32<<10)
	write(buf)
	_ = buf.Flush()
	_ = z.Close()
}

// writeEnvelope writes an envelope around objects, each as its own bytes. next
// needs no escaping. §2 forbids empty lists: without objects it is {}.
func writeEnvelope(w io.Writer, objects []Object, next string) {
	open := "{"
	if next != "" {
		open += `"more":true,"next":` + strconv.Quote(next) + ","
	}
	if len(objects) == 0 {
		_, _ = io.WriteString(w, "{}")
		return
	}
	_, _ = io.WriteString(w, open+`"objects":[`)
	for i := range objects {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		_, _ = w.Write(objects[i].Bytes)
	}
	_, _ = io.WriteString(w, "]}")
}
