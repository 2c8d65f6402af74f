// Package app is the composition root: it builds every module in the order of
// their dependencies and mounts them. It holds no rules of its own.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/i18n"
	"jangteo/app/idem"
	"jangteo/app/live"
	"jangteo/app/outbox"
	"jangteo/app/telemetry"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/config"
	"jangteo/modules/banking"
	"jangteo/modules/cards"
	"jangteo/modules/citizens"
	"jangteo/modules/incidents"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/notifications"
	"jangteo/modules/payments"
	"jangteo/modules/reports"
	"jangteo/modules/sessions"
	"jangteo/modules/settlement"
	"jangteo/modules/staff"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
	"jangteo/static"
	"jangteo/templates"
)

// Version is the program's; builds may set it.
var Version = "0.1.0"

// Options are what the configuration does not say.
type Options struct {
	Now     clock.Now
	Log     *slog.Logger
	Metrics *telemetry.Metrics
	Traces  *telemetry.Traces
	Demo    bool // pages say so, and link to the messages that the simulators sent
}

// App is the whole program, built and not yet running.
type App struct {
	Config  config.Config
	Log     *slog.Logger
	Now     clock.Now
	DB      *db.DB
	Lane    *db.DB
	Words   i18n.Words
	Pages   *web.Pages
	Router  *web.Router
	Echo    *echo.Echo
	Live    *live.Hub
	Streams *web.Streams
	Outbox  *outbox.Outbox
	Audit   *audit.Log
	Tokens  *auth.Tokens
	Signer  *auth.Statements

	Approvals *approvals.Approvals

	Tenants       *tenants.Service
	Ledger        *ledger.Service
	Citizens      *citizens.Service
	Sessions      *sessions.Service
	Incidents     *incidents.Service
	Staff         *staff.Service
	Banking       *banking.Service
	Merchants     *merchants.Service
	Vouchers      *vouchers.Service
	Payments      *payments.Service
	Cards         *cards.Service
	Settlement    *settlement.Service
	Notifications *notifications.Service
	Reports       *reports.Service

	signIn   *signin.Kit
	lane     *ledger.Lane
	tills    *payments.ShopPages
	keys     *idem.Keys
	provider *citizens.Provider

	backOffice *cards.BackOffice
	work       sync.WaitGroup
	demo       bool
}

// New builds everything over the database that the configuration names. Nothing
// runs yet; Close gives back what was taken.
func New(ctx context.Context, cfg config.Config, o Options) (*App, error) {
	a := &App{Config: cfg, Log: o.Log, Now: o.Now, demo: o.Demo}
	if err := a.assemble(ctx, o); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *App) assemble(ctx context.Context, o Options) (err error) {
	cfg := a.Config
	if err := a.connect(ctx); err != nil {
		return err
	}
	box, err := crypt.Open(ctx, a.DB, cfg.Secrets.MasterKey, o.Now)
	if err != nil {
		return err
	}
	if a.Words, err = i18n.Load(); err != nil {
		return err
	}
	if err := a.build(ctx, box); err != nil {
		return err
	}
	if a.Pages, err = web.LoadPages(templates.Files, a.Words, static.Path); err != nil {
		return err
	}
	a.Pages.Frame = a.frame
	a.Echo = web.NewServer(web.ServerOptions{
		Log: o.Log, Secure: a.secure(), TrustProxy: cfg.Server.TrustProxy, Timeout: cfg.Server.RequestTimeout,
	}, func() *web.Pages { return a.Pages })
	if o.Metrics != nil {
		a.Echo.Use(o.Metrics.Middleware)
		o.Metrics.Pool("service", a.DB.Pgx())
		o.Metrics.Pool("lane", a.Lane.Pgx())
	}
	a.Echo.Use(o.Traces.Middleware)
	a.routes()
	a.events()
	return nil
}

// asideOfService are connections for what keeps memory true: ended sessions,
// keys, municipalities, shops.
const asideOfService = 2

func (a *App) connect(ctx context.Context) (err error) {
	c := a.Config.Database
	if a.DB, err = db.Open(ctx, db.Options{URL: c.URL, Role: db.Service, MaxConnections: c.Connections, Aside: asideOfService, Name: "service"}); err != nil {
		return err
	}
	if a.Lane, err = db.Open(ctx, db.Options{URL: c.URL, Role: db.Lane, MaxConnections: c.LaneConnections, Aside: 1, Name: "lane"}); err != nil {
		return err
	}
	if err := a.DB.Ping(ctx); err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	return nil
}

