// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/store"
	"accord/store/storetest"
)

func TestAFileThatIsNoStoreIsRefusedAtOnceWithAdviceAndLeftAlone(t *testing.T) {
	for what, text := range map[string]string{
		"text": "these are somebody's notes", "zeros": strings.Repeat("\x00", 5000), "a cut header": "SQLite format 3\x00",
	} {
		path := filepath.Join(t.TempDir(), "accord.db")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err := store.Open(t.Context(), "sqlite:"+path, slog.New(slog.DiscardHandler))
		if !errors.Is(err, accord.ErrInvalid) || !strings.Contains(err.Error(), path+" is no database") || !strings.Contains(err.Error(), "backup") {
			t.Errorf("%s: %v", what, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: refused after %v", what, took)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("%s: the file is now %d octets, %v", what, len(after), err)
		}
	}
}

func TestADamagedStoreIsRefusedWithAdvice(t *testing.T) {
	url := storetest.SQLite(t)
	path := strings.TrimPrefix(url, "sqlite:")
	d, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil || d.Close() != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 100; i < len(whole); i++ { // all but the header
		whole[i] = 0xff
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if !errors.Is(err, accord.ErrInvalid) || !strings.Contains(err.Error(), path+" is damaged") {
		t.Errorf("%v", err)
	}
}
