// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"accord"
	"accord/exchange"
	"accord/taxii"
)

// crew is the workers of one partner, as it was pinned when they started.
type crew struct {
	party accord.Party
	stop  context.CancelFunc
	ended chan struct{}
}

// end stops the workers and waits for them.
func (c *crew) end() {
	c.stop()
	<-c.ended
}

// partners keeps the workers of each pinned partner until ctx ends.
func (r *running) partners(ctx context.Context, start func(string, func(context.Context) error)) error {
	return keepCrews(ctx, r.db.Parties, r.crew, start, r.env.log)
}

// keepCrews keeps the workers of each pinned partner until ctx ends: those of one
// pinned later start, and those of one pinned anew, with another key or address,
// start anew, so that nothing is delivered to what it was before. work runs a
// partner's workers; start runs what fails the whole node when it fails.
func keepCrews(ctx context.Context, parties func(context.Context) ([]accord.Party, error),
	work func(context.Context, accord.Party) error, start func(string, func(context.Context) error), log *slog.Logger,
) error {
	const usual, most = time.Second, 15 * time.Second
	pause := usual
	crews := map[string]*crew{}
	for {
		pinned, err := parties(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was asked to end, and so were the crews
		case err != nil: // those already started go on
			pause = min(2*pause, most)
			log.Warn("partners could not be read: will try again", "error", err, "in", pause.String())
		default:
			pause = usual
		}
		for _, p := range pinned {
			c := crews[p.Name]
			if c != nil && sameWay(c.party, p) {
				continue
			}
			if c != nil {
				c.end()
				log.Info("partner was pinned anew: its workers start again", "party", p.Name, "url", p.URL, "tls_key", p.TLSPin)
			}
			crews[p.Name] = startCrew(p, work, start)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// sameWay reports whether what is signed by, and sent to, a partner is unchanged.
func sameWay(a, b accord.Party) bool {
	return a.Key == b.Key && a.TLSPin == b.TLSPin && a.URL == b.URL && a.Identity == b.Identity && a.Nation == b.Nation
}

func startCrew(p accord.Party, work func(context.Context, accord.Party) error, start func(string, func(context.Context) error)) *crew {
	own, stop := context.WithCancel(context.Background())
	c := &crew{party: p, stop: stop, ended: make(chan struct{})}
	start("partner "+p.Name, func(ctx context.Context) error {
		defer close(c.ended)
		defer context.AfterFunc(ctx, stop)()
		defer stop()
		return work(own, p)
	})
	return c
}

// crew runs a partner's workers until ctx ends: decisions, and for one that has a
// node also what is sent to it.
func (r *running) crew(ctx context.Context, p accord.Party) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return (&exchange.Decider{Node: r.exchange, Party: p.Name}).Run(ctx) })
	if p.URL != "" {
		remote := r.remote(p)
		defer remote.HTTP.CloseIdleConnections()
		after := []string{"protect"}
		g.Go(func() error { return (&exchange.Confirmer{Node: r.exchange, Party: p.Name, After: after}).Run(ctx) })
		g.Go(func() error { return (&exchange.Pusher{Node: r.exchange, Party: p, Remote: remote}).Run(ctx) })
	}
	return g.Wait()
}

// remote reaches a partner's node.
func (r *running) remote(p accord.Party) *exchange.Client {
	client := exchange.PinnedClient(r.keys.cert, p.TLSPin)
	return &exchange.Client{
		HTTP: client, URL: p.URL, Inbox: exchange.InboxID(p.Name, r.self.Name),
		TAXII: &taxii.Client{HTTP: client, URL: p.URL, Attempts: 1},
	}
}
