package vouchers_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/modules/banking"
	"jangteo/modules/vouchers"
)

func TestPurchase(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(1_000_000)
	p := b.buy(100_000)
	if p.Amount != 100_000 || p.Paid != 90_000 || p.Subsidy != 10_000 || p.PolicyVersion != 1 || p.Clause != policy().Clause {
		t.Errorf("bought %+v", p)
	}
	if left, _ := b.atBank(); left != 910_000 {
		t.Errorf("the bank holds %s", left)
	}
	w.holds(p.WalletID, 100_000, budget-10_000)
	w.balance("reserved", w.house.Reserved, 0)
	w.balance("fund", w.house.Fund, -budget-90_000)
	end := time.Date(2031, 11, 18, 14, 59, 59, 999_999_000, time.UTC) // five years on, at the end of the day in Seoul
	if p.Lot == nil || p.Lot.Face != 100_000 || p.Lot.Paid != 90_000 || p.Lot.Seq != 1 || !p.Lot.ExpiresAt.Equal(end) {
		t.Errorf("the lot is %+v", p.Lot)
	}
	told := w.events(vouchers.TopicPurchaseCompleted)
	if len(told) != 1 || told[0].PurchaseID != p.ID || told[0].CitizenID != b.id || told[0].Paid != 90_000 || told[0].Reason != "" {
		t.Errorf("announced %+v", told)
	}
	wallets, err := w.Wallets(t.Context(), b.id)
	w.must(err)
	if len(wallets) != 1 || wallets[0].ID != p.WalletID || wallets[0].Balance != 100_000 || wallets[0].TenantID != w.kit.Tenant ||
		wallets[0].Programme.Name != "시험사랑상품권" || wallets[0].ExpiresAt == nil || !wallets[0].ExpiresAt.Equal(end) {
		t.Errorf("the wallets are %+v", wallets)
	}
	issue, err := w.IssueOf(w.ctx, calendar.DayOf(w.kit.Clock.Now()))
	w.must(err)
	if issue != (vouchers.Issue{Count: 1, Amount: 100_000, Paid: 90_000, Subsidy: 10_000}) {
		t.Errorf("issued %+v", issue)
	}
}

func TestPurchaseWithoutDiscountReservesNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	rules := policy()
	rules.DiscountBP = 0
	var err error
	w.programme, err = w.Open(w.ctx, vouchers.ProgrammeInput{Kind: vouchers.Cashback, Name: "캐시백", NameEn: "Cashback", Policy: rules})
	w.must(err)
	p := w.buyer(100_000).buy(50_000)
	if p.Paid != 50_000 || p.Subsidy != 0 || p.ReserveEntry != nil {
		t.Errorf("bought %+v", p)
	}
	w.holds(p.WalletID, 50_000, budget)
}

func TestPurchaseRefusesAnAmount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(1_000_000)
	for amount, want := range map[money.Amount]string{
		0: "too-small 10000", -10_000: "too-small 10000", 9_999: "too-small 10000", 10_001: "wrong-step 10000",
		money.MaxPerEntry + 10_000: "too-large 1000000000000", 1<<63 - 1: "too-large 1000000000000",
	} {
		_, err := b.try(uuid.NewString(), amount)
		f, ok := fault.Of(err)
		if !ok || f.Code != "invalid-input" || len(f.Fields) != 1 || f.Fields[0].Name != "amount" ||
			fmt.Sprint(f.Fields[0].Reason, " ", f.Fields[0].Limit) != want {
			t.Errorf("%d was answered with %v, want %s", amount, err, want)
		}
	}
	w.untouched(b)
}

// untouched checks that nothing was kept of a refusal.
func (w *world) untouched(b *buyer) {
	w.t.Helper()
	list, err := w.Purchases(w.ctx, vouchers.PurchaseFilter{Citizen: b.id})
	w.must(err)
	if _, calls := b.atBank(); len(list) != 0 || calls != 0 {
		w.t.Errorf("%d purchases were kept, the bank was called %d times", len(list), calls)
	}
	w.balance("subsidy", w.house.Subsidy, budget)
	w.sound()
}

