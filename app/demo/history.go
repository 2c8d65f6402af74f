package demo

import (
	"math/rand/v2"
	"slices"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/modules/vouchers"
)

// span is the time that a history fills: from the start of a day up to now.
type span struct {
	from calendar.Day
	now  time.Time
}

func (s span) days() int { return s.from.DaysUntil(calendar.DayOf(s.now)) + 1 }

// bought is a purchase that was completed.
type bought struct {
	at     time.Time
	amount money.Amount
	held   money.Amount // what the wallet held just before
	policy vouchers.Policy
}

// paid is a payment, with what was cancelled of it.
type paid struct {
	at          time.Time
	shop        int // place in the list of the municipality's shops
	amount      money.Amount
	balance     money.Amount // of the wallet just after it
	policy      vouchers.Policy
	cancelled   money.Amount
	cancelledAt time.Time
}

// history is what one citizen did with one wallet.
type history struct {
	purchases []bought
	payments  []paid
	balance   money.Amount // at the end
}

// spender makes up histories that obey the municipality's rules: it keeps the
// same sums that the rules speak of, and asks them before every step.
type spender struct {
	r        *rand.Rand
	span     span
	policies []vouchers.Policy
	market   market
	named    bool // keeps something in the wallet and room to buy more

	history
	month    map[calendar.Day]money.Amount // bought, by the month's first day
	day      calendar.Day
	daySpent money.Amount
	undo     []paid // cancellations still to come
	back     money.Amount
}

// event is a moment at which a citizen buys or pays.
type event struct {
	at  time.Time
	buy bool
}

// live plays a citizen's time from the beginning to the end.
func (s *spender) live() history {
	s.month = map[calendar.Day]money.Amount{}
	for _, e := range s.events() {
		s.cancelUntil(e.at)
		if e.buy {
			s.buy(e.at)
		} else {
			s.pay(e.at)
		}
	}
	s.cancelUntil(s.span.now)
	return s.history
}

// events draws when a citizen buys and pays: some seldom, some every day; most
// buy when the month begins, and nobody pays before they have bought.
func (s *spender) events() (list []event) {
	const averagePerMille = 420 // payments a day
	activity := averagePerMille * between(s.r, 25, 175) / 100
	first := s.span.from.AddDays(s.r.IntN(min(10, s.span.days())))
	if s.named {
		first = s.span.from
	}
	for d := first; !d.After(calendar.DayOf(s.span.now)); d = d.Next() {
		chance := 35
		switch {
		case d == first:
			chance = 1000
		case d.DayOfMonth() <= 3, d.DayOfMonth() == 25: // a new limit, or pay day
			chance = 160
		}
		if s.perMille(chance) {
			list = append(list, event{s.buyingTime(d, d == first), true})
		}
		for chance := activity * rhythm[d.Weekday()] / 100; chance > 0; chance -= 1000 {
			if s.perMille(chance) {
				list = append(list, event{s.payingTime(d), false})
			}
		}
	}
	slices.SortFunc(list, func(a, b event) int { return a.at.Compare(b.at) })
	last := s.span.now.Add(-time.Minute) // the bank's word takes a second
	begun := slices.IndexFunc(list, func(e event) bool { return e.buy })
	return slices.DeleteFunc(list[max(begun, 0):], func(e event) bool { return e.at.After(last) })
}

func (s *spender) perMille(chance int) bool { return s.r.IntN(1000) < chance }

// rhythm is how busy a day of the week is, per cent.
var rhythm = [7]int{90, 85, 95, 100, 100, 125, 130}

// clock draws a moment between two times of a day, in minutes.
func (s *spender) clock(d calendar.Day, from, to int) time.Time {
	const millisecondsPerMinute = 60_000
	return d.Start().Add(time.Duration(between(s.r, from*millisecondsPerMinute, to*millisecondsPerMinute)) * time.Millisecond)
}

func (s *spender) buyingTime(d calendar.Day, first bool) time.Time {
	if first {
		return s.clock(d, 7*60, 11*60) // before the first lunch
	}
	return s.clock(d, 8*60, 22*60)
}

func (s *spender) payingTime(d calendar.Day) time.Time {
	x := s.r.IntN(100)
	if d.Weekday() == time.Saturday || d.Weekday() == time.Sunday {
		if x < 50 {
			return s.clock(d, 11*60, 15*60)
		}
		return s.clock(d, 15*60, 21*60)
	}
	switch {
	case x < 7:
		return s.clock(d, 8*60, 11*60+30)
	case x < 45:
		return s.clock(d, 11*60+30, 13*60+30)
	case x < 62:
		return s.clock(d, 13*60+30, 17*60+30)
	}
	return s.clock(d, 17*60+30, 21*60+30)
}

var wishes = []money.Amount{50_000, 100_000, 100_000, 100_000, 200_000, 200_000, 300_000, 500_000}

