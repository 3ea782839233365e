// SPDX-License-Identifier: Apache-2.0

package taxii

import "sync"

// gate bounds how many bodies are held in memory at once: each may be as large as
// the root allows.
type gate struct {
	mu  sync.Mutex
	all int
	by  map[string]int
}

// enter reports whether the caller may come in: there are fewer than most in all,
// and of this caller fewer than a quarter of that.
func (g *gate) enter(caller string, most int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= most || g.by[caller] >= max(1, most/4) {
		return false
	}
	if g.by == nil {
		g.by = map[string]int{}
	}
	g.all++
	g.by[caller]++
	return true
}

func (g *gate) leave(caller string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.by[caller]--; g.by[caller] == 0 {
		delete(g.by, caller)
	}
}
