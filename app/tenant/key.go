package tenant

import (
	"context"

	"github.com/google/uuid"
)

// Key names a row of any municipality, for work that spans several at once.
type Key struct {
	Tenant ID
	ID     uuid.UUID
}

// Keys are those of things of the tenant in ctx.
func Keys(ctx context.Context, ids []uuid.UUID) []Key {
	keys := make([]Key, len(ids))
	for i, id := range ids {
		keys[i] = Key{From(ctx), id}
	}
	return keys
}

// Columns parts keys into what a statement unnests as int[] and uuid[].
func Columns(keys []Key) (tenants []int32, ids [][16]byte) {
	tenants, ids = make([]int32, len(keys)), make([][16]byte, len(keys))
	for i, key := range keys {
		tenants[i], ids[i] = int32(key.Tenant), key.ID
	}
	return tenants, ids
}
