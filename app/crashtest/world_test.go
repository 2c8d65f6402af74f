package crashtest

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"jangteo/app"
	"jangteo/app/auth"
	"jangteo/app/bizno"
	"jangteo/app/cli"
	"jangteo/app/clock"
	"jangteo/app/money"
	"jangteo/app/pg"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
	"jangteo/config"
	"jangteo/migrations"
	"jangteo/modules/merchants"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
)

const (
	masterKey   = "Y3Jhc2ggdGVzdHMgb25seTogMzIgYnl0ZXMgbG9uZyE="
	institution = "M202600001"
	peopleEach  = 12
	filled      = money.Amount(300_000) // in every wallet at first: some run dry
	patience    = 2 * time.Minute       // with anything that must come back, on a busy machine
)

// towns are the municipalities that are paid in.
var towns = []tenant.ID{11560, 26350}

// world is a PostgreSQL of its own, a line that leads to it and can be cut, and
// servers at the end of that line, each a process.
type world struct {
	t        *testing.T
	options  pg.Options
	proxies  *toxiproxy.ApiServer
	line     *toxiproxy.Proxy
	tokens   *auth.Tokens
	people   []*person
	shops    map[tenant.ID][]uuid.UUID
	servers  []*server
	postgres *pg.Server
}

// person is a citizen with one wallet.
type person struct {
	tenant          tenant.ID
	citizen, wallet uuid.UUID

	mu     sync.Mutex
	token  string
	minted time.Time
}

// asProgram, when it is set, makes this test's executable the program that it
// tests, which has everything compiled in already.
const asProgram = "CRASHTEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// program is jangteo with these arguments, configured for the database at url.
func program(url string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=yes", "JANGTEO_DATABASE_URL="+url, "JANGTEO_SECRETS_MASTER_KEY="+masterKey,
		"JANGTEO_BANK_INSTITUTION="+institution, "JANGTEO_DATABASE_CONNECTIONS=6")
	return cmd
}

// newWorld starts everything in a folder, which PostgreSQL's user can enter.
func newWorld(t *testing.T, dir string, servers int, settings map[string]string) *world {
	t.Helper()
	w := &world{t: t, shops: map[tenant.ID][]uuid.UUID{}}
	ctx := context.Background()
	var err error
	// Killed processes lose nothing that they have written, synced or not; what
	// must hold is that a commit is written before it is answered.
	w.options = pg.Options{Dir: filepath.Join(dir, "postgres"), Durable: *fsync, Settings: map[string]string{"synchronous_commit": "on", "full_page_writes": "on"}}
	maps.Copy(w.options.Settings, settings)
	if w.postgres, err = pg.Start(ctx, w.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.postgres.Stop(ctx); err != nil {
			t.Log(err)
		}
		if err := pg.Remove(ctx, w.options.Dir); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Apply(ctx, w.url()); err != nil {
		t.Fatal(err)
	}
	w.furnish()
	w.proxies = toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	w.line = toxiproxy.NewProxy(w.proxies, "postgres", "127.0.0.1:0", w.address())
	if err := w.line.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.line.Stop)
	for range servers {
		s := &server{world: w}
		w.servers = append(w.servers, s)
		s.start()
	}
	return w
}

// url is PostgreSQL's, not by the line.
func (w *world) url() string { return w.postgres.URL("postgres") }

func (w *world) address() string { return fmt.Sprintf("127.0.0.1:%d", w.postgres.Port()) }

