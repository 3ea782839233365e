// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"accord"
	"accord/agreement"
	"accord/ledger"
	"accord/protect/rpzserver"
	view "accord/web/node"
)

// console answers what the console asks beyond the store.
type console struct {
	*running
}

var _ view.Node = console{}

// Explain implements node.Node.
func (c console) Explain(ctx context.Context, item accord.Item) ([]view.Explanation, error) {
	parties, err := c.db.Parties(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(parties))
	for i, p := range parties {
		names[i] = p.Name
	}
	decisions, removed, err := c.exchange.Explain(ctx, item.ID, names)
	if err != nil {
		return nil, err
	}
	in, err := c.exchange.InForce(ctx)
	if err != nil {
		return nil, err
	}
	var out []view.Explanation
	for _, name := range names {
		d := decisions[name]
		x := view.Explanation{
			Party: name, Effect: "withhold", Agreement: d.Agreement, Version: d.Version,
			Reasons: agreement.Texts(d.Reasons), Redacted: removed[name],
		}
		if d.Article != agreement.NoArticle {
			x.Article = d.Article
		}
		if d.Effect.Shares() {
			x.Effect = agreement.Share.String()
			if len(x.Redacted) > 0 {
				x.Effect = agreement.ShareRedacted.String()
			}
		}
		for _, f := range in {
			if f.Agreement.ID == d.Agreement && f.Agreement.Version == d.Version {
				article, _ := f.Agreement.Article(d.Article)
				x.Title = article.Title
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// Retract implements node.Node.
func (c console) Retract(ctx context.Context, id, reason, who string) error {
	reason, err := ledger.ReasonLine(reason)
	if err != nil {
		return err
	}
	if err := c.keepSelf(id); err != nil {
		return err
	}
	at := accord.StampOf(now())
	if _, err := c.db.Withdraw(ctx, id, reason, at); err != nil {
		return err
	}
	return c.db.Audit(ctx, accord.AuditEntry{At: at, Who: who, What: "item.retract", Object: id, Detail: reason})
}

// VerifyLedger implements node.Node.
func (c console) VerifyLedger(ctx context.Context, origin string) (view.LedgerReport, error) {
	r, err := c.verifyLog(ctx, origin)
	if err != nil && !errors.Is(err, accord.ErrConflict) {
		return view.LedgerReport{}, err
	}
	return reportView(r, err == nil, accord.StampOf(now())), nil
}

// reportView says of each check what came of it. What is not there yet, a
// checkpoint of an empty log or a cosignature, is not among them.
func reportView(r ledger.Report, ok bool, at accord.Stamp) view.LedgerReport {
	out := view.LedgerReport{Origin: r.Origin, OK: ok, Size: r.Size, Root: r.Root, At: at}
	out.Checks = append(out.Checks, view.Check{Name: "tree", OK: r.Tree, Detail: fmt.Sprintf("%d", r.Size)})
	if r.Signed > 0 || !r.Signature {
		out.Checks = append(out.Checks, view.Check{Name: "signature", OK: r.Signature, Detail: fmt.Sprintf("%d", r.Signed)})
	}
	if r.Cosigned > 0 || !r.Cosignature {
		out.Checks = append(out.Checks, view.Check{Name: "cosignature", OK: r.Cosignature, Detail: fmt.Sprintf("%d / %d", r.Cosigned, r.Size)})
	}
	out.Checks = append(out.Checks, view.Check{Name: "records", OK: r.Records})
	for _, p := range r.Problems {
		out.Checks = append(out.Checks, view.Check{Name: "problem", Detail: p})
	}
	return out
}

// Agreements implements node.Node.
func (c console) Agreements(ctx context.Context) ([]view.Agreement, error) {
	records, err := c.db.Agreements(ctx)
	if err != nil {
		return nil, err
	}
	newest := map[string]int{}
	for _, r := range records {
		newest[r.ID] = max(newest[r.ID], r.Version)
	}
	var out []view.Agreement
	for _, r := range records {
		if newest[r.ID] != r.Version {
			continue
		}
		a, err := c.agreementView(ctx, r, records)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// Agreement implements node.Node.
func (c console) Agreement(ctx context.Context, id string, version int) (view.Agreement, error) {
	r, err := c.db.Agreement(ctx, id, version)
	if err != nil {
		return view.Agreement{}, err
	}
	records, err := c.db.Agreements(ctx)
	if err != nil {
		return view.Agreement{}, err
	}
	return c.agreementView(ctx, r, records)
}

func (c console) agreementView(ctx context.Context, r accord.AgreementRecord, records []accord.AgreementRecord) (view.Agreement, error) {
	parties, err := c.parties(ctx)
	if err != nil {
		return view.Agreement{}, err
	}
	v := view.Agreement{ID: r.ID, Version: r.Version, Note: r.Note, InForce: r.InForce, Suspensions: r.Suspensions}
	a, err := agreement.Open(r.Note, parties)
	if err != nil {
		v.Title, v.Status = err.Error(), "draft"
		return v, nil //nolint:nilerr // the page shows it
	}
	v.Title, v.Text, v.From, v.Until = a.Title, a.Text, a.From, a.Until
	at := accord.StampOf(now())
	v.Status = statusWord(agreement.StateOf(a, agreement.SuspendedBy(r.Suspensions, at), at))
	for _, o := range records {
		if o.ID == r.ID {
			v.Versions = append(v.Versions, o.Version)
			if o.Version > r.Version && o.InForce != 0 {
				v.Status = "superseded"
			}
		}
	}
	slices.Sort(v.Versions)
	slices.Reverse(v.Versions)
	for _, p := range a.Parties {
		s := view.Signature{Party: p.Name, Title: p.Title, Nation: p.Nation, Signed: a.Signed[p.Name], Key: p.Key}
		v.Signatures = append(v.Signatures, s)
	}
	return v, c.countArticles(ctx, a, &v)
}

// countArticles adds the articles with what came of each.
func (c console) countArticles(ctx context.Context, a *agreement.Agreement, v *view.Agreement) error {
	given, got, withheld := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, p := range a.Parties {
		if p.Name == c.self.Name {
			continue
		}
		g, err := c.db.DisclosedBy(ctx, p.Name)
		if err != nil {
			return err
		}
		w, err := c.db.WithheldBy(ctx, p.Name, 1000)
		if err != nil {
			return err
		}
		r, err := c.db.ReceivedBy(ctx, p.Name)
		if err != nil {
			return err
		}
		for _, s := range []struct {
			from map[accord.ArticleKey]int64
			to   map[string]int64
		}{{r, got}, {g, given}, {w, withheld}} {
			for k, n := range s.from {
				if k.Agreement == a.ID {
					s.to[k.Article] += n
				}
			}
		}
	}
	for _, r := range a.Articles {
		v.Articles = append(v.Articles, view.Article{Article: r, Given: given[r.Number], Withheld: withheld[r.Number], Got: got[r.Number]})
	}
	return nil
}

func statusWord(s agreement.State) string {
	switch s.Standing {
	case agreement.Draft, agreement.Signing:
		return "draft"
	case agreement.NotYet:
		return "pending"
	case agreement.Expired:
		return "ended"
	case agreement.Suspended:
		return "suspended"
	case agreement.Force:
		return "in-force"
	}
	return string(s.Standing)
}

// Allowed implements node.Node.
func (c console) Allowed() int64 { return c.allowed }

// Health implements node.Node.
func (c console) Health(ctx context.Context) ([]view.Health, error) {
	parties, err := c.db.Parties(ctx)
	if err != nil {
		return nil, err
	}
	var bad, good []view.Health
	for _, p := range parties {
		if p.URL == "" {
			continue // it polls
		}
		h := c.exchange.Health(p.Name)
		v := view.Health{Part: p.Name, State: "ok", Since: accord.StampOf(h.Reached)}
		switch {
		case h.Quarantined != "":
			v.State, v.Detail = "failed", h.Quarantined
		case h.Failing != "":
			v.State, v.Detail = "late", h.Failing
		}
		if v.State == "ok" {
			good = append(good, v)
		} else {
			bad = append(bad, v)
		}
	}
	if c.rpz != nil {
		bad = append(bad, resolverHealth(c.rpz.Status())...)
	}
	seq, err := c.db.LastSeq(ctx)
	if err != nil {
		return nil, err
	}
	done, err := c.db.Cursor(ctx, "protect")
	if err != nil {
		return nil, err
	}
	protect := view.Health{Part: "protect", State: "ok"}
	if behind := seq - done; behind > 20000 {
		protect.State, protect.Detail = "late", fmt.Sprintf("%d changes behind", behind)
		bad = append(bad, protect)
	} else {
		good = append(good, protect)
	}
	return append(bad, good...), nil
}

// resolverHealth says which resolvers do not answer when they are told of a change,
// once each.
func resolverHealth(s rpzserver.Status) (bad []view.Health) {
	for _, c := range s.Clients { // by address
		name := c.Addr.String()
		if c.Problem == "" || len(bad) > 0 && bad[len(bad)-1].Name == name {
			continue
		}
		bad = append(bad, view.Health{Part: "resolver", Name: name, State: "late", Detail: "NOTIFY of " + c.Zone + ": " + c.Problem, Since: accord.StampOf(c.Answered)})
	}
	return bad
}
