// Package uuidv7 makes ids for what happened before now, so that lists by id
// are lists by time for imported history, too. What happens now takes its id
// from uuid.NewV7.
package uuidv7

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// At returns a new UUIDv7 (RFC 9562) of a moment after 1970; ids of the same
// millisecond are in no order.
func At(at time.Time) uuid.UUID {
	const version = 7
	id := uuid.New()
	var milliseconds [8]byte
	binary.BigEndian.PutUint64(milliseconds[:], uint64(at.UnixMilli()))
	copy(id[:6], milliseconds[2:])
	id[6] = version<<4 | id[6]&0x0f
	return id
}
