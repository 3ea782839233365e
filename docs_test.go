// SPDX-License-Identifier: Apache-2.0

package accord_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// documents returns every Markdown file of the tree by its path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(filepath.FromSlash(name))
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("only %d documents found", len(out))
	}
	return out
}

var (
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	linked  = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:href|src|srcset)="([^"]+)"`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

func TestLinksOfTheDocumentationLeadSomewhere(t *testing.T) {
	docs := documents(t)
	for name, text := range docs {
		for _, m := range linked.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.FromSlash(to)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, target)
				continue
			}
			if anchor != "" && path.Ext(to) == ".md" && !slices.Contains(anchors(docs[to]), anchor) {
				t.Errorf("%s links to %s: no heading there makes that anchor", name, target)
			}
		}
	}
}

// anchors are the anchors of a document's headings, as code hosts make them.
func anchors(text string) []string {
	var out []string
	for line := range strings.SplitSeq(fenced.ReplaceAllString(text, ""), "\n") {
		heading := strings.TrimLeft(line, "#")
		if heading == line || !strings.HasPrefix(heading, " ") {
			continue
		}
		slug := notSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
		out = append(out, strings.ReplaceAll(slug, " ", "-"))
	}
	return out
}

func TestTheCodeMapNamesEveryRoomAndNoOther(t *testing.T) {
	text := documents(t)["ARCHITECTURE.md"]
	_, text, ok := strings.Cut(text, "\n## Code map\n")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no code map")
	}
	text, _, _ = strings.Cut(text, "\n## ")
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| \\[`([^`]+)`\\]\\(([^)]+)\\)").FindAllStringSubmatch(text, -1) {
		if m[1] != m[2] {
			t.Errorf("the code map calls %s by the name %s", m[2], m[1])
		}
		if info, err := os.Stat(m[2]); err != nil || !info.IsDir() {
			t.Errorf("the code map names %s, which is no folder", m[2])
		}
		named[m[2]] = true
	}
	for _, room := range rooms(t) {
		if !named[room] {
			t.Errorf("the code map does not name %s", room)
		}
	}
}

// rooms are the top folders that hold Go files, and those under format.
func rooms(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata") {
			return fs.SkipDir
		}
		parts := strings.Split(name, "/")
		if path.Ext(name) != ".go" || len(parts) == 1 {
			return nil
		}
		room := parts[0]
		if room == "format" && len(parts) > 2 {
			room += "/" + parts[1]
		}
		if room == "cmd" {
			room = "cmd/accord"
		}
		found[room] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for room := range found {
		out = append(out, room)
	}
	slices.Sort(out)
	return out
}

func TestTestsThatTheDocumentationNamesExist(t *testing.T) {
	exist := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") {
			return err
		}
		text, err := os.ReadFile(filepath.FromSlash(name))
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			exist[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range documents(t) {
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w+)`").FindAllStringSubmatch(text, -1) {
			if !exist[m[1]] {
				t.Errorf("%s names %s, which is no test", name, m[1])
			}
		}
	}
}

func TestEveryDependencyHasItsReason(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	reasons := documents(t)["docs/adr/0000-dependencies.md"]
	imported := thirdParty(t)
	for _, m := range regexp.MustCompile(`(?m)^\s*([a-z0-9.-]+\.[a-z]+/\S+) v\S+`).FindAllStringSubmatch(string(text), -1) {
		direct := slices.ContainsFunc(imported, func(p string) bool { return p == m[1] || strings.HasPrefix(p, m[1]+"/") })
		if direct && !strings.Contains(reasons, "`"+m[1]+"`") {
			t.Errorf("docs/adr/0000-dependencies.md does not say why %s is there", m[1])
		}
	}
}

