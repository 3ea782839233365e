// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"accord"
)

// The second recommended option of RFC 9106 §4.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	argonSalt    = 16
	argonKey     = 32
)

// Lengths a password may have: characters at least (NIST SP 800-63B-4 asks 15
// where it is the only factor), bytes at most.
const (
	minPassword = 15
	maxPassword = 1024
)

// HashPassword returns password as argon2id in PHC string form, salted from
// random. The password is first put in Unicode form NFC, as keyboards differ.
func HashPassword(password string, random io.Reader) (string, error) {
	salt := make([]byte, argonSalt)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	key := argon2.IDKey([]byte(norm.NFC.String(password)), salt, argonTime, argonMemory, argonThreads, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		argonMemory, argonTime, argonThreads, b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// CheckPassword reports whether password is the one that phc was made from. What
// is not argon2id in PHC string form, with parameters in reason, matches nothing.
func CheckPassword(phc, password string) bool {
	if len(password) > maxPassword {
		return false
	}
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false
	}
	var version, memory, passes, threads int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false
	}
	if memory < 8 || memory > 1<<20 || passes < 1 || passes > 20 || threads < 1 || threads > 64 {
		return false
	}
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(key) < 16 || len(key) > 64 {
		return false
	}
	got := argon2.IDKey([]byte(norm.NFC.String(password)), salt, uint32(passes), uint32(memory), uint8(threads), uint32(len(key))) // bounded above
	return subtle.ConstantTimeCompare(got, key) == 1
}

// guard stands at the door: it slows guessing down and bounds the memory that
// hashing takes.
type guard struct {
	accounts  *limiter
	addresses *limiter
	decoy     string        // what an unknown account's password is checked against
	turns     chan struct{} // as many hashes at a time
}

func newGuard(now func() time.Time, random io.Reader) (*guard, error) {
	secret, _, err := newSecret(random)
	if err != nil {
		return nil, err
	}
	decoy, err := HashPassword(secret, random)
	if err != nil {
		return nil, err
	}
	return &guard{
		accounts:  newLimiter(now, 10, 2*time.Minute),
		addresses: newLimiter(now, 30, 20*time.Second),
		decoy:     decoy,
		turns:     make(chan struct{}, 2),
	}, nil
}

// enter takes an attempt from both allowances; an empty account takes only from
// the address's.
func (g *guard) enter(account, address string) bool {
	byAddress := g.addresses.take(address)
	return byAddress && (account == "" || g.accounts.take(account))
}

// welcome gives a successful attempt back.
func (g *guard) welcome(account, address string) {
	g.addresses.give(address)
	if account != "" {
		g.accounts.give(account)
	}
}

// check compares, doing the same work when there is nothing to compare with.
func (g *guard) check(ctx context.Context, phc, password string) (bool, error) {
	select {
	case g.turns <- struct{}{}:
		defer func() { <-g.turns }()
	case <-ctx.Done():
		return false, fmt.Errorf("check password: %w", ctx.Err())
	}
	if phc == "" {
		CheckPassword(g.decoy, password)
		return false, nil
	}
	return CheckPassword(phc, password), nil
}

// errShort and errSame say why a new password is refused.
var (
	errShort = errors.New("too short or too long")
	errSame  = errors.New("holds the account's name")
)

// NewPassword is HashPassword for a password that account may have; another fails
// with accord.ErrInvalid and says what it must be.
func NewPassword(account, password string, random io.Reader) (string, error) {
	if err := acceptable(account, password); err != nil {
		return "", fmt.Errorf("%w: password: %w: want %d characters or more, without the account's name", accord.ErrInvalid, err, minPassword)
	}
	return HashPassword(password, random)
}

// acceptable says why password may not be account's, nil when it may.
func acceptable(account, password string) error {
	if n := len([]rune(norm.NFC.String(password))); n < minPassword || len(password) > maxPassword {
		return errShort
	}
	if strings.Contains(strings.ToLower(password), strings.ToLower(account)) {
		return errSame
	}
	return nil
}
