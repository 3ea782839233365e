// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"accord"
	"accord/exchange"
	"accord/taxii"
)

// taxiiCmd groups the commands of a TAXII 2.1 client. They need no node.
type taxiiCmd struct {
	Discover taxiiDiscoverCmd `cmd:"" help:"List the API roots and collections of a TAXII 2.1 server."`
	Get      taxiiGetCmd      `cmd:"" help:"Read a collection: objects as JSON lines, or as a bundle."`
	Post     taxiiPostCmd     `cmd:"" help:"Add objects to a collection, and say what became of each."`
}

// taxiiServer is which server, and what is shown to it.
type taxiiServer struct {
	URL          string        `arg:"" help:"The server, https://HOST[:PORT]; with a path other than /taxii2/, one of its API roots."`
	TokenFile    string        `help:"File with a bearer token; else it is taken from $ACCORD_TAXII_TOKEN." type:"existingfile" placeholder:"FILE"`
	User         string        `help:"User name of HTTP Basic, instead of a token." placeholder:"NAME"`
	PasswordFile string        `help:"File with the password; else it is taken from $ACCORD_TAXII_PASSWORD." type:"existingfile" placeholder:"FILE"`
	CA           string        `help:"File with the certificates (PEM) to trust instead of the system's." type:"existingfile" placeholder:"FILE"`
	Pin          string        `help:"The server's TLS key, as a card's tls_pin: trusts that key alone." placeholder:"HEX"`
	Timeout      time.Duration `help:"How long one request may take." default:"1m" placeholder:"DURATION"`
}

// client returns the client of the server, and the API root that the URL names, if any.
func (s taxiiServer) client() (c *taxii.Client, root string, err error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, "", fmt.Errorf("%w: server %q: want https://host[:port], and credentials in files", accord.ErrInvalid, s.URL)
	}
	if path := strings.Trim(u.Path, "/"); path != "" && path != "taxii2" {
		root = "/" + path + "/"
	}
	c = &taxii.Client{URL: u.Scheme + "://" + u.Host, Timeout: s.Timeout, UserAgent: "accord/" + versionText()}
	if err := s.credentials(c); err != nil {
		return nil, "", err
	}
	c.HTTP, err = s.http()
	return c, root, err
}

func (s taxiiServer) credentials(c *taxii.Client) (err error) {
	if s.User != "" {
		c.User = s.User
		c.Password, err = secretFrom(s.PasswordFile, "ACCORD_TAXII_PASSWORD")
		return err
	}
	if s.PasswordFile != "" {
		return fmt.Errorf("%w: --password-file needs --user", accord.ErrInvalid)
	}
	c.Token, err = secretFrom(s.TokenFile, "ACCORD_TAXII_TOKEN")
	return err
}

// secretFrom reads a secret of one line from a file, else from the environment.
func secretFrom(file, env string) (string, error) {
	text, from := os.Getenv(env), "$"+env
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		text, from = string(b), file
	}
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) || file != "" && text == "" {
		return "", fmt.Errorf("%w: %s does not hold one line of text", accord.ErrInvalid, from)
	}
	return text, nil
}

// http returns the HTTP client, nil for the usual one: certificates are always checked.
func (s taxiiServer) http() (*http.Client, error) {
	switch {
	case s.Pin != "" && s.CA != "":
		return nil, fmt.Errorf("%w: --pin and --ca exclude each other", accord.ErrInvalid)
	case s.Pin != "" && !isHex(s.Pin, 64):
		return nil, fmt.Errorf("%w: --pin: want the 64 hex digits of a card's tls_pin", accord.ErrInvalid)
	case s.Pin != "":
		return exchange.PinnedClient(tls.Certificate{}, s.Pin), nil
	case s.CA == "":
		return nil, nil
	}
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, err
	}
	cfg := taxii.TLSConfig()
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: %s holds no certificate in PEM", accord.ErrInvalid, s.CA)
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: cfg, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4,
	}}, nil
}

