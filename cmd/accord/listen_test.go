// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// A client that asks and reads nothing does not keep its connection for ever.
func TestAClientThatReadsNothingIsLetGoOf(t *testing.T) {
	r := &running{node: &node{env: &env{log: slog.New(slog.DiscardHandler)}}}
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	s := r.httpServer(addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(gone)
		block := make([]byte, 1<<20)
		for range 1 << 10 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	if s.WriteTimeout <= 0 || s.WriteTimeout > time.Minute {
		t.Fatalf("a page may be written for %s", s.WriteTimeout)
	}
	s.WriteTimeout = 200 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- listen(ctx, s) }()
	conn := dial(t, addr)
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := bufio.NewReader(conn).ReadByte(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("it is still being written to")
	}
	cancel()
	if err := <-ended; err != nil && err != http.ErrServerClosed { //nolint:errorlint // as it is returned
		t.Error(err)
	}
}

// dial connects once the listener is there.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr) //nolint:noctx // a test's own listener
		if err == nil {
			return conn
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
