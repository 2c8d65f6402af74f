package auth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"jangteo/app/clock"
	"jangteo/app/crypt"
	"jangteo/app/db"
)

// Statements signs what people keep and show to others: JWS with Ed25519. The
// keys are in the database, sealed, so that all servers agree on them; unlike
// the keys of tokens they are published for good, for what they signed is kept
// for years.
type Statements struct {
	db    *db.DB
	store statementStore
	box   *crypt.Box
	now   clock.Now

	mu     sync.RWMutex
	keys   []PublicKey
	signer jose.JSONWebKey // the newest that every server publishes
}

// What CheckStatement refuses.
var (
	ErrStatement    = errors.New("the signature is not readable, or not of this kind of statement")
	ErrStatementKey = errors.New("the signature was made with a key that is not among the keys given")
	ErrSignature    = errors.New("the signature does not fit: what it signs was changed, or another key made it")
	ErrKeys         = errors.New("the keys are not a JSON Web Key Set of Ed25519 keys")
)

// OpenStatements loads the keys, making the first one in an empty database.
func OpenStatements(ctx context.Context, d *db.DB, box *crypt.Box, now clock.Now) (*Statements, error) {
	s := &Statements{db: d, store: statementStore{d}, box: box, now: now}
	err := d.Platform(ctx, func(ctx context.Context) error {
		if err := s.store.alone(ctx); err != nil {
			return err
		}
		rows, err := s.store.keys(ctx)
		if err != nil || len(rows) > 0 {
			return err
		}
		return s.add(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("statement keys: %w", err)
	}
	return s, s.Reload(ctx)
}

// Rotate makes a new key, which is published at once and signs a minute later.
// The others stay published.
func (s *Statements) Rotate(ctx context.Context) error {
	err := s.db.Platform(ctx, func(ctx context.Context) error {
		if err := s.store.alone(ctx); err != nil {
			return err
		}
		return s.add(ctx)
	})
	if err != nil {
		return fmt.Errorf("rotating statement keys: %w", err)
	}
	return s.Reload(ctx)
}

func (s *Statements) add(ctx context.Context) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	kid, err := kidOf(public)
	if err != nil {
		return err
	}
	sealed, err := s.box.Seal(string(private.Seed()), statementPlace(kid))
	if err != nil {
		return err
	}
	return s.store.insert(ctx, statementRow{Kid: kid, Sealed: sealed, Public: public, CreatedAt: s.now()})
}

func statementPlace(kid string) string { return "app.statement_keys.sealed/" + kid }

// Run reads the keys again now and then until ctx ends, so that all servers
// publish them all and sign with the newest.
func (s *Statements) Run(ctx context.Context, log *slog.Logger) {
	timer := time.NewTicker(reloadEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			if err := s.Reload(ctx); err != nil && ctx.Err() == nil {
				log.Warn("statement keys were not read", "error", err)
			}
		}
	}
}

const (
	reloadEvery  = 10 * time.Second
	publishFirst = time.Minute // before a new key signs, every server publishes it
)

// Reload reads the keys again.
func (s *Statements) Reload(ctx context.Context) error {
	var rows []statementRow
	err := s.db.Aside(ctx, func(ctx context.Context) (err error) {
		rows, err = s.store.keys(ctx)
		return err
	})
	if err != nil {
		return err
	}
	keys, signer := make([]PublicKey, 0, len(rows)), jose.JSONWebKey{}
	for _, row := range rows {
		seed, err := s.box.Open(row.Sealed, statementPlace(row.Kid))
		if err != nil || len(seed) != ed25519.SeedSize {
			return fmt.Errorf("statement key %s does not open: %w", row.Kid, err)
		}
		private := ed25519.NewKeyFromSeed([]byte(seed))
		if !slices.Equal(private[ed25519.SeedSize:], row.Public) {
			return fmt.Errorf("statement key %s: its halves do not belong together", row.Kid)
		}
		keys = append(keys, PublicKey{row.Kid, base64.RawURLEncoding.EncodeToString(row.Public)})
		if signer.KeyID == "" || s.now().Sub(row.CreatedAt) >= publishFirst {
			signer = jose.JSONWebKey{Key: private, KeyID: row.Kid}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.signer = keys, signer
	return nil
}

// PublicKey is an Ed25519 key as it is published.
type PublicKey struct{ ID, X string } // the thumbprint (RFC 7638), the key in base64url

// Keys are the public keys of every statement there is, the oldest first.
func (s *Statements) Keys() []PublicKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.keys)
}

// Sign returns a compact JWS over a statement's JSON. Kind goes into its header
// (typ), so that one kind of statement cannot be passed off as another.
func (s *Statements) Sign(kind string, statement []byte) (string, error) {
	s.mu.RLock()
	key := s.signer
	s.mu.RUnlock()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(kind)))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(statement)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// CheckStatement returns what a compact JWS of a kind signs, and which of keys,
// a JSON Web Key Set, signed it. It asks nobody: whose keys these are is for
// the caller to know.
func CheckStatement(kind, signed string, keys []byte) (statement []byte, kid string, err error) {
	jws, err := jose.ParseSignedCompact(signed, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil || len(jws.Signatures) != 1 || jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType] != kind {
		return nil, "", ErrStatement
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keys, &set); err != nil || len(set.Keys) == 0 {
		return nil, "", ErrKeys
	}
	kid = jws.Signatures[0].Protected.KeyID
	found := set.Key(kid)
	if len(found) == 0 {
		return nil, kid, ErrStatementKey
	}
	public, isEd25519 := found[0].Key.(ed25519.PublicKey)
	if !isEd25519 {
		return nil, kid, ErrKeys
	}
	if thumbprint, err := kidOf(public); err != nil || thumbprint != kid {
		return nil, kid, ErrKeys // a name that another key could take says nothing
	}
	if statement, err = jws.Verify(public); err != nil {
		return nil, kid, ErrSignature
	}
	return statement, kid, nil
}

// kidOf names a key by its thumbprint (RFC 7638).
func kidOf(public ed25519.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}
