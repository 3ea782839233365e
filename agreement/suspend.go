// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"accord"
)

// The first lines of the two notices a party may give by itself.
const (
	SuspensionHeader = "accord suspension v1"
	ResumptionHeader = "accord resumption v1"
)

const (
	maxNotice = 8 << 10
	maxReason = 500
)

// Notice is one party's signed word that it stops an agreement's disclosures, to
// it and from it, or that it lifts its own suspension. It concerns the agreement
// in all its versions.
type Notice struct {
	Lifts     bool // a resumption
	Agreement string
	Version   int // the version in force when it was given; for the reader
	Party     string
	At        accord.Stamp
	Reason    string // one line, may be empty
}

// Suspend returns signer's note that suspends a. Reason is one line for people.
func Suspend(a *Agreement, signer note.Signer, reason string, now accord.Stamp) ([]byte, error) {
	return notify(a, signer, Notice{Reason: reason, At: now})
}

// Resume returns signer's note that lifts its suspension of a.
func Resume(a *Agreement, signer note.Signer, reason string, now accord.Stamp) ([]byte, error) {
	return notify(a, signer, Notice{Lifts: true, Reason: reason, At: now})
}

func notify(a *Agreement, signer note.Signer, n Notice) ([]byte, error) {
	if _, known := a.Party(signer.Name()); !known {
		return nil, fmt.Errorf("sign notice: %w: %s is not a party of %s", accord.ErrForbidden, signer.Name(), a.ID)
	}
	n.Agreement, n.Version, n.Party = a.ID, a.Version, signer.Name()
	text := n.text()
	if parsed, err := parseNotice(text); err != nil {
		return nil, fmt.Errorf("sign notice: %w", err)
	} else if parsed != n {
		return nil, fmt.Errorf("sign notice: %w: it would not read as written", accord.ErrInvalid)
	}
	msg, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign notice: %w", err)
	}
	return msg, nil
}

func (n Notice) text() string {
	header := SuspensionHeader
	if n.Lifts {
		header = ResumptionHeader
	}
	text := fmt.Sprintf("%s\nagreement: %s\nversion: %d\nparty: %s\ntime: %s\n", header, n.Agreement, n.Version, n.Party, n.At)
	if n.Reason != "" {
		text += "reason: " + n.Reason + "\n"
	}
	return text
}

// parseNotice reads exactly what text writes.
func parseNotice(text string) (Notice, error) {
	header, body, _ := strings.Cut(text, "\n")
	n := Notice{Lifts: header == ResumptionHeader}
	if header != SuspensionHeader && header != ResumptionHeader {
		return n, fmt.Errorf("%w: not a suspension or resumption", accord.ErrInvalid)
	}
	if len(text) > maxNotice {
		return n, fmt.Errorf("%w: larger than %d bytes", accord.ErrInvalid, maxNotice)
	}
	if err := checkText(text, header); err != nil {
		return n, err
	}
	for _, f := range []struct {
		key string
		set func(string) error
	}{
		{"agreement", func(v string) error { n.Agreement = v; return nil }},
		{"version", func(v string) (err error) { n.Version, err = strconv.Atoi(v); return err }},
		{"party", func(v string) error { n.Party = v; return nil }},
		{"time", func(v string) error { return n.At.UnmarshalText([]byte(v)) }},
		{"reason", func(v string) error { n.Reason = v; return nil }},
	} {
		if f.key == "reason" && body == "" {
			continue
		}
		line, rest, _ := strings.Cut(body, "\n")
		value, ok := strings.CutPrefix(line, f.key+": ")
		if !ok {
			return n, fmt.Errorf("%w: want a line %q", accord.ErrInvalid, f.key+": ")
		}
		if err := f.set(value); err != nil {
			return n, fmt.Errorf("%w: %s %q", accord.ErrInvalid, f.key, value)
		}
		body = rest
	}
	if !validID(n.Agreement) || !accord.ValidPartyName(n.Party) || n.Version < 1 || n.At <= 0 || len(n.Reason) > maxReason || n.text() != text {
		return n, fmt.Errorf("%w: malformed suspension or resumption", accord.ErrInvalid)
	}
	return n, nil
}

// OpenSuspension reads a suspension or resumption and verifies that the party it
// names signed it with its pinned key.
func OpenSuspension(msg []byte, parties []accord.Party) (Notice, error) {
	n, err := openNotice(msg, parties)
	if err != nil {
		return Notice{}, fmt.Errorf("open suspension: %w", err)
	}
	return n, nil
}

func openNotice(msg []byte, parties []accord.Party) (Notice, error) {
	if len(msg) > 2*maxNotice {
		return Notice{}, fmt.Errorf("%w: larger than %d bytes", accord.ErrInvalid, 2*maxNotice)
	}
	raw, err := split(msg)
	if err != nil {
		return Notice{}, err
	}
	n, err := parseNotice(raw.Text)
	if err != nil {
		return Notice{}, err
	}
	vs, err := verifiers(slices.DeleteFunc(slices.Clone(parties), func(p accord.Party) bool { return p.Name != n.Party }))
	if err != nil {
		return Notice{}, err
	}
	if _, err := note.Open(msg, vs); err != nil {
		return Notice{}, fmt.Errorf("%w: %w", accord.ErrForbidden, err)
	}
	return n, nil
}

// Apply returns an agreement's suspension rows after a notice. The latest notice
// of each party speaks, in whatever order they come and however often; of two
// with one instant the suspension speaks. A suspension that another follows stays
// as a row, lifted by it.
func Apply(rows []accord.Suspension, n Notice, msg []byte) []accord.Suspension {
	row := accord.Suspension{Party: n.Party, Note: msg, At: n.At}
	if n.Lifts {
		row.Lifted = n.At
	}
	out := slices.Clone(rows)
	i := newestOf(out, n.Party)
	if i < 0 {
		return append(out, row)
	}
	old := &out[i]
	switch {
	case n.Lifts && n.At > max(old.At, old.Lifted):
		old.Lifted = n.At
	case n.Lifts || n.At < max(old.At, old.Lifted) || old.Lifted == 0 && n.At == old.At:
		// an earlier word, or the same again
	case n.At == old.At:
		*old = row
	default:
		if old.Lifted == 0 {
			old.Lifted = n.At
		}
		out = append(out, row)
	}
	return out
}

// newestOf is the row that holds a party's latest word; -1 when it has said none.
func newestOf(rows []accord.Suspension, party string) int {
	at := -1
	for i, s := range rows {
		if s.Party == party && (at < 0 || max(s.At, s.Lifted) > max(rows[at].At, rows[at].Lifted) ||
			max(s.At, s.Lifted) == max(rows[at].At, rows[at].Lifted) && s.Lifted == 0) {
			at = i
		}
	}
	return at
}
