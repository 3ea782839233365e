// SPDX-License-Identifier: Apache-2.0

// Package demodata is the sample intelligence and telemetry of the demonstration
// and the tutorial. All of it is fiction: names under .example, .test and .invalid (RFC
// 2606, 6761), addresses of the documentation ranges (RFC 5737, 3849), organisations,
// campaigns and malware that do not exist.
//
// The files are made by generate_test.go, always the same; "go test ./demodata
// -update" writes them anew. Formats: STIX 2.1 and 2.0, MISP core format, TSV,
// Zeek, MISP warning lists. Reading cannot fail; everything is safe for
// concurrent use.
package demodata

import "embed"

// FS holds the files named below.
//
//go:embed *.json *.tsv *.log *.txt
var FS embed.FS

// The files.
const (
	Bundle21   = "salt-lantern.stix21.json"      // a campaign: reports, malware, victims, indicators of every marking
	Bundle20   = "quiet-harbour.stix20.json"     // an older report in STIX 2.0
	Techniques = "techniques.stix21.json"        // a few tactics and techniques of ATT&CK in words of our own
	Event      = "lamp-black.misp.json"          // a MISP event with objects, tags and galaxies
	Indicators = "indicators.tsv"                // some 2,000 rows: type, value, category, family
	DNSLog     = "dns.log"                       // Zeek dns.log, tab separated
	DNSJSON    = "dns-json.log"                  // Zeek dns.log, one JSON object a line
	Warning    = "shared-hosts.warninglist.json" // a MISP warning list
	Critical   = "critical.txt"                  // a nation's own list of what must never be blocked
)

// Intelligence are the files that accord ingest reads.
var Intelligence = []string{Bundle21, Bundle20, Techniques, Event, Indicators}
