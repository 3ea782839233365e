// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"accord"
)

// Config is accord.toml, the one file an operator edits. Every key is optional
// but those under [self]; an unknown key is refused. Paths are relative to the
// file's own folder. Secrets are files: a value never holds one.
type Config struct {
	Self    SelfConfig    `toml:"self"`
	Listen  ListenConfig  `toml:"listen"`
	Store   StoreConfig   `toml:"store"`
	Ingest  IngestConfig  `toml:"ingest"`
	Feeds   FeedsConfig   `toml:"feeds"`
	Score   ScoreConfig   `toml:"score"`
	Protect ProtectConfig `toml:"protect"` // last: people add lines at the end

	home string // folder of the file
}

// SelfConfig says who runs the node.
type SelfConfig struct {
	// Name is the party's name: lower case, DNS-like. It is also the name of
	// its keys, so it cannot change once an agreement is signed.
	Name string `toml:"name"`
	// Nation is the ISO 3166-1 alpha-2 code of the party's country.
	Nation string `toml:"nation"`
	// Title is what people read.
	Title string `toml:"title"`
}

// ListenConfig says where the node listens.
type ListenConfig struct {
	// Node is the address for partners, TAXII clients and sensors, over TLS 1.3
	// (TAXII clients: 1.2 too) with the node's own certificate, which partners and
	// sensors pin.
	Node string `toml:"node"`
	// URL is how partners reach Node; empty means https:// and Node.
	URL string `toml:"url"`
	// Console is the address of the web console and the HTTP API for people.
	// Plain HTTP is accepted on a loopback address alone.
	Console string `toml:"console"`
	// ConsoleCert and ConsoleKey are PEM files that make the console HTTPS.
	ConsoleCert string `toml:"console_cert"`
	ConsoleKey  string `toml:"console_key"`
	// ConsoleURL is how people reach the console: https://… where a TLS proxy on
	// this machine stands before it, empty without one. Sign-in links begin with
	// it, cookies are for HTTPS alone, and the proxy must send X-Forwarded-For:
	// its last entry is whom sign-in attempts are counted against.
	ConsoleURL string `toml:"console_url"`
	// DNS is the UDP and TCP address that serves the response policy zones;
	// empty serves none.
	DNS string `toml:"dns"`
}

// StoreConfig says where everything is kept.
type StoreConfig struct {
	// URL is "sqlite:FILE" or "postgres://…". The password of a PostgreSQL URL
	// belongs in a passfile (?passfile=…), not here.
	URL string `toml:"url"`
}

// IngestConfig says how intelligence is read.
type IngestConfig struct {
	// DefaultTLP is what an item without a TLP marking counts as.
	DefaultTLP accord.TLP `toml:"default_tlp"`
}

// FeedsConfig says from where feeds may be fetched.
type FeedsConfig struct {
	// AllowNetworks are networks that feeds may be fetched from though they are not
	// public: of an internal server of feeds, such as "10.1.2.0/24". All others that
	// are not public are refused, whatever a name resolves to.
	AllowNetworks []string `toml:"allow_networks"`
	// CAFile is a PEM file of the certificate authorities that the servers of feeds
	// are trusted by, instead of the system's.
	CAFile string `toml:"ca_file"`
}

// ProtectConfig says what becomes a protection and who takes it.
type ProtectConfig struct {
	// WarningLists is a folder of MISP warning lists (*.json, *.json.gz).
	WarningLists string `toml:"warning_lists"`
	// Critical is a text file of the nation's own names and networks that must
	// never be blocked, one on a line.
	Critical string `toml:"critical"`
	// MinConfidence is the least confidence (0–100) an indicator that states one
	// needs to be blocked.
	MinConfidence int `toml:"min_confidence"`
	// HotFor is how long a new protection stays in the hot zone.
	HotFor duration `toml:"hot_for"`
	// HotMost is how many values the hot zone holds before its oldest move to the
	// base zone. Resolvers take a small zone at once and a big one in seconds.
	HotMost int `toml:"hot_most"`
	// Secondaries are the resolvers' addresses (host:port) that get NOTIFY.
	Secondaries []string `toml:"secondaries"`
	// AllowTransfer are the networks that may transfer the zones without TSIG.
	AllowTransfer []string `toml:"allow_transfer"`
	// TSIGName and TSIGKey are the name of the transfer key (hmac-sha256) and
	// the file that holds its base64 secret. When set, a transfer needs it.
	TSIGName string `toml:"tsig_name"`
	TSIGKey  string `toml:"tsig_key"`
	// Suffix ends the zone names: "hot.", "base." and "allow." stand before it.
	// Keep it short: it counts against the 255 octets of every name.
	Suffix string `toml:"suffix"`
}

