// SPDX-License-Identifier: Apache-2.0

package safehttp

import "net/netip"

// network is a special-purpose network and what it is.
type network struct {
	prefix netip.Prefix
	what   string
}

func networks(what string, prefixes ...string) (out []network) {
	for _, p := range prefixes {
		out = append(out, network{netip.MustParsePrefix(p), what})
	}
	return out
}

// special are the networks that no public service has: RFC 6890 and the IANA
// registries of special-purpose addresses, with those of cloud metadata named.
var special = concat(
	networks("where clouds keep the machine's own secrets", "169.254.169.254/32", "169.254.170.0/24", "fd00:ec2::254/128", "fd20:ce::254/128", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
	networks("unspecified", "0.0.0.0/8", "::/128"),
	networks("this machine", "127.0.0.0/8", "::1/128"),
	networks("a private network", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
	networks("a carrier's inner network", "100.64.0.0/10"),
	networks("link-local", "169.254.0.0/16", "fe80::/10"),
	networks("multicast", "224.0.0.0/4", "ff00::/8"),
	networks("broadcast or reserved", "240.0.0.0/4"),
	networks("a Teredo address", "2001::/32"),
	networks("set apart for protocols", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "100::/64", "100:0:0:1::/64", "5f00::/16"),
	networks("for measurements", "198.18.0.0/15"),
	networks("for documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
	networks("a 6to4 address", "2002::/16"),
	networks("a local translation of an IPv4 address", "64:ff9b:1::/48"),
	networks("an IPv4-compatible address", "::/96"),
)

func concat(lists ...[]network) (out []network) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// nat64 is the well-known prefix of translated IPv4 addresses (RFC 6052 §2.1): a
// network with DNS64 reaches all of the public IPv4 Internet through it.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Special says what addr is when it is no address of a public service, else "". An
// IPv4 address in one of IPv6 is judged as what it stands for: mapped (RFC 4291
// §2.5.5.2) and translated ones (RFC 6052); 6to4 and Teredo are refused whole.
func Special(addr netip.Addr) string {
	if !addr.IsValid() {
		return "no address"
	}
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, n := range special {
		if n.prefix.Contains(addr) {
			return n.what
		}
	}
	if addr.Is6() && !netip.MustParsePrefix("2000::/3").Contains(addr) {
		return "not global unicast" // all that IANA has given out is in 2000::/3
	}
	return ""
}
