// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"accord"
)

// Doer sends a request: an *http.Client, or what guards one. Who may be reached,
// how long it may take and where redirects lead are its business.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// FeedLimits bound what one run takes from a feed. Zero fields mean the defaults.
type FeedLimits struct {
	Manifest int64 // bytes of manifest.json and of hashes.csv, default 64 MiB
	Listed   int   // events that a manifest may list, default 100,000
	Event    int64 // bytes of one event, default 64 MiB
	Events   int   // events fetched in one run, default 10,000; the next run goes on
	Total    int64 // bytes of all events of one run, default 1 GiB; the next run goes on
}

func (l FeedLimits) orDefault() FeedLimits {
	l.Manifest = cmp.Or(max(l.Manifest, 0), 64<<20)
	l.Listed = cmp.Or(max(l.Listed, 0), 100_000)
	l.Event = cmp.Or(max(l.Event, 0), 64<<20)
	l.Events = cmp.Or(max(l.Events, 0), 10_000)
	l.Total = cmp.Or(max(l.Total, 0), 1<<30)
	return l
}

// FeedReader reads a MISP feed: a folder with manifest.json, one {uuid}.json per
// event, and hashes.csv.
type FeedReader struct {
	URL    string // of the folder or of its manifest.json
	Client Doer
	Header http.Header // sent with each request, such as Authorization; may be nil
	Limits FeedLimits
}

// State is what a reader remembers of a feed from run to run. It marshals to JSON.
// The zero State has read nothing.
type State struct {
	// ETag and LastModified are those of the manifest that was read to its end.
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	// Events holds, by event uuid, the manifest timestamp of what was taken.
	Events map[string]int64 `json:"events,omitempty"`
}

// Entry is what a manifest says of an event.
type Entry struct {
	UUID      string
	Timestamp int64 // Unix seconds of the last change
	Info      string
	Date      string // YYYY-MM-DD
	Org       string // name of the organisation that made it
	Tags      []string
}

// FeedEvent is an event that changed since the State.
type FeedEvent struct {
	Entry
	// Bytes are those of {uuid}.json as they came, for format/misp's Read: bounded,
	// and not looked at yet. Nil when Gone.
	Bytes []byte
	// Gone: the manifest listed the event before and does so no longer.
	Gone bool
}

// ErrEvent is what an error of one event is: the run goes on, and the next run
// tries the event again.
var ErrEvent = errors.New("event not read")

// ErrMore is the last error of a run that ended at FeedLimits: what was yielded is
// good, and the next run goes on.
var ErrMore = errors.New("the feed has more than one run takes")

// Changed fetches the manifest, unless it is still the one that s knows, and
// yields what changed since, the oldest change first, then what is gone. s is
// brought up to date as it goes: an event counts as taken once the loop body has
// returned for it, so whoever stores s with the event's effects loses and doubles
// nothing. An error that is ErrEvent concerns one event; any other ends the run.
func (f *FeedReader) Changed(ctx context.Context, s *State) iter.Seq2[FeedEvent, error] {
	return func(yield func(FeedEvent, error) bool) {
		if err := f.changed(ctx, s, yield); err != nil && !errors.Is(err, errStop) {
			yield(FeedEvent{}, err)
		}
	}
}

// errStop: the consumer wants no more.
var errStop = errors.New("stop")