// roots returns the API roots to look in: the one named, else those that discovery
// names, the default first. Those on other servers are told and left out.
func (s taxiiServer) roots(e *env, c *taxii.Client, named string) ([]string, taxii.Discovery, error) {
	if named != "" {
		return []string{named}, taxii.Discovery{}, nil
	}
	d, err := c.Discovery(e.ctx)
	if err != nil {
		return nil, d, fmt.Errorf("discovery: %w", explainTAXII(err))
	}
	var out []string
	for _, r := range append([]string{d.Default}, d.APIRoots...) {
		if u, err := url.Parse(r); err == nil && u.IsAbs() && u.Scheme+"://"+u.Host != c.URL {
			if r != d.Default {
				fmt.Fprintf(e.stderr, "An API root on another server, which needs credentials of its own: %s\n", visible(r))
			}
			continue
		}
		if r != "" && (len(out) == 0 || r != d.Default) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, d, fmt.Errorf("%w: the server names no API root for you on this host", accord.ErrNotFound)
	}
	return out, d, nil
}

// explainTAXII says what to do about the refusals that people meet first.
func explainTAXII(err error) error {
	if errors.Is(err, taxii.ErrUnauthenticated) {
		return fmt.Errorf("%w: credentials are missing or wrong: --token-file, or --user with --password-file: %w", accord.ErrForbidden, err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w: the server's certificate is not trusted: --ca names one that signed it, --pin its key: %w", accord.ErrForbidden, err)
	}
	return err
}

// find returns the root and the collection that a name (id, alias or title) means.
func (s taxiiServer) find(ctx context.Context, c *taxii.Client, roots []string, name string) (string, taxii.Collection, error) {
	var seen []string
	for _, root := range roots {
		list, err := c.Collections(ctx, root)
		if err != nil {
			return "", taxii.Collection{}, fmt.Errorf("collections of %s: %w", visible(root), explainTAXII(err))
		}
		for _, one := range list {
			if strings.EqualFold(one.ID, name) || one.Alias == name || one.Title == name {
				return root, one, nil
			}
			seen = append(seen, one.ID)
		}
	}
	return "", taxii.Collection{}, fmt.Errorf("%w: collection %q: \"accord taxii discover\" lists the %d there are", accord.ErrNotFound, name, len(seen))
}

// collection returns a client of the server and where the collection is that name
// is the id, alias or title of; set alters the client before it asks.
func (s taxiiServer) collection(e *env, name string, set func(*taxii.Client)) (c *taxii.Client, root string, col taxii.Collection, err error) {
	c, named, err := s.client()
	if err != nil {
		return nil, "", col, err
	}
	set(c)
	roots, _, err := s.roots(e, c, named)
	if err != nil {
		return nil, "", col, err
	}
	root, col, err = s.find(e.ctx, c, roots, name)
	return c, root, col, err
}

type taxiiDiscoverCmd struct {
	taxiiServer
}

// Run prints what the server has.
func (t *taxiiDiscoverCmd) Run(e *env) error {
	c, named, err := t.client()
	if err != nil {
		return err
	}
	roots, d, err := t.roots(e, c, named)
	if err != nil {
		return err
	}
	if d.Title != "" {
		fmt.Fprintf(e.stdout, "%s\n", visible(d.Title))
	}
	type row struct {
		root string
		taxii.Collection
	}
	var rows []row
	for _, root := range roots {
		info, err := c.Root(e.ctx, root)
		if err != nil {
			fmt.Fprintf(e.stderr, "%s: %v\n", visible(root), explainTAXII(err))
			continue
		}
		list, err := c.Collections(e.ctx, root)
		if err != nil {
			return fmt.Errorf("collections of %s: %w", visible(root), explainTAXII(err))
		}
		fmt.Fprintf(e.stdout, "%s  %s; takes up to %d octets\n", visible(root), visible(info.Title), info.MaxContentLength)
		for _, one := range list {
			rows = append(rows, row{root, one})
		}
	}
	return printTable(e, rows, "No collection there is for you.", []string{"COLLECTION", "ALIAS", "MAY", "ROOT", "TITLE"}, func(r row) []any {
		may := ""
		if r.CanRead {
			may = "read"
		}
		if r.CanWrite {
			may = strings.TrimPrefix(may+"+write", "+")
		}
		return []any{r.ID, r.Alias, may, r.root, r.Title}
	})
}
