package cards_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/live"
	"jangteo/app/money"
	"jangteo/app/outbox"
	"jangteo/app/refdata"
	"jangteo/app/testkit"
	"jangteo/app/testkit/desk"
	"jangteo/modules/banking"
	"jangteo/modules/cards"
	"jangteo/modules/citizens"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
)

// town is a municipality with a voucher, shops with terminals, and an issuer.
type town struct {
	t         testing.TB
	ctx       context.Context
	kit       *testkit.Kit
	cards     *cards.Service
	issuers   *issuers
	ledger    *ledger.Service
	vouchers  *vouchers.Service
	payments  *payments.Service
	merchants *merchants.Service
	citizens  *citizens.Service
	tenants   *tenants.Service
	hub       *live.Hub
	programme vouchers.Programme
	shops     []merchants.Merchant
	numbers   int
}

const issuer = "31"

// shop is a merchant that tests pay at.
func shopInput(name, bizNo, trade string) merchants.RegisterInput {
	return merchants.RegisterInput{
		Name: name, BizNo: bizNo, Trade: trade, Owner: "홍길동", Phone: "02-2670-1234", Address: "서울특별시 시험구 국회대로 1",
		Payout: merchants.Destination{BankCode: "004", Number: "12345678901234", Holder: "홍길동"},
	}
}

func newTown(t testing.TB) *town {
	t.Helper()
	kit, ctx := testkit.Open(t)
	now := kit.Clock.Now
	w := &town{t: t, ctx: ctx, kit: kit, issuers: newIssuers()}
	lane := ledger.NewLane(kit.Lane, now, ledger.LaneOptions{Payments: payments.PaidRecord, Cancellations: payments.UndoneRecord})
	t.Cleanup(lane.Close)
	w.ledger = ledger.New(kit.DB, lane, now)
	w.tenants = tenants.New(kit.DB, kit.Audit, now, kit.Log)
	w.must(w.tenants.Register(ctx, refdata.Municipality{Code: int32(kit.Tenant), Sido: "서울특별시", Sigungu: "시험구", Kind: "자치구"}))
	w.must(w.tenants.Configure(ctx, kit.Tenant, tenants.Settings{
		Live: true, Accent: 3, VoucherName: "시험사랑상품권", VoucherNameEn: "Siheom Love Voucher", SettlementDays: 1, FundAccount: "1005000000001",
	}))
	bank, err := banking.New(kit.DB, kit.Lane, noBank{}, kit.Box, banking.Config{InstitutionCode: "M202600001"}, now, kit.Log)
	w.must(err)
	w.vouchers = vouchers.New(vouchers.Kits{
		DB: kit.DB, Lane: kit.Lane, Keys: kit.Keys, Outbox: kit.Outbox, Audit: kit.Audit, Approvals: kit.Approvals, Now: now, Log: kit.Log,
	}, w.ledger, w.tenants, bank)
	w.hub = live.New(kit.DB, kit.Log)
	w.merchants = merchants.New(kit.DB, kit.Lane, w.ledger, kit.Box, kit.Audit, w.hub, desk.Open(t, kit), time.Hour, now, kit.Log)
	w.payments = payments.New(kit.DB, kit.Lane, kit.Keys, w.ledger, w.merchants, w.vouchers, now)
	w.payments.Announce(kit.Outbox)
	w.citizens = citizens.New(kit.DB, kit.Box, nil, kit.Audit, citizens.Limits{}, now)
	w.cards = cards.New(cards.Kits{
		DB: kit.DB, Lane: kit.Lane, Keys: kit.Keys, Outbox: kit.Outbox, Audit: kit.Audit, Live: w.hub, Desk: w.issuers, Now: now, Log: kit.Log,
	}, w.ledger, w.citizens, w.merchants, w.vouchers, w.payments)
	kit.Outbox.On(w.cards.OnCharged, payments.TopicCharged)
	kit.Outbox.On(w.cards.OnPurchased, vouchers.TopicPurchaseCompleted)
	w.sell()
	return w
}

func (w *town) sell() {
	var err error
	w.programme, err = w.vouchers.Open(w.ctx, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "일반 상품권", NameEn: "Standard",
		Policy: vouchers.Policy{
			Clause: "시험구 지역사랑상품권 관리 조례 제7조", Author: "김담당", DiscountBP: 1_000, PurchaseMin: 1_000, PurchaseStep: 1_000,
			PurchaseMonthMax: 2_000_000, HoldMax: 2_000_000, ValidityYears: 5, RefundUsedBP: 6_000, ExcludedTrades: []string{"56211"},
		},
	})
	w.must(err)
	w.must(w.vouchers.Fund(w.ctx, uuid.Must(uuid.NewV7()), 1_000_000_000))
	w.shops, err = w.merchants.SeedMany(w.ctx, []merchants.RegisterInput{
		shopInput("길동이네 떡볶이", "124-81-00998", "56111"), shopInput("밤새 주점", "220-81-62517", "56211"),
	})
	w.must(err)
	for i, m := range w.shops {
		w.must(w.cards.Map(w.ctx, issuer, w.number(i), terminal(i), m.ID))
	}
}

