package vouchers_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/modules/banking"
	"jangteo/modules/vouchers"
)

// model is a wallet as one number each: what was put in, what was spent.
type model struct {
	lots   []money.Amount
	spent  money.Amount
	month  money.Amount
	bank   money.Amount
	budget money.Amount
	paid   []struct {
		id   uuid.UUID
		left money.Amount
	}
}

func (m *model) balance() (sum money.Amount) {
	for _, face := range m.lots {
		sum += face
	}
	return sum - m.spent
}

func (m *model) remaining() []money.Amount {
	left, spent := make([]money.Amount, len(m.lots)), m.spent
	for i, face := range m.lots {
		used := min(face, spent)
		left[i], spent = face-used, spent-used
	}
	return left
}

// expect is what the model says of a purchase.
func (m *model) expect(amount money.Amount) error {
	paid := amount - amount/10
	switch {
	case amount > 500_000-m.month, amount > 700_000-m.balance():
		return vouchers.ErrLimitExceeded
	case amount/10 > m.budget:
		return vouchers.ErrSubsidyExhausted
	case paid > m.bank:
		return banking.ErrBankRefused
	}
	m.bank -= paid
	m.budget -= amount / 10
	m.month += amount
	m.lots = append(m.lots, amount)
	return nil
}

func TestPurchasesAgreeWithTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := setup(t)
		m := &model{bank: money.Amount(rapid.IntRange(0, 150).Draw(r, "at the bank")) * 10_000, budget: budget}
		b := w.buyer(m.bank)
		var wallet uuid.UUID
		steps := rapid.IntRange(1, 25).Draw(r, "steps")
		for range steps {
			switch rapid.SampledFrom([]string{"buy", "buy", "spend", "cancel", "month"}).Draw(r, "step") {
			case "buy":
				amount := money.Amount(rapid.IntRange(1, 52).Draw(r, "amount")) * 10_000
				want := m.expect(amount)
				p, err := b.try(uuid.NewString(), amount)
				if !errors.Is(err, want) || want == nil && p.State != vouchers.Completed {
					r.Fatalf("buying %s was answered with %v, want %v", amount, err, want)
				}
				if err == nil {
					wallet = p.WalletID
				}
			case "spend":
				if m.balance() > 0 {
					amount := money.Amount(rapid.Int64Range(1, int64(m.balance())).Draw(r, "spent"))
					m.paid = append(m.paid, struct {
						id   uuid.UUID
						left money.Amount
					}{w.spend(wallet, amount), amount})
					m.spent += amount
				}
			case "cancel":
				if len(m.paid) > 0 {
					of := &m.paid[rapid.IntRange(0, len(m.paid)-1).Draw(r, "which")]
					if of.left > 0 {
						amount := money.Amount(rapid.Int64Range(1, int64(of.left)).Draw(r, "cancelled"))
						w.cancel(of.id, wallet, amount)
						of.left -= amount
						m.spent -= amount
					}
				}
			case "month":
				w.kit.Clock.Set(calendar.DayOf(w.kit.Clock.Now()).FirstOfMonth().AddDays(32).FirstOfMonth().Start().Add(time.Hour))
				m.month = 0
			}
			if wallet == uuid.Nil {
				continue
			}
			balance, err := w.ledger.Balance(w.ctx, wallet)
			w.must(err)
			lots, err := w.Lots(w.ctx, b.id, wallet, 0, 100)
			w.must(err)
			left := make([]money.Amount, len(lots))
			for i, l := range lots {
				left[i] = l.Remaining
			}
			if balance != m.balance() || fmt.Sprint(left) != fmt.Sprint(m.remaining()) {
				r.Fatalf("the wallet holds %s in %v, want %s in %v", balance, left, m.balance(), m.remaining())
			}
		}
		if left, _ := b.atBank(); left != m.bank {
			r.Fatalf("the bank holds %s, want %s", left, m.bank)
		}
		w.balance("subsidy", w.house.Subsidy, m.budget)
		w.balance("reserved", w.house.Reserved, 0)
		w.sound()
	})
}
