// SPDX-License-Identifier: Apache-2.0

//go:build unix

package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// PostgresEnv names the variable that holds the URL of a PostgreSQL database in
// which schemas may be made and dropped.
const PostgresEnv = "ACCORD_TEST_POSTGRES"

// server is the PostgreSQL server of this test process.
var server struct {
	once sync.Once
	url  *url.URL
	err  error
	stop func() error
}

var schemas atomic.Int64

// Postgres returns the URL of an empty PostgreSQL schema that is dropped when the
// test ends. It lies in the database that ACCORD_TEST_POSTGRES names, else on a
// throw-away server started from the installed programs; without either the test
// is skipped. A process that calls it must call [StopPostgres] before it ends.
func Postgres(t testing.TB) string {
	t.Helper()
	server.once.Do(startPostgres)
	if errors.Is(server.err, exec.ErrNotFound) {
		t.Skip("SKIP: PostgreSQL not installed: run make tools, or set " + PostgresEnv)
	}
	if server.err != nil {
		t.Fatalf("start PostgreSQL: %v", server.err)
	}
	name := fmt.Sprintf("accord_test_%d_%d", os.Getpid(), schemas.Add(1))
	if err := onServer("CREATE SCHEMA " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := onServer("DROP SCHEMA " + name + " CASCADE"); err != nil {
			t.Error(err)
		}
	})
	u := *server.url
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func onServer(statement string) error {
	db, err := sql.Open("pgx", server.url.String())
	if err != nil {
		return err
	}
	_, err = db.Exec(statement)
	return errors.Join(err, db.Close())
}

// StopPostgres stops the server that [Postgres] started, if it did.
func StopPostgres() error {
	if server.stop == nil {
		return nil
	}
	return server.stop()
}

func startPostgres() {
	if env := os.Getenv(PostgresEnv); env != "" {
		server.url, server.err = url.Parse(env)
		return
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		if path, err := exec.LookPath("initdb"); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		server.err = exec.ErrNotFound
		return
	}
	server.url, server.stop, server.err = startCluster(filepath.Dir(found[len(found)-1]))
}

// startCluster makes a cluster in a directory of its own, reached by a socket in
// it alone, and serves it. Its files are not synced: it does not outlive the test.
func startCluster(bin string) (u *url.URL, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "accord-pg-")
	if err != nil {
		return nil, nil, err
	}
	as, err := unprivileged(dir)
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "accord", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if text, err := initdb.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("initdb: %w: %s", err, text)
	}
	run := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	run.SysProcAttr, run.Dir = as, dir
	if err := run.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() error {
		err := run.Process.Signal(syscall.SIGINT) // fast shutdown
		return errors.Join(err, run.Wait(), os.RemoveAll(dir))
	}
	u = &url.URL{Scheme: "postgres", User: url.User("accord"), Path: "/postgres", RawQuery: url.Values{"host": {dir}}.Encode()}
	if err := answer(u); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return u, stop, nil
}

// unprivileged gives dir to the user postgres when the test runs as root, under
// whom PostgreSQL refuses to run.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, os.Chown(dir, int(uid), int(gid))
}

// answer waits until the server at u answers.
func answer(u *url.URL) error {
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
