// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/api"
	"accord/demodata"
)

// demoNode is one authority of the demonstration: a process of this same
// program, with its own folder, keys and addresses.
type demoNode struct {
	name, nation, title string
	home, log           string
	node, console, dns  string
	token               string // of an API reader
	program             string
	proc                *exec.Cmd
}

// demoClient asks the nodes.
var demoClient = &http.Client{Timeout: 30 * time.Second}

// newNode chooses addresses that are free on this machine.
func (d *demo) newNode(nation, name, title string) (*demoNode, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n := &demoNode{name: name, nation: nation, title: title, program: program, home: filepath.Join(d.dir, strings.ToLower(nation))}
	n.log = n.home + ".log"
	for _, addr := range []*string{&n.node, &n.console, &n.dns} {
		if *addr, err = freeAddr(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// freeAddr returns a loopback address whose port is free for TCP and UDP.
func freeAddr() (string, error) {
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
		if err != nil {
			return "", err
		}
		addr := l.Addr().String()
		u, uerr := net.ListenPacket("udp", addr) //nolint:noctx // closed at once
		err = l.Close()
		if uerr != nil {
			continue
		}
		if err := errors.Join(err, u.Close()); err != nil {
			return "", err
		}
		return addr, nil
	}
	return "", errors.New("no free port on 127.0.0.1")
}

// accord runs one command of the program on the node and returns what it
// printed. What it says on standard error goes to progress, or into the error.
func (n *demoNode) accord(ctx context.Context, progress io.Writer, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, n.program, append([]string{"--home", n.home, "--log-level", "warn"}, args...)...) //nolint:gosec // the program itself
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if progress != nil {
		cmd.Stderr = io.MultiWriter(&said, progress)
		if f, ok := progress.(*os.File); ok {
			cmd.Stderr = f
		}
	}
	if err := cmd.Run(); err != nil {
		return strings.TrimSpace(out.String()), fmt.Errorf("accord %s: %w\n%s", strings.Join(args, " "), err, said.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func (n *demoNode) init(ctx context.Context) error {
	if _, err := n.accord(ctx, nil, "init", "--name", n.name, "--nation", n.nation, "--title", n.title,
		"--node", n.node, "--console", n.console, "--dns", n.dns); err != nil {
		return err
	}
	if _, err := n.accord(ctx, nil, "account", "add", "demo", "--role", "operator"); err != nil {
		return err
	}
	var err error
	n.token, err = n.accord(ctx, nil, "token", "add", "demo", "--role", "reader")
	return err
}

// setUp gives MA a national critical list and warning lists, and tells it where
// its resolver will be.
func (n *demoNode) setUp(d *demo) error {
	cfg, err := loadConfig(n.home)
	if err != nil {
		return err
	}
	critical, err := demodata.FS.ReadFile(demodata.Critical)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(n.home, "critical.txt"), critical, 0o600); err != nil {
		return err
	}
	cfg.Protect.Critical, cfg.Protect.WarningLists = "critical.txt", d.data.warnings
	if d.resolverAddr, err = freeAddr(); err != nil {
		return err
	}
	cfg.Protect.Secondaries = []string{d.resolverAddr}
	text, err := configText(cfg)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.home, configFile), text, 0o600)
}

// serve starts the node and waits until it answers.
func (n *demoNode) serve(ctx context.Context) error {
	log, err := os.Create(n.log)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the node's, which has its own

	n.proc = exec.Command(n.program, "--home", n.home, "serve") //nolint:gosec,noctx // the program itself; stopped by stop
	n.proc.Stdout, n.proc.Stderr = log, log
	if err := n.proc.Start(); err != nil {
		return err
	}
	for range 200 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.console+"/api/v1/health", nil)
		if err != nil {
			return err
		}
		if res, err := demoClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		if !wait(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
	return fmt.Errorf("node %s does not answer", n.name)
}

// stop ends the node as an operator would, and waits for it.
func (n *demoNode) stop() error {
	if n.proc == nil || n.proc.Process == nil {
		return nil
	}
	if err := n.proc.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- n.proc.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(15 * time.Second):
		return errors.Join(fmt.Errorf("node %s did not stop", n.name), n.proc.Process.Kill(), <-done)
	}
}

// get asks the node's API.
func (n *demoNode) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.console+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+n.token)
	res, err := demoClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	switch {
	case err != nil:
		return err
	case res.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %s", accord.ErrNotFound, path)
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("GET %s: %s: %s", path, res.Status, body)
	}
	return json.Unmarshal(body, into)
}

// situation is the part of the API's answer that the demonstration looks at.
type situation = api.Situation

func (n *demoNode) situation(ctx context.Context) (s situation, err error) {
	err = n.get(ctx, "/api/v1/situation", &s)
	return s, err
}

// item is what the demonstration looks at of an item.
type demoItem struct {
	ID        string       `json:"id"`
	Added     accord.Stamp `json:"added"`
	Withdrawn accord.Stamp `json:"withdrawn"`
}

func (n *demoNode) item(ctx context.Context, id string) (it demoItem, err error) {
	err = n.get(ctx, "/api/v1/items/"+url.PathEscape(id), &it)
	return it, err
}

// logTails returns the last lines of both nodes' logs.
func (d *demo) logTails() string {
	var b strings.Builder
	for _, n := range []*demoNode{d.il, d.ma} {
		if n == nil {
			continue
		}
		text, err := os.ReadFile(n.log)
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		for _, l := range lines[max(0, len(lines)-8):] {
			fmt.Fprintf(&b, "  %s  %s\n", n.nation, l)
		}
	}
	return b.String()
}

func indent(s string) string { return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") }

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
