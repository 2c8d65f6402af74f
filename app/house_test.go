package app_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app"
	"jangteo/app/money"
	"jangteo/app/refdata"
	"jangteo/app/simulate"
	"jangteo/app/simulate/bank"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/config"
	"jangteo/modules/merchants"
	"jangteo/modules/staff"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
)

// Two municipalities that are live, neighbours to each other in every test.
const (
	home      tenant.ID = 11560
	neighbour tenant.ID = 26350
	password            = "correct-horse-2026"
	subsidy             = money.Amount(10_000_000)
)

// house is the whole program over a database of its own, with the outside world
// simulated, answering real HTTP.
type house struct {
	url   string // of the database
	cfg   config.Config
	sims  *simulate.Servers
	clock *testkit.Clock
	log   *lines
	towns map[tenant.ID]*town

	transport *http.Transport
	outage    bool // the database is taken away on purpose

	app  *app.App
	base string // where it answers
	stop func()
}

// town is what a municipality has in these tests.
type town struct {
	programme uuid.UUID
	shop      merchants.Merchant // takes the voucher; owner<id> and seller<id> sign in there
	bar       merchants.Merchant // of a trade that the policy excludes
	closed    merchants.Merchant
	qr        string // what the code on the shop's counter says
	fund      string
}

// newHouse builds one over a fresh database, or over the one at address.
func newHouse(t testing.TB, address string) *house {
	t.Helper()
	outside := testkit.FreshDatabase(t)
	if address == "" {
		address = outside
	}
	h := &house{url: address, clock: testkit.NewClock(), log: &lines{}, towns: map[tenant.ID]*town{}, transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	t.Cleanup(h.transport.CloseIdleConnections)
	ctx := context.Background()
	var err error
	if h.sims, err = simulate.Start(ctx, simulate.Options{DSN: outside, Now: h.clock.Now, OpenWith: 1_000_000}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.sims.Stop(ctx) })
	if h.cfg, err = config.Load("", nil); err != nil {
		t.Fatal(err)
	}
	h.cfg.Database.URL, h.cfg.Database.Connections, h.cfg.Secrets.MasterKey = address, 8, testkit.MasterKey
	h.cfg.Bank.URL, h.cfg.Identity.URL, h.cfg.Messages.URL = h.sims.BankURL, h.sims.IdentityURL, h.sims.MessagesURL
	h.cfg.Cards.BackOffice = h.sims.IssuersURL
	h.cfg.Bank.Institution, h.cfg.Bank.ClientID, h.cfg.Bank.ClientSecret = "M202600001", "jangteo", "an outside secret"
	h.cfg.Limits.KnocksPerAddress, h.cfg.Limits.RenewalsPerSession, h.cfg.Limits.ChallengesPerDevice = 1_000_000, 1_000_000, 1_000_000 // all have one address here
	h.cfg.Server.PublicURL, h.cfg.Sessions.StaffSecondFactor = "http://127.0.0.1", false
	h.start(t)
	h.furnish(t)
	return h
}

// start runs the program; after stop it can be started again.
func (h *house) start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a, err := app.New(ctx, h.cfg, app.Options{Now: h.clock.Now, Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			h.log.add("run: " + err.Error())
		}
	})
	server := httptest.NewServer(a.Echo)
	h.app, h.base = a, server.URL
	var once sync.Once
	h.stop = func() {
		once.Do(func() {
			a.Streams.Close()
			server.Close()
			cancel()
			running.Wait()
			a.Close()
		})
	}
	t.Cleanup(h.stop)
}

