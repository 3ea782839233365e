// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"maps"
	"slices"
	"strings"
)

// template says which STIX object a MISP object becomes: where the attributes with
// each relation stand in it. What has no place stays an object of its own.
type template struct {
	root  string
	paths map[string]string // by object_relation
	fixed map[string]any
	// hashes: attributes whose type is a hash stand in hashes.
	hashes bool
}

var (
	fileTemplate = template{root: "file", hashes: true, paths: map[string]string{
		"filename": "name", "size-in-bytes": "size", "mimetype": "mime_type", "path": "parent_directory_ref.path",
		"access-time": "atime", "creation-time": "ctime", "modification-time": "mtime",
		"original-filename": "name", "name": "name",
	}}
	trafficTemplate = template{root: "network-traffic", paths: map[string]string{
		"ip-src": "src_ref.value", "ip-dst": "dst_ref.value", "src-port": "src_port", "dst-port": "dst_port",
		"hostname-src": "src_ref.value", "hostname-dst": "dst_ref.value", "ip": "dst_ref.value",
		"layer3-protocol": "protocols.+", "layer4-protocol": "protocols.+", "layer7-protocol": "protocols.+", "protocol": "protocols.+",
		"first-packet-seen": "start", "last-packet-seen": "end", "src-bytes-count": "src_byte_count", "dst-bytes-count": "dst_byte_count",
		"src-packets-count": "src_packets", "dst-packets-count": "dst_packets",
	}}
)

// templates are the MISP objects that STIX has an object for, by name.
var templates = map[string]template{
	"file": fileTemplate, "pe": fileTemplate, "elf": fileTemplate, "macho": fileTemplate,
	"network-connection": trafficTemplate, "network-socket": trafficTemplate, "netflow": trafficTemplate, "ip-port": trafficTemplate,
	"domain-ip": {root: "domain-name", paths: map[string]string{"domain": "value", "hostname": "value", "ip": "resolves_to_refs.+.value"}},
	"url":       {root: "url", paths: map[string]string{"url": "value"}},
	"email": {root: "email-message", paths: map[string]string{
		"from": "from_ref.value", "to": "to_refs.+.value", "cc": "cc_refs.+.value", "bcc": "bcc_refs.+.value", "subject": "subject",
		"email-body": "body", "message-id": "message_id", "send-date": "date", "x-mailer": "additional_header_fields.X-Mailer",
		"reply-to": "additional_header_fields.Reply-To", "user-agent": "additional_header_fields.User-Agent", "return-path": "sender_ref.value",
	}, fixed: map[string]any{"is_multipart": false}},
	"x509": {root: "x509-certificate", paths: map[string]string{
		"serial-number": "serial_number", "issuer": "issuer", "subject": "subject", "version": "version", "signature_algorithm": "signature_algorithm",
		"validity-not-before": "validity_not_before", "validity-not-after": "validity_not_after", "self_signed": "is_self_signed",
		"is_self_signed": "is_self_signed", "pubkey-info-algorithm": "subject_public_key_algorithm", "pubkey-info-modulus": "subject_public_key_modulus",
		"x509-fingerprint-md5": "hashes.MD5", "x509-fingerprint-sha1": "hashes.SHA-1", "x509-fingerprint-sha256": "hashes.SHA-256",
	}},
	"registry-key": {root: "windows-registry-key", paths: map[string]string{
		"key": "key", "name": "values.0.name", "data": "values.0.data", "data-type": "values.0.data_type", "last-modified": "modified_time",
	}},
	"process": {root: "process", paths: map[string]string{
		"pid": "pid", "command-line": "command_line", "creation-time": "created_time", "start-time": "created_time",
		"current-directory": "cwd", "hidden": "is_hidden", "image": "image_ref.name",
	}},
	"asn":   {root: "autonomous-system", paths: map[string]string{"asn": "number", "name": "name", "description": "name"}},
	"mutex": {root: "mutex", paths: map[string]string{"name": "name"}},
	"user-account": {root: "user-account", paths: map[string]string{
		"username": "account_login", "user-id": "user_id", "display-name": "display_name", "account-type": "account_type", "privileged": "is_privileged",
		"disabled": "is_disabled", "is_service_account": "is_service_account", "can_escalate_privs": "can_escalate_privs",
	}},
	"vulnerability":    {root: "vulnerability", paths: map[string]string{"id": "name", "summary": "description", "description": "description"}},
	"attack-pattern":   {root: "attack-pattern", paths: map[string]string{"name": "name", "summary": "description"}},
	"course-of-action": {root: "course-of-action", paths: map[string]string{"name": "name", "description": "description"}},
	"person":           {root: "identity", paths: map[string]string{"full-name": "name"}, fixed: map[string]any{"identity_class": "individual"}},
	"organization": {root: "identity", paths: map[string]string{
		"name": "name", "description": "description", "contact_information": "contact_information",
	}, fixed: map[string]any{"identity_class": "organization"}},
	"geolocation": {root: "location", paths: map[string]string{
		"countrycode": "country", "city": "city", "region": "administrative_area", "latitude": "latitude", "longitude": "longitude", "address": "street_address", "zipcode": "postal_code",
	}},
}

// path returns where an attribute stands in the template's object.
func (t template) path(relation, typ string) (string, bool) {
	if p, ok := t.paths[relation]; ok {
		return p, true
	}
	if name, ok := hashNames[typ]; ok && t.hashes && relation != "richpe" {
		return "hashes." + name, true
	}
	return "", false
}

// types of value that a template's path takes, where MISP says text.
var registryTypes = []string{
	"REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_DWORD_LITTLE_ENDIAN", "REG_LINK",
	"REG_MULTI_SZ", "REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTION", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD", "REG_INVALID_TYPE",
}

// start begins the template's object for an attribute that names it.
func (t template) start(value string) *node {
	n := newNode(t.root, value)
	maps.Copy(n.props, t.fixed)
	return n
}

// fits reports whether a value may stand at a path of the template.
func (t template) fits(path, value string) bool {
	switch path {
	case "values.0.data_type":
		return slices.Contains(registryTypes, value)
	case "protocols.+":
		return value != "" && value == strings.ToLower(value) && !strings.Contains(value, " ")
	case "country":
		return len(value) == 2
	}
	return value != ""
}
