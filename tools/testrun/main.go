// SPDX-License-Identifier: Apache-2.0

// Command testrun runs go test and reports so that nothing is overlooked: one line
// for each package as go test prints it, what failed with its output in full, every
// skipped test with its reason, and how many passed, failed and were skipped.
//
//	testrun [-allow file] [-strict] arguments of go test
//
// The file lists, one a line, reasons for which a test may be skipped. With -strict,
// which is the default where the environment says CI=true, any other skipped test
// is a failure. Exit status: 0 all passed, 1 something failed, 2 nothing could be run.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
	}
	os.Exit(code)
}

// options are what stands before go test's own arguments.
type options struct {
	strict bool
	allow  []string
	rest   []string
}

func parse(args []string) (options, error) {
	o := options{strict: os.Getenv("CI") == "true"}
	for len(args) > 0 {
		switch {
		case args[0] == "-strict":
			o.strict, args = true, args[1:]
		case args[0] == "-allow" && len(args) > 1:
			f, err := os.ReadFile(args[1])
			if err != nil {
				return o, err
			}
			o.allow, args = append(o.allow, reasons(string(f))...), args[2:]
		default:
			o.rest = args
			return o, nil
		}
	}
	return o, nil
}

// reasons returns the lines of text that are neither empty nor comments.
func reasons(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

func run(ctx context.Context, args []string, w io.Writer) (int, error) {
	o, err := parse(args)
	if err != nil {
		return 2, err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, o.rest...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 2, err
	}
	if err := cmd.Start(); err != nil {
		return 2, err
	}
	r := newReport(w)
	readErr := r.read(bufio.NewReader(out))
	waitErr := cmd.Wait()
	failed := r.finish(o.strict, o.allow)
	if _, exited := errors.AsType[*exec.ExitError](waitErr); exited {
		failed, waitErr = true, nil
	}
	if err := errors.Join(readErr, waitErr); err != nil {
		return 2, err
	}
	if failed {
		return 1, nil
	}
	return 0, nil
}
