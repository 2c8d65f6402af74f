package tenant

import "github.com/google/uuid"

// Key names a row of any municipality, for work that spans several at once.
type Key struct {
	Tenant ID
	ID     uuid.UUID
}

// Columns parts keys into what a statement unnests as int[] and uuid[].
func Columns(keys []Key) (tenants []int32, ids [][16]byte) {
	tenants, ids = make([]int32, len(keys)), make([][16]byte, len(keys))
	for i, key := range keys {
		tenants[i], ids[i] = int32(key.Tenant), key.ID
	}
	return tenants, ids
}
