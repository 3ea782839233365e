// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"context"
	"testing"
	"time"

	"accord"
	"accord/testworld"
)

// A tag tightens what is given, also what was given before, and once it is gone the
// item goes again; its bytes stay what they were.
func TestATagTakesBackWhatMayNoLongerGoUntilItIsRemoved(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	its := indicators(t, "goes", "stays")
	w.IL.Ingest(its...)
	w.Start()
	w.Settle()
	if held := w.MA.From(w.IL); len(held) != 2 {
		t.Fatalf("MA holds %d items, want 2", len(held))
	}
	ctx, at := context.Background(), accord.StampOf(time.Now())
	if err := w.IL.DB.Tag(ctx, its[0].ID, []string{"tlp:red", "watch"}, "amina", at); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if held := w.MA.From(w.IL); len(held) != 1 || held[its[1].ID].ID == "" {
		t.Errorf("tagged TLP:RED, MA holds %d items, want the other one", len(held))
	}
	if err := w.IL.DB.Untag(ctx, its[0].ID, []string{"tlp:red"}, "amina", at); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	held := w.MA.From(w.IL)
	if len(held) != 2 || string(held[its[0].ID].Bytes) != string(its[0].Bytes) || held[its[0].ID].Tags != nil {
		t.Errorf("untagged, MA holds %d items: %+v", len(held), held[its[0].ID])
	}
	// A false positive is for the node's own use: the partner judges for itself.
	if err := w.IL.DB.MarkFalse(ctx, its[1].ID, "our own scanner", "amina", at); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if held := w.MA.From(w.IL); len(held) != 2 {
		t.Errorf("marked false at IL, MA holds %d items", len(held))
	}
}
