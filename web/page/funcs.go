// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/hex"
	"html/template"
	"net/url"
	"strconv"
	"strings"

	"accord"
	"accord/agreement"
	"accord/web/locale"
)

// funcs are the helpers a template may call, speaking language l.
func funcs(l *locale.Locale) template.FuncMap {
	return template.FuncMap{
		"t":          l.Say,
		"label":      l.Label,
		"num":        func(n int64) string { return count(l, n) },
		"stamp":      func(s accord.Stamp) template.HTML { return stamp(l, s) },
		"iso":        func(s accord.Stamp) string { return s.Time().Format("2006-01-02T15:04:05Z") },
		"tlp":        func(t accord.TLP) string { return "TLP:" + strings.ToUpper(t.String()) },
		"tlpname":    func(t accord.TLP) string { return strings.ReplaceAll(t.String(), "+", "-") },
		"pap":        func(p accord.PAP) string { return "PAP:" + strings.ToUpper(p.String()) },
		"hex":        func(b [32]byte) string { return hex.EncodeToString(b[:]) },
		"short":      short,
		"item":       func(id string) string { return "/items/" + url.PathEscape(id) },
		"pact":       func(id string) string { return "/agreements/" + url.PathEscape(id) },
		"search":     func(q string) string { return "/items?q=" + url.QueryEscape(q) },
		"seek":       func(v string) string { return "/items?q=" + url.QueryEscape(sought("value", v)) },
		"labelled":   func(tag string) string { return "/items?q=" + url.QueryEscape(sought("label", tag)) },
		"gaugewidth": func(n int64) int64 { return min(50, max(0, n/2)) },
		"text":       func(b []byte) string { return strings.ToValidUTF8(string(b), "�") },
		"reason":     func(text string) template.HTML { return reason(l, text) },
		"scored":     func(r accord.ScoreReason) template.HTML { return scored(l, r) },
		"clause":     func(c Clause) template.HTML { return clause(l, c) },
		"join":       func(s []string) string { return strings.Join(s, ", ") },
	}
}

// sought is a term of the query language.
func sought(field, value string) string {
	if strings.ContainsAny(value, " ,\"\t\r\n") {
		value = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	}
	return field + ":" + value
}

// count writes n; -1 means that nobody counted.
func count(l *locale.Locale, n int64) string {
	if n < 0 {
		return "–"
	}
	return l.Number(n)
}

// stamp writes an instant for people: UTC, to the second, the finer part kept in
// the machine-readable attribute.
func stamp(l *locale.Locale, s accord.Stamp) template.HTML {
	if s == 0 {
		return template.HTML(`<span class="none" title="` + template.HTMLEscapeString(l.Label("common", "none")) + `">–</span>`) //nolint:gosec // escaped
	}
	t := s.Time()
	return template.HTML(`<time datetime="` + s.String() + `" dir="ltr">` + t.Format("2006-01-02") + ` <span class="clock">` + t.Format("15:04:05") + `Z</span></time>`) //nolint:gosec // digits only
}

// short abbreviates a STIX identifier so that a column of them can be read: the
// type and the first eight digits.
func short(id string) string {
	kind, uuid, ok := strings.Cut(id, "--")
	if !ok || len(uuid) < 9 {
		return id
	}
	return kind + "--" + uuid[:8] + "…"
}

// reason says one ground of a decision, stored as agreement.Reason writes it; a
// code without a message is said in English.
func reason(l *locale.Locale, text string) template.HTML {
	r := agreement.Reasons([]string{text})[0]
	key := "reason." + r.Code
	if _, ok := l.Message(key); !ok {
		return l.Say("{0}", r.String())
	}
	args := make([]any, 4)
	for i := range args {
		args[i] = "?"
		if i >= len(r.Args) {
			continue
		}
		switch a := r.Args[i]; {
		case r.Code == agreement.CodeOnward && i == 1:
			args[i] = l.Label("onward", a)
		case r.Code == agreement.CodeActions && i == 1:
			args[i] = l.Label("actions", a)
		case r.Code == agreement.CodeNoArticle:
			args[i] = l.Label("type", a)
		case r.Code == agreement.CodeTLP, r.Code == agreement.CodeAboveTLP && i > 1:
			args[i] = "TLP:" + strings.ToUpper(a)
		case r.Code == agreement.CodePAP, r.Code == agreement.CodeAbovePAP && i > 1:
			args[i] = "PAP:" + strings.ToUpper(a)
		case r.Code == agreement.CodeAge && i == 2:
			args[i] = period(l, a)
		default:
			args[i] = a
		}
	}
	if r.Code == agreement.CodeRedacted {
		args[0] = strings.Join(r.Args, ", ")
	}
	return l.Say(key, args...)
}

// scored says one ground of a score.
func scored(l *locale.Locale, r accord.ScoreReason) template.HTML {
	key := "scored." + r.Code
	args := make([]any, 4)
	for i := range args {
		args[i] = "?"
		if i >= len(r.Args) {
			continue
		}
		args[i] = r.Args[i]
		if r.Code == "decay" && i == 0 || r.Code == "default" && i == 0 {
			args[i] = l.Label("decaymodel", r.Args[i])
		}
	}
	if _, ok := l.Message(key); !ok {
		return l.Say("{0}", strings.Join(append([]string{r.Code}, r.Args...), " "))
	}
	return l.Say(key, args...)
}

// Clause is one condition or duty of an article, to be said as a sentence.
type Clause struct {
	Code  string // key under [clause]
	Of    string // vocabulary of Words; "period" for a length of time
	Words []string
}

func clause(l *locale.Locale, c Clause) template.HTML {
	said := make([]string, len(c.Words))
	for i, w := range c.Words {
		switch c.Of {
		case "":
			said[i] = template.HTMLEscapeString(w)
		case "period":
			said[i] = template.HTMLEscapeString(period(l, w))
		default:
			said[i] = template.HTMLEscapeString(l.Label(c.Of, w))
		}
		said[i] = "<bdi>" + said[i] + "</bdi>"
	}
	return l.Say("clause."+c.Code, template.HTML(strings.Join(said, l.Label("common", "comma")))) //nolint:gosec // each is escaped
}

// period says "90d" as "90 days".
func period(l *locale.Locale, p string) string {
	if p == "" {
		return ""
	}
	n, err := strconv.ParseInt(p[:len(p)-1], 10, 64)
	if err != nil {
		return p
	}
	return l.Plural("period."+p[len(p)-1:], n)
}