// ScoreConfig says how long indicators count: see docs/explanation/score.md.
type ScoreConfig struct {
	// Formula is "polynomial", MISP's, or "exponential", a half-life.
	Formula string `toml:"formula"`
	// NetworkDays, PhishingDays and FileDays are how long a name, address or URL
	// counts, the same when labelled phishing, and a hash: until its score is 0,
	// or with the exponential half of what it was.
	NetworkDays  float64 `toml:"network_days"`
	PhishingDays float64 `toml:"phishing_days"`
	FileDays     float64 `toml:"file_days"`
	// NetworkSpeed, PhishingSpeed and FileSpeed are how fast the polynomial falls
	// at first: 1 is a straight line, more falls faster.
	NetworkSpeed  float64 `toml:"network_speed"`
	PhishingSpeed float64 `toml:"phishing_speed"`
	FileSpeed     float64 `toml:"file_speed"`
	// Threshold is the score (0–100) below which an indicator is expired: neither
	// looked for nor blocked.
	Threshold float64 `toml:"threshold"`
	// Base is the score at first of what states no confidence.
	Base float64 `toml:"base"`
	// Reliability are sources and parties with a letter of the Admiralty scale, A
	// (completely reliable) to F (cannot be judged), such as "spam-list D".
	Reliability []string `toml:"reliability"`
}

// duration is a time.Duration written as "90s" or "6h".
type duration time.Duration

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v <= 0 {
		return fmt.Errorf("%q: want a duration such as \"90s\" or \"6h\"", b)
	}
	*d = duration(v)
	return nil
}

//nolint:unparam // encoding.TextMarshaler
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func defaultConfig() Config {
	return Config{
		Listen:  ListenConfig{Node: "127.0.0.1:8440", Console: "127.0.0.1:8441", DNS: "127.0.0.1:8453"},
		Store:   StoreConfig{URL: "sqlite:accord.db"},
		Ingest:  IngestConfig{DefaultTLP: accord.TLPAmber},
		Feeds:   FeedsConfig{AllowNetworks: []string{}},
		Protect: ProtectConfig{HotFor: duration(6 * time.Hour), HotMost: 2000, Suffix: "rpz", AllowTransfer: []string{"127.0.0.0/8", "::1/128"}},
		Score:   defaultScore(),
	}
}

const configFile = "accord.toml"

// loadConfig reads and checks home/accord.toml.
func loadConfig(home string) (Config, error) {
	path := filepath.Join(home, configFile)
	c := defaultConfig()
	md, err := toml.DecodeFile(path, &c)
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("%w: no %s in %s: run \"accord init\" there, or name the node's folder with --home",
			accord.ErrNotFound, configFile, home)
	}
	if err != nil {
		return c, fmt.Errorf("%w: %s: %w", accord.ErrInvalid, path, err)
	}
	if extra := unknownKey(md, reflect.TypeFor[Config]()); extra != "" {
		return c, fmt.Errorf("%w: %s: unknown key %q: \"accord config show --reference\" lists the keys", accord.ErrInvalid, path, extra)
	}
	c.home = home
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%w: %s: %w", accord.ErrInvalid, path, err)
	}
	return c, nil
}

// unknownKey returns the first key of a text that no field of t is named, "" when
// there is none. TOML keys are compared exactly: the decoder would take Name for name.
func unknownKey(md toml.MetaData, t reflect.Type) string {
	known := map[string]bool{}
	var name func(t reflect.Type, before string)
	name = func(t reflect.Type, before string) {
		for f := range t.Fields() {
			if tag := f.Tag.Get("toml"); tag != "" {
				known[before+tag] = true
				if f.Type.Kind() == reflect.Struct {
					name(f.Type, before+tag+"\x00")
				}
			}
		}
	}
	name(t, "")
	for _, k := range md.Keys() {
		if !known[strings.Join(k, "\x00")] {
			return k.String()
		}
	}
	return ""
}

