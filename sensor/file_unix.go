// SPDX-License-Identifier: Apache-2.0

//go:build unix

package sensor

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"accord"
)

// fileID names a file whatever its path.
func fileID(info fs.FileInfo, path string) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return path
}

// lockFile opens a file that one process at a time may hold.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // the lock's error says it
		return nil, fmt.Errorf("%w: another sensor uses it", accord.ErrConflict)
	}
	return f, nil
}
