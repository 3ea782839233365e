// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"accord"
)

// Pin returns the lower-case hex SHA-256 of a certificate's
// SubjectPublicKeyInfo: what parties exchange out of band (RFC 7469 §2.4 hashes
// the same bytes). It survives a renewed certificate with the same key.
func Pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// PinnedClient returns an HTTP client that presents cert and speaks only with
// the holder of the key that pin names. No certificate authority is asked:
// the pin is the trust. Redirects are not followed, proxies not used.
func PinnedClient(cert tls.Certificate, pin string) *http.Client {
	return &http.Client{
		Timeout: 2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			MaxIdleConnsPerHost:   4,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 90 * time.Second,
			ForceAttemptHTTP2:     true,
			TLSClientConfig: &tls.Config{
				MinVersion:         tls.VersionTLS13,
				Certificates:       []tls.Certificate{cert},
				InsecureSkipVerify: true, //nolint:gosec // VerifyConnection checks the pinned key, which is stricter
				VerifyConnection: func(s tls.ConnectionState) error {
					return checkPin(s, pin)
				},
			},
		},
	}
}

func checkPin(s tls.ConnectionState, pin string) error {
	if len(s.PeerCertificates) == 0 {
		return fmt.Errorf("%w: the partner showed no certificate", accord.ErrForbidden)
	}
	got := Pin(s.PeerCertificates[0])
	if subtle.ConstantTimeCompare([]byte(got), []byte(pin)) != 1 {
		return fmt.Errorf("%w: the partner's key is %s and the pinned one is %s: if the partner changed its key, "+
			"ask for its new card by another way and add it again", accord.ErrForbidden, got, pin)
	}
	return nil
}

// PartyOf returns the party whose pinned key the client of a connection proved
// to hold; ErrNotFound when it showed none or one that is not pinned. Below TLS 1.3
// nobody proves anything: 1.2 is for TAXII clients, which show a token.
func PartyOf(s *tls.ConnectionState, parties []accord.Party) (accord.Party, error) {
	if s == nil || s.Version < tls.VersionTLS13 || len(s.PeerCertificates) == 0 {
		return accord.Party{}, fmt.Errorf("%w: no client certificate", accord.ErrNotFound)
	}
	pin := Pin(s.PeerCertificates[0])
	for _, p := range parties {
		if p.TLSPin != "" && subtle.ConstantTimeCompare([]byte(p.TLSPin), []byte(pin)) == 1 {
			return p, nil
		}
	}
	return accord.Party{}, fmt.Errorf("%w: no party is pinned to key %s", accord.ErrNotFound, pin)
}
