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

// ResolverConfig returns the text that makes r a secondary of c's zones and
// enforces them: allow first, then hot, then base. A key's secret is in it.
func ResolverConfig(c Config, r Resolver) (string, error) {
	c, err := c.withDefaults()
	if err != nil {
		return "", err
	}
	if !r.Primary.IsValid() {
		return "", fmt.Errorf("resolver configuration: %w: no address of the primary", accord.ErrInvalid)
	}
	if strings.ContainsAny(r.Dir, "\"\\\n\r") {
		return "", fmt.Errorf("resolver configuration: %w: folder %q", accord.ErrInvalid, r.Dir)
	}
	if r.Key.Name != "" {
		own := Config{Keys: []Key{r.Key}}
		if err := own.checkKeys(); err != nil {
			return "", err
		}
		r.Key = own.Keys[0]
	}
	dirs := map[string]string{"bind": "/var/cache/bind", "unbound": "/var/lib/unbound"}
	def, known := dirs[r.Kind]
	if !known {
		return "", fmt.Errorf("resolver configuration: %w: kind %q: want bind or unbound", accord.ErrInvalid, r.Kind)
	}
	if r.Kind == "unbound" && r.Key.Name != "" {
		return "", fmt.Errorf("resolver configuration: %w: Unbound knows no TSIG: let it in by its address, on this machine or through a tunnel", accord.ErrInvalid)
	}
	if r.Dir == "" {
		r.Dir = def
	}
	zones := []string{c.Allow, c.Hot, c.Base}
	for i := range zones {
		zones[i] = strings.TrimSuffix(zones[i], ".")
	}
	var b bytes.Buffer
	err = resolverText.ExecuteTemplate(&b, r.Kind, map[string]any{
		"Zones": zones, "Addr": r.Primary.Addr().Unmap(), "Port": r.Primary.Port(), "Key": r.Key,
		"Dir": strings.TrimSuffix(r.Dir, "/"),
	})
	return b.String(), err
}

var resolverText = template.Must(template.New("").Parse(`
{{- define "bind" -}}
// Accord protection zones for BIND 9.16 or later. Include this file from
// named.conf, and put the response-policy statement below inside options {}
// (or inside the view that clients use): BIND takes it nowhere else.
//
//	options {
//		response-policy {
{{- range .Zones}}
//			zone "{{.}}" min-update-interval 0;
{{- end}}
//		} qname-wait-recurse no break-dnssec yes nsip-enable no nsdname-enable no;
//	};
//
// min-update-interval 0: a change is enforced at once; BIND's default waits 60 s.
// qname-wait-recurse no: a blocked name is answered without asking for it first.
// break-dnssec yes: signed names are blocked too; clients that validate see SERVFAIL.
{{with .Key.Name}}
key "{{.}}" {
	algorithm hmac-sha256;
	secret "{{$.Key.Secret}}";
};
{{end}}
{{- range .Zones}}
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
{{- define "unbound" -}}
# Accord protection zones for Unbound 1.14 or later. Include this file from
# unbound.conf. respip must come first in module-config; when yours already sets
# module-config, put it there and remove the line here.
server:
	module-config: "respip validator iterator"

# The order is that of precedence: the first zone that speaks of a name decides.
{{- range .Zones}}
rpz:
	name: {{.}}
	primary: {{$.Addr}}@{{$.Port}}
	allow-notify: {{$.Addr}}
	for-downstream: no
	zonefile: "{{$.Dir}}/{{.}}.zone"
	rpz-log: yes
	rpz-log-name: {{.}}
{{end}}{{end}}`))
