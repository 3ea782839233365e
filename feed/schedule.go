// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord"
	"accord/misp"
	"accord/taxii"
)

// The bounds of the schedule.
const (
	firstRetry   = time.Minute    // after the first failure; then twice as long each time
	longestRetry = 24 * time.Hour // whatever happened, and whatever a server asks
	fullAfter    = 7 * 24 * time.Hour
	shortest     = time.Minute // between two runs
)

// next is when a feed runs again after a run that went well, or was held: its
// interval, a tenth more or less, so that feeds of one interval spread.
func (w *Worker) next(f accord.Feed) accord.Stamp {
	every := max(time.Duration(f.Every), shortest)
	return accord.StampOf(w.Now().Add(every*9/10 + w.upTo(every/5)))
}

// retry is when a feed runs again after its failures-th failure in a row: after a
// minute, doubled each time, at most after its interval or an hour, whichever is
// longer; not before a server asks to be; up to a tenth later.
func (w *Worker) retry(f accord.Feed, failures int, asked time.Duration) accord.Stamp {
	most := min(max(time.Duration(f.Every), time.Hour), longestRetry)
	wait := min(firstRetry<<min(max(failures-1, 0), 20), most)
	wait = min(max(wait, asked), longestRetry)
	return accord.StampOf(w.Now().Add(wait + w.upTo(wait/10)))
}

// upTo draws a duration below d.
func (w *Worker) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	w.dice.Lock()
	defer w.dice.Unlock()
	return time.Duration(w.Rand.Int64N(int64(d)))
}

func sortByDue(feeds []accord.Feed) {
	slices.SortStableFunc(feeds, func(a, b accord.Feed) int { return cmp.Compare(a.State.Due, b.State.Due) })
}

// statusError is an answer that is no success.
type statusError struct {
	status int
	wait   time.Duration
}

func (e *statusError) Error() string {
	return "the server answers " + strconv.Itoa(e.status) + " " + http.StatusText(e.status)
}

// askedToWait is how long the server that failed asks to be left alone.
func askedToWait(err error) time.Duration {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.wait
	}
	if e, ok := errors.AsType[*misp.StatusError](err); ok {
		return e.RetryAfter
	}
	if e, ok := errors.AsType[*taxii.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3): seconds or a date.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if n, err := strconv.ParseInt(header, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(longestRetry/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), longestRetry)
	}
	return 0
}