func (f *FeedReader) changed(ctx context.Context, s *State, yield func(FeedEvent, error) bool) error {
	lim := f.Limits.orDefault()
	got, err := f.get(ctx, "manifest.json", s, lim.Manifest)
	if err != nil || got.notModified {
		return err
	}
	listed, err := readManifest(got.body, lim.Listed)
	if err != nil {
		return fmt.Errorf("read manifest.json: %w", err)
	}
	if s.Events == nil {
		s.Events = map[string]int64{}
	}
	// Until the run is through, the next one reads the manifest again.
	s.ETag, s.LastModified = "", ""
	whole := true
	fetched, total := 0, int64(0)
	for _, e := range newer(listed, s.Events) {
		if fetched++; fetched > lim.Events || total >= lim.Total {
			return fmt.Errorf("%w: %d events, %d bytes", ErrMore, fetched-1, total)
		}
		ev, err := f.get(ctx, e.UUID+".json", nil, lim.Event)
		total += int64(len(ev.body))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			whole = false
			if !yield(FeedEvent{Entry: e}, fmt.Errorf("%w: %w", ErrEvent, err)) {
				return errStop
			}
			continue
		}
		if !yield(FeedEvent{Entry: e, Bytes: ev.body}, nil) {
			return errStop
		}
		s.Events[e.UUID] = e.Timestamp
	}
	for _, id := range slices.Sorted(maps.Keys(s.Events)) {
		if _, still := listed[id]; still {
			continue
		}
		if !yield(FeedEvent{Entry: Entry{UUID: id, Timestamp: s.Events[id]}, Gone: true}, nil) {
			return errStop
		}
		delete(s.Events, id)
	}
	if whole {
		s.ETag, s.LastModified = got.etag, got.lastModified
	}
	return nil
}

// newer returns the entries that are new or changed, oldest first.
func newer(listed map[string]Entry, had map[string]int64) []Entry {
	var out []Entry
	for id, e := range listed {
		if at, taken := had[id]; !taken || at < e.Timestamp {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.UUID, b.UUID))
	})
	return out
}

// Manifest fetches the manifest and returns its entries, oldest first.
func (f *FeedReader) Manifest(ctx context.Context) ([]Entry, error) {
	lim := f.Limits.orDefault()
	got, err := f.get(ctx, "manifest.json", nil, lim.Manifest)
	if err != nil {
		return nil, err
	}
	listed, err := readManifest(got.body, lim.Listed)
	if err != nil {
		return nil, fmt.Errorf("read manifest.json: %w", err)
	}
	return newer(listed, nil), nil
}

// Hashes fetches hashes.csv and yields each MD5 of a value (lower-case hex) with the
// uuid of an event that holds it.
func (f *FeedReader) Hashes(ctx context.Context) iter.Seq2[[2]string, error] {
	return func(yield func([2]string, error) bool) {
		got, err := f.get(ctx, "hashes.csv", nil, f.Limits.orDefault().Manifest)
		if err != nil {
			yield([2]string{}, err)
			return
		}
		r := csv.NewReader(strings.NewReader(string(got.body)))
		r.FieldsPerRecord, r.ReuseRecord = 2, true
		for {
			row, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && (len(row[0]) != 32 || !validUUID(row[1])) {
				err = errors.New("want an MD5 and a uuid")
			}
			if err != nil {
				yield([2]string{}, fmt.Errorf("%w: hashes.csv: %w", accord.ErrInvalid, err))
				return
			}
			if !yield([2]string{strings.ToLower(row[0]), strings.ToLower(row[1])}, nil) {
				return
			}
		}
	}
}

// got is an answer.
type got struct {
	body               []byte
	etag, lastModified string
	notModified        bool
}

// get fetches one file of the feed; known makes the request conditional.
func (f *FeedReader) get(ctx context.Context, name string, known *State, most int64) (got, error) {
	base, err := url.Parse(f.URL)
	if err != nil || base.Host == "" {
		return got{}, fmt.Errorf("%w: feed URL %q: want https://host/folder/", accord.ErrInvalid, f.URL)
	}
	base.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/manifest.json"), "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(name).String(), http.NoBody)
	if err != nil {
		return got{}, fmt.Errorf("fetch %s: %w", name, err)
	}
	maps.Copy(req.Header, f.Header.Clone())
	req.Header.Set("Accept", "application/json, text/csv, */*;q=0.1")
	if known != nil && known.ETag != "" {
		req.Header.Set("If-None-Match", known.ETag)
	}
	if known != nil && known.LastModified != "" {
		req.Header.Set("If-Modified-Since", known.LastModified)
	}
	res, err := f.Client.Do(req)
	if err != nil {
		return got{}, fmt.Errorf("fetch %s: %w", name, err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && known != nil:
		return got{notModified: true}, nil
	case res.StatusCode != http.StatusOK:
		return got{}, fmt.Errorf("fetch %s: %w", name, &StatusError{Status: res.StatusCode, RetryAfter: retryAfter(res)})
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil {
		return got{}, fmt.Errorf("fetch %s: %w", name, err)
	}
	if int64(len(body)) > most {
		return got{}, fmt.Errorf("fetch %s: %w: over %d bytes", name, accord.ErrInvalid, most)
	}
	return got{body: body, etag: field(res, "ETag"), lastModified: field(res, "Last-Modified")}, nil
}

// field returns a header that is to be sent back, unless it is oddly long.
func field(res *http.Response, name string) string {
	if v := res.Header.Get(name); len(v) <= 500 {
		return v
	}
	return ""
}

// StatusError is an HTTP status other than the one asked for.
type StatusError struct {
	Status     int
	RetryAfter time.Duration // how long the server asks to wait; 0 when it does not say
}

// Error says the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answered %d %s", e.Status, http.StatusText(e.Status))
}

