// SPDX-License-Identifier: Apache-2.0

package protect

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"accord"
	"accord/format/rpz"
)

// LongestZone is the longest zone name that a protected domain must fit in.
const LongestZone = "allow.rpz."

// The widest networks that an indicator may block.
const (
	widestV4 = 16
	widestV6 = 32
)

// Decide returns the protections that it becomes at instant at, without their
// zone, and why it becomes none. Values that cannot be enforced or are on the
// never-block list are left out; reason names the first such when none remains.
func (w *Worker) Decide(it accord.Item, at accord.Stamp) (values []accord.Protection, reason string) {
	if ok, why := w.Permit(it, at); !ok {
		return nil, why
	}
	if reason := w.unfit(it, at); reason != "" {
		return nil, reason
	}
	expires := w.expiry(it, at)
	if expires <= at {
		return nil, "expired"
	}
	for _, o := range it.Observables {
		if why := w.unenforceable(o); why != "" {
			if reason == "" {
				reason = why
			}
			continue
		}
		p := accord.Protection{Observable: o, Item: it.ItemKey, Source: source(it), Added: at, Expires: expires}
		if !slices.ContainsFunc(values, func(q accord.Protection) bool { return q.Observable == o }) {
			values = append(values, p)
		}
	}
	if len(values) > 0 {
		return values, ""
	}
	return nil, reason
}

// unfit says why an item that may be enforced is no ground for a block, whatever
// its values; empty when it is. Markings, terms, withdrawal and revocation are
// Permit's to judge.
func (w *Worker) unfit(it accord.Item, at accord.Stamp) string {
	switch {
	case it.Type != "indicator":
		return "not an indicator"
	case it.ValidFrom > at:
		return "not yet valid"
	case !it.Atomic:
		return "one value alone does not match its pattern"
	case len(it.Observables) == 0:
		return "no value that can be enforced"
	case it.Held != "":
		return "held: " + it.Held
	case it.False != "":
		return "false positive: " + it.False
	case it.Confidence >= 0 && it.Confidence < w.Config.MinConfidence:
		return fmt.Sprintf("confidence below %d", w.Config.MinConfidence)
	}
	return ""
}

// unenforceable says why o must not or cannot be served; empty when it may.
func (w *Worker) unenforceable(o accord.Observable) string {
	if !rpz.Enforceable(o.Kind) {
		return "no value that can be enforced"
	}
	if o.Kind == accord.KindCIDR {
		p, err := netip.ParsePrefix(o.Value)
		if err != nil || p.Addr().Is4() && p.Bits() < widestV4 || !p.Addr().Is4() && p.Bits() < widestV6 {
			return "network too wide"
		}
	}
	if _, err := rpz.Owners(o, LongestZone); err != nil {
		return "not a value that DNS can carry"
	}
	if list, held := w.Never.Holds(o); held {
		return "never block: " + list
	}
	return ""
}

// phishing is the label that shortens the default lifetime: such hosts are
// cleaned or abandoned within days (MISP's phishing decay model).
const phishing = "phishing"

// expiry is the earliest of the item's own end, the end of its retention, the end of
// its score, and the default lifetime since it was stored or, if that is later, last
// seen.
func (w *Worker) expiry(it accord.Item, at accord.Stamp) accord.Stamp {
	ttl := w.Config.DefaultTTL
	if slices.Contains(it.Labels, phishing) {
		ttl = min(ttl, w.Config.PhishingTTL)
	}
	added := max(it.Added, min(it.Sighted.Last, at))
	if added == 0 {
		added = at
	}
	end := added + accord.Stamp(ttl/time.Microsecond)
	var scored accord.Stamp
	if w.Ends != nil {
		scored = w.Ends(&it)
	}
	for _, s := range []accord.Stamp{it.ValidUntil, it.Origin.Retain, scored} {
		if s != 0 {
			end = min(end, s)
		}
	}
	return end
}

func source(it accord.Item) string {
	if it.Origin.Party != "" {
		return it.Origin.Party
	}
	return it.Source
}