func TestPurchaseRefusesWhatIsNotOnSale(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(1_000_000)
	refused := func(name string, want error, in vouchers.PurchaseInput) {
		t.Helper()
		if _, _, err := w.Purchase(w.ctx, in); !errors.Is(err, want) {
			t.Errorf("%s was answered with %v", name, err)
		}
	}
	in := b.input("k", 10_000)
	in.ProgrammeID = id()
	refused("an unknown programme", vouchers.ErrProgrammeUnknown, in)

	in = b.input("k", 10_000)
	in.BankAccountID = id()
	refused("an unknown account", banking.ErrAccountUnknown, in)
	in.BankAccountID = w.buyer(1_000_000).account
	refused("another citizen's account", banking.ErrAccountUnknown, in)

	in = b.input("", 10_000)
	refused("no key", idem.ErrKeyMissing, in)

	allowance := policy()
	allowance.DiscountBP = 0
	granted, err := w.Open(w.ctx, vouchers.ProgrammeInput{Kind: vouchers.Allowance, Name: "정책수당", NameEn: "Allowance", Policy: allowance})
	w.must(err)
	in = b.input("k", 10_000)
	in.ProgrammeID = granted.ID
	refused("an allowance", vouchers.ErrProgrammeNotOpen, in)

	later, err := w.Open(w.ctx, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "다음", NameEn: "Next", Policy: policy(), OpensAt: w.kit.Clock.Now().Add(time.Hour),
	})
	w.must(err)
	in.ProgrammeID = later.ID
	refused("a programme of tomorrow", vouchers.ErrProgrammeNotOpen, in)

	settings, err := w.tenants.Get(w.ctx, w.kit.Tenant)
	w.must(err)
	settings.Live = false
	w.must(w.tenants.Configure(w.ctx, w.kit.Tenant, settings.Settings))
	refused("a municipality that is not live", vouchers.ErrProgrammeNotOpen, b.input("k", 10_000))
	settings.Live = true
	w.must(w.tenants.Configure(w.ctx, w.kit.Tenant, settings.Settings))

	w.kit.Clock.Advance(time.Minute)
	w.must(w.CloseSale(w.ctx, w.programme.ID, "예산 소진"))
	refused("a programme that was closed", vouchers.ErrProgrammeNotOpen, b.input("k", 10_000))
	w.untouched(b)
}

func TestAnotherMunicipalityKnowsNothing(t *testing.T) {
	t.Parallel()
	w, other := setup(t), setup(t)
	b := w.buyer(100_000)
	p := b.buy(10_000)
	if _, err := other.PurchaseOf(other.ctx, b.id, p.ID); !errors.Is(err, vouchers.ErrPurchaseUnknown) {
		t.Errorf("the purchase was answered with %v", err)
	}
	if _, err := other.Programme(other.ctx, w.programme.ID); !errors.Is(err, vouchers.ErrProgrammeUnknown) {
		t.Errorf("the programme was answered with %v", err)
	}
	if _, err := other.Spendable(other.ctx, b.id, p.WalletID); !errors.Is(err, vouchers.ErrWalletUnknown) {
		t.Errorf("the wallet was answered with %v", err)
	}
	if _, err := w.Spendable(w.ctx, b.id, p.WalletID); err != nil {
		t.Error(err)
	}
	// Now it is remembered, and still nobody else's.
	if _, err := w.Spendable(tenant.With(w.ctx, other.kit.Tenant), b.id, p.WalletID); !errors.Is(err, vouchers.ErrWalletUnknown) {
		t.Errorf("the remembered wallet was answered with %v", err)
	}
	if _, err := w.Spendable(w.ctx, uuid.New(), p.WalletID); !errors.Is(err, vouchers.ErrWalletUnknown) {
		t.Errorf("another citizen's wallet was answered with %v", err)
	}
	if _, err := w.PurchaseOf(w.ctx, uuid.New(), p.ID); !errors.Is(err, vouchers.ErrPurchaseUnknown) {
		t.Errorf("another citizen's purchase was answered with %v", err)
	}
	if _, err := w.Lots(t.Context(), uuid.New(), p.WalletID, 0, 10); !errors.Is(err, vouchers.ErrWalletUnknown) {
		t.Errorf("another citizen's lots were answered with %v", err)
	}
	if _, err := w.RefundQuote(t.Context(), uuid.New(), p.WalletID); !errors.Is(err, vouchers.ErrWalletUnknown) {
		t.Errorf("another citizen's quote was answered with %v", err)
	}
}

