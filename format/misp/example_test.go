// SPDX-License-Identifier: Apache-2.0

package misp_test

import (
	"fmt"
	"strings"

	"accord"
	"accord/format/misp"
)

const lamp = `{"Event":{"uuid":"0b1c2d3e-0000-4000-8000-000000000001","info":"Lamp","date":"2026-02-01","timestamp":"1770900000",
"Orgc":{"uuid":"0b1c2d3e-0000-4000-a000-000000000001","name":"Quay"},"Tag":[{"name":"tlp:green"}],"Attribute":[
{"uuid":"0b1c2d3e-0000-4000-9000-000000000001","type":"domain","category":"Network activity","value":"lamp.example","to_ids":true,"timestamp":"1770800000"},
{"uuid":"0b1c2d3e-0000-4000-9000-000000000002","type":"mutex","category":"Artifacts dropped","value":"oil","to_ids":false,"timestamp":"1770800000"}]}}`

// An event becomes STIX objects.
func ExampleRead() {
	for event, err := range misp.Read(strings.NewReader(lamp), misp.Limits{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		items, losses, err := event.Items(misp.Options{TLP: accord.TLPAmber})
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, it := range items {
			fmt.Println(it.Type, it.Name, it.TLP)
		}
		fmt.Println(len(losses), "losses")
	}
	// Output:
	// identity Quay amber
	// indicator lamp.example (Lamp) green
	// mutex oil green
	// observed-data  green
	// report Lamp green
	// 0 losses
}

// Items become events.
func ExampleEvents() {
	var items []accord.Item
	for event, err := range misp.Read(strings.NewReader(lamp), misp.Limits{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		made, _, err := event.Items(misp.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		items = append(items, made...)
	}
	events, losses, err := misp.Events(items, misp.WriteOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for a := range events[0].All {
		fmt.Println(a.Type, a.Value, a.ToIDS, a.Category)
	}
	fmt.Println(events[0].Orgc.Name, len(losses), "losses")
	// Output:
	// domain lamp.example true Network activity
	// mutex oil false Artifacts dropped
	// Quay 0 losses
}
