// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"accord"
)

// filesMost is how many files of a folder are looked at.
const filesMost = 100_000

// local reads a file or a folder of the node's machine, when it changed.
func (r *run) local(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return r.folder(ctx, path)
	}
	mark := markOf(info)
	if mark == r.state.ETag && !r.accept {
		return nil
	}
	if !info.Mode().IsRegular() || info.Size() > r.feed.MaxBytes {
		return held("%s is no file of at most %d bytes", path, r.feed.MaxBytes)
	}
	r.sum.Bytes += info.Size()
	if err := r.text(ctx, path, info.Size(), info.Name()); err != nil {
		return err
	}
	r.state.ETag, r.state.Full = mark, accord.StampOf(r.Now())
	return nil
}

// markOf changes when a file does.
func markOf(info fs.FileInfo) string {
	return fmt.Sprintf("%d-%d", info.ModTime().UnixNano(), info.Size())
}

// folder reads the files that are new or changed, in the order of their names.
// Links, and names that begin with a dot, are passed over.
func (r *run) folder(ctx context.Context, dir string) error {
	parts, err := r.Store.FeedParts(ctx, r.feed.Name)
	if err != nil {
		return err
	}
	n := 0
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && path != dir
		switch {
		case hidden && d.IsDir():
			return fs.SkipDir
		case hidden || !d.Type().IsRegular() || r.feed.Kind == accord.FeedMISP && (d.Name() == "manifest.json" || d.Name() == "hashes.csv"):
			return nil
		}
		if n++; n > filesMost {
			return held("over %d files in %s", filesMost, dir)
		}
		return r.file(ctx, dir, path, d, parts)
	})
}

func (r *run) file(ctx context.Context, dir, path string, d fs.DirEntry, parts map[string]string) error {
	info, err := d.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone meanwhile
	}
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	name = filepath.ToSlash(name)
	mark := markOf(info)
	if parts[name] == mark || len(name) > 400 {
		return nil
	}
	if info.Size() > r.feed.MaxBytes {
		return held("%s is larger than %d bytes", path, r.feed.MaxBytes)
	}
	r.sum.Bytes += info.Size()
	if err := r.part(ctx, Input{Path: path, Name: name}); err != nil {
		return err
	}
	return r.Store.TakeFeedPart(ctx, r.feed.Name, name, mark)
}
