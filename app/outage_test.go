package app_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"jangteo/app/auth"
	"jangteo/app/pg"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/migrations"
)

func inHome() context.Context { return tenant.With(context.Background(), home) }

// slowest is how long an answer may take while the database is away.
const slowest = 2 * time.Second

// TestDatabaseGone takes the database away from the running program, twice: its
// process ends, and it hangs. Everything says so at once, and goes on when it
// is back.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	options := pg.Options{Dir: filepath.Join(t.TempDir(), "postgres")}
	server, err := pg.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(ctx) })
	if _, err := migrations.Apply(ctx, server.URL("postgres")); err != nil {
		t.Fatal(err)
	}
	line := newWire(t, server)
	h := newHouse(t, line.address(t, server))
	c := h.login(t, kim)
	account := c.link()
	c.buy(home, account, 50_000)
	owner := h.clerk(t, "owner11560")
	people := map[auth.Kind]someone{
		"": {}, auth.Citizen: c.someone(auth.Citizen, "jangteo_access"), auth.Clerk: owner.someone(auth.Clerk, "jangteo_shop"), auth.Staff: h.officer(t, "chief@11560.example"),
	}
	key := newID()
	h.outage = true

	line.gate.Lock()
	h.tryWithout(t, "hangs", c, people, key)
	line.gate.Unlock()
	h.back(t, c)

	if err := server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	h.tryWithout(t, "is gone", c, people, key)
	if server, err = pg.Start(ctx, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(ctx) })
	line.to(server)
	h.back(t, c)
	h.outage = false
	first := c.pay(home, 1_000, key).want(201)
	if again := c.pay(home, 1_000, key).want(201); again.id("id") != first.id("id") {
		t.Errorf("paid twice: %s", again.raw)
	}
	if left := c.balance(); left != 49_000 {
		t.Errorf("the wallet holds %d, want 49000", left)
	}
	h.clean(t)
}

// back waits until paying works again, without a restart.
func (h *house) back(t *testing.T, c *client) {
	t.Helper()
	await(t, "the program recovers", func() bool { return c.do("GET", "/me/wallets", nil).status == 200 })
}

// tryWithout asks every route while there is no database.
func (h *house) tryWithout(t *testing.T, how string, c *client, people map[auth.Kind]someone, key string) {
	t.Helper()
	type try struct {
		route web.Route
		path  string
		api   bool
	}
	var tries []try
	for _, r := range h.app.Router.Table {
		if strings.HasSuffix(r.Path, "/live") || r.Access.Kind == "" && r.Method != http.MethodGet {
			continue
		}
		path := strings.NewReplacer("{tenant}", "11560", "{code}", "invalid-input", "{id}", newID(), "{merchant}", h.towns[home].shop.ID.String(), "{programme}", h.towns[home].programme.String()).Replace(r.Path)
		tries = append(tries, try{r, path, strings.HasPrefix(r.Path, web.APIPrefix)})
	}
	work := make(chan try)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for one := range work {
				began := time.Now()
				a := h.as(t, people[one.route.Access.Kind], one.route, one.path)
				if took := time.Since(began); took > slowest {
					t.Errorf("the database %s: %s %s took %s", how, one.route.Method, one.path, took)
				}
				// what needs no database goes on; a form may be found wrong first
				fine := a.status == 503 || a.status < 400 || slices.Contains([]int{404, 415, 400, 422}, a.status)
				if !fine {
					t.Errorf("the database %s: %s %s answered %d: %s", how, one.route.Method, one.path, a.status, clip(a.raw))
				}
				if a.status == 503 && a.header.Get("Retry-After") == "" {
					t.Errorf("the database %s: %s %s without Retry-After", how, one.route.Method, one.path)
				}
			}
		})
	}
	for _, one := range tries {
		work <- one
	}
	close(work)
	workers.Wait()
	for _, path := range []string{"/me/wallets", "/me/history", "/me"} {
		if a := c.do("GET", path, nil); a.status != 503 || a.text("code") != "temporarily-unavailable" && a.text("code") != "session-check-unavailable" {
			t.Errorf("the database %s: GET %s answered %d %s", how, path, a.status, a.raw)
		}
	}
	if a := c.pay(home, 1_000, key); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("the database %s: paying answered %d %s", how, a.status, a.raw)
	}
	if a := h.client(t).do("POST", "/merchant/sessions", map[string]string{"login": "owner11560", "password": password}); a.status != 503 {
		t.Errorf("the database %s: signing in answered %d %s", how, a.status, a.raw)
	}
}

// wire leads to a server that may move to another port, or answer no more
// while gate is locked.
type wire struct {
	gate     sync.RWMutex
	listener net.Listener
	mu       sync.Mutex
	target   string
}

func newWire(t *testing.T, server *pg.Server) *wire {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener}
	w.to(server)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.lead(conn)
		}
	}()
	return w
}

func (w *wire) to(server *pg.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target = fmt.Sprintf("127.0.0.1:%d", server.Port())
}

// address is the server's, by this wire.
func (w *wire) address(t *testing.T, server *pg.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = w.listener.Addr().String()
	return u.String()
}

func (w *wire) lead(near net.Conn) {
	w.mu.Lock()
	target := w.target
	w.mu.Unlock()
	far, err := net.Dial("tcp", target)
	if err != nil {
		_ = near.Close()
		return
	}
	copyTo := func(to, from net.Conn) {
		defer func() { _, _ = near.Close(), far.Close() }()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			w.gate.RLock()
			_, failed := to.Write(buffer[:n])
			w.gate.RUnlock()
			if err != nil || failed != nil {
				return
			}
		}
	}
	go copyTo(far, near)
	copyTo(near, far)
}
