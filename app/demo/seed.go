package demo

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app"
	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/simulate"
	"jangteo/app/simulate/bank"
	"jangteo/app/tenant"
	"jangteo/app/uuidv7"
	"jangteo/modules/banking"
	"jangteo/modules/citizens"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/staff"
	"jangteo/modules/vouchers"
)

// seeder makes everything, step after step.
type seeder struct {
	app     *app.App
	sims    *simulate.Servers
	clock   *clock
	options Options
	span    span
	places  []place            // as municipalities
	paid    []bank.Transaction // what the bank is still to be told
}

// place is a municipality as it came to be.
type place struct {
	municipality
	citizens  int
	policies  []vouchers.Policy
	programme uuid.UUID
	shops     []merchants.Merchant // as market.shops
	market    market
	accounts  map[uuid.UUID]merchants.Destination // of shops
}

// random gives every part of the work numbers of its own, so that what is made
// does not depend on who is faster.
func random(part, number int) *rand.Rand {
	return rand.New(rand.NewPCG(randomSeed, uint64(part)<<32|uint64(number))) //nolint:gosec // made-up people, the same at each run
}

const (
	partShops = iota
	partPeople
)

// openMunicipalities lets the twelve join a day before the history begins.
func (s *seeder) openMunicipalities(ctx context.Context) error {
	opened := s.span.from.AddDays(-1).Start().Add(9 * time.Hour)
	s.clock.set(opened)
	if err := s.app.Tenants.Seed(ctx); err != nil {
		return err
	}
	rest := s.options.Citizens
	for i, m := range slices.Backward(municipalities) {
		p := place{municipality: m, citizens: s.options.Citizens * m.share / 100, policies: m.policies(opened, calendar.DayOf(s.span.now).Start())}
		rest -= p.citizens
		if i == 0 {
			p.citizens += rest
		}
		if err := s.join(tenant.With(ctx, m.id), &p); err != nil {
			return fmt.Errorf("%s: %w", m.id, err)
		}
		s.places = append(s.places, p)
	}
	slices.Reverse(s.places)
	return s.employ(ctx)
}

// join brings a municipality, its account at the bank, its programme and the
// budget for discounts.
func (s *seeder) join(ctx context.Context, p *place) error {
	budget := money.Amount(max(100, p.citizens)) * money.Amount(s.options.Months+1) * subsidyAHead
	err := s.sims.Bank.Seed(ctx, []bank.Account{{
		BankCode: p.fundBank, Number: p.fund, Holder: p.voucher + " 금고", Balance: int64(budget), Contracted: true,
	}})
	if err != nil {
		return err
	}
	if err := s.app.Tenants.Configure(ctx, p.id, p.settings()); err != nil {
		return err
	}
	programme, err := s.app.Vouchers.Open(ctx, vouchers.ProgrammeInput{
		Kind: p.kind, Name: p.voucher, NameEn: p.voucherEn, OpensAt: s.clock.now(), Policy: p.policies[0],
	})
	if err != nil {
		return err
	}
	p.programme = programme.ID
	for _, policy := range p.policies[1:] {
		if _, err := s.app.Vouchers.Amend(ctx, p.programme, policy); err != nil {
			return err
		}
	}
	return s.app.Vouchers.Fund(ctx, uuidv7.At(s.clock.now()), budget)
}

// employ gives the people of the offices their logins.
func (s *seeder) employ(ctx context.Context) error {
	for _, m := range append(slices.Clone(municipalities), municipality{}) { // and the operator
		if err := s.app.Staff.Require(ctx, m.id, false); err != nil {
			return err
		}
	}
	everybody := slices.Concat(officials, operators, []official{guarded})
	return each(ctx, len(everybody), func(ctx context.Context, i int) error {
		o := everybody[i]
		m, err := s.app.Staff.Register(ctx, staff.RegisterInput{
			TenantID: o.tenant, Login: o.login, Password: password, Name: o.name, Department: o.department, Role: o.role,
		})
		if err == nil && o.login == guarded.login {
			err = s.app.Staff.SeedCodeApp(ctx, m.ID, guardedSecret)
		}
		return err
	})
}

