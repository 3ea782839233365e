// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"hash/maphash"

	"accord"
)

// absent finds what a list no longer has. It keeps eight bytes of each id: should
// two ids share them, a row that is gone stays, which is the harmless side.
type absent struct {
	*run
	seed maphash.Seed
	seen map[uint64]struct{}
}

func newAbsent(r *run) *absent {
	return &absent{run: r, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
}

func (a *absent) see(ids []string) {
	for _, id := range ids {
		a.seen[maphash.String(a.seed, id)] = struct{}{}
	}
}

// fewRows may always go, whatever their share.
const fewRows = 10

// withdraw takes back what the feed has live and the list no longer has, unless it
// is too great a part of it.
func (a *absent) withdraw(ctx context.Context) error {
	var gone []string
	live := 0
	for after, more := int64(0), true; more; {
		ids, next, err := a.Store.SourceItems(ctx, a.feed.Name, after, 1000)
		if err != nil {
			return err
		}
		live += len(ids)
		for _, id := range ids {
			if _, here := a.seen[maphash.String(a.seed, id)]; !here {
				gone = append(gone, id)
			}
		}
		after, more = next, next != 0
	}
	if len(gone) > fewRows && len(gone)*100 > live*a.feed.MaxDrop && !a.accept {
		return held("%d of its %d items are no longer in it, more than %d percent: none is withdrawn; if that is right, run \"accord feed run %s --accept\"",
			len(gone), live, a.feed.MaxDrop, a.feed.Name)
	}
	for len(gone) > 0 {
		some := gone[:min(len(gone), 1000)]
		n, err := a.Store.WithdrawMany(ctx, some, MirrorReason(a.feed.Name), accord.StampOf(a.Now()))
		if err != nil {
			return err
		}
		a.sum.Withdrawn += int64(n)
		gone = gone[len(some):]
	}
	return nil
}
