// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"
)

// trim gives back to the system what the start needed and the node does not: the
// hash of a password, the pages that the index was built from. Go would keep it
// for as long as the node has little to do.
func (r *running) trim(ctx context.Context) error {
	select {
	case <-r.keeper.Ready():
		debug.FreeOSMemory()
	case <-ctx.Done():
	}
	return nil
}
