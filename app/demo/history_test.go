package demo

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"jangteo/app/bizno"
	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/refdata"
)

// Every rule, asked again of what was made, in another way than it was made:
// all that happened is laid out in its order and added up.
func TestHistoriesObeyTheRules(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	during := span{from: calendar.DayOf(now).AddDays(-45), now: now}
	cancellations, all := 0, 0
	for i, m := range municipalities {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		shops := newShops(r, i, 60)
		policies := m.policies(during.from.AddDays(-30).Start(), calendar.DayOf(now).Start())
		for n := range 60 {
			s := spender{r: r, span: during, policies: policies, market: newMarket(shops), named: n == 0}
			h := s.live()
			check(t, m, shops, during, h)
			all += len(h.payments)
			for _, p := range h.payments {
				if p.cancelled > 0 {
					cancellations++
				}
			}
			if n == 0 && (h.balance < namedKeep || len(h.purchases) == 0) {
				t.Errorf("%s: somebody who is named holds only %s", m.id, h.balance)
			}
		}
	}
	if all < 5000 || cancellations*1000/all < 8 || cancellations*1000/all > 32 {
		t.Errorf("%d of %d payments were cancelled", cancellations, all)
	}
}

type step struct {
	at     time.Time
	change money.Amount
	bought *bought
	paid   *paid
}

func check(t *testing.T, m municipality, shops []shop, during span, h history) {
	t.Helper()
	var steps []step
	for i := range h.purchases {
		steps = append(steps, step{h.purchases[i].at, h.purchases[i].amount, &h.purchases[i], nil})
	}
	for i := range h.payments {
		p := &h.payments[i]
		steps = append(steps, step{p.at, -p.amount, nil, p})
		if p.cancelled > 0 {
			steps = append(steps, step{at: p.cancelledAt, change: p.cancelled})
			if p.cancelled > p.amount || !p.cancelledAt.After(p.at) || calendar.DayOf(p.cancelledAt) != calendar.DayOf(p.at) {
				t.Errorf("%s: %+v was cancelled wrongly", m.id, p)
			}
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })
	var balance money.Amount
	months, days := map[calendar.Day]money.Amount{}, map[calendar.Day]money.Amount{}
	for _, s := range steps {
		day := calendar.DayOf(s.at)
		if s.bought != nil && s.bought.held != balance {
			t.Errorf("%s: the wallet held %s, not %s", m.id, balance, s.bought.held)
		}
		if balance += s.change; balance < 0 || s.at.After(during.now) || day.Before(during.from) {
			t.Errorf("%s: %s at %s leaves %s", m.id, s.change, s.at, balance)
		}
		policy := policyAt(m.policies(during.from.AddDays(-30).Start(), calendar.DayOf(during.now).Start()), s.at)
		switch {
		case s.bought != nil:
			months[day.FirstOfMonth()] += s.change
			if s.change%policy.PurchaseStep != 0 || s.change < policy.PurchaseMin || balance > policy.HoldMax || months[day.FirstOfMonth()] > policy.PurchaseMonthMax {
				t.Errorf("%s: buying %s at %s breaks policy %d", m.id, s.change, s.at, policy.Version)
			}
		case s.paid != nil:
			days[day] -= s.change
			shop := shops[s.paid.shop]
			if s.paid.balance != balance || s.paid.policy.Version != policy.Version {
				t.Errorf("%s: a payment says %s under %d, which are %s and %d", m.id, s.paid.balance, s.paid.policy.Version, balance, policy.Version)
			}
			if policy.PerPaymentMax > 0 && s.paid.amount > policy.PerPaymentMax || policy.PerDayMax > 0 && days[day] > policy.PerDayMax {
				t.Errorf("%s: paying %s at %s breaks policy %d", m.id, s.paid.amount, s.at, policy.Version)
			}
			if slices.Contains(policy.ExcludedTrades, shop.Trade) || policy.ExcludesLargeSellers && shop.YearlySalesOver3bn {
				t.Errorf("%s: %s may not take the voucher", m.id, shop.Name)
			}
		default: // a cancellation
			days[day] -= s.change
		}
	}
	if balance != h.balance {
		t.Errorf("%s: %s are left, not %s", m.id, balance, h.balance)
	}
}

func TestHistoryIsTheSameAtEachRun(t *testing.T) {
	t.Parallel()
	made := func() history {
		r := random(partPeople, 1)
		now := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
		s := spender{
			r: r, span: span{from: calendar.Date(2026, 10, 23), now: now}, market: newMarket(newShops(r, 0, 40)),
			policies: municipalities[0].policies(now.AddDate(0, -2, 0), now),
		}
		return s.live()
	}
	a, b := made(), made()
	if len(a.payments) == 0 || len(a.payments) != len(b.payments) || a.balance != b.balance {
		t.Errorf("%d payments and %s once, %d and %s the other time", len(a.payments), a.balance, len(b.payments), b.balance)
	}
}

func TestShopsAreSound(t *testing.T) {
	t.Parallel()
	numbers, accounts := map[string]bool{}, map[string]bool{}
	for i, m := range municipalities {
		if _, known := refdata.MunicipalityOf(int32(m.id)); !known {
			t.Errorf("there is no municipality %s", m.id)
		}
		names := map[string]bool{}
		for _, s := range newShops(random(partShops, i), i, 80) {
			if !bizno.Valid(s.BizNo) || numbers[s.BizNo] || accounts[s.Payout.BankCode+s.Payout.Number] || names[s.Name] {
				t.Errorf("%s: %s with %s is not sound", m.id, s.Name, s.BizNo)
			}
			numbers[s.BizNo], accounts[s.Payout.BankCode+s.Payout.Number], names[s.Name] = true, true, true
			if _, known := refdata.TradeOf(s.Trade); !known {
				t.Errorf("there is no trade %s", s.Trade)
			}
		}
	}
	total := 0
	for _, m := range municipalities {
		total += m.share
	}
	if total != 100 || len(municipalities) != 12 || municipalities[0].id != flagship {
		t.Errorf("%d municipalities share %d per cent", len(municipalities), total)
	}
}