// build makes the modules, each from those below it.
func (a *App) build(ctx context.Context, box *crypt.Box) (err error) {
	cfg, now, log := a.Config, a.Now, a.Log
	a.keys = idem.NewKeys(a.DB, now)
	a.Outbox = outbox.New(a.DB, a.Lane, now, log)
	a.Audit = audit.New(a.DB, now)
	a.Approvals = approvals.New(a.DB, a.Audit, now, log)
	a.Live = live.New(a.DB, log)
	a.Streams = web.NewStreams(a.Live)
	desks := auth.NewWebSessions(a.DB, now, map[auth.Kind]auth.Lifetime{
		auth.Staff: {Idle: cfg.Sessions.StaffIdle, Absolute: cfg.Sessions.StaffAbsolute},
		auth.Clerk: {Idle: cfg.Sessions.ClerkIdle, Absolute: cfg.Sessions.ClerkAbsolute},
	})
	passwords, err := auth.NewPasswords()
	if err != nil {
		return err
	}
	a.signIn, err = signin.New(a.DB, box, a.Audit, desks, passwords, signin.Config{
		PublicURL: cfg.Server.PublicURL, FactorRequired: cfg.Sessions.StaffSecondFactor, StepUp: cfg.Sessions.StepUp,
	}, now)
	if err != nil {
		return err
	}
	if a.Tokens, err = auth.OpenTokens(ctx, a.DB, box, auth.TokensConfig{Issuer: cfg.Tokens.Issuer, Audience: cfg.Tokens.Audience}, now); err != nil {
		return err
	}
	if a.Signer, err = auth.OpenStatements(ctx, a.DB, box, now); err != nil {
		return err
	}

	a.Tenants = tenants.New(a.DB, a.Audit, now, log)
	a.lane = ledger.NewLane(a.Lane, now, ledger.LaneOptions{
		Writers: cfg.Ledger.LaneWriters, BatchMax: cfg.Ledger.LaneBatchMax, OneTenant: cfg.Ledger.BatchScope == "tenant",
		Payments: payments.PaidRecord, Cancellations: payments.UndoneRecord, Told: a.Outbox.Poke,
	})
	a.Ledger = ledger.New(a.DB, a.lane, now)
	a.provider = citizens.NewProvider(cfg.Identity.URL)
	a.Citizens = citizens.New(a.DB, box, a.provider, a.Audit, citizens.Limits{}, now)
	a.Sessions = sessions.New(a.DB, a.Citizens, a.Tokens, box, a.Outbox, a.Audit, sessions.Config{
		SeveralDevices: !cfg.Sessions.OneDevice, ResumesPerSecond: cfg.Sessions.ResumesPerSecond, PublicURL: cfg.Server.PublicURL,
		RenewalsPerSession: cfg.Limits.RenewalsPerSession, ChallengesPerDevice: cfg.Limits.ChallengesPerDevice,
	}, now, log)
	a.Incidents = incidents.New(a.DB, a.Sessions, a.Tenants, a.Audit, a.Approvals, now)
	a.Staff = staff.New(a.DB, a.Tenants, a.Audit, a.signIn, now)
	bank := banking.NewOpenBanking(banking.OpenBankingConfig{
		URL: cfg.Bank.URL, ClientID: cfg.Bank.ClientID, ClientSecret: cfg.Bank.ClientSecret, ClientName: "jangteo", Timeout: cfg.Bank.Timeout,
	}, now)
	if a.Banking, err = banking.New(a.DB, a.Lane, bank, box, banking.Config{InstitutionCode: cfg.Bank.Institution}, now, log); err != nil {
		return err
	}
	a.Merchants = merchants.New(a.DB, a.Lane, a.Ledger, box, a.Audit, a.Live, a.signIn, cfg.Sessions.ClerkAbsolute, now, log)
	a.Vouchers = vouchers.New(vouchers.Kits{DB: a.DB, Approvals: a.Approvals, Lane: a.Lane, Keys: a.keys, Outbox: a.Outbox, Audit: a.Audit, Now: now, Log: log},
		a.Ledger, a.Tenants, a.Banking)
	a.Vouchers.KnowPeople(a.Citizens.Names)
	a.Vouchers.KnowBirthDates(func(ctx context.Context, citizen uuid.UUID) (calendar.Day, error) {
		p, err := a.Citizens.Personal(ctx, citizen)
		return p.BirthDate, err
	})
	a.Sessions.KnowMembers(a.Vouchers.Members)
	a.Payments = payments.New(a.DB, a.Lane, a.keys, a.Ledger, a.Merchants, a.Vouchers, now)
	a.Payments.Announce(a.Outbox)
	a.backOffice = cards.NewBackOffice(cfg.Cards.BackOffice, cfg.Cards.BackOfficeSecret)
	a.Cards = cards.New(cards.Kits{
		DB: a.DB, Lane: a.Lane, Keys: a.keys, Outbox: a.Outbox, Audit: a.Audit, Live: a.Live, Desk: a.backOffice, Now: now, Log: log,
	}, a.Ledger, a.Citizens, a.Merchants, a.Vouchers, a.Payments)
	a.Settlement = settlement.New(a.DB, a.Ledger, a.Merchants, a.Banking, a.Outbox, a.Audit, a.Approvals, a.Live, a.terms, now, log)
	a.Notifications = notifications.New(a.DB, a.Live, a.Merchants.Names, now)
	a.Reports = reports.New(reports.Services{
		DB: a.DB, Audit: a.Audit, Tenants: a.Tenants, Ledger: a.Ledger, Citizens: a.Citizens, Merchants: a.Merchants,
		Vouchers: a.Vouchers, Payments: a.Payments, Cards: a.Cards, Settlement: a.Settlement, Approvals: a.Approvals, Now: now,
	})
	return nil
}

