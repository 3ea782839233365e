// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"accord"
)

// Receipt is a receiver's word that it holds what disclosures announced. It is
// a leaf of the receiver's own log to the giver.
type Receipt struct {
	Origin string // the giver's log
	Size   int64  // of that log as the receiver has mirrored it
	Root   [32]byte
	Spans  []accord.IndexSpan // disclosures whose items are held; rising, not touching
	At     accord.Stamp
}

// NewReceipt writes a receipt, signed by the receiver.
func NewReceipt(c Receipt, signer note.Signer) ([]byte, error) {
	spans, err := spansText(c.Spans)
	if err != nil {
		return nil, fmt.Errorf("sign receipt: %w", err)
	}
	var w writer
	w.WriteString(headers[accord.LeafReceipt] + "\n")
	w.line("log", c.Origin)
	w.line("size", fmt.Sprint(c.Size))
	w.line("root", hashText(c.Root))
	w.line("leaves", spans)
	w.line("time", stampText(c.At))
	if _, err := parseReceipt(w.String(), signer.Name()); err != nil {
		return nil, fmt.Errorf("sign receipt: %w", err)
	}
	return sign(w.String(), signer)
}

func parseReceipt(text, by string) (Receipt, error) {
	r := newReader(text, accord.LeafReceipt)
	c := Receipt{Origin: r.origin("log"), Size: r.number("size"), Root: r.hash("root"), Spans: r.spans("leaves"), At: r.stamp("time")}
	if r.err == nil {
		if _, to, _ := ParseOrigin(c.Origin); to != by {
			r.fail("%s does not acknowledge the log %s", by, c.Origin)
		}
		if n := len(c.Spans); n == 0 || c.Spans[n-1].To > c.Size || c.Size > maxSize || c.At == 0 {
			r.fail("a receipt names leaves of the log it acknowledges, and its time")
		}
	}
	return c, r.end()
}

// OpenReceipt reads a receipt and verifies that the receiver signed it.
func OpenReceipt(record []byte, receiver note.Verifier) (Receipt, error) {
	text, err := openRecord(record, receiver)
	if err != nil {
		return Receipt{}, fmt.Errorf("open receipt: %w", err)
	}
	c, err := parseReceipt(text, receiver.Name())
	if err != nil {
		return Receipt{}, fmt.Errorf("open receipt: %w", err)
	}
	return c, nil
}

// Retraction is a giver's word that it takes an item back. It is a leaf of the
// giver's log to the receiver.
type Retraction struct {
	Origin string             // the giver's log
	Item   accord.ItemKey     // as it was sent
	Spans  []accord.IndexSpan // its disclosures in that log
	Reason string             // one line for people, at most 500 bytes; may be empty
	At     accord.Stamp
}

// ReasonLine returns what a person wrote as the one line that a retraction carries
// to its receivers. Nothing is cut: what is empty, has more than [MaxReason] bytes
// or cannot be shown is ErrInvalid, and the line is returned too.
func ReasonLine(text string) (line string, err error) {
	line = strings.Join(strings.Fields(text), " ")
	switch {
	case line == "":
		err = fmt.Errorf("%w: reason: say why: the receivers read it", accord.ErrInvalid)
	case len(line) > MaxReason:
		err = fmt.Errorf("%w: reason of %d bytes: want at most %d: the receivers read all of it or nothing", accord.ErrInvalid, len(line), MaxReason)
	case !plain(line) || line == none:
		err = fmt.Errorf("%w: reason %q: want text without control characters that says why", accord.ErrInvalid, line)
	}
	return line, err
}

// NewRetraction writes a retraction, signed by the giver.
func NewRetraction(c Retraction, signer note.Signer) ([]byte, error) {
	spans, err := spansText(c.Spans)
	if err != nil {
		return nil, fmt.Errorf("sign retraction: %w", err)
	}
	var w writer
	w.WriteString(headers[accord.LeafRetraction] + "\n")
	w.line("log", c.Origin)
	w.line("item", c.Item.ID)
	w.line("version", stampText(c.Item.Version))
	w.line("leaves", spans)
	w.line("time", stampText(c.At))
	w.line("reason", nameText(c.Reason))
	if back, err := parseRetraction(w.String(), signer.Name()); err != nil {
		return nil, fmt.Errorf("sign retraction: %w", err)
	} else if back.Reason != c.Reason {
		return nil, fmt.Errorf("sign retraction: %w: reason %q", accord.ErrInvalid, c.Reason)
	}
	return sign(w.String(), signer)
}

