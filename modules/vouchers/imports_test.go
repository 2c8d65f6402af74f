package vouchers_test

import (
	"errors"
	"testing"
	"time"

	"jangteo/app/money"
	"jangteo/modules/banking"
	"jangteo/modules/vouchers"
)

func (b *buyer) past(amount, held money.Amount, at time.Time) vouchers.PastPurchase {
	return vouchers.PastPurchase{
		CitizenID: b.id, ProgrammeID: b.programme.ID, Amount: amount, At: at, Held: held, BankAccountID: b.account,
		From: banking.Destination{BankCode: "088", Number: b.number, Holder: "홍길동"},
	}
}

// opened lets the municipality have sold for three months.
func (w *world) opened() (from time.Time) {
	w.t.Helper()
	from = w.kit.Clock.Now().Add(-90 * 24 * time.Hour)
	var err error
	w.programme, err = w.Open(w.ctx, vouchers.ProgrammeInput{
		Kind: vouchers.Discount, Name: "지난 상품권", NameEn: "Past", OpensAt: from, Policy: policy(),
	})
	w.must(err)
	return from
}

func TestImportedPurchasesStandAsIfTheyHadBeenMadeHere(t *testing.T) {
	t.Parallel()
	w := setup(t)
	from := w.opened()
	one, other := w.buyer(1_000_000), w.buyer(1_000_000)
	purchases, err := w.ImportPurchases(w.ctx, []vouchers.PastPurchase{
		one.past(100_000, 0, from.Add(time.Hour)), other.past(50_000, 0, from.Add(2*time.Hour)), one.past(200_000, 100_000, from.Add(3*time.Hour)),
	})
	w.must(err)
	if len(purchases) != 3 || purchases[2].WalletID != purchases[0].WalletID || purchases[2].Paid != 180_000 || purchases[0].TransferID == nil {
		t.Fatalf("imported %+v", purchases)
	}
	w.holds(purchases[0].WalletID, 300_000, budget-35_000)
	w.balance("reserved", w.house.Reserved, 0)
	w.spend(purchases[0].WalletID, 150_000)
	one.remain(purchases[0].WalletID, 0, 150_000)

	more, err := w.ImportPurchases(w.ctx, []vouchers.PastPurchase{one.past(100_000, 150_000, from.Add(4*time.Hour))})
	w.must(err)
	p := one.buy(100_000)
	if more[0].WalletID != p.WalletID || p.Lot.Seq != 4 {
		t.Errorf("bought %+v", p)
	}
	kept, err := w.PurchaseOf(w.ctx, one.id, more[0].ID)
	if err != nil || kept.State != vouchers.Completed || kept.Lot == nil || kept.Lot.Seq != 3 || !kept.RequestedAt.Equal(from.Add(4*time.Hour)) {
		t.Errorf("kept %+v, %v", kept, err)
	}
	transfer, err := w.banking.Transfer(w.ctx, *kept.TransferID)
	if err != nil || transfer.State != banking.Succeeded || transfer.Amount != 90_000 || transfer.SubjectID != kept.ID {
		t.Errorf("the transfer is %+v, %v", transfer, err)
	}
	w.sound()
}

func TestImportedPurchasesObeyThePolicy(t *testing.T) {
	t.Parallel()
	w := setup(t)
	from := w.opened()
	b := w.buyer(1_000_000)
	month := []vouchers.PastPurchase{b.past(300_000, 0, from), b.past(210_000, 0, from.Add(time.Hour))}
	for name, c := range map[string]struct {
		past []vouchers.PastPurchase
		want error
	}{
		"the month's limit":    {month, vouchers.ErrLimitExceeded},
		"the holding limit":    {[]vouchers.PastPurchase{b.past(100_000, 610_000, from)}, vouchers.ErrLimitExceeded},
		"before it was opened": {[]vouchers.PastPurchase{b.past(100_000, 0, from.Add(-time.Hour))}, vouchers.ErrProgrammeNotOpen},
	} {
		if _, err := w.ImportPurchases(w.ctx, c.past); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.ImportPurchases(w.ctx, []vouchers.PastPurchase{b.past(10_001, 0, from)}); err == nil {
		t.Error("an amount between the steps was kept")
	}
	if _, err := w.ImportPurchases(w.ctx, []vouchers.PastPurchase{b.past(10_000, 0, from.Add(time.Hour)), b.past(10_000, 0, from)}); err == nil {
		t.Error("purchases out of order were kept")
	}
	var many []vouchers.PastPurchase
	for range 21 { // 21 times 50,000 of subsidy
		many = append(many, w.buyer(0).past(500_000, 0, from))
	}
	if _, err := w.ImportPurchases(w.ctx, many); !errors.Is(err, vouchers.ErrSubsidyExhausted) {
		t.Errorf("more than the budget: %v", err)
	}
	list, err := w.Purchases(w.ctx, vouchers.PurchaseFilter{})
	w.must(err)
	if len(list) != 0 {
		t.Errorf("%d were kept", len(list))
	}
	w.sound()
}
