// SPDX-License-Identifier: Apache-2.0

// Package accord holds the nouns of a cyber-defence accord between nations:
// the vocabulary that every room of the program shares.
//
// Source: STIX 2.1 (OASIS), TLP 2.0 and IEP 2.0 (FIRST), the MISP PAP taxonomy,
// ISO 3166-1 for nations. Instants are [Stamp], microseconds since the Unix
// epoch in UTC. It imports the standard library alone, does no I/O and reads
// no clock. All values may be copied; none is safe for concurrent mutation.
package accord

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The four kinds of error that a caller may branch on. They map to RFC 9457
// problems and to exit codes in one place each (api and cmd/accord).
var (
	// ErrNotFound: what was asked for is not here, or not for the asker to see.
	ErrNotFound = errors.New("not found")
	// ErrForbidden: the asker is known and may not do this.
	ErrForbidden = errors.New("forbidden")
	// ErrConflict: the state has moved on, or differs from what was claimed.
	ErrConflict = errors.New("conflict")
	// ErrInvalid: the input is malformed or breaks a rule of its standard.
	ErrInvalid = errors.New("invalid")
)

// Stamp is an instant: microseconds since the Unix epoch, UTC. Zero is "none".
type Stamp int64

// StampOf returns t as a Stamp, dropping what is finer than a microsecond. The
// zero time gives the zero Stamp.
func StampOf(t time.Time) Stamp {
	if t.IsZero() {
		return 0
	}
	return Stamp(t.UnixMicro())
}

// Time returns s in UTC; the zero Stamp gives the zero time.
func (s Stamp) Time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(s)).UTC()
}

// String returns s as TAXII 2.1 §2 writes it: RFC 3339 with exactly six
// fractional digits and Z. The zero Stamp is the empty string.
func (s Stamp) String() string {
	if s == 0 {
		return ""
	}
	return s.Time().Format("2006-01-02T15:04:05.000000Z")
}

// MarshalText writes s as String does.
func (s Stamp) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads an RFC 3339 instant; empty text is the zero Stamp.
func (s *Stamp) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*s = 0
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return fmt.Errorf("%w: %q is not an RFC 3339 instant", ErrInvalid, b)
	}
	*s = StampOf(t)
	return nil
}

// Nation is an ISO 3166-1 alpha-2 code in capitals, such as "MA".
type Nation string

// ParseNation returns s as a Nation. It checks the form (two Latin letters,
// any case), not that ISO has assigned the code.
func ParseNation(s string) (Nation, error) {
	u := strings.ToUpper(s)
	if len(u) != 2 || u[0] < 'A' || u[0] > 'Z' || u[1] < 'A' || u[1] > 'Z' {
		return "", fmt.Errorf("%w: nation %q: want two letters (ISO 3166-1 alpha-2)", ErrInvalid, s)
	}
	return Nation(u), nil
}

// Party is an authority that an agreement can bind, with the keys that were
// exchanged out of band and are pinned.
type Party struct {
	Name   string // lower-case DNS-like name, also the signed-note key name: "cert.ma.example"
	Nation Nation
	Title  string // for people: "National cyber authority of …"
	URL    string // base URL of its node, "https://host:port"; empty when it only polls
	Key    string // verifier key in C2SP signed-note form, name+hash+base64
	TLSPin string // lower-case hex SHA-256 of its certificate's SubjectPublicKeyInfo; empty for a plain TAXII client
	// Identity is the id of the STIX identity object that stands for this party.
	Identity string
}

// ValidPartyName reports whether s may name a party: one to 100 of a–z, 0–9,
// '.', '-', starting and ending with a letter or digit, no two dots in a row, and
// neither "any" nor "none", which agreements and records say instead of a name.
func ValidPartyName(s string) bool {
	if len(s) == 0 || len(s) > 100 || strings.Contains(s, "..") || s == "any" || s == "none" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || i == len(s)-1 || c != '.' && c != '-') {
			return false
		}
	}
	return true
}
