// SPDX-License-Identifier: Apache-2.0

package demodata_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
)

// event makes a MISP event.
func event() []byte {
	n := 0
	attribute := func(typ, category, value string, ids bool, more object) object {
		n++
		o := object{
			"uuid": bare(fmt.Sprintf("misp/attribute/%d", n)), "type": typ, "category": category, "value": value, "to_ids": ids,
			"timestamp": "1770800000", "distribution": "5", "comment": "", "deleted": false,
		}
		maps.Copy(o, more)
		return o
	}
	file := object{
		"uuid": bare("misp/object/1"), "name": "file", "meta-category": "file", "distribution": "5", "timestamp": "1770800000", "comment": "The encryptor",
		"Attribute": []object{
			attribute("filename", "Payload delivery", "lamp-black.exe", false, object{"object_relation": "filename"}),
			attribute("md5", "Payload delivery", "9e107d9d372bb6826bd81d3542a419d6", true, object{"object_relation": "md5"}),
			attribute("sha256", "Payload delivery", "d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592", true, object{"object_relation": "sha256"}),
		},
		"ObjectReference": []object{{"uuid": bare("misp/reference/1"), "relationship_type": "downloaded-from"}},
	}
	e := object{
		"uuid": bare("misp/event/1"), "info": "LampBlack ransomware at a port operator (fiction)", "date": "2026-02-08", "threat_level_id": "1", "analysis": "2",
		"published": true, "timestamp": "1770900000", "publish_timestamp": "1770900100", "distribution": "1",
		"Orgc": object{"uuid": bare("misp/org/1"), "name": "Old Quay CERT (fiction)"},
		"Org":  object{"uuid": bare("misp/org/1"), "name": "Old Quay CERT (fiction)"},
		"Tag": []object{
			{"name": "tlp:amber"}, {"name": "PAP:GREEN"}, {"name": `rsit:malicious-code="malware-distribution"`}, {"name": `misp-galaxy:ransomware="LampBlack"`},
		},
		"Galaxy": []object{{"name": "Ransomware", "GalaxyCluster": []object{{"tag_name": `misp-galaxy:ransomware="LampBlack"`, "value": "LampBlack"}}}},
		"Attribute": []object{
			attribute("domain", "Network activity", "keys.lamp-black.test", true, object{"comment": "Key server"}),
			attribute("hostname", "Network activity", "upload.lamp-black.test", true, object{"first_seen": "2026-02-07T11:00:00.000000+00:00"}),
			attribute("domain|ip", "Network activity", "leak.lamp-black.example|203.0.113.91", true, nil),
			attribute("ip-dst|port", "Network activity", "203.0.113.92|4444", true, nil),
			attribute("ip-dst", "Network activity", "2001:db8:bad:92::2", true, object{"Tag": []object{{"name": "tlp:red"}}}),
			attribute("url", "Payload delivery", "http://drop.lamp-black.test/a/lamp.bin", true, nil),
			attribute("uri", "Network activity", "/lamp/gate.php", true, nil),
			attribute("filename|sha256", "Payload delivery", "invoice.docx|ef537f25c895bfa782526529a9b63d97aa631564d5d789c2b765448c8635fb6c", true, nil),
			attribute("email-src", "Payload delivery", "accounts@lamp-black.example", true, nil),
			attribute("regkey", "Persistence mechanism", `HKCU\Software\LampBlack`, true, nil),
			attribute("domain", "Network activity", "harmless-but-noted.example", false, object{"comment": "Not for detection"}),
			attribute("text", "Other", "Written by the exercise desk. Fiction.", false, nil),
			attribute("domain", "Network activity", "not-after-all.lamp-black.test", true, object{"deleted": true}),
		},
		"Object": []object{file},
	}
	return pretty(object{"Event": e})
}

// lookups are the records of one morning: mostly harmless, some not.
type lookup struct {
	at     float64
	client string
	name   string
	answer string
	uid    string
	port   int
	id     int
}