// buy buys what the citizen wishes, as far as the limits of month and holding go.
func (s *spender) buy(at time.Time) {
	p := policyAt(s.policies, at)
	month := calendar.DayOf(at).FirstOfMonth()
	room := min(p.PurchaseMonthMax-s.month[month], p.HoldMax-s.balance-s.back)
	if s.named {
		room = min(room, 200_000-s.month[month]) // whoever signs in as them can still buy
	}
	amount := min(pick(s.r, wishes), room)
	amount -= amount % p.PurchaseStep
	if amount < p.PurchaseMin {
		return
	}
	s.purchases = append(s.purchases, bought{at, amount, s.balance, p})
	s.balance += amount
	s.month[month] += amount
}

const (
	paymentMin     money.Amount = 1_000
	namedKeep      money.Amount = 60_000
	cancelPerMille              = 20
)

// pay spends at a shop that the policy allows, within its limits and what is
// left. Who cannot afford what they came for leaves.
func (s *spender) pay(at time.Time) {
	p := policyAt(s.policies, at)
	if today := calendar.DayOf(at); s.day != today {
		s.day, s.daySpent = today, 0
	}
	room := s.balance
	if s.named {
		room -= namedKeep
	}
	if p.PerPaymentMax > 0 {
		room = min(room, p.PerPaymentMax)
	}
	if p.PerDayMax > 0 {
		room = min(room, p.PerDayMax-s.daySpent)
	}
	shop, amount, ok := s.market.visit(s.r, at, p)
	if !ok || amount < paymentMin || amount > room {
		return
	}
	s.balance -= amount
	s.daySpent += amount
	payment := paid{at: at, shop: shop, amount: amount, balance: s.balance, policy: p}
	if s.perMille(cancelPerMille) {
		s.plan(&payment)
	}
	s.payments = append(s.payments, payment)
}

// plan decides that a payment will be cancelled soon, whole or in part, on the
// same day.
func (s *spender) plan(payment *paid) {
	at := payment.at.Add(time.Duration(between(s.r, 60, 2400)) * time.Second)
	if calendar.DayOf(at) != calendar.DayOf(payment.at) || at.After(s.span.now) {
		return
	}
	payment.cancelledAt, payment.cancelled = at, payment.amount
	if part := payment.amount / 200 * 100; part >= 100 && s.r.IntN(5) < 2 {
		payment.cancelled = part
	}
	s.undo = append(s.undo, *payment)
	s.back += payment.cancelled
}

// cancelUntil gives back what has been cancelled by a moment.
func (s *spender) cancelUntil(at time.Time) {
	s.undo = slices.DeleteFunc(s.undo, func(p paid) bool {
		if p.cancelledAt.After(at) {
			return false
		}
		s.balance += p.cancelled
		s.back -= p.cancelled
		if s.day == calendar.DayOf(p.at) {
			s.daySpent -= p.cancelled
		}
		return true
	})
}

// market is where a municipality's citizens go.
type market struct {
	shops []shop
	wheel [4][]int // by habit: places of shops, each as often as it is drawn
}

func newMarket(shops []shop) market {
	m := market{shops: shops}
	for i, s := range shops {
		for range s.draw {
			m.wheel[s.habit] = append(m.wheel[s.habit], i)
		}
	}
	return m
}

// wants is what people look for by the hour: how many of ten look for a meal,
// a break, an errand.
func wants(at time.Time) [4]int {
	local := at.In(calendar.Seoul)
	switch hour := local.Hour(); {
	case hour < 11:
		return [4]int{2, 5, 3, 0}
	case hour < 14:
		return [4]int{7, 2, 1, 0}
	case hour < 17:
		if local.Weekday() == time.Saturday || local.Weekday() == time.Sunday {
			return [4]int{3, 4, 3, 0}
		}
		return [4]int{1, 4, 4, 1}
	}
	return [4]int{5, 1, 4, 0}
}

// visit draws a shop that may take the voucher and what is spent there.
func (m market) visit(r *rand.Rand, at time.Time, p vouchers.Policy) (place int, amount money.Amount, ok bool) {
	x, wheel := r.IntN(10), []int(nil)
	for h, w := range wants(at) {
		if x -= w; x < 0 {
			wheel = m.wheel[h]
			break
		}
	}
	if len(wheel) == 0 {
		return 0, 0, false
	}
	place = pick(r, wheel)
	s := m.shops[place]
	if slices.Contains(p.ExcludedTrades, s.Trade) || p.ExcludesLargeSellers && s.YearlySalesOver3bn {
		return 0, 0, false
	}
	x = r.IntN(1000) // small sums are the rule
	amount = s.low + (s.high-s.low)*money.Amount(x*x)/1_000_000
	return place, amount - amount%100, true
}
