// SPDX-License-Identifier: Apache-2.0

package taxii

import "crypto/tls"

// TLSConfig returns what both sides of TAXII need of TLS; add certificates to it.
//
// §8.2.2, §8.5.1: TLS 1.2 or later, and with 1.2 none of the cipher suites that
// RFC 7540 Appendix A lists: what remains is ECDHE with an AEAD. "It MUST NOT use
// the 0-RTT feature": crypto/tls has none over TCP.
func TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}
