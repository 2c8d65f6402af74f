package app_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"jangteo/app/auth"
)

const listener = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN jangteo_sessions'"

// A server that hears no more of ended sessions, neither by news nor by asking,
// refuses money and says why; people still see what is theirs. When it hears
// again it goes on by itself.
func TestCutOffFromEndings(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	c.buy(home, c.link(), 50_000)
	c.pay(home, 1_000, newID()).want(201)
	owner, err := sql.Open("pgx", h.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close() })
	do := func(statements ...string) {
		t.Helper()
		for _, statement := range statements {
			if _, err := owner.ExecContext(context.Background(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
	do("REVOKE SELECT ON sessions.sessions FROM jangteo_service", listener)
	h.outage = true
	h.clock.Advance(4 * time.Second)
	c.pay(home, 1_000, newID()).want(201) // what it heard is young enough still
	h.clock.Advance(4 * time.Second)

	key := newID()
	if a := c.pay(home, 1_000, key).refused(503, "session-check-unavailable"); a.header.Get("Retry-After") == "" {
		t.Error("nobody says when to come back")
	}
	c.do("POST", "/me/lock", nil).refused(503, "session-check-unavailable")
	if left := c.balance(); left != 48_000 {
		t.Errorf("reading goes on, and shows %d, want 48000", left)
	}
	c.do("GET", "/me/history", nil).want(200)
	made := *c
	made.access = "x" + c.access[1:]
	made.do("GET", "/me/wallets", nil).refused(401, "sign-in-required")

	do("GRANT SELECT ON sessions.sessions TO jangteo_service")
	await(t, "payments go on", func() bool { return c.pay(home, 1_000, key).status == 201 })
	if left := c.balance(); left != 47_000 {
		t.Errorf("the wallet holds %d, want 47000", left)
	}
	h.outage = false
	h.clean(t)
}

// Requests may take every connection that there is: what a payment must know of
// ended sessions, shops and municipalities is read on connections of its own.
func TestCrowdDoesNotCutOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := h.login(t, kim)
	c.buy(home, c.link(), 50_000)
	c.pay(home, 1_000, newID()).want(201)
	h.outage = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range h.cfg.Database.Connections {
		taken, err := h.app.DB.Pgx().Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Release()
	}
	if err := h.app.DB.Ping(ctx); err == nil {
		t.Fatal("the crowd left a connection")
	}
	for range 3 { // longer than any memory is believed without being read again
		h.clock.Advance(6 * time.Second)
		await(t, "a token is believed again", func() bool {
			who, err := h.app.Sessions.Verify(c.access)
			return err == nil && who.Kind == auth.Citizen
		})
		await(t, "paying goes on", func() bool { return c.pay(home, 1_000, newID()).status == 201 })
	}
}
