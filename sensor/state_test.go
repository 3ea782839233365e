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

func TestABrokenBookmarkSaysWhatToDoAndDoingItStartsOver(t *testing.T) {
	w := newWorld(t)
	w.write("dns.log", fmt.Sprintf(header, "1")+lines(0, 3))
	w.mustFind(3, "at first")
	path := filepath.Join(w.conf.State, "bookmark.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"empty": "", "cut": string(whole[:len(whole)/2]), "zeros": strings.Repeat("\x00", 50)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := w.run()
		if !errors.Is(err, accord.ErrInvalid) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove this file to start over") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.mustFind(6, "all over")
}
