// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"net"
	"net/netip"
	"time"
)

// limitedListener bounds the number of connections, in all and of each source,
// and closes at once what is beyond, and what could not be admitted whatever it
// asks; its connections end a write that takes too long.
type limitedListener struct {
	net.Listener
	s *Server
}

// writeTimeout is how long a secondary may take to accept one message.
const writeTimeout = 30 * time.Second

// firstMessage is how long a connection may be open without a whole message.
const firstMessage = 2 * time.Second

// Connections at once.
const (
	maxConns  = 128
	maxSource = 16 // of one source, as the limiter counts them
)

// Accept returns the next connection for which there is room.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tc := &timedConn{Conn: c, s: l.s, from: source(address(c.RemoteAddr()))}
		if l.s.keep(tc) {
			return tc, nil
		}
		if err := c.Close(); err != nil {
			l.s.log.Debug("rpz server could not close a connection", "error", err)
		}
	}
}

// timedConn sets a deadline before each write.
type timedConn struct {
	net.Conn
	s    *Server
	from netip.Addr
}

func (c *timedConn) Write(b []byte) (int, error) {
	// The kernel's clock, through the deadline: how long, not what time it is.
	if err := c.SetWriteDeadline(c.s.now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *timedConn) Close() error {
	c.s.mu.Lock()
	if c.s.conns[c] {
		delete(c.s.conns, c)
		if c.s.sources[c.from]--; c.s.sources[c.from] == 0 {
			delete(c.s.sources, c.from)
		}
	}
	c.s.mu.Unlock()
	return c.Conn.Close()
}

// keep counts c when there is room for it, and it may be admitted: with keys
// only its messages tell.
func (s *Server) keep(c *timedConn) bool {
	if len(s.cfg.Keys) == 0 && !s.listed(address(c.RemoteAddr())) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= maxConns || s.sources[c.from] >= maxSource {
		return false
	}
	s.conns[c] = true
	s.sources[c.from]++
	return true
}

// closeConns ends what is being sent, so that Run can return.
func (s *Server) closeConns() {
	s.mu.Lock()
	conns := make([]net.Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		if err := c.Close(); err != nil {
			s.log.Debug("rpz server could not close a connection", "error", err)
		}
	}
}
