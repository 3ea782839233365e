// SPDX-License-Identifier: Apache-2.0

package accord

import (
	"fmt"
	"strings"
)

// TLP is a Traffic Light Protocol 2.0 label, ordered from open to closed. TLP
// 1.0's WHITE is CLEAR. The zero value is CLEAR only by arithmetic: what an
// unmarked item counts as is the node's decision, made when it is parsed.
type TLP uint8

// The labels of TLP 2.0, from the most open to the most closed.
const (
	TLPClear TLP = iota
	TLPGreen
	TLPAmber
	TLPAmberStrict
	TLPRed
)

var tlpNames = [...]string{"clear", "green", "amber", "amber+strict", "red"}

// String returns the label in lower case, without the "TLP:" prefix.
func (t TLP) String() string { return nameOf(tlpNames[:], int(t)) }

// MarshalText writes t as String does.
func (t TLP) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what ParseTLP reads.
func (t *TLP) UnmarshalText(b []byte) (err error) {
	*t, err = ParseTLP(string(b))
	return err
}

// ParseTLP reads a label in any case, with or without the "TLP:" prefix; "white"
// (TLP 1.0) is CLEAR.
func ParseTLP(s string) (TLP, error) {
	n := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "tlp:")
	if n == "white" {
		return TLPClear, nil
	}
	i, err := indexOf(tlpNames[:], n, "TLP label", s)
	return TLP(i), err
}

// PAP is a Permissible Actions Protocol label (MISP taxonomy), ordered from open
// to closed. WHITE is an old name of CLEAR.
type PAP uint8

// The labels of PAP.
const (
	PAPClear PAP = iota
	PAPGreen
	PAPAmber
	PAPRed
)

var papNames = [...]string{"clear", "green", "amber", "red"}

// String returns the label in lower case, without the "PAP:" prefix.
func (p PAP) String() string { return nameOf(papNames[:], int(p)) }

// MarshalText writes p as String does.
func (p PAP) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what ParsePAP reads.
func (p *PAP) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePAP(string(b))
	return err
}

// ParsePAP reads a label in any case, with or without the "PAP:" prefix.
func ParsePAP(s string) (PAP, error) {
	n := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "pap:")
	if n == "white" {
		return PAPClear, nil
	}
	i, err := indexOf(papNames[:], n, "PAP label", s)
	return PAP(i), err
}

// Action is what a receiver may do with an item: the permitted_actions of FIRST
// IEP 2.0, ordered; each allows all before it.
type Action uint8

// The permitted actions of IEP 2.0. Blocking in the receiver's own institutions
// is an internally visible action.
const (
	ActNone Action = iota
	ActContact
	ActInternal
	ActExternalIndirect
	ActExternalDirect
)

var actionNames = [...]string{
	"none", "contact-for-instruction", "internally-visible-actions",
	"externally-visible-indirect-actions", "externally-visible-direct-actions",
}

// String returns the name as IEP 2.0 spells it, in lower case with hyphens.
func (a Action) String() string { return nameOf(actionNames[:], int(a)) }

// MarshalText writes a as String does.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads a name as String writes it.
func (a *Action) UnmarshalText(b []byte) error {
	i, err := indexOf(actionNames[:], string(b), "permitted action", string(b))
	*a = Action(i)
	return err
}

// Onward is the rule for giving further what came under an agreement, ordered
// from closed to open.
type Onward uint8

// The onward rules.
const (
	OnwardNone         Onward = iota // the receiving authority alone
	OnwardInstitutions               // its public institutions, as protection and notification
	OnwardParties                    // also other parties, under agreements of its own
)

var onwardNames = [...]string{"none", "institutions", "parties"}

// String returns the rule's name.
func (o Onward) String() string { return nameOf(onwardNames[:], int(o)) }

// MarshalText writes o as String does.
func (o Onward) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads a name as String writes it.
func (o *Onward) UnmarshalText(b []byte) error {
	i, err := indexOf(onwardNames[:], string(b), "onward rule", string(b))
	*o = Onward(i)
	return err
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%d", i)
}

func indexOf(names []string, n, what, given string) (int, error) {
	for i, name := range names {
		if n == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%w: %s %q: want one of %s", ErrInvalid, what, given, strings.Join(names, ", "))
}
