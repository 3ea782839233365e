// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"accord"
)

// ErrUnauthenticated is what [Config.Authenticate] returns, wrapped or not, for
// a request without credentials that hold: 401. Its other errors are told as a
// Backend's are.
var ErrUnauthenticated = errors.New("not authenticated")

// ErrPaging is a server whose pages can not be followed to an end.
var ErrPaging = errors.New("paging can not be trusted")

// Error is a refusal as TAXII tells it (§3.6.1).
type Error struct {
	Status      int    // HTTP status code
	Title       string // short, for people
	Description string // what to do about it
	RetryAfter  time.Duration
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "taxii: %d %s", e.Status, e.Title)
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	return b.String()
}

// Unwrap returns the kind of error that the status stands for.
func (e *Error) Unwrap() error {
	switch e.Status {
	case http.StatusUnauthorized:
		return ErrUnauthenticated
	case http.StatusForbidden:
		return accord.ErrForbidden
	case http.StatusNotFound, http.StatusGone:
		return accord.ErrNotFound
	case http.StatusConflict:
		return accord.ErrConflict
	case http.StatusBadRequest, http.StatusNotAcceptable, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return accord.ErrInvalid
	}
	return nil
}

// errorResource is the error message (§3.6.1). http_status is a string there.
type errorResource struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	HTTPStatus  string `json:"http_status,omitempty"`
}

func (e *Error) resource() errorResource {
	return errorResource{Title: e.Title, Description: e.Description, HTTPStatus: strconv.Itoa(e.Status)}
}

func refuse(status int, format string, args ...any) *Error {
	return &Error{Status: status, Title: http.StatusText(status), Description: fmt.Sprintf(format, args...)}
}

// asError returns err as the peer is told it; invalid is the status for
// accord.ErrInvalid. What went wrong inside stays inside.
func asError(err error, invalid int) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrUnauthenticated):
		return refuse(http.StatusUnauthorized, "send credentials this server knows")
	case errors.Is(err, accord.ErrNotFound):
		return refuse(http.StatusNotFound, "not here, or not for you to see")
	case errors.Is(err, accord.ErrForbidden):
		return refuse(http.StatusForbidden, "you may not do this")
	case errors.Is(err, accord.ErrInvalid):
		return refuse(invalid, "%v", err)
	case errors.Is(err, accord.ErrConflict):
		return refuse(http.StatusConflict, "%v", err)
	case errors.Is(err, context.DeadlineExceeded):
		e = refuse(http.StatusServiceUnavailable, "it took too long: ask for less, or later")
		e.RetryAfter = 5 * time.Second
		return e
	}
	return refuse(http.StatusInternalServerError, "the server failed; its operator has the details")
}

// plain cuts text from a peer down to what may stand in a log line.
func plain(s string) string {
	const most = 500
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}
