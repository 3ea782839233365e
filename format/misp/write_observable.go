// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"accord"
)

// scoTemplates are the MISP objects that observables of somebody else become when
// one attribute does not hold them.
var scoTemplates = map[string]string{
	"file": "file", "network-traffic": "network-connection", "email-message": "email", "x509-certificate": "x509",
	"windows-registry-key": "registry-key", "process": "process", "autonomous-system": "asn", "user-account": "user-account", "domain-name": "domain-ip",
}

// templateIDs are the uuid, version and category of MISP's own templates.
var templateIDs = map[string][3]string{
	"file": {"688c46fb-5edb-40a3-8273-1af7923e2215", "25", "file"}, "network-connection": {"af16764b-f8e5-4603-9de1-de34d272f80b", "7", "network"},
	"email": {"a0c666e0-fc65-4be8-b48f-3423d788b552", "19", "network"}, "x509": {"d1ab756a-26b5-4349-9f43-765630f0911c", "14", "network"},
	"registry-key": {"8b3228ad-6d82-4fe6-b2ae-05426308f1d5", "5", "file"}, "process": {"02aeef94-ac23-455c-addb-731757ceafb5", "10", "misc"},
	"asn": {"4ec55cc6-9e49-4c64-b794-03c25c1a6587", "6", "network"}, "user-account": {"49606b06-22f0-4ac8-8eee-2f12ad46f3d3", "6", "misc"},
	"domain-ip": {"43b3b146-77eb-4931-b4cc-b66c60f28734", "11", "network"},
}

// relationTypes are the attribute types of the relations of these templates where
// they are not text.
var relationTypes = map[string]string{
	"filename": "filename", "size-in-bytes": "size-in-bytes", "mimetype": "mime-type", "ip-src": "ip-src", "ip-dst": "ip-dst", "ip": "ip-dst",
	"src-port": "port", "dst-port": "port", "hostname-src": "hostname", "hostname-dst": "hostname", "first-packet-seen": "datetime", "last-packet-seen": "datetime",
	"src-bytes-count": "size-in-bytes", "dst-bytes-count": "size-in-bytes", "src-packets-count": "counter", "dst-packets-count": "counter",
	"domain": "domain", "from": "email-src", "to": "email-dst", "cc": "email-dst", "bcc": "email-dst", "subject": "email-subject", "email-body": "email-body",
	"message-id": "email-message-id", "send-date": "datetime", "x-mailer": "email-x-mailer", "reply-to": "email-reply-to", "return-path": "email-src",
	"validity-not-before": "datetime", "validity-not-after": "datetime", "self_signed": "boolean", "is_self_signed": "boolean",
	"x509-fingerprint-md5": "x509-fingerprint-md5", "x509-fingerprint-sha1": "x509-fingerprint-sha1", "x509-fingerprint-sha256": "x509-fingerprint-sha256",
	"key": "regkey", "last-modified": "datetime", "creation-time": "datetime", "hidden": "boolean", "image": "filename", "asn": "AS",
	"privileged": "boolean", "disabled": "boolean", "access-time": "datetime", "modification-time": "datetime",
	"is_service_account": "boolean", "can_escalate_privs": "boolean",
}

// repeats are relations that only repeat another of the same template.
var repeats = []string{"hostname", "original-filename", "name", "layer3-protocol", "layer7-protocol", "protocol", "self_signed", "start-time", "ip"}

// single types of an observable that is nothing but a value.
var scoTypes = map[string]string{
	"domain-name": "domain", "ipv4-addr": "ip-dst", "ipv6-addr": "ip-dst", "url": "url", "email-addr": "email", "mac-addr": "mac-address",
}

func scoKnown(typ string) bool {
	return scoTemplates[typ] != "" || scoTypes[typ] != "" || typ == "mutex" || typ == "software"
}

// observed writes an observed-data that is none of MISP's: each of its observables.
func (w *writing) observed(r *raw) {
	refs := strs(r.p, "object_refs")
	if len(refs) == 0 {
		w.lose(r.ID, r.Type, "its objects: written the way of STIX 2.0")
		r.done = true
		return
	}
	n := 0
	for _, id := range refs {
		if o := w.objects[id]; o != nil && !o.done && o.Version == 0 && w.observable(o, r.Version) {
			n++
		}
	}
	if count, ok := r.p["number_observed"].(float64); ok && count > 1 {
		w.lose(r.ID, r.Type, "how often it was observed, and when")
	}
	if n > 0 {
		w.written(r)
	}
}

// observable writes one observable as an attribute or an object.
func (w *writing) observable(r *raw, at accord.Stamp) bool {
	at = cmp.Or(at, r.Added)
	if a, ok := w.oneValue(r, at); ok {
		w.ev.Attributes = append(w.ev.Attributes, a)
		w.consume(r.ID)
		w.common(r)
		return true
	}
	name := scoTemplates[r.Type]
	t, ok := templates[name]
	if !ok {
		return false
	}
	o := ObjectJSON{
		UUID: w.uuidOf(r), Name: name, Description: name, Template: templateIDs[name][0], TemplateV: templateIDs[name][1], Meta: templateIDs[name][2],
		Timestamp: secondsOf(at), Distribution: w.reach(r), item: r.ID,
	}
	add := func(relation, typ, value string) {
		a := w.attribute(r, typ)
		a.UUID, a.Value, a.Relation, a.Timestamp = derived("of", o.UUID, relation, value), value, relation, secondsOf(at)
		if k := typeByName[typ]; k != nil {
			a.Category = k.Category
		}
		o.Attributes = append(o.Attributes, a)
	}
	for _, relation := range slices.Sorted(maps.Keys(t.paths)) {
		if slices.Contains(repeats, relation) && !(relation == "ip" && name == "domain-ip") {
			continue
		}
		w.values(r, t.paths[relation], func(v string) {
			typ := cmp.Or(relationTypes[relation], "text")
			if typ == "AS" {
				v = "AS" + v
			}
			add(relation, typ, v)
		})
	}
	if hashes, ok := r.p["hashes"].(map[string]any); ok && t.hashes {
		for _, h := range sortedKeys(hashes) {
			if typ := hashType(h); typ != "" && str(hashes, h) != "" {
				add(typ, typ, str(hashes, h))
			} else {
				w.lose(r.ID, r.Type, "its hash "+clip(h, 40))
			}
		}
	}
	if len(o.Attributes) == 0 {
		return false
	}
	w.ev.Objects = append(w.ev.Objects, o)
	w.consume(r.ID)
	w.common(r)
	return true
}

// values calls f with what stands at a path, one after another where it is a list.
func (w *writing) values(r *raw, path string, f func(string)) {
	if !strings.Contains(path, "+") {
		if v, ok := get(r.p, path, w.follow); ok && !strings.Contains(v, "--") {
			f(v)
		}
		return
	}
	for i := range 1000 {
		v, ok := get(r.p, strings.Replace(path, "+", strconv.Itoa(i), 1), w.follow)
		if !ok {
			return
		}
		f(v)
	}
}

// oneValue writes an observable that one attribute holds.
func (w *writing) oneValue(r *raw, at accord.Stamp) (a AttributeJSON, ok bool) {
	typ, value := scoTypes[r.Type], str(r.p, "value")
	hashes, _ := r.p["hashes"].(map[string]any)
	switch {
	case r.Type == "domain-name" && len(strs(r.p, "resolves_to_refs")) > 0:
		return a, false
	case typ != "":
	case r.Type == "mutex":
		typ, value = "mutex", str(r.p, "name")
	case r.Type == "software" && str(r.p, "cpe") != "":
		typ, value = "cpe", str(r.p, "cpe")
	case r.Type == "file" && len(hashes) == 0 && r.p["size"] == nil:
		typ, value = "filename", str(r.p, "name")
	case r.Type == "file" && len(hashes) == 1 && r.p["name"] == nil && r.p["size"] == nil:
		for h := range hashes {
			typ, value = hashType(h), str(hashes, h)
		}
	}
	if typ == "" || value == "" {
		return a, false
	}
	a = w.attribute(r, typ)
	a.Value, a.Timestamp = value, secondsOf(at)
	return a, true
}

// hashType is the attribute type of a hash of a file, by STIX's name of it.
func hashType(name string) string {
	for typ, n := range hashNames {
		if strings.EqualFold(n, name) {
			return typ
		}
	}
	return ""
}
