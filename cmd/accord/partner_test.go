// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"fmt"
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
	c := defaultConfig()
	c.Self = SelfConfig{Name: "cert.ma.example", Nation: "MA", Title: "a\u202eb"}
	if err := c.check(); err == nil || !strings.Contains(err.Error(), "self.title") {
		t.Errorf("self.title: %v", err)
	}
}
