// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/api"
	"accord/score"
)

// itemCmd are the commands about one item.
type itemCmd struct {
	Show  itemShowCmd  `cmd:"" help:"Show all that is known of an item."`
	Tag   itemTagCmd   `cmd:"" help:"Add this node's own tags. A tag tightens what is decided of the item, and never loosens."`
	Untag itemUntagCmd `cmd:"" help:"Remove this node's own tags."`
	False itemFalseCmd `cmd:"" name:"false-positive" help:"Mark an item as a false positive: neither looked for nor blocked any more."`
	True  itemTrueCmd  `cmd:"" name:"true-positive" help:"Take a false-positive mark back."`
}

type itemShowCmd struct {
	ID   string `arg:"" help:"STIX identifier."`
	JSON bool   `help:"Print one JSON object."`
}

// known is all that a node knows of an item.
type known struct {
	Item         api.ItemLine    `json:"item"`
	Versions     []versionLine   `json:"versions"`
	Provenance   []sourceLine    `json:"provenance"`
	Correlations api.Correlation `json:"correlations"`
	Sightings    api.Sightings   `json:"sightings"`
	Given        []givenLine     `json:"given"`
}

type versionLine struct {
	Version   accord.Stamp `json:"version"`
	Added     accord.Stamp `json:"added"`
	Withdrawn accord.Stamp `json:"withdrawn,omitzero"`
	Why       string       `json:"why,omitempty"`
}

type sourceLine struct {
	Source string       `json:"source"`
	Party  string       `json:"party,omitempty"`
	First  accord.Stamp `json:"first"`
}

// givenLine is who has an item.
type givenLine struct {
	Party     string       `json:"party"`
	Version   accord.Stamp `json:"version"`
	Agreement string       `json:"agreement"`
	Article   string       `json:"article"`
	At        accord.Stamp `json:"at"`
	Receipted accord.Stamp `json:"receipted,omitzero"`
	Retracted accord.Stamp `json:"retracted,omitzero"`
}

// Run prints what is known of an item.
func (c *itemShowCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	it, err := n.db.Item(e.ctx, c.ID)
	if err != nil {
		return missing(err, "no item %q is stored here: \"accord search\" finds items", c.ID)
	}
	k, links, err := n.known(e, it)
	if err != nil {
		return err
	}
	if c.JSON {
		b, err := json.Marshal(k, json.Deterministic(true), jsontext.Multiline(true))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "%s\n", b)
		return err
	}
	var out bytes.Buffer
	n.printItem(&out, it)
	k.print(&out, links)
	_, err = out.WriteTo(e.stdout)
	return err
}

func (n *node) known(e *env, it accord.Item) (k known, links accord.Correlation, err error) {
	k = known{Item: api.ItemLineOf(it, n.db.Score(it, accord.StampOf(now())))}
	k.Item.Object = it.Bytes
	versions, err := n.db.Versions(e.ctx, it.ID)
	if err != nil {
		return k, links, err
	}
	for _, v := range versions {
		k.Versions = append(k.Versions, versionLine{v.Version, v.Added, v.Withdrawn, v.Why})
	}
	from, err := n.db.Provenance(e.ctx, it.ItemKey)
	if err != nil {
		return k, links, err
	}
	for _, s := range from {
		k.Provenance = append(k.Provenance, sourceLine(s))
	}
	if links, err = n.db.Correlate(e.ctx, it.ID); err != nil {
		return k, links, err
	}
	seen, err := n.db.Sightings(e.ctx, it.ID)
	if err != nil {
		return k, links, err
	}
	k.Correlations, k.Sightings = api.CorrelationOf(links), api.SightingsOf(seen)
	given, err := n.db.DisclosuresOf(e.ctx, it.ID)
	for _, d := range given {
		k.Given = append(k.Given, givenLine{d.Party, d.Item.Version, d.Agreement, d.Article, d.Stamp, d.Receipted, d.Retracted})
	}
	return k, links, err
}

// says prints one line of what is said of an item; nothing when it is empty.
func says(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, "%-14s %s\n", name, cell(value))
	}
}

