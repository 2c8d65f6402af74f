// Package bench measures the program from outside: it fills a database of a
// stated size, starts a server on it as a process of its own, and drives the
// real HTTP API from this one, with PostgreSQL's own pgbench as the yardstick.
package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app"
	"jangteo/app/auth"
	"jangteo/app/bizno"
	"jangteo/app/calendar"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
	"jangteo/modules/merchants"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
)

const (
	places          = 50 // municipalities that issue
	large           = 5  // of these have half of all citizens
	shopsEach       = 40
	paymentsAMonth  = 10 // a citizen, in the history
	callersMost     = 4096
	filled          = 1_000_000_000 // won in every wallet: nobody runs dry while measured
	largeShareTenth = 5             // of ten citizens, those in a large municipality
)

// Size says how much is there before anything is measured.
type Size struct{ Citizens, Months int }

// caller is a citizen who pays, with all that a request of theirs needs.
type caller struct {
	tenant tenant.ID
	wallet uuid.UUID
	token  string
	card   string // the issuer's token
}

// World is the filled database, as the load generator knows it.
type World struct {
	callers []caller
	shops   map[tenant.ID][]uuid.UUID
	now     func() time.Time
}

// Fill makes municipalities, shops and programmes through the services, and
// citizens' wallets with their history in sets, as the database's owner.
func Fill(ctx context.Context, a *app.App, ownerURL string, size Size) (*World, error) {
	if err := a.Tenants.Seed(ctx); err != nil {
		return nil, err
	}
	w := &World{shops: map[tenant.ID][]uuid.UUID{}, now: a.Now}
	owner, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = owner.Close(context.WithoutCancel(ctx)) }()
	if _, err := owner.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return nil, err
	}
	ids := make([]tenant.ID, places)
	for i := range places {
		ids[i] = tenant.ID(refdata.Municipalities()[i].Code)
		here := size.Citizens * largeShareTenth / 10 / large
		if i >= large {
			here = size.Citizens * (10 - largeShareTenth) / 10 / (places - large)
		}
		if err := w.fillPlace(ctx, a, owner, ids[i], max(here, 1), size.Months); err != nil {
			return nil, fmt.Errorf("municipality %s: %w", ids[i], err)
		}
	}
	if _, err := owner.Exec(ctx, "ANALYZE"); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := closeHistory(tenant.With(ctx, id), a, w.shops[id]); err != nil {
			return nil, fmt.Errorf("municipality %s: %w", id, err)
		}
	}
	for _, statement := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := owner.Exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	return w, w.enlist(ctx, a, owner, ids)
}

// closeHistory does what the server's nightly work would have done long ago: the
// days before today are closed and sealed, and shops were paid what was due.
func closeHistory(ctx context.Context, a *app.App, shops []uuid.UUID) error {
	if _, err := a.Settlement.CloseDay(ctx, calendar.DayOf(a.Now()).AddDays(-1)); err != nil {
		return err
	}
	if _, err := a.Ledger.SealDays(ctx); err != nil {
		return err
	}
	accounts := map[uuid.UUID]merchants.Destination{}
	for i, id := range shops {
		accounts[id] = merchants.Destination{BankCode: payoutBank, Number: payoutAccount(tenant.From(ctx), i), Holder: owner}
	}
	_, err := a.Settlement.PayPast(ctx, a.Now(), accounts)
	return err
}

func (w *World) fillPlace(ctx context.Context, a *app.App, owner *pgx.Conn, id tenant.ID, citizens, months int) error {
	ctx = tenant.With(ctx, id)
	err := a.Tenants.Configure(ctx, id, tenants.Settings{
		Live: true, Accent: 1, VoucherName: "상품권", VoucherNameEn: "Voucher", SettlementDays: 2, FundAccount: "100000" + strconv.Itoa(int(id)),
	})
	if err != nil {
		return err
	}
	now := a.Now()
	programme, err := a.Vouchers.Open(ctx, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "상품권", NameEn: "Voucher", OpensAt: now.Add(-24 * time.Hour),
		Policy: vouchers.Policy{
			Clause: "조례 제7조", EffectiveFrom: now.Add(-24 * time.Hour), Author: "bench", DiscountBP: 1000, PurchaseMin: 10_000, PurchaseStep: 10_000,
			PurchaseMonthMax: 2_000_000, HoldMax: 2_000_000, PerPaymentMax: 500_000, PerDayMax: filled, ValidityYears: 5, RefundUsedBP: 6000,
			ExcludedTrades: []string{"56211"},
		},
	})
	if err != nil {
		return err
	}
	inputs := make([]merchants.RegisterInput, shopsEach)
	for i := range inputs {
		inputs[i] = shop(id, i)
	}
	shops, err := a.Merchants.SeedMany(ctx, inputs)
	if err != nil {
		return err
	}
	payables := make([]uuid.UUID, len(shops))
	for i, s := range shops {
		w.shops[id] = append(w.shops[id], s.ID)
		payables[i] = s.PayableID
	}
	house, err := a.Ledger.House(ctx)
	if err != nil {
		return err
	}
	return history{id, programme.ID, house.Fund, w.shops[id], payables, citizens, months, now}.write(ctx, owner)
}

// enlist chooses who will pay, half of them in the large municipalities, and
// signs their tokens.
func (w *World) enlist(ctx context.Context, a *app.App, owner *pgx.Conn, ids []tenant.ID) error {
	each := map[bool]int{true: callersMost / 2 / large, false: callersMost / 2 / (places - large)}
	for i, id := range ids {
		rows, err := owner.Query(ctx, `SELECT id, citizen_id FROM vouchers.wallets WHERE tenant_id = $1 ORDER BY id LIMIT $2`, id, each[i < large])
		if err != nil {
			return err
		}
		type row struct{ ID, CitizenID uuid.UUID }
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
		if err != nil {
			return err
		}
		for _, r := range found {
			token, _, err := a.Tokens.Mint(auth.Claims{Citizen: r.CitizenID, Session: uuid.Must(uuid.NewV7()), Device: uuid.Must(uuid.NewV7()), Epoch: 1})
			if err != nil {
				return err
			}
			card := cardToken(len(w.callers))
			if err := linkCard(ctx, owner, r.CitizenID, card, a.Now()); err != nil {
				return err
			}
			w.callers = append(w.callers, caller{id, r.ID, token, card})
		}
		if err := placeTerminals(ctx, owner, id, w.shops[id], a.Now()); err != nil {
			return err
		}
	}
	rand.Shuffle(len(w.callers), func(i, j int) { w.callers[i], w.callers[j] = w.callers[j], w.callers[i] })
	return nil
}

func shop(id tenant.ID, serial int) merchants.RegisterInput {
	in := merchants.RegisterInput{
		Name: fmt.Sprintf("가게 %d", serial), BizNo: bizno.Make(int64(id)*1000 + int64(serial)).String(), Trade: "56111",
		Owner: owner, Phone: fmt.Sprintf("010%08d", serial), Address: "길 1",
	}
	in.Payout.Holder, in.Payout.BankCode, in.Payout.Number = owner, payoutBank, payoutAccount(id, serial)
	return in
}

// Where shops are paid.
const (
	owner      = "김가게"
	payoutBank = "088"
)

func payoutAccount(id tenant.ID, serial int) string { return fmt.Sprintf("110%05d%04d", id, serial) }
