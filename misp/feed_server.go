// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"bufio"
	"crypto/md5" //nolint:gosec // MISP's hashes.csv is of MD5
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"

	"accord"
	"accord/format/misp"
)

// feeds lists the caller's feeds.
func (s *Server) feeds(r *http.Request, c Caller) (answer, error) {
	names, err := s.cfg.Backend.Feeds(r.Context(), c)
	if err != nil {
		return nil, err
	}
	return listing(r, names, "/"), nil
}

// feedIndex lists a feed's files, as a web server lists a folder.
func (s *Server) feedIndex(r *http.Request, c Caller) (answer, error) {
	heads, err := s.cfg.Backend.Heads(r.Context(), c, r.PathValue("feed"))
	if err != nil {
		return nil, err
	}
	names := []string{"manifest.json", "hashes.csv"}
	for _, h := range heads {
		names = append(names, h.UUID+".json")
	}
	return listing(r, names, ""), nil
}

func listing(r *http.Request, names []string, after string) answer {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html><title>MISP feed</title><ul>\n")
	for _, n := range names {
		fmt.Fprintf(&b, "<li><a href=\"%[1]s\">%[1]s</a></li>\n", html.EscapeString(n)+after)
	}
	b.WriteString("</ul>\n")
	return sendBytes(r, "text/html; charset=utf-8", []byte(b.String()))
}

// manifestEntry is what a manifest says of an event.
type manifestEntry struct {
	Orgc      misp.OrgJSON   `json:"Orgc"`
	Tags      []misp.TagJSON `json:"Tag"`
	Info      string         `json:"info"`
	Date      string         `json:"date"`
	Analysis  string         `json:"analysis"`
	Threat    string         `json:"threat_level_id"`
	Timestamp string         `json:"timestamp"`
}

// manifest serves what the feed holds: since, a query parameter of Accord's own,
// leaves out what has not changed after that Unix second.
func (s *Server) manifest(r *http.Request, c Caller) (answer, error) {
	heads, err := s.cfg.Backend.Heads(r.Context(), c, r.PathValue("feed"))
	if err != nil {
		return nil, err
	}
	since := int64(0)
	if v := r.URL.Query().Get("since"); v != "" {
		if since, err = strconv.ParseInt(v, 10, 64); err != nil {
			return nil, fmt.Errorf("%w: since=%.30q: want Unix seconds", accord.ErrInvalid, v)
		}
	}
	out := make(map[string]manifestEntry, len(heads))
	for _, h := range heads {
		if h.Timestamp <= since && since > 0 {
			continue
		}
		tags := h.Tags
		if tags == nil {
			tags = []misp.TagJSON{}
		}
		out[h.UUID] = manifestEntry{Orgc: h.Orgc, Tags: tags, Info: h.Info, Date: h.Date, Analysis: h.Analysis, Threat: h.Threat, Timestamp: strconv.FormatInt(h.Timestamp, 10)}
	}
	return sendJSON(r, out)
}

// document is an event in a file of its own.
type document struct {
	Event *misp.EventJSON `json:"Event"`
}

// feedEvent serves {uuid}.json.
func (s *Server) feedEvent(r *http.Request, c Caller) (answer, error) {
	id, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	if !ok || !validUUID(id) {
		return nil, fmt.Errorf("%w: no such file in a feed", accord.ErrNotFound)
	}
	e, err := s.cfg.Backend.Event(r.Context(), c, r.PathValue("feed"), strings.ToLower(id))
	if err != nil {
		return nil, err
	}
	return sendJSON(r, document{e})
}

// hashes serves the MD5 of every value, each part of a composite one by itself
// too, with the uuid of its event: one event after another, in constant memory.
func (s *Server) hashes(r *http.Request, c Caller) (answer, error) {
	feed := r.PathValue("feed")
	heads, err := s.cfg.Backend.Heads(r.Context(), c, feed)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, h := range heads {
		fmt.Fprintln(sum, h.UUID, h.Timestamp)
	}
	tag := `"` + hex.EncodeToString(sum.Sum(nil)[:16]) + `"`
	return func(w http.ResponseWriter) error {
		if unchanged(w, r, tag) {
			return nil
		}
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		out := bufio.NewWriter(w)
		for _, h := range heads {
			e, err := s.cfg.Backend.Event(r.Context(), c, feed, h.UUID)
			if gone(err) {
				continue
			}
			if err != nil {
				return err
			}
			for a := range e.All {
				if a.Deleted {
					continue
				}
				for _, v := range parts(a) {
					sum := md5.Sum([]byte(v)) //nolint:gosec // see the import
					fmt.Fprintf(out, "%x,%s\n", sum, e.UUID)
				}
			}
		}
		return out.Flush()
	}, nil
}

// parts are a value and, of a composite type, its parts.
func parts(a *misp.AttributeJSON) []string {
	if !strings.Contains(a.Type, "|") && a.Type != "malware-sample" {
		return []string{a.Value}
	}
	one, two, ok := strings.Cut(a.Value, "|")
	if !ok {
		return []string{a.Value}
	}
	return []string{a.Value, one, two}
}

// Texts are what a search compares a value with: in lower case, the whole and, of a
// type of two parts, each of them.
func Texts(a *misp.AttributeJSON) []string {
	out := parts(a)
	for i := range out {
		out[i] = strings.ToLower(out[i])
	}
	return out
}