// printItem prints the item itself and its score.
func (n *node) printItem(w io.Writer, it accord.Item) {
	says(w, "id", it.ID)
	says(w, "name", it.Name)
	says(w, "version", it.Version.String())
	says(w, "marking", "TLP:"+strings.ToUpper(it.TLP.String())+" PAP:"+strings.ToUpper(it.PAP.String()))
	for _, o := range it.Observables {
		says(w, "value", string(o.Kind)+" "+o.Value)
	}
	says(w, "labels", strings.Join(it.Labels, ", "))
	says(w, "tags", strings.Join(it.Tags, ", "))
	says(w, "false positive", it.False)
	says(w, "held", it.Held)
	if it.Withdrawn != 0 {
		says(w, "withdrawn", it.Withdrawn.String()+" "+it.Why)
	}
	if o := it.Origin; !o.Own() {
		says(w, "origin", fmt.Sprintf("%s under article %s of %s version %d", o.Party, o.Article, o.Agreement, o.Version))
	}
	if it.Type == "indicator" {
		s := n.db.Score(it, accord.StampOf(now()))
		says(w, "score", fmt.Sprintf("%.0f of %.0f at first, expired below %.0f, which is at %s", s.Now, s.Base, s.Threshold, s.ExpiresAt))
		for _, r := range s.Reasons {
			fmt.Fprintf(w, "%-14s   %s\n", "", cell(score.English(r)))
		}
	}
	if s := it.Sighted; s.Count > 0 || s.Negative > 0 {
		says(w, "seen", fmt.Sprintf("%d times, from %s to %s; %d say false positive", s.Count, s.First, s.Last, s.Negative))
	}
}

// print prints where the item came from, who has it, and what is like it.
func (k known) print(w io.Writer, links accord.Correlation) {
	for _, v := range k.Versions {
		says(w, "stored", fmt.Sprintf("version %s at %s", v.Version, v.Added))
	}
	for _, s := range k.Provenance {
		says(w, "from", fmt.Sprintf("%s at %s", s.Source, s.First))
	}
	for _, g := range k.Given {
		state := "not receipted"
		switch {
		case g.Retracted != 0:
			state = "retracted at " + g.Retracted.String()
		case g.Receipted != 0:
			state = "receipted at " + g.Receipted.String()
		}
		says(w, "given", fmt.Sprintf("to %s under article %s of %s, %s", g.Party, g.Article, g.Agreement, state))
	}
	for _, l := range links.Links {
		what := l.Value.Value
		if l.Name != "" {
			what = l.Name + " (" + what + ")"
		}
		if l.More {
			says(w, "like it", fmt.Sprintf("%s %s: more than %d items, too many to say anything", l.By, what, l.Count))
			continue
		}
		says(w, "like it", fmt.Sprintf("%s %s: %d items from %s", l.By, what, l.Count, strings.Join(l.Sources, ", ")))
		for _, x := range l.Items {
			fmt.Fprintf(w, "%-14s   %s\n", "", cell(fmt.Sprintf("%s %s (%s)", x.ID, x.Name, x.Source)))
		}
	}
}

type itemTagCmd struct {
	ID   string   `arg:"" help:"STIX identifier."`
	Tags []string `arg:"" help:"Tags in lower case: watch, tlp:amber, namespace:predicate=\"value\"." name:"tag"`
}

// Run adds tags.
func (c *itemTagCmd) Run(e *env) error {
	return aboutItem(e, c.ID, func(n *node) error {
		return n.db.Tag(e.ctx, c.ID, c.Tags, "cli", accord.StampOf(now()))
	})
}

type itemUntagCmd struct {
	ID   string   `arg:"" help:"STIX identifier."`
	Tags []string `arg:"" help:"Tags to remove." name:"tag"`
}

// Run removes tags.
func (c *itemUntagCmd) Run(e *env) error {
	return aboutItem(e, c.ID, func(n *node) error {
		return n.db.Untag(e.ctx, c.ID, c.Tags, "cli", accord.StampOf(now()))
	})
}

type itemFalseCmd struct {
	ID  string `arg:"" help:"STIX identifier."`
	Why string `required:"" help:"Why, in at most 500 bytes." placeholder:"TEXT"`
}

// Run marks a false positive.
func (c *itemFalseCmd) Run(e *env) error {
	return aboutItem(e, c.ID, func(n *node) error {
		return n.db.MarkFalse(e.ctx, c.ID, c.Why, "cli", accord.StampOf(now()))
	})
}

type itemTrueCmd struct {
	ID string `arg:"" help:"STIX identifier."`
}

// Run takes a false-positive mark back.
func (c *itemTrueCmd) Run(e *env) error {
	return aboutItem(e, c.ID, func(n *node) error {
		return n.db.MarkTrue(e.ctx, c.ID, "cli", accord.StampOf(now()))
	})
}

// aboutItem does something to an item and says how it stands then.
func aboutItem(e *env, id string, do func(*node) error) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	if err := do(n); err != nil {
		return missing(err, "no item %q is stored here: \"accord search\" finds items", id)
	}
	it, err := n.db.Item(e.ctx, id)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	says(&out, "id", it.ID)
	says(&out, "marking", "TLP:"+strings.ToUpper(it.TLP.String())+" PAP:"+strings.ToUpper(it.PAP.String()))
	says(&out, "tags", strings.Join(it.Tags, ", "))
	says(&out, "false positive", it.False)
	_, err = out.WriteTo(e.stdout)
	return err
}
