// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"accord/ledger"
)

func TestACardThatMisleadsItsReaderIsRefused(t *testing.T) {
	_, key, err := ledger.GenerateKey(rand.Reader, "cert.ma.example")
	if err != nil {
		t.Fatal(err)
	}
	text := func(title, url, identity string) string {
		return fmt.Sprintf("%s\nname = \"cert.ma.example\"\nnation = \"MA\"\ntitle = \"%s\"\nurl = \"%s\"\nkey = %q\ntls_pin = %q\nidentity = \"%s\"\n",
			cardHeader, title, url, key, strings.Repeat("0a", 32), identity)
	}
	const url = "https://192.0.2.1:8440"
	for _, good := range []string{url, url + "/", "https://[2001:db8::1]:8440", "https://node.cert.ma.example", ""} {
		if _, err := parseCard([]byte(text("Centre d’alerte مركز", good, ""))); err != nil {
			t.Errorf("url %q: %v", good, err)
		}
	}
	for _, bad := range []string{`\u001b[2J`, `two\nlines`, `\u202egnp`, `\u2028`, `\u2029`, `\ufeff`, `\u200b`, `a\tb`, `\u0085`} {
		for _, card := range []string{text(bad, url, ""), text("ok", url, bad)} {
			if _, err := parseCard([]byte(card)); err == nil || visible(err.Error()) != err.Error() {
				t.Errorf("%s: %v", bad, err)
			}
		}
	}
	for _, bad := range []string{
		"https://me@192.0.2.1:8440", "https://192.0.2.1:8440/path", "https://192.0.2.1:8440/?q", "https://192.0.2.1:8440?", "https://192.0.2.1/#f",
		"http://192.0.2.1:8440", "https://:8440", "https://a:b", "192.0.2.1:8440", url + "//",
	} {
		if _, err := parseCard([]byte(text("ok", bad, ""))); err == nil {
			t.Errorf("url %q is taken", bad)
		}
	}
	if _, err := parseCard([]byte(strings.Replace(text("ok", url, ""), "tls_pin", "TLS_pin", 1))); err == nil || !strings.Contains(err.Error(), "unknown key") {
		t.Errorf("TLS_pin: %v", err)
	}
	c := defaultConfig()
	c.Self = SelfConfig{Name: "cert.ma.example", Nation: "MA", Title: "a\u202eb"}
	if err := c.check(); err == nil || !strings.Contains(err.Error(), "self.title") {
		t.Errorf("self.title: %v", err)
	}
}

func TestAKeyOfTheConfigurationIsSpeltExactly(t *testing.T) {
	const good = "[self]\nname = \"cert.ma.example\"\nnation = \"MA\"\ntitle = \"MA\"\n[protect]\nhot_for = \"6h\"\n"
	for change, want := range map[string]string{"": "", "nation": "self.Nation", "[self]": "Self", "hot_for": "protect.Hot_for"} {
		home := t.TempDir()
		text := good
		if change != "" {
			i := strings.IndexAny(change, "abcdefghijklmnopqrstuvwxyz")
			text = strings.Replace(good, change, change[:i]+strings.ToUpper(change[i:i+1])+change[i+1:], 1)
		}
		if err := os.WriteFile(filepath.Join(home, configFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadConfig(home)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), `unknown key "`+want+`"`)) {
			t.Errorf("%q: %v", change, err)
		}
	}
}
