// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
	"golang.org/x/mod/sumdb/note"

	"accord"
)

// partnerCmd groups the commands on partners.
type partnerCmd struct {
	Card partnerCardCmd `cmd:"" help:"Print this node's card: its name, address and public keys, for a partner to pin."`
	Add  partnerAddCmd  `cmd:"" help:"Pin a partner by its card, after comparing it by another way."`
	List partnerListCmd `cmd:"" help:"List the pinned partners."`
}

// card is a party as parties hand each other. It holds nothing secret; what
// matters is that it comes by a way the network cannot change.
type card struct {
	Name     string `toml:"name"`
	Nation   string `toml:"nation"`
	Title    string `toml:"title"`
	URL      string `toml:"url"`
	Key      string `toml:"key"`
	TLSPin   string `toml:"tls_pin"`
	Identity string `toml:"identity"`
}

const cardHeader = "# accord card v1"

type partnerCardCmd struct {
	Out string `short:"o" help:"File to write; default: standard output." type:"path" placeholder:"FILE"`
}

func (c *partnerCardCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	var b bytes.Buffer
	fmt.Fprintln(&b, cardHeader)
	s := n.self
	if err := toml.NewEncoder(&b).Encode(card{s.Name, string(s.Nation), s.Title, s.URL, s.Key, s.TLSPin, s.Identity}); err != nil {
		return err
	}
	return writeOut(e, c.Out, b.Bytes())
}

type partnerAddCmd struct {
	File    string `arg:"" help:"The partner's card; - is standard input."`
	Replace bool   `help:"Replace a partner that is pinned with other keys."`
}

func (c *partnerAddCmd) Run(e *env) error {
	text, err := readIn(e, c.File, 64<<10)
	if err != nil {
		return err
	}
	p, err := parseCard(text)
	if err != nil {
		return err
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	if p.Name == n.self.Name {
		return fmt.Errorf("%w: this is the node's own card: a partner adds it, and you add the partner's", accord.ErrInvalid)
	}
	if err := n.unlike(e, p); err != nil {
		return err
	}
	old, err := n.db.Party(e.ctx, p.Name)
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		return err
	}
	anew := err == nil && !sameWay(old, p)
	if anew && (old.Key != p.Key || old.TLSPin != p.TLSPin) && !c.Replace {
		return fmt.Errorf("%w: %s is pinned with other keys: if it says by another way that it changed them, add --replace", accord.ErrConflict, p.Name)
	}
	if err := n.db.PutParty(e.ctx, p); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "Pinned %s (%s), %q\n  signs with   %s\n  TLS key      %s\nCompare both with the partner by another way (telephone, in person).\n",
		p.Name, p.Nation, p.Title, p.Key, p.TLSPin)
	if anew {
		fmt.Fprintln(e.stdout, "A running node uses this in place of what was pinned before within seconds; it need not be restarted.")
	}
	return n.audit(e.ctx, "partner.add", p.Name, p.Key)
}

// unlike refuses a card that has a key or an identity of another party: who calls is
// told by its key, and who wrote an object by its identity.
func (n *node) unlike(e *env, p accord.Party) error {
	ps, err := n.parties(e.ctx)
	if err != nil {
		return err
	}
	for _, o := range ps {
		if o.Name != p.Name && (o.Key == p.Key || p.TLSPin != "" && o.TLSPin == p.TLSPin || p.Identity != "" && o.Identity == p.Identity) {
			return fmt.Errorf("%w: card: it has a key or the identity of %s: ask %s for its card again, by another way", accord.ErrConflict, o.Name, p.Name)
		}
	}
	return nil
}

func parseCard(text []byte) (accord.Party, error) {
	if !bytes.HasPrefix(text, []byte(cardHeader+"\n")) {
		return accord.Party{}, fmt.Errorf("%w: not a card: its first line is not %q: \"accord partner card\" prints one", accord.ErrInvalid, cardHeader)
	}
	var c card
	md, err := toml.Decode(string(text), &c)
	if err != nil {
		return accord.Party{}, fmt.Errorf("%w: card: %w", accord.ErrInvalid, err)
	}
	if extra := unknownKey(md, reflect.TypeFor[card]()); extra != "" {
		return accord.Party{}, fmt.Errorf("%w: card: unknown key %q", accord.ErrInvalid, extra)
	}
	for key, s := range map[string]string{
		"name": c.Name, "nation": c.Nation, "title": c.Title, "url": c.URL, "key": c.Key, "tls_pin": c.TLSPin, "identity": c.Identity,
	} {
		if visible(s) != s {
			return accord.Party{}, fmt.Errorf("%w: card: %s %+q: %s", accord.ErrInvalid, key, s, unseenRefused)
		}
	}
	nation, err := accord.ParseNation(c.Nation)
	if err != nil {
		return accord.Party{}, fmt.Errorf("card: %w", err)
	}
	if !accord.ValidPartyName(c.Name) {
		return accord.Party{}, fmt.Errorf("%w: card: name %q: want a lower-case DNS-like name", accord.ErrInvalid, c.Name)
	}
	v, err := note.NewVerifier(c.Key)
	if err != nil || v.Name() != c.Name {
		return accord.Party{}, fmt.Errorf("%w: card: the key is not a verifier key of %s", accord.ErrInvalid, c.Name)
	}
	if c.TLSPin != "" && !isHex(c.TLSPin, 64) {
		return accord.Party{}, fmt.Errorf("%w: card: tls_pin is not the lower-case hex of a SHA-256", accord.ErrInvalid)
	}
	if c.URL != "" && (!bareHTTPS(c.URL) || c.TLSPin == "") {
		return accord.Party{}, fmt.Errorf("%w: card: url %q: want https://host:port, with a tls_pin", accord.ErrInvalid, c.URL)
	}
	return accord.Party{Name: c.Name, Nation: nation, Title: c.Title, URL: c.URL, Key: c.Key, TLSPin: c.TLSPin, Identity: c.Identity}, nil
}

// unseenRefused says why visible would change a text.
const unseenRefused = "a control, line-breaking, reordering or invisible character is not allowed"

// visible replaces what changes how the text around it is shown: controls, line
// and paragraph separators, format characters (Unicode Cc, Zl, Zp, Cf), and what
// is not UTF-8.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// bareHTTPS reports whether s is https://host or https://host:port: no user
// information, path, query or fragment.
func bareHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Hostname() != "" && strings.TrimSuffix(s, "/") == "https://"+u.Host
}

func isHex(s string, n int) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == n
}

type partnerListCmd struct{}

func (c *partnerListCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	ps, err := n.db.Parties(e.ctx)
	if err != nil {
		return err
	}
	return printTable(e, ps, "No partner yet: \"accord partner add CARD\" pins one.", []string{"PARTY", "NATION", "ADDRESS", "KEY"},
		func(p accord.Party) []any { return []any{p.Name, p.Nation, p.URL, p.Key} })
}
