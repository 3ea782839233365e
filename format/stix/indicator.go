// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/format/stix/pattern"
)

// IndicatorFields are what a list feed knows of an indicator besides its value.
type IndicatorFields struct {
	Source      string   // names the list; the id depends on it and on the value alone
	Name        string   // empty: the value
	Description string   // empty: none
	Labels      []string // written to labels, in the order given
	Family      string   // malware family; written as one more label, "family:…"
	Types       []string // indicator_types; nil: malicious-activity
	Created     accord.Stamp
	Modified    accord.Stamp // 0: Created
	ValidFrom   accord.Stamp // 0: Created
	ValidUntil  accord.Stamp // 0: no bound
	CreatedBy   string       // id of an identity; empty: none
	TLP         accord.TLP
	PAP         accord.PAP // above CLEAR: written as a label, "pap:…"
	Confidence  int        // 0–100; negative: none
}

// maliciousActivity is the default indicator type (§10.13).
var maliciousActivity = []string{"malicious-activity"}

// NewIndicator writes the indicator for one value and returns its Item, equal to
// what Parse makes of the bytes. Its id is deterministic: UUIDv5 over the source
// and the observable. The value must be in the form that pattern.Normalise gives;
// what it changes is refused.
func NewIndicator(o accord.Observable, f IndicatorFields) (accord.Item, error) {
	norm, err := pattern.Normalise(o.Kind, o.Value)
	if err != nil {
		return accord.Item{}, problem("pattern", "", "%v", err)
	}
	o.Value = norm
	if err := f.complete(); err != nil {
		return accord.Item{}, err
	}
	if f.Name == "" {
		f.Name = o.Value
	}
	var idBuf [64]byte
	var nameBuf [256]byte
	key := append(append(append(append(append(nameBuf[:0], f.Source...), 0), o.Kind...), 0), o.Value...)
	id := string(appendID(idBuf[:0], "indicator", uuid5(ownSpace, key)))

	it := accord.Item{
		ItemKey: accord.ItemKey{ID: id, Version: f.Modified},
		Type:    "indicator", Spec: "2.1",
		Name: tidy(f.Name, maxNameText), Created: f.Created,
		ValidFrom: f.ValidFrom, ValidUntil: f.ValidUntil, CreatedBy: f.CreatedBy,
		Confidence: max(f.Confidence, -1), TLP: f.TLP, PAP: f.PAP,
		Labels:      f.itemLabels(),
		Observables: []accord.Observable{o}, Atomic: true,
	}
	if f.CreatedBy != "" {
		it.Refs = []accord.Ref{{Property: "created_by_ref", To: f.CreatedBy}}
	}
	it.Bytes = f.appendTo(make([]byte, 0, 640+2*len(o.Value)+len(f.Description)), id, o)
	return it, nil
}

// complete fills in defaults and refuses what Parse would.
func (f *IndicatorFields) complete() error {
	if f.Created == 0 {
		return problem("created", "3.2", "an indicator needs the property \"created\"")
	}
	if f.Modified == 0 {
		f.Modified = f.Created
	}
	if f.ValidFrom == 0 {
		f.ValidFrom = f.Created
	}
	if f.Types == nil {
		f.Types = maliciousActivity
	}
	if f.Family != "" {
		f.Labels = append(slices.Clip(f.Labels), "family:"+f.Family)
	}
	if f.PAP > accord.PAPClear {
		f.Labels = append(slices.Clip(f.Labels), "pap:"+f.PAP.String())
	}
	switch {
	case f.Modified < f.Created:
		return problem("modified", "3.2", "modified is before created")
	case f.ValidUntil != 0 && f.ValidUntil <= f.ValidFrom:
		return problem("valid_until", "4.7.1", "valid_until is not after valid_from")
	case f.Confidence > 100:
		return problem("confidence", "3.2", "want an integer from 0 to 100")
	case f.CreatedBy != "" && (!validID(f.CreatedBy) || typeOf(f.CreatedBy) != "identity"):
		return problem("created_by_ref", "3.2", "%q is not the id of an identity", clip(f.CreatedBy))
	}
	for _, l := range f.Labels {
		var m marked
		if m.label(l) && (m.has && m.tlp > f.TLP || m.pap > f.PAP) {
			return problem("labels", "", "the label %q is stricter than the mark", clip(l))
		}
	}
	return nil
}

