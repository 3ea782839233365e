// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord"
)

// maxValues bounds the alternatives of one match field, maxCursor the length of
// a cursor, maxInteger is §2's largest integer.
const (
	maxValues  = 500
	maxCursor  = 4096
	maxInteger = 1<<53 - 1
)

var (
	idShape   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,249}--` + uuidText + `$`)
	uuidShape = regexp.MustCompile(`^` + uuidText + `$`)
	typeShape = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,249}$`)
	specShape = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}$`)
	timeShape = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,18})?Z$`)
)

const uuidText = `[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`

// params is a set of the query parameters an endpoint takes.
type params uint8

const (
	paramPage params = 1 << iota // added_after, limit, next
	paramID
	paramType
	paramVersion
	paramSpec
)

var paramOf = map[string]params{
	"added_after": paramPage, "limit": paramPage, "next": paramPage,
	"match[id]": paramID, "match[type]": paramType,
	"match[version]": paramVersion, "match[spec_version]": paramSpec,
}

// parseQuery reads the filters of §3.4 that an endpoint takes. §3.4: "If any of
// the URL query parameters are malformed, the TAXII Server MUST return an HTTP
// 400". A match field that we do not know, or that the endpoint does not take,
// is refused too: an ignored filter would answer with more than was asked for.
func parseQuery(raw string, takes params) (Query, error) {
	var q Query
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, fmt.Errorf("%w: the query is not URL-encoded", accord.ErrInvalid)
	}
	for name, given := range values {
		p, known := paramOf[name]
		if !known && !strings.HasPrefix(name, "match") {
			continue
		}
		if !known || takes&p == 0 {
			return q, fmt.Errorf("%w: %q is no parameter of this endpoint", accord.ErrInvalid, plain(name))
		}
		if len(given) != 1 {
			return q, fmt.Errorf("%w: %s occurs more than once", accord.ErrInvalid, name)
		}
		if err := q.set(name, given[0]); err != nil {
			return q, fmt.Errorf("%w: %s: %w", accord.ErrInvalid, name, err)
		}
	}
	return q, nil
}

func (q *Query) set(name, value string) (err error) {
	switch name {
	case "added_after":
		q.AddedAfter, err = parseStamp(value)
	case "limit":
		q.Limit, err = parseLimit(value)
	case "next":
		if value == "" || len(value) > maxCursor {
			return fmt.Errorf("want a cursor that this server gave")
		}
		q.Next = value
	case "match[id]":
		q.IDs, err = parseList(value, idShape, "a STIX identifier")
	case "match[type]":
		q.Types, err = parseList(value, typeShape, "a STIX type")
	case "match[spec_version]":
		q.SpecVersions, err = parseList(value, specShape, "a version such as 2.1")
	case "match[version]":
		q.Versions, err = parseVersions(value)
	}
	return err
}

// parseStamp reads an instant in UTC with Z. §2 asks for exactly six fractional
// digits; deployed clients send none to nine, and are read. What is finer than a
// microsecond is dropped, which for added_after errs towards sending again.
func parseStamp(s string) (accord.Stamp, error) {
	if !timeShape.MatchString(s) {
		return 0, fmt.Errorf("want an instant such as 2026-01-02T03:04:05.678901Z")
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fmt.Errorf("want an instant such as 2026-01-02T03:04:05.678901Z")
	}
	return accord.StampOf(t), nil
}

// parseLimit: §3.4: limit "MUST be a positive integer greater than zero".
func parseLimit(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n > maxInteger || s[0] == '+' {
		return 0, fmt.Errorf("want a whole number from 1")
	}
	return int(n), nil
}

// parseList reads alternatives, separated by commas "without any spaces" (§3.4).
func parseList(s string, shape *regexp.Regexp, what string) ([]string, error) {
	if strings.Count(s, ",") >= maxValues {
		return nil, fmt.Errorf("more than %d values", maxValues)
	}
	list := strings.Split(s, ",")
	for _, v := range list {
		if !shape.MatchString(v) {
			return nil, fmt.Errorf("want %s, or several with commas between", what)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// parseVersions: §3.4.1: "all" stands alone, and nothing may occur twice.
func parseVersions(s string) (v Versions, err error) {
	if strings.Count(s, ",") >= maxValues {
		return v, fmt.Errorf("more than %d values", maxValues)
	}
	list := strings.Split(s, ",")
	for _, word := range list {
		var twice bool
		switch word {
		case "all":
			v.All, twice = true, v.All
		case "first":
			v.First, twice = true, v.First
		case "last":
			v.Last, twice = true, v.Last
		default:
			at, err := parseStamp(word)
			if err != nil {
				return v, fmt.Errorf("want all, first, last or instants")
			}
			twice = slices.Contains(v.Exact, at)
			v.Exact = append(v.Exact, at)
		}
		if twice {
			return v, fmt.Errorf("a version occurs twice")
		}
	}
	if v.All && len(list) > 1 {
		return v, fmt.Errorf("all stands alone")
	}
	slices.Sort(v.Exact)
	return v, nil
}

// text returns v as match[version] writes it; empty for the zero value.
func (v Versions) text() string {
	var list []string
	for _, word := range []struct {
		on   bool
		text string
	}{{v.All, "all"}, {v.First, "first"}, {v.Last, "last"}} {
		if word.on {
			list = append(list, word.text)
		}
	}
	for _, at := range v.Exact {
		list = append(list, stampText(at))
	}
	return strings.Join(list, ",")
}

// encode returns q as a URL query, "" when it asks for everything.
func (q Query) encode() string {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("added_after", q.AddedAfter.String())
	set("next", q.Next)
	set("match[id]", strings.Join(q.IDs, ","))
	set("match[type]", strings.Join(q.Types, ","))
	set("match[version]", q.Versions.text())
	set("match[spec_version]", strings.Join(q.SpecVersions, ","))
	if q.Limit > 0 {
		set("limit", strconv.Itoa(q.Limit))
	}
	return values.Encode()
}

// stampText returns s as §2 writes it. Stamp's own text for 0 is empty; here it
// is the epoch, for headers that must hold a timestamp.
func stampText(s accord.Stamp) string {
	if s == 0 {
		return "1970-01-01T00:00:00.000000Z"
	}
	return s.String()
}
