// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"net"
	"time"
)

// limitedListener bounds the number of connections, and closes further ones at
// once; its connections end a write that takes too long.
type limitedListener struct {
	net.Listener
	s *Server
}

// writeTimeout is how long a secondary may take to accept one message.
const writeTimeout = 30 * time.Second

// Accept returns the next connection for which there is room.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tc := &timedConn{Conn: c, s: l.s}
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
	s *Server
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
	delete(c.s.conns, c)
	c.s.mu.Unlock()
	return c.Conn.Close()
}

func (s *Server) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= maxConns {
		return false
	}
	s.conns[c] = true
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