// limited checks a refusal by a limit.
func limited(t *testing.T, err error, rule string, limit, remaining money.Amount) {
	t.Helper()
	f, ok := fault.Of(err)
	if !ok || f.Code != "limit-exceeded" || f.Kind != fault.Conflict || f.Params["rule"] != rule || f.Params["limit"] != limit ||
		f.Params["remaining"] != remaining || f.Params["clause"] != policy().Clause || f.Params["policy_version"] != 1 {
		t.Errorf("answered with %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()

	t.Run("of a month count what was bought in it", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		b := w.buyer(5_000_000)
		first := b.buy(300_000)
		w.spend(first.WalletID, 300_000)
		b.buy(200_000)
		_, err := b.try("over", 10_000)
		limited(t, err, "purchase-month", 500_000, 0)
		w.kit.Clock.Set(time.Date(2026, 11, 30, 14, 59, 59, 0, time.UTC))
		_, err = b.try("still-November-in-Seoul", 10_000)
		limited(t, err, "purchase-month", 500_000, 0)
		w.kit.Clock.Set(time.Date(2026, 11, 30, 15, 0, 0, 0, time.UTC))
		b.buy(500_000)
		w.sound()
	})

	t.Run("of holding count what is in the wallet", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		b := w.buyer(5_000_000)
		p := b.buy(500_000)
		w.kit.Clock.Set(time.Date(2026, 12, 2, 3, 0, 0, 0, time.UTC))
		_, err := b.try("over", 210_000)
		limited(t, err, "hold", 700_000, 200_000)
		w.spend(p.WalletID, 10_000)
		b.buy(210_000)
		w.holds(p.WalletID, 700_000, budget-71_000)
	})

	t.Run("count what is under way, and not what failed", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		b := w.buyer(10_000)
		if _, err := b.try("too-poor", 500_000); !errors.Is(err, banking.ErrBankRefused) {
			t.Fatal(err)
		}
		b.bank.fill(b.number, 5_000_000)
		b.behave(silentExecuted)
		p, err := b.try("under-way", 400_000)
		w.must(err)
		if p.State != vouchers.Pending {
			t.Fatalf("it is %s", p.State)
		}
		_, err = b.try("over", 110_000)
		limited(t, err, "purchase-month", 500_000, 100_000)
		w.kit.Clock.Set(time.Date(2026, 12, 2, 3, 0, 0, 0, time.UTC))
		_, err = b.try("still-under-way", 310_000)
		limited(t, err, "hold", 700_000, 300_000)
	})

	t.Run("are those in force at the moment", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		b := w.buyer(5_000_000)
		b.buy(500_000)
		next := policy()
		next.Clause, next.PurchaseMonthMax, next.DiscountBP = "같은 조례 제7조의2", 600_000, 500
		next.EffectiveFrom = w.kit.Clock.Now().Add(time.Hour)
		amended, err := w.Amend(w.ctx, w.programme.ID, next)
		w.must(err)
		if amended.Version != 2 {
			t.Errorf("version %d", amended.Version)
		}
		_, err = b.try("before", 10_000)
		limited(t, err, "purchase-month", 500_000, 0)
		w.kit.Clock.Advance(time.Hour)
		p := b.buy(100_000)
		if p.PolicyVersion != 2 || p.Paid != 95_000 || p.Clause != next.Clause {
			t.Errorf("bought %+v", p)
		}
		w.sound()
	})
}