// Unwrap tells what a caller may branch on.
func (e *StatusError) Unwrap() error {
	switch e.Status {
	case http.StatusNotFound, http.StatusGone:
		return accord.ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return accord.ErrForbidden
	}
	return nil
}

// retryAfter reads Retry-After in seconds, at most a day.
func retryAfter(res *http.Response) time.Duration {
	n, err := strconv.ParseInt(res.Header.Get("Retry-After"), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 86400)) * time.Second
}

// readManifest reads manifest.json: an object from event uuid to what it says of
// the event. MISP writes [] when there is none.
func readManifest(b []byte, most int) (map[string]Entry, error) {
	if strings.TrimSpace(string(b[:min(len(b), 64)])) == "[]" {
		return map[string]Entry{}, nil
	}
	if err := shallow(b, 16); err != nil {
		return nil, fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	var raw map[string]jsontext.Value
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	if len(raw) > most {
		return nil, fmt.Errorf("%w: it lists %d events, over %d", accord.ErrInvalid, len(raw), most)
	}
	out := make(map[string]Entry, len(raw))
	for id, v := range raw {
		e, err := readEntry(id, v)
		if err != nil {
			return nil, err
		}
		if _, twice := out[e.UUID]; twice {
			return nil, fmt.Errorf("%w: it lists %s twice", accord.ErrInvalid, e.UUID)
		}
		out[e.UUID] = e
	}
	return out, nil
}

// readEntry reads one entry. MISP writes the timestamp as text or number.
func readEntry(id string, v jsontext.Value) (Entry, error) {
	if !validUUID(id) {
		return Entry{}, fmt.Errorf("%w: %.60q is no uuid", accord.ErrInvalid, id)
	}
	var raw struct {
		Timestamp jsontext.Value `json:"timestamp"`
		Info      string         `json:"info"`
		Date      string         `json:"date"`
		Org       struct {
			Name string `json:"name"`
		} `json:"Orgc"`
		Tags []struct {
			Name string `json:"name"`
		} `json:"Tag"`
	}
	if err := json.Unmarshal(v, &raw); err != nil {
		return Entry{}, fmt.Errorf("%w: entry %s: %w", accord.ErrInvalid, id, err)
	}
	at, err := strconv.ParseInt(strings.Trim(string(raw.Timestamp), `"`), 10, 64)
	if err != nil || at < 0 {
		return Entry{}, fmt.Errorf("%w: entry %s: timestamp %.30q", accord.ErrInvalid, id, string(raw.Timestamp))
	}
	e := Entry{UUID: strings.ToLower(id), Timestamp: at, Info: raw.Info, Date: raw.Date, Org: raw.Org.Name}
	for _, t := range raw.Tags {
		e.Tags = append(e.Tags, t.Name)
	}
	return e, nil
}

// shallow refuses JSON nested deeper than depth before it is decoded.
func shallow(b []byte, depth int) error {
	d := jsontext.NewDecoder(strings.NewReader(string(b)))
	for {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if d.StackDepth() > depth {
			return fmt.Errorf("nested deeper than %d", depth)
		}
	}
}

// validUUID reports whether s is a UUID in its usual text form.
func validUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }
