// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// maxDepth is how deep an object in an envelope may nest; maxObjects how many an
// envelope may hold.
const (
	maxDepth   = 64
	maxObjects = 100_000
)

// envelope is any of the three resources that page (§3.7, §5.3.1, §5.8.1). Items
// are the elements of its list, as received, sharing the buffer they came in.
type envelope struct {
	more  bool
	next  string
	items [][]byte
}

// parseEnvelope reads an envelope strictly: valid UTF-8, no name twice, none of
// ours in another case, bounded depth, nothing after it. list is the name of its
// list, which may be empty though §2 forbids it; kind is what its elements must
// be. Custom properties are passed over (§7.1.1).
func parseEnvelope(body []byte, list string, kind jsontext.Kind) (envelope, error) {
	var e envelope
	if err := checkDepth(body, maxDepth+2); err != nil {
		return e, err
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	if dec.PeekKind() != '{' {
		return e, badJSON(errors.New("want a JSON object"))
	}
	_, _ = dec.ReadToken()
	for dec.PeekKind() == '"' {
		tok, err := dec.ReadToken()
		if err != nil {
			return e, badJSON(err)
		}
		name := tok.String()
		switch {
		case name == "more":
			err = e.readMore(dec)
		case name == "next":
			err = e.readNext(dec)
		case name == list:
			err = e.readItems(dec, body, list, kind)
		case strings.EqualFold(name, "more") || strings.EqualFold(name, "next") || strings.EqualFold(name, list):
			err = fmt.Errorf("property %q differs only in case from one of TAXII's (§3.8)", name)
		default:
			err = dec.SkipValue()
		}
		if err != nil {
			return e, badJSON(err)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return e, badJSON(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return e, badJSON(errors.New("something follows the envelope"))
	}
	return e, nil
}

func badJSON(err error) error {
	return fmt.Errorf("%w: envelope: %s", accord.ErrInvalid, plain(err.Error()))
}

func (e *envelope) readMore(dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err == nil && tok.Kind() != 't' && tok.Kind() != 'f' {
		return errors.New("more is no boolean")
	}
	e.more = err == nil && tok.Bool()
	return err
}

func (e *envelope) readNext(dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err == nil && tok.Kind() != '"' {
		return errors.New("next is no string")
	}
	if err == nil {
		e.next = tok.String()
	}
	return err
}

func (e *envelope) readItems(dec *jsontext.Decoder, body []byte, list string, kind jsontext.Kind) error {
	if dec.PeekKind() != '[' {
		return fmt.Errorf("%s is no list", list)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		if got := dec.PeekKind(); got != kind {
			if got == 0 { // a syntax error, which reading tells
				_, err := dec.ReadToken()
				return err
			}
			return fmt.Errorf("%s[%d] is of the wrong kind", list, len(e.items))
		}
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if len(e.items) == maxObjects {
			return fmt.Errorf("more than %d in %s", maxObjects, list)
		}
		end := dec.InputOffset()
		e.items = append(e.items, body[end-int64(len(v)):end:end])
	}
	_, err := dec.ReadToken()
	return err
}

// checkDepth refuses text that nests deeper than most, before it is parsed.
func checkDepth(b []byte, most int) error {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return fmt.Errorf("%w: envelope: nested deeper than %d", accord.ErrInvalid, maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// buildEnvelope appends an envelope of objects to b.
func buildEnvelope(b []byte, objects [][]byte) []byte {
	b = append(b, `{"objects":[`...)
	for i, o := range objects {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, o...)
	}
	return append(b, "]}"...)
}
