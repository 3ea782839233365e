// SPDX-License-Identifier: Apache-2.0

package accord_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mayImport is the architecture: a room may import itself, accord, and these. What
// stands for its tests and theirs alone is in testRooms.
var mayImport = map[string][]string{
	".":         {},
	"agreement": {},
	"ledger":    {},
	"taxii":     {},
	"misp":      {"format"},
	"format":    {},
	"demodata":  {},
	"score":     {},
	"search":    {"format"},
	"store":     {"search", "score"}, // the words it indexes, the score it searches by: both pure
	"ingest":    {"format", "agreement"},
	"feed":      {"format", "agreement", "taxii", "misp"},
	"match":     {"format", "agreement"},
	"protect":   {"format", "agreement"},
	"sensor":    {"format", "agreement", "match"},
	"exchange":  {"format", "agreement", "ledger", "taxii", "misp"},
	"retain":    {},
	"knowledge": {"format"},
	"api":       {"format", "agreement", "ledger", "exchange", "match"}, // serves what the last two put on the wire
	"web":       {"format", "agreement", "ledger", "knowledge"},
	"cmd":       {"*"},
	"testworld": {"*"},
	"bench":     {"*"},
	"tools":     {}, // a module of its own
}

// testRooms hold test helpers only: nothing but tests and each other may import them.
var testRooms = []string{"testworld", "bench", "store/storetest", "taxii/taxiitest", "protect/internal/memstore"}

// reserved says which rooms alone may import a package or what lies under it, and why.
var reserved = []struct {
	path  string
	rooms []string
	why   string
}{
	{"database/sql", []string{"store"}, "one room holds the SQL"},
	{"modernc.org/sqlite", []string{"store"}, "one room holds the SQL"},
	{"github.com/jackc/pgx", []string{"store"}, "one room holds the SQL"},
	{"github.com/pressly/goose", []string{"store"}, "one room holds the SQL"},
	{"github.com/miekg/dns", []string{"protect"}, "only protect speaks DNS"},
	{"github.com/alecthomas/kong", []string{"cmd"}, "flags are the program's"},
	{"github.com/prometheus", []string{"cmd"}, "metrics are the program's"},
	{"github.com/chromedp", []string{}, "a browser is for tests"},
	{"encoding/json", []string{"store", "tools"}, "it lets a later \"TLP\" override \"tlp\": json from outside is read by go-json-experiment"},
	{"log", []string{"tools"}, "a *slog.Logger is passed in"},
	{"flag", []string{"tools"}, "flags are the program's"},
	{"math/rand", []string{}, "crypto/rand, or a seed as an argument by math/rand/v2"},
}

// pure rooms do no I/O: what they know is in their arguments.
var pure = []string{".", "agreement", "format", "knowledge", "score", "search"}

var inputOutput = []string{"os", "net", "net/http", "os/exec", "syscall", "log/slog", "io/ioutil", "path/filepath"}

// file is one parsed Go file.
type file struct {
	path string // from the module's root, with slashes
	ast  *ast.File
	test bool
}

func (f file) dir() string  { return path.Dir(f.path) }
func (f file) room() string { first, _, _ := strings.Cut(f.dir(), "/"); return first }

// forTests reports whether only tests see the file.
func (f file) forTests() bool {
	return f.test || slices.ContainsFunc(testRooms, func(r string) bool { return under(f.dir(), r) })
}

func under(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

func TestRoomsImportWhatTheArchitectureAllows(t *testing.T) {
	for _, f := range goFiles(t) {
		allowed, known := mayImport[f.room()]
		if !known {
			t.Errorf("new room %s: say in mayImport what it may import", f.room())
			continue
		}
		for _, spec := range f.ast.Imports {
			imp := strings.Trim(spec.Path.Value, `"`)
			if !f.forTests() {
				checkRoom(t, f, imp, allowed)
				checkReserved(t, f, imp)
			}
			if f.room() == "." && !f.test && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
				t.Errorf("%s imports %s; the root imports only the standard library", f.path, imp)
			}
		}
	}
}

func checkRoom(t *testing.T, f file, imp string, allowed []string) {
	t.Helper()
	to, ours := strings.CutPrefix(imp, "accord/")
	if !ours {
		return
	}
	if slices.ContainsFunc(testRooms, func(r string) bool { return under(to, r) }) {
		t.Errorf("%s imports %s, which is for tests", f.path, to)
	}
	room, _, _ := strings.Cut(to, "/")
	if room != f.room() && !slices.Contains(allowed, room) && !slices.Contains(allowed, "*") {
		t.Errorf("%s imports %s; %s may import only accord and %v", f.path, to, f.room(), allowed)
	}
}

