// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"

	"accord/protect"
)

// watch looks at the zones' serials and tells the notifiers.
func (s *Server) watch(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Poll)
	defer tick.Stop()
	for {
		for _, z := range s.zones {
			serial, err := s.serialOf(ctx, z)
			if err != nil {
				if ctx.Err() == nil {
					s.log.Error("rpz server could not read a zone", "zone", z.name, "error", err)
				}
				continue
			}
			s.status.at(z.name, serial)
			for _, n := range s.notifiers {
				n.tell(z.name, serial)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// notifier tells one secondary of new serials (RFC 1996): a change waits for
// Coalesce, so that many are one; without an answer it is told again, ever more
// slowly. A secondary that is down delays no other.
type notifier struct {
	s      *Server
	to     Secondary
	signal chan struct{}

	mu    sync.Mutex
	state map[string]*told
}

// told is what one secondary knows of one zone.
type told struct {
	known bool
	want  uint32
	acked uint32
	due   time.Time
	sent  time.Time
	fails int
	held  bool
}

const (
	notifyTimeout = 2 * time.Second
	slowestRetry  = time.Minute
)

func newNotifier(s *Server, to Secondary) *notifier {
	return &notifier{s: s, to: to, signal: make(chan struct{}, 1), state: map[string]*told{}}
}

// tell notes the serial that zone has now.
func (n *notifier) tell(zone string, serial uint32) {
	n.mu.Lock()
	t := n.state[zone]
	if t == nil {
		t = &told{}
		n.state[zone] = t
	}
	fresh := !t.known || t.want != serial
	if fresh {
		if !t.known || t.want == t.acked { // nothing was waiting
			t.due = n.s.now().Add(n.s.cfg.Coalesce)
			if next := t.sent.Add(n.s.spacing(zone)); t.due.Before(next) {
				t.due = next
			}
			t.fails = 0
		}
		if !t.known {
			t.acked = serial - 1
		}
		if t.held { // there is more than what was held back: look at it again
			t.held, t.due = false, n.s.now().Add(n.s.cfg.Coalesce)
		}
		t.known, t.want = true, serial
	}
	n.mu.Unlock()
	if fresh {
		select {
		case n.signal <- struct{}{}:
		default:
		}
	}
}

func (s *Server) spacing(zone string) time.Duration {
	for _, z := range s.zones {
		if z.name == zone {
			return z.spacing
		}
	}
	return 0
}

// run tells until ctx ends.
func (n *notifier) run(ctx context.Context) {
	for {
		z, serial, wait := n.next()
		if z != nil && n.hold(ctx, z, serial) {
			continue
		}
		if z != nil {
			n.settle(z.name, serial, n.send(ctx, z, serial))
			if ctx.Err() != nil {
				return
			}
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-n.signal:
			t.Stop()
		case <-t.C:
		}
	}
}

// next returns a zone whose NOTIFY is due, or how long to wait for one.
func (n *notifier) next() (*zone, uint32, time.Duration) {
	now := n.s.now()
	n.mu.Lock()
	defer n.mu.Unlock()
	wait := time.Hour
	for _, z := range n.s.zones {
		t := n.state[z.name]
		if t == nil || t.want == t.acked {
			continue
		}
		if left := t.due.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		return z, t.want, 0
	}
	return nil, 0, wait
}

func (n *notifier) settle(zone string, serial uint32, err error) {
	now := n.s.now()
	n.mu.Lock()
	t := n.state[zone]
	t.sent = now
	if err == nil {
		t.acked, t.fails = serial, 0
		t.due = now.Add(max(n.s.cfg.Coalesce, n.s.spacing(zone))) // if it has changed meanwhile
	} else {
		t.due = now.Add(min(slowestRetry, time.Second<<min(t.fails, 10)))
		t.fails++
	}
	fails := t.fails
	n.mu.Unlock()
	if err == nil {
		n.s.status.notified(n.to.Addr, zone, serial, now)
		return
	}
	n.s.status.unanswered(n.to.Addr, zone, err)
	if fails == 1 || fails%10 == 0 {
		n.s.log.Warn("a secondary did not answer NOTIFY", "secondary", n.to.Addr, "zone", zone, "serial", serial, "tries", fails, "error", err)
	}
}

// hold puts off the NOTIFY of a hot zone that has only lost values to base, until
// the secondary has had MoveGrace to take base: it must not free them in between.
func (n *notifier) hold(ctx context.Context, z *zone, serial uint32) bool {
	if z.name != protect.ZoneHot {
		return false
	}
	n.mu.Lock()
	t, base := n.state[z.name], n.state[protect.ZoneBase]
	from := t.acked
	until := n.s.now()
	switch {
	case base == nil:
	case base.want == base.acked:
		until = base.sent.Add(n.s.cfg.MoveGrace)
	case base.fails < 5: // it will be told shortly
		until = until.Add(time.Second)
	}
	n.mu.Unlock()
	if !until.After(n.s.now()) || !n.s.onlyMoved(ctx, z, from, serial) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if t.want != serial {
		return false // it has changed meanwhile, perhaps with something new
	}
	t.held, t.due = true, until
	return true
}

// onlyMoved reports whether all that z changed between two serials is that values
// left it for base. When in doubt it says no.
func (s *Server) onlyMoved(ctx context.Context, z *zone, from, to uint32) bool {
	remove, add, ok, err := s.difference(ctx, z, from, to)
	if err != nil || !ok || len(add) > 0 || len(remove) == 0 {
		return false
	}
	for _, o := range remove {
		if has, err := s.store.ZoneHas(ctx, protect.ZoneBase, o); err != nil || !has {
			return false
		}
	}
	return true
}

// send sends one NOTIFY and waits for its answer.
func (n *notifier) send(ctx context.Context, z *zone, serial uint32) error {
	m := new(dns.Msg)
	m.SetNotify(z.origin)
	m.Answer = []dns.RR{z.soa(serial, n.s.cfg.NS)} // RFC 1996 §3.7: a hint
	c := dns.Client{Net: "udp", Timeout: notifyTimeout, TsigProvider: n.s.keys, Dialer: &net.Dialer{LocalAddr: n.from()}}
	if n.to.Key != "" {
		m.SetTsig(n.to.Key, dns.HmacSHA256, 300, n.s.now().Unix())
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	answer, _, err := c.ExchangeContext(ctx, m, n.to.Addr.String())
	if err != nil {
		return err
	}
	if answer.Rcode != dns.RcodeSuccess || answer.Opcode != dns.OpcodeNotify {
		return fmt.Errorf("answered %s", dns.RcodeToString[answer.Rcode])
	}
	return nil
}

// from returns the address that the server listens on, for a secondary takes
// NOTIFY from its primary's address; nil when the system must choose.
func (n *notifier) from() net.Addr {
	at, ok := n.s.Addr().(*net.TCPAddr)
	if !ok || at.IP.IsUnspecified() {
		return nil
	}
	own, to := at.AddrPort().Addr().Unmap(), n.to.Addr.Addr().Unmap()
	if own.Is4() != to.Is4() || own.IsLoopback() != to.IsLoopback() {
		return nil
	}
	return &net.UDPAddr{IP: at.IP, Zone: at.Zone}
}
