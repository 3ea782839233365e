// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"maps"
	"slices"
)

// The reference is written from the comments of config.go: see reference_test.go.
//
//go:embed reference.md
var reference string

// configReference explains every key of accord.toml.
func configReference() string { return reference }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
