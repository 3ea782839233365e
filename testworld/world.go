// SPDX-License-Identifier: Apache-2.0

// Package testworld is two or more nations in one process, for tests and
// benchmarks across the border: real stores, keys, TLS and TAXII over loopback,
// agreements that all parties have signed. Only the program around them is
// missing.
//
// Failures end the test. A [Nation] may be stopped and started again on the same
// store, as after a crash, and put back to an older one, as from a backup. Times
// are the caller's clock ([Nation.Pass]). [Wire] keeps what crosses the border
// and [Cuts] breaks it. A Nation's methods are for one goroutine at a time;
// Wire and Cuts are safe for concurrent use.
package testworld

import (
	"context"
	"testing"
	"time"

	"accord"
	"accord/agreement"
)

// World is two nations under one agreement, and a third in [New3].
type World struct {
	IL, MA *Nation
	GR     *Nation // nil but in a world of three
	// Agreement is the signed note that IL and MA hold.
	Agreement []byte
	// Text is what they signed.
	Text string

	t testing.TB
}

// New returns a world whose agreement is in force. Nothing is served yet: see
// [Nation.Start].
func New(t testing.TB) *World { return NewWith(t, nil) }

// NewWith is New with the agreement's draft changed before it is signed.
func NewWith(t testing.TB, change func(string) string) *World {
	t.Helper()
	w := Strangers(t)
	w.Text = Draft(t, "ma-il", w.IL, w.MA)
	if change != nil {
		w.Text = change(w.Text)
	}
	w.Agreement = Agree(t, w.Text, w.IL, w.MA)
	return w
}

// Strangers returns two nations that have pinned each other and agreed nothing.
func Strangers(t testing.TB) *World {
	t.Helper()
	w := &World{IL: NewNation(t, "IL", "il.accord.test"), MA: NewNation(t, "MA", "ma.accord.test"), t: t}
	Pin(w.IL, w.MA)
	return w
}

// New3 returns three nations, each pair under an agreement of its own: "ma-il",
// where IL gives context, "gr-ma", where MA does, and "gr-il", where IL does.
// change is given each draft with its id.
func New3(t testing.TB, change func(id, text string) string) *World {
	t.Helper()
	w := NewWith(t, func(text string) string { return change("ma-il", text) })
	w.GR = NewNation(t, "GR", "gr.accord.test")
	Pin(w.IL, w.GR)
	Pin(w.MA, w.GR)
	Agree(t, change("gr-ma", Draft(t, "gr-ma", w.MA, w.GR)), w.MA, w.GR)
	Agree(t, change("gr-il", Draft(t, "gr-il", w.IL, w.GR)), w.IL, w.GR)
	return w
}

// Start serves all nations.
func (w *World) Start() {
	for _, n := range []*Nation{w.IL, w.MA, w.GR} {
		if n != nil {
			n.Start()
		}
	}
}

// Settle waits until each nation has decided everything there is and all that it
// gave is receipted, every retraction confirmed, every log cosigned to its end.
func (w *World) Settle() {
	w.t.Helper()
	all := []*Nation{w.IL, w.MA}
	if w.GR != nil {
		all = append(all, w.GR)
	}
	for _, n := range all {
		for _, o := range all {
			if n != o {
				n.Settle(o)
			}
		}
	}
	for _, n := range all { // what the first received may have made the next give
		for _, o := range all {
			if n != o {
				n.Settle(o)
			}
		}
	}
}

// Pin makes two nations parties of each other.
func Pin(a, b *Nation) {
	a.Pin(b.Self)
	b.Pin(a.Self)
}

// Draft is the text of an agreement between two nations, in force since an hour
// ago; giver gives context.
func Draft(t testing.TB, id string, giver, other *Nation) string {
	t.Helper()
	text, err := agreement.Template(agreement.Terms{
		ID: id, From: accord.StampOf(time.Now().Add(-time.Hour)), Self: giver.Self, Partner: other.Self, Giver: giver.Self.Name,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Sign returns text with the signatures of all.
func Sign(t testing.TB, text string, all ...*Nation) []byte {
	t.Helper()
	msg := []byte(text)
	var err error
	for _, n := range all {
		if msg, err = agreement.Sign(msg, n.Key.Signer()); err != nil {
			t.Fatal(err)
		}
	}
	return msg
}

// Agree signs text as each of the parties, and stores the note at each.
func Agree(t testing.TB, text string, parties ...*Nation) []byte {
	t.Helper()
	msg := Sign(t, text, parties...)
	for _, n := range parties {
		n.Take(msg)
	}
	return msg
}

// Suspend stores at each of the others, too, that by suspends the agreement, or
// with lift that it resumes.
func Suspend(t testing.TB, msg []byte, lift bool, by *Nation, others ...*Nation) {
	t.Helper()
	all := append([]*Nation{by}, others...)
	var parties []accord.Party
	for _, n := range all {
		parties = append(parties, n.Self)
	}
	text, err := agreement.TextOf(msg)
	if err != nil {
		t.Fatal(err)
	}
	a, err := agreement.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	give := agreement.Suspend
	if lift {
		give = agreement.Resume
	}
	notice, err := give(a, by.Key.Signer(), "a test", accord.StampOf(by.Now()))
	if err != nil {
		t.Fatal(err)
	}
	read, err := agreement.OpenSuspension(notice, parties)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, n := range all {
		r, err := n.DB.Agreement(ctx, a.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range agreement.Apply(r.Suspensions, read, notice) {
			if err := n.DB.PutSuspension(ctx, a.ID, s); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Until waits until check is true, and fails the test after most.
func Until(t testing.TB, most time.Duration, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(most); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, most)
		}
	}
}
