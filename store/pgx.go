// SPDX-License-Identifier: Apache-2.0

//go:build postgres

package store

import _ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
