package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/modules/ledger"
)

// bundle is a municipality with a funded subsidy, a filled wallet and a shop.
type bundle struct {
	*ledger.Service
	kit    *testkit.Kit
	house  ledger.House
	wallet uuid.UUID
	shop   uuid.UUID
}

func setup(t testing.TB, filled money.Amount) (context.Context, *bundle) {
	t.Helper()
	k, ctx := testkit.Open(t)
	lane := ledger.NewLane(k.Lane, k.Clock.Now, ledger.LaneOptions{})
	t.Cleanup(lane.Close)
	b := &bundle{Service: ledger.New(k.DB, lane, k.Clock.Now), kit: k}
	var err error
	b.house, err = b.House(ctx)
	must(t, err)
	b.wallet, b.shop = b.open(t, ctx, ledger.Wallet), b.open(t, ctx, ledger.Payable)
	if filled > 0 {
		_, err = b.PostTx(ctx, entry(ledger.Funding, b.house.Fund, b.wallet, filled))
		must(t, err)
	}
	return ctx, b
}

func (b *bundle) open(t testing.TB, ctx context.Context, kind ledger.Kind) uuid.UUID {
	t.Helper()
	a, err := b.Open(ctx, kind, uuid.New())
	must(t, err)
	return a.ID
}

func entry(kind ledger.EntryKind, debit, credit uuid.UUID, amount money.Amount) ledger.Entry {
	return ledger.Entry{ID: id(), Kind: kind, Transfers: []ledger.Transfer{{Debit: debit, Credit: credit, Amount: amount}}}
}

func id() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func (b *bundle) order(t testing.TB, key string, amount money.Amount) ledger.Order {
	t.Helper()
	k, err := idem.New(b.wallet, key, "pay", amount)
	must(t, err)
	return ledger.Order{Tenant: b.kit.Tenant, ID: id(), Key: k, Wallet: b.wallet, Payee: b.shop, Amount: amount, Topic: "test.paid", Event: []byte(`{}`)}
}

func (b *bundle) holds(t testing.TB, ctx context.Context, wallet, shop money.Amount) {
	t.Helper()
	got, err := b.Balance(ctx, b.wallet)
	must(t, err)
	equal(t, got, wallet)
	got, err = b.Balance(ctx, b.shop)
	must(t, err)
	equal(t, got, shop)
	b.sound(t, ctx)
}

func (b *bundle) sound(t testing.TB, ctx context.Context) {
	t.Helper()
	report, err := b.Verify(ctx)
	must(t, err)
	if len(report.Differences) > 0 {
		t.Fatalf("the books do not add up: %v", report.Differences)
	}
}

