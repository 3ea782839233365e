// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"net/http"

	"accord/format/misp"
)

// spoken is the version of MISP whose interface this is. PyMISP compares it.
const spoken = "2.5.0"

// version answers servers/getVersion.
func (s *Server) version(r *http.Request, _ Caller) (answer, error) {
	return sendJSON(r, map[string]any{
		"version": spoken, "pymisp_recommended_version": spoken, "perm_sync": false, "perm_sighting": false, "perm_galaxy_editor": false,
		"perm_analyst_data": false, "uuid": s.cfg.Org.UUID, "request_encoding": []string{}, "filter_sightings": false, "accord": s.cfg.Version,
	})
}

// me answers users/view/me: who holds the key. It may read.
func (s *Server) me(r *http.Request, c Caller) (answer, error) {
	role := map[string]any{"id": "6", "name": "Read Only"}
	for _, p := range []string{
		"add", "modify", "modify_org", "publish", "delegate", "sync", "admin", "audit", "site_admin", "regexp_access", "tagger", "template",
		"sharing_group", "tag_editor", "sighting", "object_template", "publish_zmq", "publish_kafka", "decaying", "galaxy_editor", "warninglist",
		"view_feed_correlations", "server_sign", "analyst_data", "skip_otp",
	} {
		role["perm_"+p] = false
	}
	role["perm_auth"] = true
	org := s.cfg.Org
	org.ID = misp.NumberOf(org.UUID)
	return sendJSON(r, map[string]any{
		"User": map[string]any{
			"id": "1", "org_id": org.ID, "email": c.Name, "autoalert": false, "contactalert": false, "disabled": false, "termsaccepted": true,
			"role_id": "6", "change_pw": "0", "nids_sid": "0", "gpgkey": "", "certif_public": "",
		},
		"Role": role, "UserSetting": map[string]any{}, "Organisation": org,
	})
}

// describeTypes answers attributes/describeTypes.
func (s *Server) describeTypes(r *http.Request, _ Caller) (answer, error) {
	type sane struct {
		Category string `json:"default_category"`
		ToIDS    int    `json:"to_ids"`
	}
	names, defaults, mapping := []string{}, map[string]sane{}, map[string][]string{}
	for _, t := range misp.Types() {
		names = append(names, t.Name)
		d := sane{Category: t.Category}
		if t.ToIDS {
			d.ToIDS = 1
		}
		defaults[t.Name] = d
		for _, c := range t.Categories {
			mapping[c] = append(mapping[c], t.Name)
		}
	}
	return sendJSON(r, map[string]any{"result": map[string]any{
		"sane_defaults": defaults, "types": names, "categories": misp.Categories(), "category_type_mappings": mapping,
	}})
}

var _ http.Handler = (*Server)(nil)
