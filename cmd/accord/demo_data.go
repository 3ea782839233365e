// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"accord"
	"accord/demodata"
)

// demoData is what the demonstration reads.
type demoData struct {
	kind     string // "real" or "sample"
	describe string
	feeds    []demoFeed
	warnings string // folder of MISP warning lists
	logs     []demoLog
}

// demoFeed is one accord ingest.
type demoFeed struct {
	source, path, unmarked string
	flags                  []string
}

// demoLog is one Zeek DNS log, gzip or not.
type demoLog struct {
	path string
	json bool
}

// realParts is what a folder of real data must hold to be used.
var realParts = []string{
	"indicators/maltrail.tsv.gz", "stix/attack-enterprise.stix20.json.gz", "stix/attack-ics.stix21.json.gz",
	"stix/attack-mobile.stix21.json.gz", "stix/unit42-reports.tar.gz", "misp/eset-events.tar.gz",
	"warninglists", "zeek/zeek-default/dns.log.gz", "zeek/zeek-json/dns.json.gz",
}

// findData returns the real data when it is there, else the sample, written
// into dir.
func findData(c *demoCmd, dir string) (demoData, error) {
	sample, err := sampleData(dir)
	if err != nil || c.Sample {
		return sample, err
	}
	root := c.Data
	if root == "" {
		if root, err = filepath.Abs(filepath.Join("..", "shared", "data")); err != nil {
			return demoData{}, err
		}
	}
	for _, part := range realParts {
		if _, err := os.Stat(filepath.Join(root, part)); err != nil {
			if c.Data != "" {
				return demoData{}, fmt.Errorf("%w: --data %s: %w", accord.ErrNotFound, c.Data, err)
			}
			sample.describe = "NO REAL DATA HERE (" + root + "): using the fictional sample that comes with the program."
			return sample, nil
		}
	}
	at := func(part string) string { return filepath.Join(root, part) }
	list := demoFeed{source: "maltrail", path: at(realParts[0]), unmarked: "green"}
	if !c.All {
		list.flags = []string{"--limit", fmt.Sprint(c.Rows)}
	}
	rows := "all rows"
	if !c.All {
		rows = fmt.Sprintf("%d rows", c.Rows)
	}
	return demoData{
		kind:     "real",
		describe: fmt.Sprintf("Real data from %s (%s of the indicator list), and the fictional sample for what must stay.", root, rows),
		feeds: append([]demoFeed{
			{source: "mitre-attack", path: at(realParts[1]), unmarked: "clear"},
			{source: "mitre-attack", path: at(realParts[2]), unmarked: "clear"},
			{source: "mitre-attack", path: at(realParts[3]), unmarked: "clear"},
			{source: "unit42", path: at(realParts[4]), unmarked: "green"},
			{source: "eset", path: at(realParts[5]), unmarked: "amber"},
			list,
		}, sample.feeds...),
		warnings: at("warninglists"),
		logs:     []demoLog{{path: at("zeek/zeek-default/dns.log.gz")}, {path: at("zeek/zeek-json/dns.json.gz"), json: true}},
	}, nil
}

// sampleData writes the sample into dir.
func sampleData(dir string) (demoData, error) {
	root := filepath.Join(dir, "sample")
	if err := os.MkdirAll(filepath.Join(root, "warninglists"), 0o700); err != nil {
		return demoData{}, err
	}
	err := fs.WalkDir(demodata.FS, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := demodata.FS.ReadFile(name)
		if err != nil {
			return err
		}
		to := filepath.Join(root, name)
		if name == demodata.Warning {
			to = filepath.Join(root, "warninglists", strings.Replace(name, ".warninglist.json", ".json", 1))
		}
		return os.WriteFile(to, b, 0o600)
	})
	d := demoData{
		kind: "sample", describe: "The fictional sample that comes with the program.",
		warnings: filepath.Join(root, "warninglists"),
		logs:     []demoLog{{path: filepath.Join(root, demodata.DNSLog)}, {path: filepath.Join(root, demodata.DNSJSON), json: true}},
	}
	for _, name := range demodata.Intelligence {
		d.feeds = append(d.feeds, demoFeed{source: "sample", path: filepath.Join(root, name), unmarked: "amber"})
	}
	return d, err
}

// mixLog copies a Zeek DNS log to a file and puts lines that ask for names
// between its own, evenly, with the present as their time.
func mixLog(from demoLog, to string, names []string, at time.Time) (lines int, err error) {
	in, err := os.Open(from.path)
	if err != nil {
		return 0, err
	}
	defer in.Close() //nolint:errcheck // only read
	var r io.Reader = in
	if strings.HasSuffix(from.path, ".gz") {
		z, err := gzip.NewReader(in)
		if err != nil {
			return 0, err
		}
		r = z
	}
	out, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 1<<20), 1<<20)
	const every = 200
	for scan.Scan() {
		if _, err := fmt.Fprintf(w, "%s\n", scan.Bytes()); err != nil {
			return lines, errors.Join(err, out.Close())
		}
		lines++
		if lines%every == 0 && lines/every <= len(names) {
			line := dnsLine(names[lines/every-1], at.Add(time.Duration(lines)*time.Microsecond), from.json)
			if _, err := w.WriteString(line); err != nil {
				return lines, errors.Join(err, out.Close())
			}
		}
	}
	return lines, errors.Join(scan.Err(), w.Flush(), out.Close())
}

// dnsLine is one Zeek DNS record of a client that asks for name.
func dnsLine(name string, at time.Time, json bool) string {
	ts := fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000)
	if json {
		return fmt.Sprintf(`{"_path":"dns","ts":%s,"uid":"CaccordDemo%d","id.orig_h":"192.0.2.77","id.orig_p":40000,"id.resp_h":"192.0.2.53","id.resp_p":53,"proto":"udp","query":%q,"qtype":1,"qtype_name":"A"}`+"\n",
			ts, at.UnixMicro()%1e6, name)
	}
	return fmt.Sprintf("%s\tCaccordDemo%d\t192.0.2.77\t40000\t192.0.2.53\t53\tudp\t1\t-\t%s\t1\tC_INTERNET\t1\tA\t-\t-\tF\tF\tT\tF\t0\t-\t-\tF\n",
		ts, at.UnixMicro()%1e6, name)
}
