// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// tree is the command tree.
func tree(t *testing.T) *kong.Application {
	t.Helper()
	p, err := kong.New(&cli{}, kong.Name("accord"))
	if err != nil {
		t.Fatal(err)
	}
	return p.Model
}

// The commands' reference page is written from the command tree.
func TestTheReferenceSaysWhatTheCommandsSay(t *testing.T) {
	const path = "../../docs/reference/cli.md"
	var b bytes.Buffer
	b.WriteString("# Commands\n\n<!-- Written from cmd/accord by its test: run make gen. -->\n\n" +
		"`accord help COMMAND` prints the same. A node's folder is named by `--home` or `ACCORD_HOME`; without either it is\n" +
		"the folder you are in. Results go to standard output, everything else to standard error.\n\n" +
		"| status | |\n|---|---|\n| 0 | done |\n| 1 | failed; for `match`: nothing matched |\n| 2 | the command line is wrong |\n" +
		"| 3 | something named is not there |\n| 4 | not allowed, or not proved |\n| 5 | the state is another than the command needs |\n| 6 | the input is malformed |\n")
	root := tree(t)
	b.WriteString("\n## Flags of every command\n\n")
	flags(&b, root.Node)
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		for _, c := range n.Children {
			section(&b, c)
			walk(c)
		}
	}
	walk(root.Node)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s is not what the commands say: run make gen", path)
	}
}

func section(b *bytes.Buffer, n *kong.Node) {
	level := strings.Repeat("#", 1+len(strings.Fields(n.Path())))
	fmt.Fprintf(b, "\n%s accord %s\n\n%s\n", level, n.Path(), n.Help)
	if len(n.Children) > 0 {
		return
	}
	fmt.Fprintf(b, "\n    accord %s\n", n.Summary())
	if len(n.Positional) > 0 || len(n.Flags) > 0 {
		b.WriteString("\n")
	}
	for _, p := range n.Positional {
		fmt.Fprintf(b, "- `<%s>`: %s\n", p.Name, p.Help)
	}
	flags(b, n)
}

func flags(b *bytes.Buffer, n *kong.Node) {
	for _, f := range n.Flags {
		if f.Name == "help" {
			continue
		}
		name := "--" + f.Name
		if !f.IsBool() {
			name += "=" + f.FormatPlaceHolder()
		}
		if f.Short != 0 {
			name = "-" + string(f.Short) + ", " + name
		}
		more := ""
		if f.HasDefault && f.Default != "" {
			more = " Default: `" + f.Default + "`."
		}
		for _, e := range f.Envs {
			more += " From the environment: `" + e + "`."
		}
		fmt.Fprintf(b, "- `%s`: %s%s\n", name, f.Help, more)
	}
}

// Every command, argument and flag says in a sentence what it is for.
func TestEveryCommandIsExplained(t *testing.T) {
	sentence := func(what, help string) {
		t.Helper()
		first, _ := utf8.DecodeRuneInString(help)
		if !strings.HasSuffix(help, ".") || first == utf8.RuneError {
			t.Errorf("%s: %q is no sentence", what, help)
		}
	}
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		if n.Parent != nil {
			sentence(n.Path(), n.Help)
		}
		for _, p := range n.Positional {
			sentence(n.Path()+" <"+p.Name+">", p.Help)
		}
		for _, f := range n.Flags {
			sentence(n.Path()+" --"+f.Name, f.Help)
			if !f.IsBool() && f.PlaceHolder == "" && !f.HasDefault {
				t.Errorf("%s --%s: its value has no name: add a placeholder", n.Path(), f.Name)
			}
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(tree(t).Node)
}

// Help of every command can be asked for, and fits a terminal.
func TestHelpOfEveryCommandIsPrinted(t *testing.T) {
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		var out, says bytes.Buffer
		args := append(strings.Fields(n.Path()), "--help")
		if n.Parent == nil {
			args = []string{"--help"}
		}
		if code := run(t.Context(), args, strings.NewReader(""), &out, &says); code != 0 || says.Len() > 0 || !strings.HasPrefix(out.String(), "Usage: accord") {
			t.Errorf("accord %s: status %d\n%s%s", strings.Join(args, " "), code, &out, &says)
		}
		for line := range strings.Lines(out.String()) {
			if utf8.RuneCountInString(line) > 100 {
				t.Errorf("accord %s: a line of %d: %s", strings.Join(args, " "), utf8.RuneCountInString(line), line)
			}
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(tree(t).Node)
}
