// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // UUIDv5 is defined over SHA-1 (RFC 9562 §5.5)
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var (
	// observables is the namespace of deterministic observable ids (§2.9).
	observablesSpace = [16]byte{0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7}
	// ownSpace is the namespace of the ids that Accord makes.
	ownSpace = [16]byte{0x3d, 0x1f, 0x64, 0x6a, 0x5c, 0x0e, 0x4f, 0x0b, 0x9b, 0x42, 0x7a, 0x6e, 0x1d, 0x2c, 0x9a, 0x51}
)

// ObservableID returns the deterministic id of a cyber-observable object (§3.4):
// UUIDv5 of the canonical JSON (RFC 8785) of its contributing properties.
func ObservableID(typ string, contributing map[string]any) (string, error) {
	b, err := json.Marshal(contributing)
	if err != nil {
		return "", fmt.Errorf("id of %s: %w", typ, err)
	}
	v := jsontext.Value(b)
	if err := v.Canonicalize(); err != nil {
		return "", fmt.Errorf("id of %s: %w", typ, err)
	}
	return string(appendID(nil, typ, uuid5(observablesSpace, v))), nil
}

// uuid5 is the UUID of name in a namespace, RFC 9562 §5.5.
func uuid5(space [16]byte, name []byte) (u [16]byte) {
	var buf [256]byte
	sum := sha1.Sum(append(append(buf[:0], space[:]...), name...)) //nolint:gosec // see the import
	copy(u[:], sum[:16])
	return stamped(u)
}

// stamped sets version 5 and the variant.
func stamped(u [16]byte) [16]byte {
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return u
}

// keyedUUID is a UUID that only a holder of key can link to name.
func keyedUUID(key []byte, name string) (u [16]byte) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(name))
	copy(u[:], h.Sum(nil))
	return stamped(u)
}

// appendID appends typ--uuid.
func appendID(b []byte, typ string, u [16]byte) []byte {
	b = append(b, typ...)
	b = append(b, '-', '-')
	for i, part := range [...][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return b
}
