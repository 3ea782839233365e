// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"bytes"

	"accord"
)

// class says how the text of a field is read.
type class uint8

const (
	none   class = iota
	asTime       // the record's instant
	asPath       // the log's kind
	asUID
	asOrigH // originator: an address, and who was seen
	asRespH // responder: an address, with its port an address and port
	asRespP
	asAddr
	asName // a domain name or an address, perhaps with a port
	asHost // likewise, and the host of uri
	asURI  // path and query, whose host is another field
	asURL
	asMail // text that holds mail addresses
	asHash // hexadecimal; its length says which
)

// field is one that can hold something to look for.
type field struct {
	name  string // Zeek's spelling
	class class
}

// fields lists them for every log kind: Zeek uses a name for one sense only, and
// where it does not (host, from) the class sorts it out by the text itself.
var fields = []field{
	{"ts", asTime},
	{"_path", asPath},
	{"@stream", asPath},
	{"uid", asUID},
	{"id.orig_h", asOrigH},
	{"id.resp_h", asRespH},
	{"id.resp_p", asRespP},
	// dns
	{"query", asName},
	{"answers", asName},
	// ssl, quic, ntlm, smtp, dhcp, socks, software
	{"server_name", asName},
	{"server_dns_computer_name", asName},
	{"helo", asName},
	{"domain", asName},
	{"request.host", asName},
	{"request.name", asName},
	{"cert_chain_fps", asHash},
	{"client_cert_chain_fps", asHash},
	// http
	{"host", asHost},
	{"uri", asURI},
	{"referrer", asURL},
	{"proxied", asName},
	// smtp
	{"mailfrom", asMail},
	{"rcptto", asMail},
	{"from", asMail},
	{"to", asMail},
	{"cc", asMail},
	{"reply_to", asMail},
	{"x_originating_ip", asAddr},
	// files, pe, smb_files
	{"md5", asHash},
	{"sha1", asHash},
	{"sha256", asHash},
	{"tx_hosts", asAddr},
	{"rx_hosts", asAddr},
	// x509
	{"fingerprint", asHash},
	{"san.dns", asName},
	{"san.uri", asURL},
	{"san.email", asMail},
	{"san.ip", asAddr},
	// notice, intel, signatures, traceroute
	{"src", asAddr},
	{"dst", asAddr},
	{"src_addr", asAddr},
	{"dst_addr", asAddr},
	{"file_desc", asURL},
	{"seen.indicator", asName},
	// ftp
	{"arg", asURL},
	{"data_channel.resp_h", asAddr},
}

var fieldByName = func() map[string]*field {
	m := make(map[string]*field, len(fields))
	for i := range fields {
		m[string(plainName(nil, []byte(fields[i].name)))] = &fields[i]
	}
	return m
}()

// plainName appends name with dots as underscores: the spelling that all writers
// of a field share.
func plainName(dst, name []byte) []byte {
	for _, c := range name {
		if c == '.' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// fieldNamed returns the field called name, nil when it holds nothing to look for.
func fieldNamed(name []byte) *field {
	var buf [64]byte
	if len(name) > len(buf) {
		return nil
	}
	return fieldByName[string(plainName(buf[:0], name))]
}

// parts are values of a record that mean more together.
type parts struct {
	respH []byte
	respP uint16
	host  []byte
	uri   []byte
}

// put takes the text of one field, or one element of it.
func (z *Reader) put(f *field, text []byte) {
	if len(text) == 0 {
		return
	}
	switch f.class {
	case asTime:
		if z.rec.At == 0 {
			z.rec.At = parseTime(text)
		}
	case asPath:
		z.rec.Path = pathName(text)
	case asUID:
		z.rec.UID = text
	case asOrigH:
		z.rec.OrigH = text
		z.putAddr(f.name, text)
	case asRespH:
		z.parts.respH = text
		z.putAddr(f.name, text)
	case asRespP:
		z.parts.respP, _ = parsePort(text)
	case asAddr:
		z.putAddr(f.name, text)
	case asHost:
		z.parts.host = text
		z.putName(f.name, text)
	case asName:
		z.putName(f.name, text)
	case asURI:
		z.parts.uri = text
	case asURL:
		z.putURL(f.name, text)
	case asMail:
		z.putMail(f.name, text)
	case asHash:
		z.putHash(f.name, text)
	case none: // not read
	}
}

// combine adds the values that fields make together.
func (z *Reader) combine() {
	p := &z.parts
	if len(p.respH) > 0 && p.respP != 0 && addrKind(p.respH) != "" {
		z.add(Value{Kind: accord.KindAddrPort, Text: p.respH, Port: p.respP, Field: "id.resp_h"})
	}
	switch {
	case len(p.uri) == 0:
	case bytes.Contains(p.uri[:min(len(p.uri), 12)], []byte("://")): // as a proxy is asked
		z.putURL("uri", p.uri)
	case len(p.host) > 0 && p.uri[0] == '/':
		z.add(Value{Kind: accord.KindURL, Text: p.host, Rest: p.uri, Field: "uri"})
	}
}

func (z *Reader) add(v Value) { z.rec.Values = append(z.rec.Values, v) }

// known kinds of log, so that naming one costs nothing.
var paths = func() map[string]string {
	m := map[string]string{}
	for _, p := range []string{
		"conn", "dns", "ssl", "http", "files", "x509", "smtp", "notice", "weird", "ssh", "ftp", "quic",
		"smb_files", "smb_mapping", "kerberos", "ntlm", "dce_rpc", "dhcp", "software", "intel", "pe", "sip",
		"socks", "tunnel", "dpd", "rdp", "ntp", "snmp", "syslog", "ocsp", "known_hosts", "known_services", "capture_loss", "stats",
	} {
		m[p] = p
	}
	return m
}()

func pathName(b []byte) string {
	if p, ok := paths[string(b)]; ok {
		return p
	}
	return string(b)
}
