// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"accord"
	"accord/format/rpz"
	"accord/protect"
)

// Store is what the server needs of the node's store.
type Store interface {
	Zone(ctx context.Context, zone string) (serial uint32, values int64, err error)
	ZoneValues(ctx context.Context, zone string, after accord.Observable, limit int) ([]accord.Observable, error)
	ZoneJournal(ctx context.Context, zone string, after uint32, limit int) (changes []accord.ZoneChange, complete bool, err error)
	ZoneHas(ctx context.Context, zone string, o accord.Observable) (bool, error)
}

// Server serves the zones. Make one with [New].
type Server struct {
	cfg    Config
	store  Store
	never  protect.Holder
	now    func() time.Time
	log    *slog.Logger
	zones  []*zone
	keys   keyring
	target string // CNAME target of a block

	// UDP's sources may be forged, so what comes by UDP spends no allowance of what
	// comes by TCP, and what is not admitted none of what is.
	queries   *limiter      // admitted, by UDP
	strangers *limiter      // not admitted, by UDP
	streamed  *limiter      // by TCP
	transfers *limiter      // by TCP
	sending   chan struct{} // a place for each whole zone being sent
	wake      chan struct{}
	notifiers []*notifier
	status    status

	mu      sync.Mutex
	udp     net.PacketConn
	tcp     net.Listener
	conns   map[net.Conn]bool
	sources map[netip.Addr]int // how many of conns
	ctx     context.Context    //nolint:containedctx // the life of Run, for handlers that miekg/dns starts
}

// Requests a second and at once, for each source.
const (
	queryRate, queryBurst       = 200, 400
	strangerRate, strangerBurst = 20, 40
	transferRate, transferBurst = 20, 60
)

// New returns a server of store's zones and of the allowed names, which are
// passed through. It does not listen yet.
func New(cfg Config, store Store, never protect.Holder, allowed []protect.Allowed, now func() time.Time, log *slog.Logger) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, store: store, never: never, now: now, log: log, zones: cfg.zones(), keys: keyringOf(cfg.Keys),
		target: rpz.NXDomain.Target(), queries: newLimiter(queryRate, queryBurst, now),
		strangers: newLimiter(strangerRate, strangerBurst, now), streamed: newLimiter(queryRate, queryBurst, now),
		transfers: newLimiter(transferRate, transferBurst, now), sending: make(chan struct{}, cfg.MaxTransfers),
		wake: make(chan struct{}, 1), conns: map[net.Conn]bool{}, sources: map[netip.Addr]int{}, ctx: context.Background(),
	}
	if cfg.Garden != "" {
		s.target = cfg.Garden
	}
	for _, z := range s.zones {
		if z.static {
			z.serial = uint32(now().Unix()) // serial numbers wrap (RFC 1982)
			if err := z.allowRecords(allowed); err != nil {
				return nil, fmt.Errorf("rpz server: %w", err)
			}
		}
	}
	for _, sec := range cfg.Secondaries {
		s.notifiers = append(s.notifiers, newNotifier(s, sec))
	}
	return s, nil
}

// Changed tells the server that a zone may have changed, so that it need not wait
// for its next look. It does not block.
func (s *Server) Changed() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Listen opens the UDP and TCP sockets, on one port. Run does it when it was not
// done.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tcp != nil {
		return nil
	}
	host, port, err := net.SplitHostPort(s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("rpz server: %w: listen %q: %w", accord.ErrInvalid, s.cfg.Listen, err)
	}
	var lc net.ListenConfig
	for try := 0; ; try++ {
		tcp, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
		if err != nil {
			return fmt.Errorf("rpz server: %w", err)
		}
		// With port 0 the system chose one for TCP that may be taken for UDP.
		at := net.JoinHostPort(host, strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port))
		udp, err := lc.ListenPacket(ctx, "udp", at)
		if err == nil {
			s.tcp, s.udp = tcp, udp
			return nil
		}
		err = errors.Join(err, tcp.Close())
		if port != "0" || try == 10 {
			return fmt.Errorf("rpz server: %w", err)
		}
	}
}

// Addr returns where the server listens; nil before [Server.Listen].
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tcp == nil {
		return nil
	}
	return s.tcp.Addr()
}

