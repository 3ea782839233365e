// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"slices"
	"strings"
)

// path reads an object path (§9.7).
func (p *parser) path() (out path, err error) {
	switch {
	case p.tok.kind == tokWord || p.tok.kind == tokQuotedKey && plainType(p.tok.text):
		out.object = p.tok.text
	default:
		return out, p.want("an object path such as ipv4-addr:value")
	}
	if !slices.Contains(p.types, out.object) {
		if len(p.types) == MaxTypes {
			return out, fault(p.src, p.tok.at, "more than %d object types in one pattern", MaxTypes)
		}
		p.types = append(p.types, out.object)
	}
	if err = p.advance(); err != nil {
		return out, err
	}
	if err = p.expect(":"); err != nil {
		return out, err
	}
	for {
		if err = p.count(); err != nil {
			return out, err
		}
		if p.tok.kind != tokWord && p.tok.kind != tokString && p.tok.kind != tokQuotedKey || p.tok.text == "" {
			return out, p.want("a property name")
		}
		out.steps = append(out.steps, step{name: p.tok.text})
		if err = p.advance(); err != nil {
			return out, err
		}
		for p.is("[") {
			if err = p.index(&out); err != nil {
				return out, err
			}
		}
		if !p.is(".") {
			return out, nil
		}
		if err = p.advance(); err != nil {
			return out, err
		}
	}
}

// index reads [n] or [*].
func (p *parser) index(out *path) error {
	if err := p.count(); err != nil {
		return err
	}
	if err := p.advance(); err != nil {
		return err
	}
	if !p.is("*") && (p.tok.kind != tokInt || p.tok.text[0] == '-') {
		return p.want("a list index from 0, or * (§9.7.2)")
	}
	out.steps = append(out.steps, step{name: p.tok.text, index: true})
	if err := p.advance(); err != nil {
		return err
	}
	return p.expect("]")
}

// plainType reports whether s, quoted in the pattern, can be written bare.
func plainType(s string) bool {
	if s == "" || !isWordStart(s[0]) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 || !isWordPart(byte(r)) })
}