// furnish brings both municipalities, their shops, clerks and staff.
func (h *house) furnish(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.app.Tenants.Seed(ctx))
	for i, id := range []tenant.ID{home, neighbour} {
		town := &town{fund: fmt.Sprintf("100%s0001", id)}
		h.towns[id] = town
		must(h.sims.Bank.Seed(ctx, []bank.Account{{BankCode: "020", Number: town.fund, Holder: "금고", Balance: int64(subsidy), Contracted: true}}))
		must(h.app.Tenants.Configure(ctx, id, tenants.Settings{
			Live: true, Accent: i + 1, VoucherName: "사랑상품권", VoucherNameEn: "Love Voucher", SettlementDays: 1,
			Departments: []string{"지역경제과"}, Contact: "02-2670-3114", FundAccount: town.fund,
		}))
		ctx := tenant.With(ctx, id)
		programme, err := h.app.Vouchers.Open(ctx, vouchers.ProgrammeInput{
			Kind: vouchers.Discount, Name: "사랑상품권", NameEn: "Love Voucher", OpensAt: h.clock.Now().Add(-24 * time.Hour),
			Policy: vouchers.Policy{
				Version: 1, Clause: "조례 제7조", EffectiveFrom: h.clock.Now().Add(-24 * time.Hour), Author: "지역경제과", DiscountBP: 1000,
				PurchaseMin: 10_000, PurchaseStep: 10_000, PurchaseMonthMax: 500_000, HoldMax: 1_000_000, PerPaymentMax: 300_000,
				ValidityYears: 5, RefundUsedBP: 6000, ExcludedTrades: []string{"56211"}, ExcludesLargeSellers: true,
			},
		})
		must(err)
		town.programme = programme.ID
		must(h.app.Vouchers.Fund(ctx, uuid.Must(uuid.NewV7()), subsidy))
		shop := func(number int, trade string) merchants.RegisterInput {
			account := fmt.Sprintf("2001%s%04d", id, number)
			must(h.sims.Bank.Seed(ctx, []bank.Account{{BankCode: "004", Number: account, Holder: "김사장", Balance: 0}}))
			return merchants.RegisterInput{
				Name: fmt.Sprintf("가게 %d", number), BizNo: []string{"124-81-00998", "220-81-62517", "120-81-47521"}[number], Trade: trade, Owner: "김사장",
				Phone: "02-123-4567", Address: "당산로 1", Payout: merchants.Destination{BankCode: "004", Number: account, Holder: "김사장"},
			}
		}
		shops, err := h.app.Merchants.SeedMany(ctx, []merchants.RegisterInput{shop(0, cafe()), shop(1, "56211"), shop(2, cafe())})
		must(err)
		town.shop, town.bar, town.closed = shops[0], shops[1], shops[2]
		_, err = h.app.Merchants.Decide(ctx, town.closed.ID, merchants.Closed, "폐업")
		must(err)
		town.qr, _, err = h.app.Merchants.StaticQR(ctx, town.shop.ID)
		must(err)
		for login, role := range map[string]merchants.Role{"owner": merchants.Owner, "seller": merchants.Seller} {
			_, err = h.app.Merchants.AddClerk(ctx, merchants.ClerkInput{
				MerchantID: town.shop.ID, Login: login + id.String(), Password: password, Name: "김점원", Role: role,
			})
			must(err)
		}
		for login, role := range map[string]staff.Role{"chief": staff.Chief, "settlement": staff.Settlement} {
			_, err = h.app.Staff.Register(ctx, staff.RegisterInput{
				TenantID: id, Login: login + "@" + id.String() + ".example", Password: password, Name: "박과장", Department: "지역경제과", Role: role,
			})
			must(err)
		}
	}
	must(h.app.Tenants.Refresh(ctx))
	must(h.app.Vouchers.Refresh(ctx))
}

// cafe is a trade that every policy takes.
func cafe() string {
	for _, trade := range refdata.Trades() {
		if strings.HasPrefix(trade.Code, "562") && !refdata.NormallyExcluded(trade.Code) {
			return trade.Code
		}
	}
	panic("no café among the trades")
}

// advance moves the clock on and waits until the program has looked at it: a
// server that has not heard of ended sessions lately trusts no token.
func (h *house) advance(t testing.TB, by time.Duration) {
	t.Helper()
	h.clock.Advance(by)
	h.settled(t)
}

func (h *house) settled(t testing.TB) {
	t.Helper()
	await(t, "ended sessions are read again", func() bool { return h.app.Sessions.Poll(context.Background()) == nil })
}

// clean fails the test unless every balance of both municipalities recomputes.
func (h *house) clean(t testing.TB) {
	t.Helper()
	for id := range h.towns {
		v, err := h.app.Reports.Verify(tenant.With(context.Background(), id))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range v.Differences {
			t.Errorf("verify %s: %+v", id, d)
		}
		if id == home && v.Accounts == 0 {
			t.Error("verify looked at nothing")
		}
	}
}

// await waits until it holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick, end := time.NewTicker(10*time.Millisecond), time.After(15*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// lines keeps what the program logged.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(line []byte) (int, error) { l.add(string(line)); return len(line), nil }

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, strings.TrimSpace(line))
}

