// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"accord"
	"accord/taxii"
)

// MemoryBackend keeps collections in memory. It is written for plainness: the
// tests compare the server with what it says.
type MemoryBackend struct {
	mu       sync.Mutex
	stamp    accord.Stamp
	roots    map[string][]*memoryCollection
	statuses map[string]taxii.Status
	pending  int           // polls for which a new status stays pending
	slow     time.Duration // what Objects takes
	fail     error         // what Objects returns
	shape    func(*taxii.Page)
}

type memoryCollection struct {
	taxii.Collection
	perms   map[string]string // caller name → of "r", "w", "rw"; not listed: hidden
	hidden  map[string]bool   // "caller object-id" a caller may not have
	objects []taxii.Object
}

func newMemory() *MemoryBackend {
	return &MemoryBackend{
		stamp:    accord.StampOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
		roots:    map[string][]*memoryCollection{},
		statuses: map[string]taxii.Status{},
	}
}

func (m *MemoryBackend) find(c taxii.Caller, root, collection string) (*memoryCollection, error) {
	for _, mc := range m.roots[root] {
		if _, known := mc.perms[c.Name]; known && mc.ID == collection {
			return mc, nil
		}
	}
	return nil, accord.ErrNotFound
}

func (m *MemoryBackend) Collections(_ context.Context, c taxii.Caller, root string) ([]taxii.Collection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []taxii.Collection
	for _, mc := range m.roots[root] {
		perm, known := mc.perms[c.Name]
		if !known {
			continue
		}
		one := mc.Collection
		one.CanRead, one.CanWrite = slices.Contains([]byte(perm), 'r'), slices.Contains([]byte(perm), 'w')
		list = append(list, one)
	}
	return list, nil
}

func (m *MemoryBackend) Objects(ctx context.Context, c taxii.Caller, root, collection string, q taxii.Query) (taxii.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slow > 0 {
		select {
		case <-ctx.Done():
			return taxii.Page{}, ctx.Err()
		case <-time.After(m.slow):
		}
	}
	if q.Next != "" || q.Limit <= 0 {
		return taxii.Page{}, fmt.Errorf("a Backend was asked %+v", q)
	}
	mc, err := m.find(c, root, collection)
	if err != nil || m.fail != nil {
		return taxii.Page{}, cmpOr(err, m.fail)
	}
	var page taxii.Page
	for _, o := range choose(mc, c, q) {
		if o.Added <= q.AddedAfter {
			continue
		}
		if len(page.Objects) == q.Limit {
			page.More = true
			break
		}
		if q.Bare {
			o.Bytes = nil
		}
		page.Objects = append(page.Objects, o)
	}
	if m.shape != nil {
		m.shape(&page)
	}
	return page, nil
}

func cmpOr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// choose returns what q selects, whatever the page.
func choose(mc *memoryCollection, c taxii.Caller, q taxii.Query) []taxii.Object {
	in := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	var seen []taxii.Object
	for _, o := range mc.objects {
		if !mc.hidden[c.Name+" "+o.ID] && in(q.IDs, o.ID) && in(q.Types, o.Type) && in(q.SpecVersions, o.Spec) {
			seen = append(seen, o)
		}
	}
	first, last := map[string]accord.Stamp{}, map[string]accord.Stamp{}
	newest := map[string]string{} // id and version → latest spec
	for _, o := range seen {
		v := o.VersionOf()
		if f, ok := first[o.ID]; !ok || v < f {
			first[o.ID] = v
		}
		last[o.ID] = max(last[o.ID], v)
		key := o.ID + v.String()
		newest[key] = max(newest[key], o.Spec)
	}
	v := q.Versions
	none := !v.All && !v.First && !v.Last && len(v.Exact) == 0
	return slices.DeleteFunc(seen, func(o taxii.Object) bool {
		at := o.VersionOf()
		if len(q.SpecVersions) == 0 && o.Spec != newest[o.ID+at.String()] {
			return true
		}
		return !(v.All || v.First && at == first[o.ID] || (v.Last || none) && at == last[o.ID] || slices.Contains(v.Exact, at))
	})
}

func (m *MemoryBackend) Add(_ context.Context, c taxii.Caller, root, collection string, objects [][]byte) (taxii.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mc, err := m.find(c, root, collection)
	if err != nil {
		return taxii.Status{}, err
	}
	var good, bad []taxii.StatusDetail
	for _, raw := range objects {
		o, err := readObject(raw)
		detail := taxii.StatusDetail{ID: o.ID, Version: o.VersionText}
		if err != nil {
			detail.Message = err.Error()
			bad = append(bad, detail)
			continue
		}
		m.put(mc, o)
		good = append(good, detail)
	}
	st := taxii.NewStatus(uuid.NewString(), m.stamp, good, bad, nil)
	if m.pending > 0 {
		wait := taxii.NewStatus(st.ID, m.stamp, nil, nil, slices.Concat(good, bad))
		m.statuses["pending "+st.ID] = wait
		m.statuses[st.ID] = st
		return wait, nil
	}
	m.statuses[st.ID] = st
	return st, nil
}

func (m *MemoryBackend) put(mc *memoryCollection, o taxii.Object) {
	for _, have := range mc.objects {
		if have.ID == o.ID && have.VersionOf() == o.VersionOf() && have.Spec == o.Spec && o.Version != 0 {
			return // §5.5: "If a client publishes an exact duplicate … MUST not return an error"
		}
	}
	m.stamp++
	o.Added = m.stamp
	mc.objects = append(mc.objects, o)
}

func readObject(raw []byte) (taxii.Object, error) {
	var head struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Spec     string `json:"spec_version"`
		Modified string `json:"modified"`
		Created  string `json:"created"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return taxii.Object{}, err
	}
	o := taxii.Object{ID: head.ID, Type: head.Type, Spec: head.Spec, Bytes: raw, VersionText: head.Modified}
	if o.VersionText == "" {
		o.VersionText = head.Created
	}
	if o.Spec == "" {
		o.Spec = "2.0"
	}
	if o.ID == "" || o.Type == "" {
		return o, fmt.Errorf("%w: no id or no type", accord.ErrInvalid)
	}
	return o, o.Version.UnmarshalText([]byte(o.VersionText))
}

func (m *MemoryBackend) Status(_ context.Context, _ taxii.Caller, _, id string) (taxii.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if st, ok := m.statuses["pending "+id]; ok && m.pending > 0 {
		m.pending--
		return st, nil
	}
	if st, ok := m.statuses[id]; ok {
		return st, nil
	}
	return taxii.Status{}, accord.ErrNotFound
}

func (m *MemoryBackend) Delete(_ context.Context, c taxii.Caller, root, collection, id string, q taxii.Query) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	mc, err := m.find(c, root, collection)
	if err != nil {
		return err
	}
	q.IDs = []string{id}
	gone := map[accord.Stamp]bool{}
	for _, o := range choose(mc, c, q) {
		gone[o.Added] = true
	}
	if len(gone) == 0 {
		return accord.ErrNotFound
	}
	mc.objects = slices.DeleteFunc(mc.objects, func(o taxii.Object) bool { return gone[o.Added] })
	return nil
}
