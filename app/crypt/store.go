package crypt

import (
	"context"
	"time"

	"jangteo/app/db"
)

type store struct{ db *db.DB }

// keyset reads a wrapped keyset, keeping the one that fresh returns if there is
// none. Of two servers that start together, the first one's stays.
func (s store) keyset(ctx context.Context, name string, fresh func() []byte, at time.Time) (wrapped []byte, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		read := func() error {
			return s.db.In(ctx).Raw(`SELECT wrapped FROM app.keysets WHERE name = ?`, name).Row().Scan(&wrapped)
		}
		if err := read(); err == nil {
			return nil
		}
		err := s.db.In(ctx).Exec(`INSERT INTO app.keysets (name, wrapped, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			name, fresh(), at).Error
		if err != nil {
			return err
		}
		return read()
	})
	return wrapped, err
}
