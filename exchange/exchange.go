// SPDX-License-Identifier: Apache-2.0

// Package exchange gives items to partners and takes theirs: the outbox, the
// inbox, receipts, retractions, and catching up after a cut.
//
// Everything between two nodes travels in two ways. Records (disclosures,
// receipts, retractions, confirmations) are leaves of a ledger log per ordered
// pair of parties; each node announces its log to the other, which mirrors and
// cosigns it before anything else (see [Peer]). Objects travel as TAXII 2.1 add
// requests (§5.5), and are accepted only when the mirrored log announced their
// exact bytes. So an unlogged disclosure cannot arrive, and a cut at any point
// is mended by going on from what the other side says it has.
//
// Three workers serve one partner: a [Decider] turns the change feed into
// decisions, a [Pusher] delivers log and objects, a [Confirmer] answers
// retractions once they have taken effect here. Each commits its effects and
// its cursor in one transaction, so a crash repeats work and doubles nothing.
//
// Errors carry one of the four kinds of package accord. All exported methods are
// safe for concurrent use.
package exchange

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"accord"
	"accord/agreement"
	"accord/ledger"
)

// Store is what exchange keeps; package store satisfies it.
type Store interface {
	Book
	logStore
	LastSeq(ctx context.Context) (int64, error)
	Changes(ctx context.Context, after int64, limit int) ([]accord.Change, error)
	Cursor(ctx context.Context, stage string) (int64, error)
	Advance(ctx context.Context, stage string, from, to int64) error

	Latest(ctx context.Context, ids []string) (map[string]accord.Item, error)
	Authors(ctx context.Context, ids []string) (map[string]bool, error)
	Referrers(ctx context.Context, ids []string, limit int) ([]accord.ItemKey, error)

	Disclose(ctx context.Context, d accord.Disclosing) error
	LiveDisclosures(ctx context.Context, party string, ids []string) (map[string]accord.Disclosure, error)
	Disclosures(ctx context.Context, party string, after int64, limit int) ([]accord.Disclosure, error)
	shelf
	DisclosuresOf(ctx context.Context, itemID string) ([]accord.Disclosure, error)
	RecordRefusal(ctx context.Context, source, what, why string, at accord.Stamp) error
	PushState(ctx context.Context, party string) (int64, error)
	SetPushed(ctx context.Context, party string, from, to int64) error

	PendingReceived(ctx context.Context, party string, keys []accord.ItemKey) (map[accord.ItemKey][]accord.Received, error)
	Mirror(ctx context.Context, m accord.Mirroring) error
	Receive(ctx context.Context, r accord.Receiving) error
	Unconfirmed(ctx context.Context, party string, limit int) ([]accord.Received, map[int64]int64, error)
	Confirm(ctx context.Context, c accord.Confirming) error
}

// shelf is what the collections of a node are read from, and what was added to them.
type shelf interface {
	Disclosed(ctx context.Context, party string, after accord.Stamp, limit int, f accord.EntryFilter) ([]accord.Entry, error)
	DisclosedBytes(ctx context.Context, party string, rows []int64) (map[int64][]byte, error)
	LastStamp(ctx context.Context, party string) (accord.Stamp, error)
	Restamp(ctx context.Context, party, agreement, stage string, after int64, limit int, at accord.Stamp) (to int64, more bool, err error)
	RecordAdd(ctx context.Context, a accord.Adding, most int) error
	Added(ctx context.Context, party, id string) ([]byte, error)
	AddingOf(ctx context.Context, party string, limit int) (int, error)
	NextAdding(ctx context.Context, number int64, part int) (accord.AddingPart, error)
	FinishAdding(ctx context.Context, p accord.AddingPart, status []byte, done accord.Stamp) error
	ForgetAdded(ctx context.Context, at accord.Stamp) error
}

// Book is where parties and agreements are kept.
type Book interface {
	Parties(ctx context.Context) ([]accord.Party, error)
	Agreements(ctx context.Context) ([]accord.AgreementRecord, error)
}