func checkReserved(t *testing.T, f file, imp string) {
	t.Helper()
	for _, r := range reserved {
		if (imp == r.path || strings.HasPrefix(imp, r.path+"/") && imp != "log/slog" && imp != "math/rand/v2") &&
			!slices.Contains(r.rooms, f.room()) {
			t.Errorf("%s imports %s, which only %v may: %s", f.path, imp, r.rooms, r.why)
		}
	}
	if slices.Contains(pure, f.room()) && slices.Contains(inputOutput, imp) {
		t.Errorf("%s imports %s; %s does no input or output", f.path, imp, f.room())
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	said, names := map[string]bool{}, map[string]string{}
	for _, f := range goFiles(t) {
		if f.test && strings.HasSuffix(f.ast.Name.Name, "_test") {
			continue
		}
		name := f.ast.Name.Name
		names[f.dir()] = name
		if f.ast.Doc == nil {
			said[f.dir()] = said[f.dir()] || false
			continue
		}
		doc := f.ast.Doc.Text()
		if !strings.HasPrefix(doc, "Package "+name+" ") && name != "main" {
			t.Errorf("%s: the package comment begins with %q, not with \"Package %s\"", f.path, strings.SplitN(doc, "\n", 2)[0], name)
		}
		said[f.dir()] = true
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("%s has no package comment: what it is, the standard and section, units, failures, concurrency", dir)
		}
		switch names[dir] {
		case "util", "utils", "common", "types", "models", "model", "manager", "helper", "helpers", "misc", "base", "shared", "lib", "mock", "mocks":
			t.Errorf("%s: package %s says nothing about what it holds; name it by a noun of the trade", dir, names[dir])
		}
	}
}

func TestOnlyTheProgramAndTestsReadTheClock(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.forTests() || f.room() == "cmd" || f.room() == "tools" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if ok && pkg.Name == "time" && pkg.Obj == nil && slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) {
				t.Errorf("%s: time.%s; time is an argument or a clock field", f.path, sel.Sel.Name)
			}
			return true
		})
	}
}

func TestEveryGoFileNamesItsLicence(t *testing.T) {
	const head = "// SPDX-License-Identifier: Apache-2.0\n"
	for name, text := range texts(t) {
		generated := bytes.HasPrefix(text, []byte("// Code generated"))
		if strings.HasSuffix(name, ".go") && !bytes.HasPrefix(text, []byte(head)) && !(generated && bytes.Contains(text, []byte(head))) {
			t.Errorf("%s does not begin with %q", name, head)
		}
	}
}

// A path of one machine means nothing on another.
func TestNothingNamesAFolderOfOneMachine(t *testing.T) {
	machine := regexp.MustCompile(`(?m)(?:^|[\s"'` + "`" + `=(:,])(/(?:work|home|Users|root|tmp)/[\w.-]*)`)
	for name, text := range texts(t) {
		if name == "architecture_test.go" {
			continue
		}
		for _, m := range machine.FindAllSubmatch(text, -1) {
			t.Errorf("%s names %s", name, m[1])
		}
	}
}

// goFiles parses every Go file of the tree, whatever its build tags.
func goFiles(t *testing.T) []file {
	t.Helper()
	var out []file
	set := token.NewFileSet()
	for name, text := range texts(t) {
		if !strings.HasSuffix(name, ".go") || bytes.Contains(text, []byte("//go:build ignore\n")) {
			continue
		}
		parsed, err := parser.ParseFile(set, name, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, file{path: name, ast: parsed, test: strings.HasSuffix(name, "_test.go")})
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.path, b.path) })
	if len(out) < 50 {
		t.Fatalf("only %d Go files found", len(out))
	}
	return out
}

// texts returns the tree's text files by path, but for what Git ignores and testdata.
func texts(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", ".tools", ".demo", "bin", "dist", "testdata", "node_modules"}, d.Name()):
			return fs.SkipDir
		case d.IsDir() || !d.Type().IsRegular() || slices.Contains([]string{".test", ".prof", ".out"}, path.Ext(name)):
			return nil
		}
		text, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			return fmt.Errorf("read the tree: %w", err)
		}
		if !bytes.Contains(text[:min(len(text), 8000)], []byte{0}) {
			out[name] = text
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
