// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"maps"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"accord"
	"accord/format/stix"
)

// Props are the properties of an object besides those every object has.
type Props map[string]any

// born is when every object here was created.
var born = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// ID is the id of the object of that type that is called name here.
func ID(typ, name string) string {
	return typ + "--" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String()
}

// Object returns an own item of that type: its id follows from name, its version
// is the first, unless props say otherwise. Nil properties are left out. What is
// not marked counts as GREEN.
func Object(t testing.TB, typ, name string, props Props) accord.Item {
	t.Helper()
	at := born.Format("2006-01-02T15:04:05.000Z")
	o := map[string]any{
		"type": typ, "spec_version": "2.1", "id": ID(typ, name), "created": at, "modified": at,
	}
	switch typ {
	case "indicator":
		o["pattern"], o["pattern_type"], o["valid_from"] = "[domain-name:value = '"+name+".example']", "stix", at
		o["name"] = name
	case "report":
		o["name"], o["published"] = name, at
	case "malware":
		o["name"], o["is_family"] = name, false
	case "relationship":
		o["relationship_type"] = "related-to"
	case "sighting":
	default:
		o["name"] = name
	}
	maps.Copy(o, props)
	for k, v := range o {
		if v == nil {
			delete(o, k)
		}
	}
	b, err := json.Marshal(o, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return Parsed(t, b)
}

// Parsed is an own item of these bytes.
func Parsed(t testing.TB, b []byte) accord.Item {
	t.Helper()
	it, err := stix.Parse(stix.Raw{Bytes: b, Spec: "2.1"}, accord.TLPGreen)
	if err != nil {
		t.Fatal(err)
	}
	it.Source = "test"
	return it
}

// Marked are the properties that mark an object with TLP 2.0.
func Marked(tlp accord.TLP) Props {
	return Props{"object_marking_refs": []string{stix.MarkingID(tlp)}}
}

// Version is the property "modified" of version n of an object; 1 is the first.
func Version(n int) string {
	return born.Add(time.Duration(n-1) * time.Hour).Format("2006-01-02T15:04:05.000Z")
}

// With joins properties, the later over the earlier.
func With(all ...Props) Props {
	out := Props{}
	for _, p := range all {
		maps.Copy(out, p)
	}
	return out
}
