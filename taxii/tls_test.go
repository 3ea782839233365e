// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"accord/taxii"
)

// §8.2.2: "It MUST accept connections using TLS version 1.2 and SHOULD accept
// connections using TLS version 1.3"; "SHOULD NOT accept any TLS 1.2 connections
// that use any of the cipher suites that are listed in … RFC7540".
func TestTLSIsTwelveOrLaterWithoutWeakSuites(t *testing.T) {
	if got := taxii.TLSConfig().MinVersion; got != tls.VersionTLS12 {
		t.Errorf("MinVersion %x", got)
	}
	ts := httptest.NewUnstartedServer(newWorld(t).srv)
	ts.TLS = taxii.TLSConfig()
	ts.StartTLS()
	defer ts.Close()
	roots := x509.NewCertPool()
	roots.AddCert(ts.Certificate())
	for name, tt := range map[string]struct {
		low, high uint16
		suites    []uint16
		want      bool
	}{
		"1.1":          {tls.VersionTLS10, tls.VersionTLS11, nil, false},
		"1.2":          {tls.VersionTLS12, tls.VersionTLS12, nil, true},
		"1.2 with CBC": {tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, false},
		"1.3":          {tls.VersionTLS13, tls.VersionTLS13, nil, true},
	} {
		cfg := &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tt.low, MaxVersion: tt.high, CipherSuites: tt.suites}
		conn, err := tls.Dial("tcp", ts.Listener.Addr().String(), cfg)
		if (err == nil) != tt.want {
			t.Errorf("TLS %s: %v", name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	// §8.5.2: the client verifies the server's certificate; the default trusts none of ours.
	if _, err := (&taxii.Client{URL: ts.URL, Token: "both"}).Discovery(t.Context()); err == nil {
		t.Error("a certificate of an unknown authority was accepted")
	}
	ours := taxii.TLSConfig()
	ours.RootCAs = roots
	c := taxii.Client{URL: ts.URL, Token: "both", HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: ours, ForceAttemptHTTP2: true}}}
	if d, err := c.Discovery(t.Context()); err != nil || d.Default != "/accord/" {
		t.Error(d, err)
	}
}
