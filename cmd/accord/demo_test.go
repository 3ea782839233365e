// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"
)

// The demonstration is the main job from end to end: two processes, an
// agreement, a resolver where one is installed, a sensor, a retraction.
func TestTheDemonstrationPlaysTheMainJob(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: builds the program and plays the demonstration: not with -short")
	}
	program := filepath.Join(t.TempDir(), "accord")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, tt := range []struct {
		name  string
		flags []string
		items int64 // at least
	}{
		{"sample", []string{"--sample"}, 2000},
		{"real", []string{"--data", realData(), "--rows", "1000"}, 30000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "real" && realData() == "" {
				t.Skip("SKIP: real data not here: set ACCORD_DATA")
			}
			play(t, program, tt.items, tt.flags...)
		})
	}
}

func play(t *testing.T, program string, items int64, flags ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"demo", "--once", "--json"}, flags...)...) //nolint:gosec // just built
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	var r demoResult
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("standard output is not one JSON object: %v\n%s", err, out)
	}
	if r.Items < items || r.Disclosed == 0 || r.Withheld == 0 || r.Received != r.Disclosed || r.Matches == 0 || r.Blocked == 0 || r.Retracted != 1 || !r.Verified {
		t.Errorf("%s", out)
	}
	for _, step := range []string{"ingest", "exchange", "publish_to_received", "publish_to_blocked", "retract_to_unblocked"} {
		if _, ok := r.Seconds[step]; !ok {
			t.Errorf("no time for %s", step)
		}
	}
}

// realData is the folder of real data, empty when it is not here.
func realData() string {
	root := os.Getenv("ACCORD_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(root, realParts[0])); err != nil {
		return ""
	}
	return root
}
