package cards_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"jangteo/app/money"
	"jangteo/modules/cards"
)

// model says in a few numbers what must come of a sequence of messages.
type model struct {
	wallet, shop, owed money.Amount
	messages           map[string]*sent
}

// sent is what the model knows of one message.
type sent struct {
	amount   money.Amount
	decided  bool
	approved bool
	dead     bool         // reversed or superseded before it came
	left     money.Amount // paid and not given back
	claim    money.Amount // of it, still owed
}

func (m *model) of(key string) *sent {
	if m.messages[key] == nil {
		m.messages[key] = &sent{}
	}
	return m.messages[key]
}

func (m *model) authorise(key string, amount money.Amount) {
	x := m.of(key)
	if x.decided {
		return
	}
	x.decided, x.amount = true, amount
	if x.dead || m.wallet < amount {
		return
	}
	x.approved, x.left = true, amount
	m.wallet -= amount
	m.shop += amount
}

// giveBack returns part of a payment: first what is owed of it.
func (m *model) giveBack(x *sent, amount money.Amount) {
	amount = min(amount, x.left)
	toClaim := min(amount, x.claim)
	x.left -= amount
	x.claim -= toClaim
	m.owed -= toClaim
	m.wallet += amount - toClaim
	m.shop -= amount
}

func (m *model) reverse(key string, amount money.Amount) {
	x := m.of(key)
	if !x.decided {
		x.dead, x.decided = true, true
		return
	}
	if amount == 0 {
		amount = x.left
	}
	m.giveBack(x, amount)
}

func (m *model) advise(key string, voucher money.Amount, originalKey string) {
	x := m.of(key)
	if x.decided {
		return
	}
	missing := voucher
	if originalKey != "" {
		o := m.of(originalKey)
		if !o.decided {
			o.dead, o.decided = true, true
		}
		if o.approved {
			missing = max(0, voucher-o.left)
			m.giveBack(o, max(0, o.left-voucher))
		}
	}
	x.decided, x.left = true, missing
	held := min(m.wallet, missing)
	x.claim = missing - held
	m.wallet -= held
	m.shop += missing
	m.owed += x.claim
}

// Whatever issuers send, in whatever order and however often: the wallet, the
// shop and what is owed are what the model says, together what was bought, and
// everything recomputes.
func TestMessagesInAnyOrderBalance(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	payable := w.shops[0].PayableID
	shopBefore := w.balance(payable)
	rapid.Check(t, func(rt *rapid.T) {
		const bought = 50_000
		b := w.buyer(bought)
		run := uuid.NewString()[24:]
		m := &model{wallet: bought, messages: map[string]*sent{}}
		key := func(name string) string { return fmt.Sprint(run, name, rapid.IntRange(0, 3).Draw(rt, name)) }
		amounts := map[string]money.Amount{}
		amount := func(key string) money.Amount { // a repeat is of the same amount
			if amounts[key] == 0 {
				amounts[key] = money.Amount(rapid.IntRange(1, 60).Draw(rt, "amount")) * 1_000
			}
			return amounts[key]
		}
		steps := rapid.IntRange(1, 14).Draw(rt, "steps")
		for step := range steps {
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0, 1, 2, 3:
				k := key("a")
				m.authorise(k, amount(k))
				d, err := b.pay(k, amount(k))
				if x := m.of(k); (err == nil) != x.approved || err == nil && d.Approved != x.amount {
					rt.Fatalf("%s of %d: %+v, %v; the model says approved: %v", k, amount(k), d, err, x.approved)
				}
			case 4, 5:
				k := key(rapid.SampledFrom([]string{"a", "d"}).Draw(rt, "reversed"))
				m.reverse(k, 0)
				if _, err := b.reverse(fmt.Sprint(run, "r", step), k, 0); err != nil {
					rt.Fatal(err)
				}
			case 6:
				k := key("a")
				x := m.of(k)
				if !x.approved || x.left < 2_000 {
					continue
				}
				m.reverse(k, 1_000)
				if _, err := b.reverse(fmt.Sprint(run, "p", step), k, 1_000); err != nil {
					rt.Fatal(err)
				}
			case 7, 8:
				k, o := key("d"), ""
				if rapid.Bool().Draw(rt, "instead") {
					o = key("a")
				}
				if m.of(k).decided && !m.of(k).dead {
					continue // a repeat names the same original; the model keeps none
				}
				dead := m.of(k).dead
				m.advise(k, amount(k), o)
				_, err := w.cards.Advise(w.ctx, cards.Advice{Message: b.message(k, 0), Original: o, Amount: amount(k), Voucher: amount(k)})
				if (err != nil) != dead {
					rt.Fatalf("advice %s: %v", k, err)
				}
			case 9:
				w.relay()
			}
			if m.wallet+m.shop-m.owed != bought {
				rt.Fatal("the model itself does not balance")
			}
		}
		w.relay()
		claims, err := w.cards.ClaimsOf(w.ctx, b.citizen)
		w.must(err)
		var owed money.Amount
		for _, c := range claims {
			owed += c.Owed
		}
		shop := w.balance(payable) - shopBefore
		shopBefore += shop
		if b.balance() != m.wallet || shop != m.shop || owed != m.owed {
			rt.Fatalf("wallet %d, shop %d, owed %d; the model says %d, %d, %d", b.balance(), shop, owed, m.wallet, m.shop, m.owed)
		}
	})
	w.sound()
}
