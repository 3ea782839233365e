// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// detect tells the format of a text by its beginning.
func detect(r *bufio.Reader) (Format, error) {
	head, err := r.Peek(peekSize)
	if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
		return "", err
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(text) == 0 && len(head) < peekSize:
		return "", errEmpty
	case len(text) == 0:
		return "", fmt.Errorf("%w: it begins with %d bytes of white space", accord.ErrInvalid, len(head))
	case bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")):
		return "", fmt.Errorf("%w: UTF-16 text: save it as UTF-8", accord.ErrInvalid)
	case bytes.IndexByte(head, 0) >= 0:
		return "", fmt.Errorf("%w: not text: it holds NUL bytes", accord.ErrInvalid)
	case bytes.HasPrefix(text, []byte("#separator")):
		return "", fmt.Errorf("%w: a Zeek log: that is telemetry, for match, not intelligence", accord.ErrInvalid)
	case text[0] == '{' || text[0] == '[':
		return detectJSON(text)
	case text[0] == '<':
		return "", fmt.Errorf("%w: XML or HTML: the download is perhaps an error page", accord.ErrInvalid)
	}
	return List, nil
}

// detectJSON tells STIX from MISP by the names in the outermost object, or in
// the first one of an array. What is no JSON from the start is a list: an IPv6
// address with port begins with a bracket too.
func detectJSON(text []byte) (Format, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	first, err := kindOf(d)
	if err == nil && first == '[' {
		if first, err = kindOf(d); err == nil && first == '0' {
			if k := d.PeekKind(); k != ',' && k != ']' {
				return List, nil
			}
		}
	}
	if err != nil {
		if text[0] == '[' && !errors.Is(err, io.ErrUnexpectedEOF) {
			return List, nil
		}
		return "", fmt.Errorf("%w: broken JSON: %w", accord.ErrInvalid, err)
	}
	var names []string
	for first == '{' && d.PeekKind() != '}' {
		tok, err := d.ReadToken()
		if err != nil {
			break
		}
		name := tok.String()
		names = append(names, name)
		switch name {
		case "objects", "spec_version", "pattern":
			return STIX, nil
		case "Event", "response", "orgc_id", "Attribute", "Orgc":
			return MISP, nil
		}
		v, err := d.ReadValue() // what is cut off by the end of text ends the search
		if err != nil {
			break
		}
		if says := string(v); (name == "type" || name == "id") && (says == `"bundle"` || strings.Contains(says, "--")) {
			return STIX, nil
		}
	}
	for i, n := range names {
		names[i] = shown(n[:min(len(n), 40)])
	}
	seen := strings.Join(names[:min(len(names), 6)], ", ")
	if !utf8.ValidString(seen) || seen == "" {
		seen = "none"
	}
	return "", fmt.Errorf("%w: JSON, but neither a STIX bundle nor a MISP event (outermost names: %s)", accord.ErrInvalid, seen)
}

// kindOf reads one token and returns its kind.
func kindOf(d *jsontext.Decoder) (jsontext.Kind, error) {
	tok, err := d.ReadToken()
	if err != nil {
		return 0, err
	}
	return tok.Kind(), nil
}
