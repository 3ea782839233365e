// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain is the sensor itself when a test runs this program again.
func TestMain(m *testing.M) {
	if os.Getenv("ACCORD_TEST_SENSOR") == "" {
		os.Exit(m.Run())
	}
	s, err := New(Config{
		Node: os.Getenv("NODE"), Token: "secret", TLSPin: os.Getenv("PIN"), State: os.Getenv("STATE"),
		Logs: []string{os.Getenv("LOGS")}, Every: time.Millisecond, IndexEvery: 10 * time.Millisecond,
		Now: time.Now, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err == nil {
		err = s.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestSensorKilledAtAnyInstantLosesNothingAndDoublesNothing(t *testing.T) {
	w := newWorld(t)
	w.write("dns.log", fmt.Sprintf(header, "1"))
	r := rand.New(rand.NewPCG(1, 2))
	var says strings.Builder
	want := int64(0)
	for round := range 25 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "ACCORD_TEST_SENSOR=1", "NODE="+w.conf.Node, "PIN="+w.conf.TLSPin, "STATE="+w.conf.State, "LOGS="+w.conf.Logs[0])
		cmd.Stderr = &says
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.deaf = r.IntN(2)
		w.mu.Unlock()
		for i := range 1 + r.IntN(6) {
			w.append("dns.log", lines(round*100+i*10, 10))
			want += 10
			time.Sleep(time.Duration(r.IntN(12)) * time.Millisecond)
		}
		if round%5 == 4 {
			if err := os.Rename(filepath.Join(w.logs, "dns.log"), filepath.Join(w.logs, fmt.Sprintf("dns.%d.log", round))); err != nil {
				t.Fatal(err)
			}
			w.write("dns.log", fmt.Sprintf(header, fmt.Sprint(round)))
		}
		time.Sleep(time.Duration(r.IntN(120)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
	}
	w.deaf = 0
	if got := w.total(); got == 0 || got == want {
		t.Logf("before the last run the node counts %d of %d: kills came too early or too late to tell", got, want)
	}
	w.mustFind(want, "after many kills")
	if t.Failed() {
		t.Log(says.String())
	}
}
