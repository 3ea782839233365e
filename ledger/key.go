// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"accord"
)

// The signature types of C2SP signed-note that one Ed25519 key of a node makes.
// The type, and the name, go into the key id of a signature line, so that one
// kind cannot be taken for another; what is signed begins differently as well: a
// checkpoint with its origin, a cosignature with "cosignature/v1", a record or
// agreement with its own first line.
const (
	algEd25519     = 0x01 // notes and checkpoints
	algCosignature = 0x04 // cosignature/v1
)

// GenerateKey makes a node's key. rand is a source of randomness, name the
// party's name. skey is secret; vkey is what partners pin.
func GenerateKey(rand io.Reader, name string) (skey, vkey string, err error) {
	if !accord.ValidPartyName(name) {
		return "", "", fmt.Errorf("generate key: %w: party name %q", accord.ErrInvalid, name)
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return "", "", fmt.Errorf("generate key: %w", err)
	}
	pub := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	skey = fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, keyID(name, algEd25519, pub),
		base64.StdEncoding.EncodeToString(append([]byte{algEd25519}, seed...)))
	return skey, encodeVerifier(name, algEd25519, pub), nil
}

// keyID is C2SP signed-note's recommended one.
func keyID(name string, alg byte, pub ed25519.PublicKey) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"+string([]byte{alg})), pub...))
	return binary.BigEndian.Uint32(sum[:])
}

func encodeVerifier(name string, alg byte, pub ed25519.PublicKey) string {
	return fmt.Sprintf("%s+%08x+%s", name, keyID(name, alg, pub), base64.StdEncoding.EncodeToString(append([]byte{alg}, pub...)))
}

// Key is a node's private key with everything it signs as. It is immutable.
type Key struct {
	name   string
	key    ed25519.PrivateKey
	signer note.Signer
	vkey   string
}

// ParseKey reads what GenerateKey wrote as skey.
func ParseKey(skey string) (*Key, error) {
	skey = strings.TrimSpace(skey)
	s, err := note.NewSigner(skey)
	if err != nil || !accord.ValidPartyName(s.Name()) {
		return nil, fmt.Errorf("parse key: %w: malformed private key", accord.ErrInvalid)
	}
	// PRIVATE+KEY+name+id+base64, which may hold a plus of its own.
	material, err := base64.StdEncoding.DecodeString(strings.SplitN(skey, "+", 5)[4])
	if err != nil || len(material) != 1+ed25519.SeedSize || material[0] != algEd25519 {
		return nil, fmt.Errorf("parse key: %w: not an Ed25519 key", accord.ErrInvalid)
	}
	k := &Key{name: s.Name(), key: ed25519.NewKeyFromSeed(material[1:]), signer: s}
	k.vkey = encodeVerifier(k.name, algEd25519, k.public())
	return k, nil
}

func (k *Key) public() ed25519.PublicKey { return k.key.Public().(ed25519.PublicKey) }

// Name is the party's name.
func (k *Key) Name() string { return k.name }

// Verifier is the public half in signed-note form, what partners pin.
func (k *Key) Verifier() string { return k.vkey }

// String is Verifier: a key that finds its way into a log does no harm.
func (k *Key) String() string { return k.vkey }

// GoString is Verifier too.
func (k *Key) GoString() string { return k.vkey }

// Signer signs agreements, suspensions and records, as the party.
func (k *Key) Signer() note.Signer { return k.signer }

// LogSigner signs the checkpoints of one of the node's own logs. Its key name is
// the origin, as C2SP tlog-checkpoint recommends ("Signatures").
func (k *Key) LogSigner(origin string) (note.Signer, error) {
	from, _, err := ParseOrigin(origin)
	if err != nil {
		return nil, fmt.Errorf("log signer: %w", err)
	}
	if from != k.name {
		return nil, fmt.Errorf("log signer: %w: %s does not sign the log %s", accord.ErrForbidden, k.name, origin)
	}
	return &signer{name: origin, id: keyID(origin, algEd25519, k.public()), sign: func(msg []byte) ([]byte, error) {
		return ed25519.Sign(k.key, msg), nil
	}}, nil
}

// cosigner signs one checkpoint as cosignature/v1 at an instant. Its key name is
// the party's.
func (k *Key) cosigner(now accord.Stamp) note.Signer {
	return &signer{name: k.name, id: keyID(k.name, algCosignature, k.public()), sign: func(msg []byte) ([]byte, error) {
		seconds := now.Time().Unix()
		sig := binary.BigEndian.AppendUint64(nil, uint64(seconds))
		return append(sig, ed25519.Sign(k.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, msg))...), nil
	}}
}

type signer struct {
	name string
	id   uint32
	sign func([]byte) ([]byte, error)
}

func (s *signer) Name() string                    { return s.name }
func (s *signer) KeyHash() uint32                 { return s.id }
func (s *signer) Sign(msg []byte) ([]byte, error) { return s.sign(msg) }

// Verifiers are what a partner's one pinned key verifies.
type Verifiers struct {
	name string
	pub  ed25519.PublicKey
	// Party verifies what the party signs under its own name: records.
	Party note.Verifier
	// Cosigner verifies its cosignatures.
	Cosigner note.Verifier
}

// NewVerifiers derives them from a verifier key, as pinned in accord.Party.Key.
func NewVerifiers(vkey string) (*Verifiers, error) {
	bad := fmt.Errorf("parse verifier key: %w: want name+hash+base64 with an Ed25519 key", accord.ErrInvalid)
	v, err := note.NewVerifier(vkey)
	parts := strings.SplitN(vkey, "+", 3)
	if err != nil || len(parts) != 3 || !accord.ValidPartyName(v.Name()) {
		return nil, bad
	}
	material, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(material) != 1+ed25519.PublicKeySize || material[0] != algEd25519 {
		return nil, bad
	}
	pub := ed25519.PublicKey(material[1:])
	c, err := torchwood.NewCosignatureVerifier(encodeVerifier(v.Name(), algCosignature, pub))
	if err != nil {
		return nil, bad
	}
	return &Verifiers{name: v.Name(), pub: pub, Party: v, Cosigner: c}, nil
}

// Log verifies the checkpoints of one of the party's own logs.
func (v *Verifiers) Log(origin string) (note.Verifier, error) {
	from, _, err := ParseOrigin(origin)
	if err != nil {
		return nil, fmt.Errorf("log verifier: %w", err)
	}
	if from != v.name {
		return nil, fmt.Errorf("log verifier: %w: %s does not sign the log %s", accord.ErrForbidden, v.name, origin)
	}
	lv, err := note.NewVerifier(encodeVerifier(origin, algEd25519, v.pub))
	if err != nil {
		return nil, fmt.Errorf("log verifier: %w: %w", accord.ErrInvalid, err)
	}
	return lv, nil
}

// LogVerifier is NewVerifiers and Log in one.
func LogVerifier(vkey, origin string) (note.Verifier, error) {
	v, err := NewVerifiers(vkey)
	if err != nil {
		return nil, err
	}
	return v.Log(origin)
}

// CosignVerifier is NewVerifiers and Cosigner in one.
func CosignVerifier(vkey string) (note.Verifier, error) {
	v, err := NewVerifiers(vkey)
	if err != nil {
		return nil, err
	}
	return v.Cosigner, nil
}

// PartyVerifier is NewVerifiers and Party in one.
func PartyVerifier(vkey string) (note.Verifier, error) {
	v, err := NewVerifiers(vkey)
	if err != nil {
		return nil, err
	}
	return v.Party, nil
}