type logStore interface {
	Head(ctx context.Context, origin string) (accord.Head, error)
	Leaves(ctx context.Context, origin string, from int64, limit int) ([]accord.Leaf, error)
	Tile(ctx context.Context, origin string, level int, index int64) ([]byte, error)
	SetCosigned(ctx context.Context, origin string, size int64, checkpoint []byte) error
}

// Node is what the workers of one node share.
type Node struct {
	Self accord.Party
	Key  *ledger.Key // signs records, checkpoints and cosignatures
	// Pseudonym keys the deterministic ids of what is sent changed: 32 secret bytes.
	Pseudonym []byte
	Store     Store
	Now       func() time.Time
	Rand      io.Reader
	Logger    *slog.Logger
	// Never, when set, says which values must never be blocked, so that a received
	// item is marked as held from the first.
	Never interface {
		Holds(accord.Observable) (list string, held bool)
	}
	Poll time.Duration // how often the feed is looked at; default 100 ms

	book  book
	mu    sync.Mutex
	logs  map[string]*sync.Mutex // one appender at a time per log
	state map[string]*partnerState
}

// partnerState is what is known of one partner in this run.
type partnerState struct {
	mu          sync.Mutex
	met         bool      // it has said in this run how much of our log it holds
	quarantined error     // set when the partner holds more of our log than we do
	reached     time.Time // last successful exchange
	failing     error
}

// Health is how the exchange with a partner stands.
type Health struct {
	Party       string
	Reached     time.Time // zero when never in this run
	Failing     string    // the last error, empty when well
	Quarantined string    // why this node signs nothing more to the partner
}

// Health returns how the exchange with party stands.
func (n *Node) Health(party string) Health {
	s := n.partner(party)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Health{Party: party, Reached: s.reached}
	if s.failing != nil {
		h.Failing = s.failing.Error()
	}
	if s.quarantined != nil {
		h.Quarantined = s.quarantined.Error()
	}
	return h
}

func (n *Node) partner(party string) *partnerState {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state == nil {
		n.state = map[string]*partnerState{}
	}
	if n.state[party] == nil {
		n.state[party] = &partnerState{}
	}
	return n.state[party]
}

func (s *partnerState) set(at time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
	if err == nil {
		s.reached = at
	}
}

func (s *partnerState) quarantine(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quarantined = err
}

func (s *partnerState) quarantineErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quarantined
}

// maySign reports whether this node may sign for party: not in quarantine, and
// not before the partner's node has said how much of our log it holds. Who was
// restored from a backup would else sign a second history before it finds out.
// A party without a node of its own mirrors nothing and is not asked.
func (n *Node) maySign(ctx context.Context, party string) (bool, error) {
	s := n.partner(party)
	s.mu.Lock()
	met, quarantined := s.met, s.quarantined != nil
	s.mu.Unlock()
	if met || quarantined {
		return !quarantined, nil //nolint:nilerr // said when it began
	}
	parties, err := n.Store.Parties(ctx)
	if err != nil {
		return false, fmt.Errorf("read parties: %w", err)
	}
	for _, p := range parties {
		if p.Name == party && p.URL == "" {
			s.meet()
			return true, nil
		}
	}
	return false, nil
}

func (s *partnerState) meet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.met = true
}

