package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"jangteo/app/clock"
	"jangteo/app/crypt"
	"jangteo/app/db"
)

const (
	tokenType      = "at+jwt" // RFC 9068
	tokenBytesMax  = 2048
	rememberedMost = 50_000 // verified tokens in each of two generations

	// A new key signs once every server has surely read it, and an old one is
	// believed until the last token it signed has ended.
	keyAhead  = 20 * time.Second
	readEvery = 5 * time.Second
	clockSkew = 5 * time.Second // between servers
)

// KeyAhead is how long after a rotation the new key begins to sign.
const KeyAhead = keyAhead

// ErrToken means that an access token is not ours, not whole or not for now.
// It says nothing about a session.
var ErrToken = errors.New("auth: the access token cannot be accepted")

var errNoKey = errors.New("no such key")

// WithdrawnError tells that the key of a token is believed no longer, and under
// which incident; whether the token was made by us cannot be known any more.
type WithdrawnError struct {
	Under uuid.UUID
	At    time.Time
}

func (e *WithdrawnError) Error() string {
	return "auth: the key was withdrawn under " + e.Under.String()
}

// Claims are what an access token says.
type Claims struct {
	ID        string // of this token
	Citizen   uuid.UUID
	Session   uuid.UUID
	Device    uuid.UUID
	Epoch     int    // raised when tokens of a lost window must not count
	Key       string // kid of the key that signed it
	Proof     string // thumbprint of the key that must prove its possession with every use (RFC 9449); empty: none
	IssuedAt  time.Time
	ExpiresAt time.Time

	Life time.Duration // what Mint gives it; 0 is the usual, LifeMost the longest
}

// LifeMost is how long an access token lives at most: before a planned reset.
const LifeMost = 20 * time.Minute

type confirmation struct {
	Thumbprint string `json:"jkt"` // RFC 9449, 6.1
}

type tokenClaims struct {
	jwt.RegisteredClaims
	Confirmation *confirmation `json:"cnf,omitempty"`
	Session      uuid.UUID     `json:"sid"`
	Device       uuid.UUID     `json:"did"`
	Epoch        int           `json:"epoch"`
}

// TokensConfig says who issues tokens, for whom, and for how long.
type TokensConfig struct {
	Issuer   string
	Audience string
	Life     time.Duration // 0 means 5 minutes
}

// Tokens mints and verifies access tokens: JWTs signed with EdDSA. The keys
// are in the database, sealed, so that all servers agree on them.
type Tokens struct {
	db     *db.DB
	store  keyStore
	box    *crypt.Box
	cfg    TokensConfig
	now    clock.Now
	parser *jwt.Parser

	mu          sync.RWMutex
	keys        map[string]signingKey
	signer      string // kid of the key that signs
	learnedAt   time.Time
	young, aged map[[32]byte]Claims
}

type signingKey struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
	retired time.Time // zero: not planned

	withdrawn *WithdrawnError
}

