// SPDX-License-Identifier: Apache-2.0

package protect

import (
	"bufio"
	_ "embed"
	"fmt"
	"hash/maphash"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"accord"
	"accord/format/warninglist"
)

// The names of the built-in lists.
const (
	listRoot          = "root"
	listSuffix        = "public suffix"
	listPrivateSuffix = "public suffix (private)"
	listSpecialNames  = "special-use names"
	listSpecialNets   = "special-purpose addresses"
	listEssential     = "essential services"
	listDocumentation = "documentation"
)

var (
	//go:embed essential.txt
	essential string
	//go:embed suffix_parents.txt
	suffixParents string
)

// specialNames: RFC 6761, 6762, 7686, 8375, 9476 and the arpa domain of RFC 3172.
// Documentation names are apart: see [NeverConfig].
const specialNames = `
*.arpa
*.localhost
*.local
*.onion
*.internal
*.alt
localhost.localdomain
`

// specialNets: RFC 6890 and its registries, less the documentation networks.
const specialNets = `
0.0.0.0/8
10.0.0.0/8
100.64.0.0/10
127.0.0.0/8
169.254.0.0/16
172.16.0.0/12
192.0.0.0/24
192.88.99.0/24
192.168.0.0/16
198.18.0.0/15
224.0.0.0/3
::/32
64:ff9b::/96
64:ff9b:1::/48
100::/64
2001::/32
2002::/16
fc00::/7
fe80::/10
fec0::/10
ff00::/8
`

// documentation: RFC 2606, 6761, 5737, 3849, 9637.
const documentation = `
*.example
*.invalid
*.test
*.example.com
*.example.net
*.example.org
192.0.2.0/24
198.51.100.0/24
203.0.113.0/24
2001:db8::/32
3fff::/20
`

// NeverConfig says which lists are held beside the built-in ones.
type NeverConfig struct {
	// WarningLists is a folder of MISP warning lists: *.json, *.json.gz, or
	// folders that hold a list.json, as in MISP/misp-warninglists.
	WarningLists string
	// Critical are files of the nation's own: one entry a line, "#" begins a
	// comment. An entry is a name (it and its ancestors are never blocked), "*."
	// and a name (also all under it), an address, or a network.
	Critical []string
	// Documentation also holds the names and networks reserved for documentation,
	// which examples and exercises of this program use as indicators.
	Documentation bool
}

// LoadNever returns the built-in lists and those of c. A file that cannot be
// read as what it should be is an error: a list half read protects half.
func LoadNever(c NeverConfig) (*NeverBlock, error) {
	b := NewNever()
	for _, file := range c.Critical {
		if err := b.addFile(file); err != nil {
			return nil, fmt.Errorf("critical list %s: %w", file, err)
		}
	}
	if c.Documentation {
		b.mustAdd(listDocumentation, documentation)
	}
	if c.WarningLists != "" {
		if err := b.addFolder(c.WarningLists); err != nil {
			return nil, fmt.Errorf("warning lists: %w", err)
		}
	}
	return b.Build(), nil
}

// NeverBuilder collects lists. Earlier lists speak first.
type NeverBuilder struct {
	seed                maphash.Seed
	names, trees, exact []row
	parts               []part
	nets                []span
	lists               []ListSize
	allow               []Allowed
}

// NewNever returns a builder that holds the built-in lists.
func NewNever() *NeverBuilder {
	b := &NeverBuilder{seed: maphash.MakeSeed()}
	b.mustAdd(listSpecialNames, specialNames)
	b.mustAdd(listSpecialNets, specialNets)
	b.mustAdd(listEssential, essential)
	b.mustAdd(listPrivateSuffix, suffixParents)
	return b
}

// Build returns what was collected. The builder must not be used afterwards.
func (b *NeverBuilder) Build() *NeverBlock {
	return &NeverBlock{
		seed: b.seed, names: tableOf(b.names), trees: tableOf(b.trees), exact: tableOf(b.exact),
		parts: b.parts, nets: merge(b.nets), lists: b.lists, allow: b.allow,
	}
}

// Critical adds a list of the nation's own, in the form of [NeverConfig].Critical,
// which is also allowed: see [NeverBlock.Allow].
func (b *NeverBuilder) Critical(list string, r io.Reader) error {
	added, err := b.addLines(list, r)
	b.allow = append(b.allow, added...)
	return err
}

func (b *NeverBuilder) mustAdd(list, text string) {
	if _, err := b.addLines(list, strings.NewReader(text)); err != nil {
		panic("protect: built-in list: " + err.Error()) // the text is part of the program
	}
}

func (b *NeverBuilder) addFile(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	return b.Critical(filepath.Base(file), f)
}

func (b *NeverBuilder) addLines(list string, r io.Reader) ([]Allowed, error) {
	id, err := b.list(list)
	if err != nil {
		return nil, err
	}
	var added []Allowed
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line, _, _ := strings.Cut(sc.Text(), "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		a, ok := b.addEntry(id, line)
		if !ok {
			return nil, fmt.Errorf("%w: line %d: %.100q is neither a name, nor \"*.\" and a name, an address, a network", accord.ErrInvalid, n, line)
		}
		b.lists[id].Entries++
		added = append(added, a)
	}
	return added, sc.Err()
}

