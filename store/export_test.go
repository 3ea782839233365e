// SPDX-License-Identifier: Apache-2.0

package store

import "database/sql"

// Trace has every statement told to fn before it runs.
func (d *DB) Trace(fn func(query string, args []any)) { d.traced = fn }

// Pool returns the readers' connections.
func (d *DB) Pool() *sql.DB { return d.pool }
