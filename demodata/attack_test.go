// SPDX-License-Identifier: Apache-2.0

package demodata_test

import "maps"

// named gives an object the identifier that ATT&CK has for what it describes.
func named(ext string, more object) object {
	o := object{"external_references": []object{{"source_name": "mitre-attack", "external_id": ext}}}
	maps.Copy(o, more)
	return o
}

func phases(names ...string) (out []object) {
	for _, n := range names {
		out = append(out, object{"kill_chain_name": "mitre-attack", "phase_name": n})
	}
	return out
}

// tactics are some of ATT&CK's, in its order.
var tactics = []struct{ ext, name, short, text string }{
	{"TA0043", "Reconnaissance", "reconnaissance", "Learning about the target before touching it."},
	{"TA0001", "Initial Access", "initial-access", "Getting a first foothold."},
	{"TA0002", "Execution", "execution", "Running code of one's own."},
	{"TA0003", "Persistence", "persistence", "Staying across restarts and changed passwords."},
	{"TA0006", "Credential Access", "credential-access", "Taking names and passwords."},
	{"TA0011", "Command and Control", "command-and-control", "Speaking with what was left behind."},
	{"TA0010", "Exfiltration", "exfiltration", "Carrying data out."},
	{"TA0040", "Impact", "impact", "Breaking, or holding to ransom."},
}

// patterns are some of ATT&CK's techniques, described in words of our own.
var patterns = []struct {
	ext, name string
	phases    []string
	platforms []string
	text      string
}{
	{"T1595", "Active Scanning", []string{"reconnaissance"}, []string{"PRE"}, "Whoever scans learns which doors stand open. In this sample the port authority's edge was scanned for two weeks before the first message came."},
	{"T1566", "Phishing", []string{"initial-access"}, []string{"Windows", "macOS", "Linux"}, "A message that asks to be believed: it carries a file, a link, or only a story.\n\nWhat to look for:\n\n- names that resemble the ministry's own\n- sign-in pages younger than a month"},
	{"T1566.001", "Spearphishing Attachment", []string{"initial-access"}, []string{"Windows", "macOS", "Linux"}, "A file that runs something when it is opened."},
	{"T1190", "Exploit Public-Facing Application", []string{"initial-access"}, []string{"Windows", "Linux", "Network Devices"}, "A flaw in what is offered to everybody lets somebody in."},
	{"T1059", "Command and Scripting Interpreter", []string{"execution"}, []string{"Windows", "macOS", "Linux"}, "What administrators type, attackers type too."},
	{"T1059.001", "PowerShell", []string{"execution"}, []string{"Windows"}, "The usual interpreter of Windows. Look for `-EncodedCommand` where nobody needs it."},
	{"T1053", "Scheduled Task/Job", []string{"execution", "persistence"}, []string{"Windows", "macOS", "Linux"}, "A task that starts the implant again."},
	{"T1110", "Brute Force", []string{"credential-access"}, []string{"Windows", "macOS", "Linux"}, "Trying until one fits."},
	{"T1071", "Application Layer Protocol", []string{"command-and-control"}, []string{"Windows", "macOS", "Linux"}, "Commands that travel as ordinary traffic."},
	{"T1071.001", "Application Layer Protocol: Web Protocols", []string{"command-and-control"}, []string{"Windows", "macOS", "Linux"}, "Commands inside HTTP and HTTPS."},
	{"T1041", "Exfiltration Over C2 Channel", []string{"exfiltration"}, []string{"Windows", "macOS", "Linux"}, "The way in is the way out."},
	{"T1490", "Inhibit System Recovery", []string{"impact"}, []string{"Windows"}, "Deleting the copies first."},
}

// techniques makes the part of ATT&CK that comes with the sample.
func techniques() []byte {
	w := &writer{desk: id("identity", "desk")}
	var order []string
	for _, t := range tactics {
		order = append(order, w.add("x-mitre-tactic", t.name, "clear", named(t.ext, object{
			"description": t.text, "x_mitre_shortname": t.short, "x_mitre_domains": []string{"enterprise-attack"},
		})))
	}
	w.add("x-mitre-matrix", "Enterprise (sample)", "clear", named("enterprise-attack", object{"tactic_refs": order}))
	ids := map[string]string{}
	for _, p := range patterns {
		ids[p.ext] = w.add("attack-pattern", p.name, "clear", named(p.ext, object{
			"description": p.text, "kill_chain_phases": phases(p.phases...), "x_mitre_platforms": p.platforms, "x_mitre_domains": []string{"enterprise-attack"},
		}))
	}
	for _, m := range []struct{ ext, name, text, against, how string }{
		{"M1031", "Network Intrusion Prevention", "Stop what is known to be bad where it passes.", "T1071", "A protective resolver answers nothing for names that indicators name."},
		{"M1017", "User Training", "People who know what a false message looks like report it.", "T1566", "Practised twice a year in this fiction."},
		{"M1053", "Data Backup", "Copies that an intruder cannot reach.", "T1490", "Kept off line."},
	} {
		c := w.add("course-of-action", m.name, "clear", named(m.ext, object{"description": m.text}))
		w.add("relationship", m.ext+m.against, "clear", object{"relationship_type": "mitigates", "source_ref": c, "target_ref": ids[m.against], "description": m.how})
	}
	malware := func(name string) string { return id("malware", name) }
	for _, u := range []struct{ by, ext, how string }{
		{malware("TideHook"), "T1071.001", "TideHook speaks HTTPS when its DNS tunnel is closed."},
		{malware("TideHook"), "T1053", "TideHook leaves a task named after the ministry's own updater."},
		{malware("LampBlack"), "T1490", "LampBlack deletes shadow copies before it encrypts."},
		{id("intrusion-set", "Grey Heron"), "T1566", "Grey Heron writes in the name of a registry of ships."},
		{id("campaign", "Salt Lantern"), "T1595", "Two weeks of scanning came before the first message."},
	} {
		w.add("relationship", u.by+"uses"+u.ext, "clear", object{"relationship_type": "uses", "source_ref": u.by, "target_ref": ids[u.ext], "description": u.how})
	}
	for _, i := range []struct{ name, ext string }{{"Phishing against ministries", "T1566"}, {"Phishing sender", "T1566"}, {"TideHook command server", "T1071"}, {"TideHook fallback server", "T1071"}, {"TideHook beacon", "T1071.001"}} {
		w.add("relationship", i.name+"indicates"+i.ext, "green", object{"relationship_type": "indicates", "source_ref": id("indicator", i.name), "target_ref": ids[i.ext]})
	}
	return pretty(object{"type": "bundle", "id": id("bundle", "techniques"), "objects": w.objects})
}
