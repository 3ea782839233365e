// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
)

// Add sends objects to a collection (§5.5), each the bytes of one JSON object, in
// as many envelopes as the API root's max_content_length asks for, and waits up
// to StatusWait for what is pending. An object too large to send counts among the
// Failures. When an envelope is refused, Status says what became of those before,
// and the error is the refusal: sending all again does no harm.
func (c *Client) Add(ctx context.Context, root, collection string, objects [][]byte) (Status, error) {
	sum := Status{Status: StatusComplete}
	target, err := c.resolve(root, "collections", collection, "objects")
	if err != nil {
		return sum, err
	}
	info, err := c.info(ctx, root)
	if err != nil {
		return sum, err
	}
	p := push{c: c, root: root, target: target, info: info, sum: &sum}
	for len(objects) > 0 {
		n := fit(objects, info.max)
		if n == 0 {
			sum.merge(tooLarge(objects[0], info.max))
			objects = objects[1:]
			continue
		}
		if err := p.send(ctx, objects[:n]); err != nil {
			return sum, err
		}
		objects = objects[n:]
	}
	return sum, nil
}

func (c *Client) info(ctx context.Context, root string) (rootInfo, error) {
	c.mu.Lock()
	info, known := c.infos[root]
	c.mu.Unlock()
	if known {
		return info, nil
	}
	if _, err := c.Root(ctx, root); err != nil {
		return rootInfo{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.infos[root], nil
}

// fit returns how many objects go into one envelope of at most most octets.
func fit(objects [][]byte, most int64) int {
	size := int64(len(`{"objects":[]}`))
	for i, o := range objects {
		size += int64(len(o))
		if i > 0 {
			size++
		}
		// §4.2.1 promises only for "values smaller than this".
		if size >= most || i == maxObjects {
			return i
		}
	}
	return len(objects)
}

func tooLarge(object []byte, most int64) Status {
	var head struct {
		ID       string `json:"id"`
		Modified string `json:"modified"`
		Created  string `json:"created"`
	}
	_ = json.Unmarshal(object, &head) // without them the message alone must do
	version := head.Modified
	if version == "" {
		version = head.Created
	}
	return Status{Status: StatusComplete, TotalCount: 1, FailureCount: 1, Failures: []StatusDetail{{
		ID: head.ID, Version: version,
		Message: fmt.Sprintf("not sent: %d octets, and the server takes %d in all", len(object), most),
	}}}
}

// push is one Add on its way.
type push struct {
	c            *Client
	root, target string
	info         rootInfo
	sum          *Status
}

// send posts one envelope; when what is in between does not take gzip after all,
// plain, and when it is too large after all, in halves.
func (p *push) send(ctx context.Context, objects [][]byte) error {
	body := buildEnvelope(nil, objects)
	compress := p.info.gzip && len(body) >= gzipFloor
	answer, err := p.c.do(ctx, http.MethodPost, p.target, body, compress)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusUnsupportedMediaType && compress {
		p.info.gzip = false
		answer, err = p.c.do(ctx, http.MethodPost, p.target, body, false)
	}
	if errors.As(err, &e) && e.Status == http.StatusRequestEntityTooLarge && len(objects) > 1 {
		half := len(objects) / 2
		if err := p.send(ctx, objects[:half]); err != nil {
			return err
		}
		return p.send(ctx, objects[half:])
	}
	if err != nil {
		return err
	}
	var st Status
	if err := decode(answer.body, &st); err != nil {
		return err
	}
	st, err = p.wait(ctx, st)
	p.sum.merge(st)
	return err
}

// wait polls a pending status until it is complete or StatusWait is over, in
// which case it stays pending.
func (p *push) wait(ctx context.Context, st Status) (Status, error) {
	pause, waited := 100*time.Millisecond, time.Duration(0)
	for st.Status == StatusPending && waited < p.c.StatusWait {
		if err := sleep(ctx, pause); err != nil {
			return st, err
		}
		waited += pause
		later, err := p.c.Status(ctx, p.root, st.ID)
		if errors.Is(err, accord.ErrNotFound) {
			return st, nil // it may be forgotten once complete (§4.3); what we have is what we know
		}
		if err != nil {
			return st, err
		}
		st, pause = later, min(2*pause, 5*time.Second)
	}
	if st.Status != StatusPending && st.Status != StatusComplete {
		return st, fmt.Errorf("%w: status %q is neither complete nor pending (§4.3.1)", accord.ErrInvalid, plain(st.Status))
	}
	return st, nil
}
