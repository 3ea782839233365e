// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"accord"
)

func TestReadingOnceWithoutAnyLogFails(t *testing.T) {
	w := newWorld(t)
	folder := filepath.Join(w.logs, "a.log")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(w.logs, "nosuch", "*.log")
	for _, logs := range [][]string{{nowhere}, {folder}, {nowhere, folder}} {
		w.conf.Logs = logs
		if err := w.run(); !errors.Is(err, accord.ErrNotFound) || !strings.Contains(err.Error(), logs[0]) {
			t.Errorf("%q: %v, want ErrNotFound that names it", logs, err)
		}
	}
	for _, want := range []string{"no log matches", "not a regular file"} {
		if !strings.Contains(w.says.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, w.says.String())
		}
	}

	w.says.Reset()
	w.conf.Logs = []string{nowhere, filepath.Join(w.logs, "*.log")}
	w.write("dns.log", fmt.Sprintf(header, "1")+lines(0, 2))
	w.mustFind(2, "one log beside a folder and a pattern without any")
	if got := strings.Count(w.says.String(), "level=WARN"); got != 2 {
		t.Errorf("%d warnings, want 2:\n%s", got, w.says.String())
	}
}

func TestAnEmptyLogIsALog(t *testing.T) {
	w := newWorld(t)
	w.write("dns.log", "")
	w.mustFind(0, "empty")
}
