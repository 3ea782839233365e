// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"accord"
)

// DisclosureRecord is what a disclosure's leaf says. What the sharer calls the
// item itself, when a pseudonym was sent, is not in it.
type DisclosureRecord struct {
	Item     accord.ItemKey // as sent
	Sum      [32]byte       // SHA-256 of the bytes sent
	At       accord.Stamp
	Redacted []string      // what was removed or replaced, as property paths, in order
	Terms    accord.Origin // Party is not written: it is the log's from
}

// EncodeDisclosure writes the record of d, which binds its receiver to terms.
func EncodeDisclosure(d accord.Disclosure, terms accord.Origin) ([]byte, error) {
	if terms.Agreement == "" {
		terms.Agreement, terms.Version, terms.Article = d.Agreement, d.Version, d.Article
	}
	if terms.Agreement != d.Agreement || terms.Version != d.Version || terms.Article != d.Article {
		return nil, fmt.Errorf("encode disclosure: %w: the terms are of another article", accord.ErrInvalid)
	}
	key := d.Sent
	if key == (accord.ItemKey{}) {
		key = d.Item
	}
	redacted := slices.Compact(slices.Sorted(slices.Values(d.Redacted)))
	return DisclosureRecord{Item: key, Sum: d.Sum, At: d.Stamp, Redacted: redacted, Terms: terms}.Encode()
}

// Encode writes the record.
func (d DisclosureRecord) Encode() ([]byte, error) {
	var w writer
	w.WriteString(headers[accord.LeafDisclosure] + "\n")
	w.line("item", d.Item.ID)
	w.line("version", stampText(d.Item.Version))
	w.line("sha256", hex.EncodeToString(d.Sum[:]))
	w.line("time", stampText(d.At))
	w.line("agreement", d.Terms.Agreement)
	w.line("agreement-version", strconv.Itoa(d.Terms.Version))
	w.line("article", d.Terms.Article)
	w.line("tlp", d.Terms.TLP.String())
	w.line("onward", d.Terms.Onward.String())
	w.line("actions", d.Terms.Actions.String())
	w.line("retain-until", stampText(d.Terms.Retain))
	w.line("redacted", nameText(strings.Join(d.Redacted, ",")))
	back, err := ParseDisclosureRecord([]byte(w.String()))
	if err != nil {
		return nil, fmt.Errorf("encode disclosure: %w", err)
	}
	if d.Terms.Party = ""; !back.equal(d) {
		return nil, fmt.Errorf("encode disclosure: %w: it would not read as written", accord.ErrInvalid)
	}
	return []byte(w.String()), nil
}

func (d DisclosureRecord) equal(e DisclosureRecord) bool {
	return d.Item == e.Item && d.Sum == e.Sum && d.At == e.At && d.Terms == e.Terms && slices.Equal(d.Redacted, e.Redacted)
}

// ParseDisclosureRecord reads what Encode writes.
func ParseDisclosureRecord(record []byte) (DisclosureRecord, error) {
	r := newReader(string(record), accord.LeafDisclosure)
	var d DisclosureRecord
	d.Item.ID = r.itemID("item")
	d.Item.Version = r.stamp("version")
	d.Sum = r.sum("sha256")
	d.At = r.stamp("time")
	d.Terms.Agreement = r.name("agreement")
	d.Terms.Version = int(r.number("agreement-version"))
	d.Terms.Article = r.name("article")
	r.text("tlp", &d.Terms.TLP)
	r.text("onward", &d.Terms.Onward)
	r.text("actions", &d.Terms.Actions)
	d.Terms.Retain = r.stamp("retain-until")
	if list := r.name("redacted"); list != "" {
		d.Redacted = strings.Split(list, ",")
		if slices.Contains(d.Redacted, "") || !slices.IsSorted(d.Redacted) || len(slices.Compact(slices.Clone(d.Redacted))) != len(d.Redacted) {
			r.fail("redacted: %q is not a list in order", list)
		}
	}
	if d.Terms.Agreement == "" || d.Terms.Article == "" || d.Terms.Version < 1 || d.At == 0 {
		r.fail("a disclosure names its time, its agreement and an article of it")
	}
	if err := r.end(); err != nil {
		return DisclosureRecord{}, fmt.Errorf("parse disclosure: %w", err)
	}
	return d, nil
}

// ParseDisclosure reads the record of a disclosure as its receiver stores it.
// Party and Index are for the caller to set, in Origin too; Announced is the
// giver's time.
func ParseDisclosure(record []byte) (accord.Received, error) {
	d, err := ParseDisclosureRecord(record)
	if err != nil {
		return accord.Received{}, err
	}
	return accord.Received{Item: d.Item, Sum: d.Sum, Origin: d.Terms, Announced: d.At}, nil
}

// itemID reads a STIX identifier.
func (r *reader) itemID(key string) string {
	v := r.name(key)
	typ, id, found := strings.Cut(v, "--")
	if r.err == nil && (!found || len(typ) < 3 || len(id) != 36 || len(v) > 300 ||
		strings.Trim(typ, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(id, "0123456789abcdefABCDEF-") != "") {
		r.fail("%s: %q is not a STIX identifier", key, v)
	}
	return v
}

// text reads a value that knows its own names, and only their exact spelling.
func (r *reader) text(key string, into interface {
	UnmarshalText([]byte) error
	String() string
},
) {
	v := r.line(key)
	if r.err == nil && (into.UnmarshalText([]byte(v)) != nil || into.String() != v) {
		r.fail("%s: %q", key, v)
	}
}
