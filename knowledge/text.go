// SPDX-License-Identifier: Apache-2.0

package knowledge

import (
	"regexp"
	"strings"
)

// Text is prose as blocks, without markup.
type Text []Block

// Block is a paragraph, an entry of a list, a heading or a listing of code.
type Block struct {
	Kind  BlockKind
	Spans []Span
}

// BlockKind is what a block is.
type BlockKind string

// The kinds of block.
const (
	Paragraph BlockKind = "paragraph"
	Entry     BlockKind = "entry"
	Heading   BlockKind = "heading"
	Code      BlockKind = "code"
)

// Span is a stretch of text. At most one of the other fields is set.
type Span struct {
	Text string
	Code bool
	ID   string // the ATT&CK object it is a link to
	Cite int    // the reference it cites; Text is its name
}

// maxText is how many bytes of a text are read, maxSpans into how many spans.
const (
	maxText  = 64 << 10
	maxSpans = 4000
)

// ReadText reads the little Markdown and HTML that ATT&CK's texts use:
// paragraphs, lists, headings, code, links and "(Citation: …)". A link
// to attack.mitre.org becomes one to the object; of any other the text stays,
// for it may lead anywhere. Emphasis is dropped; what is no such markup
// stands as it is.
func ReadText(s string, refs []Reference) Text {
	r := reader{cites: map[string]int{}}
	for _, ref := range refs {
		r.cites[ref.Name] = ref.N
	}
	var code []string
	inCode := false
	for line := range strings.Lines(cut(s, maxText)) {
		line = strings.TrimRight(line, " \t\r\n")
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			if inCode {
				r.put(Code, []Span{{Text: strings.Join(code, "\n"), Code: true}})
				code = nil
			}
			inCode = !inCode
			continue
		}
		if inCode {
			code = append(code, line)
			continue
		}
		r.line(strings.TrimSpace(line))
	}
	if len(code) > 0 {
		r.put(Code, []Span{{Text: strings.Join(code, "\n"), Code: true}})
	}
	return r.out
}

type reader struct {
	cites map[string]int
	out   Text
	open  bool // the last block is a paragraph that goes on
	spans int
}

func (r *reader) put(kind BlockKind, spans []Span) {
	r.open = kind == Paragraph
	if len(spans) == 0 || r.spans > maxSpans {
		return
	}
	r.spans += len(spans)
	r.out = append(r.out, Block{kind, spans})
}

var breaks = strings.NewReplacer("**", "", "<br>", " ", "<br/>", " ", "<br />", " ", "<p>", "", "</p>", "", "&lt;", "<", "&gt;", ">", "&amp;", "&", "&quot;", `"`, "&nbsp;", " ")

func (r *reader) line(line string) {
	switch {
	case line == "":
		r.open = false
	case strings.HasPrefix(line, "- "), strings.HasPrefix(line, "* "):
		r.put(Entry, r.inline(line[2:]))
	case strings.HasPrefix(line, "#"):
		r.put(Heading, r.inline(strings.TrimSpace(strings.TrimLeft(line, "#"))))
	case r.open && len(r.out) > 0:
		last := &r.out[len(r.out)-1]
		more := r.inline(line)
		if r.spans += len(more); r.spans <= maxSpans {
			last.Spans = append(append(last.Spans, Span{Text: " "}), more...)
		}
	default:
		r.put(Paragraph, r.inline(line))
	}
}

// token finds the next piece of markup: code, a citation, a link.
var token = regexp.MustCompile("<code>(.*?)</code>|`([^`]+)`|\\(Citation: ?([^()]*(?:\\([^()]*\\)[^()]*)*)\\)|\\[([^\\[\\]]+)\\]\\(([^() ]*(?:\\([^() ]*\\)[^() ]*)*)\\)")

func (r *reader) inline(s string) (out []Span) {
	plain := func(t string) {
		if t = breaks.Replace(t); t != "" {
			out = append(out, Span{Text: t})
		}
	}
	at := 0
	for _, m := range token.FindAllStringSubmatchIndex(s, maxSpans) {
		plain(s[at:m[0]])
		at = m[1]
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return s[m[2*i]:m[2*i+1]]
		}
		switch {
		case part(1) != "":
			out = append(out, Span{Text: breaks.Replace(part(1)), Code: true})
		case part(2) != "":
			out = append(out, Span{Text: part(2), Code: true})
		case part(3) != "":
			if n := r.cites[clip(part(3))]; n > 0 {
				out = append(out, Span{Text: clip(part(3)), Cite: n})
			}
		case part(4) != "":
			out = append(out, Span{Text: breaks.Replace(part(4)), ID: idOf(part(5))})
		}
	}
	plain(s[at:])
	return out
}

// idOf returns the identifier in an address of attack.mitre.org, or "".
func idOf(address string) string {
	rest, ok := strings.CutPrefix(address, "https://attack.mitre.org/")
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "#")
	_, id, _ := strings.Cut(strings.TrimRight(rest, "/"), "/")
	if !anyID.MatchString(id) {
		return ""
	}
	return strings.Replace(id, "/", ".", 1)
}

// Plain is the text in one line, citations left out.
func (t Text) Plain() string {
	var b strings.Builder
	for i, block := range t {
		if i > 0 {
			b.WriteByte(' ')
		}
		for _, s := range block.Spans {
			if s.Cite == 0 {
				b.WriteString(s.Text)
			}
		}
	}
	return b.String()
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
