// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"accord"
)

// Discovery is the discovery resource (§4.1.1).
type Discovery struct {
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Contact     string   `json:"contact,omitempty"`
	Default     string   `json:"default,omitempty"` // one of APIRoots
	APIRoots    []string `json:"api_roots,omitempty"`
}

// APIRoot is the api-root resource (§4.2.1).
type APIRoot struct {
	Title            string   `json:"title"`
	Description      string   `json:"description,omitempty"`
	Versions         []string `json:"versions"`
	MaxContentLength int64    `json:"max_content_length"`
}

// Collection is the collection resource (§5.2.1).
type Collection struct {
	ID          string   `json:"id"` // UUID
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Alias       string   `json:"alias,omitempty"` // may stand for ID in a URL
	CanRead     bool     `json:"can_read"`
	CanWrite    bool     `json:"can_write"`
	MediaTypes  []string `json:"media_types,omitempty"`
}

type collections struct {
	Collections []Collection `json:"collections,omitempty"`
}

// ManifestRecord says which version of which object is in a collection (§5.3.1).
type ManifestRecord struct {
	ID        string       `json:"id"`
	DateAdded accord.Stamp `json:"date_added"`
	Version   string       `json:"version"`
	MediaType string       `json:"media_type,omitempty"`
}

type manifest struct {
	More    bool             `json:"more,omitzero"`
	Objects []ManifestRecord `json:"objects,omitempty"`
}

type versions struct {
	More     bool     `json:"more,omitzero"`
	Versions []string `json:"versions,omitempty"`
}

// The two values of Status.Status (§4.3.1).
const (
	StatusComplete = "complete" // it will not change any more
	StatusPending  = "pending"
)

// Status is the status resource: what became of the objects of one Add (§4.3.1).
type Status struct {
	ID               string         `json:"id"` // UUID version 4 (§2)
	Status           string         `json:"status"`
	RequestTimestamp accord.Stamp   `json:"request_timestamp,omitzero"`
	TotalCount       int64          `json:"total_count"`
	SuccessCount     int64          `json:"success_count"`
	Successes        []StatusDetail `json:"successes,omitempty"`
	FailureCount     int64          `json:"failure_count"`
	Failures         []StatusDetail `json:"failures,omitempty"`
	PendingCount     int64          `json:"pending_count"`
	Pendings         []StatusDetail `json:"pendings,omitempty"`
}

// StatusDetail is what became of one object (§4.3.1).
type StatusDetail struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Message string `json:"message,omitempty"`
}

// NewStatus returns a Status whose counts agree with its lists: complete when
// nothing is pending.
func NewStatus(id string, at accord.Stamp, successes, failures, pendings []StatusDetail) Status {
	s := Status{
		ID: id, Status: StatusComplete, RequestTimestamp: at,
		SuccessCount: int64(len(successes)), Successes: successes,
		FailureCount: int64(len(failures)), Failures: failures,
		PendingCount: int64(len(pendings)), Pendings: pendings,
	}
	s.TotalCount = s.SuccessCount + s.FailureCount + s.PendingCount
	if s.PendingCount > 0 {
		s.Status = StatusPending
	}
	return s
}

// merge adds what became of a later part of the same objects.
func (s *Status) merge(t Status) {
	if s.RequestTimestamp == 0 {
		s.RequestTimestamp = t.RequestTimestamp
	}
	if s.Status != StatusPending {
		s.Status = t.Status
	}
	s.ID = t.ID
	s.TotalCount += t.TotalCount
	s.SuccessCount += t.SuccessCount
	s.FailureCount += t.FailureCount
	s.PendingCount += t.PendingCount
	s.Successes = append(s.Successes, t.Successes...)
	s.Failures = append(s.Failures, t.Failures...)
	s.Pendings = append(s.Pendings, t.Pendings...)
}