// OpenTokens loads the keys, making the first one in an empty database.
func OpenTokens(ctx context.Context, d *db.DB, box *crypt.Box, cfg TokensConfig, now clock.Now) (*Tokens, error) {
	if cfg.Issuer == "" || cfg.Audience == "" {
		return nil, errors.New("auth: tokens need an issuer and an audience")
	}
	if cfg.Life == 0 {
		cfg.Life = 5 * time.Minute
	}
	t := &Tokens{
		db: d, store: keyStore{d}, box: box, cfg: cfg, now: now, young: map[[32]byte]Claims{},
		parser: jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),
			jwt.WithExpirationRequired(), jwt.WithNotBeforeRequired(), jwt.WithStrictDecoding(), jwt.WithTimeFunc(now)),
	}
	err := d.Platform(ctx, func(ctx context.Context) error {
		if err := t.store.alone(ctx); err != nil {
			return err
		}
		rows, err := t.store.keys(ctx, now())
		if err != nil || len(rows) > 0 {
			return err
		}
		_, err = t.add(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	return t, t.Reload(ctx)
}

// Life is how long an access token is good for.
func (t *Tokens) Life() time.Duration { return t.cfg.Life }

// Rotate makes a new key. It signs after KeyAhead, when every server has read
// it; the old ones are believed until their last tokens have ended, so nobody
// is logged out.
func (t *Tokens) Rotate(ctx context.Context) error {
	err := t.db.Platform(ctx, func(ctx context.Context) error {
		if err := t.store.alone(ctx); err != nil {
			return err
		}
		kid, err := t.add(ctx)
		if err != nil {
			return err
		}
		return t.store.retire(ctx, kid, t.now().Add(2*keyAhead+max(t.cfg.Life, LifeMost)))
	})
	if err != nil {
		return fmt.Errorf("rotating signing keys: %w", err)
	}
	return t.Reload(ctx)
}

// Withdraw stops believing a key that may have been lost: its tokens are
// answered with WithdrawnError from when the servers read it, within seconds.
// Another key must sign already; see Rotate.
func (t *Tokens) Withdraw(ctx context.Context, kid string, under uuid.UUID) error {
	t.mu.RLock()
	signs := t.signer == kid
	t.mu.RUnlock()
	if signs {
		return errors.New("auth: the key to withdraw still signs")
	}
	err := t.db.Platform(ctx, func(ctx context.Context) error {
		return t.store.withdraw(ctx, kid, under, t.now())
	})
	if err != nil {
		return fmt.Errorf("withdrawing a signing key: %w", err)
	}
	return t.Reload(ctx)
}

// Key is a signing key as staff see it.
type Key struct {
	ID          string
	CreatedAt   time.Time
	RetiredAt   *time.Time // believed until then
	WithdrawnAt *time.Time
	Signs       bool
}

// Keys lists the keys that still count, the newest first.
func (t *Tokens) Keys(ctx context.Context) (list []Key, err error) {
	var rows []keyRow
	err = t.db.Platform(ctx, func(ctx context.Context) (err error) {
		rows, err = t.store.keys(ctx, t.now())
		return err
	})
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, row := range slices.Backward(rows) {
		list = append(list, Key{row.Kid, row.CreatedAt, row.RetiredAt, row.WithdrawnAt, row.Kid == t.signer})
	}
	return list, err
}

// Signer is the kid of the key that signs now.
func (t *Tokens) Signer() string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.signer
}

func (t *Tokens) add(ctx context.Context) (kid string, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(public)
	kid = base64.RawURLEncoding.EncodeToString(sum[:9])
	sealed, err := t.box.Seal(string(private.Seed()), keyPlace(kid))
	if err != nil {
		return "", err
	}
	return kid, t.store.insert(ctx, keyRow{Kid: kid, Sealed: sealed, Public: public, CreatedAt: t.now()})
}

func keyPlace(kid string) string { return "app.signing_keys.sealed/" + kid }

// Reload reads the keys again.
func (t *Tokens) Reload(ctx context.Context) error {
	var rows []keyRow
	err := t.db.Aside(ctx, func(ctx context.Context) (err error) {
		rows, err = t.store.keys(ctx, t.now())
		return err
	})
	if err != nil {
		return err
	}
	keys, signer := map[string]signingKey{}, ""
	for _, row := range rows {
		seed, err := t.box.Open(row.Sealed, keyPlace(row.Kid))
		if err != nil || len(seed) != ed25519.SeedSize {
			return fmt.Errorf("signing key %s does not open: %w", row.Kid, err)
		}
		key := signingKey{public: row.Public, private: ed25519.NewKeyFromSeed([]byte(seed))}
		if !key.private.Public().(ed25519.PublicKey).Equal(key.public) { //nolint:forcetypeassert // documented
			return fmt.Errorf("signing key %s: its halves do not belong together", row.Kid)
		}
		if row.RetiredAt != nil {
			key.retired = *row.RetiredAt
		}
		if row.WithdrawnAt != nil {
			key.withdrawn = &WithdrawnError{*row.WithdrawnUnder, *row.WithdrawnAt}
		}
		keys[row.Kid] = key
		if key.withdrawn == nil && (signer == "" || !row.CreatedAt.After(t.now().Add(-keyAhead))) {
			signer = row.Kid
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for kid := range t.keys {
		if key, still := keys[kid]; !still || key.withdrawn != nil && t.keys[kid].withdrawn == nil { // what it signed is no longer believed
			t.young, t.aged = map[[32]byte]Claims{}, nil
		}
	}
	t.keys, t.signer = keys, signer
	return nil
}

// Run reads the keys again every five seconds until ctx ends.
func (t *Tokens) Run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := t.Reload(ctx); err != nil && ctx.Err() == nil {
				log.Warn("signing keys not read", "error", err)
			}
		}
	}
}

