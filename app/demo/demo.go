// Package demo fills a new database with people, shops and a history that obeys
// every rule, and serves the pages that show how to try it all. Nothing of it
// exists in production.
//
// Seed makes the history through the same services as the real thing, with an
// app whose clock it moves along: municipalities join, people buy and pay, days
// close, shops are paid. It is the same at each run but for the day on which it
// ends.
package demo

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"jangteo/app"
	"jangteo/app/calendar"
	"jangteo/app/simulate"
)

// Options say how much is made.
type Options struct {
	Citizens int // at least 10
	Months   int // of history, of 30 days
	Now      func() time.Time
	Log      *slog.Logger
	OwnerURL string  // of the database, for its statistics
	Making   *Making // is told how far it is; may be nil
}

const (
	password     = "jangteo-demo-2026" // of everybody in the demonstration
	daysAMonth   = 30
	shopsLeast   = 6
	shopsMost    = 20_000
	shopsPerTen  = 3 // for each ten citizens
	chunk        = 500
	bookAtOnce   = 50_000 // transactions at the bank
	workers      = 3
	randomSeed   = 11560
	subsidyAHead = 100_000 // won of the budget for each citizen and month
)

// Seed fills the migrated, empty database of a. What was interrupted cannot be
// taken up: the database is made anew and Seed called again.
func Seed(ctx context.Context, a *app.App, sims *simulate.Servers, o Options) error {
	now := o.Now()
	clock := &clock{}
	clock.set(now)
	config := a.Config
	config.Database.URL = unhurried(config.Database.URL)
	maker, err := app.New(ctx, config, app.Options{Now: clock.now, Log: o.Log, Demo: true})
	if err != nil {
		return err
	}
	defer maker.Close()
	s := &seeder{
		app: maker, sims: sims, clock: clock, options: o,
		span: span{from: calendar.DayOf(now).AddDays(-daysAMonth * o.Months), now: now},
	}
	steps := map[string]func(context.Context) error{
		"municipalities": s.openMunicipalities, "shops": s.openShops, "people": s.livePeople, "settlements": s.settleDays,
	}
	for _, name := range makings {
		begun := o.Now()
		if err := steps[name](ctx); err != nil {
			return fmt.Errorf("making %s: %w", name, err)
		}
		o.Making.made()
		o.Log.InfoContext(ctx, "demo data", "made", name, "took", o.Now().Sub(begun).Round(time.Millisecond))
	}
	clock.set(now)
	if maker.Config.Cards.BackOffice != "" {
		if err := s.linkCards(ctx); err != nil {
			return fmt.Errorf("linking cards: %w", err)
		}
	}
	if err := a.Tenants.Refresh(ctx); err != nil {
		return err
	}
	return a.Vouchers.Refresh(ctx)
}

// unhurried lets PostgreSQL answer before a commit is on the disk: whoever is
// interrupted begins anew, and what comes after waits for the disk again.
func unhurried(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	query := u.Query()
	query.Set("synchronous_commit", "off")
	u.RawQuery = query.Encode()
	return u.String()
}

// clock shows the moment of history at which the app is.
type clock struct{ at atomic.Pointer[time.Time] }

func (c *clock) set(at time.Time) { at = at.UTC(); c.at.Store(&at) }
func (c *clock) now() time.Time   { return *c.at.Load() }

// each does work for the numbers below n, a few at a time, until one fails.
func each(ctx context.Context, n int, work func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var done sync.WaitGroup
	for range min(workers, n) {
		done.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := work(ctx, i); err != nil {
					stop(err)
				}
			}
		})
	}
	done.Wait()
	return context.Cause(ctx)
}
