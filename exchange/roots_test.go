// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"accord"
	"accord/exchange"
	"accord/taxii"
	"accord/testworld"
)

// two is a world in which MA has no node of its own and reads what IL gives under
// two agreements: "ma-il" gives indicators, "ma-il-2" malware.
func two(t *testing.T) (*testworld.World, *taxii.Client) {
	t.Helper()
	w := testworld.NewWith(t, func(text string) string { return strings.Replace(text, `"report", "malware",`, `"report",`, 1) })
	second := testworld.Draft(t, "ma-il-2", w.IL, w.MA)
	testworld.Agree(t, strings.Replace(second, `types = ["indicator"]`, `types = ["x-none"]`, 1), w.IL, w.MA)
	plain := w.MA.Self
	plain.URL, plain.TLSPin = "", ""
	w.IL.Pin(plain)
	w.IL.Start()
	return w, w.IL.Reader(w.IL.Token(plain.Name))
}

// readAll reads a collection from where q says, and returns the names of what it
// holds and where it ended.
func readAll(t *testing.T, c *taxii.Client, root, id string, q taxii.Query) (names []string, last accord.Stamp) {
	t.Helper()
	last = q.AddedAfter
	for page, err := range c.Objects(t.Context(), root, id, q) {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			names = append(names, testworld.Parsed(t, o).Name)
		}
		last = page.Last
	}
	return names, last
}

func TestAReaderUnderTwoAgreementsMissesNothingThatASuspensionHid(t *testing.T) {
	t.Parallel()
	w, c := two(t)
	box := exchange.OutboxID(w.IL.Self.Name, w.MA.Self.Name)
	read := func(after accord.Stamp) ([]string, accord.Stamp) {
		return readAll(t, c, "/accord/", box, taxii.Query{AddedAfter: after, Limit: 2})
	}
	w.IL.Ingest(testworld.Object(t, "indicator", "i1", nil), testworld.Object(t, "indicator", "i2", nil), testworld.Object(t, "indicator", "i3", nil))
	decided(t, w.IL, w.MA)
	testworld.Suspend(t, w.Agreement, false, w.IL)
	w.IL.Ingest(testworld.Object(t, "malware", "m1", nil))
	decided(t, w.IL, w.MA)
	var names []string
	at := accord.Stamp(0)
	testworld.Until(t, 20*time.Second, "what the other agreement gives", func() bool { names, at = read(0); return len(names) == 1 })
	if names[0] != "m1" {
		t.Fatalf("read %v under a suspension", names)
	}
	w.IL.Pass(time.Second)
	testworld.Suspend(t, w.Agreement, true, w.IL)
	testworld.Until(t, 20*time.Second, "what the suspension hid", func() bool { names, _ = read(at); return len(names) == 3 })
	if diff := cmp.Diff([]string{"i1", "i2", "i3"}, names); diff != "" {
		t.Errorf("from where it had stopped (-want +got):\n%s", diff)
	}
	_, at = read(at)
	w.IL.Stop()
	w.IL.Start()
	w.IL.Ingest(testworld.Object(t, "indicator", "i4", nil))
	decided(t, w.IL, w.MA)
	if names, _ = read(at); !slices.Equal(names, []string{"i4"}) {
		t.Errorf("after a restart: read %v, want the new one alone", names)
	}
	if names, _ = read(0); len(names) != 5 {
		t.Errorf("all: %v", names)
	}
}

