// SPDX-License-Identifier: Apache-2.0

// Package rpzserver serves the protection zones to resolvers: an authoritative
// DNS server that gives whole zones and differences, and tells its secondaries
// when there is something new. It also writes the configuration that makes a
// resolver enforce them.
//
// Source: RFC 1035, 5936 (AXFR), 1995 (IXFR), 1996 (NOTIFY), 8945 (TSIG,
// hmac-sha256 only), 1982 (serial numbers), draft-vixie-dnsop-dns-rpz-00 for what
// the records mean. Where it departs from them: docs/reference/rpz.md.
//
// Zone origins are absolute names; TTLs and SOA timers are seconds; serials are
// the store's. A configuration that cannot be served fails with
// [accord.ErrInvalid]; to strangers every request is REFUSED, to a wrong key
// NOTAUTH. A transfer that cannot be kept consistent is broken off, and its
// connection closed. All methods are safe for concurrent use; Run is called once.
package rpzserver

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"accord"
	"accord/format/rpz"
	"accord/protect"
)

// Config says what is served, where, and to whom. A zero field takes its default.
type Config struct {
	Listen string // address and port, UDP and TCP; default "127.0.0.1:5399"
	// Origins of the three zones; short, for they count toward the 255 octets of
	// every name. Defaults "hot.rpz.", "base.rpz.", "allow.rpz.".
	Hot, Base, Allow string
	// Keys may transfer and ask, from anywhere.
	Keys []Key
	// Clients may transfer and ask without a key, for resolvers that know no TSIG.
	// When there are no Keys the default is this machine alone (127.0.0.0/8, ::1);
	// when there are Keys, nobody.
	Clients []netip.Prefix
	// Secondaries are told of every change.
	Secondaries []Secondary
	// Garden is the name of a host that clients are sent to; empty = the name does
	// not exist (NXDOMAIN).
	Garden string
	// NS is the name server that the zones name; default "localhost.".
	NS string

	Coalesce     time.Duration // from a change to its NOTIFY; default and least 200 ms
	BaseSpacing  time.Duration // least time between two NOTIFYs of the base zone; default 5 s
	MoveGrace    time.Duration // how long a secondary has to take base before it drops from hot what moved; default 15 s
	Poll         time.Duration // how often serials are looked at; default 200 ms
	MaxTransfers int           // whole zones sent at once; default 8
}

// Key is a TSIG key, hmac-sha256.
type Key struct {
	Name   string // absolute name, such as "institution-1."
	Secret string // base64, of 16 octets or more
}

// Secondary is a resolver that takes the zones.
type Secondary struct {
	Addr netip.AddrPort // where it takes NOTIFY, usually port 53
	Key  string         // name of the key its NOTIFY is signed with; empty = unsigned
}

// minSecret is the least length of a TSIG secret in octets (RFC 8945 §10: 128 bits).
const minSecret = 16

// withDefaults returns c complete and in normal form, or says what is wrong.
func (c Config) withDefaults() (Config, error) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:5399"
	}
	for _, o := range []struct {
		origin *string
		def    string
	}{{&c.Hot, "hot.rpz."}, {&c.Base, "base.rpz."}, {&c.Allow, "allow.rpz."}, {&c.NS, "localhost."}} {
		if *o.origin == "" {
			*o.origin = o.def
		}
		*o.origin = strings.ToLower(strings.TrimSuffix(*o.origin, ".")) + "."
		if _, err := rpz.Owners(accord.Observable{Kind: accord.KindDomain, Value: "a"}, *o.origin); err != nil {
			return c, fmt.Errorf("rpz server: %w", err)
		}
	}
	for _, pair := range [][2]string{{c.Hot, c.Base}, {c.Hot, c.Allow}, {c.Base, c.Allow}} {
		if inZone(pair[0], pair[1]) || inZone(pair[1], pair[0]) {
			return c, fmt.Errorf("rpz server: %w: zone %s lies within %s", accord.ErrInvalid, pair[0], pair[1])
		}
	}
	if c.Garden != "" {
		target, err := rpz.LocalData(c.Garden)
		if err != nil {
			return c, fmt.Errorf("rpz server: walled garden: %w", err)
		}
		c.Garden = target
	}
	c.Coalesce = max(c.Coalesce, 200*time.Millisecond)
	if c.BaseSpacing <= 0 {
		c.BaseSpacing = 5 * time.Second
	}
	if c.MoveGrace <= 0 {
		c.MoveGrace = 15 * time.Second
	}
	if c.Poll <= 0 {
		c.Poll = 200 * time.Millisecond
	}
	if c.MaxTransfers <= 0 {
		c.MaxTransfers = 8
	}
	if len(c.Keys) == 0 && len(c.Clients) == 0 {
		c.Clients = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	return c, c.checkKeys()
}

func (c *Config) checkKeys() error {
	names := map[string]bool{"": true}
	keys := make([]Key, 0, len(c.Keys))
	for _, k := range c.Keys {
		k.Name = strings.ToLower(strings.TrimSuffix(k.Name, ".")) + "."
		if b, err := base64.StdEncoding.DecodeString(k.Secret); err != nil || len(b) < minSecret {
			return fmt.Errorf("rpz server: %w: secret of key %s: want base64 of %d octets or more", accord.ErrInvalid, k.Name, minSecret)
		}
		if k.Name == "." || names[k.Name] {
			return fmt.Errorf("rpz server: %w: key name %q is empty or used twice", accord.ErrInvalid, k.Name)
		}
		names[k.Name] = true
		keys = append(keys, k)
	}
	c.Keys = keys
	secondaries := make([]Secondary, 0, len(c.Secondaries))
	for _, s := range c.Secondaries {
		if s.Key != "" {
			s.Key = strings.ToLower(strings.TrimSuffix(s.Key, ".")) + "."
		}
		if !names[s.Key] || !s.Addr.IsValid() {
			return fmt.Errorf("rpz server: %w: secondary %s: no such key %q, or no address", accord.ErrInvalid, s.Addr, s.Key)
		}
		secondaries = append(secondaries, s)
	}
	c.Secondaries = secondaries
	return nil
}

// zones returns what c serves. The order is that of NOTIFY: base before hot, so
// that a value that moves is in base before it leaves hot.
func (c Config) zones() []*zone {
	return []*zone{
		{name: protect.ZoneBase, origin: c.Base, ttl: 300, refresh: 600, spacing: c.BaseSpacing},
		{name: protect.ZoneHot, origin: c.Hot, ttl: 30, refresh: 30},
		{name: zoneAllow, origin: c.Allow, ttl: 300, refresh: 600, static: true},
	}
}

func inZone(name, origin string) bool {
	return name == origin || strings.HasSuffix(name, "."+origin)
}