// errNotYet is why nothing is signed for a partner.
func (n *Node) errNotYet(party string) error {
	if err := n.partner(party).quarantineErr(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s has not yet said how much of the log to it it holds: nothing is signed before", accord.ErrConflict, party)
}

// lock serialises appends to one log of this node in this process; the store's
// compare-and-swap on the head guards against other processes.
func (n *Node) lock(origin string) func() {
	n.mu.Lock()
	if n.logs == nil {
		n.logs = map[string]*sync.Mutex{}
	}
	m := n.logs[origin]
	if m == nil {
		m = &sync.Mutex{}
		n.logs[origin] = m
	}
	n.mu.Unlock()
	m.Lock()
	return m.Unlock
}

func (n *Node) now() accord.Stamp { return accord.StampOf(n.Now()) }

func (n *Node) poll() time.Duration {
	if n.Poll > 0 {
		return n.Poll
	}
	return 100 * time.Millisecond
}

// hmacOf keys what must be the same every time and guessable by nobody.
func (n *Node) hmacOf(s string) []byte {
	h := hmac.New(sha256.New, n.Pseudonym)
	h.Write([]byte(s))
	return h.Sum(nil)
}

// book caches the opened agreements: opening verifies signatures, and the
// records change rarely.
type book struct {
	mu  sync.Mutex
	sum [32]byte
	in  []opened
}

// opened is an agreement whose signatures verified, with the notices on it:
// which of them hold is a matter of the instant.
type opened struct {
	agreement   *agreement.Agreement
	suspensions []accord.Suspension
}

// at returns what is in force, and suspended, as far as the records say at now.
func (b *book) at(now accord.Stamp) []agreement.InForce {
	out := make([]agreement.InForce, len(b.in))
	for i, o := range b.in {
		out[i] = agreement.InForce{Agreement: o.agreement, Suspended: agreement.SuspendedBy(o.suspensions, now)}
	}
	return out
}

// InForce returns every agreement that binds this node and has all its
// signatures, with its suspensions. Whether each holds now is the decision's
// business. A record that does not open is logged and left out: it grants
// nothing.
func (n *Node) InForce(ctx context.Context) ([]agreement.InForce, error) {
	parties, err := n.Store.Parties(ctx)
	if err != nil {
		return nil, fmt.Errorf("read parties: %w", err)
	}
	records, err := n.Store.Agreements(ctx)
	if err != nil {
		return nil, fmt.Errorf("read agreements: %w", err)
	}
	sum := bookSum(parties, records)
	n.book.mu.Lock()
	defer n.book.mu.Unlock()
	if n.book.in != nil && n.book.sum == sum {
		return n.book.at(n.now()), nil
	}
	in := []opened{}
	for _, r := range records {
		f, err := agreement.FromRecord(r, append(parties, n.Self), n.now())
		if err != nil {
			n.Logger.Error("agreement left out: it does not open", "agreement", r.ID, "version", r.Version, "error", err)
			continue
		}
		in = append(in, opened{f.Agreement, r.Suspensions})
	}
	n.book.sum, n.book.in = sum, in
	return n.book.at(n.now()), nil
}

func bookSum(parties []accord.Party, records []accord.AgreementRecord) [32]byte {
	h := sha256.New()
	for _, p := range parties {
		fmt.Fprintf(h, "%q %q\n", p.Name, p.Key)
	}
	for _, r := range records {
		fmt.Fprintf(h, "%q %d %q\n", r.ID, r.Version, r.Note)
		for _, s := range r.Suspensions {
			fmt.Fprintf(h, "%q %d %d\n", s.Party, s.At, s.Lifted)
		}
	}
	return [32]byte(h.Sum(nil))
}

// wait sleeps for d or until ctx ends; it reports whether ctx still lives.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// loop calls pass until ctx ends: at once again while it did something, after
// the poll interval when it did nothing, after a growing delay when it failed.
func (n *Node) loop(ctx context.Context, name, party string, pass func(context.Context) (bool, error)) error {
	const most = 15 * time.Second
	delay := n.poll()
	for ctx.Err() == nil {
		busy, err := pass(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // a worker whose ctx ended did not fail
		case errors.Is(err, accord.ErrConflict) && delay < time.Second:
			// Another appender was faster: look again.
			delay = min(delay*2, most)
		case err != nil:
			n.Logger.Warn("exchange will try again", "worker", name, "party", party, "error", err, "in", delay.String())
			delay = min(delay*2, most)
		default:
			delay = n.poll()
			if busy {
				continue
			}
		}
		if !wait(ctx, delay) {
			return nil
		}
	}
	return nil
}
