// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"slices"

	"accord"
)

// Standing is where an agreement stands at an instant.
type Standing string

// The standings, in the order in which they are looked for.
const (
	Draft     Standing = "draft"     // nobody has signed
	Signing   Standing = "signing"   // some have
	NotYet    Standing = "not-yet"   // all have; From is to come
	Expired   Standing = "expired"   // Until is here or past
	Suspended Standing = "suspended" // in force but for at least one party's suspension
	Force     Standing = "in-force"
)

// State is an agreement's standing with the parties it depends on.
type State struct {
	Standing Standing
	Missing  []string // who has not signed: Draft, Signing
	By       []string // who has suspended: Suspended
}

// StateOf says where a stands at now. suspended is as [SuspendedBy] gives it.
// From is the first instant in force, Until the first no longer in force. Whether
// a newer version has taken its place is for [Governing].
func StateOf(a *Agreement, suspended map[string]bool, now accord.Stamp) State {
	missing := a.Missing()
	switch {
	case len(missing) == len(a.Parties):
		return State{Standing: Draft, Missing: missing}
	case len(missing) > 0:
		return State{Standing: Signing, Missing: missing}
	case now < a.From:
		return State{Standing: NotYet}
	case a.Until != 0 && now >= a.Until:
		return State{Standing: Expired}
	}
	var by []string
	for _, p := range a.Parties {
		if suspended[p.Name] {
			by = append(by, p.Name)
		}
	}
	if len(by) > 0 {
		return State{Standing: Suspended, By: by}
	}
	return State{Standing: Force}
}

// InForce is an agreement as [Decide] needs it: opened, with the parties whose
// suspension stands. Decide looks itself at signatures, instants and newer
// versions, so it may be given any agreement.
type InForce struct {
	Agreement *Agreement
	Suspended map[string]bool
}

// FromRecord opens a stored agreement and its suspensions.
func FromRecord(r accord.AgreementRecord, parties []accord.Party, now accord.Stamp) (InForce, error) {
	a, err := Open(r.Note, parties)
	if err != nil {
		return InForce{}, err
	}
	return InForce{Agreement: a, Suspended: SuspendedBy(r.Suspensions, now)}, nil
}

// SuspendedBy returns the parties whose stored suspension stands at now. A
// suspension whose instant is still to come stands already: it stops
// disclosures at once, whatever the clocks.
func SuspendedBy(rows []accord.Suspension, now accord.Stamp) map[string]bool {
	by := map[string]bool{}
	for _, s := range rows {
		if s.Lifted == 0 || now < s.Lifted {
			by[s.Party] = true
		}
	}
	return by
}

// Governing returns what of in speaks at now: of each agreement the newest
// version that all have signed and whose From has come, unless its Until has
// come too. An older version does not come back when a newer one ends.
func Governing(in []InForce, now accord.Stamp) []InForce {
	var out []InForce
	for i := range in {
		if governs(in, i, now) {
			out = append(out, in[i])
		}
	}
	slices.SortStableFunc(out, func(x, y InForce) int { return compareID(x.Agreement, y.Agreement) })
	return out
}

// governs reports whether in[i] is the version that speaks at now.
func governs(in []InForce, i int, now accord.Stamp) bool {
	a := in[i].Agreement
	if !a.started(now) || a.Until != 0 && now >= a.Until {
		return false
	}
	for j := range in {
		if b := in[j].Agreement; j != i && b.ID == a.ID && b.Version > a.Version && b.started(now) {
			return false
		}
	}
	return true
}

// started reports whether all have signed a and its From has come.
func (a *Agreement) started(now accord.Stamp) bool { return a.signed && now >= a.From }
