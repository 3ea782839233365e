// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	// MediaType is the content type of every TAXII 2.1 answer (§1.6.8).
	MediaType = "application/taxii+json;version=2.1"

	taxiiType = "application/taxii+json"
	stixType  = "application/stix+json"
)

// isTAXII reports whether a Content-Type says TAXII 2.1: the version may be left
// out (§1.6.8.2). Media types are compared parsed, never as strings.
func isTAXII(contentType string) bool {
	mt, params, err := mime.ParseMediaType(contentType)
	return err == nil && mt == taxiiType && slices.Contains([]string{"", "2.1"}, params["version"])
}

// acceptable reports whether an Accept header lets us answer in TAXII 2.1. The
// most specific range that fits decides (RFC 7231 §5.3.2); no header at all
// accepts everything.
func acceptable(h http.Header) bool {
	fields := h.Values("Accept")
	if len(fields) == 0 {
		return true
	}
	best, ok := -1, false
	for _, part := range splitList(strings.Join(fields, ",")) {
		mt, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		rank := -1
		switch version, has := params["version"]; {
		case mt == taxiiType && has && version == "2.1":
			rank = 3
		case mt == taxiiType && !has:
			rank = 2
		case mt == "application/*":
			rank = 1
		case mt == "*/*":
			rank = 0
		}
		q, qok := quality(params)
		if rank < 0 || !qok {
			continue
		}
		if rank > best {
			best, ok = rank, q > 0
		} else if rank == best {
			ok = ok || q > 0
		}
	}
	return ok
}

// quality returns the q parameter, 1 when there is none.
func quality(params map[string]string) (float64, bool) {
	s, has := params["q"]
	if !has {
		return 1, true
	}
	q, err := strconv.ParseFloat(s, 64)
	return q, err == nil && q >= 0 && q <= 1
}

// splitList splits a header's list at commas outside quoted strings.
func splitList(s string) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// takesGzip reports whether an Accept-Encoding header allows gzip.
func takesGzip(h http.Header) bool {
	best, ok := -1, false
	for _, part := range splitList(strings.Join(h.Values("Accept-Encoding"), ",")) {
		name, rest, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		rank := 0
		switch name {
		case "gzip", "x-gzip":
			rank = 1
		case "*":
		default:
			continue
		}
		params := map[string]string{}
		if k, v, has := strings.Cut(strings.TrimSpace(rest), "="); has && strings.EqualFold(strings.TrimSpace(k), "q") {
			params["q"] = strings.TrimSpace(v)
		}
		if q, qok := quality(params); qok && rank >= best {
			best, ok = rank, q > 0
		}
	}
	return ok
}