// harmless are names that nobody is after.
var harmless = []string{
	"www.harbour.example", "news.coast.example", "mail.ministry.gov.example", "intranet.ministry.gov.example", "time.metrology.example", "wiki.lighthouse.test",
	"login.tax-office.example", "portal.hospitals.example", "updates.vendor.test", "images.coast.example", "cdn-commons.example", "api.weather.example",
	"static.library.test", "video.lecture.example", "forms.free-forms.test", "maps.survey.example",
}

// bad are names of the bundle, the event and the list, and names below them.
func bad() []string {
	out := []string{
		"sync.tide-hook.example", "a7.sync.tide-hook.example", "relay.tide-hook.test", "stage2.lamp-black.example", "portal-login.salt-lantern.example",
		"keys.lamp-black.test", "quiet.kelpie.example", "operator.grey-heron.invalid", "evidence.grey-heron.example", "shared-pages.example",
		"SYNC.Tide-Hook.EXAMPLE", "login.ministry.gov.example",
	}
	for i, d := range listed(12) {
		if i%2 == 0 {
			d = "www." + d
		}
		out = append(out, d)
	}
	return out
}

func lookups(seed uint64, n int) []lookup {
	r := random(seed)
	at := 1773042000.0 // 2026-03-09T07:40:00Z
	evil := bad()
	all := make([]lookup, n)
	for i := range all {
		at += r.ExpFloat64() * 9
		l := lookup{at: at, client: client(r), name: harmless[r.IntN(len(harmless))], answer: fmt.Sprintf("198.51.100.%d", 100+r.IntN(28)), uid: "C" + hexString(r, 16), port: 1024 + r.IntN(60000), id: r.IntN(65536)}
		if i%9 == 4 {
			l.name, l.answer = evil[(i/9)%len(evil)], badAddress(r)
		}
		all[i] = l
	}
	return all
}

// client returns an address inside the institution.
func client(r *rand.Rand) string { return fmt.Sprintf("198.51.100.%d", 10+r.IntN(40)) }

// dnsLog makes Zeek's tab-separated dns.log.
func dnsLog() []byte {
	var b bytes.Buffer
	b.WriteString("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n#open\t2026-03-09-07-40-00\n")
	b.WriteString("#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\trtt\tquery\tqclass\tqclass_name\tqtype\tqtype_name\trcode\trcode_name\tAA\tTC\tRD\tRA\tZ\tanswers\tTTLs\trejected\n")
	b.WriteString("#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tcount\tinterval\tstring\tcount\tstring\tcount\tstring\tcount\tstring\tbool\tbool\tbool\tbool\tcount\tvector[string]\tvector[interval]\tbool\n")
	for _, l := range lookups(2, 320) {
		fields := []string{
			fmt.Sprintf("%.6f", l.at), l.uid, l.client, fmt.Sprint(l.port), "198.51.100.53", "53", "udp", fmt.Sprint(l.id), "0.004100", l.name,
			"1", "C_INTERNET", "1", "A", "0", "NOERROR", "F", "F", "T", "T", "0", l.answer, "300.000000", "F",
		}
		b.WriteString(strings.Join(fields, "\t") + "\n")
	}
	b.WriteString("#close\t2026-03-09-08-40-00\n")
	return b.Bytes()
}

// dnsJSON makes Zeek's dns.log as JSON lines.
func dnsJSON() []byte {
	var b bytes.Buffer
	for _, l := range lookups(3, 280) {
		fmt.Fprintf(&b, `{"ts":%.6f,"uid":%q,"id.orig_h":%q,"id.orig_p":%d,"id.resp_h":"198.51.100.53","id.resp_p":53,"proto":"udp","trans_id":%d,"rtt":0.0041,"query":%q,"qclass":1,"qclass_name":"C_INTERNET","qtype":1,"qtype_name":"A","rcode":0,"rcode_name":"NOERROR","AA":false,"TC":false,"RD":true,"RA":true,"Z":0,"answers":[%q],"TTLs":[300.0],"rejected":false}`+"\n",
			l.at, l.uid, l.client, l.port, l.id, l.name, l.answer)
	}
	return b.Bytes()
}
