// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"strings"
	"time"
)

// Route is a line of the table, for tests.
type Route struct {
	Method, Pattern string
	Role            string // "public", "partner" or the role
	Query           []string
}

// Routes is the table.
func Routes() []Route {
	var out []Route
	for _, r := range (&API{}).routes() {
		role := string(r.who.role)
		switch {
		case r.who.public:
			role = "public"
		case r.who.partner:
			role = "partner"
		}
		out = append(out, Route{r.method, r.pattern, role, strings.Fields(r.query)})
	}
	return out
}

// The limits, for tests.
const (
	LogMost   = logMost
	DepthMost = depthMost
)

// Hold waits as the route of the index does.
func (a *API) Hold(ctx context.Context, since int64, most time.Duration) { a.hold(ctx, since, most) }
