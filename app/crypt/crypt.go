// Package crypt seals personal data field by field and makes blind indexes for
// looking it up. The keysets live in the database, wrapped by the operator's
// master key, so that they can be rotated and the master key stays outside.
package crypt

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"jangteo/app/clock"
	"jangteo/app/db"
)

// ErrMasterKey means that the master key is malformed or is not the one that
// wrapped the keysets of this database.
var ErrMasterKey = errors.New("secrets.master_key does not fit this database: it must be 32 bytes in base64, the same as when the database was made")

// keySize is that of AES-256 and of a good key for HMAC-SHA-256, in bytes.
const keySize = 32

// ErrSealed means that sealed text was cut, changed or moved from its place.
var ErrSealed = errors.New("sealed text does not open here")

// Box seals and opens.
type Box struct {
	fields []cipher.AEAD // by number; the last one seals, each opens what it sealed
	index  []byte
}

// Open loads the keysets, making them in an empty database.
func Open(ctx context.Context, d *db.DB, masterKey string, now clock.Now) (*Box, error) {
	raw, err := base64.StdEncoding.DecodeString(masterKey)
	if err != nil || len(raw) != keySize {
		return nil, ErrMasterKey
	}
	wrap, err := sealer(raw)
	if err != nil {
		return nil, err
	}
	s := store{d}
	fields, err := load(ctx, s, "fields", wrap, now)
	if err != nil {
		return nil, err
	}
	index, err := load(ctx, s, "index", wrap, now)
	if err != nil {
		return nil, err
	}
	return newBox(fields, index)
}

func newBox(fields, index []byte) (*Box, error) {
	if len(fields) == 0 || len(fields)%keySize != 0 || len(index) != keySize {
		return nil, ErrMasterKey
	}
	b := &Box{index: index}
	for ; len(fields) > 0; fields = fields[keySize:] {
		key, err := sealer(fields[:keySize])
		if err != nil {
			return nil, err
		}
		b.fields = append(b.fields, key)
	}
	return b, nil
}

// sealer is AES-256-GCM that draws its nonces itself and puts them in front.
// Drawn nonces bear 2^32 texts a key (NIST SP 800-38D, 8.3).
func sealer(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// load reads a keyset: keys of 32 bytes, one after the other, oldest first.
func load(ctx context.Context, s store, name string, wrap cipher.AEAD, now clock.Now) ([]byte, error) {
	wrapped, err := s.keyset(ctx, name, func() []byte {
		fresh := make([]byte, keySize)
		_, _ = rand.Read(fresh)                         // never fails
		return wrap.Seal(nil, nil, fresh, []byte(name)) //nolint:gosec // it draws its nonce itself
	}, now())
	if err != nil {
		return nil, err
	}
	keys, err := wrap.Open(nil, nil, wrapped, []byte(name))
	if err != nil {
		return nil, ErrMasterKey
	}
	return keys, nil
}

// Seal encrypts plain. Context binds it to its place, for example
// "citizens.phone/<id>": sealed text moved elsewhere does not open. The first
// byte is the key's number.
func (b *Box) Seal(plain, context string) ([]byte, error) {
	newest := len(b.fields) - 1
	return b.fields[newest].Seal([]byte{byte(newest)}, nil, []byte(plain), []byte(context)), nil //nolint:gosec // it draws its nonce itself
}

// Open decrypts what Seal made with the same context, else ErrSealed.
func (b *Box) Open(sealed []byte, context string) (string, error) {
	if len(sealed) == 0 || int(sealed[0]) >= len(b.fields) {
		return "", fmt.Errorf("opening %s: %w", context, ErrSealed)
	}
	plain, err := b.fields[sealed[0]].Open(nil, nil, sealed[1:], []byte(context))
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", context, ErrSealed)
	}
	return string(plain), nil
}

// Index is the blind index of a value in a field: equal values of one field
// have equal indexes, and nothing else can be read from it. 16 bytes.
func (b *Box) Index(field, value string) ([]byte, error) {
	tag := hmac.New(sha256.New, b.index)
	tag.Write([]byte(field + "\x00" + value))
	return tag.Sum(nil)[:16], nil
}
