// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"accord"
)

// SignHead returns the checkpoint of a log at its head (C2SP tlog-checkpoint),
// signed by the log's signer ([Key.LogSigner]). Whoever signs must never have
// signed another history of the log.
func SignHead(head accord.Head, signer note.Signer) ([]byte, error) {
	if _, _, err := ParseOrigin(head.Origin); err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	if signer.Name() != head.Origin || head.Size < 0 || head.Size > maxSize {
		return nil, fmt.Errorf("sign checkpoint: %w: %s signing %s at size %d", accord.ErrInvalid, signer.Name(), head.Origin, head.Size)
	}
	if head.Size == 0 {
		head.Root = (&edge{}).root()
	}
	c := torchwood.Checkpoint{Origin: head.Origin, Tree: tlog.Tree{N: head.Size, Hash: tlog.Hash(head.Root)}}
	msg, err := note.Sign(&note.Note{Text: c.String()}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return msg, nil
}

// Cosign adds the key's cosignature to a checkpoint: its word that at now this
// is the longest history of the log it has seen, consistent with all it saw
// before. The caller has checked that ([MirrorAppend]) and the log's signature.
// An older cosignature of the same key is replaced.
func Cosign(checkpoint []byte, k *Key, now accord.Stamp) ([]byte, error) {
	n, err := splitNote(checkpoint, maxCheckpoint)
	if err != nil {
		return nil, fmt.Errorf("cosign checkpoint: %w", err)
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return nil, fmt.Errorf("cosign checkpoint: %w", err)
	}
	if _, to, err := ParseOrigin(c.Origin); err != nil || to != k.Name() {
		return nil, fmt.Errorf("cosign checkpoint: %w: %s does not cosign the log %s", accord.ErrForbidden, k.Name(), c.Origin)
	}
	if now <= 0 {
		return nil, fmt.Errorf("cosign checkpoint: %w: no instant", accord.ErrInvalid)
	}
	out, err := note.Sign(n, k.cosigner(now))
	if err != nil {
		return nil, fmt.Errorf("cosign checkpoint: %w", err)
	}
	return out, nil
}

// splitNote takes a note apart without trusting it; all its signatures are in
// Sigs.
func splitNote(msg []byte, limit int) (*note.Note, error) {
	if len(msg) > limit {
		return nil, fmt.Errorf("%w: note larger than %d bytes", accord.ErrInvalid, limit)
	}
	_, err := note.Open(msg, note.VerifierList())
	var un *note.UnverifiedNoteError
	if !errors.As(err, &un) {
		return nil, fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	return &note.Note{Text: un.Note.Text, Sigs: un.Note.UnverifiedSigs}, nil
}

// parseCheckpoint reads a checkpoint's text. Extension lines are refused: nobody
// in an accord writes any, and they are not audited.
func parseCheckpoint(text string) (torchwood.Checkpoint, error) {
	c, err := torchwood.ParseCheckpoint(text)
	if err != nil || c.String() != text || c.Extension != "" || c.N > maxSize {
		return c, fmt.Errorf("%w: malformed checkpoint", accord.ErrInvalid)
	}
	return c, nil
}

// OpenCheckpoint reads a checkpoint of the log of that origin and verifies the
// log's signature.
func OpenCheckpoint(msg []byte, origin string, log note.Verifier) (size int64, root [32]byte, err error) {
	c, _, err := openCheckpoint(msg, origin, log)
	if err != nil {
		return 0, root, fmt.Errorf("open checkpoint: %w", err)
	}
	return c.N, c.Hash, nil
}

// openCheckpoint verifies that every one of vs has signed.
func openCheckpoint(msg []byte, origin string, vs ...note.Verifier) (torchwood.Checkpoint, []note.Signature, error) {
	if len(msg) > maxCheckpoint {
		return torchwood.Checkpoint{}, nil, fmt.Errorf("%w: larger than %d bytes", accord.ErrInvalid, maxCheckpoint)
	}
	n, err := note.Open(msg, note.VerifierList(vs...))
	if err != nil {
		var un *note.UnverifiedNoteError
		var bad *note.InvalidSignatureError
		if errors.As(err, &un) || errors.As(err, &bad) {
			return torchwood.Checkpoint{}, nil, fmt.Errorf("%w: %w", accord.ErrForbidden, err)
		}
		return torchwood.Checkpoint{}, nil, fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	for _, v := range vs {
		if !slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == v.Name() && s.Hash == v.KeyHash() }) {
			return torchwood.Checkpoint{}, nil, fmt.Errorf("%w: not signed by %s", accord.ErrForbidden, v.Name())
		}
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return c, nil, err
	}
	if c.Origin != origin {
		return c, nil, fmt.Errorf("%w: it is of the log %q, not %s", accord.ErrForbidden, c.Origin, origin)
	}
	return c, n.Sigs, nil
}

// VerifyCosigned reads a checkpoint that bears both the log's signature and the
// other party's cosignature, and says when it was cosigned (whole seconds).
func VerifyCosigned(msg []byte, origin string, log, cosigner note.Verifier) (size int64, root [32]byte, at accord.Stamp, err error) {
	c, sigs, err := openCheckpoint(msg, origin, log, cosigner)
	if err != nil {
		return 0, root, 0, fmt.Errorf("open cosigned checkpoint: %w", err)
	}
	for _, s := range sigs {
		if s.Name != cosigner.Name() || s.Hash != cosigner.KeyHash() {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil || len(raw) < 12 || binary.BigEndian.Uint64(raw[4:]) > math.MaxInt64/1_000_000 {
			return 0, root, 0, fmt.Errorf("open cosigned checkpoint: %w: malformed cosignature", accord.ErrInvalid)
		}
		at = accord.Stamp(binary.BigEndian.Uint64(raw[4:]) * 1_000_000)
	}
	return c.N, c.Hash, at, nil
}
