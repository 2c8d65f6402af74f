package live

import (
	"context"

	"jangteo/app/db"
)

type store struct{ db *db.DB }

func (s store) notify(ctx context.Context, channel, body string) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		return s.db.In(ctx).Exec(`SELECT pg_notify(?, ?)`, channel, body).Error
	})
}