func TestTheBankRefuses(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(50_000)
	for range 2 { // the same key tells the same
		p, err := b.try("k", 100_000)
		f, _ := fault.Of(err)
		if !errors.Is(err, banking.ErrBankRefused) || f.Params["reason"] != "balance-too-low" || p.State != vouchers.Failed {
			t.Fatalf("answered with %v, %s", err, p.State)
		}
	}
	if _, calls := b.atBank(); calls != 1 {
		t.Errorf("the bank was called %d times", calls)
	}
	w.balance("subsidy", w.house.Subsidy, budget)
	w.balance("reserved", w.house.Reserved, 0)
	w.sound()
	told := w.events(vouchers.TopicPurchaseFailed)
	if len(told) != 1 || told[0].Reason != "balance-too-low" || told[0].CitizenID != b.id {
		t.Errorf("announced %+v", told)
	}
	b.behave(down)
	if _, err := b.try("another", 10_000); !errors.Is(err, banking.ErrBankRefused) {
		t.Errorf("a bank that is down was answered with %v", err)
	}
	w.balance("subsidy", w.house.Subsidy, budget)
	w.sound()
}

func TestTheSameKey(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(1_000_000)
	first, replayed, err := w.Purchase(w.ctx, b.input("k", 100_000))
	w.must(err)
	again, replayedAgain, err := w.Purchase(w.ctx, b.input("k", 100_000))
	w.must(err)
	if replayed || !replayedAgain || again.ID != first.ID || again.State != vouchers.Completed || again.Lot == nil {
		t.Errorf("first %v %+v, then %v %+v", replayed, first, replayedAgain, again)
	}
	if _, err := b.try("k", 110_000); !errors.Is(err, idem.ErrKeyReused) {
		t.Errorf("another amount was answered with %v", err)
	}
	other := w.buyer(100_000)
	if p, err := other.try("k", 10_000); err != nil || p.ID == first.ID {
		t.Errorf("another citizen's key was answered with %v", err)
	}
	w.holds(first.WalletID, 100_000, budget-11_000)
}

func TestTheSameKeyInParallel(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(1_000_000)
	const callers = 10
	var fresh, same sync.Map
	inParallel(callers, func(i int) {
		p, replayed, err := w.Purchase(w.ctx, b.input("k", 100_000))
		if err != nil || p.State != vouchers.Completed {
			t.Errorf("caller %d: %s, %v", i, p.State, err)
		}
		same.Store(p.ID, true)
		if !replayed {
			fresh.Store(i, true)
		}
	})
	if count(&fresh) != 1 || count(&same) != 1 {
		t.Errorf("%d were told that it is new, of %d purchases", count(&fresh), count(&same))
	}
	left, calls := b.atBank()
	if left != 910_000 || calls != 1 {
		t.Errorf("the bank holds %s after %d calls", left, calls)
	}
	w.sound()
}

func inParallel(callers int, call func(i int)) {
	var wg sync.WaitGroup
	for i := range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			call(i)
		}()
	}
	wg.Wait()
}

