// Package idem makes a money request safe to send twice. The key, the work and
// the answer commit together, so there is no moment at which one exists alone.
//
// A key belongs to its sender and municipality: the same text sent by somebody
// else, or elsewhere, is another key.
package idem

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/fault"
)

// Header carries the key; HeaderReplayed marks an answer given before.
const (
	Header         = "Idempotency-Key"
	HeaderReplayed = "Idempotent-Replayed"
	lengthMax      = 128
)

// What a caller can do wrong with a key.
var (
	ErrKeyMissing = fault.Declare(fault.Malformed, "idempotency-key-missing")
	ErrKeyInvalid = fault.Declare(fault.Malformed, "idempotency-key-invalid")
	ErrKeyReused  = fault.Declare(fault.Conflict, "idempotency-key-reused")
)

// Key is a sender's key and what was sent under it, hashed for storage.
type Key struct {
	ID     uuid.UUID // of sender and key
	Digest uuid.UUID // of operation and input
}

// New hashes a sender's key. Operation tells apart what else the same sender
// could ask with the same input. It refuses a key that is missing, longer than
// 128 characters or not printable ASCII.
func New(sender uuid.UUID, key, operation string, input any) (Key, error) {
	if key == "" {
		return Key{}, ErrKeyMissing
	}
	if len(key) > lengthMax {
		return Key{}, ErrKeyInvalid.With("max_length", lengthMax)
	}
	for _, c := range []byte(key) {
		if c < 0x21 || c > 0x7e {
			return Key{}, ErrKeyInvalid
		}
	}
	body, err := json.Marshal(input)
	if err != nil {
		return Key{}, err
	}
	return Key{ID: hash(sender[:], []byte(key)), Digest: hash([]byte(operation), body)}, nil
}

func hash(parts ...[]byte) uuid.UUID {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
		h.Write([]byte{0})
	}
	return uuid.UUID(h.Sum(nil)[:16])
}

// Keys remembers keys in PostgreSQL.
type Keys struct {
	store store
	db    *db.DB
	now   clock.Now
}

// NewKeys keeps keys in d.
func NewKeys(d *db.DB, now clock.Now) *Keys { return &Keys{store{d}, d, now} }

// Once runs work the first time key is seen and replays its answer afterwards.
// A second caller with the same key waits for the first to commit. A key sent
// again with another input is refused. A failed work leaves no key behind.
func Once[T any](ctx context.Context, k *Keys, key Key, work func(context.Context) (T, error)) (answer T, replayed bool, err error) {
	err = k.db.Tx(ctx, func(ctx context.Context) error {
		var empty T
		answer, replayed = empty, false
		claimed, err := k.store.claim(ctx, key, k.now())
		if err != nil {
			return err
		}
		if !claimed {
			stored, err := k.store.answer(ctx, key)
			if err != nil {
				return err
			}
			replayed = true
			return json.Unmarshal(stored, &answer)
		}
		if answer, err = work(ctx); err != nil {
			return err
		}
		return k.store.remember(ctx, key, answer)
	})
	return answer, replayed, err
}

// Forget removes keys older than before, in steps of at most 10,000; money that
// moved is still found by its entry. It returns how many went.
func (k *Keys) Forget(ctx context.Context, before time.Time) (gone int64, err error) {
	err = k.db.Tx(ctx, func(ctx context.Context) error {
		gone, err = k.store.forget(ctx, before)
		return err
	})
	return gone, err
}

// Mark keeps an answer under a key inside the caller's transaction, so that the
// key can never be used for work again. It reports false when the key is taken;
// then Look tells by what.
func (k *Keys) Mark(ctx context.Context, key Key, answer any) (marked bool, err error) {
	err = k.db.Tx(ctx, func(ctx context.Context) error {
		if marked, err = k.store.claim(ctx, key, k.now()); err != nil || !marked {
			return err
		}
		return k.store.remember(ctx, key, answer)
	})
	return marked, err
}

// Found is what came of a key.
type Found struct {
	Digest uuid.UUID
	Entry  uuid.UUID       // the ledger entry, or uuid.Nil
	Answer json.RawMessage // or what Once or Mark kept
}

// Look tells what came of a key, whatever was sent under it.
func (k *Keys) Look(ctx context.Context, id uuid.UUID) (f Found, known bool, err error) {
	err = k.db.Tx(ctx, func(ctx context.Context) error {
		f, known, err = k.store.look(ctx, id)
		return err
	})
	return f, known, err
}

// Entry returns the ledger entry that came of a key, uuid.Nil if none did. A
// key that was used for anything else is refused.
func (k *Keys) Entry(ctx context.Context, key Key) (id uuid.UUID, err error) {
	err = k.db.Tx(ctx, func(ctx context.Context) error {
		id, err = k.store.entry(ctx, key)
		return err
	})
	return id, err
}