func TestPost(t *testing.T) {
	t.Parallel()

	t.Run("moves the amount", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		out, err := b.Post(ctx, b.order(t, "k", 300))
		must(t, err)
		equal(t, out.Balance, 700)
		equal(t, out.Day, calendar.DayOf(testkit.Noon))
		b.holds(t, ctx, 700, 300)
	})

	t.Run("replays the same key", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		first, err := b.Post(ctx, b.order(t, "k", 300))
		must(t, err)
		second, err := b.Post(ctx, b.order(t, "k", 300))
		must(t, err)
		equal(t, second.Replayed, true)
		equal(t, second.ID, first.ID)
		equal(t, second.At, first.At)
		b.holds(t, ctx, 700, 300)
	})

	t.Run("refuses the same key for another amount", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		_, err := b.Post(ctx, b.order(t, "k", 300))
		must(t, err)
		_, err = b.Post(ctx, b.order(t, "k", 301))
		is(t, err, idem.ErrKeyReused)
		b.holds(t, ctx, 700, 300)
	})

	t.Run("refuses more than there is and leaves the key free", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 100)
		_, err := b.Post(ctx, b.order(t, "k", 101))
		is(t, err, ledger.ErrInsufficientBalance)
		_, err = b.PostTx(ctx, entry(ledger.Funding, b.house.Fund, b.wallet, 1))
		must(t, err)
		_, err = b.Post(ctx, b.order(t, "k", 101))
		must(t, err)
		b.holds(t, ctx, 0, 101)
	})

	t.Run("decides the day's limit with the payment", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		pay := func(key string, amount money.Amount) error {
			o := b.order(t, key, amount)
			o.DayMax = 500
			_, err := b.Post(ctx, o)
			return err
		}
		must(t, pay("a", 300))
		is(t, pay("b", 201), ledger.ErrDayLimit)
		must(t, pay("c", 200))
		b.kit.Clock.Advance(24 * time.Hour)
		must(t, pay("d", 500))
		b.holds(t, ctx, 0, 1000)
	})

	t.Run("does not reach a wallet of another municipality", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		_, other := setup(t, 0)
		o := b.order(t, "k", 10)
		o.Tenant = other.kit.Tenant
		_, err := b.Post(ctx, o)
		is(t, err, ledger.ErrAccountUnknown)
		b.holds(t, ctx, 1000, 0)
	})

	t.Run("spends no more than there is when pressed at once", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		var paid atomic.Int32
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				switch _, err := b.Post(ctx, b.order(t, fmt.Sprint(i), 300)); {
				case err == nil:
					paid.Add(1)
				case !errors.Is(err, ledger.ErrInsufficientBalance):
					t.Error(err)
				}
			})
		}
		all.Wait()
		equal(t, paid.Load(), 3)
		b.holds(t, ctx, 100, 900)
	})

	t.Run("pays once when one key is sent at once through two servers", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		lane := ledger.NewLane(b.kit.Lane, b.kit.Clock.Now, ledger.LaneOptions{})
		defer lane.Close()
		servers := []*ledger.Service{b.Service, ledger.New(b.kit.DB, lane, b.kit.Clock.Now)}
		var all sync.WaitGroup
		var fresh atomic.Int32
		for i := range 20 {
			all.Go(func() {
				out, err := servers[i%2].Post(ctx, b.order(t, "same", 300))
				if err != nil {
					t.Error(err)
				} else if !out.Replayed {
					fresh.Add(1)
				}
			})
		}
		all.Wait()
		equal(t, fresh.Load(), 1)
		b.holds(t, ctx, 700, 300)
	})
}

