// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"context"
	"sync"
)

// gate bounds how many bodies are held in memory at once: each may be as large as
// the root allows. Who must wait does so before its body is read.
type gate struct {
	mu  sync.Mutex
	all chan struct{}
	by  map[string]chan struct{} // callers are authenticated, so they are few
}

// enter waits until fewer than most are in, and of this caller fewer than a
// quarter of that. It returns what leaves again, or ctx's error.
func (g *gate) enter(ctx context.Context, caller string, most int) (leave func(), err error) {
	all, own := g.places(caller, most)
	for _, c := range []chan struct{}{own, all} {
		select {
		case c <- struct{}{}:
		case <-ctx.Done():
			if c == all {
				<-own
			}
			return nil, ctx.Err()
		}
	}
	return func() { <-all; <-own }, nil
}

func (g *gate) places(caller string, most int) (all, own chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all == nil {
		g.all, g.by = make(chan struct{}, most), map[string]chan struct{}{}
	}
	if g.by[caller] == nil {
		g.by[caller] = make(chan struct{}, max(1, most/4))
	}
	return g.all, g.by[caller]
}
