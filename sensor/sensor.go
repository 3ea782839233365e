// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"accord"
	"accord/match"
)

// Config says what a sensor does. Node, State and Logs are needed, and Now and
// Log; zero fields else mean their defaults.
type Config struct {
	Node   string   // base URL of the node: https://host:port
	Token  string   // bearer token of role sensor
	TLSPin string   // hex SHA-256 of the node's SubjectPublicKeyInfo; empty: public certificates
	State  string   // directory of its own: index, bookmark, spool
	Logs   []string // files, as glob patterns; what is gzip or zstd is read whole
	Name   string   // what matches are signed with in a dry run; the node knows it by its token

	// Once reads what is there, reports it and ends; else logs are followed.
	Once bool
	// DryRun writes matches to Out instead of reporting them, and moves no bookmark.
	DryRun bool
	Out    io.Writer // for DryRun; default standard output

	// AnyTime matches what was seen outside an indicator's validity too.
	AnyTime bool

	Every      time.Duration // between looks at the logs; default 1 s
	IndexEvery time.Duration // between asking a node for its index that does not hold its answer back; default 5 s
	MaxSpool   int64         // bytes; default 1 GiB

	Now func() time.Time
	Log *slog.Logger
}

// Sensor is a running sensor.
type Sensor struct {
	Config
	client *client
	live   *match.Live
	state  *state
	loaded chan struct{} // closed when there is an index
	posted chan struct{} // told when the spool has something new
	status Status
}

// Status is what a sensor has done since it started.
type Status struct {
	Lines, Bytes, Bad, Matches int64
	Spooled                    int64 // batches waiting
}

// New checks c and opens the state directory, which no other sensor may use at
// the same time.
func New(c Config) (*Sensor, error) {
	if c.Every <= 0 {
		c.Every = time.Second
	}
	if c.IndexEvery <= 0 {
		c.IndexEvery = 5 * time.Second
	}
	if c.MaxSpool <= 0 {
		c.MaxSpool = 1 << 30
	}
	if c.Out == nil {
		c.Out = os.Stdout
	}
	if c.Name == "" {
		c.Name = "sensor"
	}
	if len(c.Logs) == 0 {
		return nil, fmt.Errorf("start sensor: %w: no logs named", accord.ErrInvalid)
	}
	for _, g := range c.Logs {
		if _, err := filepath.Match(g, ""); err != nil {
			return nil, fmt.Errorf("start sensor: %w: logs %q: %w", accord.ErrInvalid, g, err)
		}
	}
	cl, err := newClient(c.Node, c.Token, c.TLSPin)
	if err != nil {
		return nil, fmt.Errorf("start sensor: %w", err)
	}
	st, err := openState(c.State)
	if err != nil {
		return nil, fmt.Errorf("start sensor: %w", err)
	}
	return &Sensor{
		Config: c, client: cl, state: st, live: match.NewLive(match.NewIndex(match.Salt{})),
		loaded: make(chan struct{}), posted: make(chan struct{}, 1),
	}, nil
}

// Close frees the state directory. Call it after Run has returned.
func (s *Sensor) Close() error {
	s.client.http.CloseIdleConnections()
	return s.state.close()
}

// Status returns the counts. Call it after Run has returned.
func (s *Sensor) Status() Status {
	st := s.status
	st.Spooled, _ = s.state.spoolSize()
	return st
}

// Run works until ctx ends, then returns nil; with Once, until all there is has
// been read and reported, and when there is no log at all it fails with
// [accord.ErrNotFound].
func (s *Sensor) Run(ctx context.Context) error {
	if s.Once {
		return s.once(ctx)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.keepIndex(ctx) })
	g.Go(func() error { return s.follow(ctx) })
	if !s.DryRun {
		g.Go(func() error { return s.deliver(ctx) })
	}
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// once takes the index, reads every log to its end and reports.
func (s *Sensor) once(ctx context.Context) error {
	s.restoreIndex(ctx)
	if err := s.refresh(ctx, 0); err != nil {
		if s.live.Index().Seq() == 0 {
			return fmt.Errorf("take index: %w", err)
		}
		s.Log.WarnContext(ctx, "node does not give an index, using the one kept", "error", err)
	}
	f := newFollower(s)
	defer f.close()
	for {
		more, err := f.pass(ctx, true)
		if err != nil {
			return err
		}
		if !s.DryRun {
			if err := s.drain(ctx); err != nil {
				return fmt.Errorf("report: %w: what was found is kept in %s and will be sent next time", err, s.State)
			}
		}
		if !more {
			return f.missing()
		}
	}
}

// missing is an error when the patterns led to no log at all.
func (f *follower) missing() error {
	if f.logs {
		return nil
	}
	return fmt.Errorf("read logs: %w: no file matches %q: check the pattern, and that its folder may be read", accord.ErrNotFound, f.s.Logs)
}

// follow reads the logs as they grow.
func (s *Sensor) follow(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.loaded:
	}
	f := newFollower(s)
	defer f.close()
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		more, err := f.pass(ctx, false)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