// list returns the number of a new list.
func (b *NeverBuilder) list(name string) (uint16, error) {
	if len(b.lists) == 1<<16 {
		return 0, fmt.Errorf("%w: more than %d lists", accord.ErrInvalid, 1<<16)
	}
	b.lists = append(b.lists, ListSize{Name: name})
	return uint16(len(b.lists) - 1), nil
}

func (b *NeverBuilder) addEntry(list uint16, entry string) (Allowed, bool) {
	if p, ok := network(entry); ok {
		b.addNet(list, p)
		return Allowed{Observable: netObservable(p)}, true
	}
	rest, under := strings.CutPrefix(entry, "*.")
	name, ok := hostname(rest)
	if !ok {
		return Allowed{}, false
	}
	b.addName(list, name, under)
	return Allowed{Observable: accord.Observable{Kind: accord.KindDomain, Value: name}, Under: under}, true
}

// addName protects name: it and its ancestors are held, and with under all
// beneath it too. Ancestors of one label are public suffixes anyway.
func (b *NeverBuilder) addName(list uint16, name string, under bool) {
	if under {
		b.trees = append(b.trees, row{maphash.String(b.seed, name), list})
	}
	for {
		b.names = append(b.names, row{maphash.String(b.seed, name), list})
		_, rest, ok := strings.Cut(name, ".")
		if !ok || !strings.Contains(rest, ".") {
			return
		}
		name = rest
	}
}

func (b *NeverBuilder) addNet(list uint16, p netip.Prefix) {
	s := spanOf(p)
	s.list = list
	b.nets = append(b.nets, s)
}

func (b *NeverBuilder) addFolder(dir string) error {
	var files []string
	for _, glob := range []string{"*.json", "*.json.gz", "*/list.json"} {
		found, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return fmt.Errorf("%w: no list in %s", accord.ErrNotFound, dir)
	}
	slices.Sort(files)
	for _, file := range files {
		if err := b.addWarningFile(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func (b *NeverBuilder) addWarningFile(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	l, err := warninglist.Read(f)
	if err != nil {
		return err
	}
	return b.Warning(l)
}

// minPart is the shortest text that may be searched for inside a value: a
// shorter one would hold half the world.
const minPart = 4

// Warning adds a MISP warning list. A name of a string or hostname list is
// protected with its ancestors and without what is under it, which differs from
// MISP's hostname type: a child of a shared host may be blocked.
func (b *NeverBuilder) Warning(l warninglist.List) error {
	id, err := b.list(l.Name)
	if err != nil {
		return err
	}
	b.lists[id].Skipped = l.Skipped
	for _, e := range l.Entries {
		if b.addWarned(id, l, e) {
			b.lists[id].Entries++
		} else {
			b.lists[id].Skipped++
		}
	}
	return nil
}

func (b *NeverBuilder) addWarned(id uint16, l warninglist.List, entry string) bool {
	p, isNet := network(entry)
	switch l.Type {
	case warninglist.CIDR:
		if isNet {
			b.addNet(id, p)
		}
		return isNet
	case warninglist.Substring:
		if len(entry) < minPart {
			return false
		}
		b.parts = append(b.parts, part{strings.ToLower(entry), id})
		return true
	case warninglist.Regex:
		return false
	case warninglist.String, warninglist.Hostname:
	}
	if isNet && l.Speaks("ip-src", "ip-dst", "ip", "hostname", "domain") {
		b.addNet(id, p)
		return true
	}
	if l.Speaks("domain", "hostname", "url", "uri") {
		if name, ok := hostname(strings.TrimPrefix(entry, "*")); ok {
			b.addName(id, name, false)
			return true
		}
	}
	if l.Type == warninglist.Hostname {
		return false
	}
	b.exact = append(b.exact, row{maphash.String(b.seed, strings.ToLower(entry)), id})
	return true
}

// network reads an address or a network, whatever its host bits.
func network(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

func netObservable(p netip.Prefix) accord.Observable {
	switch {
	case !p.IsSingleIP():
		return accord.Observable{Kind: accord.KindCIDR, Value: p.String()}
	case p.Addr().Is4():
		return accord.Observable{Kind: accord.KindIPv4, Value: p.Addr().String()}
	default:
		return accord.Observable{Kind: accord.KindIPv6, Value: p.Addr().String()}
	}
}

// hostname returns s as a normalised name: lower-case A-labels without dots at
// either end.
func hostname(s string) (string, bool) {
	s = strings.Trim(strings.ToLower(s), ".")
	for i := range len(s) {
		if s[i] >= 0x80 {
			a, err := idna.Lookup.ToASCII(s)
			if err != nil {
				return "", false
			}
			s = a
			break
		}
	}
	if s == "" || len(s) > 253 || strings.Contains(s, "..") {
		return "", false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return "", false
		}
	}
	return s, true
}
