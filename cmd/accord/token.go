// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"accord"
)

// tokenCmd groups the commands on bearer tokens.
type tokenCmd struct {
	Add    tokenAddCmd    `cmd:"" help:"Make a token and print it: it is shown once."`
	List   tokenListCmd   `cmd:"" help:"List the tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke a token, at once."`
}

type tokenAddCmd struct {
	Name  string        `arg:"" help:"What it is for, such as the sensor's institution."`
	Role  string        `help:"What it may do: reader, sensor, analyst; party: read what is disclosed to a party." enum:"reader,sensor,analyst,party" default:"reader" placeholder:"ROLE"`
	Party string        `help:"With --role party: the party whose TAXII client it stands for." placeholder:"PARTY"`
	TTL   time.Duration `help:"How long it holds; 0: until revoked." default:"8760h" placeholder:"DURATION"`
}

func (c *tokenAddCmd) Run(e *env) error {
	if err := goodName("token", c.Name, 100); err != nil {
		return err
	}
	if (c.Role == "party") != (c.Party != "") {
		return fmt.Errorf("%w: --role party and --party go together", accord.ErrInvalid)
	}
	if c.TTL < 0 {
		return fmt.Errorf("%w: --ttl %s: want how long it holds, or 0 for until it is revoked", accord.ErrInvalid, c.TTL)
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	t := accord.Token{Name: c.Name, Role: accord.Role(c.Role), Created: accord.StampOf(now())}
	if c.Party != "" {
		if _, err := n.db.Party(e.ctx, c.Party); err != nil {
			return missing(err, "party %s: pin it first with \"accord partner add CARD\"", c.Party)
		}
		t.Role, t.Party = "", c.Party
	}
	if c.TTL > 0 {
		t.Expires = accord.StampOf(now().Add(c.TTL))
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return err
	}
	secret := "accord_" + base64.RawURLEncoding.EncodeToString(raw)
	t.Sum = sha256.Sum256([]byte(secret))
	if err := n.db.PutToken(e.ctx, t); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, secret)
	return n.audit(e.ctx, "token.add", c.Name, c.Role+" "+c.Party)
}

type tokenListCmd struct{}

func (c *tokenListCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	ts, err := n.db.Tokens(e.ctx)
	if err != nil {
		return err
	}
	return printTable(e, ts, "No token yet: \"accord token add NAME --role sensor\" makes one.",
		[]string{"ID", "NAME", "ROLE", "PARTY", "EXPIRES", "LAST USED", "STATE"},
		func(t accord.Token) []any {
			return []any{fmt.Sprintf("%x", t.Sum[:4]), t.Name, t.Role, t.Party, t.Expires, t.Used, tokenState(t)}
		})
}

func tokenState(t accord.Token) string {
	switch {
	case t.Revoked:
		return "revoked"
	case t.Expires != 0 && t.Expires <= accord.StampOf(now()):
		return "expired"
	}
	return "valid"
}

type tokenRevokeCmd struct {
	ID string `arg:"" help:"The token's id, as \"accord token list\" shows it."`
}

func (c *tokenRevokeCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	ts, err := n.db.Tokens(e.ctx)
	if err != nil {
		return err
	}
	for _, t := range ts {
		if fmt.Sprintf("%x", t.Sum[:4]) == c.ID {
			t.Revoked = true
			if err := n.db.PutToken(e.ctx, t); err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "Revoked: %s, %s.\n", c.ID, t.Name)
			return n.audit(e.ctx, "token.revoke", t.Name, c.ID)
		}
	}
	return fmt.Errorf("%w: token %s: \"accord token list\" shows the ids", accord.ErrNotFound, c.ID)
}
