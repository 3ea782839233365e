// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Status is what the server knows of its zones and of those who take them.
type Status struct {
	Zones   map[string]uint32 // zone → serial
	Clients []ClientStatus    // by address, then zone
}

// ClientStatus is where one resolver stands with one zone.
type ClientStatus struct {
	Addr     netip.Addr
	Zone     string
	Serial   uint32 // of the last transfer
	Kind     string // "axfr", "ixfr", or "current" when it had all
	Records  int
	At       time.Time // of the last transfer; zero = none
	Notified uint32    // the last serial whose NOTIFY it answered
	Answered time.Time
	Problem  string // the last NOTIFY's, empty when it was answered
}

// Status returns the present state.
func (s *Server) Status() Status { return s.status.copy() }

const maxClients = 10_000

type status struct {
	mu      sync.Mutex
	zones   map[string]uint32
	clients map[clientZone]ClientStatus
}

type clientZone struct {
	addr netip.Addr
	zone string
}

func (t *status) at(zone string, serial uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.zones == nil {
		t.zones = map[string]uint32{}
	}
	t.zones[zone] = serial
}

func (t *status) change(addr netip.Addr, zone string, f func(*ClientStatus)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := clientZone{addr, zone}
	c, known := t.clients[key]
	if !known && len(t.clients) >= maxClients {
		return
	}
	if t.clients == nil {
		t.clients = map[clientZone]ClientStatus{}
	}
	c.Addr, c.Zone = addr, zone
	f(&c)
	t.clients[key] = c
}

func (t *status) transferred(addr netip.Addr, zone, kind string, serial uint32, records int, at time.Time) {
	t.change(addr, zone, func(c *ClientStatus) { c.Serial, c.Kind, c.Records, c.At = serial, kind, records, at })
}

func (t *status) notified(to netip.AddrPort, zone string, serial uint32, at time.Time) {
	t.change(to.Addr().Unmap(), zone, func(c *ClientStatus) { c.Notified, c.Answered, c.Problem = serial, at, "" })
}

func (t *status) unanswered(to netip.AddrPort, zone string, err error) {
	t.change(to.Addr().Unmap(), zone, func(c *ClientStatus) { c.Problem = err.Error() })
}

func (t *status) copy() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := Status{Zones: map[string]uint32{}}
	maps.Copy(out.Zones, t.zones)
	for _, c := range t.clients {
		out.Clients = append(out.Clients, c)
	}
	slices.SortFunc(out.Clients, func(a, b ClientStatus) int {
		if c := a.Addr.Compare(b.Addr); c != 0 {
			return c
		}
		if a.Zone < b.Zone {
			return -1
		}
		return 1
	})
	return out
}