// A wallet that one payment empties: whoever sends its key at once through
// another server hears of that payment, and never that too little is left or
// that the day's limit is reached.
func TestPostTellsTheSameOnTwoServersThoughTheWalletIsEmptyNow(t *testing.T) {
	t.Parallel()
	ctx, b := setup(t, 0)
	lane := ledger.NewLane(b.kit.Lane, b.kit.Clock.Now, ledger.LaneOptions{})
	defer lane.Close()
	servers := []*ledger.Service{b.Service, ledger.New(b.kit.DB, lane, b.kit.Clock.Now)}
	for round := range 60 {
		_, err := b.PostTx(ctx, entry(ledger.Funding, b.house.Fund, b.wallet, 300))
		must(t, err)
		var all sync.WaitGroup
		var fresh, other atomic.Int32
		for i := range 4 {
			all.Go(func() {
				o := b.order(t, fmt.Sprint("round-", round), 300)
				if i == 3 {
					o = b.order(t, fmt.Sprint("round-", round), 299) // the same key for another amount
				}
				switch out, err := servers[i%2].Post(ctx, o); {
				case err == nil && !out.Replayed:
					fresh.Add(1)
					if i == 3 {
						other.Add(1)
					}
				case err != nil && !errors.Is(err, idem.ErrKeyReused):
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		all.Wait()
		equal(t, fresh.Load(), 1)
		if other.Load() == 1 {
			_, err := b.PostTx(ctx, entry(ledger.Correction, b.wallet, b.house.Fund, 1))
			must(t, err)
		}
	}
	b.sound(t, ctx)
}

// What a cancellation gives back while a payment waits for the wallet can be
// spent by that payment.
func TestPostSpendsWhatComesBackWhileItWaits(t *testing.T) {
	t.Parallel()
	ctx, b := setup(t, 100)
	for round := range 20 {
		paid, err := b.Post(ctx, b.order(t, fmt.Sprint("first-", round), 100)) // all there is
		must(t, err)
		posted, waits := make(chan error, 1), make(chan struct{})
		must(t, b.kit.DB.Tx(ctx, func(ctx context.Context) error {
			e := entry(ledger.Cancellation, b.shop, b.wallet, 100)
			e.Answers = paid.ID
			if _, err := b.PostTx(ctx, e); err != nil {
				return err
			}
			go func() {
				_, err := b.Post(context.WithoutCancel(t.Context()), b.order(t, fmt.Sprint("second-", round), 60))
				posted <- err
			}()
			go func() { defer close(waits); b.awaitLock(t) }()
			<-waits
			return nil
		}))
		must(t, <-posted)
		_, err = b.PostTx(ctx, entry(ledger.Correction, b.shop, b.wallet, 60))
		must(t, err)
	}
	b.holds(t, ctx, 100, 0)
}

// Who carries their own order is told in time that nobody knows, although the
// statement hangs; the same key tells what became of it.
func TestPostAnswersInTimeThoughItsStatementHangs(t *testing.T) {
	t.Parallel()
	ctx, b := setup(t, 100)
	order := b.order(t, "late", 60)
	must(t, b.kit.DB.Tx(ctx, func(ctx context.Context) error {
		if _, err := b.PostTx(ctx, entry(ledger.Correction, b.shop, b.wallet, 1)); err != nil { // and holds the wallet
			return err
		}
		told := make(chan error, 1)
		go func() {
			late, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
			defer cancel()
			_, err := b.Post(late, order)
			told <- err
		}()
		select {
		case err := <-told:
			is(t, err, fault.ErrUnavailable)
		case <-time.After(3 * time.Second):
			t.Error("nobody is told anything")
		}
		return nil
	}))
	_, err := b.Post(ctx, order)
	must(t, err)
	b.holds(t, ctx, 41, 59)
}

// awaitLock waits until a statement of the lane waits for a lock.
func (b *bundle) awaitLock(t testing.TB) {
	t.Helper()
	tick, end := time.NewTicker(time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for {
		var waiting int
		err := b.kit.Lane.Pgx().QueryRow(context.Background(), `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
			WHERE NOT l.granted AND a.application_name = 'jangteo test lane' AND a.datname = current_database()`).Scan(&waiting)
		if err != nil {
			t.Error(err)
			return
		}
		if waiting > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Error("nothing waits")
			return
		}
	}
}

func TestPostTx(t *testing.T) {
	t.Parallel()

	t.Run("refuses an entry's id twice", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		e := entry(ledger.Payment, b.wallet, b.shop, 10)
		_, err := b.PostTx(ctx, e)
		must(t, err)
		_, err = b.PostTx(ctx, e)
		is(t, err, ledger.ErrEntryExists)
		b.holds(t, ctx, 990, 10)
	})

	t.Run("cancels no more than was paid", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		paid := entry(ledger.Payment, b.wallet, b.shop, 100)
		_, err := b.PostTx(ctx, paid)
		must(t, err)
		cancel := func(amount money.Amount) error {
			e := entry(ledger.Cancellation, b.shop, b.wallet, amount)
			e.Answers = paid.ID
			_, err := b.PostTx(ctx, e)
			return err
		}
		must(t, cancel(60))
		is(t, cancel(41), ledger.ErrAnsweredInFull)
		must(t, cancel(40))
		b.holds(t, ctx, 1000, 0)
	})

	t.Run("rolls back with its caller", func(t *testing.T) {
		t.Parallel()
		ctx, b := setup(t, 1000)
		err := b.kit.DB.Tx(ctx, func(ctx context.Context) error {
			if _, err := b.PostTx(ctx, entry(ledger.Payment, b.wallet, b.shop, 10)); err != nil {
				return err
			}
			return context.Canceled
		})
		is(t, err, context.Canceled)
		b.holds(t, ctx, 1000, 0)
	})
}

func TestCloseDay(t *testing.T) {
	t.Parallel()
	ctx, b := setup(t, 1000)
	today := calendar.DayOf(testkit.Noon)
	_, err := b.Post(ctx, b.order(t, "before", 100))
	must(t, err)
	must(t, b.CloseDay(ctx, today))
	out, err := b.Post(ctx, b.order(t, "after", 10))
	must(t, err)
	equal(t, out.Day, today.Next())
	posted, err := b.PostTx(ctx, entry(ledger.Payment, b.wallet, b.shop, 1))
	must(t, err)
	equal(t, posted.Day, today.Next())
	moved, err := b.PayableMovements(ctx, today)
	must(t, err)
	if len(moved) != 1 || moved[0].Sales != 100 || moved[0].Count != 1 {
		t.Fatalf("the day's movements: %+v", moved)
	}
	b.holds(t, ctx, 889, 111)
	lines, err := b.EntriesOf(ctx, b.shop, uuid.Nil, 2)
	must(t, err)
	equal(t, len(lines), 2)
	rest, err := b.EntriesOf(ctx, b.shop, lines[1].EntryID, 10)
	must(t, err)
	equal(t, len(rest), 1)
	equal(t, rest[0].Amount, 100)
}

// A bulk leaves the wallets as the same entries one by one would, the day's
// spending included.
func TestPostMany(t *testing.T) {
	t.Parallel()
	ctx, b := setup(t, 1000)
	paid := entry(ledger.Payment, b.wallet, b.shop, 400)
	paid.At = testkit.Noon.Add(-24 * time.Hour)
	today := entry(ledger.Payment, b.wallet, b.shop, 300)
	today.At = testkit.Noon
	undone := entry(ledger.Cancellation, b.shop, b.wallet, 100)
	undone.At, undone.Answers = testkit.Noon, today.ID
	must(t, b.PostMany(ctx, []ledger.Entry{paid, today, undone}))
	b.holds(t, ctx, 400, 600)
	o := b.order(t, "k", 201)
	o.DayMax = 400
	_, err := b.Post(ctx, o) // 200 of today's 400 are spent
	is(t, err, ledger.ErrDayLimit)
	o = b.order(t, "k", 200)
	o.DayMax = 400
	_, err = b.Post(ctx, o)
	must(t, err)
	b.holds(t, ctx, 200, 800)
	over := entry(ledger.Payment, b.wallet, b.shop, 201)
	over.At = testkit.Noon
	if b.PostMany(ctx, []ledger.Entry{over}) == nil {
		t.Error("a bulk took more than there is")
	}
	b.holds(t, ctx, 200, 800)
}

// What was planted wrong is found and named.
func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	for check, sql := range map[string]string{
		"guarded-balance-is-its-transfers": `UPDATE ledger.accounts SET balance = balance + 1 WHERE tenant_id = $1 AND kind = 'wallet'`,
		"entry-amount-is-its-transfers":    `DELETE FROM ledger.transfers WHERE tenant_id = $1 AND entry_id = (SELECT id FROM ledger.entries WHERE tenant_id = $1 AND kind = 'payment')`,
		"transfer-has-its-entry":           `DELETE FROM ledger.entries WHERE tenant_id = $1 AND kind = 'payment'`,
		"wallet-spent-is-its-payments":     `UPDATE ledger.accounts SET spent = spent + 1 WHERE tenant_id = $1 AND kind = 'wallet'`,
		"answered-is-its-cancellations":    `UPDATE ledger.entries SET answered = 1 WHERE tenant_id = $1 AND kind = 'payment'`,
		"rollup-is-its-transfers":          `UPDATE ledger.rollups SET balance = balance + 1 WHERE tenant_id = $1`,
	} {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			ctx, b := setup(t, 1000)
			_, err := b.Post(ctx, b.order(t, "k", 300))
			must(t, err)
			must(t, b.CloseDay(ctx, calendar.DayOf(testkit.Noon)))
			b.sound(t, ctx)
			owner, err := db.Open(ctx, db.Options{URL: testkit.URL(t), Role: "postgres", MaxConnections: 1})
			must(t, err)
			defer func() { _ = owner.Close() }()
			_, err = owner.Pgx().Exec(ctx, sql, int(b.kit.Tenant))
			must(t, err)
			report, err := b.Verify(ctx)
			must(t, err)
			for _, d := range report.Differences {
				if d.Check == check {
					return
				}
			}
			t.Errorf("not found; found %v", report.Differences)
		})
	}
}

