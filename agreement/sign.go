// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"accord"
)

// Sign adds signer's signature to an agreement: to its text when nobody has
// signed yet, else to the note, whose other signatures are kept as they are. The
// signer must hold the key that the text names for its party, and must not have
// signed already ([accord.ErrConflict]).
func Sign(msg []byte, signer note.Signer) ([]byte, error) {
	n, err := split(msg)
	if err != nil {
		return nil, fmt.Errorf("sign agreement: %w", err)
	}
	a, err := parse(n.Text)
	if err != nil {
		return nil, fmt.Errorf("sign agreement: %w", err)
	}
	p, known := a.Party(signer.Name())
	if !known {
		return nil, fmt.Errorf("sign agreement: %w: %s is not a party of %s", accord.ErrForbidden, signer.Name(), a.ID)
	}
	if v, err := note.NewVerifier(p.Key); err != nil || v.KeyHash() != signer.KeyHash() {
		return nil, fmt.Errorf("sign agreement: %w: the text names another key for %s", accord.ErrForbidden, p.Name)
	}
	for _, s := range n.Sigs {
		if s.Name == signer.Name() {
			return nil, fmt.Errorf("sign agreement: %w: %s has signed it", accord.ErrConflict, s.Name)
		}
	}
	out, err := note.Sign(n, signer)
	if err != nil {
		return nil, fmt.Errorf("sign agreement: %w", err)
	}
	if len(out) > MaxSize {
		return nil, fmt.Errorf("sign agreement: %w: larger than %d bytes with its signatures", accord.ErrInvalid, MaxSize)
	}
	return out, nil
}

// Merge returns one note with the signatures of both, which must be of the same
// text ([accord.ErrConflict]): two parties may sign at the same time. Where both
// have a line of one key, a's stays. It checks no signature; [Open] does.
func Merge(a, b []byte) ([]byte, error) {
	na, err := split(a)
	if err != nil {
		return nil, fmt.Errorf("merge agreement: %w", err)
	}
	nb, err := split(b)
	if err != nil {
		return nil, fmt.Errorf("merge agreement: %w", err)
	}
	if na.Text != nb.Text {
		return nil, fmt.Errorf("merge agreement: %w: the texts differ", accord.ErrConflict)
	}
	have := map[signatory]bool{}
	for _, s := range na.Sigs {
		have[signatory{s.Name, s.Hash}] = true
	}
	for _, s := range nb.Sigs {
		if !have[signatory{s.Name, s.Hash}] {
			na.Sigs = append(na.Sigs, s)
		}
	}
	if len(na.Sigs) == 0 {
		return []byte(na.Text), nil
	}
	out, err := note.Sign(na)
	if err != nil {
		return nil, fmt.Errorf("merge agreement: %w: %w", accord.ErrInvalid, err)
	}
	return out, nil
}

// TextOf returns a note's text, or msg itself when it bears no signature.
func TextOf(msg []byte) ([]byte, error) {
	n, err := split(msg)
	if err != nil {
		return nil, fmt.Errorf("read agreement: %w", err)
	}
	return []byte(n.Text), nil
}

// signatory is what tells one key's signature lines from another's.
type signatory struct {
	name string
	hash uint32
}

// split takes a note apart without trusting it; text without signatures is a
// note without signatures. All signatures are in Sigs.
func split(msg []byte) (*note.Note, error) {
	if len(msg) > MaxSize {
		return nil, fmt.Errorf("%w: larger than %d bytes", accord.ErrInvalid, MaxSize)
	}
	if !strings.Contains(string(msg), "\n\n— ") {
		return &note.Note{Text: string(msg)}, nil
	}
	_, err := note.Open(msg, note.VerifierList())
	var un *note.UnverifiedNoteError
	if !errors.As(err, &un) {
		return nil, fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	n := &note.Note{Text: un.Note.Text, Sigs: un.Note.UnverifiedSigs}
	// The note package drops a key's second line unread, and of two lines that
	// differ only one can be true: a key that signs twice is refused.
	seen := map[signatory]bool{}
	for _, s := range n.Sigs {
		seen[signatory{s.Name, s.Hash}] = true
	}
	if lines := strings.Count(string(msg[len(n.Text):]), "\n— "); lines != len(seen) {
		return nil, fmt.Errorf("%w: a key has signed twice", accord.ErrInvalid)
	}
	return n, nil
}

// Open reads an agreement that at least one known party has signed. The parties
// and their keys are those the node has pinned: every party that the text names
// must be among them with exactly the key the text names. A signature that
// claims a pinned key and does not verify is an error, and so is a key that
// signs twice; lines of unknown keys are ignored (C2SP signed-note,
// "Signatures"). Two keys of one party, should both be pinned, are one word.
//
// Whether all have signed is for [Agreement.Missing] and [StateOf].
func Open(msg []byte, parties []accord.Party) (*Agreement, error) {
	n, err := split(msg)
	if err != nil {
		return nil, fmt.Errorf("open agreement: %w", err)
	}
	a, err := parse(n.Text)
	if err != nil {
		return nil, fmt.Errorf("open agreement: %w", err)
	}
	if err := a.pin(parties); err != nil {
		return nil, fmt.Errorf("open agreement: %w", err)
	}
	vs, err := verifiers(parties)
	if err != nil {
		return nil, fmt.Errorf("open agreement: %w", err)
	}
	opened, err := note.Open(msg, vs)
	if err != nil {
		return nil, fmt.Errorf("open agreement: %w: %w", accord.ErrForbidden, err)
	}
	for _, s := range opened.Sigs {
		if _, named := a.Party(s.Name); named {
			a.Signed[s.Name] = true
		}
	}
	if len(a.Signed) == 0 {
		return nil, fmt.Errorf("open agreement: %w: none of its parties has signed", accord.ErrForbidden)
	}
	a.signed = len(a.Missing()) == 0
	return a, nil
}

// pin replaces the parties of the text by the node's own records of them.
func (a *Agreement) pin(parties []accord.Party) error {
	for i, p := range a.Parties {
		known, same := false, false
		for _, pinned := range parties {
			if pinned.Name != p.Name {
				continue
			}
			known = true
			if pinned.Key == p.Key && (pinned.Nation == "" || pinned.Nation == p.Nation) {
				same = true
				a.Parties[i].URL, a.Parties[i].TLSPin, a.Parties[i].Identity = pinned.URL, pinned.TLSPin, pinned.Identity
			}
		}
		if !known {
			return fmt.Errorf("%w: party %s is not known here: add it with the key you received out of band", accord.ErrForbidden, p.Name)
		}
		if !same {
			return fmt.Errorf("%w: the text names another key or nation for %s than the one pinned here", accord.ErrForbidden, p.Name)
		}
	}
	return nil
}

func verifiers(parties []accord.Party) (note.Verifiers, error) {
	var vs []note.Verifier
	seen := map[string]bool{}
	for _, p := range parties {
		if p.Key == "" || seen[p.Key] {
			continue // a plain TAXII client has none
		}
		seen[p.Key] = true
		v, err := note.NewVerifier(p.Key)
		if err != nil || v.Name() != p.Name {
			return nil, fmt.Errorf("%w: pinned key of %s is malformed", accord.ErrInvalid, p.Name)
		}
		vs = append(vs, v)
	}
	return note.VerifierList(vs...), nil
}