func TestEachAgreementIsARootOfItsOwn(t *testing.T) {
	t.Parallel()
	w, c := two(t)
	w.IL.Ingest(testworld.Object(t, "indicator", "i1", nil), testworld.Object(t, "malware", "m1", nil))
	decided(t, w.IL, w.MA)
	d, err := c.Discovery(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/accord/", "/agreements/ma-il/", "/agreements/ma-il-2/"}, d.APIRoots); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	for root, want := range map[string]string{"/agreements/ma-il/": "i1", "/agreements/ma-il-2/": "m1"} {
		list, err := c.Collections(t.Context(), root)
		if err != nil || len(list) != 1 || !list[0].CanRead || list[0].CanWrite {
			t.Fatalf("%s: %+v, %v", root, list, err)
		}
		if got, _ := readAll(t, c, root, list[0].ID, taxii.Query{}); !slices.Equal(got, []string{want}) {
			t.Errorf("%s holds %v, want %s", root, got, want)
		}
		if got, _ := readAll(t, c, root, list[0].ID, taxii.Query{Versions: taxii.Versions{All: true}, Types: []string{"indicator", "malware"}}); !slices.Equal(got, []string{want}) {
			t.Errorf("%s holds %v by type, want %s", root, got, want)
		}
		// A collection of one root is none of another.
		for _, err := range c.Objects(t.Context(), "/accord/", list[0].ID, taxii.Query{}) {
			if err == nil {
				t.Errorf("%s is read under another root", list[0].ID)
			}
		}
	}
	gr := testworld.NewNation(t, "GR", "gr.accord.test")
	w.IL.Pin(gr.Self)
	other := w.IL.Reader(w.IL.Token(gr.Self.Name))
	if d, err := other.Discovery(t.Context()); err != nil || len(d.APIRoots) != 1 {
		t.Errorf("GR, under no agreement, is told of %v, %v", d.APIRoots, err)
	}
	if _, err := other.Root(t.Context(), "/agreements/ma-il/"); err == nil {
		t.Error("GR reads the root of an agreement that it is no party of")
	}
	testworld.Suspend(t, w.Agreement, false, w.IL)
	if got, _ := readAll(t, c, "/agreements/ma-il/", exchange.AgreementOutboxID(w.IL.Self.Name, w.MA.Self.Name, "ma-il"), taxii.Query{}); len(got) != 0 {
		t.Errorf("read %v under a suspended agreement", got)
	}
}

func TestAGreatAddIsAnsweredAtOnceAndDoneAfterARestart(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	w.Start()
	var items []accord.Item
	var objects [][]byte
	for i := range 2500 {
		it := testworld.Object(t, "indicator", fmt.Sprint("i", i), nil)
		items, objects = append(items, it), append(objects, it.Bytes)
	}
	w.IL.Ingest(items...)
	w.Settle()
	objects = append(objects, testworld.Object(t, "indicator", "that nobody announced", nil).Bytes)
	w.MA.Rest() // its server goes on, nothing is done
	client := w.IL.Remote(w.MA.Self).TAXII
	client.StatusWait = time.Millisecond
	box := exchange.InboxID(w.MA.Self.Name, w.IL.Self.Name)
	st, err := client.Add(t.Context(), "/accord/", box, objects)
	if err != nil || st.Status != taxii.StatusPending || st.TotalCount != 2501 || st.PendingCount != 2501 {
		t.Fatalf("answered %+v, %v", st, err)
	}
	w.MA.Stop()
	w.MA.Start()
	testworld.Until(t, 30*time.Second, "the add", func() bool {
		st, err = w.IL.Remote(w.MA.Self).TAXII.Status(t.Context(), "/accord/", st.ID)
		return err == nil && st.Status == taxii.StatusComplete
	})
	if st.SuccessCount != 2500 || st.FailureCount != 1 || st.PendingCount != 0 || len(st.Failures) != 1 || !strings.Contains(st.Failures[0].Message, "announces") {
		st.Successes = nil
		t.Errorf("ended as %+v", st)
	}
	w.MA.Stop()
	w.MA.Start()
	if again, err := w.IL.Remote(w.MA.Self).TAXII.Status(t.Context(), "/accord/", st.ID); err != nil || again.SuccessCount != 2500 {
		t.Errorf("after another restart: %v", err)
	}
	if _, err := w.MA.Reader(w.MA.Token(w.IL.Self.Name)).Status(t.Context(), "/accord/", "00000000-0000-4000-8000-000000000000"); err == nil {
		t.Error("a status that is not there was given")
	}
}

