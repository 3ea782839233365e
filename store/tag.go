// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"accord"
)

// maxTags bounds the tags of an item.
const maxTags = 100

// Tag adds tags of the node's own to an item, in all its versions, and records who
// did. Tags are beside the object: its bytes stay, and no partner is told. A tag
// that is a marking (tlp:amber, pap:red) raises what the item is held to be. The
// item is then decided anew everywhere. Nothing happens when it has them already.
func (d *DB) Tag(ctx context.Context, id string, tags []string, who string, at accord.Stamp) error {
	return d.Retag(ctx, id, tags, nil, who, at)
}

// Untag removes tags that [DB.Tag] added. Those the item has not are passed over.
func (d *DB) Untag(ctx context.Context, id string, tags []string, who string, at accord.Stamp) error {
	return d.Retag(ctx, id, nil, tags, who, at)
}

// Retag adds tags as [DB.Tag] does and removes others, all or nothing. A tag in
// both lists is removed.
func (d *DB) Retag(ctx context.Context, id string, add, remove []string, who string, at accord.Stamp) error {
	for _, t := range add {
		if !accord.ValidTag(t) {
			return fmt.Errorf("tag %s: %w: tag %q: want up to 200 bytes in lower case on one line, such as watch or namespace:predicate=\"value\"", id, accord.ErrInvalid, t)
		}
		if tlp, pap, ok := accord.Mark(t); !ok && (strings.HasPrefix(t, "tlp:") || strings.HasPrefix(t, "pap:")) {
			return fmt.Errorf("tag %s: %w: %q is no marking: want tlp:clear, green, amber, amber+strict or red, or pap:clear, green, amber or red (not %v, %v)", id, accord.ErrInvalid, t, tlp, pap)
		}
	}
	what, detail := "item.tag", strings.Join(add, " ")
	switch {
	case len(add) == 0:
		what, detail = "item.untag", strings.Join(remove, " ")
	case len(remove) > 0:
		what, detail = "item.retag", detail+" in place of "+strings.Join(remove, " ")
	}
	return d.know(ctx, what, id, detail, who, at, func(r *row) (bool, error) {
		now := slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.Tags, add))))
		now = slices.DeleteFunc(now, func(t string) bool { return slices.Contains(remove, t) })
		if len(now) > max(maxTags, len(r.Tags)) {
			return false, fmt.Errorf("%w: an item has at most %d tags: remove some", accord.ErrInvalid, maxTags)
		}
		changed := !slices.Equal(now, slices.Sorted(slices.Values(r.Tags)))
		r.tag(now)
		return changed, nil
	})
}

// MarkFalse records that an analyst holds an item to be a false positive, and why:
// it is no longer looked for nor blocked, until [DB.MarkTrue].
func (d *DB) MarkFalse(ctx context.Context, id, why, who string, at accord.Stamp) error {
	why = strings.TrimSpace(why)
	if why == "" || len(why) > 500 {
		return fmt.Errorf("false positive %s: %w: say why, in 1 to 500 bytes", id, accord.ErrInvalid)
	}
	return d.know(ctx, "item.false-positive", id, why, who, at, func(r *row) (bool, error) {
		changed := r.False != fit(why)
		r.False = fit(why)
		return changed, nil
	})
}

// MarkTrue takes MarkFalse back.
func (d *DB) MarkTrue(ctx context.Context, id, who string, at accord.Stamp) error {
	return d.know(ctx, "item.true-positive", id, "", who, at, func(r *row) (bool, error) {
		changed := r.False != ""
		r.False = ""
		return changed, nil
	})
}

// know alters what is known of an item, in every version of it so that an older one
// that comes to stand again has it too, and records it in the same transaction.
func (d *DB) know(ctx context.Context, what, id, detail, who string, at accord.Stamp, alter func(*row) (bool, error)) error {
	return d.write(ctx, what+" "+id, func(t *tx) error {
		e, err := t.load(ctx, []string{id}, at)
		if err != nil {
			return err
		}
		newest := e.newest(id)
		if newest == nil || newest.erased() {
			return fmt.Errorf("%w: no item %s is stored here", accord.ErrNotFound, id)
		}
		any := false
		for _, v := range e.byID[id] {
			changed, err := alter(&v.row)
			if err != nil {
				return err
			}
			if !changed {
				continue
			}
			any = true
			kind := accord.ChangeKind("")
			if v.latest && v.Withdrawn == 0 {
				kind = accord.ChangeItem
			}
			e.touch(v, kind)
		}
		if !any {
			return nil
		}
		if err := t.audit(ctx, accord.AuditEntry{At: at, Who: who, What: what, Object: id, Detail: detail}); err != nil {
			return err
		}
		return e.finish(ctx)
	})
}
