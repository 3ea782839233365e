// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"testing"

	"accord/store/storetest"
)

func TestAClosedStoreRefusesWritesAndReads(t *testing.T) {
	d := storetest.Open(t, storetest.SQLite(t))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Advance(t.Context(), "s", 0, 1); err == nil {
		t.Error("a write succeeded")
	}
	if _, err := d.LastSeq(t.Context()); err == nil {
		t.Error("a read succeeded")
	}
}

func TestACancelledWriteLeavesTheWriterFree(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			d := storetest.Open(t, engine(t))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := d.Advance(ctx, "s", 0, 1); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			if err := d.Advance(t.Context(), "s", 0, 1); err != nil {
				t.Error(err)
			}
		})
	}
}
