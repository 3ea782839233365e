// SPDX-License-Identifier: Apache-2.0

package stix_test

import (
	"fmt"
	"strings"

	"accord/format/stix"
)

func ExampleValidate() {
	object := []byte(`{"type":"malware","spec_version":"2.1","id":"malware--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
		"created":"2026-01-02T03:04:05.000Z","modified":"2026-01-01T00:00:00.000Z","is_family":true,"malware_types":["bots"]}`)
	for _, f := range stix.Validate(stix.Raw{Bytes: object}) {
		fmt.Println(f)
	}
	// Output:
	// malware_types[0]: SHOULD vocabulary: "bots" is not in malware-type-ov: use one of its words if one fits (STIX 2.1 §10.15)
	// modified: MUST order: modified is before created (STIX 2.1 §3.2)
	// .: MUST malware-name: name is missing: a malware family has one (STIX 2.1 §4.11.1)
}

func ExampleValidator() {
	bundle := `{"type":"bundle","id":"bundle--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","objects":[
		{"type":"domain-name","spec_version":"2.1","id":"domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7","value":"example.com"},
		{"type":"identity","spec_version":"2.1","id":"identity--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"}]}`
	v := stix.NewValidator(stix.DefaultLimits)
	err := v.Read(strings.NewReader(bundle), func(f stix.Finding) error {
		fmt.Println(f.Path, f.Level, f.Code, f.Message)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(v.Report().Objects, v.Report().Invalid, v.Report().Valid())
	// Output:
	// objects[1] MUST required name is missing: an identity needs it
	// objects[1] MUST required created is missing: an identity needs it
	// objects[1] MUST required modified is missing: an identity needs it
	// 2 1 false
}

func ExampleDeterministicID() {
	id, err := stix.DeterministicID([]byte(`{"type":"ipv4-addr","value":"198.51.100.3"}`))
	fmt.Println(id, err)
	// Output:
	// ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4 <nil>
}
