// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"text/template"

	"accord"
)

// Resolver says for which resolver a configuration is written.
type Resolver struct {
	Kind    string         // "bind" (9.16 or later) or "unbound" (1.14 or later)
	Primary netip.AddrPort // where this node's server is reached from the resolver
	Key     Key            // bind only; without a name the transfer is unsigned
	Dir     string         // where the resolver keeps its copies; default "/var/cache/bind" or "/var/lib/unbound"
}

// File is one configuration file.
type File struct {
	Name  string
	Where string // where it is to be included, for people
	Text  string
}

// ResolverConfig returns the files that make r a secondary of c's zones and
// enforce them: allow first, then hot, then base. A key's secret is in them.
func ResolverConfig(c Config, r Resolver) ([]File, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.Key.Name != "" {
		r.Key.Name = strings.TrimSuffix(strings.ToLower(r.Key.Name), ".") + "."
	}
	zones := []string{c.Allow, c.Hot, c.Base}
	for i := range zones {
		zones[i] = strings.TrimSuffix(zones[i], ".")
	}
	data := map[string]any{
		"Zones": zones, "Addr": r.Primary.Addr().Unmap(), "Port": r.Primary.Port(), "Key": r.Key,
		"Dir": strings.TrimSuffix(r.Dir, "/"),
	}
	var files []File
	for _, f := range resolverFiles[r.Kind] {
		var b bytes.Buffer
		if err := resolverText.ExecuteTemplate(&b, f.Name, data); err != nil {
			return nil, fmt.Errorf("resolver configuration: %w", err)
		}
		files = append(files, File{Name: f.Name, Where: f.Where, Text: b.String()})
	}
	return files, nil
}

// check also sets the default folder.
func (r *Resolver) check() error {
	dirs := map[string]string{"bind": "/var/cache/bind", "unbound": "/var/lib/unbound"}
	def, known := dirs[r.Kind]
	if r.Dir == "" {
		r.Dir = def
	}
	why := ""
	switch {
	case !known:
		why = fmt.Sprintf("kind %q: want bind or unbound", r.Kind)
	case !r.Primary.IsValid():
		why = "no address of the primary"
	case strings.ContainsAny(r.Dir, "\"\\\n\r"):
		why = fmt.Sprintf("folder %q", r.Dir)
	case r.Key.Name != "" && r.Kind == "unbound":
		why = "Unbound knows no TSIG: let it in by its address, on this machine or through a tunnel"
	}
	if why != "" {
		return fmt.Errorf("resolver configuration: %w: %s", accord.ErrInvalid, why)
	}
	if r.Key.Name == "" {
		return nil
	}
	return (&Config{Keys: []Key{r.Key}}).checkKeys()
}

var resolverFiles = map[string][]File{
	"bind": {
		{Name: "accord-zones.conf", Where: "named.conf, at the top level"},
		{Name: "accord-policy.conf", Where: "named.conf, inside options {} or the view that clients use"},
	},
	"unbound": {{Name: "accord-unbound.conf", Where: "unbound.conf, at the top level"}},
}

var resolverText = template.Must(template.New("").Parse(`
{{- define "accord-policy.conf" -}}
// Accord protection zones, for BIND 9.16 or later: include inside options {}.
//
// min-update-interval 0: a change is enforced at once; BIND's default waits 60 s.
// qname-wait-recurse no: a blocked name is answered without asking for it first.
// break-dnssec yes: signed names are blocked too, for clients that ask for
// signatures; those that validate see a failure.
// The order is that of precedence: the first zone that speaks of a name decides.
response-policy {
{{- range .Zones}}
	zone "{{.}}" min-update-interval 0;
{{- end}}
} qname-wait-recurse no break-dnssec yes nsip-enable no nsdname-enable no;
{{end}}
{{- define "accord-zones.conf" -}}
// Accord protection zones, for BIND 9.16 or later: include at the top level.
{{- with .Key.Name}}

key "{{.}}" {
	algorithm hmac-sha256;
	secret "{{$.Key.Secret}}";
};
{{- end}}
{{range .Zones}}
zone "{{.}}" {
	type secondary;
	file "{{$.Dir}}/{{.}}.db";
	primaries { {{$.Addr}} port {{$.Port}}{{with $.Key.Name}} key "{{.}}"{{end}}; };
	allow-notify { {{with $.Key.Name}}key "{{.}}"{{else}}{{$.Addr}}{{end}}; };
	allow-query { localhost; };
	allow-transfer { none; };
	notify no;
	request-ixfr yes;
	max-journal-size 64m;
};
{{end}}{{end}}
{{- define "accord-unbound.conf" -}}
# Accord protection zones, for Unbound 1.14 or later: include at the top level.
# respip must come first in module-config: when yours sets it already, change it
# there and remove it here.
server:
	module-config: "respip validator iterator"

# The order is that of precedence: the first zone that speaks of a name decides.
{{range .Zones}}
rpz:
	name: {{.}}
	primary: {{$.Addr}}@{{$.Port}}
	allow-notify: {{$.Addr}}
	for-downstream: no
	zonefile: "{{$.Dir}}/{{.}}.zone"
	rpz-log: yes
	rpz-log-name: {{.}}
{{end}}{{end}}`))