func parseRetraction(text, by string) (Retraction, error) {
	r := newReader(text, accord.LeafRetraction)
	c := Retraction{Origin: r.origin("log")}
	c.Item = accord.ItemKey{ID: r.itemID("item"), Version: r.stamp("version")}
	c.Spans, c.At = r.spans("leaves"), r.stamp("time")
	if c.Reason = r.line("reason"); c.Reason == none {
		c.Reason = ""
	}
	if r.err == nil {
		if from, _, _ := ParseOrigin(c.Origin); from != by {
			r.fail("%s retracts nothing from the log %s", by, c.Origin)
		}
		if len(c.Spans) == 0 || c.At == 0 || len(c.Reason) > MaxReason {
			r.fail("a retraction names leaves and its time, and gives at most %d bytes of reason", MaxReason)
		}
	}
	return c, r.end()
}

// OpenRetraction reads a retraction and verifies that the giver signed it.
func OpenRetraction(record []byte, giver note.Verifier) (Retraction, error) {
	text, err := openRecord(record, giver)
	if err != nil {
		return Retraction{}, fmt.Errorf("open retraction: %w", err)
	}
	c, err := parseRetraction(text, giver.Name())
	if err != nil {
		return Retraction{}, fmt.Errorf("open retraction: %w", err)
	}
	return c, nil
}

// Confirmation is a receiver's word that retractions have taken effect on its
// side. It is a leaf of the receiver's own log to the giver.
type Confirmation struct {
	Origin string             // the giver's log
	Spans  []accord.IndexSpan // the disclosures that are gone
	At     accord.Stamp
}

// NewConfirmation writes a confirmation, signed by the receiver.
func NewConfirmation(c Confirmation, signer note.Signer) ([]byte, error) {
	spans, err := spansText(c.Spans)
	if err != nil {
		return nil, fmt.Errorf("sign confirmation: %w", err)
	}
	var w writer
	w.WriteString(headers[accord.LeafConfirmation] + "\n")
	w.line("log", c.Origin)
	w.line("leaves", spans)
	w.line("time", stampText(c.At))
	if _, err := parseConfirmation(w.String(), signer.Name()); err != nil {
		return nil, fmt.Errorf("sign confirmation: %w", err)
	}
	return sign(w.String(), signer)
}

func parseConfirmation(text, by string) (Confirmation, error) {
	r := newReader(text, accord.LeafConfirmation)
	c := Confirmation{Origin: r.origin("log"), Spans: r.spans("leaves"), At: r.stamp("time")}
	if r.err == nil {
		if _, to, _ := ParseOrigin(c.Origin); to != by {
			r.fail("%s confirms nothing of the log %s", by, c.Origin)
		}
		if len(c.Spans) == 0 || c.At == 0 {
			r.fail("a confirmation names leaves and its time")
		}
	}
	return c, r.end()
}

// OpenConfirmation reads a confirmation and verifies that the receiver signed
// it.
func OpenConfirmation(record []byte, receiver note.Verifier) (Confirmation, error) {
	text, err := openRecord(record, receiver)
	if err != nil {
		return Confirmation{}, fmt.Errorf("open confirmation: %w", err)
	}
	c, err := parseConfirmation(text, receiver.Name())
	if err != nil {
		return Confirmation{}, fmt.Errorf("open confirmation: %w", err)
	}
	return c, nil
}

func sign(text string, signer note.Signer) ([]byte, error) {
	msg, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign record: %w", err)
	}
	if len(msg) > MaxRecord {
		return nil, fmt.Errorf("sign record: %w: larger than %d bytes", accord.ErrInvalid, MaxRecord)
	}
	return msg, nil
}

// openRecord verifies a signed record and returns its text. It bears one
// signature: there is one way to write a record.
func openRecord(record []byte, v note.Verifier) (string, error) {
	if len(record) > MaxRecord {
		return "", fmt.Errorf("%w: larger than %d bytes", accord.ErrInvalid, MaxRecord)
	}
	n, err := note.Open(record, note.VerifierList(v))
	if err != nil {
		var un *note.UnverifiedNoteError
		var bad *note.InvalidSignatureError
		if errors.As(err, &un) || errors.As(err, &bad) {
			return "", fmt.Errorf("%w: %w", accord.ErrForbidden, err)
		}
		return "", fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	if again, err := note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs}); err != nil || len(n.UnverifiedSigs) > 0 || string(again) != string(record) {
		return "", fmt.Errorf("%w: more than one signature", accord.ErrInvalid)
	}
	return n.Text, nil
}

func sortedUnique[T cmp.Ordered](s []T) []T { return slices.Compact(slices.Sorted(slices.Values(s))) }
