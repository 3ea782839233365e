// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"accord"
)

const selectAccount = "SELECT name, role, password, locale, disabled, created FROM account"

// PutAccount stores an account under its name, or replaces it. Another password
// than before, or Disabled, ends the account's sessions and tickets.
func (d *DB) PutAccount(ctx context.Context, a accord.Account) error {
	if a.Name == "" {
		return fmt.Errorf("put account: %w: no name", accord.ErrInvalid)
	}
	return d.write(ctx, "put account", func(t *tx) error {
		var password string
		rows, err := t.query(ctx, "SELECT password FROM account WHERE name = $1", a.Name)
		if err == nil {
			err = one(rows, &password)
		}
		if err != nil && !errors.Is(err, accord.ErrNotFound) {
			return err
		}
		if password != a.Password || a.Disabled {
			if _, err := t.exec(ctx, "DELETE FROM session WHERE account = $1", a.Name); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, "INSERT INTO account (name, role, password, locale, disabled, created) VALUES ($1, $2, $3, $4, $5, $6) "+
			"ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password, locale = excluded.locale, disabled = excluded.disabled",
			a.Name, string(a.Role), a.Password, a.Locale, number(a.Disabled), int64(a.Created))
		return err
	})
}

// SetLocale changes only the language of an account, or returns ErrNotFound.
func (d *DB) SetLocale(ctx context.Context, account, locale string) error {
	return d.narrow(ctx, "set locale", "UPDATE account SET locale = $2 WHERE name = $1", account, locale)
}

// SetPassword changes only the password of an account and ends its sessions and
// tickets but for the session keep. An account that is not there is ErrNotFound,
// one that is disabled ErrForbidden.
func (d *DB) SetPassword(ctx context.Context, account, phc string, keep [32]byte) error {
	return d.write(ctx, "set password", func(t *tx) error {
		var disabled bool
		rows, err := t.query(ctx, "SELECT disabled FROM account WHERE name = $1", account)
		if err == nil {
			err = one(rows, &disabled)
		}
		if err != nil {
			return err
		}
		if disabled {
			return fmt.Errorf("%w: the account is disabled", accord.ErrForbidden)
		}
		if _, err := t.exec(ctx, "UPDATE account SET password = $2 WHERE name = $1", account, phc); err != nil {
			return err
		}
		_, err = t.exec(ctx, "DELETE FROM session WHERE account = $1 AND (sum <> $2 OR ticket = 1)", account, keep[:])
		return err
	})
}

// narrow runs an UPDATE of one row, which must be there.
func (d *DB) narrow(ctx context.Context, what, query string, args ...any) error {
	return d.write(ctx, what, func(t *tx) error {
		n, err := t.exec(ctx, query, args...)
		if err == nil && n == 0 {
			err = accord.ErrNotFound
		}
		return err
	})
}

// Account returns an account, or ErrNotFound.
func (d *DB) Account(ctx context.Context, name string) (accord.Account, error) {
	as, err := d.accounts(ctx, selectAccount+" WHERE name = $1", name)
	if err == nil && len(as) == 0 {
		err = accord.ErrNotFound
	}
	if err != nil {
		return accord.Account{}, fmt.Errorf("account: %w", err)
	}
	return as[0], nil
}

// Accounts returns every account, by name.
func (d *DB) Accounts(ctx context.Context) ([]accord.Account, error) {
	return d.accounts(ctx, selectAccount+" ORDER BY name")
}

func (d *DB) accounts(ctx context.Context, query string, args ...any) (out []accord.Account, err error) {
	rows, err := d.query(ctx, query, args...)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var a accord.Account
			err := r.Scan(&a.Name, &a.Role, &a.Password, &a.Locale, &a.Disabled, &a.Created)
			out = append(out, a)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return out, nil
}

// PutSession stores a session or a ticket. Those that had ended when it was made
// are removed on the way.
func (d *DB) PutSession(ctx context.Context, s accord.Session) error {
	return d.write(ctx, "put session", func(t *tx) error {
		if _, err := t.exec(ctx, "DELETE FROM session WHERE expires <= $1", int64(s.Created)); err != nil {
			return err
		}
		_, err := t.exec(ctx, "INSERT INTO session (sum, account, ticket, created, expires) VALUES ($1, $2, $3, $4, $5) "+
			"ON CONFLICT (sum) DO UPDATE SET account = excluded.account, ticket = excluded.ticket, created = excluded.created, expires = excluded.expires",
			s.Sum[:], s.Account, number(s.Ticket), int64(s.Created), int64(s.Expires))
		return err
	})
}

