// Package desk gives tests the sign-in of people with a desk: a package of its
// own, because package web's tests need package testkit too.
package desk

import (
	"sync"
	"testing"
	"time"

	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/testkit"
)

var passwords = sync.OnceValues(auth.NewPasswords)

// Open lets staff and clerks in over k's database; nobody needs a second factor.
func Open(t testing.TB, k *testkit.Kit) *signin.Kit {
	t.Helper()
	return With(t, k, signin.Config{})
}

// With is Open as cfg says.
func With(t testing.TB, k *testkit.Kit, cfg signin.Config) *signin.Kit {
	t.Helper()
	return Lasting(t, k, cfg, map[auth.Kind]auth.Lifetime{
		auth.Staff: {Idle: 15 * time.Minute, Absolute: 12 * time.Hour}, auth.Clerk: {Idle: time.Hour, Absolute: 24 * time.Hour},
	})
}

// Lasting is With sessions of other lengths.
func Lasting(t testing.TB, k *testkit.Kit, cfg signin.Config, lives map[auth.Kind]auth.Lifetime) *signin.Kit {
	t.Helper()
	hashed, err := passwords()
	if err != nil {
		t.Fatal(err)
	}
	sessions := auth.NewWebSessions(k.DB, k.Clock.Now, lives)
	if cfg.PublicURL == "" {
		cfg.PublicURL = "http://localhost"
	}
	kit, err := signin.New(k.DB, k.Box, k.Audit, sessions, hashed, cfg, k.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	return kit
}
