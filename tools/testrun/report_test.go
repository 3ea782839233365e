// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"strings"
	"testing"
)

const twoPackages = `{"Action":"start","Package":"a"}
{"Action":"run","Package":"a","Test":"TestOne"}
{"Action":"output","Package":"a","Test":"TestOne","Output":"=== RUN   TestOne\n"}
{"Action":"output","Package":"a","Test":"TestOne","Output":"noise\n"}
{"Action":"pass","Package":"a","Test":"TestOne"}
{"Action":"run","Package":"a","Test":"TestDNS"}
{"Action":"output","Package":"a","Test":"TestDNS","Output":"    x_test.go:1: SKIP: unbound not installed\n"}
{"Action":"output","Package":"a","Test":"TestDNS","Output":"--- SKIP: TestDNS (0.00s)\n"}
{"Action":"skip","Package":"a","Test":"TestDNS"}
{"Action":"output","Package":"a","Output":"PASS\n"}
{"Action":"output","Package":"a","Output":"ok  \ta\t0.1s\n"}
{"Action":"pass","Package":"a"}
`

func gather(t *testing.T, events string, strict bool, allow ...string) (string, bool) {
	t.Helper()
	var b strings.Builder
	r := newReport(&b)
	if err := r.read(bufio.NewReader(strings.NewReader(events))); err != nil {
		t.Fatal(err)
	}
	failed := r.finish(strict, allow)
	return b.String(), failed
}

func TestWhatPassesIsOneLineAndWhatIsSkippedSaysWhy(t *testing.T) {
	got, failed := gather(t, twoPackages, false)
	want := "ok  \ta\t0.1s\nSKIP: a TestDNS: x_test.go:1: SKIP: unbound not installed\n1 passed, 0 failed, 1 skipped\n"
	if got != want || failed {
		t.Errorf("got %q, failed %v; want %q", got, failed, want)
	}
}

func TestInCIASkipFailsUnlessItsReasonIsAllowed(t *testing.T) {
	if got, failed := gather(t, twoPackages, true); !failed || !strings.Contains(got, "SKIP NOT ALLOWED HERE: a TestDNS") {
		t.Errorf("failed %v: %s", failed, got)
	}
	if got, failed := gather(t, twoPackages, true, "unbound not installed"); failed {
		t.Errorf("an allowed skip failed: %s", got)
	}
}

func TestWhatFailsIsPrintedInFull(t *testing.T) {
	for name, tt := range map[string]struct {
		events string
		want   []string
	}{
		"a test": {
			`{"Action":"run","Package":"a","Test":"TestOne"}
{"Action":"output","Package":"a","Test":"TestOne","Output":"    x_test.go:9: 1 is not 2\n"}
{"Action":"fail","Package":"a","Test":"TestOne"}
{"Action":"output","Package":"a","Output":"FAIL\ta\t0.1s\n"}
{"Action":"fail","Package":"a"}
`,
			[]string{"1 is not 2", "FAIL\ta", "0 passed, 1 failed, 0 skipped"},
		},
		"a build": {
			`{"ImportPath":"a [a.test]","Action":"build-output","Output":"x.go:1: undefined: y\n"}
{"Action":"output","Package":"a","Output":"FAIL\ta [build failed]\n"}
{"Action":"fail","Package":"a","FailedBuild":"a [a.test]"}
`,
			[]string{"undefined: y", "[build failed]", "0 passed, 1 failed, 0 skipped"},
		},
		"a panic": {
			`{"Action":"run","Package":"a","Test":"TestOne"}
{"Action":"output","Package":"a","Test":"TestOne","Output":"panic: no\n"}
{"Action":"output","Package":"a","Output":"FAIL\ta\t0.1s\n"}
{"Action":"fail","Package":"a"}
`,
			[]string{"panic: no", "TestOne did not end", "0 passed, 1 failed, 0 skipped"},
		},
		"an exit": {
			`{"Action":"output","Package":"a","Output":"exit status 3\nFAIL\ta\t0.1s\n"}
{"Action":"fail","Package":"a"}
`,
			[]string{"exit status 3", "0 passed, 1 failed, 0 skipped"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, failed := gather(t, tt.events, false)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is missing in\n%s", want, got)
				}
			}
			if !failed {
				t.Error("it counts as passed")
			}
		})
	}
}