func count(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

func TestConcurrentPurchasesMeetTheMonthLimitExactly(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(5_000_000)
	var done, refused sync.Map
	inParallel(12, func(i int) { // the first of all, too, so that they open one wallet
		p, err := b.try(fmt.Sprint("k", i), 100_000)
		switch {
		case err == nil && p.State == vouchers.Completed:
			done.Store(i, true)
		case errors.Is(err, vouchers.ErrLimitExceeded):
			refused.Store(i, true)
		default:
			t.Errorf("caller %d: %s, %v", i, p.State, err)
		}
	})
	if count(&done) != 5 || count(&refused) != 7 {
		t.Errorf("%d bought, %d were refused", count(&done), count(&refused))
	}
	wallets, err := w.Wallets(t.Context(), b.id)
	w.must(err)
	if len(wallets) != 1 {
		t.Fatalf("%d wallets", len(wallets))
	}
	w.holds(wallets[0].ID, 500_000, budget-50_000)
}

func TestTwoFirstPurchasesAtOnceOpenOneWallet(t *testing.T) {
	t.Parallel()
	w := setup(t)
	buyers := make([]*buyer, 24)
	for i := range buyers {
		buyers[i] = w.buyer(1_000_000)
	}
	inParallel(2*len(buyers), func(i int) {
		if p, err := buyers[i/2].try(fmt.Sprint("k", i), 10_000); err != nil || p.State != vouchers.Completed {
			t.Errorf("purchase %d: %s, %v", i, p.State, err)
		}
	})
	for _, b := range buyers {
		wallets, err := w.Wallets(t.Context(), b.id)
		w.must(err)
		if len(wallets) != 1 || wallets[0].Balance != 20_000 {
			t.Errorf("the wallets are %+v", wallets)
		}
	}
	w.sound()
}

func TestConcurrentBuyersMeetTheEndOfTheSubsidyExactly(t *testing.T) {
	t.Parallel()
	w := setup(t)
	rich := w.buyer(20_000_000)
	for range 9 { // leaves 1,000,000 - 9*50,000 = 550,000
		w.kit.Clock.Set(calendar.DayOf(w.kit.Clock.Now()).FirstOfMonth().AddDays(35).Start())
		p := rich.buy(500_000)
		w.spend(p.WalletID, 500_000)
	}
	buyers := make([]*buyer, 16)
	for i := range buyers {
		buyers[i] = w.buyer(1_000_000)
	}
	var done, refused sync.Map
	inParallel(len(buyers), func(i int) {
		p, err := buyers[i].try("k", 500_000)
		switch {
		case err == nil && p.State == vouchers.Completed:
			done.Store(i, true)
		case errors.Is(err, vouchers.ErrSubsidyExhausted):
			refused.Store(i, true)
		default:
			t.Errorf("caller %d: %s, %v", i, p.State, err)
		}
	})
	if count(&done) != 11 || count(&refused) != 5 {
		t.Errorf("%d bought, %d were refused", count(&done), count(&refused))
	}
	w.balance("subsidy", w.house.Subsidy, 0)
	w.sound()
}

func TestLotsAreSpentFirstInFirstOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(5_000_000)
	wallet := b.buy(100_000).WalletID
	w.kit.Clock.Advance(24 * time.Hour)
	b.buy(50_000)
	w.kit.Clock.Advance(24 * time.Hour)
	b.buy(20_000)
	payment := w.spend(wallet, 120_000)
	b.remain(wallet, 0, 30_000, 20_000)
	w.cancel(payment, wallet, 60_000)
	b.remain(wallet, 40_000, 50_000, 20_000)
	rest, err := w.Lots(t.Context(), b.id, wallet, 2, 10)
	w.must(err)
	if len(rest) != 1 || rest[0].Seq != 3 {
		t.Errorf("after the second come %+v", rest)
	}
	wallets, err := w.Wallets(t.Context(), b.id)
	w.must(err)
	first := calendar.DayOf(testkit.Noon).AddYears(5)
	if got := calendar.DayOf(*wallets[0].ExpiresAt); got != first {
		t.Errorf("the wallet's first lot is good until %s, want %s", got, first)
	}
	w.sound()
}

func (b *buyer) remain(wallet uuid.UUID, want ...money.Amount) {
	b.t.Helper()
	lots, err := b.Lots(b.t.Context(), b.id, wallet, 0, 100)
	b.must(err)
	got := make([]money.Amount, len(lots))
	for i, l := range lots {
		got[i] = l.Remaining
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("left of the lots is %v, want %v", got, want)
	}
}

