// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"accord"
)

// A cursor is where a page ended, with a MAC over that and over the query it
// belongs to: nothing is kept between requests, so the same cursor always gives
// the same page, and one that was altered, or came from another collection,
// party or filter, is refused instead of skipping objects. added_after and limit
// are not bound: the position already lies beyond the one, and the other may
// vary.
const (
	cursorVersion = 1
	cursorBytes   = 1 + 8 + 16
)

func (s *Server) cursor(at accord.Stamp, c Caller, root, collection string, q Query) string {
	b := make([]byte, 0, cursorBytes)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	b = append(b, s.seal(b, c, root, collection, q)...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *Server) position(cursor string, c Caller, root, collection string, q Query) (accord.Stamp, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != cursorBytes || b[0] != cursorVersion ||
		!hmac.Equal(b[9:], s.seal(b[:9], c, root, collection, q)) {
		return 0, fmt.Errorf("%w: next: want a cursor that this server gave, with the same filters", accord.ErrInvalid)
	}
	return accord.Stamp(binary.BigEndian.Uint64(b[1:9])), nil
}

func (s *Server) seal(head []byte, c Caller, root, collection string, q Query) []byte {
	m := hmac.New(sha256.New, s.cfg.Key)
	m.Write([]byte("accord taxii cursor\x00"))
	m.Write(head)
	for _, part := range []string{
		c.Party, root, collection,
		strings.Join(q.IDs, ","), strings.Join(q.Types, ","), q.Versions.text(), strings.Join(q.SpecVersions, ","),
	} {
		m.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		m.Write([]byte(part))
	}
	return m.Sum(nil)[:16]
}
