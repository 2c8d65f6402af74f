package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
	"jangteo/migrations"
	"jangteo/modules/notifications"
	"jangteo/modules/payments"
	"jangteo/modules/sessions"
	"jangteo/modules/settlement"
	"jangteo/modules/vouchers"
)

// events says which event wakes which module.
func (a *App) events() {
	a.Outbox.On(a.Notifications.OnEvents, notifications.Topics...)
	a.Outbox.OnTogether(a.tills.Tell, payments.SaleTopics...)
	a.Outbox.On(a.Cards.OnCharged, payments.TopicCharged)
	a.Outbox.On(a.Cards.OnPurchased, vouchers.TopicPurchaseCompleted)
	a.Outbox.On(a.Incidents.OnRecordMissing, sessions.TopicRecordMissing)
}

// timed is work that a timer wakes, on one server at a time.
type timed struct {
	Name string `json:"name"`
}

// Kind is its name in the queue.
func (timed) Kind() string { return "timed" }

// timer says what is done how often.
type timer struct {
	name  string
	every time.Duration
	work  func(context.Context) error
}

func (a *App) timers() []timer {
	return []timer{
		{"resolve-transfers", 5 * time.Second, func(ctx context.Context) error { _, err := a.Banking.Resolve(ctx, 200); return err }},
		{"book-parked-advices", time.Minute, func(ctx context.Context) error { _, err := a.Cards.BookParked(ctx); return err }},
		{"resolve-swaps", 30 * time.Second, a.resolveSwaps},
		{"fetch-clearing", 10 * time.Minute, a.fetchClearing},
		{"sweep-purchases", time.Minute, func(ctx context.Context) error { _, err := a.Vouchers.Sweep(ctx); return err }},
		{"carry-out-approved", 15 * time.Second, a.carryOutApproved},
		{"close-days", 10 * time.Minute, a.closeDays},
		{"seal-days", time.Minute, a.sealDays},
		{"pay-out", 10 * time.Minute, a.payOut},
		{"forget-identity-checks", time.Hour, func(ctx context.Context) error { _, err := a.Citizens.Forget(ctx); return err }},
		{"forget-sessions", time.Hour, func(ctx context.Context) error { _, err := a.Sessions.Forget(ctx); return err }},
		{"forget-keys", time.Hour, a.forgetKeys},
		{"verify", daily, a.verifyAll},
		{"verify-asked", 5 * time.Second, a.Reports.VerifyWanted},
	}
}

// carryOutApproved finishes what a server left that was stopped, in every
// municipality and on the platform.
func (a *App) carryOutApproved(ctx context.Context) error {
	return errors.Join(a.Approvals.Work(tenant.With(ctx, tenant.Platform)), a.eachLive(ctx, a.Approvals.Work))
}

// closeDays closes yesterday wherever it is still open, and settles it. Asking
// again costs little and finishes what a crash left between the two.
func (a *App) closeDays(ctx context.Context) error {
	yesterday := calendar.DayOf(a.Now()).AddDays(-1)
	return a.eachLive(ctx, func(ctx context.Context) error {
		_, err := a.Settlement.CloseDay(ctx, yesterday)
		return err
	})
}

// sealDays seals what is closed and not sealed yet.
func (a *App) sealDays(ctx context.Context) error {
	return a.eachLive(ctx, func(ctx context.Context) error {
		_, err := a.Ledger.SealDays(ctx)
		return err
	})
}

// payOut pays what is due, on business days.
func (a *App) payOut(ctx context.Context) error {
	if !calendar.IsBusiness(calendar.DayOf(a.Now())) {
		return nil
	}
	return a.eachLive(ctx, func(ctx context.Context) error {
		_, err := a.Settlement.PayOut(ctx, settlement.Due)
		return err
	})
}