func TestSpendable(t *testing.T) {
	t.Parallel()

	t.Run("finds the only wallet and its policy in force", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		b := w.buyer(1_000_000)
		if _, err := w.Spendable(w.ctx, b.id, uuid.Nil); !errors.Is(err, vouchers.ErrWalletUnknown) {
			t.Errorf("a citizen without wallet was answered with %v", err)
		}
		p := b.buy(100_000)
		for range 2 {
			got, err := w.Spendable(w.ctx, b.id, uuid.Nil)
			w.must(err)
			if got.WalletID != p.WalletID || got.Policy.PerPaymentMax != 300_000 || got.Policy.Version != 1 || got.Kind != vouchers.Discount {
				t.Errorf("got %+v", got)
			}
		}
		next := policy()
		next.PerPaymentMax = 100_000
		_, err := w.Amend(w.ctx, w.programme.ID, next)
		w.must(err)
		got, err := w.Spendable(w.ctx, b.id, p.WalletID)
		if err != nil || got.Policy.PerPaymentMax != 100_000 || got.Policy.Version != 2 {
			t.Errorf("got %+v, %v", got, err)
		}
	})

	t.Run("refuses a wallet whose every lot has expired", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		b := w.buyer(1_000_000)
		p := b.buy(100_000)
		w.kit.Clock.Set(p.Lot.ExpiresAt)
		if _, err := w.Spendable(w.ctx, b.id, p.WalletID); err != nil {
			t.Errorf("on its last day it was answered with %v", err)
		}
		w.kit.Clock.Advance(time.Microsecond)
		for _, wallet := range []uuid.UUID{p.WalletID, uuid.Nil} {
			if _, err := w.Spendable(w.ctx, b.id, wallet); !errors.Is(err, vouchers.ErrWalletExpired) {
				t.Errorf("it was answered with %v", err)
			}
		}
		b.buy(100_000)
		if _, err := w.Spendable(w.ctx, b.id, p.WalletID); err != nil {
			t.Errorf("with a new lot it was answered with %v", err)
		}
	})

	t.Run("chooses allowances first, then what expires first, and what is empty last", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		b := w.buyer(1_000_000)
		discount := w.programme
		short := policy()
		short.ValidityYears = 1
		var err error
		w.programme, err = w.Open(w.ctx, vouchers.ProgrammeInput{Kind: vouchers.Discount, Name: "단기", NameEn: "Short", Policy: short})
		w.must(err)
		soon := b.buy(30_000).WalletID
		w.programme = discount
		late := b.buy(30_000).WalletID
		b.chooses(soon)
		w.spend(soon, 30_000)
		b.chooses(late)
		w.spend(late, 30_000)
		if got, err := w.Spendable(w.ctx, b.id, uuid.Nil); err != nil || got.WalletID == uuid.Nil {
			t.Errorf("all are empty: %+v, %v", got, err)
		}
	})
}

func (b *buyer) chooses(want uuid.UUID) {
	b.t.Helper()
	got, err := b.Spendable(b.ctx, b.id, uuid.Nil)
	b.must(err)
	if got.WalletID != want {
		b.t.Errorf("chose %s, want %s", got.WalletID, want)
	}
}

