// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"

	"accord"
)

// RootAt returns the root that the log of head had at a size not above head's,
// from its stored tiles.
func RootAt(ctx context.Context, r TileReader, head accord.Head, size int64) ([32]byte, error) {
	if size < 0 || size > head.Size {
		return [32]byte{}, fmt.Errorf("root of %s: %w: size %d of a log of %d", head.Origin, accord.ErrInvalid, size, head.Size)
	}
	root, err := rootAt(ctx, r, head, size)
	if err != nil {
		return root, fmt.Errorf("root of %s at %d: %w", head.Origin, size, err)
	}
	return root, nil
}
