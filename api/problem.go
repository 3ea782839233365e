// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json"

	"accord"
)

// problem is an RFC 9457 problem details object.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Size   *int64 `json:"size,omitempty"` // of the mirror, when an announcement left a gap
}

// statusOf maps an error to its HTTP status: the one place where it is done.
func statusOf(err error) int {
	var tooBig *http.MaxBytesError
	switch {
	case errors.Is(err, errUnauthorised):
		return http.StatusUnauthorized
	case errors.As(err, &tooBig):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errMediaType):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(err, accord.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, accord.ErrForbidden):
		return http.StatusForbidden
	case errors.Is(err, accord.ErrConflict):
		return http.StatusConflict
	case errors.Is(err, accord.ErrInvalid):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}

// gap is a conflict that says where to go on from.
type gap struct {
	error
	size int64
}

func (g gap) Unwrap() error { return g.error }

func (a *API) problem(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: err.Error()}
	if g, ok := errors.AsType[gap](err); ok {
		p.Size = &g.size
	}
	if status == http.StatusInternalServerError {
		a.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		p.Detail = "the node could not do this; its log says why"
	}
	body, err := json.Marshal(p)
	if err != nil {
		http.Error(w, http.StatusText(status), status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="accord"`)
	}
	writeBy(w, writeWithin)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone when this fails
}
