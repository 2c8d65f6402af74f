package auth

import (
	"context"
	"runtime"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"jangteo/app/fault"
)

// The length of a password, in characters. There is no other rule: length is
// what counts, and rules make people write passwords down.
const (
	PasswordMin = 10
	PasswordMax = 128
)

// ErrWrongLogin answers a sign-in that did not fit, and never says which part.
var ErrWrongLogin = fault.Declare(fault.Unauthenticated, "login-wrong")

// Passwords hashes with argon2id (RFC 9106), few at a time: each costs 19 MiB,
// so a flood of sign-ins waits instead of taking the memory.
type Passwords struct {
	places chan struct{}
	params *argon2id.Params
	nobody string // the hash that is compared where there is no such login
}

// NewPasswords makes ready to hash.
func NewPasswords() (*Passwords, error) {
	p := &Passwords{
		places: make(chan struct{}, max(1, runtime.NumCPU()/2)),
		params: &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	}
	nobody, err := argon2id.CreateHash("nobody's password", p.params)
	p.nobody = nobody
	return p, err
}

// Hash makes what is stored of a password, or names field if the password is
// too short or too long.
func (p *Passwords) Hash(ctx context.Context, field, password string) (hash string, err error) {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return "", fault.On(field, fault.WrongFormat)
	case n < PasswordMin:
		return "", fault.On(field, fault.TooShort).Limit(PasswordMin)
	case n > PasswordMax:
		return "", fault.On(field, fault.TooLong).Limit(PasswordMax)
	}
	if err := p.enter(ctx); err != nil {
		return "", err
	}
	defer p.leave()
	return argon2id.CreateHash(password, p.params)
}

// Match reports whether password is the one of hash. An empty hash (there is
// no such login) takes as long as any other and never matches.
func (p *Passwords) Match(ctx context.Context, password, hash string) (bool, error) {
	if len(password) > 4*PasswordMax {
		return false, nil
	}
	if err := p.enter(ctx); err != nil {
		return false, err
	}
	defer p.leave()
	if hash == "" {
		_, err := argon2id.ComparePasswordAndHash(password, p.nobody)
		return false, err
	}
	return argon2id.ComparePasswordAndHash(password, hash)
}

func (p *Passwords) enter(ctx context.Context) error {
	select {
	case p.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.ErrUnavailable.Because(ctx.Err())
	}
}

func (p *Passwords) leave() { <-p.places }