// byTheLine is the address that the servers are told.
func (w *world) byTheLine() string {
	return strings.Replace(w.url(), w.address(), w.line.Listen, 1)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// furnish brings municipalities, shops, a programme and people with voucher.
func (w *world) furnish() {
	w.t.Helper()
	ctx := context.Background()
	cfg, err := config.Load("", nil)
	w.must(err)
	cfg.Database.URL, cfg.Secrets.MasterKey, cfg.Bank.Institution = w.url(), masterKey, institution
	a, err := app.New(ctx, cfg, app.Options{Now: clock.System, Log: slog.New(slog.DiscardHandler)})
	w.must(err)
	defer a.Close()
	w.tokens = a.Tokens // they sign without asking the database
	w.must(a.Tenants.Seed(ctx))
	owner, err := pgx.Connect(ctx, w.url())
	w.must(err)
	defer func() { _ = owner.Close(ctx) }()
	for _, id := range towns {
		ctx := tenant.With(ctx, id)
		w.must(a.Tenants.Configure(ctx, id, tenants.Settings{
			Live: true, Accent: 1, VoucherName: "상품권", VoucherNameEn: "Voucher", SettlementDays: 2, FundAccount: "100000" + id.String(),
		}))
		now := a.Now()
		programme, err := a.Vouchers.Open(ctx, vouchers.ProgrammeInput{
			Kind: vouchers.Discount, Name: "상품권", NameEn: "Voucher", OpensAt: now.Add(-24 * time.Hour),
			Policy: vouchers.Policy{
				Clause: "조례 제7조", EffectiveFrom: now.Add(-24 * time.Hour), Author: "crash tests", DiscountBP: 1000, PurchaseMin: 10_000, PurchaseStep: 10_000,
				PurchaseMonthMax: 2_000_000, HoldMax: 2_000_000, PerPaymentMax: 500_000, ValidityYears: 5, RefundUsedBP: 6000,
			},
		})
		w.must(err)
		inputs := make([]merchants.RegisterInput, 3)
		for i := range inputs {
			inputs[i] = merchants.RegisterInput{
				Name: fmt.Sprintf("가게 %d", i), BizNo: bizno.Make(int64(id)*1000 + int64(i)).String(), Trade: trade(),
				Owner: "김가게", Phone: fmt.Sprintf("010%08d", i), Address: "길 1",
				Payout: merchants.Destination{BankCode: "088", Number: fmt.Sprintf("110%05d%04d", id, i), Holder: "김가게"},
			}
		}
		shops, err := a.Merchants.SeedMany(ctx, inputs)
		w.must(err)
		for _, s := range shops {
			w.shops[id] = append(w.shops[id], s.ID)
		}
		house, err := a.Ledger.House(ctx)
		w.must(err)
		for range peopleEach {
			p := &person{tenant: id, citizen: uuid.Must(uuid.NewV7()), wallet: uuid.Must(uuid.NewV7())}
			w.people = append(w.people, p)
			w.must(p.fill(ctx, owner, programme.ID, house.Fund, now))
		}
	}
}

func trade() string {
	for _, one := range refdata.Trades() {
		if !refdata.NormallyExcluded(one.Code) {
			return one.Code
		}
	}
	panic("every trade is excluded")
}

// fill gives a person a wallet that was filled by one correction.
func (p *person) fill(ctx context.Context, owner *pgx.Conn, programme, fund uuid.UUID, now time.Time) error {
	entry := uuid.Must(uuid.NewV7())
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		for _, s := range []struct {
			sql  string
			args []any
		}{
			{`INSERT INTO ledger.accounts (tenant_id, id, kind, owner_id, guarded, balance, spent, opened_at) VALUES ($1, $2, 'wallet', $3, true, $4, 0, $5)`,
				[]any{p.tenant, p.wallet, p.citizen, filled, now}},
			{`INSERT INTO vouchers.wallets (tenant_id, id, citizen_id, programme_id, lots, opened_at) VALUES ($1, $2, $3, $4, 1, $5)`,
				[]any{p.tenant, p.wallet, p.citizen, programme, now}},
			{`INSERT INTO vouchers.memberships (citizen_id, wallet_id, tenant_id) VALUES ($1, $2, $3)`, []any{p.citizen, p.wallet, p.tenant}},
			{`INSERT INTO vouchers.lots (tenant_id, wallet_id, seq, face, paid, subsidy, issued_at, expires_at)
				VALUES ($1, $2, 1, $3, $3, 0, $4::timestamptz, $4::timestamptz + interval '5 years')`, []any{p.tenant, p.wallet, filled, now}},
			{`INSERT INTO ledger.entries (tenant_id, id, kind, at, day, amount)
				VALUES ($1, $2, 'correction', $3::timestamptz, ($3::timestamptz AT TIME ZONE 'Asia/Seoul')::date, $4)`, []any{p.tenant, entry, now, filled}},
			{`INSERT INTO ledger.transfers (tenant_id, entry_id, line, debit_id, credit_id, amount, day)
				VALUES ($1, $2, 0, $3, $4, $5, ($6::timestamptz AT TIME ZONE 'Asia/Seoul')::date)`, []any{p.tenant, entry, fund, p.wallet, filled, now}},
		} {
			if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
				return fmt.Errorf("%.40s: %w", s.sql, err)
			}
		}
		return nil
	})
}

