package live

import (
	"context"

	"jangteo/app/db"
)

type store struct{ db *db.DB }

func (s store) notify(ctx context.Context, channel string, parcels []string) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		_, err := s.db.SQL(ctx).ExecContext(ctx, `SELECT pg_notify($1, parcel) FROM unnest($2::text[]) AS parcel`, channel, parcels)
		return err
	})
}