// terms is what settlement asks of a municipality.
func (a *App) terms(ctx context.Context) (settlement.Terms, error) {
	t, err := a.Tenants.Get(ctx, tenant.From(ctx))
	return settlement.Terms{Days: t.SettlementDays, FundAccount: t.FundAccount}, err
}

// holder is what banking asks of a citizen who links an account.
func (a *App) holder(ctx context.Context, citizen uuid.UUID) (name string, birthDate calendar.Day, err error) {
	return a.Citizens.Holder(ctx, citizen)
}

// secure says whether people reach us by https, so that cookies may be Secure.
func (a *App) secure() bool { return strings.HasPrefix(a.Config.Server.PublicURL, "https://") }

// Warm reads what requests need in memory, so that the first one is answered
// like every other.
func (a *App) Warm(ctx context.Context) error {
	for _, read := range []func(context.Context) error{a.Sessions.Poll, a.Tenants.Refresh, a.Vouchers.Refresh, a.Merchants.Refresh, a.Cards.Refresh} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Run keeps the program's own work going until ctx ends: events, caches, jobs.
func (a *App) Run(ctx context.Context) error {
	jobs, err := a.jobs()
	if err != nil {
		return err
	}
	for _, run := range []func(context.Context){
		func(ctx context.Context) { a.Outbox.Run(ctx, time.Second) },
		func(ctx context.Context) { a.Live.Run(ctx, a.DB.PgxAside()) },
		func(ctx context.Context) { a.Tenants.Run(ctx, 2*time.Second) },
		func(ctx context.Context) { a.Vouchers.Run(ctx, 2*time.Second) },
		func(ctx context.Context) { a.Tokens.Run(ctx, a.Log) },
		func(ctx context.Context) { a.Signer.Run(ctx, a.Log) },
		a.Approvals.Run,
		a.Merchants.Run,
		a.Cards.Run,
		a.Sessions.Run,
	} {
		a.work.Go(func() { run(ctx) })
	}
	if err := jobs.Start(ctx); err != nil {
		return fmt.Errorf("job queue: %w", err)
	}
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = jobs.Stop(stop)
	a.work.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // a job that was cut short is done again
	}
	return err
}

// Close finishes what the fast lane accepted and closes the pools.
func (a *App) Close() {
	if a.lane != nil {
		a.lane.Close()
	}
	if a.provider != nil {
		a.provider.Close()
	}
	if a.backOffice != nil {
		a.backOffice.Close()
	}
	for _, d := range []*db.DB{a.DB, a.Lane} {
		if d != nil {
			_ = d.Close()
		}
	}
}
