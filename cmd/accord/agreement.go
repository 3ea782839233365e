// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"accord"
	"accord/agreement"
)

// agreementCmd groups the commands on agreements.
type agreementCmd struct {
	Draft   draftCmd   `cmd:"" help:"Write a commented draft between this node and a partner, to be edited."`
	Check   checkCmd   `cmd:"" help:"Read a draft or a note and say in sentences what its articles do."`
	Show    showCmd    `cmd:"" help:"Print an agreement the node holds, as signed."`
	Sign    signCmd    `cmd:"" help:"Sign a draft or countersign a note; prints the note to send to the partner."`
	Import  importCmd  `cmd:"" help:"Take a note that a partner signed."`
	Status  statusCmd  `cmd:"" help:"List the agreements: who has signed, whether they are in force."`
	Suspend suspendCmd `cmd:"" help:"Stop giving and taking under an agreement, at once."`
	Resume  resumeCmd  `cmd:"" help:"Lift this node's suspension."`
}

type draftCmd struct {
	With  string `required:"" help:"Name of the partner, as pinned by \"accord partner add\"." placeholder:"PARTY"`
	ID    string `help:"Identifier of the agreement; default: the two nations and the year." placeholder:"ID"`
	Years int    `help:"How many years it lasts; 0: open-ended." default:"5" placeholder:"N"`
	Giver string `help:"Party that gives context (reports, malware, campaigns); default: both." placeholder:"PARTY"`
	Out   string `short:"o" help:"File to write; default: standard output." type:"path" placeholder:"FILE"`
}

func (c *draftCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	partner, err := n.db.Party(e.ctx, c.With)
	if err != nil {
		return missing(err, "partner %s: \"accord partner list\" shows those pinned here", c.With)
	}
	from := now().UTC().Truncate(24 * time.Hour)
	t := agreement.Terms{ID: c.ID, From: accord.StampOf(from), Self: n.self, Partner: partner, Giver: c.Giver}
	if t.ID == "" {
		t.ID = strings.ToLower(fmt.Sprintf("%s-%s-%d", n.self.Nation, partner.Nation, from.Year()))
	}
	if c.Years > 0 {
		t.Until = accord.StampOf(from.AddDate(c.Years, 0, 0))
	}
	text, err := agreement.Template(t)
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.Out); c.Out != "" && err == nil {
		return fmt.Errorf("%w: %s is there already and may hold your changes: remove it or name another file", accord.ErrConflict, c.Out)
	}
	if err := writeOut(e, c.Out, []byte(text)); err != nil || c.Out == "" {
		return err
	}
	fmt.Fprintf(e.stderr, "Wrote a draft. Read and change it, then: accord agreement check %s\n", c.Out)
	return nil
}

type checkCmd struct {
	File string `arg:"" help:"Draft or note; - is standard input."`
}

func (c *checkCmd) Run(e *env) error {
	msg, err := readIn(e, c.File, agreement.MaxSize)
	if err != nil {
		return err
	}
	text, err := agreement.TextOf(msg)
	if err != nil {
		return err
	}
	a, err := agreement.Parse(text)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s, version %d: %s\n", a.ID, a.Version, a.Title)
	for _, s := range a.Explain() {
		fmt.Fprintln(e.stdout, " ", s)
	}
	return nil
}

type showCmd struct {
	ID      string `arg:"" help:"Identifier of the agreement."`
	Version int    `help:"Version; default: the newest." placeholder:"N"`
}

func (c *showCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	r, err := n.db.Agreement(e.ctx, c.ID, c.Version)
	if err != nil {
		return missing(err, "agreement %s: \"accord agreement status\" lists them", c.ID)
	}
	_, err = e.stdout.Write(r.Note)
	return err
}

type signCmd struct {
	File string `arg:"" help:"Draft or note; - is standard input."`
	Out  string `short:"o" help:"File for the signed note; default: standard output." type:"path" placeholder:"FILE"`
}