// number is a shop's at the issuer; the issuer's, not the municipality's own.
func (w *town) number(shop int) string { return fmt.Sprintf("M%s%d", w.kit.Tenant, shop) }

func terminal(shop int) string { return fmt.Sprintf("T%d", shop) }

// noBank is never asked: what tests buy was bought in the past.
type noBank struct{ banking.Bank }

func (w *town) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// buyer is a citizen with a wallet and a card.
type buyer struct {
	w       *town
	citizen uuid.UUID
	wallet  uuid.UUID
	token   string
	card    cards.Link
}

func (w *town) buyer(balance money.Amount) *buyer {
	w.t.Helper()
	b := &buyer{w: w, citizen: uuid.Must(uuid.NewV7())}
	b.buy(balance)
	w.numbers++
	b.token = fmt.Sprintf("tk-%s", b.citizen)
	w.issuers.give(b.token)
	link, err := w.cards.KeepLink(w.ctx, b.citizen, issuer, b.token)
	w.must(err)
	b.card = link
	return b
}

// shortens gives the buyer a main card whose token fits into a clearing file.
func (b *buyer) shortens() {
	b.w.t.Helper()
	b.token = b.token[:36]
	link, err := b.w.cards.KeepLink(b.w.ctx, b.citizen, issuer, b.token)
	b.w.must(err)
	_, err = b.w.cards.SetOption(b.w.ctx, b.citizen, link.ID, cards.Option{TenantID: b.w.kit.Tenant, Mode: cards.VoucherOnly, Main: true})
	b.w.must(err)
}

func (b *buyer) buy(amount money.Amount) {
	b.w.t.Helper()
	bought, err := b.w.vouchers.ImportPurchases(b.w.ctx, []vouchers.PastPurchase{{
		CitizenID: b.citizen, ProgrammeID: b.w.programme.ID, Amount: amount, At: b.w.kit.Clock.Now(),
		BankAccountID: uuid.New(), From: banking.Destination{BankCode: "004", Number: "12345678901234", Holder: "김하늘"},
	}})
	b.w.must(err)
	b.wallet = bought[0].WalletID
}

// message makes a message of the buyer's card at a shop.
func (b *buyer) message(key string, shop int) cards.Message {
	return cards.Message{
		Issuer: issuer, Key: key, Retrieval: key[max(0, len(key)-12):], Token: b.token, MerchantNumber: b.w.number(shop), Terminal: terminal(shop), At: b.w.kit.Clock.Now(),
	}
}

func (b *buyer) pay(key string, amount money.Amount) (cards.Decision, error) {
	return b.w.cards.Authorise(b.w.ctx, cards.Request{Message: b.message(key, 0), Amount: amount})
}

func (b *buyer) reverse(key, original string, amount money.Amount) (cards.Decision, error) {
	return b.w.cards.Reverse(b.w.ctx, cards.Reversal{Message: b.message(key, 0), Original: original, Amount: amount})
}

func (b *buyer) balance() money.Amount { return b.w.balance(b.wallet) }

func (w *town) balance(account uuid.UUID) money.Amount {
	w.t.Helper()
	amount, err := w.ledger.Balance(w.ctx, account)
	w.must(err)
	return amount
}

// relay tells all that happened.
func (w *town) relay() {
	w.t.Helper()
	for more := true; more; {
		var err error
		more, err = w.kit.Outbox.RelayOf(w.ctx) // other tests' towns are theirs to tell
		w.must(err)
	}
}

// purchased tells of a purchase, as vouchers do.
func (w *town) purchased(b *buyer, amount money.Amount) error {
	return w.kit.DB.Tx(w.ctx, func(ctx context.Context) error {
		return w.kit.Outbox.Put(ctx, vouchers.TopicPurchaseCompleted, vouchers.PurchaseSettled{CitizenID: b.citizen, WalletID: b.wallet, Amount: amount})
	})
}

// sound recomputes everything.
func (w *town) sound() {
	w.t.Helper()
	report, err := w.ledger.Verify(w.ctx)
	w.must(err)
	found := slices.Clone(report.Differences)
	for _, verify := range []func(context.Context) ([]ledger.Difference, error){w.vouchers.Verify, w.payments.Verify, w.cards.Verify} {
		more, err := verify(w.ctx)
		w.must(err)
		found = append(found, more...)
	}
	if len(found) > 0 {
		w.t.Fatalf("the books do not agree: %+v", found)
	}
}

var _ outbox.Handler = (*cards.Service)(nil).OnCharged