// ownServer serves a nation's own store to callers named by their role, or party.
func ownServer(t *testing.T, n *testworld.Nation) (*taxii.Client, func(as string) *taxii.Client) {
	t.Helper()
	srv, err := taxii.New(taxii.Config{
		Title: "own", Roots: []taxii.Root{{Name: exchange.OwnRoot, Title: "own"}}, Key: []byte("0123456789abcdef"),
		Backend: &exchange.Own{Self: n.Self.Name, Store: n.DB},
		Authenticate: func(r *http.Request) (taxii.Caller, error) {
			as := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if party, ok := strings.CutPrefix(as, "party "); ok {
				return taxii.Caller{Name: as, Party: party, Role: accord.RoleReader}, nil
			}
			return taxii.Caller{Name: as, Role: accord.Role(as)}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(srv)
	t.Cleanup(ts.Close)
	as := func(name string) *taxii.Client { return &taxii.Client{URL: ts.URL, Token: name, Attempts: 1} }
	return as("reader"), as
}

func TestTheOwnStoreIsReadByTheAuthoritysOwnToolsAndNobodyElse(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	w.Start()
	w.IL.Ingest(testworld.Object(t, "indicator", "given", nil))
	w.Settle()
	w.MA.Ingest(testworld.Object(t, "malware", "own", testworld.Marked(accord.TLPRed)), testworld.Object(t, "indicator", "back", nil))
	c, as := ownServer(t, w.MA)
	box := func(alias string) string { return exchange.OwnID(w.MA.Self.Name, alias) }
	all, _ := readAll(t, c, "/own/", box("all"), taxii.Query{Limit: 1})
	if diff := cmp.Diff([]string{"given", "own", "back"}, all); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if got, _ := readAll(t, c, "/own/", "indicators", taxii.Query{}); !slices.Equal(got, []string{"given", "back"}) {
		t.Errorf("indicators: %v", got)
	}
	for _, q := range []taxii.Query{{Types: []string{"malware"}}, {SpecVersions: []string{"2.0"}}} {
		if got, _ := readAll(t, c, "/own/", "indicators", q); len(got) != 0 {
			t.Errorf("%+v: %v", q, got)
		}
	}
	w.MA.Withdraw(testworld.ID("indicator", "back"))
	if got, _ := readAll(t, c, "/own/", "all", taxii.Query{Versions: taxii.Versions{First: true, Last: true}}); !slices.Equal(got, []string{"given", "own"}) {
		t.Errorf("after a withdrawal: %v", got)
	}
	for _, role := range []string{"analyst", "operator"} {
		if list, err := as(role).Collections(t.Context(), "/own/"); err != nil || len(list) != 3 {
			t.Errorf("%s: %v, %v", role, list, err)
		}
	}
	for _, who := range []string{"sensor", "party " + w.IL.Self.Name, ""} {
		if _, err := as(who).Collections(t.Context(), "/own/"); err == nil {
			t.Errorf("%q sees the own store", who)
		}
		for _, err := range as(who).Objects(t.Context(), "/own/", box("all"), taxii.Query{}) {
			if err == nil {
				t.Errorf("%q reads the own store", who)
			}
		}
	}
	if _, err := c.Add(t.Context(), "/own/", box("all"), [][]byte{[]byte(`{}`)}); err == nil {
		t.Error("something was added by TAXII")
	}
	if err := c.Delete(t.Context(), "/own/", box("all"), testworld.ID("malware", "own"), taxii.Query{}); err == nil {
		t.Error("something was deleted by TAXII")
	}
}

// TAXII 2.1 §2: "An identifier is an RFC 4122-compliant Version 4 UUID."
func TestIdentifiersHaveTheFormOfVersion4(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []string{
		exchange.InboxID("a", "b"), exchange.OutboxID("a", "b"), exchange.InboxID("b", "a"), exchange.AgreementOutboxID("a", "b", "c"),
		exchange.OwnID("a", "all"), exchange.OwnID("a", "indicators"),
	} {
		u, err := uuid.Parse(id)
		if err != nil || u.Version() != 4 || u.Variant() != uuid.RFC4122 || seen[id] {
			t.Errorf("%s: %v", id, err)
		}
		seen[id] = true
	}
	if got := exchange.InboxID("a", "b"); got != "a612b1dc-f53f-4a4f-8b3a-b3ecf6b90a47" {
		t.Errorf("%s: another node would not find it", got)
	}
}
