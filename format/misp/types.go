// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"accord"
	"accord/format/stix"
	"accord/format/stix/pattern"
)

// sought is what an attribute asks to look for.
type sought struct {
	pattern string // in language
	lang    string // pattern_type
	value   string // for people
	lost    string // what of the value the pattern does not say; empty = nothing
}

// reader turns an attribute's value into what is sought.
type reader func(value string) (sought, error)

// readers are the attribute types (MISP core format §2.2.2.2, describeTypes)
// that say what to look for. The others carry context: they are reported as lost.
var readers = map[string]reader{
	"domain": of(accord.KindDomain), "hostname": of(accord.KindDomain),
	"ip-src": address, "ip-dst": address, "ip-src|port": addressPort, "ip-dst|port": addressPort,
	"domain|ip":     firstOf(accord.KindDomain, "the address beside the domain: blocking what a name resolves to blocks its neighbours"),
	"hostname|port": firstOf(accord.KindDomain, "the port beside the name"),
	"url":           of(accord.KindURL), "link": of(accord.KindURL), "uri": path,
	"email": of(accord.KindEmail), "email-src": of(accord.KindEmail), "email-dst": of(accord.KindEmail), "email-reply-to": of(accord.KindEmail),
	"md5": of(accord.KindMD5), "sha1": of(accord.KindSHA1), "sha256": of(accord.KindSHA256), "sha512": of(accord.KindSHA512),
	"filename|md5": lastOf(accord.KindMD5), "filename|sha1": lastOf(accord.KindSHA1),
	"filename|sha256": lastOf(accord.KindSHA256), "filename|sha512": lastOf(accord.KindSHA512),
	"malware-sample": lastOf(accord.KindMD5), // its value is filename|md5

	"filename": compare("file:name"), "file-path": compare("file:name"),
	"mutex": compare("mutex:name"), "regkey": compare("windows-registry-key:key"), "regkey|value": registry,
	"user-agent":  compare("network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"),
	"mac-address": compare("mac-addr:value"), "email-subject": compare("email-message:subject"),
	"email-message-id": compare("email-message:message_id"), "AS": autonomousSystem,
	"x509-fingerprint-md5":    compare("x509-certificate:hashes.MD5"),
	"x509-fingerprint-sha1":   compare("x509-certificate:hashes.'SHA-1'"),
	"x509-fingerprint-sha256": compare("x509-certificate:hashes.'SHA-256'"),
	"yara":                    rule("yara"), "sigma": rule("sigma"), "snort": rule("snort"), "suricata": rule("suricata"),
	"zeek": rule("zeek"), "bro": rule("zeek"), "kusto-query": rule("kusto"), "stix2-pattern": rule("stix"),
	"onion-address": of(accord.KindDomain),
}

// readPattern returns what an attribute of type typ asks to look for: by the table
// above, else as the equality of the property that the value stands in.
func readPattern(typ, value string) (sought, error) {
	if read, ok := readers[typ]; ok {
		s, err := read(value)
		if err != nil {
			return s, fmt.Errorf("its value is not of its type: %w", err)
		}
		return s, nil
	}
	s, ok := slots[typ]
	if !ok || domainTypes[s.root] {
		return sought{}, errors.New("a type that says nothing to look for: it is kept as what it is")
	}
	parts := []string{value}
	if len(s.paths) == 2 {
		i := strings.LastIndexByte(value, '|')
		if i < 0 {
			return sought{}, errors.New("its value is not of its type: want two parts joined with |")
		}
		parts = []string{value[:i], value[i+1:]}
	}
	tests := make([]string, len(s.paths))
	for i, path := range s.paths {
		if strings.TrimSpace(parts[i]) == "" {
			return sought{}, errors.New("its value is not of its type: empty")
		}
		tests[i] = s.root + ":" + quotedPath(path) + " = " + quote(parts[i])
	}
	return sought{pattern: "[" + strings.Join(tests, " AND ") + "]", lang: "stix", value: value}, nil
}

// quotedPath writes a path as a pattern does: a name with a hyphen in quotes.
func quotedPath(path string) string {
	parts := strings.Split(path, ".")
	for i, p := range parts {
		if strings.Contains(p, "-") {
			parts[i] = "'" + p + "'"
		}
	}
	return strings.Join(parts, ".")
}

// valueOf reads a value of type typ back out of a pattern that readPattern wrote
// for it, where the pattern holds it whole.
func valueOf(typ, text, lang string) (string, bool) {
	if lang != "stix" || typ == "stix2-pattern" {
		return text, true
	}
	p, err := pattern.Parse(text)
	if err != nil {
		return "", false
	}
	obs, atomic := p.Observables()
	if len(obs) == 1 && atomic && !strings.Contains(typ, "|") {
		return obs[0].Value, true
	}
	if len(obs) == 1 && obs[0].Kind == accord.KindAddrPort && strings.HasSuffix(typ, "|port") {
		if ap, err := netip.ParseAddrPort(obs[0].Value); err == nil {
			return fmt.Sprintf("%s|%d", ap.Addr(), ap.Port()), true
		}
	}
	// One comparison with one text.
	_, lit, ok := strings.Cut(text, " = '")
	if !ok || !strings.HasSuffix(lit, "']") || strings.Contains(typ, "|") {
		return "", false
	}
	v := strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(lit[:len(lit)-2])
	if s, err := readPattern(typ, v); err != nil || s.pattern != text {
		return "", false
	}
	return v, true
}

// of reads a whole value of one kind.
func of(kind accord.Kind) reader {
	return func(value string) (sought, error) { return observable(kind, value) }
}

func observable(kind accord.Kind, value string) (sought, error) {
	v, err := pattern.Normalise(kind, strings.TrimSpace(value))
	if err != nil {
		return sought{}, err
	}
	return sought{pattern: string(stix.AppendPattern(nil, accord.Observable{Kind: kind, Value: v})), lang: "stix", value: v}, nil
}

// firstOf reads "value|rest" for its first part; lost says what the rest was.
func firstOf(kind accord.Kind, lost string) reader {
	return func(value string) (sought, error) {
		v, _, _ := strings.Cut(value, "|")
		s, err := observable(kind, v)
		s.lost = lost
		return s, err
	}
}

// lastOf reads "filename|hash": the hash alone identifies the file, the name goes
// to the indicator's name.
func lastOf(kind accord.Kind) reader {
	return func(value string) (sought, error) {
		i := strings.LastIndexByte(value, '|')
		if i < 0 {
			return sought{}, errors.New("want filename|hash")
		}
		s, err := observable(kind, value[i+1:])
		if name := strings.TrimSpace(value[:i]); name != "" {
			s.value = name
		}
		return s, err
	}
}

// address reads an address of either family, or a network.
func address(value string) (sought, error) {
	value = strings.TrimSpace(value)
	if f, err := netip.ParsePrefix(value); err == nil && !f.IsSingleIP() {
		return observable(accord.KindCIDR, value)
	}
	bare, _, _ := strings.Cut(value, "/")
	if a, err := netip.ParseAddr(bare); err == nil && a.Unmap().Is6() {
		return observable(accord.KindIPv6, value)
	}
	return observable(accord.KindIPv4, value)
}

// addressPort reads "address|port".
func addressPort(value string) (sought, error) {
	host, port, ok := strings.Cut(value, "|")
	if !ok {
		return sought{}, errors.New("want address|port")
	}
	a, err := netip.ParseAddr(strings.TrimSpace(host))
	if err != nil {
		return sought{}, errors.New("the part before | is not an address")
	}
	n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
	if err != nil {
		return sought{}, errors.New("the part after | is not a port")
	}
	return observable(accord.KindAddrPort, netip.AddrPortFrom(a, uint16(n)).String())
}

// path reads a URI that may be a path on any host.
func path(value string) (sought, error) {
	if !strings.HasPrefix(value, "/") {
		return observable(accord.KindURL, value)
	}
	if len(value) < 2 {
		return sought{}, errors.New("the path / is every host's")
	}
	// LIKE has no escape (§9.6): a '%' or '_' of the path matches more than itself.
	return sought{pattern: "[url:value LIKE " + quote("%"+value) + "]", lang: "stix", value: value}, nil
}

// compare reads a value that one property of an observable object equals.
func compare(property string) reader {
	return func(value string) (sought, error) {
		if strings.TrimSpace(value) == "" {
			return sought{}, errors.New("empty")
		}
		return sought{pattern: "[" + property + " = " + quote(value) + "]", lang: "stix", value: value}, nil
	}
}

// registry reads "key|data".
func registry(value string) (sought, error) {
	key, data, ok := strings.Cut(value, "|")
	if !ok || key == "" {
		return sought{}, errors.New("want key|data")
	}
	return sought{
		pattern: "[windows-registry-key:key = " + quote(key) + " AND windows-registry-key:values[*].data = " + quote(data) + "]",
		lang:    "stix", value: key,
	}, nil
}

// autonomousSystem reads "AS64496" or "64496".
func autonomousSystem(value string) (sought, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(value)), "AS"), 10, 32)
	if err != nil {
		return sought{}, errors.New("not the number of an autonomous system")
	}
	return sought{pattern: fmt.Sprintf("[autonomous-system:number = %d]", n), lang: "stix", value: fmt.Sprintf("AS%d", n)}, nil
}

// rule takes a detection rule as it is.
func rule(lang string) reader {
	return func(value string) (sought, error) {
		if strings.TrimSpace(value) == "" {
			return sought{}, errors.New("empty")
		}
		return sought{pattern: value, lang: lang, value: lang + " rule"}, nil
	}
}

func quote(s string) string { return string(pattern.AppendQuote(nil, s)) }
