// SPDX-License-Identifier: Apache-2.0

package knowledge

import (
	"fmt"

	"accord"
)

// Detail is what an object says of itself, read from its bytes.
type Detail struct {
	Description Text
	Detection   Text // as ATT&CK before version 18 gives it
	Version     string
	Sectors     []string
	FirstSeen   string
	LastSeen    string
	LogSources  []LogSource
	References  []Reference
	Deprecated  bool
}

// LogSource is where an analytic looks.
type LogSource struct{ Name, Channel string }

// Reference is one of the works an object cites.
type Reference struct {
	N           int // from 1; texts cite it by this
	Name        string
	Description string
	URL         string // as given: it may lead anywhere
}

// ReadDetail reads an object's texts and references. It fails with
// accord.ErrInvalid when the bytes are not such an object.
func ReadDetail(b []byte) (Detail, error) {
	w, ok := readWire(b)
	if !ok {
		return Detail{}, fmt.Errorf("read ATT&CK object: %w: its properties are not of ATT&CK's types", accord.ErrInvalid)
	}
	d := Detail{Version: clip(w.Version), Sectors: list(w.Sectors), FirstSeen: day(w.FirstSeen), LastSeen: day(w.LastSeen), Deprecated: w.Deprecated}
	for _, r := range w.References {
		if chains[r.Source] != "" || len(d.References) == 2*maxList {
			continue
		}
		d.References = append(d.References, Reference{len(d.References) + 1, clip(r.Source), cut(r.Description, 2000), cut(r.URL, 2000)})
	}
	for _, l := range w.LogSources[:min(len(w.LogSources), maxList)] {
		d.LogSources = append(d.LogSources, LogSource{clip(l.Name), cut(l.Channel, 500)})
	}
	d.Description, d.Detection = ReadText(w.Description, d.References), ReadText(w.Detection, d.References)
	return d, nil
}

func day(instant string) string {
	if len(instant) < 10 {
		return ""
	}
	return clip(instant[:10])
}
