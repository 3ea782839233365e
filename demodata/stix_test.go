// SPDX-License-Identifier: Apache-2.0

package demodata_test

import "maps"

// sample is one indicator of the bundle.
type sample struct {
	name, pattern, tlp string
	labels             []string
	more               object
}

// samples are the indicators of the campaign, one for each thing that an
// agreement, a matcher or a protection must treat in its own way.
var samples = []sample{
	{"TideHook command server", "[domain-name:value = 'sync.tide-hook.example']", "green", nil, object{"confidence": 90}},
	{"TideHook fallback server", "[domain-name:value = 'relay.tide-hook.test']", "green1", nil, object{"confidence": 80}},
	{"TideHook drop zone", "[ipv4-addr:value = '203.0.113.77']", "amber", nil, object{"confidence": 85}},
	{"TideHook beacon", "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '203.0.113.78' AND network-traffic:dst_port = 8443]", "amber1", nil, nil},
	{"TideHook loader", "[file:hashes.'SHA-256' = '5f1c7ad04b1e7fbd2a3cf63b7a90ce4d1c21e6a6c1c2b4f0a8d9e3f5b6c7d8e9']", "clear", nil, nil},
	{"LampBlack ransom page", "[url:value = 'http://pay.lamp-black.example/start']", "amber", nil, object{"confidence": 75}},
	{"LampBlack staging hosts", "[domain-name:value = 'stage1.lamp-black.example' OR domain-name:value = 'stage2.lamp-black.example']", "green", nil, nil},
	{"Phishing against ministries", "[domain-name:value = 'portal-login.salt-lantern.example']", "amber", []string{"phishing"}, object{"confidence": 95}},
	{"Phishing sender", "[email-addr:value = 'registry@salt-lantern.example']", "green", []string{"phishing"}, nil},
	{"Grey Heron hosting range", "[ipv4-addr:value ISSUBSET '203.0.113.192/27']", "strict", nil, nil},
	{"Grey Heron over IPv6", "[ipv6-addr:value = '2001:db8:bad:77::1']", "green", nil, nil},
	{"Grey Heron operator host", "[domain-name:value = 'operator.grey-heron.invalid']", "red", nil, object{"confidence": 99}},
	{"Seized server, under investigation", "[domain-name:value = 'evidence.grey-heron.example']", "amber", []string{"law-enforcement"}, nil},
	{"Own honeypot, not for others", "[domain-name:value = 'honey.grey-heron.example']", "green", []string{"internal-only"}, nil},
	{"Watch, do not touch", "[domain-name:value = 'watch.grey-heron.example']", "amber", []string{"pap:red"}, nil},
	{"Last year's server", "[domain-name:value = 'old.tide-hook.example']", "clear", nil, object{"valid_from": "2025-01-01T00:00:00Z", "valid_until": "2025-06-01T00:00:00Z"}},
	{"Mistaken for malicious", "[domain-name:value = 'mistake.tide-hook.example']", "white1", nil, object{"revoked": true}},
	{"Page on a shared host", "[domain-name:value = 'shared-pages.example']", "green", nil, object{"description": "Right about the page, wrong about the host: the warning list holds it back."}},
	{"Ministry name abused as sender", "[domain-name:value = 'login.ministry.gov.example']", "green", nil, object{"description": "The critical list holds it back."}},
	{"Query, then connection", "[domain-name:value = 'first.tide-hook.example'] FOLLOWEDBY [ipv4-addr:value = '203.0.113.80'] WITHIN 300 SECONDS", "green", nil, object{"description": "Neither value alone is the indicator."}},
	{"Name outside Latin script", "[domain-name:value = 'فانوس-الملح.example']", "green", nil, nil},
	{"TideHook mutex", "[mutex:name = 'Global\\\\tide-hook-7']", "green", nil, object{"description": "Nothing that network telemetry shows."}},
	{"TideHook in memory", "rule tide_hook { strings: $a = \"TIDEHOOK-7\" condition: $a }", "amber", nil, object{"pattern_type": "yara"}},
}

