// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"errors"
	"fmt"

	"accord/format/stix/pattern"
)

func ExampleParse() {
	p, err := pattern.Parse("[ file:name='foo.dll' AND file:size>1000 ] WITHIN 5 SECONDS")
	fmt.Println(p, err)
	_, err = pattern.Parse("[file:name = ]")
	fmt.Println(err)
	// Output:
	// [file:name = 'foo.dll' AND file:size > 1000] WITHIN 5 SECONDS <nil>
	// pattern, line 1 column 14 (byte 13): want a constant: 'string', number, true, false, h'hex', b'base64' or t'timestamp', got "]"
}

func ExamplePattern_Match() {
	var c pattern.Collection
	for _, object := range []string{
		`{"type":"domain-name","id":"domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7","value":"bad.example"}`,
		`{"type":"observed-data","id":"observed-data--b67d30ff-02ac-498a-92f9-32f845f448cf","number_observed":3,
		  "first_observed":"2026-01-02T03:04:05Z","last_observed":"2026-01-02T03:04:35Z",
		  "object_refs":["domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7"]}`,
	} {
		if err := c.Add([]byte(object)); err != nil {
			fmt.Println(err)
			return
		}
	}
	p, err := pattern.Parse("[domain-name:value LIKE '%.example'] REPEATS 3 TIMES WITHIN 60 SECONDS")
	if err != nil {
		fmt.Println(err)
		return
	}
	observations := c.Observations()
	r, err := p.Match(observations, pattern.Limits{})
	if errors.Is(err, pattern.ErrLimit) {
		fmt.Println("not known:", err)
		return
	}
	for _, b := range r.Bound {
		fmt.Println(p.Tests()[b.Test], observations[b.Observation].ID, b.Count)
	}
	// Output:
	// [domain-name:value LIKE '%.example'] observed-data--b67d30ff-02ac-498a-92f9-32f845f448cf 3
}

func ExamplePattern_Cover() {
	p, err := pattern.Parse("[domain-name:value IN ('a.example', 'b.example') AND domain-name:resolves_to_refs[*].value = '192.0.2.1']")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Cover())
	_, atomic := p.Observables()
	fmt.Println(atomic)
	// Output:
	// [{domain a.example} {domain b.example}] true
	// false
}
