// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"accord"
	"accord/web"
)

// accountCmd groups the commands on accounts.
type accountCmd struct {
	Add  accountAddCmd  `cmd:"" help:"Make an account, or change its role or password."`
	Link accountLinkCmd `cmd:"" help:"Print a one-time link that signs an account in."`
	List accountListCmd `cmd:"" help:"List the accounts."`
}

type accountAddCmd struct {
	Name     string `arg:"" help:"Name to sign in with."`
	Role     string `help:"reader, analyst, director or operator; default: what it has, reader for a new account." enum:",reader,analyst,director,operator" default:"" placeholder:"ROLE"`
	Password bool   `help:"Read a password from standard input's first line; without one the account signs in by links."`
	Locale   string `help:"Language: en, fr, ar, he, or auto for what the browser asks for; default: what it has, auto for a new account." enum:",auto,en,fr,ar,he" default:"" placeholder:"LANG"`
	Disable  bool   `help:"Disable the account." xor:"able"`
	Enable   bool   `help:"Enable it again." xor:"able"`
}

func (c *accountAddCmd) Run(e *env) error {
	if err := goodName("account", c.Name, web.MaxName); err != nil {
		return err
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	a, err := n.db.Account(e.ctx, c.Name)
	if errors.Is(err, accord.ErrNotFound) {
		a = accord.Account{Name: c.Name, Role: accord.RoleReader, Created: accord.StampOf(now())}
	} else if err != nil {
		return err
	}
	c.change(&a)
	if c.Password {
		line, err := bufio.NewReader(e.stdin).ReadString('\n')
		if err != nil && line == "" {
			return fmt.Errorf("read password from standard input: %w", err)
		}
		if a.Password, err = web.NewPassword(a.Name, strings.TrimRight(line, "\r\n"), rand.Reader); err != nil {
			return err
		}
	}
	if err := n.db.PutAccount(e.ctx, a); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "Account %s, %s, %s.\n", a.Name, a.Role, accountState(a))
	return n.audit(e.ctx, "account.add", a.Name, string(a.Role))
}

// change sets what the command line names and leaves the rest as it is.
func (c *accountAddCmd) change(a *accord.Account) {
	if c.Role != "" {
		a.Role = accord.Role(c.Role)
	}
	switch c.Locale {
	case "":
	case "auto":
		a.Locale = ""
	default:
		a.Locale = c.Locale
	}
	if c.Disable || c.Enable {
		a.Disabled = c.Disable
	}
}

func accountState(a accord.Account) string {
	if a.Disabled {
		return "disabled"
	}
	return "enabled"
}

type accountLinkCmd struct {
	Name string        `arg:"" help:"The account."`
	TTL  time.Duration `help:"How long the link holds." default:"15m" placeholder:"DURATION"`
}

func (c *accountLinkCmd) Run(e *env) error {
	if c.TTL <= 0 || c.TTL > 24*time.Hour {
		return fmt.Errorf("%w: --ttl %s: a link holds for at most 24h", accord.ErrInvalid, c.TTL)
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	link, err := n.signInLink(e, c.Name, c.TTL)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, link)
	return n.audit(e.ctx, "account.link", c.Name, "")
}

// signInLink makes a one-time sign-in link for an account.
func (n *node) signInLink(e *env, account string, ttl time.Duration) (string, error) {
	if _, err := n.db.Account(e.ctx, account); err != nil {
		return "", missing(err, "account %s: \"accord account add %s\" makes it", account, account)
	}
	path, err := web.NewTicket(e.ctx, n.db, account, ttl, now())
	if err != nil {
		return "", err
	}
	return n.config.consoleURL() + path, nil
}

type accountListCmd struct{}

func (c *accountListCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	as, err := n.db.Accounts(e.ctx)
	if err != nil {
		return err
	}
	return printTable(e, as, "No account yet: \"accord account add NAME --role operator\" makes one.", []string{"ACCOUNT", "ROLE", "LANGUAGE", "STATE"},
		func(a accord.Account) []any { return []any{a.Name, a.Role, cmp.Or(a.Locale, "auto"), accountState(a)} })
}
