// Package tenant says which municipality the work in hand belongs to.
package tenant

import (
	"context"
	"strconv"

	"jangteo/app/fault"
)

// ID names one municipality by its five-digit MOIS code (행정표준코드), for
// example 11560 for 영등포구. Every row that belongs to a municipality carries it.
type ID int32

// Platform is the tenant of what belongs to no municipality: events of
// sessions, audit rows of the operator's staff.
const Platform ID = 0

// ErrUnknown is the answer to a municipality code that names none.
var ErrUnknown = fault.Declare(fault.NotFound, "tenant-unknown")

// String is the code as it stands in an address.
func (id ID) String() string { return strconv.Itoa(int(id)) }

// Parse reads a code as it stands in an address.
func Parse(text string) (ID, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 10000 || n > 99999 || len(text) != 5 {
		return 0, ErrUnknown
	}
	return ID(n), nil
}

type key struct{}

// With puts the municipality into the context.
func With(ctx context.Context, id ID) context.Context { return context.WithValue(ctx, key{}, id) }

// Lookup returns the municipality in ctx, if there is one.
func Lookup(ctx context.Context) (ID, bool) {
	id, ok := ctx.Value(key{}).(ID)
	return id, ok
}

// From returns the municipality in ctx. Work without one is a programmer's
// mistake, never a caller's, so it panics.
func From(ctx context.Context) ID {
	id, ok := Lookup(ctx)
	if !ok {
		panic("tenant: no municipality in context")
	}
	return id
}
