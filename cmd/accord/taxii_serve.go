// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"

	"accord"
	"accord/api"
	"accord/exchange"
	"accord/taxii"
)

// partnerTAXII is what parties read and write, on listen.node.
func (r *running) partnerTAXII(a *api.API) (*taxii.Server, error) {
	key := r.derive("taxii cursor")
	shelves := &exchange.Collections{Node: r.exchange, Adder: r.adder}
	return taxii.New(taxii.Config{
		Title: r.self.Title, Description: "Accord node " + r.self.Name,
		Roots: []taxii.Root{{
			Name: exchange.APIRoot, Title: r.self.Title,
			Description: "What this authority discloses to each party, and takes from it.",
		}},
		Derived: &taxii.Derived{Prefix: exchange.AgreementsRoot, Roots: shelves.Roots},
		URL:     r.self.URL, Backend: shelves, Key: key[:], Log: r.env.log, Now: now,
		Authenticate: func(req *http.Request) (taxii.Caller, error) {
			parties, err := r.db.Parties(req.Context())
			if err != nil {
				return taxii.Caller{}, err
			}
			if p, err := exchange.PartyOf(req.TLS, parties); err == nil {
				return taxii.Caller{Name: p.Name, Party: p.Name}, nil
			}
			t, err := tokenOf(a, req)
			if err != nil {
				return taxii.Caller{}, err
			}
			if t.Party == "" {
				return taxii.Caller{}, taxii.ErrUnauthenticated
			}
			return taxii.Caller{Name: t.Name, Party: t.Party}, nil
		},
	})
}

// ownTAXII is what the authority's own tools read, on listen.console: there a party's
// token is unknown, and a reader's is unknown on listen.node.
func (r *running) ownTAXII(a *api.API) (*taxii.Server, error) {
	key := r.derive("taxii cursor")
	return taxii.New(taxii.Config{
		Title: r.self.Title, Description: "The own store of Accord node " + r.self.Name,
		Roots: []taxii.Root{{
			Name: exchange.OwnRoot, Title: "The store of " + r.self.Name,
			Description: "What this node holds, for the authority's own tools.",
		}},
		Backend: &exchange.Own{Self: r.self.Name, Store: r.db}, Key: key[:], Log: r.env.log, Now: now,
		Authenticate: func(req *http.Request) (taxii.Caller, error) {
			t, err := tokenOf(a, req)
			if err != nil {
				return taxii.Caller{}, err
			}
			if t.Party != "" || !t.Role.Includes(accord.RoleReader) {
				return taxii.Caller{}, taxii.ErrUnauthenticated
			}
			return taxii.Caller{Name: t.Name, Role: t.Role}, nil
		},
	})
}

// tokenOf returns the token of a TAXII request: as Bearer, or as the password of
// Basic, as taxii2-client and others send it.
func tokenOf(a *api.API, req *http.Request) (accord.Token, error) {
	if user, password, ok := req.BasicAuth(); ok && user != "" {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+password)
	}
	t, err := a.Bearer(req)
	if err != nil && api.Unauthorised(err) {
		return t, taxii.ErrUnauthenticated
	}
	return t, err
}
