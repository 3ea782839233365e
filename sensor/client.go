// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"accord"
	"accord/match"
)

// Limits of what a node may send.
const (
	maxPacked = 2 << 30 // of an index, as it travels
	maxAnswer = 4 << 10 // of an answer's text that is kept for the log
)

// client speaks to the node.
type client struct {
	base  *url.URL
	token string
	http  *http.Client
}

func newClient(node, token, pin string) (*client, error) {
	u, err := url.Parse(node)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%w: node %q: want https://host:port", accord.ErrInvalid, node)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, fmt.Errorf("%w: node %q: want https; http only to this machine", accord.ErrInvalid, node)
	}
	tlsConf := &tls.Config{MinVersion: tls.VersionTLS13}
	if pin != "" {
		want, err := hex.DecodeString(strings.ToLower(pin))
		if err != nil || len(want) != sha256.Size {
			return nil, fmt.Errorf("%w: TLS pin: want 64 hexadecimal digits", accord.ErrInvalid)
		}
		tlsConf.InsecureSkipVerify = true // the pinned key is checked instead
		tlsConf.VerifyConnection = func(cs tls.ConnectionState) error {
			sum := sha256.Sum256(cs.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if subtle.ConstantTimeCompare(sum[:], want) != 1 {
				return fmt.Errorf("%w: the node's TLS key is not the pinned one", accord.ErrForbidden)
			}
			return nil
		}
	}
	return &client{base: u, token: token, http: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: tlsConf, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 15 * time.Second,
			ResponseHeaderTimeout: 60 * time.Second, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 4,
			DialContext: (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// index takes the index that follows old, for which the node may wait; the whole
// one at once when old is nil or empty.
func (c *client) index(ctx context.Context, old *match.Index, wait time.Duration) (*match.Index, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	q := url.Values{"since": {"0"}}
	if old != nil && old.Seq() > 0 {
		q = url.Values{"since": {strconv.FormatInt(old.Seq(), 10)}, "generation": {old.Generation()}}
		if wait > 0 {
			q.Set("wait", strconv.Itoa(int(wait.Seconds())))
		}
	}
	res, err := c.do(ctx, http.MethodGet, "/api/v1/sensor/index?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // nothing to do about it
	return match.ReadIndex(io.LimitReader(res.Body, maxPacked), old, match.Limits{})
}

// report sends one report as it is in the spool.
func (c *client) report(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	res, err := c.do(ctx, http.MethodPost, "/api/v1/sensor/matches", body)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return errors.Join(err, res.Body.Close())
}

// answerError is an answer that is not 2xx.
type answerError struct {
	status int
	text   string
}

func (e *answerError) Error() string {
	hint := ""
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		hint = " (is the token still good, and of role sensor?)"
	}
	return fmt.Sprintf("node answered %d %s%s: %s", e.status, http.StatusText(e.status), hint, e.text)
}

// final reports whether sending the same again cannot help.
func (e *answerError) final() bool {
	return e.status == http.StatusBadRequest || e.status == http.StatusRequestEntityTooLarge || e.status == http.StatusUnprocessableEntity
}

func (c *client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.base.String(), "/")+path, r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", match.MediaType)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // what there is of it
		return nil, errors.Join(&answerError{res.StatusCode, strings.TrimSpace(string(text))}, res.Body.Close())
	}
	return res, nil
}
