// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	randv2 "math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"

	"accord"
	"accord/feed"
	"accord/ingest"
	"accord/protect"
)

// feedWorker wires what fetches feeds.
func (n *node) feedWorker(never *protect.NeverBlock) (*feed.Worker, error) {
	c := feed.Config{Home: n.config.home, UserAgent: "accord/" + versionText(), Author: n.self.Identity}
	for _, s := range n.config.Feeds.AllowNetworks {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%w: feeds.allow_networks %q", accord.ErrInvalid, s)
		}
		c.Allow = append(c.Allow, p.Masked())
	}
	if file := n.config.path(n.config.Feeds.CAFile); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("feeds.ca_file: %w", err)
		}
		if c.Roots = x509.NewCertPool(); !c.Roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%w: feeds.ca_file: %s holds no PEM certificate", accord.ErrInvalid, file)
		}
	}
	var seed [32]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, err
	}
	return &feed.Worker{
		Store: n.db, Intake: intake{n, never}, Now: now, Rand: randv2.New(randv2.NewChaCha8(seed)),
		Log: n.env.log, Config: c,
	}, nil
}

// intake is ingest, as feeds need it.
type intake struct {
	*node
	never *protect.NeverBlock
}

// Take reads one text that a feed brought.
func (i intake) Take(ctx context.Context, f accord.Feed, in feed.Input) (feed.Taken, error) {
	sink := &feedSink{intake: i, feed: f.Name, in: in}
	if f.Kind != accord.FeedList {
		sink.author = i.self.Identity
	}
	g := &ingest.Ingester{
		Store: sink, Never: i.never, Now: now, Identity: i.self.Identity,
		DefaultTLP: i.config.Ingest.DefaultTLP, Limits: ingest.Limits{Bytes: 4 * max(f.MaxBytes, 1<<20), Refusals: 20},
	}
	o := ingest.Options{
		Source: f.Name, Name: in.Name, Unmarked: f.Unmarked, AtLeast: f.AtLeast, Labels: f.Labels, Form: f.List, Context: f.Context, Limit: in.Limit,
	}
	switch f.Kind {
	case accord.FeedList:
		o.Format = ingest.List
	case accord.FeedMISP:
		o.Format = ingest.MISP
	case accord.FeedTAXII:
		o.Format = ingest.STIX
	case accord.FeedSTIX: // the content says: an archive may hold what is about it
	}
	if f.Mirror {
		o.Revive = feed.MirrorReason(f.Name)
	}
	r, err := g.File(ctx, in.Path, o)
	out := feed.Taken{Refusals: r.Refusals, FeedCounts: accord.FeedCounts{
		Objects: r.Objects, New: r.New, Updated: r.Updated, Same: r.Same, Conflicts: r.Conflicts, Refused: r.Refused, Held: r.Held, Losses: r.Losses,
	}}
	switch {
	case err != nil:
		return out, err
	case r.Broken > 0:
		return out, fmt.Errorf("%w: it could not be read to the end%s: what came before was taken", accord.ErrInvalid, firstWhy(r))
	case r.Objects == 0 && r.Refused > 0:
		return out, fmt.Errorf("%w: nothing in it could be read%s", accord.ErrInvalid, firstWhy(r))
	}
	return out, nil
}

func firstWhy(r ingest.Report) string {
	if len(r.Refusals) == 0 {
		return ""
	}
	return " (" + r.Refusals[0].What + ": " + r.Refusals[0].Why + ")"
}

// feedSink is the store as ingest sees it while a feed is read.
type feedSink struct {
	intake
	feed string
	in   feed.Input
	new  int64
	// author is whose objects the feed brings no new version of: the node itself,
	// but for a list, whose rows ingest writes in the node's name.
	author string
}

// Ingest stores a batch, and stops the run when the feed has all it may have.
func (s *feedSink) Ingest(ctx context.Context, items []accord.Item, at accord.Stamp) (accord.IngestResult, error) {
	if s.in.Dry {
		return accord.IngestResult{}, nil
	}
	if s.in.Seen != nil {
		ids := make([]string, len(items))
		for i := range items {
			ids[i] = items[i].ID
		}
		s.in.Seen(ids)
	}
	res, err := s.db.FeedIngest(ctx, s.feed, s.author, items, at)
	if s.new += int64(res.New); err == nil && s.new > s.in.Room {
		err = feed.ErrFull
	}
	return res, err
}

// Latest gives what is stored of these ids.
func (s *feedSink) Latest(ctx context.Context, ids []string) (map[string]accord.Item, error) {
	return s.db.Latest(ctx, ids)
}

// RecordRefusal keeps a refusal, but for a run that stores nothing.
func (s *feedSink) RecordRefusal(ctx context.Context, source, what, why string, at accord.Stamp) error {
	if s.in.Dry {
		return nil
	}
	return s.db.RecordRefusal(ctx, source, what, why, at)
}

// recheck is what brings the held items in keeping with the warning lists.
func (n *node) recheck(never *protect.NeverBlock) (*ingest.Recheck, error) {
	lists, err := n.listsDigest()
	if err != nil {
		return nil, err
	}
	return &ingest.Recheck{Store: n.db, Never: never, Now: now, Log: n.env.log, Lists: lists}, nil
}

// listsDigest is another number whenever the warning lists, the critical list or
// the program, which has lists of its own, is another.
func (n *node) listsDigest() (int64, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", versionText())
	for _, root := range []string{n.config.path(n.config.Protect.WarningLists), n.config.path(n.config.Protect.Critical)} {
		if root == "" {
			continue
		}
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := os.Open(path) //nolint:gosec // the operator's own folder
			if err != nil {
				return err
			}
			fmt.Fprintf(h, "%s\n", path)
			_, err = io.Copy(h, f)
			return errors.Join(err, f.Close())
		})
		if err != nil {
			return 0, fmt.Errorf("warning lists: %w", err)
		}
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil))>>2 | 1), nil
}

// recheckOnce does it at the start. Should it fail, what is held stays so, and the
// next start tries again: no reason to stop the node.
func (r *running) recheckOnce(ctx context.Context) error {
	if _, err := r.recheck.Run(ctx); err != nil {
		r.env.log.Warn("warning lists could not be rechecked", "error", err)
	}
	return nil
}
