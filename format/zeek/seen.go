// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"bytes"
	"strconv"

	"accord"
)

// String returns the value as one text: an address and port as "192.0.2.1:443",
// a URL in full. It is as logged, not normalised.
func (v *Value) String() string {
	switch {
	case v.Kind == accord.KindAddrPort:
		port := ":" + strconv.Itoa(int(v.Port))
		if bytes.IndexByte(v.Text, ':') >= 0 { // an IPv6 address
			return "[" + string(v.Text) + "]" + port
		}
		return string(v.Text) + port
	case v.Kind == accord.KindURL && v.Rest != nil:
		return "http://" + string(v.Text) + string(v.Rest)
	}
	return string(v.Text)
}

// Seen returns v as seen in r. It shares nothing with the reader's buffer.
func (r *Record) Seen(v *Value) accord.Seen {
	return accord.Seen{
		Observable: accord.Observable{Kind: v.Kind, Value: v.String()},
		At:         r.At,
		Field:      v.Field,
		Log:        r.Path,
		From:       string(r.OrigH),
		UID:        string(r.UID),
	}
}
