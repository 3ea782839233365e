// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/taxii"
	"accord/taxii/taxiitest"
)

// idsOf collects the ids of all pages, with how many pages there were.
func idsOf(t *testing.T, pages iter.Seq2[taxii.Envelope, error]) (ids []string, n int) {
	t.Helper()
	for page, err := range pages {
		if err != nil {
			t.Fatal(err)
		}
		n++
		for _, raw := range page.Objects {
			o, err := readObject(raw)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, o.ID)
		}
	}
	return ids, n
}

func TestTheClientWorksAgainstMedallion(t *testing.T) {
	begin := accord.StampOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	var objects []taxiitest.Object
	var want []string
	for i := range 12 {
		objects = append(objects, taxiitest.Object{Bytes: object(i+1, 1), Added: begin + accord.Stamp(i)})
		want = append(want, idOf(i+1))
	}
	malware := `malware--00000000-0000-4000-8000-000000000007`
	objects = append(objects,
		taxiitest.Object{Bytes: object(1, 2), Added: begin + 100},
		taxiitest.Object{Bytes: []byte(`{"type":"malware","spec_version":"2.1","id":"` + malware + `","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"é","is_family":false}`), Added: begin + 101})
	ctx := t.Context()
	c := &taxii.Client{URL: taxiitest.Medallion(t, objects, 100), User: taxiitest.User, Password: taxiitest.Password, PageLimit: 5}
	root, col := taxiitest.Root, taxiitest.Collection

	d, err1 := c.Discovery(ctx)
	r, err2 := c.Root(ctx, root)
	list, err3 := c.Collections(ctx, root)
	one, err4 := c.Collection(ctx, root, taxiitest.Unreadable)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if d.Default != root || r.MaxContentLength != 100<<20 || len(list) != 2 || !list[0].CanRead || one.CanRead || !one.CanWrite {
		t.Errorf("%+v\n%+v\n%+v\n%+v", d, r, list, one)
	}
	ids, pages := idsOf(t, c.Objects(ctx, root, col, taxii.Query{}))
	if diff := cmp.Diff(append(want[1:], want[0], malware), ids); diff != "" || pages != 3 {
		t.Errorf("the latest, in %d pages (-want +got):\n%s", pages, diff)
	}
	for name, tt := range map[string]struct {
		q    taxii.Query
		want []string
	}{
		"a type":       {taxii.Query{Types: []string{"malware", "tool"}}, []string{malware}},
		"an id":        {taxii.Query{IDs: []string{want[3]}}, []string{want[3]}},
		"added after":  {taxii.Query{AddedAfter: begin + 10}, []string{want[11], want[0], malware}},
		"first":        {taxii.Query{IDs: want[:1], Versions: taxii.Versions{First: true}}, want[:1]},
		"all":          {taxii.Query{IDs: want[:1], Versions: taxii.Versions{All: true}}, []string{want[0], want[0]}},
		"spec version": {taxii.Query{SpecVersions: []string{"2.0"}}, nil},
	} {
		if ids, _ := idsOf(t, c.Objects(ctx, root, col, tt.q)); !cmp.Equal(ids, tt.want) {
			t.Errorf("%s: %v, want %v", name, ids, tt.want)
		}
	}
	n := 0
	for page, err := range c.Manifest(ctx, root, col, taxii.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Records)
	}
	versions, err := c.Versions(ctx, root, col, want[0])
	if n != 13 || err != nil || len(versions) != 2 {
		t.Errorf("%d in the manifest, versions %v, %v", n, versions, err)
	}
	medallionWrites(t, c, want)
}

func medallionWrites(t *testing.T, c *taxii.Client, held []string) {
	t.Helper()
	ctx, root, col := t.Context(), taxiitest.Root, taxiitest.Collection
	st, err := c.Add(ctx, root, col, [][]byte{object(21, 1), object(22, 1), object(2, 1)})
	if err != nil || st.Status != taxii.StatusComplete || st.SuccessCount != 2 || st.FailureCount != 1 {
		t.Errorf("added: %+v, %v; medallion counts a duplicate as a failure", st, err)
	}
	if again, err := c.Status(ctx, root, st.ID); err != nil || again.TotalCount != 3 {
		t.Errorf("status: %+v, %v", again, err)
	}
	if ids, _ := idsOf(t, c.Object(ctx, root, col, idOf(21), taxii.Query{})); len(ids) != 1 {
		t.Errorf("what was added: %v", ids)
	}
	if err := c.Delete(ctx, root, col, held[4], taxii.Query{}); err != nil {
		t.Error(err)
	}
	for what, tt := range map[string]struct {
		pages iter.Seq2[taxii.Envelope, error]
		want  error
	}{
		"deleted":    {c.Object(ctx, root, col, held[4], taxii.Query{}), accord.ErrNotFound},
		"unreadable": {c.Objects(ctx, root, taxiitest.Unreadable, taxii.Query{}), accord.ErrForbidden},
		"no such":    {c.Objects(ctx, root, "00000000-0000-4000-8000-000000000000", taxii.Query{}), accord.ErrNotFound},
	} {
		for _, err := range tt.pages {
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", what, err, tt.want)
			}
		}
	}
	wrong := &taxii.Client{URL: c.URL, User: taxiitest.User, Password: "wrong", Attempts: 1}
	if _, err := wrong.Discovery(ctx); !errors.Is(err, taxii.ErrUnauthenticated) {
		t.Errorf("a wrong password: %v", err)
	}
}
