// SPDX-License-Identifier: Apache-2.0

package stix

import "strings"

// class is what common properties an object has (§3.2).
type class uint8

const (
	classDomain     class = iota // SDO and SRO
	classObservable              // SCO
	classMarking                 // marking-definition: cannot be versioned
)

// schema is what is checked of a type beyond the common properties.
type schema struct {
	class    class
	section  string
	required []string
	oneOf    []string // at least one of them
}

func domainType(section string, required ...string) *schema {
	return &schema{section: section, required: required}
}

func observableType(section string, required ...string) *schema {
	return &schema{class: classObservable, section: section, required: required}
}

func (s *schema) or(names ...string) *schema {
	s.oneOf = names
	return s
}

var schemas = map[string]*schema{
	"attack-pattern":       domainType("4.1", "name"),
	"campaign":             domainType("4.2", "name"),
	"course-of-action":     domainType("4.3", "name"),
	"grouping":             domainType("4.4", "context", "object_refs"),
	"identity":             domainType("4.5", "name"),
	"incident":             domainType("4.6", "name"),
	"indicator":            domainType("4.7", "pattern", "pattern_type", "valid_from"),
	"infrastructure":       domainType("4.8", "name"),
	"intrusion-set":        domainType("4.9", "name"),
	"location":             domainType("4.10").or("region", "country", "latitude"),
	"malware":              domainType("4.11", "is_family"),
	"malware-analysis":     domainType("4.12", "product").or("result", "analysis_sco_refs"),
	"note":                 domainType("4.13", "content", "object_refs"),
	"observed-data":        domainType("4.14", "first_observed", "last_observed", "number_observed").or("object_refs", "objects"),
	"opinion":              domainType("4.15", "opinion", "object_refs"),
	"report":               domainType("4.16", "name", "published", "object_refs"),
	"threat-actor":         domainType("4.17", "name"),
	"tool":                 domainType("4.18", "name"),
	"vulnerability":        domainType("4.19", "name"),
	"relationship":         domainType("5.1", "relationship_type", "source_ref", "target_ref"),
	"sighting":             domainType("5.2", "sighting_of_ref"),
	"language-content":     domainType("7.1", "object_ref", "contents"),
	"extension-definition": domainType("7.3", "created_by_ref", "name", "schema", "version", "extension_types"),
	"marking-definition":   {class: classMarking, section: "7.2.1"},

	"artifact":             observableType("6.1").or("payload_bin", "url"),
	"autonomous-system":    observableType("6.2", "number"),
	"directory":            observableType("6.3", "path"),
	"domain-name":          observableType("6.4", "value"),
	"email-addr":           observableType("6.5", "value"),
	"email-message":        observableType("6.6", "is_multipart"),
	"file":                 observableType("6.7").or("hashes", "name"),
	"ipv4-addr":            observableType("6.8", "value"),
	"ipv6-addr":            observableType("6.9", "value"),
	"mac-addr":             observableType("6.10", "value"),
	"mutex":                observableType("6.11", "name"),
	"network-traffic":      observableType("6.12", "protocols").or("src_ref", "dst_ref"),
	"process":              observableType("6.13"),
	"software":             observableType("6.14", "name"),
	"url":                  observableType("6.15", "value"),
	"user-account":         observableType("6.16"),
	"windows-registry-key": observableType("6.17"),
	"x509-certificate":     observableType("6.18"),
}

// instants are the properties of type timestamp of the objects above.
var instants = map[string]bool{
	"created": true, "modified": true, "valid_from": true, "valid_until": true,
	"first_seen": true, "last_seen": true, "first_observed": true, "last_observed": true,
	"published": true, "submitted": true, "analysis_started": true, "analysis_ended": true,
	"start_time": true, "stop_time": true, "object_modified": true,
}

// known are the names of properties that are met often.
var known = knownNames()

func knownNames() map[string]string {
	out := map[string]string{}
	for n := range strings.FieldsSeq(`type spec_version id created_by_ref created modified revoked labels confidence lang
		external_references object_marking_refs granular_markings defanged extensions name description pattern
		pattern_type pattern_version valid_from valid_until indicator_types kill_chain_phases malware_types is_family
		aliases report_types published object_refs relationship_type source_ref target_ref sighting_of_ref count
		first_seen last_seen observed_data_refs where_sighted_refs summary identity_class sectors contact_information
		first_observed last_observed number_observed objects value hashes object_ref start_time stop_time definition
		definition_type x_mitre_version x_mitre_attack_spec_version x_mitre_domains x_mitre_modified_by_ref`) {
		out[n] = n
	}
	return out
}

// orders are pairs of instants of which the second is not before the first; with
// strict, it is after it.
var orders = []struct {
	first, second string
	strict        bool
	section       string
}{
	{"created", "modified", false, "3.2"},
	{"valid_from", "valid_until", true, "4.7.1"},
	{"first_seen", "last_seen", false, "4.2.1"},
	{"first_observed", "last_observed", false, "4.14.1"},
	{"start_time", "stop_time", false, "5.1.2"},
}

// texts are the properties that must be strings wherever they are at the top of
// an object this package knows.
var texts = map[string]bool{
	"name": true, "description": true, "pattern": true, "pattern_type": true, "lang": true,
	"identity_class": true, "relationship_type": true, "content": true, "abstract": true,
	"opinion": true, "context": true, "product": true, "schema": true, "version": true,
	"definition_type": true,
}

// lists are the properties that must be lists of strings.
var lists = map[string]bool{
	"labels": true, "sectors": true, "aliases": true, "indicator_types": true, "malware_types": true,
	"infrastructure_types": true, "threat_actor_types": true, "tool_types": true, "report_types": true,
}

// isReference reports whether a property holds identifiers (§3.1), and whether a
// list of them.
func isReference(name string) (ref, many bool) {
	switch {
	case strings.HasSuffix(name, "_ref"):
		return true, false
	case strings.HasSuffix(name, "_refs"):
		return true, true
	}
	return false, false
}

// isMarking reports whether a property refers to a marking, which is no
// reference to intelligence.
func isMarking(name string) bool { return name == "object_marking_refs" || name == "marking_ref" }

// schemaOf returns the schema of the object d, whose type is typ. An unknown type
// is an observable unless it has versions.
func schemaOf(d *document, typ string) *schema {
	if s := schemas[typ]; s != nil {
		return s
	}
	if d.get("created") != 0 || d.get("modified") != 0 {
		return domainType("7.3")
	}
	return observableType("7.3")
}

// validID reports whether s is an identifier (§2.9): type--UUID.
func validID(s string) bool {
	typ, uuid, ok := strings.Cut(s, "--")
	return ok && validType(typ) && validUUID(uuid)
}

// validType reports whether s may name a type (§3.1): 3 to 250 of a–z, 0–9, '-'.
func validType(s string) bool {
	if len(s) < 3 || len(s) > 250 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

func validUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
			continue
		}
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// typeOf returns the type of an identifier.
func typeOf(id string) string {
	t, _, _ := strings.Cut(id, "--")
	return t
}
