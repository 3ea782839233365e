// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"accord/store"
)

// A store that cannot be read for a moment does not end the node.
func TestPartnersAreAskedForAgainWhenTheStoreFails(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "accord.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r := &running{node: &node{db: db, env: &env{log: log}}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.partners(ctx, nil) }()
	select {
	case err := <-ended:
		t.Fatalf("ended: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after its context ended: %v", err)
	}
}
