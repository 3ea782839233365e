// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"accord"
	"accord/feed/safehttp"
	"accord/format/list"
)

// The defaults of a feed's quotas and times.
const (
	defaultBytes   = 256 << 20
	defaultRun     = 2_000_000
	defaultItems   = 5_000_000
	defaultTimeout = 30 * time.Minute
	defaultDrop    = 25 // percent
	defaultEvery   = time.Hour
)

// WithDefaults returns f with what it does not say filled in.
func WithDefaults(f accord.Feed) accord.Feed {
	f.Every = cmp.Or(f.Every, accord.FeedDuration(defaultEvery))
	f.Timeout = cmp.Or(f.Timeout, accord.FeedDuration(defaultTimeout))
	f.MaxBytes = cmp.Or(f.MaxBytes, defaultBytes)
	f.MaxRun = cmp.Or(f.MaxRun, defaultRun)
	f.MaxItems = cmp.Or(f.MaxItems, defaultItems)
	f.MaxDrop = cmp.Or(f.MaxDrop, defaultDrop)
	return f
}

// Check refuses a feed that could not be run, and says why.
func Check(f accord.Feed) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: feed %.100q: %s", accord.ErrInvalid, f.Name, fmt.Sprintf(format, args...))
	}
	u, err := url.Parse(f.URL)
	switch {
	case !accord.ValidPartyName(f.Name):
		return bad("want a name of lower-case letters, digits, dots and dashes")
	case err != nil || len(f.URL) > 2000:
		return bad("URL: want https://… or file:///…")
	case f.Every != 0 && time.Duration(f.Every) < shortest:
		return bad("every %s: want at least %s", time.Duration(f.Every), shortest)
	case f.MaxDrop < 0 || f.MaxDrop > 100 || f.MaxBytes < 0 || f.MaxRun < 0 || f.MaxItems < 0 || f.Timeout < 0:
		return bad("a quota is negative, or a share over 100 percent")
	case f.Mirror && f.Kind != accord.FeedList:
		return bad("only a list can be mirrored: other feeds say themselves what they take back")
	case f.List != accord.ListForm{} && f.Kind != accord.FeedList:
		return bad("a column, kind, delimiter or comment sign is for lists")
	case len(f.Labels) > 50:
		return bad("%d labels: at most 50", len(f.Labels))
	}
	if err := list.CheckForm(f.List); err != nil {
		return bad("%v", err)
	}
	if err := checkAuth(f.Auth); err != nil {
		return bad("%v", err)
	}
	if err := checkURL(f, u); err != nil {
		return bad("%s", strings.TrimPrefix(err.Error(), accord.ErrForbidden.Error()+": "))
	}
	return nil
}

func checkURL(f accord.Feed, u *url.URL) error {
	switch f.Kind {
	case accord.FeedSTIX, accord.FeedList, accord.FeedMISP, accord.FeedTAXII:
	default:
		return fmt.Errorf("kind %.40q: want stix, list, misp or taxii", string(f.Kind))
	}
	if u.Scheme == "file" {
		if u.Host != "" || !filepath.IsAbs(u.Path) || f.Kind == accord.FeedTAXII {
			return fmt.Errorf("want file:///path of a file or folder")
		}
		return nil
	}
	if err := safehttp.CheckURL(u, f.PlainHTTP); err != nil {
		return err
	}
	if f.Kind == accord.FeedTAXII {
		_, _, _, err := collectionOf(u)
		if host, bad := netip.ParseAddr(u.Hostname()); err == nil && u.Scheme == "http" && (bad != nil || !host.IsLoopback()) {
			return fmt.Errorf("TAXII over plain http is for loopback alone (TAXII 2.1 §8.5.1)")
		}
		return err
	}
	return nil
}

func checkAuth(a accord.FeedAuth) error {
	token := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
	}
	switch a.Kind {
	case "":
		if a != (accord.FeedAuth{}) {
			return fmt.Errorf("a credential without its kind: want basic, bearer, header or query")
		}
		return nil
	case "basic", "bearer":
		if a.Name != "" {
			return fmt.Errorf("a %s credential has no name", a.Kind)
		}
	case "header", "query":
		if a.Name == "" || len(a.Name) > 100 || strings.TrimFunc(a.Name, token) != "" || strings.ContainsFunc(a.Name, func(r rune) bool { return !token(r) }) {
			return fmt.Errorf("a %s credential needs a name of letters, digits and dashes", a.Kind)
		}
		if h := http.CanonicalHeaderKey(a.Name); a.Kind == "header" && (h == "Host" || h == "Content-Length" || h == "Connection") {
			return fmt.Errorf("header %s is not for a credential", h)
		}
	default:
		return fmt.Errorf("credential of kind %.40q: want basic, bearer, header or query", a.Kind)
	}
	if a.File == "" {
		return fmt.Errorf("a credential is given in a file")
	}
	return nil
}

// secretMost is the longest secret taken from a file.
const secretMost = 8 << 10

// credential reads a feed's secret from its file. No error shows it.
func (w *Worker) credential(a accord.FeedAuth) (c safehttp.Credential, err error) {
	if a.Kind == "" {
		return c, nil
	}
	path := a.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.Config.Home, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return c, fmt.Errorf("credential: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || info.Size() > secretMost {
		return c, fmt.Errorf("%w: credential %s: want a small file that only its owner can read (chmod 600)", accord.ErrForbidden, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("credential: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" || strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r > '~' }) {
		return c, fmt.Errorf("%w: credential %s: want one line of printable text", accord.ErrInvalid, path)
	}
	switch a.Kind {
	case "basic":
		user, password, ok := strings.Cut(secret, ":")
		if !ok {
			return c, fmt.Errorf("%w: credential %s: want user:password", accord.ErrInvalid, path)
		}
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		return safehttp.Credential{Header: "Authorization", Value: r.Header.Get("Authorization")}, nil
	case "bearer":
		return safehttp.Credential{Header: "Authorization", Value: "Bearer " + secret}, nil
	case "query":
		return safehttp.Credential{Query: a.Name, Secret: secret}, nil
	}
	return safehttp.Credential{Header: a.Name, Value: secret}, nil
}

// client is what fetches a feed.
func (w *Worker) client(f accord.Feed) (*http.Client, error) {
	c := w.Config.withDefaults()
	secret, err := w.credential(f.Auth)
	if err != nil {
		return nil, err
	}
	origin, err := url.Parse(f.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: URL", accord.ErrInvalid)
	}
	return safehttp.Client(safehttp.Config{
		Allow: c.Allow, PlainHTTP: f.PlainHTTP, Roots: c.Roots, UserAgent: c.UserAgent, Credential: secret, Origin: origin,
	}), nil
}