// Whatever is paid, cancelled, funded and resent in whatever order, the wallet
// is what a model of one number says.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		ctx, b := setup(t, 1000)
		wallet, shop := money.Amount(1000), money.Amount(0)
		sent, left := map[string]money.Amount{}, map[uuid.UUID]money.Amount{}
		var payments []uuid.UUID
		r.Repeat(map[string]func(*rapid.T){
			"pay": func(r *rapid.T) {
				key := rapid.SampledFrom([]string{"a", "b", "c", id().String()}).Draw(r, "key")
				amount := money.Amount(rapid.Int64Range(1, 600).Draw(r, "amount"))
				out, err := b.Post(ctx, b.order(t, key, amount))
				before, seen := sent[key]
				switch {
				case seen && before == amount:
					if err != nil || !out.Replayed {
						r.Fatalf("a resent payment: %v %v", out, err)
					}
				case seen:
					is(r, err, idem.ErrKeyReused)
				case amount > wallet:
					is(r, err, ledger.ErrInsufficientBalance)
				default:
					must(r, err)
					sent[key], left[out.ID] = amount, amount
					payments = append(payments, out.ID)
					wallet, shop = wallet-amount, shop+amount
				}
			},
			"cancel": func(r *rapid.T) {
				if len(payments) == 0 {
					return
				}
				payment := rapid.SampledFrom(payments).Draw(r, "payment")
				amount := money.Amount(rapid.Int64Range(1, 600).Draw(r, "amount"))
				e := entry(ledger.Cancellation, b.shop, b.wallet, amount)
				e.Answers = payment
				_, err := b.PostTx(ctx, e)
				if amount > left[payment] {
					is(r, err, ledger.ErrAnsweredInFull)
					return
				}
				must(r, err)
				left[payment] -= amount
				wallet, shop = wallet+amount, shop-amount
			},
			"": func(r *rapid.T) {
				got, err := b.Balance(ctx, b.wallet)
				must(r, err)
				equal(r, got, wallet)
				got, err = b.Balance(ctx, b.shop)
				must(r, err)
				equal(r, got, shop)
			},
		})
		b.sound(t, ctx)
	})
}

func TestHouseIsOneWhenFirstUsedAtOnce(t *testing.T) {
	t.Parallel()
	k, _ := testkit.Open(t)
	ctx := tenant.With(t.Context(), k.Tenant)
	s := ledger.New(k.DB, nil, k.Clock.Now)
	houses := make([]ledger.House, 5)
	var all sync.WaitGroup
	for i := range houses {
		all.Go(func() {
			h, err := s.House(ctx)
			if err != nil {
				t.Error(err)
			}
			houses[i] = h
		})
	}
	all.Wait()
	for _, h := range houses {
		equal(t, h.Fund, houses[0].Fund)
	}
}

type tester interface {
	Helper()
	Fatalf(string, ...any)
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func is(t tester, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func equal[T comparable](t tester, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}