func TestProgrammesAreChecked(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for field, spoil := range map[string]func(*vouchers.ProgrammeInput){
		"kind":               func(in *vouchers.ProgrammeInput) { in.Kind = "gold" },
		"name":               func(in *vouchers.ProgrammeInput) { in.Name = strings.Repeat("가", 61) },
		"name_en":            func(in *vouchers.ProgrammeInput) { in.NameEn = "a\x00" },
		"clause":             func(in *vouchers.ProgrammeInput) { in.Policy.Clause = "" },
		"author":             func(in *vouchers.ProgrammeInput) { in.Policy.Author = "" },
		"effective_to":       func(in *vouchers.ProgrammeInput) { at := time.Time{}; in.Policy.EffectiveTo = &at },
		"discount_bp":        func(in *vouchers.ProgrammeInput) { in.Policy.DiscountBP = 5_001 },
		"purchase_step":      func(in *vouchers.ProgrammeInput) { in.Policy.PurchaseStep = 0 },
		"purchase_min":       func(in *vouchers.ProgrammeInput) { in.Policy.PurchaseMin = 0 },
		"purchase_month_max": func(in *vouchers.ProgrammeInput) { in.Policy.PurchaseMonthMax = 2_000_001 },
		"hold_max":           func(in *vouchers.ProgrammeInput) { in.Policy.HoldMax = 2_000_001 },
		"per_payment_max":    func(in *vouchers.ProgrammeInput) { in.Policy.PerPaymentMax = -1 },
		"per_day_max":        func(in *vouchers.ProgrammeInput) { in.Policy.PerDayMax = -1 },
		"validity_years":     func(in *vouchers.ProgrammeInput) { in.Policy.ValidityYears = 0 },
		"refund_used_bp":     func(in *vouchers.ProgrammeInput) { in.Policy.RefundUsedBP = 5_999 },
		"excluded_trades":    func(in *vouchers.ProgrammeInput) { in.Policy.ExcludedTrades = []string{"5621A"} },
	} {
		in := vouchers.ProgrammeInput{Kind: vouchers.Discount, Name: "이름", NameEn: "Name", Policy: policy()}
		spoil(&in)
		_, err := w.Open(w.ctx, in)
		f, ok := fault.Of(err)
		if !ok || f.Code != "invalid-input" || len(f.Fields) != 1 || f.Fields[0].Name != field {
			t.Errorf("a wrong %s was answered with %v", field, err)
		}
	}
	again := policy()
	again.Version = 1
	if _, err := w.Amend(w.ctx, w.programme.ID, again); !errors.Is(err, vouchers.ErrPolicyExists) {
		t.Errorf("a version was written twice: %v", err)
	}
	list, err := w.Programmes(w.ctx)
	w.must(err)
	if len(list) != 1 || len(list[0].Policies) != 1 {
		t.Errorf("there are %+v", list)
	}
}

// Sequential: it finds the interrupted purchases of all municipalities.
func TestAnInterruptedPurchaseIsFinished(t *testing.T) {
	w := setup(t)
	b := w.buyer(1_000_000)
	b.behave(silentExecuted)
	executed, err := b.try("executed", 100_000)
	w.must(err)
	b.behave(silentRefused)
	refused, err := b.try("refused", 50_000)
	w.must(err)
	if executed.State != vouchers.Pending || refused.State != vouchers.Pending {
		t.Fatalf("they are %s and %s", executed.State, refused.State)
	}
	w.balance("subsidy", w.house.Subsidy, budget-15_000)
	w.balance("reserved", w.house.Reserved, 15_000)
	w.sound()
	w.join(outsideWorld) // a restart
	w.resolve()
	executed, replayed, err := w.Purchase(w.ctx, b.input("executed", 100_000))
	if err != nil || !replayed || executed.State != vouchers.Completed {
		t.Errorf("the executed one is %s, %v", executed.State, err)
	}
	if _, err := b.try("refused", 50_000); !errors.Is(err, banking.ErrBankRefused) {
		t.Errorf("the refused one was answered with %v", err)
	}
	w.holds(executed.WalletID, 100_000, budget-10_000)
	left, calls := b.atBank()
	if left != 910_000 || calls != 2 {
		t.Errorf("the bank holds %s after %d calls", left, calls)
	}
}

// resolve lets time pass until nothing is under way.
func (w *world) resolve() {
	w.t.Helper()
	for range 30 {
		w.kit.Clock.Advance(time.Minute)
		_, err := w.banking.ResolveOf(w.ctx, 100)
		w.must(err)
		open, err := w.Purchases(w.ctx, vouchers.PurchaseFilter{State: vouchers.Pending})
		w.must(err)
		if len(open) == 0 {
			return
		}
	}
	w.t.Fatal("something stays under way")
}