// victims are the harmed, with their sectors.
var victims = []struct{ name, sector string }{
	{"Ministry of Ports (fiction)", "government-national"},
	{"Saint Elmo Hospital (fiction)", "healthcare"},
	{"North Grid Operator (fiction)", "energy"},
}

// writer gathers the objects of a bundle.
type writer struct {
	desk    string
	objects []object
}

func (w *writer) add(typ, name, tlp string, more object) string {
	o := object{
		"type": typ, "spec_version": "2.1", "id": id(typ, name), "created": born, "modified": changed, "created_by_ref": w.desk,
		"object_marking_refs": marked(tlp),
	}
	if typ != "relationship" && typ != "sighting" && typ != "note" {
		o["name"] = name
	}
	maps.Copy(o, more)
	w.objects = append(w.objects, o)
	return o["id"].(string)
}

func (w *writer) relate(kind, from, to, tlp string) string {
	return w.add("relationship", from+kind+to, tlp, object{"relationship_type": kind, "source_ref": from, "target_ref": to})
}

// sought adds the samples and returns their ids.
func (w *writer) sought() []string {
	var sought []string
	for _, s := range samples {
		o := object{"pattern": s.pattern, "pattern_type": "stix", "valid_from": born, "indicator_types": []string{"malicious-activity"}}
		if s.labels != nil {
			o["labels"] = s.labels
		}
		maps.Copy(o, s.more)
		sought = append(sought, w.add("indicator", s.name, s.tlp, o))
	}
	return sought
}

// bundle21 makes the campaign.
func bundle21() []byte {
	w := &writer{desk: id("identity", "desk")}
	w.objects = append(w.objects, object{
		"type": "marking-definition", "spec_version": "2.1", "id": "marking-definition--" + marking["strict"], "created": "2022-10-01T00:00:00.000Z",
		"name":       "TLP:AMBER+STRICT",
		"extensions": object{"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": object{"extension_type": "property-extension", "tlp_2_0": "amber+strict"}},
	}, object{
		"type": "identity", "spec_version": "2.1", "id": w.desk, "created": born, "modified": born, "name": "Harbour Research Desk (fiction)",
		"identity_class": "organization", "sectors": []string{"technology"}, "contact_information": "desk@harbour-research.example",
		"object_marking_refs": marked("clear"), "x_demo_note": "an unknown property, which survives",
	})
	heron := w.add("intrusion-set", "Grey Heron", "green", object{"aliases": []string{"GH-7"}, "resource_level": "government", "primary_motivation": "organizational-gain"})
	lantern := w.add("campaign", "Salt Lantern", "green", object{"first_seen": "2026-01-12T00:00:00Z", "objective": "Access to port and hospital networks. Fiction."})
	hook := w.add("malware", "TideHook", "green", object{"is_family": true, "malware_types": []string{"backdoor", "remote-access-trojan"}})
	black := w.add("malware", "LampBlack", "amber", object{"is_family": true, "malware_types": []string{"ransomware"}})
	pipe := w.add("tool", "QuietPipe", "clear", object{"tool_types": []string{"remote-access"}})
	techniques := map[string]string{}
	for _, t := range [][3]string{{"T1566.002", "Spearphishing Link", "initial-access"}, {"T1071.004", "Application Layer Protocol: DNS", "command-and-control"}, {"T1486", "Data Encrypted for Impact", "impact"}} {
		techniques[t[0]] = w.add("attack-pattern", t[1], "clear", named(t[0], object{"kill_chain_phases": phases(t[2])}))
	}
	all := []string{heron, lantern, hook, black, pipe}
	var harmed []string
	for _, v := range victims {
		harmed = append(harmed, w.add("identity", v.name, "amber", object{"identity_class": "organization", "sectors": []string{v.sector}, "roles": []string{"victim"}}))
	}
	sought := w.sought()
	w.relate("attributed-to", lantern, heron, "green")
	w.relate("uses", lantern, hook, "green")
	w.relate("uses", lantern, black, "amber")
	w.relate("uses", heron, pipe, "clear")
	for _, t := range []string{"T1566.002", "T1071.004"} {
		w.relate("uses", hook, techniques[t], "clear")
	}
	w.relate("uses", black, techniques["T1486"], "clear")
	for i, s := range sought {
		switch {
		case i < 5:
			w.relate("indicates", s, hook, "green")
		case i < 7:
			w.relate("indicates", s, black, "amber")
		case i < 12:
			w.relate("indicates", s, lantern, "green")
		}
	}
	for _, v := range harmed {
		w.relate("targets", lantern, v, "amber")
	}
	w.add("sighting", "first sighting", "amber", object{
		"sighting_of_ref": sought[0], "where_sighted_refs": harmed[:1], "first_seen": "2026-02-09T22:14:05Z", "last_seen": "2026-02-10T03:00:00Z", "count": 12,
	})
	w.add("note", "how the desk knows", "red", object{"content": "From a source that must not be named. Fiction.", "object_refs": []string{heron}})
	w.add("report", "Salt Lantern: a campaign against ports and hospitals", "amber", object{
		"report_types": []string{"campaign", "threat-report"}, "published": "2026-02-10T10:00:00Z", "object_refs": append(append(all, sought...), harmed...),
		"description": "The whole of it, with victims named: what a partner gets of it is the agreement's to decide. Fiction.",
	})
	w.add("report", "TideHook: what to look for", "green", object{
		"report_types": []string{"indicator", "malware"}, "published": "2026-02-10T10:05:00Z", "object_refs": append([]string{hook}, sought[:5]...),
	})
	return pretty(object{"type": "bundle", "id": id("bundle", "salt-lantern"), "objects": w.objects})
}