// tail returns the last n lines.
func (l *lines) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text[max(0, len(l.text)-n):], "\n")
}

// client speaks to the program as an outside one does: by its public contract.
type client struct {
	t    testing.TB
	h    *house
	http *http.Client

	access, refresh string // of a citizen or a clerk
	session, device string
	key             *ecdsa.PrivateKey
	person          person
}

type person struct{ name, birth, phone string }

var (
	kim = person{"김하늘", "1990-01-31", "010-2345-6789"}
	lee = person{"이바다", "1985-12-01", "010-3456-7890"}
)

func (h *house) client(t testing.TB) *client {
	t.Helper()
	return &client{t: t, h: h, http: &http.Client{Transport: h.transport, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

// answer is what came back.
type answer struct {
	t      testing.TB
	asked  string
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

// do sends JSON; a nil body is none, a string or bytes are sent as they are.
// Headers are pairs of name and value.
func (c *client) do(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/api/") {
		path = "/api/v1" + path
	}
	raw, err := io.ReadAll(orEmpty(reader))
	if err != nil {
		c.t.Fatal(err)
	}
	again := func() io.Reader {
		if reader == nil {
			return nil
		}
		return bytes.NewReader(raw)
	}
	headers = append([]string{"Content-Type", "application/json"}, headers...)
	a := c.send(method, path, again(), headers...)
	for tries := 0; tries < 20 && !c.h.outage && a.text("code") == "session-check-unavailable"; tries++ {
		c.h.settled(c.t) // the clock was moved; a client would come back when Retry-After says
		a = c.send(method, path, again(), headers...)
	}
	return a
}

func orEmpty(r io.Reader) io.Reader {
	if r == nil {
		return strings.NewReader("")
	}
	return r
}

func (c *client) send(method, path string, body io.Reader, headers ...string) answer {
	c.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, c.h.base+path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	if body == nil {
		request.Header.Del("Content-Type")
	}
	if c.access != "" && request.Header.Get("Authorization") == "" && request.Header.Get("Cookie") == "" {
		request.Header.Set("Authorization", "Bearer "+c.access)
	}
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	a := answer{t: c.t, asked: method + " " + path, status: response.StatusCode, header: response.Header}
	if a.raw, err = io.ReadAll(response.Body); err != nil {
		c.t.Fatalf("%s: %v", a.asked, err)
	}
	_ = json.Unmarshal(a.raw, &a.body)
	if a.status >= http.StatusInternalServerError && a.status != http.StatusServiceUnavailable {
		c.t.Errorf("%s: answered %d: %s\nlog: %s", a.asked, a.status, a.raw, c.h.log.tail(3))
	}
	return a
}

// want fails the test unless the status is the one expected.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: answered %d, want %d: %s", a.asked, a.status, status, clip(a.raw))
	}
	return a
}

// refused fails the test unless the answer is a problem with this code.
func (a answer) refused(status int, code string) answer {
	a.t.Helper()
	if a.status != status || a.text("code") != code || !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
		a.t.Errorf("%s: answered %d %s (%s), want %d %s: %s", a.asked, a.status, a.text("code"), a.header.Get("Content-Type"), status, code, clip(a.raw))
	}
	return a
}

func clip(raw []byte) []byte { return raw[:min(len(raw), 800)] }

