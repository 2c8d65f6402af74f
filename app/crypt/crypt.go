// Package crypt seals personal data field by field and makes blind indexes for
// looking it up. The keysets live in the database, wrapped by the operator's
// master key, so that they can be rotated and the master key stays outside.
package crypt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"

	"jangteo/app/clock"
	"jangteo/app/db"
)

// ErrMasterKey means that the master key is malformed or is not the one that
// wrapped the keysets of this database.
var ErrMasterKey = errors.New("secrets.master_key does not fit this database: it must be 32 bytes in base64, the same as when the database was made")

// Box seals and opens.
type Box struct {
	fields tink.AEAD
	index  tink.MAC
}

// Open loads the keysets, making them in an empty database.
func Open(ctx context.Context, d *db.DB, masterKey string, now clock.Now) (*Box, error) {
	raw, err := base64.StdEncoding.DecodeString(masterKey)
	if err != nil || len(raw) != 32 {
		return nil, ErrMasterKey
	}
	wrap, err := subtle.NewAESGCM(raw)
	if err != nil {
		return nil, err
	}
	s := store{d}
	fields, err := load(ctx, s, "fields", aead.AES256GCMKeyTemplate(), wrap, now)
	if err != nil {
		return nil, err
	}
	index, err := load(ctx, s, "index", mac.HMACSHA256Tag256KeyTemplate(), wrap, now)
	if err != nil {
		return nil, err
	}
	b := &Box{}
	if b.fields, err = aead.New(fields); err != nil {
		return nil, err
	}
	b.index, err = mac.New(index)
	return b, err
}

func load(ctx context.Context, s store, name string, template *tinkpb.KeyTemplate, wrap tink.AEAD, now clock.Now) (*keyset.Handle, error) {
	wrapped, err := s.keyset(ctx, name, func() ([]byte, error) {
		fresh, err := keyset.NewHandle(template)
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		err = fresh.WriteWithAssociatedData(keyset.NewBinaryWriter(&out), wrap, []byte(name))
		return out.Bytes(), err
	}, now())
	if err != nil {
		return nil, err
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(wrapped)), wrap, []byte(name))
	if err != nil {
		return nil, ErrMasterKey
	}
	return handle, nil
}

// Seal encrypts plain. Context binds it to its place, for example
// "citizens.phone/<id>": sealed text moved elsewhere does not open.
func (b *Box) Seal(plain, context string) ([]byte, error) {
	return b.fields.Encrypt([]byte(plain), []byte(context))
}

// Open decrypts what Seal made with the same context.
func (b *Box) Open(sealed []byte, context string) (string, error) {
	plain, err := b.fields.Decrypt(sealed, []byte(context))
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", context, err)
	}
	return string(plain), nil
}

// Index is the blind index of a value in a field: equal values of one field
// have equal indexes, and nothing else can be read from it. 16 bytes.
func (b *Box) Index(field, value string) ([]byte, error) {
	tag, err := b.index.ComputeMAC([]byte(field + "\x00" + value))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(tag)
	return sum[:16], nil
}