// Session returns a session (never a ticket), or ErrNotFound. Whether it has
// expired is for the caller to see.
func (d *DB) Session(ctx context.Context, sum [32]byte) (s accord.Session, err error) {
	rows, err := d.query(ctx, "SELECT account, created, expires FROM session WHERE sum = $1 AND ticket = 0", sum[:])
	if err == nil {
		err = one(rows, &s.Account, &s.Created, &s.Expires)
	}
	if err != nil {
		return accord.Session{}, fmt.Errorf("session: %w", err)
	}
	s.Sum = sum
	return s, nil
}

// ExtendSession moves only the end of a session, or returns ErrNotFound when it is
// gone. A ticket is not extended.
func (d *DB) ExtendSession(ctx context.Context, sum [32]byte, expires accord.Stamp) error {
	return d.narrow(ctx, "extend session", "UPDATE session SET expires = $2 WHERE sum = $1 AND ticket = 0", sum[:], int64(expires))
}

// TakeTicket removes a ticket and returns it: it serves once. A ticket that is not
// there, was taken, or expired at or before at is ErrNotFound.
func (d *DB) TakeTicket(ctx context.Context, sum [32]byte, at accord.Stamp) (s accord.Session, err error) {
	err = d.write(ctx, "take ticket", func(t *tx) error {
		s = accord.Session{Sum: sum, Ticket: true}
		rows, err := t.query(ctx, "DELETE FROM session WHERE sum = $1 AND ticket = 1 RETURNING account, created, expires", sum[:])
		if err != nil {
			return err
		}
		return one(rows, &s.Account, &s.Created, &s.Expires)
	})
	if err == nil && s.Expires <= at {
		err = fmt.Errorf("take ticket: %w: it has expired", accord.ErrNotFound)
	}
	if err != nil {
		return accord.Session{}, err
	}
	return s, nil
}

// DeleteSession ends a session; one that is not there is no error.
func (d *DB) DeleteSession(ctx context.Context, sum [32]byte) error {
	return d.write(ctx, "delete session", func(t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM session WHERE sum = $1", sum[:])
		return err
	})
}

const selectToken = "SELECT sum, name, role, party, created, expires, used, revoked FROM token"

// PutToken stores a token under its sum, or replaces it.
func (d *DB) PutToken(ctx context.Context, k accord.Token) error {
	return d.write(ctx, "put token", func(t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO token (sum, name, role, party, created, expires, used, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "+
			"ON CONFLICT (sum) DO UPDATE SET name = excluded.name, role = excluded.role, party = excluded.party, "+
			"expires = excluded.expires, used = excluded.used, revoked = excluded.revoked",
			k.Sum[:], k.Name, string(k.Role), k.Party, int64(k.Created), int64(k.Expires), int64(k.Used), number(k.Revoked))
		return err
	})
}

// UseToken records only when a token was last used, or returns ErrNotFound.
func (d *DB) UseToken(ctx context.Context, sum [32]byte, at accord.Stamp) error {
	return d.narrow(ctx, "use token", "UPDATE token SET used = $2 WHERE sum = $1", sum[:], int64(at))
}

// Token returns a token, revoked or expired ones too, or ErrNotFound.
func (d *DB) Token(ctx context.Context, sum [32]byte) (accord.Token, error) {
	ks, err := d.tokens(ctx, selectToken+" WHERE sum = $1", sum[:])
	if err == nil && len(ks) == 0 {
		err = accord.ErrNotFound
	}
	if err != nil {
		return accord.Token{}, fmt.Errorf("token: %w", err)
	}
	return ks[0], nil
}

// Tokens returns every token, by name.
func (d *DB) Tokens(ctx context.Context) ([]accord.Token, error) {
	return d.tokens(ctx, selectToken+" ORDER BY name, created, sum")
}

func (d *DB) tokens(ctx context.Context, query string, args ...any) (out []accord.Token, err error) {
	rows, err := d.query(ctx, query, args...)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var k accord.Token
			var sum []byte
			err := r.Scan(&sum, &k.Name, &k.Role, &k.Party, &k.Created, &k.Expires, &k.Used, &k.Revoked)
			copy(k.Sum[:], sum)
			out = append(out, k)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	return out, nil
}
