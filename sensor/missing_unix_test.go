// SPDX-License-Identifier: Apache-2.0

//go:build unix

package sensor

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"accord"
)

func TestAFIFOIsNoLog(t *testing.T) {
	w := newWorld(t)
	fifo := filepath.Join(w.logs, "dns.log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skipf("SKIP: no FIFO here: %v", err)
	}
	if err := w.run(); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}
