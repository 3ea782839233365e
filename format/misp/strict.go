// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// strict refuses what two readers could read differently: nesting deeper than
// depth, and names in one object that differ only in case. Duplicate names
// and invalid UTF-8 the decoder refuses by itself.
func strict(v jsontext.Value, depth int) error {
	d := jsontext.NewDecoder(bytes.NewReader(v))
	var names []map[string]struct{} // one for each open value; nil for arrays
	for {
		tok, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch tok.Kind() {
		case '{', '[':
			if len(names) == depth {
				return fmt.Errorf("nested deeper than %d at byte %d", depth, d.InputOffset())
			}
			var m map[string]struct{}
			if tok.Kind() == '{' {
				m = map[string]struct{}{}
			}
			names = append(names, m)
		case '}', ']':
			names = names[:len(names)-1]
		case '"':
			kind, n := d.StackIndex(d.StackDepth())
			if kind != '{' || n%2 == 0 {
				continue // a value
			}
			low := strings.ToLower(tok.String())
			if _, dup := names[len(names)-1][low]; dup {
				return fmt.Errorf("name %.50q stands twice, in different case, at byte %d", tok.String(), d.InputOffset())
			}
			names[len(names)-1][low] = struct{}{}
		}
	}
}