// at walks a path of names and numbers, "items.0.id".
func (a answer) at(path string) any {
	var v any = a.body
	for _, step := range strings.Split(path, ".") {
		switch inside := v.(type) {
		case map[string]any:
			v = inside[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(inside) {
				return nil
			}
			v = inside[i]
		default:
			return nil
		}
	}
	return v
}

func (a answer) text(path string) string { s, _ := a.at(path).(string); return s }

func (a answer) won(path string) int64 {
	a.t.Helper()
	n, ok := a.at(path).(float64)
	if !ok {
		a.t.Errorf("%s: %s is no number: %s", a.asked, path, clip(a.raw))
	}
	return int64(n)
}

func (a answer) id(path string) string {
	a.t.Helper()
	id := a.text(path)
	if _, err := uuid.Parse(id); err != nil {
		a.t.Fatalf("%s: %s is no id: %s", a.asked, path, clip(a.raw))
	}
	return id
}

// items is how many a list holds.
func (a answer) items() int { list, _ := a.at("items").([]any); return len(list) }

var sixDigits = regexp.MustCompile(`\b[0-9]{6}\b`)

// code is the last one that was sent to a phone.
func (h *house) code(t testing.TB, phone string) string {
	t.Helper()
	sent, err := h.sims.Messages.Find(context.Background(), strings.ReplaceAll(phone, "-", ""), 1)
	if err != nil || len(sent) == 0 {
		t.Fatalf("no message to %s (%v)", phone, err)
	}
	return sixDigits.FindString(sent[0].Body)
}

// prove goes through the identity check and returns its token.
func (c *client) prove(p person) string {
	c.t.Helper()
	check := c.do("POST", "/identity-checks", map[string]string{"name": p.name, "birth_date": p.birth, "phone": p.phone}).want(201).id("id")
	return c.do("POST", "/identity-checks/"+check+"/confirm", map[string]string{"code": c.h.code(c.t, p.phone)}).want(200).text("identity_token")
}

// jwk is the public part of the device's key.
func (c *client) jwk() map[string]any {
	raw, err := c.key.PublicKey.Bytes()
	if err != nil {
		c.t.Fatal(err)
	}
	word := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "EC", "crv": "P-256", "x": word(raw[1:33]), "y": word(raw[33:65])}
}

// newKey makes the device's key.
func (c *client) newKey() {
	var err error
	if c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		c.t.Fatal(err)
	}
}

// sign is ES256 over a text.
func (c *client) sign(text string) string {
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, c.key, sum[:])
	if err != nil {
		c.t.Fatal(err)
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return base64.RawURLEncoding.EncodeToString(raw)
}

// keep holds on to the tokens of an answer.
func (c *client) keep(a answer) answer {
	c.t.Helper()
	c.access, c.refresh, c.session, c.device = a.text("access_token"), a.text("refresh_token"), a.id("session.id"), a.id("session.device_id")
	return a
}

// login proves a person and signs this device in, joining first if need be.
func (h *house) login(t testing.TB, p person) *client {
	t.Helper()
	c := h.client(t)
	c.person = p
	c.newKey()
	token := c.prove(p)
	c.do("POST", "/citizens", map[string]any{"identity_token": token, "agreements": []string{"terms", "privacy", "e-finance"}})
	c.keep(c.do("POST", "/sessions", map[string]any{
		"identity_token": token, "device": map[string]any{"public_key": c.jwk(), "name": "Pixel", "platform": "Android"},
	}).want(201))
	return c
}

// clerk signs in at the shop of a municipality.
func (h *house) clerk(t testing.TB, login string) *client {
	t.Helper()
	c := h.client(t)
	c.access = c.do("POST", "/merchant/sessions", map[string]string{"login": login, "password": password}).want(201).text("token")
	return c
}

func newID() string { return uuid.NewString() }

// link gives a citizen a bank account.
func (c *client) link() (account string) {
	c.t.Helper()
	number := fmt.Sprintf("110%09d", time.Now().UnixNano()%1_000_000_000)
	return c.do("POST", "/me/bank-accounts", map[string]string{"bank_code": "088", "account_number": number}).want(201).id("id")
}

// buy buys voucher; it is in the wallet when this returns.
func (c *client) buy(where tenant.ID, account string, amount int64) answer {
	c.t.Helper()
	a := c.do("POST", "/tenants/"+where.String()+"/purchases", map[string]any{
		"programme_id": c.h.towns[where].programme, "amount": amount, "bank_account_id": account,
	}, "Idempotency-Key", newID()).want(201)
	if a.text("state") != "completed" {
		c.t.Fatalf("the purchase is %s: %s", a.text("state"), a.raw)
	}
	return a
}

// pay pays at the municipality's shop.
func (c *client) pay(where tenant.ID, amount int64, key string) answer {
	c.t.Helper()
	return c.do("POST", "/tenants/"+where.String()+"/payments", map[string]any{"merchant_id": c.h.towns[where].shop.ID, "amount": amount}, "Idempotency-Key", key)
}

// balance is what all wallets hold.
func (c *client) balance() (sum int64) {
	c.t.Helper()
	a := c.do("GET", "/me/wallets", nil).want(200)
	for i := range a.items() {
		sum += a.won(fmt.Sprintf("items.%d.balance", i))
	}
	return sum
}