// Run serves until ctx ends, and returns when all it started has stopped.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	servers := []*dns.Server{
		{PacketConn: s.udp, Handler: s, TsigProvider: s.keys, UDPSize: 4096},
		{Listener: &limitedListener{Listener: s.tcp, s: s}, Handler: s, TsigProvider: s.keys, ReadTimeout: firstMessage},
	}
	for _, srv := range servers {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		g.Go(func() error {
			if err := srv.ActivateAndServe(); err != nil && ctx.Err() == nil {
				return fmt.Errorf("rpz server: %w", err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			select {
			case <-started:
			case <-time.After(time.Second): // it failed to start
				return nil
			}
			s.closeConns()
			if err := srv.Shutdown(); err != nil {
				s.log.Debug("rpz server stopped", "error", err)
			}
			return nil
		})
	}
	for _, n := range s.notifiers {
		g.Go(func() error { n.run(ctx); return nil })
	}
	g.Go(func() error { s.watch(ctx); return nil })
	return g.Wait()
}

// ServeDNS answers one message.
func (s *Server) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	s.mu.Lock()
	ctx := s.ctx
	s.mu.Unlock()
	_, isTCP := w.RemoteAddr().(*net.TCPAddr)
	if isTCP && !s.streamed.allow(remote(w)) {
		closeQuietly(w)
		return
	}
	if rcode, tsigError := s.admit(w, r); rcode != dns.RcodeSuccess {
		if isTCP || s.strangers.allow(remote(w)) {
			s.fail(w, r, rcode, tsigError)
		}
		return
	}
	if !isTCP && !s.queries.allow(remote(w)) {
		return
	}
	// NOTIFY, UPDATE and the rest: this server is nobody's secondary.
	if r.Opcode != dns.OpcodeQuery || len(r.Question) != 1 || r.Question[0].Qclass != dns.ClassINET {
		s.fail(w, r, dns.RcodeRefused, 0)
		return
	}
	q := r.Question[0]
	q.Name = strings.ToLower(q.Name)
	z := s.zoneOf(q.Name)
	if z == nil {
		s.fail(w, r, dns.RcodeRefused, 0)
		return
	}
	switch q.Qtype {
	case dns.TypeAXFR, dns.TypeIXFR:
		if q.Name != z.origin {
			s.fail(w, r, dns.RcodeNotAuth, 0)
			return
		}
		s.transfer(ctx, w, r, z, isTCP)
	default:
		s.answer(ctx, w, r, z, q)
	}
}

func (s *Server) zoneOf(name string) *zone {
	for _, z := range s.zones {
		if inZone(name, z.origin) {
			return z
		}
	}
	return nil
}

// answer answers an ordinary question from the zone.
func (s *Server) answer(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, z *zone, q dns.Question) {
	serial, err := s.serialOf(ctx, z)
	if err != nil {
		s.log.Error("rpz server could not read a zone", "zone", z.name, "error", err)
		s.fail(w, r, dns.RcodeServerFailure, 0)
		return
	}
	m := reply(r)
	soa := z.soa(serial, s.cfg.NS)
	if q.Name == z.origin {
		if q.Qtype == dns.TypeSOA || q.Qtype == dns.TypeANY {
			m.Answer = append(m.Answer, soa)
		}
		if q.Qtype == dns.TypeNS || q.Qtype == dns.TypeANY {
			m.Answer = append(m.Answer, z.nameServer(s.cfg.NS))
		}
		if len(m.Answer) == 0 {
			m.Ns = append(m.Ns, soa)
		}
		s.send(w, r, m)
		return
	}
	rr, err := s.lookup(ctx, z, q.Name)
	switch {
	case err != nil:
		s.log.Error("rpz server could not read a zone", "zone", z.name, "error", err)
		s.fail(w, r, dns.RcodeServerFailure, 0)
		return
	case rr == nil:
		m.Rcode = dns.RcodeNameError
		m.Ns = append(m.Ns, soa)
	default:
		m.Answer = append(m.Answer, rr)
	}
	s.send(w, r, m)
}

func (s *Server) serialOf(ctx context.Context, z *zone) (uint32, error) {
	if z.static {
		return z.serial, nil
	}
	serial, _, err := s.store.Zone(ctx, z.name)
	return serial, err
}

// reply returns an authoritative answer to r, without records.
func reply(r *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative = true
	m.Compress = true
	if r.IsEdns0() != nil {
		m.SetEdns0(1232, false)
	}
	return m
}

func (s *Server) fail(w dns.ResponseWriter, r *dns.Msg, rcode int, tsigError uint16) {
	m := new(dns.Msg)
	m.SetRcode(r, rcode)
	if t := r.IsTsig(); t != nil && tsigError != 0 {
		m.SetTsig(t.Hdr.Name, t.Algorithm, 300, int64(t.TimeSigned)) // 48 bits
		sig := m.IsTsig()
		sig.Error = tsigError
		if tsigError == dns.RcodeBadTime { // signed, and says what time it is here
			sig.OtherLen, sig.OtherData = 6, fmt.Sprintf("%012x", s.now().Unix())
		}
	} else {
		s.sign(w, r, m)
	}
	if err := w.WriteMsg(m); err != nil {
		s.log.Debug("rpz server could not answer", "error", err)
	}
}

func (s *Server) send(w dns.ResponseWriter, r, m *dns.Msg) {
	s.sign(w, r, m)
	if err := w.WriteMsg(m); err != nil {
		s.log.Debug("rpz server could not answer", "error", err)
	}
}

// sign asks for a TSIG on m when r came with a good one.
func (s *Server) sign(w dns.ResponseWriter, r, m *dns.Msg) {
	if t := r.IsTsig(); t != nil && w.TsigStatus() == nil {
		m.SetTsig(t.Hdr.Name, dns.HmacSHA256, 300, s.now().Unix())
	}
}

func closeQuietly(w dns.ResponseWriter) {
	_ = w.Close()
}
