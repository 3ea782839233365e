// SPDX-License-Identifier: Apache-2.0

package match

import (
	"crypto/hmac"
	"crypto/rand"
	cryptosha256 "crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// Salt keys an index's hashes, so that nobody without the index can choose values
// that collide, and blinds the values of an exported index, with which it travels.
type Salt [32]byte

// NewSalt returns a random salt.
func NewSalt() Salt {
	var s Salt
	_, _ = rand.Read(s[:]) // never fails (crypto/rand, since Go 1.24)
	return s
}

// Generation names the salt without telling it: deltas fit only an index of the
// same generation.
func (s Salt) Generation() string {
	sum := cryptosha256.Sum256(append([]byte("accord-index-generation\n"), s[:]...))
	return hex.EncodeToString(sum[:8])
}

// sieve is a keyed 32-bit hash: enough to find a place, never to decide.
type sieve struct{ a, b, c uint64 }

func newSieve(s Salt) sieve {
	return sieve{
		a: binary.LittleEndian.Uint64(s[0:]),
		b: binary.LittleEndian.Uint64(s[8:]) | 1,
		c: binary.LittleEndian.Uint64(s[16:]) | 1<<63,
	}
}

// sum hashes a key eight bytes at a time; the last word holds what is left, none
// to seven bytes, and the length is mixed in, so that keys whose length is a
// multiple of eight are hashed like all others.
func (s *sieve) sum(k kind, key []byte) uint32 {
	h := s.a ^ uint64(k)*0x9e3779b97f4a7c15
	n := uint64(len(key))
	for len(key) >= 8 {
		h = mum(h^binary.LittleEndian.Uint64(key), s.b)
		key = key[8:]
	}
	var tail uint64
	for i, c := range key {
		tail |= uint64(c) << (8 * i)
	}
	h = mum(h^tail, s.c^n)
	h = mum(h^s.b, 0xd6e8feb86659fd93)
	return uint32(h >> 32)
}

func mum(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}

// digestLen is how much of a blinded value's HMAC-SHA-256 is kept.
const digestLen = 16

// digest blinds a key. It hides a value from who glances at an index. Who holds the
// index holds the salt, and finds a value by trying: all of IPv4, all names of a
// dictionary.
func (s Salt) digest(k kind, key []byte) [digestLen]byte {
	m := hmac.New(cryptosha256.New, s[:])
	m.Write([]byte{byte(k)})
	m.Write(key)
	var sum [cryptosha256.Size]byte
	return [digestLen]byte(m.Sum(sum[:0])[:digestLen])
}