// Mint signs an access token. It sets the claims' id and times.
func (t *Tokens) Mint(c Claims) (token string, minted Claims, err error) {
	c.IssuedAt = t.now().Truncate(time.Second)
	c.ExpiresAt = c.IssuedAt.Add(t.cfg.Life)
	if c.Life > 0 {
		c.ExpiresAt = c.IssuedAt.Add(min(c.Life, LifeMost))
	}
	c.ID = rand.Text()
	t.mu.RLock()
	kid, key := t.signer, t.keys[t.signer]
	t.mu.RUnlock()
	c.Key = kid
	said := tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: t.cfg.Issuer, Audience: jwt.ClaimStrings{t.cfg.Audience}, Subject: c.Citizen.String(), ID: c.ID,
			IssuedAt: jwt.NewNumericDate(c.IssuedAt), NotBefore: jwt.NewNumericDate(c.IssuedAt.Add(-clockSkew)), ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
		},
		Session: c.Session, Device: c.Device, Epoch: c.Epoch,
	}
	if c.Proof != "" {
		said.Confirmation = &confirmation{c.Proof}
	}
	j := jwt.NewWithClaims(jwt.SigningMethodEdDSA, said)
	j.Header["typ"], j.Header["kid"] = tokenType, kid
	token, err = j.SignedString(key.private)
	return token, c, err
}

// Verify tells what a token says, or ErrToken. A token that was verified before
// is remembered until it ends: the signature is the costly part of a payment's
// check.
func (t *Tokens) Verify(token string) (Claims, error) {
	if len(token) > tokenBytesMax {
		return Claims{}, ErrToken
	}
	hash := sha256.Sum256([]byte(token))
	t.mu.RLock()
	c, known := t.young[hash]
	if !known {
		c, known = t.aged[hash]
	}
	t.mu.RUnlock()
	if known {
		if !t.now().Before(c.ExpiresAt) {
			return Claims{}, ErrToken
		}
		return c, nil
	}
	c, err := t.parse(token)
	if errors.Is(err, errNoKey) && t.learn() {
		c, err = t.parse(token)
	}
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.young) >= rememberedMost {
		t.aged, t.young = t.young, make(map[[32]byte]Claims, rememberedMost)
	}
	t.young[hash] = c
	return c, nil
}

// learn reads the keys for a token of one that this server does not know: it
// may be newer than what was read. At most once a second, whatever is sent.
func (t *Tokens) learn() (read bool) {
	const wait = 500 * time.Millisecond
	t.mu.Lock()
	now := t.now()
	lately := now.Sub(t.learnedAt) < time.Second
	if !lately {
		t.learnedAt = now
	}
	t.mu.Unlock()
	if lately {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return t.Reload(ctx) == nil
}

func (t *Tokens) parse(token string) (Claims, error) {
	var said tokenClaims
	if _, err := t.parser.ParseWithClaims(token, &said, t.keyFor); err != nil {
		return Claims{}, err
	}
	citizen, err := uuid.Parse(said.Subject)
	if err != nil || said.Session == uuid.Nil || said.Device == uuid.Nil || said.IssuedAt == nil {
		return Claims{}, errors.New("a claim is missing")
	}
	if said.Confirmation == nil {
		said.Confirmation = &confirmation{}
	}
	return Claims{
		Proof: said.Confirmation.Thumbprint, ID: said.ID, Citizen: citizen, Session: said.Session, Device: said.Device, Epoch: said.Epoch,
		IssuedAt: said.IssuedAt.Time, ExpiresAt: said.ExpiresAt.Time,
	}, nil
}

// keyFor refuses what the library lets pass: another type of token, and
// extensions that must be understood (RFC 7515, 4.1.11).
func (t *Tokens) keyFor(j *jwt.Token) (any, error) {
	if j.Header["typ"] != tokenType {
		return nil, errors.New("not an access token")
	}
	if _, critical := j.Header["crit"]; critical {
		return nil, errors.New("an unknown extension is critical")
	}
	kid, _ := j.Header["kid"].(string)
	t.mu.RLock()
	key, ok := t.keys[kid]
	t.mu.RUnlock()
	if key.withdrawn != nil {
		return nil, key.withdrawn
	}
	if !ok || !key.retired.IsZero() && !t.now().Before(key.retired) {
		return nil, errNoKey
	}
	return key.public, nil
}