// bundle20 makes an older report, in STIX 2.0.
func bundle20() []byte {
	desk := id("identity", "quay")
	base := func(typ, name string, more object) object {
		o := object{
			"type": typ, "id": id(typ, "20/"+name), "created": "2019-05-06T07:08:09.000Z", "modified": "2019-05-06T07:08:09.000Z",
			"created_by_ref": desk, "object_marking_refs": marked("green1"), "name": name,
		}
		maps.Copy(o, more)
		return o
	}
	kelp := base("malware", "Kelpie", object{"labels": []string{"trojan"}})
	domain := base("indicator", "Kelpie server", object{"labels": []string{"malicious-activity"}, "pattern": "[domain-name:value = 'quiet.kelpie.example']", "valid_from": "2019-05-06T07:08:09Z"})
	address := base("indicator", "Kelpie address", object{"labels": []string{"malicious-activity"}, "pattern": "[ipv4-addr:value = '192.0.2.201']", "valid_from": "2019-05-06T07:08:09Z"})
	file := base("indicator", "Kelpie file", object{"labels": []string{"malicious-activity"}, "pattern": "[file:hashes.MD5 = '0f343b0931126a20f133d67c2b018a3b']", "valid_from": "2019-05-06T07:08:09Z"})
	objects := []object{
		{"type": "identity", "id": desk, "created": "2019-05-06T07:08:09.000Z", "modified": "2019-05-06T07:08:09.000Z", "name": "Old Quay CERT (fiction)", "identity_class": "organization"},
		{"type": "marking-definition", "id": "marking-definition--" + marking["green1"], "created": "2017-01-20T00:00:00.000Z", "definition_type": "tlp", "definition": object{"tlp": "green"}},
		kelp, domain, address, file,
	}
	refs := []string{}
	for _, o := range []object{domain, address, file} {
		refs = append(refs, o["id"].(string))
		r := base("relationship", "indicates "+o["name"].(string), object{"relationship_type": "indicates", "source_ref": o["id"], "target_ref": kelp["id"]})
		delete(r, "name")
		objects = append(objects, r)
	}
	objects = append(objects, base("report", "Kelpie in quiet harbours", object{
		"labels": []string{"threat-report"}, "published": "2019-05-07T00:00:00Z", "object_refs": append([]string{kelp["id"].(string)}, refs...),
	}))
	return pretty(object{"type": "bundle", "id": id("bundle", "quiet-harbour"), "spec_version": "2.0", "objects": objects})
}
