// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"net/http"
	"time"
)

// How long an answer may take to be made, and what is written of it to be taken by
// the client: one that reads nothing must not hold a connection for ever.
const (
	makeWithin  = 2 * time.Minute
	writeWithin = 30 * time.Second
)

// writeBy gives what is written to w from now on so long. Not every ResponseWriter
// has deadlines; then the server's own hold.
func writeBy(w http.ResponseWriter, d time.Duration) {
	// Connections go by the system's clock, which is a context's and not Config.Now.
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	until, _ := ctx.Deadline()
	_ = http.NewResponseController(w).SetWriteDeadline(until)
}

// paced gives each write of a long answer its own time, so that an answer may take
// as long as it is being read.
type paced struct{ http.ResponseWriter }

func (p paced) Write(b []byte) (int, error) {
	writeBy(p.ResponseWriter, writeWithin)
	return p.ResponseWriter.Write(b)
}