// resolveSwaps goes on with the swaps whose issuer has not decided.
func (a *App) resolveSwaps(ctx context.Context) error {
	return a.eachLive(ctx, func(ctx context.Context) error {
		_, err := a.Cards.ResolveSwaps(ctx)
		return err
	})
}

// fetchClearing asks issuers for yesterday's file, until they have it.
func (a *App) fetchClearing(ctx context.Context) error {
	if a.Config.Cards.BackOffice == "" {
		return nil
	}
	yesterday := calendar.DayOf(a.Now()).AddDays(-1)
	return a.eachLive(ctx, func(ctx context.Context) error { return a.Cards.FetchClearing(ctx, yesterday) })
}

// keysKept is how long a request may be sent again with its key.
const keysKept = 30 * 24 * time.Hour

func (a *App) forgetKeys(ctx context.Context) error {
	return a.eachLive(ctx, func(ctx context.Context) error {
		_, err := a.keys.Forget(ctx, a.Now().Add(-keysKept))
		return err
	})
}

func (a *App) verifyAll(ctx context.Context) error {
	return a.eachLive(ctx, func(ctx context.Context) error {
		_, err := a.Reports.Verify(ctx)
		return err
	})
}

// eachLive does work in every municipality that has a programme; the trouble of
// one does not keep the others waiting.
func (a *App) eachLive(ctx context.Context, work func(context.Context) error) error {
	live, err := a.Tenants.Live(ctx)
	if err != nil {
		return err
	}
	for _, t := range live {
		if failed := work(tenant.With(ctx, t.ID)); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", t.ID, failed))
		}
	}
	return err
}

type timedWorker struct {
	river.WorkerDefaults[timed]
	work map[string]func(context.Context) error
}

// Work does what the timer's name says; an error is tried again, with growing waits.
func (w *timedWorker) Work(ctx context.Context, job *river.Job[timed]) error {
	work := w.work[job.Args.Name]
	if work == nil {
		return river.JobCancel(fmt.Errorf("no timer is called %q", job.Args.Name))
	}
	return work(ctx)
}

// Timeout bounds one run. What runs daily goes over everything there is.
func (w *timedWorker) Timeout(job *river.Job[timed]) time.Duration {
	if job.Args.Name == "verify" || job.Args.Name == "verify-asked" {
		return 3 * time.Hour
	}
	return 10 * time.Minute
}

// daily work is done at night, when the fewest pay and the day before is closed.
const daily = 24 * time.Hour

type nightly struct{}

// Next is half past three in Seoul.
func (nightly) Next(at time.Time) time.Time {
	const night = 3*time.Hour + 30*time.Minute
	today := calendar.DayOf(at)
	if next := today.Start().Add(night); next.After(at) {
		return next
	}
	return today.Next().Start().Add(night)
}

func (t timer) schedule() river.PeriodicSchedule {
	if t.every == daily {
		return nightly{}
	}
	return river.PeriodicInterval(t.every)
}

// never is a schedule of what must not run: rebuilding the queue's indexes is
// the owner's, not the service's.
type never struct{}

func (never) Next(at time.Time) time.Time { return at.AddDate(100, 0, 0) }

func (a *App) jobs() (*river.Client[pgx.Tx], error) {
	worker := &timedWorker{work: map[string]func(context.Context) error{}}
	var periodic []*river.PeriodicJob
	for _, t := range a.timers() {
		worker.work[t.name] = t.work
		periodic = append(periodic, river.NewPeriodicJob(t.schedule(), func() (river.JobArgs, *river.InsertOpts) {
			return timed{t.name}, &river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: t.every}}
		}, &river.PeriodicJobOpts{RunOnStart: t.every < time.Hour}))
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, worker)
	return river.NewClient(riverpgxv5.New(a.DB.Pgx()), &river.Config{
		Schema: migrations.JobsSchema, Logger: a.Log, Workers: workers, PeriodicJobs: periodic, ReindexerSchedule: never{},
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 3}},
	})
}
