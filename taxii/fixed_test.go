// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"accord"
	"accord/taxii"
)

// fixedBackend answers every question with the same page, and drops what it gets:
// for measuring the server alone.
type fixedBackend struct {
	*MemoryBackend
	page taxii.Page
}

func (f fixedBackend) Objects(context.Context, taxii.Caller, string, string, taxii.Query) (taxii.Page, error) {
	return f.page, nil
}

func (f fixedBackend) Add(_ context.Context, _ taxii.Caller, _, _ string, objects [][]byte) (taxii.Status, error) {
	st := taxii.NewStatus(col, accord.Stamp(1), nil, nil, nil)
	st.TotalCount, st.SuccessCount = int64(len(objects)), int64(len(objects))
	return st, nil
}

func fixed(t testing.TB, w *world, page taxii.Page) *taxii.Server {
	t.Helper()
	w.cfg.Backend = fixedBackend{w.mem, page}
	srv, err := taxii.New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }
