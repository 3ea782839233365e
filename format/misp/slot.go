// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"accord"
	"accord/format/stix/pattern"
)

// slot says where in a STIX object the value of an attribute type stands: the
// parts of a value that MISP joins with | each have a path. A path is names and
// list positions joined with dots; a name in _ref or _refs goes on in the object
// referred to.
type slot struct {
	root  string // type of the object; "ip" is ipv4-addr or ipv6-addr, as the value is
	paths []string
	fixed map[string]any // what else the object must say
}

func in(root string, paths ...string) slot { return slot{root: root, paths: paths} }

func (s slot) with(name string, v any) slot {
	s.fixed = maps.Clone(s.fixed)
	if s.fixed == nil {
		s.fixed = map[string]any{}
	}
	s.fixed[name] = v
	return s
}

// hashNames are the attribute types that are a hash of a file, and how STIX calls
// it (hash-algorithm-ov §10.8, or a name of the same form where it has none).
var hashNames = map[string]string{
	"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512", "sha3-256": "SHA3-256", "sha3-512": "SHA3-512",
	"ssdeep": "SSDEEP", "tlsh": "TLSH", "sha224": "SHA-224", "sha384": "SHA-384", "sha512/224": "SHA-512-224",
	"sha512/256": "SHA-512-256", "sha3-224": "SHA3-224", "sha3-384": "SHA3-384", "imphash": "IMPHASH",
	"authentihash": "AUTHENTIHASH", "vhash": "VHASH", "telfhash": "TELFHASH", "pehash": "PEHASH", "impfuzzy": "IMPFUZZY",
	"cdhash": "CDHASH",
}

// slots are the attribute types that have a place in a STIX object. Those that
// have none become notes.
var slots = makeSlots()

func makeSlots() map[string]slot {
	account := func(kind string) slot { return in("user-account", "account_login").with("account_type", kind) }
	mail := func(path string) slot { return in("email-message", path).with("is_multipart", false) }
	out := map[string]slot{
		"domain": in("domain-name", "value"), "hostname": in("domain-name", "value"), "onion-address": in("domain-name", "value"),
		"ip-src": in("ip", "value"), "ip-dst": in("ip", "value"),
		"ip-src|port": in("network-traffic", "src_ref.value", "src_port"), "ip-dst|port": in("network-traffic", "dst_ref.value", "dst_port"),
		"hostname|port": in("network-traffic", "dst_ref.value", "dst_port"),
		"domain|ip":     in("domain-name", "value", "resolves_to_refs.0.value"),
		"url":           in("url", "value"), "link": in("url", "value"), "uri": in("url", "value"),
		"email": in("email-addr", "value"), "email-src": in("email-addr", "value"), "email-dst": in("email-addr", "value"),
		"email-reply-to": in("email-addr", "value"), "target-email": in("email-addr", "value"),
		"whois-registrant-email": in("email-addr", "value"), "dns-soa-email": in("email-addr", "value"),
		"email-subject": mail("subject"), "email-body": mail("body"), "email-message-id": mail("message_id"),
		"email-x-mailer": mail("additional_header_fields.X-Mailer"),
		"filename":       in("file", "name"), "email-attachment": in("file", "name"), "attachment": in("file", "name"),
		"malware-sample": in("file", "name", "hashes.MD5"),
		"mutex":          in("mutex", "name"), "regkey": in("windows-registry-key", "key"),
		"regkey|value": in("windows-registry-key", "key", "values.0.data"),
		"AS":           in("autonomous-system", "number"), "mac-address": in("mac-addr", "value"), "cpe": in("software", "cpe"),
		"x509-fingerprint-md5": in("x509-certificate", "hashes.MD5"), "x509-fingerprint-sha1": in("x509-certificate", "hashes.SHA-1"),
		"x509-fingerprint-sha256": in("x509-certificate", "hashes.SHA-256"),
		"github-username":         account("github"), "twitter-id": account("twitter"), "jabber-id": account("jabber"),
		"target-user":   in("user-account", "account_login"),
		"vulnerability": in("vulnerability", "name"), "threat-actor": in("threat-actor", "name"), "campaign-name": in("campaign", "name"),
		"target-org":            in("identity", "name").with("identity_class", "organization"),
		"whois-registrant-org":  in("identity", "name").with("identity_class", "organization"),
		"whois-registrant-name": in("identity", "name").with("identity_class", "individual"),
		"full-name":             in("identity", "name").with("identity_class", "individual"),
	}
	for typ, name := range hashNames {
		out[typ] = in("file", "hashes."+name)
		if _, both := typeByName["filename|"+typ]; both {
			out["filename|"+typ] = in("file", "name", "hashes."+name)
		}
	}
	return out
}

// domainTypes are the roots that are no observables: they have an id and dates of
// their own.
var domainTypes = map[string]bool{"vulnerability": true, "threat-actor": true, "campaign": true, "identity": true, "attack-pattern": true, "course-of-action": true, "location": true}

// node is an object being built, with those it refers to.
type node struct {
	typ   string
	props map[string]any
	refs  map[string][]*node // by property
}

func newNode(root, value string) *node {
	return &node{typ: rootOf(root, value), props: map[string]any{}, refs: map[string][]*node{}}
}

// rootOf resolves what depends on the value.
func rootOf(root, value string) string {
	if root != "ip" && root != "host" {
		return root
	}
	bare, _, _ := strings.Cut(value, "/")
	if a, err := netip.ParseAddr(bare); err == nil {
		if a.Is6() {
			return "ipv6-addr"
		}
		return "ipv4-addr"
	}
	if root == "host" {
		return "domain-name"
	}
	return "" // an address that is none
}

// referred are the types of what a reference property refers to.
var referred = map[string]string{
	"resolves_to_refs": "ip", "dst_ref": "host", "src_ref": "host", "from_ref": "email-addr", "to_refs": "email-addr",
	"cc_refs": "email-addr", "bcc_refs": "email-addr", "image_ref": "file", "parent_directory_ref": "directory", "sender_ref": "email-addr",
}

// numbers and booleans are the properties that are no text.
var (
	numbers = []string{"dst_port", "src_port", "number", "size", "pid", "src_byte_count", "dst_byte_count", "src_packets", "dst_packets", "latitude", "longitude"}
	truths  = []string{"is_self_signed", "is_hidden", "is_privileged", "is_disabled", "is_service_account", "can_escalate_privs"}
	moments = []string{"validity_not_before", "validity_not_after", "start", "end", "date", "created_time", "modified_time", "atime", "mtime", "ctime"}
)

// set puts value at path; it reports whether it has a place there.
func (n *node) set(path, value string) bool {
	name, rest, deeper := strings.Cut(path, ".")
	if many := strings.HasSuffix(name, "_refs"); many || strings.HasSuffix(name, "_ref") {
		at := "0"
		if many {
			at, rest, _ = strings.Cut(rest, ".")
		}
		return n.setIn(name, at, rest, value)
	}
	if !deeper {
		return put(n.props, name, value)
	}
	if first, leaf, ok := strings.Cut(rest, "."); ok { // a list of objects: values.0.data
		list, _ := n.props[name].([]any)
		if first != "0" {
			return false
		}
		if len(list) == 0 {
			list = []any{map[string]any{}}
			n.props[name] = list
		}
		m, ok := list[0].(map[string]any)
		return ok && put(m, leaf, value)
	}
	if rest == "+" { // one more of a list of texts
		list, _ := n.props[name].([]any)
		n.props[name] = append(list, value)
		return !slices.Contains(list, any(value))
	}
	m, ok := n.props[name].(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	if !put(m, rest, value) {
		return false
	}
	n.props[name] = m
	return true
}

// setIn sets a value in the object that a property refers to; + is one more.
func (n *node) setIn(name, at, path, value string) bool {
	list := n.refs[name]
	i := len(list)
	if at != "+" {
		var err error
		if i, err = strconv.Atoi(at); err != nil || i > len(list) {
			return false
		}
	}
	if i < len(list) {
		return list[i].set(path, value)
	}
	to := newNode(referred[name], value)
	if to.typ == "" || !to.set(path, value) || to.complete() == nil {
		return false
	}
	n.refs[name] = append(list, to)
	return true
}

// put sets a property, in its own type, once.
func put(m map[string]any, name, value string) bool {
	if _, twice := m[name]; twice || value == "" {
		return false
	}
	switch {
	case slices.Contains(numbers, name):
		bare := value
		if name == "number" {
			bare = strings.TrimPrefix(strings.ToUpper(value), "AS")
		}
		if f, err := strconv.ParseFloat(bare, 64); (name == "latitude" || name == "longitude") && err == nil && f >= -180 && f <= 180 {
			m[name] = f
			return true
		}
		n, err := strconv.ParseInt(bare, 10, 64)
		if err != nil || n < 0 || strings.HasSuffix(name, "_port") && n > 65535 {
			return false
		}
		m[name] = n
	case slices.Contains(truths, name):
		switch strings.ToLower(value) {
		case "true", "1", "yes":
			m[name] = true
		case "false", "0", "no":
			m[name] = false
		default:
			return false
		}
	case slices.Contains(moments, name):
		at, ok := instant(text(value))
		if !ok || at == 0 {
			return false
		}
		m[name] = at.String()
	case name == "key":
		hive, rest, _ := strings.Cut(value, `\`)
		if long := hives[strings.ToUpper(hive)]; long != "" {
			value = strings.TrimSuffix(long+`\`+rest, `\`)
		}
		m[name] = value
	default:
		m[name] = value
	}
	return true
}

// hives are the short names of the registry's, which §6.17.1 wants written out.
var hives = map[string]string{
	"HKLM": "HKEY_LOCAL_MACHINE", "HKCU": "HKEY_CURRENT_USER", "HKCR": "HKEY_CLASSES_ROOT", "HKU": "HKEY_USERS", "HKCC": "HKEY_CURRENT_CONFIG",
}

// last returns the path that reads what was set at path: + is the place it took.
func (n *node) last(path string) string {
	name, rest, more := strings.Cut(path, ".+")
	if !more {
		return path
	}
	i := len(n.refs[name])
	if i == 0 {
		list, _ := n.props[name].([]any)
		i = len(list)
	}
	return name + "." + strconv.Itoa(i-1) + rest
}

// get reads what stands at path, as text. follow finds the object of an id when o
// is one that was read; a node's own references are in it.
func get(o map[string]any, path string, follow func(id string) map[string]any) (string, bool) {
	var at any = o
	for part := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return "", false
			}
			at = v[i]
		default:
			return "", false
		}
		id, ok := at.(string)
		if ok && strings.HasSuffix(part, "_ref") || ok && isIndex(part) && strings.Contains(id, "--") {
			if to := follow(id); to != nil {
				at = to
			}
		}
	}
	switch v := at.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func isIndex(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// fill makes the object of a value of type typ; nil when the value has not the form.
func (s slot) fill(typ, value string) *node {
	parts := []string{value}
	if len(s.paths) == 2 {
		sep := strings.LastIndexByte(value, '|') // the name of a file may hold one
		if typ == "regkey|value" {
			sep = strings.IndexByte(value, '|')
		}
		if sep < 0 {
			return nil
		}
		parts = []string{value[:sep], value[sep+1:]}
	}
	n := newNode(s.root, parts[0])
	if n.typ == "" {
		return nil
	}
	maps.Copy(n.props, s.fixed)
	for i, path := range s.paths {
		if !n.set(path, parts[i]) {
			return nil
		}
	}
	return n.complete()
}

// complete adds what the standard demands of the type; nil when that is not known.
func (n *node) complete() *node {
	switch n.typ {
	case "network-traffic":
		if len(n.refs["src_ref"])+len(n.refs["dst_ref"]) == 0 {
			return nil
		}
		if n.props["protocols"] == nil {
			n.props["protocols"] = []any{"ip"}
		}
	case "software":
		if n.props["name"] == nil {
			n.props["name"] = n.props["cpe"]
		}
	case "email-message":
		n.props["is_multipart"] = false
	case "file":
		if n.props["name"] == nil && n.props["hashes"] == nil {
			return nil
		}
	case "identity", "vulnerability", "attack-pattern", "course-of-action":
		if n.props["name"] == nil {
			return nil
		}
	case "location":
		if n.props["country"] == nil && n.props["region"] == nil && (n.props["latitude"] == nil || n.props["longitude"] == nil) {
			return nil
		}
		if (n.props["latitude"] == nil) != (n.props["longitude"] == nil) {
			return nil
		}
	case "domain-name", "ipv4-addr", "url", "ipv6-addr", "email-addr", "mac-addr":
		if !n.conforms() {
			return nil
		}
	case "autonomous-system":
		if n.props["number"] == nil {
			return nil
		}
	case "mutex":
		if n.props["name"] == nil {
			return nil
		}
	}
	if len(n.props)+len(n.refs) == 0 {
		return nil
	}
	return n
}

var macAddress = regexp.MustCompile(`^([0-9a-f]{2}:){5}[0-9a-f]{2}$`)

// conforms reports whether the value is what the standard says that it MUST be
// (§6.4, §6.5, §6.7–6.9, §6.15). What is not, is kept as a note.
func (n *node) conforms() bool {
	v, _ := n.props["value"].(string)
	if n.typ == "mac-addr" {
		v = strings.ToLower(strings.ReplaceAll(v, "-", ":"))
		n.props["value"] = v
	}
	var err error
	switch n.typ {
	case "domain-name":
		_, err = pattern.Normalise(accord.KindDomain, v)
	case "email-addr":
		_, err = pattern.Normalise(accord.KindEmail, v)
	case "url":
		u, bad := url.Parse(v)
		odd := strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("<>\"{}|\\^`", r) })
		return bad == nil && u.Scheme != "" && u.Host != "" && !odd
	case "mac-addr":
		return macAddress.MatchString(v)
	}
	return err == nil && v != ""
}

// value reads the value of type typ back out of an object.
func (s slot) value(o map[string]any, follow func(string) map[string]any) (string, bool) {
	parts := make([]string, len(s.paths))
	for i, path := range s.paths {
		v, ok := get(o, path, follow)
		if !ok {
			return "", false
		}
		if path == "number" {
			v = "AS" + v
		}
		parts[i] = v
	}
	return strings.Join(parts, "|"), true
}
