// SPDX-License-Identifier: Apache-2.0

// Command accord is what an authority runs: its node, and the commands of those
// who operate it. Each command's help says what it reads and writes.
//
// Exit status: 0 done, 1 failed, 2 the command line is wrong, 3 not found,
// 4 forbidden, 5 conflict, 6 invalid input.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"accord"
)

// cli is the command tree.
type cli struct {
	Home     string `help:"Folder of the node: accord.toml, keys and store." default:"." env:"ACCORD_HOME" type:"path" placeholder:"DIR"`
	LogLevel string `help:"Least level logged: debug, info, warn or error; default: info for serve and sensor, else warn." default:"" enum:",debug,info,warn,error" env:"ACCORD_LOG_LEVEL" placeholder:"LEVEL"`

	Init      initCmd      `cmd:"" help:"Make a node: its configuration, keys and store."`
	Serve     serveCmd     `cmd:"" help:"Run the node: console, API, TAXII, exchange, matching, response policy zones."`
	Ingest    ingestCmd    `cmd:"" help:"Read intelligence: STIX, MISP, lists; files, folders, archives or standard input."`
	Feed      feedCmd      `cmd:"" help:"Fetch feeds on a schedule: the catalogue, adding, switching on, running, what each is worth."`
	Search    searchCmd    `cmd:"" help:"Search this node's items by words, values and conditions."`
	Item      itemCmd      `cmd:"" help:"Show an item with all that is known of it, tag it, mark it as a false positive."`
	Retract   retractCmd   `cmd:"" help:"Take an item back, here and from every party that was given it."`
	Agreement agreementCmd `cmd:"" help:"Draft, read, sign, import and suspend agreements."`
	Partner   partnerCmd   `cmd:"" help:"Exchange and pin keys with partners."`
	Match     matchCmd     `cmd:"" help:"Match logs against the node's indicators; JSON lines out."`
	Stix      stixCmd      `cmd:"" help:"Check STIX documents and match STIX patterns; needs no node."`
	Misp      mispCmd      `cmd:"" help:"Convert between MISP and STIX; needs no node."`
	Taxii     taxiiCmd     `cmd:"" help:"Read from and add to any TAXII 2.1 server; needs no node."`
	Sensor    sensorCmd    `cmd:"" help:"Match logs at an institution and report the matches to its node."`
	Ledger    ledgerCmd    `cmd:"" help:"Verify the record of what was given and got."`
	Audit     auditCmd     `cmd:"" help:"List who did what at this node, newest first."`
	Refusals  refusalsCmd  `cmd:"" help:"List input that was turned away, and why, newest first."`
	Token     tokenCmd     `cmd:"" help:"Make, list and revoke bearer tokens for sensors, tools and TAXII clients."`
	Account   accountCmd   `cmd:"" help:"Make accounts for the console and sign-in links."`
	Resolver  resolverCmd  `cmd:"" help:"Print a resolver's configuration for the node's response policy zones."`
	Backup    backupCmd    `cmd:"" help:"Copy the store into one file, while the node runs."`
	Restore   restoreCmd   `cmd:"" help:"Fill a store that is not there yet from a backup, and check it."`
	Fsck      fsckCmd      `cmd:"" help:"Look for what must never be in the store; it says what to do."`
	Config    configCmd    `cmd:"" help:"Check and show the configuration."`
	Demo      demoCmd      `cmd:"" help:"Run two nations on this machine and play the whole main job."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
	Complete  completeCmd  `cmd:"" name:"completion" help:"Print a shell completion script."`
}

// env is what every command runs with.
type env struct {
	ctx    context.Context
	home   string
	log    *slog.Logger
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	status := -1
	parser, err := kong.New(&c,
		kong.Name("accord"),
		kong.Description("The cyber-defence accord between nations, as software. Start with \"accord demo\"."),
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(code int) { status = code; panic(exited{}) }),
	)
	if err != nil {
		fmt.Fprintln(stderr, "accord:", err)
		return 1
	}
	k, err := parse(parser, args)
	if status >= 0 {
		return status // help was printed
	}
	if err != nil {
		fmt.Fprintf(stderr, "accord: %v\n%s\n", err, usageOf(err))
		return 2
	}
	level := levelOf(c.LogLevel, k.Command())
	e := &env{
		ctx: ctx, home: c.Home, stdin: stdin, stdout: stdout, stderr: stderr,
		log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
	}
	if err := k.Run(e, k); err != nil {
		fmt.Fprintln(stderr, "accord:", err)
		return exitStatus(err)
	}
	return 0
}

// exited unwinds out of kong when it has printed help.
type exited struct{}

func parse(p *kong.Kong, args []string) (k *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exited); !ok {
				panic(r)
			}
		}
	}()
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help": // what people try first
		args = append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && args[0] == "--version":
		args = []string{"version"}
	}
	return p.Parse(args)
}

// usageOf says how to use the command that a wrong command line came to.
func usageOf(err error) string {
	var wrong *kong.ParseError
	var at *kong.Node
	if errors.As(err, &wrong) && wrong.Context != nil {
		for _, p := range wrong.Context.Path {
			if p.Command != nil {
				at = p.Command
			}
		}
	}
	switch {
	case at == nil:
		return "Run \"accord --help\" for the commands."
	case len(at.Children) > 0:
		return fmt.Sprintf("Run \"accord %s --help\" for its commands.", at.Path())
	}
	return fmt.Sprintf("Usage: accord %s\nRun \"accord %s --help\" for what they mean.", at.Summary(), at.Path())
}

// levelOf is the least level logged: what runs for long says what it does, what
// runs once prints its result.
func levelOf(name, command string) (level slog.Level) {
	first, _, _ := strings.Cut(command, " ")
	switch {
	case name != "":
		_ = level.UnmarshalText([]byte(name)) // kong checked the enum
	case first != "serve" && first != "sensor":
		level = slog.LevelWarn
	}
	return level
}

// missing says what to do about something that was not found; other errors stay.
func missing(err error, format string, args ...any) error {
	if !errors.Is(err, accord.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%w: %s", accord.ErrNotFound, fmt.Sprintf(format, args...))
}

// goodName refuses a name that a list, a log line or a page could not show.
func goodName(what, name string, most int) error {
	odd := func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }
	if strings.TrimSpace(name) == "" || len(name) > most || strings.ContainsFunc(name, odd) {
		return fmt.Errorf("%w: %s name %s: want 1 to %d bytes of text without control characters", accord.ErrInvalid, what, strconv.QuoteToASCII(shorten(name, 40)), most)
	}
	return nil
}

// errStatus is an error that names its own exit status.
type errStatus struct {
	code int
	error
}

// exitStatus maps the four kinds of error to exit statuses.
func exitStatus(err error) int {
	var own errStatus
	switch {
	case errors.As(err, &own):
		return own.code
	case errors.Is(err, accord.ErrNotFound):
		return 3
	case errors.Is(err, accord.ErrForbidden):
		return 4
	case errors.Is(err, accord.ErrConflict):
		return 5
	case errors.Is(err, accord.ErrInvalid):
		return 6
	case errors.Is(err, fs.ErrNotExist):
		return 3
	}
	return 1
}