// thirdParty are the import paths of the tree that are neither its own nor the standard library's.
func thirdParty(t *testing.T) []string {
	t.Helper()
	var out []string
	one := regexp.MustCompile(`(?m)^(?:import )?\s*(?:\w+ |_ )?"([a-z0-9-]+\.[^"]+)"`)
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "tools" || strings.HasPrefix(d.Name(), ".") && name != "."):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		text, err := os.ReadFile(filepath.FromSlash(name))
		head, _, _ := strings.Cut(string(text), "\nfunc ")
		for _, m := range one.FindAllStringSubmatch(head, -1) {
			out = append(out, m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryMetricIsInTheReference(t *testing.T) {
	code, err := os.ReadFile("cmd/accord/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	text := documents(t)["docs/reference/README.md"]
	names := regexp.MustCompile(`NewDesc\("(accord_\w+)"`).FindAllStringSubmatch(string(code), -1)
	if len(names) == 0 {
		t.Fatal("no metric found in cmd/accord/metrics.go")
	}
	for _, m := range names {
		if !strings.Contains(text, "`"+m[1]) {
			t.Errorf("docs/reference/README.md does not explain %s", m[1])
		}
	}
}

// TestCommandsOfTheDocumentationExist asks the program's help for every command
// and flag that a document shows in a block of shell lines.
func TestCommandsOfTheDocumentationExist(t *testing.T) {
	program := buildAccord(t)
	block := regexp.MustCompile("(?ms)^```(?:sh|console)?\n(.*?)^```$")
	call := regexp.MustCompile(`(?m)(?:^|[$(|{;&!]|^\$ )\s*accord ([^|;)&#>\n]*)`)
	help := helps{t: t, program: program, known: map[string]string{}}
	seen := 0
	for name, text := range documents(t) {
		for _, b := range block.FindAllStringSubmatch(text, -1) {
			for _, m := range call.FindAllStringSubmatch(strings.ReplaceAll(b[1], "\\\n", " "), -1) {
				if regexp.MustCompile(`^\w+ v\d`).MatchString(m[1]) {
					continue // the first line of a record
				}
				if why := help.wrong(strings.Fields(m[1])); why != "" {
					t.Errorf("%s shows \"accord %s\": %s", name, strings.TrimSpace(m[1]), why)
				}
				seen++
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d commands found in the documents", seen)
	}
}

// helps are the help texts of the program, asked for once.
type helps struct {
	t       *testing.T
	program string
	known   map[string]string
}

func (h helps) of(command ...string) string {
	key := strings.Join(command, " ")
	if h.known[key] == "" {
		out, err := exec.CommandContext(h.t.Context(), h.program, append(command, "--help")...).CombinedOutput()
		if err != nil {
			out = []byte("none")
		}
		h.known[key] = string(out)
	}
	return h.known[key]
}

// wrong says what a command line names that the program does not have.
func (h helps) wrong(words []string) string {
	var command []string
	deeper := true
	for i := 0; i < len(words); i++ {
		word := strings.Trim(words[i], `"'`)
		switch {
		case word == "--home" || word == "--log-level":
			i++
		case strings.HasPrefix(word, "--"):
			flag, _, _ := strings.Cut(word, "=")
			if !regexp.MustCompile(regexp.QuoteMeta(flag) + `[=\s]`).MatchString(h.of(command...)) {
				return "no flag " + flag
			}
		case deeper && regexp.MustCompile(`^[a-z]+$`).MatchString(word):
			listed := regexp.MustCompile(`(?m)^  ` + strings.Join(append(slices.Clone(command), word), " ") + `\s`)
			if !strings.Contains(h.of(command...), "\nCommands:\n") {
				deeper = false
				continue
			}
			if !listed.MatchString(h.of(command...)) {
				return "no command " + word
			}
			command = append(command, word)
		}
	}
	return ""
}

// TestTheProgramTakesTheExamples gives each example to the command it is for.
func TestTheProgramTakesTheExamples(t *testing.T) {
	program, home := buildAccord(t), t.TempDir()
	accord := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), program, append([]string{"--home", home}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("accord %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	accord("init", "--name", "cert.il.example", "--nation", "IL")
	accord("agreement", "check", "examples/agreement.toml")
	accord("partner", "add", "examples/cert.ma.example.card")
	for to, from := range map[string]string{
		"critical.txt": "demodata/critical.txt", "warninglists/shared.json": "demodata/shared-hosts.warninglist.json",
		"tsig.key": "LICENSE", "accord.toml": "examples/accord.toml",
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(home, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	accord("config", "check")

	home = t.TempDir()
	accord("init", "--name", "cert.il.example", "--nation", "IL")
	accord("resolver", "unbound", "--primary", "192.0.2.10:53", "-o", home)
	accord("resolver", "bind", "--primary", "192.0.2.10:53", "-o", home)
	for _, name := range []string{"accord-unbound.conf", "accord-zones.conf", "accord-policy.conf"} {
		want, err := os.ReadFile(filepath.Join(home, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile("examples/resolver/" + name)
		if err != nil || string(got) != string(want) {
			t.Errorf("examples/resolver/%s is not what accord resolver writes: %v", name, err)
		}
	}
}

// TestTheTutorialPlays runs every command of the tutorial, and the checks that its
// source hides in comments.
func TestTheTutorialPlays(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: the tutorial takes long")
	}
	data, err := filepath.Abs("demodata")
	if err != nil {
		t.Fatal(err)
	}
	program := buildAccord(t)
	play(t, documents(t)["docs/tutorial/two-nations.md"],
		"PATH="+filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"), "DATA="+data)
}

// play runs the shell blocks and checks of a document in a folder of its own, on
// ports that are free.
func play(t *testing.T, text string, env ...string) {
	t.Helper()
	script := "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	parts := regexp.MustCompile("(?ms)(?:<!-- needs: ([^>]*?) -->\n)?(?:^```sh\n(.*?)^```$|<!-- check: (.*?) -->)")
	for _, m := range parts.FindAllStringSubmatch(text, -1) {
		if missing := notInstalled(m[1]); missing != "" {
			t.Logf("SKIP a step: %s not installed: run make tools", missing)
			continue
		}
		script += m[2]
		if m[3] != "" {
			script += fmt.Sprintf("echo %q; { %s; } > /dev/null\n", "check: "+strings.NewReplacer("$", "", "`", "").Replace(m[3]), m[3])
		}
	}
	var ports []string // number, its free one: replaced in one pass, for a free one may hold another's digits
	for _, port := range regexp.MustCompile(`127\.0\.0\.1(?::|@| -p )\d{4}`).FindAllString(text, -1) {
		if number := port[len(port)-4:]; !slices.Contains(ports, number) {
			ports = append(ports, number, freePort(t))
		}
	}
	script = strings.NewReplacer(ports...).Replace(script)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash")
	cmd.Stdin, cmd.Dir, cmd.Env = strings.NewReader(script), t.TempDir(), append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
		logs, _ := filepath.Glob(filepath.Join(cmd.Dir, "*.log"))
		for _, name := range logs {
			text, err := os.ReadFile(name)
			t.Logf("%s: %v\n%s", filepath.Base(name), err, text)
		}
	}
}

func notInstalled(programs string) string {
	for name := range strings.FieldsSeq(programs) {
		if _, err := exec.LookPath(name); err != nil {
			return name
		}
	}
	return ""
}

// freePort returns a port of 127.0.0.1 that is free for TCP and UDP.
func freePort(t *testing.T) string {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		u, err := net.ListenPacket("udp", addr)
		if cerr := l.Close(); cerr != nil {
			t.Fatal(cerr)
		}
		if err != nil {
			continue
		}
		if err := u.Close(); err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(addr)
		return port
	}
	t.Fatal("no port is free")
	return ""
}

// buildAccord builds the program as a user would.
func buildAccord(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "accord")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/accord").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}
