// Package auth says who is asking: tokens for the apps, cookies for the faces,
// and the principal that every handler can read from its context.
package auth

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/fault"
	"jangteo/app/tenant"
)

// Kind of person.
type Kind string

// Who may ask. Staff work for one municipality, operators run the platform.
const (
	Citizen  Kind = "citizen"
	Clerk    Kind = "clerk"
	Staff    Kind = "staff"
	Operator Kind = "operator"
	System   Kind = "system" // a timer, a relay, a command
)

// Principal is who is asking, as far as it was proven.
type Principal struct {
	Kind        Kind
	ID          uuid.UUID
	Session     uuid.UUID
	Device      uuid.UUID   // citizens only
	Tenant      tenant.ID   // staff and clerks only
	Merchant    uuid.UUID   // clerks only
	Name        string      // as greeted on screens
	Permissions []string    // staff, operators and clerks
	Proven      time.Time   // when they last proved who they are; staff, operators and clerks
	Locale      string      // ko or en
	Request     RequestInfo // where from
}

// RequestInfo is what the logs keep of a request.
type RequestInfo struct {
	ID        string
	Address   string
	UserAgent string
	Method    string
	Origin    string // scheme and host as the caller reached them
	Path      string
}

// ErrSignInRequired is what every face answers to a stranger.
var ErrSignInRequired = fault.Declare(fault.Unauthenticated, "sign-in-required")

// ErrStepUp asks somebody who is in to prove once more who they are: with the
// device's key, a code, a passkey.
var ErrStepUp = fault.Declare(fault.Unauthenticated, "step-up-required")

// May reports whether the principal holds a named permission.
func (p Principal) May(permission string) bool { return slices.Contains(p.Permissions, permission) }

type key struct{}

// With puts the principal into the context.
func With(ctx context.Context, p Principal) context.Context { return context.WithValue(ctx, key{}, p) }

// Lookup returns the principal, if somebody is signed in.
func Lookup(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(key{}).(Principal)
	return p, ok
}

// From returns the principal. Routes guarantee one, so its absence is a bug.
func From(ctx context.Context) Principal {
	p, ok := Lookup(ctx)
	if !ok {
		panic("auth: nobody in context")
	}
	return p
}

type infoKey struct{}

// WithInfo remembers where a request came from, signed in or not.
func WithInfo(ctx context.Context, info RequestInfo) context.Context {
	return context.WithValue(ctx, infoKey{}, info)
}

// Info returns where the request came from; empty for work without a request.
func Info(ctx context.Context) RequestInfo {
	info, _ := ctx.Value(infoKey{}).(RequestInfo)
	return info
}