// check returns everything that is wrong with c, joined.
func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !accord.ValidPartyName(c.Self.Name) {
		bad("self.name %q: want a lower-case DNS-like name such as \"cert.ma.example\"", c.Self.Name)
	}
	if _, err := accord.ParseNation(c.Self.Nation); err != nil {
		bad("self.nation: %w", err)
	}
	if visible(c.Self.Title) != c.Self.Title {
		bad("self.title %+q: %s", c.Self.Title, unseenRefused)
	}
	c.checkListen(bad)
	if !strings.HasPrefix(c.Store.URL, "sqlite:") && !strings.HasPrefix(c.Store.URL, "postgres://") && !strings.HasPrefix(c.Store.URL, "postgresql://") {
		bad("store.url %q: want \"sqlite:FILE\" or \"postgres://…\"", c.Store.URL)
	}
	if (c.Protect.TSIGName == "") != (c.Protect.TSIGKey == "") {
		bad("protect.tsig_name and protect.tsig_key go together")
	}
	if c.Protect.MinConfidence < 0 || c.Protect.MinConfidence > 100 {
		bad("protect.min_confidence %d: want 0 to 100", c.Protect.MinConfidence)
	}
	if _, err := c.Score.models(); err != nil {
		errs = append(errs, err)
	}
	for _, s := range c.Feeds.AllowNetworks {
		if _, err := netip.ParsePrefix(s); err != nil {
			bad("feeds.allow_networks %q: want a network such as 10.1.2.0/24", s)
		}
	}
	files := map[string]string{
		"feeds.ca_file":         c.Feeds.CAFile,
		"protect.warning_lists": c.Protect.WarningLists, "protect.critical": c.Protect.Critical, "protect.tsig_key": c.Protect.TSIGKey,
		"listen.console_cert": c.Listen.ConsoleCert, "listen.console_key": c.Listen.ConsoleKey,
	}
	for _, key := range sortedKeys(files) {
		if p := files[key]; p != "" {
			if _, err := os.Stat(c.path(p)); err != nil {
				bad("%s: %w", key, err)
			}
		}
	}
	return errors.Join(errs...)
}

// checkListen calls bad with each thing that is wrong with [listen].
func (c Config) checkListen(bad func(format string, args ...any)) {
	listen := map[string]string{"listen.node": c.Listen.Node, "listen.console": c.Listen.Console, "listen.dns": c.Listen.DNS}
	for _, key := range sortedKeys(listen) {
		addr := listen[key]
		if addr == "" && key == "listen.dns" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			bad("%s %q: want host:port", key, addr)
		}
	}
	if (c.Listen.ConsoleCert == "") != (c.Listen.ConsoleKey == "") {
		bad("listen.console_cert and listen.console_key go together")
	}
	if c.Listen.ConsoleCert == "" && !loopback(c.Listen.Console) {
		bad("listen.console %q is not a loopback address: give console_cert and console_key, or put a TLS proxy before a loopback address", c.Listen.Console)
	}
	if c.Listen.URL != "" && !bareHTTPS(c.Listen.URL) {
		bad("listen.url %q: want https://host:port", c.Listen.URL)
	}
	if c.Listen.ConsoleURL != "" {
		u, err := url.Parse(c.Listen.ConsoleURL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			bad("listen.console_url %q: want https://host or https://host:port", c.Listen.ConsoleURL)
		}
	}
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// path resolves p against the configuration file's folder.
func (c Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.home, p)
}

// storeURL is Store.URL with a relative file made absolute.
func (c Config) storeURL() string {
	if file, ok := strings.CutPrefix(c.Store.URL, "sqlite:"); ok {
		return "sqlite:" + c.path(file)
	}
	return c.Store.URL
}

// storeFile is the SQLite file of the store, if it is one.
func (c Config) storeFile() (file string, ok bool) { return strings.CutPrefix(c.storeURL(), "sqlite:") }

// nodeURL is how partners reach the node.
func (c Config) nodeURL() string {
	if c.Listen.URL != "" {
		return strings.TrimRight(c.Listen.URL, "/")
	}
	return "https://" + c.Listen.Node
}

// consoleURL is how people reach the console.
func (c Config) consoleURL() string {
	switch {
	case c.Listen.ConsoleURL != "":
		return strings.TrimRight(c.Listen.ConsoleURL, "/")
	case c.Listen.ConsoleCert != "":
		return "https://" + c.Listen.Console
	}
	return "http://" + c.Listen.Console
}
