// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"accord"
	"accord/exchange"
	"accord/ledger"
	"accord/store"
)

// now is the program's one clock.
func now() time.Time { return time.Now() }

// node is an opened node: configuration, keys, store.
type node struct {
	config Config
	keys   keys
	self   accord.Party
	db     *store.DB
	env    *env
}

// keys are what lies in the keys folder.
type keys struct {
	node      *ledger.Key // signs agreements, records, checkpoints, cosignatures
	pseudonym []byte
	cert      tls.Certificate
}

// pin is what partners and sensors pin of the TLS key.
func (k keys) pin() (string, error) {
	leaf, err := x509.ParseCertificate(k.cert.Certificate[0])
	if err != nil {
		return "", fmt.Errorf("node certificate: %w", err)
	}
	return exchange.Pin(leaf), nil
}

const keysFolder = "keys"

// openStore is how a command opens the store. Only "accord serve" brings its
// tables up to date: a command may be of a newer program than the node that runs.
type openStore func(ctx context.Context, url string, log *slog.Logger) (*store.DB, error)

// openNode opens the node in e.home: one that "accord init" made.
func openNode(e *env) (*node, error) { return openNodeBy(e, store.OpenAsIs) }

func openNodeBy(e *env, open openStore) (*node, error) {
	c, err := loadConfig(e.home)
	if err != nil {
		return nil, err
	}
	k, err := loadKeys(filepath.Join(c.home, keysFolder))
	if err != nil {
		return nil, err
	}
	if err := storeIsThere(c); err != nil { // an empty one would end every protection: only init makes one
		return nil, err
	}
	db, err := open(e.ctx, c.storeURL(), e.log)
	if err != nil {
		return nil, err
	}
	models, err := c.Score.models()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.SetModels(models)
	n := &node{config: c, keys: k, db: db, env: e}
	if n.self, err = n.card(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return n, nil
}

func (n *node) close() {
	if err := n.db.Close(); err != nil {
		n.env.log.Error("store did not close", "error", err)
	}
}

// card is this node as a party: what partners pin.
func (n *node) card() (accord.Party, error) {
	nation, err := accord.ParseNation(n.config.Self.Nation)
	if err != nil {
		return accord.Party{}, err
	}
	if n.keys.node.Name() != n.config.Self.Name {
		return accord.Party{}, fmt.Errorf("%w: the key in %s belongs to %q and self.name is %q: a node keeps its name",
			accord.ErrConflict, keysFolder, n.keys.node.Name(), n.config.Self.Name)
	}
	pin, err := n.keys.pin()
	if err != nil {
		return accord.Party{}, err
	}
	return accord.Party{
		Name: n.config.Self.Name, Nation: nation, Title: n.config.Self.Title, URL: n.config.nodeURL(),
		Key: n.keys.node.Verifier(), TLSPin: pin, Identity: identityOf(n.config.Self.Name),
	}, nil
}

// parties are the pinned partners and this node.
func (n *node) parties(ctx context.Context) ([]accord.Party, error) {
	ps, err := n.db.Parties(ctx)
	if err != nil {
		return nil, fmt.Errorf("read parties: %w", err)
	}
	return append(ps, n.self), nil
}

func (n *node) audit(ctx context.Context, what, object, detail string) error {
	return n.db.Audit(ctx, accord.AuditEntry{At: accord.StampOf(now()), Who: "cli", What: what, Object: object, Detail: detail})
}

// writeSecret writes a file that only its owner may read, and never over one.
func writeSecret(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// makeKeys draws every key of a new node into dir.
func makeKeys(dir, name string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	secret, _, err := ledger.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	if err := writeSecret(filepath.Join(dir, "node.key"), []byte(secret+"\n")); err != nil {
		return err
	}
	pseudonym := make([]byte, 32)
	if _, err := rand.Read(pseudonym); err != nil {
		return err
	}
	if err := writeSecret(filepath.Join(dir, "pseudonym.key"), pseudonym); err != nil {
		return err
	}
	return makeCertificate(dir, name)
}

// makeCertificate draws the TLS key and signs a certificate for it. Partners pin
// the key, so the certificate's dates and names carry no trust.
func makeCertificate(dir, name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "localhost"},
		NotBefore: now().Add(-time.Hour), NotAfter: now().AddDate(20, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeSecret(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})); err != nil {
		return err
	}
	return writeSecret(filepath.Join(dir, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// loadKeys reads the keys folder. A secret that others may read is refused.
func loadKeys(dir string) (keys, error) {
	var k keys
	for _, name := range []string{"node.key", "pseudonym.key", "tls.key"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return k, fmt.Errorf("%w: %s is missing in %s: restore it from your backup of the keys", accord.ErrNotFound, name, dir)
		}
		if err != nil {
			return k, err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return k, fmt.Errorf("%w: %s can be read by others: chmod 600 it", accord.ErrForbidden, filepath.Join(dir, name))
		}
	}
	secret, err := os.ReadFile(filepath.Join(dir, "node.key"))
	if err != nil {
		return k, err
	}
	if k.node, err = ledger.ParseKey(string(secret)); err != nil {
		return k, fmt.Errorf("node.key: %w", err)
	}
	if k.pseudonym, err = os.ReadFile(filepath.Join(dir, "pseudonym.key")); err != nil {
		return k, err
	}
	if len(k.pseudonym) != 32 {
		return k, fmt.Errorf("%w: pseudonym.key has %d bytes instead of 32", accord.ErrInvalid, len(k.pseudonym))
	}
	if k.cert, err = tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")); err != nil {
		return k, fmt.Errorf("%w: node certificate: %w", accord.ErrInvalid, err)
	}
	return k, nil
}
