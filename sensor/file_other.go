// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package sensor

import (
	"io/fs"
	"os"
)

// fileID names a file; here by its path and beginning alone.
func fileID(_ fs.FileInfo, path string) string { return path }

// lockFile opens a file; here without a lock.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
