// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"

	"accord"
	"accord/api"
	"accord/exchange"
	"accord/misp"
)

// partnerMISP is what parties read with MISP and PyMISP, on listen.node.
func (r *running) partnerMISP(a *api.API) (*misp.Server, error) {
	return r.mispServer(func(req *http.Request, secret string) (misp.Caller, error) {
		parties, err := r.db.Parties(req.Context())
		if err != nil {
			return misp.Caller{}, err
		}
		if p, err := exchange.PartyOf(req.TLS, parties); err == nil {
			return misp.Caller{Name: p.Name, Party: p.Name}, nil
		}
		t, err := mispToken(a, req, secret)
		if err != nil {
			return misp.Caller{}, err
		}
		if t.Party == "" {
			return misp.Caller{}, misp.ErrUnauthenticated
		}
		return misp.Caller{Name: t.Name, Party: t.Party}, nil
	})
}

// ownMISP is what the authority's own tools read, on listen.console.
func (r *running) ownMISP(a *api.API) (*misp.Server, error) {
	return r.mispServer(func(req *http.Request, secret string) (misp.Caller, error) {
		t, err := mispToken(a, req, secret)
		if err != nil {
			return misp.Caller{}, err
		}
		if t.Party != "" || !t.Role.Includes(accord.RoleReader) {
			return misp.Caller{}, misp.ErrUnauthenticated
		}
		return misp.Caller{Name: t.Name, Role: t.Role}, nil
	})
}

func (r *running) mispServer(who func(*http.Request, string) (misp.Caller, error)) (*misp.Server, error) {
	return misp.New(misp.Config{
		Backend: r.misp, Authenticate: who, Org: exchange.OrgOf(r.self), Version: versionText(), Now: now, Log: r.env.log,
	})
}

// mispToken returns the token that a secret is.
func mispToken(a *api.API, req *http.Request, secret string) (accord.Token, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+secret)
	t, err := a.Bearer(req)
	if err != nil && api.Unauthorised(err) {
		return t, misp.ErrUnauthenticated
	}
	return t, err
}