// itemLabels are the labels as Parse reads them back.
func (f *IndicatorFields) itemLabels() []string {
	out := make([]string, 0, len(f.Labels)+len(f.Types))
	for _, list := range [...][]string{f.Labels, f.Types} {
		for _, l := range list {
			if l = strings.ToLower(tidy(l, maxLabelText)); l != "" && len(out) < maxLabels {
				out = append(out, l)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (f *IndicatorFields) appendTo(b []byte, id string, o accord.Observable) []byte {
	b = append(b, `{"type":"indicator","spec_version":"2.1","id":"`...)
	b = append(b, id...)
	b = append(b, '"')
	if f.CreatedBy != "" {
		b = append(b, `,"created_by_ref":"`...)
		b = append(b, f.CreatedBy...)
		b = append(b, '"')
	}
	b = appendStamp(b, "created", f.Created)
	b = appendStamp(b, "modified", f.Modified)
	b = append(b, `,"name":`...)
	b = appendQuoted(b, f.Name)
	if f.Description != "" {
		b = append(b, `,"description":`...)
		b = appendQuoted(b, f.Description)
	}
	b = append(b, `,"pattern":`...)
	var buf [512]byte
	b = appendQuoted(b, string(AppendPattern(buf[:0], o)))
	b = append(b, `,"pattern_type":"stix"`...)
	b = appendStamp(b, "valid_from", f.ValidFrom)
	if f.ValidUntil != 0 {
		b = appendStamp(b, "valid_until", f.ValidUntil)
	}
	b = appendQuotedList(b, "indicator_types", f.Types)
	b = appendQuotedList(b, "labels", f.Labels)
	if f.Confidence >= 0 {
		b = append(b, `,"confidence":`...)
		b = strconv.AppendInt(b, int64(f.Confidence), 10)
	}
	b = append(b, `,"object_marking_refs":["`...)
	b = append(b, MarkingID(f.TLP)...)
	return append(b, `"]}`...)
}

// appendQuoted appends s as a JSON string.
func appendQuoted(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil { // invalid UTF-8, written as U+FFFD
		return out
	}
	return out
}

func appendQuotedList(b []byte, name string, list []string) []byte {
	for i, s := range list {
		if i == 0 {
			b = append(b, ',', '"')
			b = append(b, name...)
			b = append(b, `":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendQuoted(b, s)
	}
	if len(list) > 0 {
		b = append(b, ']')
	}
	return b
}

// appendStamp appends a member that is an instant, with six fractional digits.
func appendStamp(b []byte, name string, s accord.Stamp) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	b = s.Time().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	return append(b, '"')
}

// AppendPattern appends the STIX pattern that is met by the observable alone; its
// value is as pattern.Normalise gives it.
func AppendPattern(b []byte, o accord.Observable) []byte {
	test := func(path, op string) {
		b = append(b, '[')
		b = append(b, path...)
		b = append(b, op...)
		b = pattern.AppendQuote(b, o.Value)
		b = append(b, ']')
	}
	switch o.Kind {
	case accord.KindDomain:
		test("domain-name:value", " = ")
	case accord.KindIPv4:
		test("ipv4-addr:value", " = ")
	case accord.KindIPv6:
		test("ipv6-addr:value", " = ")
	case accord.KindCIDR:
		if strings.IndexByte(o.Value, ':') >= 0 {
			test("ipv6-addr:value", " ISSUBSET ")
		} else {
			test("ipv4-addr:value", " ISSUBSET ")
		}
	case accord.KindURL:
		test("url:value", " = ")
	case accord.KindEmail:
		test("email-addr:value", " = ")
	case accord.KindMD5:
		test("file:hashes.MD5", " = ")
	case accord.KindSHA1:
		test("file:hashes.'SHA-1'", " = ")
	case accord.KindSHA256:
		test("file:hashes.'SHA-256'", " = ")
	case accord.KindSHA512:
		test("file:hashes.'SHA-512'", " = ")
	case accord.KindAddrPort:
		ap, err := netip.ParseAddrPort(o.Value)
		if err != nil {
			return b
		}
		b = append(b, "[network-traffic:dst_ref.value = '"...)
		b = ap.Addr().AppendTo(b)
		b = append(b, "' AND network-traffic:dst_port = "...)
		b = strconv.AppendUint(b, uint64(ap.Port()), 10)
		b = append(b, ']')
	}
	return b
}
