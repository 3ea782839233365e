// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"accord"
	"accord/taxii"
)

// What is kept of TAXII adds. A status is kept for twice the day that §4.3 asks for,
// and at most so many of one party. One that is kept names every object that failed
// and those that did not, up to so many in all; its counts are of all.
const (
	statusHours   = 48
	statusKept    = 4096
	detailsKept   = 1000
	addingMost    = 512 // parts of one party that wait, of pushBatch objects each
	addingPause   = 5 * time.Second
	forgetPause   = time.Hour
	messageLength = 300
)

// errWaiting is a part that cannot be done before its party's node has answered.
var errWaiting = errors.New("its node has not answered yet")

// Adder does the adds that are answered before they are done: what was promised is
// in the store, so a restart goes on with it. Make it with [NewAdder].
type Adder struct {
	node *Node
	wake chan struct{}
}

// NewAdder returns an Adder of n, to run.
func NewAdder(n *Node) *Adder { return &Adder{node: n, wake: make(chan struct{}, 1)} }

// later keeps an add to be done, and says so.
func (a *Adder) later(ctx context.Context, party accord.Party, objects [][]byte) (taxii.Status, error) {
	n := a.node
	waiting, err := n.Store.AddingOf(ctx, party.Name, addingMost)
	if err != nil {
		return taxii.Status{}, err
	}
	if waiting >= addingMost {
		return taxii.Status{}, &taxii.Error{
			Status: http.StatusServiceUnavailable, Title: http.StatusText(http.StatusServiceUnavailable),
			Description: "too much that was added is still to be done: come again later", RetryAfter: 10 * time.Second,
		}
	}
	s := taxii.NewStatus(uuid.NewString(), n.now(), nil, nil, nil)
	s.Status, s.TotalCount, s.PendingCount = taxii.StatusPending, int64(len(objects)), int64(len(objects))
	var parts [][]byte
	for part := range slices.Chunk(objects, pushBatch) {
		parts = append(parts, slices.Concat([]byte("["), bytes.Join(part, []byte(",")), []byte("]")))
	}
	if err := n.keep(ctx, party.Name, s, parts); err != nil {
		return taxii.Status{}, err
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
	return s, nil
}

// keep stores a status, and what is left to do of its request.
func (n *Node) keep(ctx context.Context, party string, s taxii.Status, parts [][]byte) error {
	body, err := json.Marshal(kept(s))
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	add := accord.Adding{ID: s.ID, Party: party, Status: body, Parts: parts}
	if s.Status == taxii.StatusComplete {
		add.Done = n.now()
	}
	return n.Store.RecordAdd(ctx, add, statusKept)
}

// kept is s as it is stored: failures before successes, and not more than there is
// room for.
func kept(s taxii.Status) taxii.Status {
	s.Failures = s.Failures[:min(len(s.Failures), detailsKept)]
	s.Successes = s.Successes[:min(len(s.Successes), detailsKept-len(s.Failures))]
	return s
}

func readStatus(b []byte) (s taxii.Status, err error) {
	if err = json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	return s, nil
}

// details tells verdicts as TAXII does.
func details(verdicts []Verdict) (good, bad []taxii.StatusDetail) {
	for _, v := range verdicts {
		d := taxii.StatusDetail{ID: v.ID, Version: versionText(v.Version), Message: v.Refused}
		if v.Refused == "" {
			good = append(good, d)
			continue
		}
		if len(d.Message) > messageLength {
			d.Message = strings.ToValidUTF8(d.Message[:messageLength], "") // not within a rune: JSON holds none that is cut
		}
		bad = append(bad, d)
	}
	return good, bad
}

// Run does adds until ctx ends, and forgets statuses whose time is over.
func (a *Adder) Run(ctx context.Context) error {
	forgotten := time.Time{}
	for ctx.Err() == nil {
		if now := a.node.Now(); now.Sub(forgotten) >= forgetPause {
			if err := a.node.Store.ForgetAdded(ctx, a.node.now()-statusHours*3600*1_000_000); err != nil && ctx.Err() == nil {
				a.node.Logger.Warn("statuses of adds are not forgotten yet", "error", err)
			}
			forgotten = now
		}
		if err := a.Pass(ctx); err != nil && ctx.Err() == nil {
			a.node.Logger.Warn("adds will be tried again", "error", err, "in", addingPause.String())
		}
		t := time.NewTimer(addingPause)
		select {
		case <-a.wake:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
	return nil
}

// Pass does every part that waits. One that cannot be done now is passed over, and
// its party's others with it; it is there again at the next pass.
func (a *Adder) Pass(ctx context.Context) error {
	var errs []error
	stuck := map[string]bool{}
	number, part := int64(0), -1
	for {
		p, err := a.node.Store.NextAdding(ctx, number, part)
		if errors.Is(err, accord.ErrNotFound) {
			return errors.Join(errs...)
		}
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		if number, part = p.Number, p.Part; stuck[p.Party] {
			part = math.MaxInt32 // on to the next request: this one's parts are not read
			continue
		}
		if err := a.do(ctx, p); err != nil && !errors.Is(err, accord.ErrConflict) {
			stuck[p.Party] = true
			errs = append(errs, fmt.Errorf("add %s of %s: %w", p.ID, p.Party, err))
		}
	}
}

// do takes the objects of one part. What the node refuses as a whole (the party is
// gone, the agreement suspended) has failed; what the store fails at is not done.
func (a *Adder) do(ctx context.Context, p accord.AddingPart) error {
	s, err := readStatus(p.Status)
	if err != nil {
		return err
	}
	objects, err := split(p.Objects)
	if err != nil {
		return err
	}
	if may, err := a.node.maySign(ctx, p.Party); err != nil {
		return err
	} else if !may && a.node.partner(p.Party).quarantineErr() == nil {
		return errWaiting // it will say how much of our log it holds: see maySign
	}
	party, err := a.node.party(ctx, p.Party)
	var verdicts []Verdict
	if err == nil {
		verdicts, err = a.node.Take(ctx, party, objects)
	}
	switch {
	case errors.Is(err, accord.ErrConflict), errors.Is(err, accord.ErrForbidden), errors.Is(err, accord.ErrInvalid):
		verdicts = refused(objects, err.Error())
	case err != nil:
		return err
	}
	good, bad := details(verdicts)
	s.Successes, s.Failures = append(s.Successes, good...), append(s.Failures, bad...)
	s.SuccessCount += int64(len(good))
	s.FailureCount += int64(len(bad))
	s.PendingCount = max(0, s.TotalCount-s.SuccessCount-s.FailureCount)
	done := accord.Stamp(0)
	if s.PendingCount == 0 {
		s.Status, done = taxii.StatusComplete, a.node.now()
	}
	body, err := json.Marshal(kept(s))
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	return a.node.Store.FinishAdding(ctx, p, body, done)
}

// split returns the elements of a JSON list.
func split(list []byte) (out [][]byte, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(list))
	_, err = dec.ReadToken()
	for err == nil && dec.PeekKind() != ']' {
		var v jsontext.Value
		if v, err = dec.ReadValue(); err == nil {
			out = append(out, v.Clone())
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read part: %w", err)
	}
	return out, nil
}

// refused is the verdict on objects of which none was looked at.
func refused(objects [][]byte, why string) []Verdict {
	out := make([]Verdict, len(objects))
	for i, o := range objects {
		var head struct {
			ID       string       `json:"id"`
			Modified accord.Stamp `json:"modified"`
			Created  accord.Stamp `json:"created"`
		}
		_ = json.Unmarshal(o, &head) // without them the message alone must do
		out[i] = Verdict{ID: head.ID, Version: max(head.Modified, head.Created), Refused: why}
	}
	return out
}
