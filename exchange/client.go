// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/taxii"
)

// LogPath is where a node takes announcements (POST) and says how much it
// mirrors (GET, with ?origin=).
const LogPath = "/accord/v1/log"

// answerMost bounds what is read of an answer, in bytes.
const answerMost = 1 << 20

// Client reaches a partner's node over mutual TLS.
type Client struct {
	HTTP  *http.Client // from [PinnedClient]
	URL   string       // base URL of the node
	Inbox string       // collection id of the partner's inbox for this node
	TAXII *taxii.Client
}

var _ Remote = (*Client)(nil)

// Mirrored implements [Remote].
func (c *Client) Mirrored(ctx context.Context, origin string) (Mirrored, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+LogPath+"?origin="+url.QueryEscape(origin), nil)
	if err != nil {
		return Mirrored{}, err
	}
	return c.do(req)
}

// Announce implements [Remote].
func (c *Client) Announce(ctx context.Context, a Announcement) (Mirrored, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return Mirrored{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+LogPath, bytes.NewReader(body))
	if err != nil {
		return Mirrored{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.do(req)
}

// Add implements [Remote].
func (c *Client) Add(ctx context.Context, objects [][]byte) (map[string]string, error) {
	status, err := c.TAXII.Add(ctx, "/"+APIRoot+"/", c.Inbox, objects)
	if err != nil {
		return nil, err
	}
	refused := map[string]string{}
	for _, f := range status.Failures {
		refused[f.ID] = f.Message
	}
	if status.PendingCount > 0 {
		return nil, fmt.Errorf("%w: the partner has not finished with %d objects", accord.ErrConflict, status.PendingCount)
	}
	return refused, nil
}

func (c *Client) do(req *http.Request) (Mirrored, error) {
	var m Mirrored
	res, err := c.HTTP.Do(req)
	if err != nil {
		return m, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerMost+1))
	if err != nil {
		return m, fmt.Errorf("read answer: %w", err)
	}
	if len(body) > answerMost {
		return m, fmt.Errorf("%w: the answer is over %d bytes", accord.ErrInvalid, answerMost)
	}
	if res.StatusCode != http.StatusOK {
		return m, problemOf(res, body)
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("%w: answer: %w", accord.ErrInvalid, err)
	}
	return m, nil
}

// problemOf turns an RFC 9457 problem into an error of its kind.
func problemOf(res *http.Response, body []byte) error {
	var p struct {
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(body, &p); err != nil || p.Detail == "" {
		p.Detail = http.StatusText(res.StatusCode)
	}
	kind := fmt.Errorf("status %d", res.StatusCode)
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = accord.ErrForbidden
	case http.StatusNotFound:
		kind = accord.ErrNotFound
	case http.StatusConflict:
		kind = accord.ErrConflict
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		kind = accord.ErrInvalid
	}
	return fmt.Errorf("%w: the partner answered: %s", kind, p.Detail)
}