func (c *signCmd) Run(e *env) error {
	msg, err := readIn(e, c.File, agreement.MaxSize)
	if err != nil {
		return err
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	signed, err := agreement.Sign(msg, n.keys.node.Signer())
	if errors.Is(err, accord.ErrConflict) {
		return fmt.Errorf("%w: send the note to the partner as it is", err)
	}
	if err != nil {
		return err
	}
	if err := n.takeAgreement(e, signed, "agreement.sign"); err != nil {
		return err
	}
	return writeOut(e, c.Out, signed)
}

type importCmd struct {
	File string `arg:"" help:"The note; - is standard input."`
}

func (c *importCmd) Run(e *env) error {
	msg, err := readIn(e, c.File, agreement.MaxSize)
	if err != nil {
		return err
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	first, err := firstLine(msg)
	if err != nil {
		return err
	}
	var take func(e *env, msg []byte) error
	switch first {
	case agreement.Header:
		take = func(e *env, msg []byte) error { return n.takeAgreement(e, msg, "agreement.import") }
	case agreement.SuspensionHeader, agreement.ResumptionHeader:
		take = n.takeSuspension
	case cardHeader:
		return fmt.Errorf("%w: a card, not a note: \"accord partner add\" takes it", accord.ErrInvalid)
	default:
		return fmt.Errorf("%w: not a note of an agreement, a suspension or a resumption: its first line is %+.60q: ask who sent it for it again", accord.ErrInvalid, first)
	}
	if err := take(e, msg); errors.Is(err, accord.ErrForbidden) || errors.Is(err, accord.ErrInvalid) {
		return fmt.Errorf("%w: a note counts whole and exactly as parties signed whose cards are pinned here: ask who sent it for it again", err)
	} else if err != nil {
		return err
	}
	return nil
}

// firstLine returns the line that tells what a note is, or says what happened to
// the note on its way: a note counts byte for byte.
func firstLine(msg []byte) (string, error) {
	first, _, _ := strings.Cut(string(msg), "\n")
	why := ""
	switch {
	case len(strings.TrimSpace(string(msg))) == 0:
		why = "the note is empty"
	case strings.HasPrefix(first, "\ufeff"):
		why = "a byte order mark stands before the note: an editor or a mail program put it there"
	case strings.HasPrefix(first, "\xff\xfe"), strings.HasPrefix(first, "\xfe\xff"):
		why = "the note is UTF-16 text: an editor or a mail program changed it"
	case strings.Contains(string(msg), "\r"):
		why = "the note's lines end in CR LF: an editor or a mail program changed them"
	default:
		return first, nil
	}
	return "", fmt.Errorf("%w: %s: ask who sent it for it again, as an attached file", accord.ErrInvalid, why)
}

// takeAgreement stores a note, joined with the signatures already held, after
// every signature on it has verified against the pinned keys.
func (n *node) takeAgreement(e *env, msg []byte, verb string) error {
	parties, err := n.parties(e.ctx)
	if err != nil {
		return err
	}
	a, err := agreement.Open(msg, parties)
	if err != nil {
		return err
	}
	rec, err := n.db.Agreement(e.ctx, a.ID, a.Version)
	switch {
	case errors.Is(err, accord.ErrNotFound):
		rec = accord.AgreementRecord{ID: a.ID, Version: a.Version, Added: accord.StampOf(now())}
	case err != nil:
		return err
	default:
		if msg, err = agreement.Merge(rec.Note, msg); err != nil {
			return fmt.Errorf("version %d of %s is held here with another text: an amendment needs the next version number: %w", a.Version, a.ID, err)
		}
		if a, err = agreement.Open(msg, parties); err != nil {
			return err
		}
	}
	rec.Note = msg
	if rec.InForce == 0 && len(a.Missing()) == 0 {
		rec.InForce = accord.StampOf(now())
	}
	if err := n.db.PutAgreement(e.ctx, rec); err != nil {
		return err
	}
	state := agreement.StateOf(a, agreement.SuspendedBy(rec.Suspensions, accord.StampOf(now())), accord.StampOf(now()))
	fmt.Fprintf(e.stderr, "%s version %d: %s\n", a.ID, a.Version, sayState(state))
	return n.audit(e.ctx, verb, fmt.Sprintf("%s %d", a.ID, a.Version), string(state.Standing))
}

func sayState(s agreement.State) string {
	switch s.Standing {
	case agreement.Draft, agreement.Signing:
		return "waits for the signature of " + strings.Join(s.Missing, ", ")
	case agreement.NotYet:
		return "signed by all, not begun"
	case agreement.Expired:
		return "ended"
	case agreement.Suspended:
		return "suspended by " + strings.Join(s.By, ", ")
	case agreement.Force:
		return "in force"
	}
	return string(s.Standing)
}

type statusCmd struct{}

func (c *statusCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	records, err := n.db.Agreements(e.ctx)
	if err != nil {
		return err
	}
	parties, err := n.parties(e.ctx)
	if err != nil {
		return err
	}
	at := accord.StampOf(now())
	return printTable(e, records, "No agreement yet: \"accord agreement draft --with PARTY\" writes one to edit.",
		[]string{"AGREEMENT", "VERSION", "UNTIL", "STATE"},
		func(r accord.AgreementRecord) []any {
			a, err := agreement.Open(r.Note, parties)
			if err != nil {
				return []any{r.ID, r.Version, "", fmt.Sprintf("does not open: %v", err)}
			}
			until := "open"
			if a.Until != 0 {
				until = a.Until.Time().Format("2006-01-02")
			}
			return []any{r.ID, r.Version, until, sayState(agreement.StateOf(a, agreement.SuspendedBy(r.Suspensions, at), at))}
		})
}

type suspendCmd struct {
	ID     string `arg:"" help:"Identifier of the agreement."`
	Reason string `help:"Why; the partner reads it." default:"" placeholder:"TEXT"`
	Out    string `short:"o" help:"File for the signed suspension, to send to the partner; default: standard output." type:"path" placeholder:"FILE"`
}

func (c *suspendCmd) Run(e *env) error { return suspension(e, c.ID, c.Out, c.Reason, true) }

type resumeCmd struct {
	ID  string `arg:"" help:"Identifier of the agreement."`
	Out string `short:"o" help:"File for the signed resumption, to send to the partner; default: standard output." type:"path" placeholder:"FILE"`
}

func (c *resumeCmd) Run(e *env) error { return suspension(e, c.ID, c.Out, "", false) }

// suspension signs and stores this node's suspension or resumption.
func suspension(e *env, id, out, reason string, suspend bool) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	rec, err := n.db.Agreement(e.ctx, id, 0)
	if err != nil {
		return missing(err, "agreement %s: \"accord agreement status\" lists them", id)
	}
	parties, err := n.parties(e.ctx)
	if err != nil {
		return err
	}
	a, err := agreement.Open(rec.Note, parties)
	if err != nil {
		return err
	}
	notify := agreement.Resume
	if suspend {
		notify = agreement.Suspend
	}
	msg, err := notify(a, n.keys.node.Signer(), reason, accord.StampOf(now()))
	if err != nil {
		return err
	}
	if err := n.takeSuspension(e, msg); err != nil {
		return err
	}
	return writeOut(e, out, msg)
}

// takeSuspension stores a suspension or resumption, this node's or a partner's.
func (n *node) takeSuspension(e *env, msg []byte) error {
	parties, err := n.parties(e.ctx)
	if err != nil {
		return err
	}
	notice, err := agreement.OpenSuspension(msg, parties)
	if err != nil {
		return err
	}
	rec, err := n.db.Agreement(e.ctx, notice.Agreement, 0)
	if err != nil {
		return missing(err, "agreement %s, which this suspends or resumes: import the agreement first", notice.Agreement)
	}
	for _, s := range agreement.Apply(rec.Suspensions, notice, msg) {
		if s.Party != notice.Party {
			continue
		}
		if err := n.db.PutSuspension(e.ctx, notice.Agreement, s); err != nil {
			return err
		}
	}
	verb, done := "agreement.suspend", "suspended"
	if notice.Lifts {
		verb, done = "agreement.resume", "resumed"
	}
	fmt.Fprintf(e.stderr, "%s: %s by %s at %s\n", notice.Agreement, done, notice.Party, notice.At)
	return n.audit(e.ctx, verb, notice.Agreement, notice.Party+": "+notice.Reason)
}
