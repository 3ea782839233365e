// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"

	"accord"
)

// openIn opens a file to be read, or standard input when name is "-".
func openIn(e *env, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(e.stdin), nil
	}
	return os.Open(name)
}

// readIn reads a file or standard input, at most most bytes.
func readIn(e *env, name string, most int64) ([]byte, error) {
	in, err := openIn(e, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%w: %s is over %d bytes", accord.ErrInvalid, cell(name), most)
	}
	return b, nil
}

// writeOut writes to a file, or to standard output when name is empty.
func writeOut(e *env, name string, b []byte) error {
	if name == "" {
		_, err := e.stdout.Write(b)
		return err
	}
	return os.WriteFile(name, b, 0o644) //nolint:gosec // notes are meant to be read by others
}
