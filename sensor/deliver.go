// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"accord"
	"accord/match"
)

// deliver sends what is in the spool until ctx ends.
func (s *Sensor) deliver(ctx context.Context) error {
	wait := backoff{least: time.Second, most: time.Minute}
	for {
		err := s.drain(ctx)
		var local *stateError
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // a worker whose ctx ended did not fail
		case errors.As(err, &local):
			return err
		case err != nil && !wait.failing():
			s.Log.ErrorContext(ctx, "matches wait in the spool", "error", err)
		}
		pause := wait.next(err)
		if err != nil {
			if !sleep(ctx, pause) {
				return nil
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.posted:
		}
	}
}

// stateError is a failure of the state directory, which no waiting mends.
type stateError struct{ err error }

func (e *stateError) Error() string { return e.err.Error() }
func (e *stateError) Unwrap() error { return e.err }

// drain sends all that is in the spool, oldest first.
func (s *Sensor) drain(ctx context.Context) error {
	seqs, err := s.state.spooled()
	if err != nil {
		return &stateError{err}
	}
	for _, seq := range seqs {
		var c commit
		if err := readJSON(s.state.spoolPath(seq), &c); err != nil {
			return &stateError{err}
		}
		for _, report := range c.Reports {
			if err := s.send(ctx, report); err != nil {
				return err
			}
		}
		if err := s.state.delivered(seq, s.Now()); err != nil {
			return &stateError{err}
		}
	}
	return nil
}

// send sends one report. One that the node refuses for good is kept apart.
func (s *Sensor) send(ctx context.Context, report []byte) error {
	err := s.client.report(ctx, report)
	var answer *answerError
	if !errors.As(err, &answer) || !answer.final() {
		return err
	}
	var r match.Report
	batch := uuid.NewString()
	if json.Unmarshal(report, &r) == nil && r.Batch != "" {
		batch = r.Batch
	}
	s.Log.ErrorContext(ctx, "node refuses a report, kept under refused/", "batch", batch, "error", err)
	if err := s.state.refused(batch, report); err != nil {
		return &stateError{err}
	}
	return nil
}

// reports turns matches into reports of a size that a node takes.
func reports(ms []accord.Match) ([]jsontext.Value, error) {
	var out []jsontext.Value
	for len(ms) > 0 {
		n := min(len(ms), match.MaxReportMatch)
		for {
			b, err := match.EncodeReport(match.NewReport(uuid.NewString(), ms[:n]))
			if err != nil {
				return nil, err
			}
			if len(b) <= match.MaxReport || n == 1 {
				out = append(out, b)
				break
			}
			n /= 2
		}
		ms = ms[n:]
	}
	return out, nil
}

// show writes matches for a person, as a dry run does.
func (s *Sensor) show(ms []accord.Match) error {
	for i := range ms {
		m := &ms[i]
		name := ""
		if m.Name != "" {
			name = "  " + fmt.Sprintf("%q", m.Name)
		}
		_, err := fmt.Fprintf(s.Out, "%s  %s %s  seen as %q in %s %s from %s  ×%d  %s%s\n",
			m.First, m.Value.Kind, m.Value.Value, m.Seen.Value, m.Seen.Log, m.Seen.Field, m.Seen.From, m.Count, m.Indicator.ID, name)
		if err != nil {
			return fmt.Errorf("show matches: %w", err)
		}
	}
	return nil
}