// Sequential, as above. The server dies after the first transaction, before the
// bank was called: the caller sends the same again, or nobody does.
func TestAPurchaseThatWasOnlyBegun(t *testing.T) {
	for name, goOn := range map[string]func(b *buyer){
		"goes on when it is sent again": func(b *buyer) {
			p, replayed, err := b.Purchase(b.ctx, b.input("k", 100_000))
			if err != nil || !replayed || p.State != vouchers.Completed {
				t.Errorf("sent again it is %s, replayed %v, %v", p.State, replayed, err)
			}
		},
		"is taken up when nobody sends it again": func(b *buyer) {
			b.kit.Clock.Advance(time.Minute)
			_, err := b.banking.ResolveOf(b.ctx, 100)
			b.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			b := w.buyer(1_000_000)
			w.must(w.BeginOnly(w.ctx, b.input("k", 100_000)))
			w.join(outsideWorld)
			goOn(b)
			list, err := w.Purchases(w.ctx, vouchers.PurchaseFilter{Citizen: b.id})
			w.must(err)
			if len(list) != 1 || list[0].State != vouchers.Completed {
				t.Fatalf("there are %+v", list)
			}
			w.holds(list[0].WalletID, 100_000, budget-10_000)
			if left, calls := b.atBank(); left != 910_000 || calls != 1 {
				t.Errorf("the bank holds %s after %d calls", left, calls)
			}
		})
	}
}

// Sequential, as above. The server hangs at the bank.
func TestAPurchaseWhoseServerHangsIsSweptAndFinished(t *testing.T) {
	w := setup(t)
	b := w.buyer(1_000_000)
	hold := make(chan struct{})
	b.bank.account(b.number).hold = hold
	answered := make(chan vouchers.Purchase)
	go func() {
		p, _, err := w.Purchase(w.ctx, b.input("k", 100_000))
		if err != nil {
			t.Error(err)
		}
		answered <- p
	}()
	var waiting []vouchers.Purchase
	for len(waiting) == 0 {
		var err error
		waiting, err = w.Purchases(w.ctx, vouchers.PurchaseFilter{State: vouchers.Requested})
		w.must(err)
	}
	if n, err := w.Sweep(w.ctx); n != 0 || err != nil {
		t.Errorf("%d were swept at once, %v", n, err)
	}
	w.kit.Clock.Advance(time.Minute)
	if n, err := w.Sweep(w.ctx); n != 1 || err != nil {
		t.Errorf("%d were swept, %v", n, err)
	}
	p, err := w.PurchaseOf(w.ctx, b.id, waiting[0].ID)
	if err != nil || p.State != vouchers.Pending {
		t.Errorf("it is %s, %v", p.State, err)
	}
	close(hold)
	if p := <-answered; p.State != vouchers.Completed {
		t.Errorf("in the end it is %s", p.State)
	}
	w.holds(p.WalletID, 100_000, budget-10_000)
}

func TestVerifyNamesWhatWasPlanted(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]string{
		"completed-purchase-has-its-lot": `UPDATE vouchers.lots SET face = face + 1, paid = paid + 1 WHERE tenant_id = $1`,
		"wallet-is-its-lots":             `UPDATE vouchers.lots SET face = face + 1, paid = paid + 1 WHERE tenant_id = $1`,
		"wallet-counts-its-lots":         `UPDATE vouchers.wallets SET lots = lots + 1 WHERE tenant_id = $1`,
		"purchase-has-its-entry":         `UPDATE vouchers.purchases SET settle_entry_id = gen_random_uuid() WHERE tenant_id = $1`,
		"entry-has-its-purchase":         `UPDATE vouchers.purchases SET reserve_entry_id = gen_random_uuid() WHERE tenant_id = $1`,
		"purchase-agrees-with-its-entry": `UPDATE vouchers.purchases SET amount = amount + 1, paid = paid + 1 WHERE tenant_id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.buyer(1_000_000).buy(100_000)
			w.sound()
			w.plant(plant)
			differences, err := w.Verify(w.ctx)
			w.must(err)
			for _, d := range differences {
				if d.Check == name && d.Tenant == w.kit.Tenant && d.Object != "" {
					return
				}
			}
			t.Errorf("found only %+v", differences)
		})
	}
}