// bearer is a token that is good for some minutes yet.
func (p *person) bearer(tokens *auth.Tokens) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.minted) < time.Minute {
		return p.token, nil
	}
	token, _, err := tokens.Mint(auth.Claims{Citizen: p.citizen, Session: uuid.Must(uuid.NewV7()), Device: uuid.Must(uuid.NewV7()), Epoch: 1})
	if err == nil {
		p.token, p.minted = token, time.Now()
	}
	return p.token, err
}

// server is one process of the program, killed and started again.
type server struct {
	world  *world
	said   tail
	cmd    *exec.Cmd
	ended  <-chan struct{}
	killed atomic.Bool // by us
	addr   atomic.Pointer[string]
}

// start runs the program until it answers; while PostgreSQL is away it fails,
// and is tried again as a supervisor would.
func (s *server) start() {
	t := s.world.t
	t.Helper()
	var last error
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if last = s.try(); last == nil {
			return
		}
	}
	t.Fatalf("a server does not start: %v", last)
}

func (s *server) try() error {
	cmd := program(s.world.byTheLine(), "bench-server")
	dieWithUs(cmd)
	cmd.Stderr = &s.said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	ended, err := startOnOwnThread(cmd)
	if err != nil {
		return err
	}
	s.world.t.Cleanup(func() {
		s.killed.Store(true)
		_ = cmd.Process.Kill()
		<-ended
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	addrs, ok := strings.CutPrefix(strings.TrimSpace(line), "answering ")
	addr, _, _ := strings.Cut(addrs, " ") // and where cards are answered
	if err != nil || !ok {
		_ = cmd.Process.Kill()
		<-ended
		return fmt.Errorf("%q: %s", line, s.said.text())
	}
	s.cmd, s.ended = cmd, ended
	s.killed.Store(false)
	s.addr.Store(&addr)
	go func() {
		<-ended
		if !s.killed.Load() {
			s.world.t.Errorf("a server ended by itself: %v: %s", cmd.ProcessState, s.said.text())
		}
	}()
	return nil
}

// startOnOwnThread keeps a thread for as long as the child lives: the kernel
// takes the thread that made it for its parent, and Go ends threads as it likes.
func startOnOwnThread(cmd *exec.Cmd) (<-chan struct{}, error) {
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // ProcessState says more
			close(ended)
		}
	}()
	return ended, <-started
}

// tail keeps the last that a process said.
type tail struct {
	mu  sync.Mutex
	all []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, p...)
	t.all = t.all[max(0, len(t.all)-4000):]
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.all)
}

// kill ends the process as a fault of the machine would.
func (s *server) kill() {
	s.killed.Store(true)
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// killPostgres ends the postmaster without a word, and starts it again on what
// it left.
func (w *world) killPostgres() {
	w.t.Helper()
	w.must(syscall.Kill(w.postgres.PID(), syscall.SIGKILL))
	<-w.postgres.Exited()
	w.restartPostgres()
}

func (w *world) restartPostgres() {
	w.t.Helper()
	_ = w.postgres.Stop(context.Background()) // gives the folder back
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	next, err := pg.Start(ctx, w.options)
	w.must(err)
	w.postgres = next
	w.must(w.line.Update(&toxiproxy.Proxy{Listen: w.line.Listen, Upstream: w.address(), Enabled: true}))
}

// killBackend ends one of PostgreSQL's processes, upon which it throws all
// sessions out and recovers by itself.
func (w *world) killBackend() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.url())
	w.must(err)
	defer func() { _ = conn.Close(ctx) }()
	var pid int
	w.must(conn.QueryRow(ctx, `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'jangteo lane%' ORDER BY random() LIMIT 1`).Scan(&pid))
	w.must(syscall.Kill(pid, syscall.SIGKILL))
}

// toxin makes the line slow or dumb until the returned function is called.
func (w *world) toxin(kind, stream, attributes string) (cure func()) {
	w.t.Helper()
	body := `{"name":"toxin","type":` + strconv.Quote(kind) + `,"stream":` + strconv.Quote(stream) + `,"attributes":` + attributes + `}`
	_, err := w.line.Toxics.AddToxicJson(strings.NewReader(body))
	w.must(err)
	return func() { w.must(w.line.Toxics.RemoveToxic(context.Background(), "toxin")) }
}

// awaitAnswer waits until PostgreSQL takes connections.
func (w *world) awaitAnswer() *pgx.Conn {
	w.t.Helper()
	var conn *pgx.Conn
	w.until("PostgreSQL is back", func() (back bool) {
		var err error
		conn, err = pgx.Connect(context.Background(), w.url())
		return err == nil
	})
	return conn
}

// until waits until it holds.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}