// openShops registers shops, their accounts and the logins of some.
func (s *seeder) openShops(ctx context.Context) error {
	total := min(s.options.Citizens*shopsPerTen/10, shopsMost)
	return each(ctx, len(s.places), func(ctx context.Context, i int) error {
		p := &s.places[i]
		ctx = tenant.With(ctx, p.id)
		shops := newShops(random(partShops, i), i, max(shopsLeast, total*p.share/100))
		inputs, accounts := make([]merchants.RegisterInput, len(shops)), make([]bank.Account, len(shops))
		for j, shop := range shops {
			inputs[j] = shop.RegisterInput
			accounts[j] = bank.Account{BankCode: shop.Payout.BankCode, Number: shop.Payout.Number, Holder: shop.Payout.Holder, Balance: 1_000_000}
		}
		seeded, err := s.app.Merchants.SeedMany(ctx, inputs)
		if err != nil {
			return err
		}
		p.shops, p.market, p.accounts = seeded, newMarket(shops), map[uuid.UUID]merchants.Destination{}
		for j, m := range seeded {
			p.accounts[m.ID] = shops[j].Payout
		}
		if err := s.hire(ctx, p); err != nil {
			return err
		}
		return s.sims.Bank.Seed(ctx, accounts)
	})
}

// hire gives the shops that are named their logins.
func (s *seeder) hire(ctx context.Context, p *place) error {
	for i, c := range clerksOf(p.id) {
		_, err := s.app.Merchants.AddClerk(ctx, merchants.ClerkInput{
			MerchantID: p.shops[i/2].ID, Login: c.login, Password: password, Name: c.name, Role: c.role,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// livePeople lets everybody live through the history, some hundred at a time.
func (s *seeder) livePeople(ctx context.Context) error {
	type group struct{ place, first, count int }
	var groups []group
	for i, p := range s.places {
		for first := 0; first < p.citizens; first += chunk {
			groups = append(groups, group{i, first, min(chunk, p.citizens-first)})
		}
	}
	s.clock.set(s.span.from.AddDays(-1).Start().Add(10 * time.Hour))
	serial := 0
	serials := make([]int, len(groups))
	for i, g := range groups {
		serials[i] = serial
		serial += g.count
	}
	return each(ctx, len(groups), func(ctx context.Context, i int) error {
		r := random(partPeople, i)
		people := make([]person, groups[i].count)
		for j := range people {
			people[j] = newPerson(r, serials[i]+j, s.span.from)
		}
		if groups[i].place == 0 && groups[i].first == 0 {
			copy(people, namedPeople())
		}
		return s.live(ctx, r, groups[i].place, people)
	})
}

// resident is a person with an account here, and one at a bank.
type resident struct {
	person
	id      uuid.UUID
	account uuid.UUID
	history history
}

// live makes up what a group of a municipality's people did, at home and some
// of them in another municipality, and keeps it.
func (s *seeder) live(ctx context.Context, r *rand.Rand, home int, people []person) error {
	all, err := s.enrol(ctx, people)
	if err != nil {
		return err
	}
	const visitorsPerMille = 80
	at := map[int][]resident{}
	spent := make([]money.Amount, len(people))
	for i, one := range all {
		where := []int{home}
		if other := r.IntN(len(s.places)); other != home && !one.named && r.IntN(1000) < visitorsPerMille {
			where = append(where, other)
		}
		for _, there := range where {
			p := &s.places[there]
			sp := spender{r: r, span: s.span, policies: p.policies, market: p.market, named: one.named}
			one.history = sp.live()
			for _, b := range one.history.purchases {
				paid, _ := b.policy.Price(b.amount)
				spent[i] += paid
			}
			at[there] = append(at[there], one)
		}
	}
	if err := s.openAccounts(ctx, all, spent); err != nil {
		return err
	}
	for there := range s.places {
		if err := s.keep(tenant.With(ctx, s.places[there].id), r, &s.places[there], at[there]); err != nil {
			return fmt.Errorf("%s: %w", s.places[there].id, err)
		}
	}
	return nil
}

func (s *seeder) enrol(ctx context.Context, people []person) ([]resident, error) {
	identities := make([]citizens.Identity, len(people))
	for i, p := range people {
		identities[i] = citizens.Identity{CI: p.CI(), Name: p.Name, BirthDate: p.born, Phone: p.Phone}
	}
	enrolled, err := s.app.Citizens.Enrol(ctx, identities, s.clock.now())
	if err != nil {
		return nil, err
	}
	all := make([]resident, len(people))
	for i, c := range enrolled {
		all[i] = resident{person: people[i], id: c.ID, account: uuidv7.At(s.clock.now())}
	}
	return all, nil
}

// openAccounts gives everybody a linked account at a bank that holds what they
// are going to spend, and something more.
func (s *seeder) openAccounts(ctx context.Context, all []resident, spent []money.Amount) error {
	accounts, known := make([]bank.Account, len(all)), make([]banking.KnownAccount, len(all))
	for i, one := range all {
		accounts[i] = bank.Account{
			BankCode: one.bank, Number: one.person.account, Holder: one.Name, Birth: yymmdd(one.born),
			Balance: one.spare + int64(spent[i]), Linked: true,
		}
		known[i] = banking.KnownAccount{
			ID: one.account, CitizenID: one.id, BankCode: one.bank, Number: one.person.account, Holder: one.Name,
			Handle: bank.FintechUseNum(one.bank, one.person.account), LinkedAt: s.clock.now(),
		}
	}
	if err := s.sims.Bank.Seed(ctx, accounts); err != nil {
		return err
	}
	return s.app.Banking.ImportAccounts(ctx, known)
}

func yymmdd(d calendar.Day) string {
	return fmt.Sprintf("%02d%02d%02d", d.Year()%100, d.Month(), d.DayOfMonth())
}

// keep writes what people did in one municipality.
func (s *seeder) keep(ctx context.Context, r *rand.Rand, p *place, all []resident) error {
	var past []vouchers.PastPurchase
	of := map[uuid.UUID]*resident{} // by citizen
	for i, one := range all {
		of[one.id] = &all[i]
		for _, b := range one.history.purchases {
			past = append(past, vouchers.PastPurchase{
				ID: uuidv7.At(b.at), CitizenID: one.id, ProgrammeID: p.programme, Amount: b.amount, At: b.at, Held: b.held,
				BankAccountID: one.account, From: banking.Destination{BankCode: one.bank, Number: one.person.account, Holder: one.Name},
			})
		}
	}
	slices.SortFunc(past, func(a, b vouchers.PastPurchase) int { return a.At.Compare(b.At) })
	purchases, err := s.app.Vouchers.ImportPurchases(ctx, past)
	if err != nil {
		return err
	}
	wallets := map[uuid.UUID]uuid.UUID{}
	for _, purchase := range purchases {
		wallets[purchase.CitizenID] = purchase.WalletID
	}
	var made []payments.Past
	for _, one := range all {
		for _, payment := range one.history.payments {
			made = append(made, p.payment(r, one.id, wallets[one.id], payment))
		}
	}
	slices.SortFunc(made, func(a, b payments.Past) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	if err := s.app.Payments.PostMany(ctx, made); err != nil {
		return err
	}
	return s.bookPurchases(ctx, p, purchases, of)
}

// payment is one as the books take it.
func (p *place) payment(r *rand.Rand, citizen, wallet uuid.UUID, made paid) payments.Past {
	shop := p.shops[made.shop]
	past := payments.Past{PayableID: shop.PayableID, Payment: payments.Payment{
		ID: uuidv7.At(made.at), CitizenID: citizen, WalletID: wallet, ProgrammeID: p.programme, MerchantID: shop.ID,
		Amount: made.amount, BalanceAfter: made.balance, Method: method(r), PolicyVersion: made.policy.Version, At: made.at,
	}}
	if made.cancelled > 0 {
		past.Undone = []payments.PastCancellation{{
			ID: uuidv7.At(made.cancelledAt), Amount: made.cancelled, ByKind: "citizen", ByID: citizen, At: made.cancelledAt,
		}}
	}
	return past
}

func method(r *rand.Rand) payments.Method {
	switch x := r.IntN(100); {
	case x < 8:
		return payments.ByDynamicQR
	case x < 20:
		return payments.ByMerchant
	}
	return payments.ByStaticQR
}

// bookPurchases tells the bank what it did.
func (s *seeder) bookPurchases(ctx context.Context, p *place, purchases []vouchers.Purchase, of map[uuid.UUID]*resident) error {
	ids, from := make([]uuid.UUID, len(purchases)), map[uuid.UUID]*resident{}
	for i, purchase := range purchases {
		ids[i] = *purchase.TransferID
		from[purchase.ID] = of[purchase.CitizenID]
	}
	transfers, err := s.app.Banking.Transfers(ctx, ids)
	if err != nil {
		return err
	}
	slices.SortFunc(transfers, func(a, b banking.Transfer) int { return a.RequestedAt.Compare(b.RequestedAt) })
	history := make([]bank.Transaction, len(transfers))
	for i, t := range transfers {
		one := from[t.SubjectID]
		history[i] = bank.Transaction{
			BankTranID: t.BankTranID, Operation: bank.Withdraw, Amount: int64(t.Amount), FromBank: one.bank, FromAccount: one.person.account,
			ToBank: p.fundBank, ToAccount: p.fund, PrintContent: p.voucher, At: t.RequestedAt,
		}
	}
	return s.sims.Bank.Book(ctx, history)
}

// settleDays goes through the days: in the morning of a business day shops are
// paid what is due, after midnight the day before is closed and sealed.
func (s *seeder) settleDays(ctx context.Context) error {
	if err := s.analyse(ctx); err != nil {
		return err
	}
	today := calendar.DayOf(s.span.now)
	for day := s.span.from; !day.After(today); day = day.Next() {
		morning := day.Start().Add(9 * time.Hour)
		if morning.After(s.span.now) {
			morning = s.span.now
		}
		if calendar.IsBusiness(day) {
			s.clock.set(morning)
			if err := s.payOut(ctx); err != nil {
				return err
			}
		}
		if day == today {
			break
		}
		s.clock.set(day.Next().Start().Add(5 * time.Minute))
		err := each(ctx, len(s.places), func(ctx context.Context, i int) error {
			ctx = tenant.With(ctx, s.places[i].id)
			if _, err := s.app.Settlement.CloseDay(ctx, day); err != nil {
				return err
			}
			_, err := s.app.Ledger.SealDays(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("close %s: %w", day, err)
		}
	}
	s.clock.set(s.span.now)
	if err := s.bookPaid(ctx); err != nil {
		return err
	}
	return s.analyse(ctx)
}

// payOut pays all shops what is due now, and notes what the bank is to know of it.
func (s *seeder) payOut(ctx context.Context) error {
	history := make([][]bank.Transaction, len(s.places))
	err := each(ctx, len(s.places), func(ctx context.Context, i int) (err error) {
		history[i], err = s.payShops(ctx, &s.places[i])
		return err
	})
	if err != nil {
		return err
	}
	s.paid = append(s.paid, slices.Concat(history...)...)
	if len(s.paid) < bookAtOnce {
		return nil
	}
	return s.bookPaid(ctx)
}

// bookPaid has the bank know what was paid out.
func (s *seeder) bookPaid(ctx context.Context) error {
	err := s.sims.Bank.Book(ctx, s.paid)
	s.paid = s.paid[:0]
	return err
}

func (s *seeder) payShops(ctx context.Context, p *place) ([]bank.Transaction, error) {
	paid, err := s.app.Settlement.PayPast(tenant.With(ctx, p.id), s.clock.now(), p.accounts)
	if err != nil {
		return nil, err
	}
	history := make([]bank.Transaction, len(paid))
	for i, t := range paid {
		to := p.accounts[t.MerchantID]
		history[i] = bank.Transaction{
			BankTranID: t.BankTranID, Operation: bank.Deposit, Amount: int64(t.Amount), FromBank: p.fundBank, FromAccount: p.fund,
			ToBank: to.BankCode, ToAccount: to.Number, PrintContent: p.voucher, At: t.RequestedAt,
		}
	}
	return history, nil
}
