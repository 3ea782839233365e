// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"accord"
)

// resolver answers whether MA's zones block a name.
type resolver interface {
	kind() string
	describe() string
	blocked(ctx context.Context, name string) (bool, error)
	stop() error
}

// startResolver starts the resolver that was asked for and is installed; with
// none, a plain DNS client asks the zones themselves.
func (d *demo) startResolver(ctx context.Context) (resolver, error) {
	zone := zoneClient{addr: d.ma.dns, suffix: defaultConfig().Protect.Suffix}
	for _, kind := range []string{"unbound", "bind"} {
		if d.Resolver != kind && d.Resolver != "auto" {
			continue
		}
		program, err := lookProgram(kind)
		if err != nil {
			if d.Resolver == kind {
				return nil, fmt.Errorf("%w: %s is not installed: \"apt-get install %s\"", accord.ErrNotFound, kind, map[string]string{"unbound": "unbound", "bind": "bind9"}[kind])
			}
			continue
		}
		return d.startProgram(ctx, kind, program)
	}
	return zone, nil
}

func lookProgram(kind string) (string, error) {
	name := map[string]string{"unbound": "unbound", "bind": "named"}[kind]
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	path := filepath.Join("/usr/sbin", name)
	_, err := os.Stat(path)
	return path, err
}

// programResolver is a real resolver on loopback.
type programResolver struct {
	name, addr string
	proc       *exec.Cmd
}

func (r *programResolver) kind() string     { return r.name }
func (r *programResolver) describe() string { return r.name + " on " + r.addr }

// configure writes the file that a resolver starts from and returns its arguments.
func (d *demo) configure(kind, dir string) (args []string, err error) {
	host, port, err := net.SplitHostPort(d.resolverAddr)
	if err != nil {
		return nil, err
	}
	stubHost, stubPort, err := net.SplitHostPort(d.stub.addr())
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, kind+".conf")
	var text string
	switch kind {
	case "unbound":
		args = []string{"-d", "-c", conf}
		text = fmt.Sprintf(`server:
	directory: %q
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	interface: %s@%s
	do-not-query-localhost: no
	access-control: 127.0.0.0/8 allow
include: %q
remote-control:
	control-enable: no
forward-zone:
	name: "."
	forward-addr: %s@%s
`, dir, host, port, filepath.Join(dir, "accord-unbound.conf"), stubHost, stubPort)
	case "bind":
		args = []string{"-g", "-c", conf}
		text = fmt.Sprintf(`options {
	directory %q;
	pid-file none;
	session-keyfile %q;
	listen-on port %s { %s; };
	listen-on-v6 { none; };
	recursion yes;
	dnssec-validation no;
	forward only;
	forwarders { %s port %s; };
	include %q;
};
controls { };
include %q;
`, dir, filepath.Join(dir, "session.key"), port, host, stubHost, stubPort,
			filepath.Join(dir, "accord-policy.conf"), filepath.Join(dir, "accord-zones.conf"))
	}
	return args, os.WriteFile(conf, []byte(text), 0o600)
}

// startProgram writes the resolver's configuration, most of it by "accord
// resolver", and starts it.
func (d *demo) startProgram(ctx context.Context, kind, program string) (resolver, error) {
	dir := filepath.Join(d.dir, kind)
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // a resolver may drop its privileges
		return nil, err
	}
	if _, err := d.ma.accord(ctx, nil, "resolver", kind, "--dir", dir, "-o", dir); err != nil {
		return nil, err
	}
	args, err := d.configure(kind, dir)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(d.dir, kind+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the resolver's, which has its own

	r := &programResolver{name: kind, addr: d.resolverAddr, proc: exec.Command(program, args...)} //nolint:gosec,noctx // stopped by stop
	r.proc.Stdout, r.proc.Stderr = log, log
	if err := r.proc.Start(); err != nil {
		return nil, err
	}
	err = d.until(ctx, 20*time.Second, func() (bool, error) {
		_, err := r.blocked(ctx, openName)
		if err != nil {
			return false, fmt.Errorf("%w: %w", accord.ErrNotFound, err) // not yet
		}
		return true, nil
	})
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, errors.Join(fmt.Errorf("%s does not answer: %w\n%s", kind, err, text), r.stop())
	}
	return r, nil
}

func (r *programResolver) blocked(ctx context.Context, name string) (bool, error) {
	m, err := ask(ctx, r.addr, name, dnsmessage.TypeA)
	switch {
	case err != nil:
		return false, err
	case m.RCode == dnsmessage.RCodeNameError:
		return true, nil
	case m.RCode != dnsmessage.RCodeSuccess:
		return false, fmt.Errorf("%w: %s answers %s for %s", accord.ErrNotFound, r.name, m.RCode, name)
	}
	return false, nil
}

func (r *programResolver) stop() error {
	if err := r.proc.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = r.proc.Wait() // a resolver's exit status after SIGTERM says nothing
	return nil
}

// zoneClient asks the response policy zones themselves.
type zoneClient struct{ addr, suffix string }

func (zoneClient) kind() string     { return "none" }
func (zoneClient) describe() string { return "none installed: a plain DNS client asks the zones" }
func (zoneClient) stop() error      { return nil }

func (z zoneClient) blocked(ctx context.Context, name string) (bool, error) {
	for _, zone := range []string{"hot", "base"} {
		m, err := ask(ctx, z.addr, name+"."+zone+"."+z.suffix, dnsmessage.TypeCNAME)
		if err != nil {
			return false, err
		}
		for _, a := range m.Answers {
			if c, ok := a.Body.(*dnsmessage.CNAMEResource); ok && c.CNAME.String() == "." {
				return true, nil
			}
		}
	}
	return false, nil
}

// ask sends one DNS query over UDP.
func ask(ctx context.Context, addr, name string, typ dnsmessage.Type) (dnsmessage.Message, error) {
	qname, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return dnsmessage.Message{}, err
	}
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: uint16(now().UnixNano()), RecursionDesired: true}, // any number will do
		Questions: []dnsmessage.Question{{Name: qname, Type: typ, Class: dnsmessage.ClassINET}},
	}
	packed, err := q.Pack()
	if err != nil {
		return dnsmessage.Message{}, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", addr)
	if err != nil {
		return dnsmessage.Message{}, err
	}
	defer conn.Close() //nolint:errcheck // nothing is kept
	if err := conn.SetDeadline(now().Add(2 * time.Second)); err != nil {
		return dnsmessage.Message{}, err
	}
	if _, err := conn.Write(packed); err != nil {
		return dnsmessage.Message{}, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return dnsmessage.Message{}, err
		}
		var m dnsmessage.Message
		if err := m.Unpack(buf[:n]); err == nil && m.ID == q.ID {
			return m, nil
		}
	}
}

// stubDNS stands for the rest of the internet's DNS: every name has the address
// 192.0.2.80.
type stubDNS struct {
	conn net.PacketConn
	wg   sync.WaitGroup
}

func newStubDNS() (*stubDNS, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") //nolint:noctx // closed by close
	if err != nil {
		return nil, err
	}
	s := &stubDNS{conn: conn}
	s.wg.Go(s.serve)
	return s, nil
}

func (s *stubDNS) addr() string { return s.conn.LocalAddr().String() }

func (s *stubDNS) close() {
	_ = s.conn.Close()
	s.wg.Wait()
}

func (s *stubDNS) serve() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 5},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 80}},
			}}
		}
		if packed, err := m.Pack(); err == nil {
			_, _ = s.conn.WriteTo(packed, from)
		}
	}
}
