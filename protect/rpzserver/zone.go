// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"accord"
	"accord/format/rpz"
	"accord/protect"
)

// zoneAllow is the zone of the nation's critical names. It is not in the store:
// it is as the lists are when the server starts, and so is its serial.
const zoneAllow = "allow"

// zone is one served zone.
type zone struct {
	name    string // the store's
	origin  string
	ttl     uint32
	refresh uint32
	spacing time.Duration
	static  bool
	serial  uint32   // of a static zone
	records []dns.RR // of a static zone
}

// SOA timers that are the same for all zones. Expire is long: a resolver that
// lost this node keeps blocking what it knows.
const (
	soaRetry  = 10
	soaExpire = 7 * 24 * 3600
	soaMin    = 30
)

func (z *zone) soa(serial uint32, ns string) dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: z.origin, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: z.ttl},
		Ns:  ns, Mbox: "hostmaster." + z.origin, Serial: serial,
		Refresh: z.refresh, Retry: soaRetry, Expire: soaExpire, Minttl: soaMin,
	}
}

func (z *zone) nameServer(ns string) dns.RR {
	return &dns.NS{Hdr: dns.RR_Header{Name: z.origin, Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: z.ttl}, Ns: ns}
}

func (z *zone) policy(owner, target string) dns.RR {
	return &dns.CNAME{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: z.ttl}, Target: target}
}

// allowRecords makes the static zone: for a name its own owner, and the wildcard
// when all under it is protected.
func (z *zone) allowRecords(allowed []protect.Allowed) error {
	seen := map[string]bool{}
	for _, a := range allowed {
		owners, err := rpz.Owners(a.Observable, z.origin)
		if err != nil {
			return fmt.Errorf("allow zone: %w", err)
		}
		if a.Kind == accord.KindDomain && !a.Under {
			owners = owners[:1]
		}
		for _, owner := range owners {
			if !seen[owner] {
				seen[owner] = true
				z.records = append(z.records, z.policy(owner, rpz.Passthru.Target()))
			}
		}
	}
	return nil
}

// lookup answers a question for a name in z that is not its origin: a policy
// record of that very name, else of the nearest wildcard above it.
func (s *Server) lookup(ctx context.Context, z *zone, qname string) (dns.RR, error) {
	if z.static {
		return z.staticLookup(qname), nil
	}
	o, _, err := rpz.Parse(qname, z.origin)
	if err != nil {
		return nil, nil //nolint:nilerr // not a trigger: there is no such name
	}
	for at := o; ; {
		has, err := s.store.ZoneHas(ctx, z.name, at)
		if err != nil {
			return nil, err
		}
		if has && !s.guarded(at) {
			return z.policy(qname, s.target), nil
		}
		parent, ok := rpz.Parent(at.Value)
		if !ok || at.Kind != accord.KindDomain {
			return nil, nil
		}
		at.Value = parent
	}
}

func (z *zone) staticLookup(qname string) dns.RR {
	find := func(owner string) bool {
		for _, r := range z.records {
			if r.Header().Name == owner {
				return true
			}
		}
		return false
	}
	if find(qname) {
		return z.policy(qname, rpz.Passthru.Target())
	}
	for at := qname; ; {
		_, rest, ok := strings.Cut(at, ".")
		if !ok || !inZone(rest, z.origin) {
			return nil
		}
		if find("*." + rest) {
			return z.policy(qname, rpz.Passthru.Target())
		}
		at = rest
	}
}

// guarded is the last word on what is served. The worker keeps such values out of
// the store; one that is there all the same is left out, loudly.
func (s *Server) guarded(o accord.Observable) bool {
	list, held := s.never.Holds(o)
	if held {
		s.log.Error("a value on the never-block list was in a zone and was not served", "value", o.Value, "list", list)
	}
	return held
}

// records appends the policy records of o in z.
func (s *Server) records(rrs []dns.RR, z *zone, o accord.Observable) []dns.RR {
	owners, err := rpz.Owners(o, z.origin)
	if err != nil {
		s.log.Error("a value in a zone cannot be served", "zone", z.name, "value", o.Value, "error", err)
		return rrs
	}
	for _, owner := range owners {
		rrs = append(rrs, z.policy(owner, s.target))
	}
	return rrs
}
