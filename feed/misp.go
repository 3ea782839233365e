// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"accord"
	"accord/misp"
)

// goneMark stands for an event that the manifest no longer lists: should it come
// back, it is read again. What it brought stays.
const goneMark = "gone"

// misp reads what changed of a MISP feed, an event at a time.
func (r *run) misp(ctx context.Context) error {
	client, err := r.client(r.feed)
	if err != nil {
		return err
	}
	parts, err := r.Store.FeedParts(ctx, r.feed.Name)
	if err != nil {
		return err
	}
	state := misp.State{ETag: r.state.ETag, LastModified: r.state.Modified, Events: map[string]int64{}}
	if r.state.Full == 0 || r.Now().Sub(r.state.Full.Time()) >= fullAfter || r.accept {
		state.ETag, state.LastModified = "", ""
	}
	for part, mark := range parts {
		if at, err := strconv.ParseInt(mark, 10, 64); err == nil {
			state.Events[part] = at
		}
	}
	had := state.ETag + state.LastModified
	reader := &misp.FeedReader{
		URL:    r.feed.URL,
		Client: bounded{client, r.feed.MaxBytes, func(n int64) { r.sum.Bytes += n }},
		Limits: misp.FeedLimits{Total: r.feed.MaxBytes},
	}
	for event, err := range reader.Changed(ctx, &state) {
		if err := r.event(ctx, event, err); err != nil {
			return err
		}
	}
	r.state.ETag, r.state.Modified = state.ETag, state.LastModified
	if r.again {
		r.state.ETag, r.state.Modified = "", ""
	}
	if r.sum.Bytes > 0 || had == "" {
		r.state.Full = accord.StampOf(r.Now())
	}
	return nil
}

// event takes one event, or notes why it was not read.
func (r *run) event(ctx context.Context, e misp.FeedEvent, err error) error {
	switch {
	case errors.Is(err, misp.ErrEvent):
		return r.passOver(e.UUID, err)
	case errors.Is(err, misp.ErrMore):
		r.notes = "there is more than one run takes: the next goes on"
		return nil
	case err != nil:
		return err
	case e.Gone:
		return r.Store.TakeFeedPart(ctx, r.feed.Name, e.UUID, goneMark)
	}
	got, err := r.spool(bytes.NewReader(e.Bytes))
	if err != nil {
		return err
	}
	defer os.Remove(got.path) //nolint:errcheck // a temporary file
	if err := looksWrong(got.path); err != nil {
		if _, isHeld := errors.AsType[*heldError](err); !isHeld {
			return err
		}
		r.again = true
		return r.passOver(e.UUID, err)
	}
	if err := r.part(ctx, Input{Path: got.path, Name: e.UUID + ".json"}); err != nil {
		return err
	}
	return r.Store.TakeFeedPart(ctx, r.feed.Name, e.UUID, strconv.FormatInt(e.Timestamp, 10))
}

// passOver refuses one event, which the next run tries again; the others are read.
func (r *run) passOver(id string, why error) error {
	r.refuse(id, why)
	if r.sum.Refused > 50 && r.sum.Objects == 0 {
		return fmt.Errorf("over 50 events could not be read: %w", why)
	}
	return nil
}
