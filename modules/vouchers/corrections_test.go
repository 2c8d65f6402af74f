package vouchers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/modules/ledger"
	"jangteo/modules/vouchers"
)

// official is somebody who may put right and change the budget.
func (w *world) official(name string, permissions ...string) context.Context {
	if permissions == nil {
		permissions = []string{"wallets.correct", "budget.manage", "programmes.manage"}
	}
	return auth.With(w.ctx, auth.Principal{Kind: auth.Staff, ID: uuid.New(), Name: name, Tenant: w.kit.Tenant, Permissions: permissions})
}

func (w *world) approved(p approvals.Proposal, err error) approvals.Proposal {
	w.t.Helper()
	w.must(err)
	p, err = w.approvals.Approve(w.official("박과장"), p.ID, "")
	w.must(err)
	if p.State != approvals.Done {
		w.t.Fatalf("the proposal is %s", p.State)
	}
	return p
}

func (w *world) wallet(id uuid.UUID) ledger.Account {
	w.t.Helper()
	a, err := w.ledger.Account(w.ctx, id)
	w.must(err)
	return a
}

// Each direction, against each account of the municipality's: the value comes
// from there or goes there, what is put in is a lot, what is taken is spent.
func TestCorrections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes   bool
		against vouchers.Against
		kind    ledger.EntryKind
		wallet  money.Amount // afterwards
		subsidy money.Amount
		fund    money.Amount
	}{
		"in, from the fund account": {false, vouchers.AgainstFund, ledger.WalletCredited, 105_000, budget - 10_000, -budget - 95_000},
		"in, from the budget":       {false, vouchers.AgainstSubsidy, ledger.WalletCredited, 105_000, budget - 15_000, -budget - 90_000},
		"out, to the fund account":  {true, vouchers.AgainstFund, ledger.WalletDebited, 95_000, budget - 10_000, -budget - 85_000},
		"out, back to the budget":   {true, vouchers.AgainstSubsidy, ledger.WalletDebited, 95_000, budget - 5_000, -budget - 90_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			b := w.buyer(1_000_000)
			bought := b.buy(100_000)
			in := vouchers.CorrectionInput{
				WalletID: bought.WalletID, Takes: c.takes, Against: c.against, Amount: 5_000, Answers: *bought.SettleEntry, Reason: "충전이 두 번 반영되어 바로잡음",
			}
			maker := w.official("김주무")
			p, err := w.ProposeCorrection(maker, in)
			w.must(err)
			w.holds(bought.WalletID, 100_000, budget-10_000) // nothing moves before the second person
			if _, err := w.approvals.Approve(maker, p.ID, ""); !errors.Is(err, approvals.ErrOwn) {
				t.Errorf("the maker approves: %v", err)
			}
			if _, err := w.approvals.Approve(w.official("이주무", "programmes.manage"), p.ID, ""); !errors.Is(err, fault.ErrForbidden) {
				t.Errorf("somebody without the permission: %v", err)
			}
			if _, err := w.ProposeCorrection(maker, in); !errors.Is(err, approvals.ErrOpen) {
				t.Errorf("the same wallet twice at once: %v", err)
			}
			w.approved(p, nil)
			if _, err := w.approvals.Approve(w.official("최과장"), p.ID, ""); !errors.Is(err, approvals.ErrDecided) {
				t.Errorf("a second time: %v", err)
			}
			w.holds(bought.WalletID, c.wallet, c.subsidy)
			w.balance("fund", w.house.Fund, c.fund)

			lines, err := w.ledger.EntriesOf(w.ctx, bought.WalletID, uuid.Nil, 1)
			w.must(err)
			if lines[0].Kind != c.kind || lines[0].Answers != *bought.SettleEntry {
				t.Errorf("booked as %+v", lines[0])
			}
			made, err := w.CorrectionOf(w.ctx, b.id, lines[0].EntryID)
			w.must(err)
			if made.Reason != in.Reason || made.Takes != c.takes || made.Amount != 5_000 || made.ProposalID != p.ID || made.WalletID != bought.WalletID {
				t.Errorf("kept %+v", made)
			}
			if _, err := w.CorrectionOf(w.ctx, uuid.New(), made.ID); !errors.Is(err, vouchers.ErrCorrectionUnknown) {
				t.Errorf("another citizen sees it: %v", err)
			}
			changes, err := w.kit.Audit.Changes(w.ctx, audit.Filter{Object: "citizen", ObjectID: b.id.String()})
			w.must(err)
			if len(changes) != 1 || changes[0].Action != "wallet.corrected" || changes[0].Reason != in.Reason || changes[0].ActorName != "박과장" {
				t.Errorf("the audit log has %+v", changes)
			}
			lots, err := w.Lots(w.ctx, b.id, bought.WalletID, 0, 10)
			w.must(err)
			if c.takes {
				if len(lots) != 1 || lots[0].Remaining != 95_000 {
					t.Errorf("lots are %+v", lots)
				}
				return
			}
			lot := lots[1]
			paid := map[vouchers.Against]money.Amount{vouchers.AgainstFund: 5_000}[c.against]
			if len(lots) != 2 || lot.Face != 5_000 || lot.Paid != paid || lot.CorrectionID == nil || *lot.CorrectionID != made.ID || lot.Remaining != 5_000 {
				t.Errorf("lots are %+v", lots)
			}
		})
	}
}

// What staff take is not what the citizen spends today: the daily limit is theirs.
func TestCorrectionLeavesTheDay(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(1_000_000)
	bought := b.buy(100_000)
	w.spend(bought.WalletID, 30_000)
	w.approved(w.ProposeCorrection(w.official("김주무"), vouchers.CorrectionInput{
		WalletID: bought.WalletID, Takes: true, Against: vouchers.AgainstFund, Amount: 20_000, Reason: "이중 충전",
	}))
	if a := w.wallet(bought.WalletID); a.Spent != 50_000 || a.Balance != 50_000 {
		t.Errorf("the wallet is %+v", a)
	}
	var today money.Amount
	w.must(w.kit.DB.Tx(w.ctx, func(ctx context.Context) error {
		return w.kit.DB.In(ctx).Raw(`SELECT day_spent FROM ledger.accounts WHERE tenant_id = ? AND id = ?`, w.kit.Tenant, bought.WalletID).Scan(&today).Error
	}))
	if today != 30_000 {
		t.Errorf("the citizen spent %s today", today)
	}
	w.sound()
}

func TestCorrectionsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b, other := w.buyer(1_000_000), w.buyer(1_000_000)
	bought, theirs := b.buy(50_000), other.buy(10_000)
	maker := w.official("김주무")
	good := func() vouchers.CorrectionInput {
		return vouchers.CorrectionInput{WalletID: bought.WalletID, Takes: true, Against: vouchers.AgainstFund, Amount: 50_000, Reason: "이중 충전"}
	}
	for field, spoil := range map[string]func(*vouchers.CorrectionInput){
		"amount":  func(in *vouchers.CorrectionInput) { in.Amount = 50_001 },
		"against": func(in *vouchers.CorrectionInput) { in.Against = "mattress" },
		"answers": func(in *vouchers.CorrectionInput) { in.Answers = *theirs.SettleEntry },
		"reason":  func(in *vouchers.CorrectionInput) { in.Reason = "x" },
	} {
		in := good()
		spoil(&in)
		if _, err := w.ProposeCorrection(maker, in); !names(err, field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for name, amount := range map[string]money.Amount{"nothing": 0, "below": -1, "too much": vouchers.CorrectionMost + 1} {
		in := good()
		in.Takes, in.Amount = false, amount
		if _, err := w.ProposeCorrection(maker, in); !names(err, "amount") {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := good()
	in.Answers = uuid.New()
	if _, err := w.ProposeCorrection(maker, in); !names(err, "answers") {
		t.Errorf("an unknown entry: %v", err)
	}
	in = good()
	in.WalletID = uuid.New()
	if _, err := w.ProposeCorrection(maker, in); !errors.Is(err, vouchers.ErrWalletUnknown) {
		t.Errorf("an unknown wallet: %v", err)
	}
	if _, err := w.ProposeCorrection(w.official("이주무", "programmes.manage"), good()); !errors.Is(err, fault.ErrForbidden) {
		t.Errorf("without the permission: %v", err)
	}
	neighbour := setup(t)
	if _, err := neighbour.ProposeCorrection(neighbour.official("남"), good()); !errors.Is(err, vouchers.ErrWalletUnknown) {
		t.Errorf("a neighbour's wallet: %v", err)
	}

	// What was there when it was proposed is spent when it is approved.
	p, err := w.ProposeCorrection(maker, good())
	w.must(err)
	w.spend(bought.WalletID, 1_000)
	if _, err := w.approvals.Approve(w.official("박과장"), p.ID, ""); !errors.Is(err, vouchers.ErrBeyondBalance) {
		t.Errorf("more than is left: %v", err)
	}
	w.holds(bought.WalletID, 49_000, budget-6_000)
}

// The budget grows and shrinks by two people, and never below nothing.
func TestBudget(t *testing.T) {
	t.Parallel()
	w := setup(t)
	maker := w.official("김주무")
	p, err := w.ProposeFunding(maker, false, 500_000, "추경 예산 편성")
	w.must(err)
	if _, err := w.approvals.Approve(maker, p.ID, ""); !errors.Is(err, approvals.ErrOwn) {
		t.Errorf("the maker approves: %v", err)
	}
	if _, err := w.ProposeFunding(maker, true, 1, "반납"); !errors.Is(err, approvals.ErrOpen) {
		t.Errorf("two changes at once: %v", err)
	}
	w.balance("subsidy", w.house.Subsidy, budget)
	w.approved(p, nil)
	w.balance("subsidy", w.house.Subsidy, budget+500_000)
	w.approved(w.ProposeFunding(maker, true, 700_000, "집행 잔액 반납"))
	w.balance("subsidy", w.house.Subsidy, budget-200_000)
	w.balance("fund", w.house.Fund, -(budget - 200_000))
	w.sound()

	for name, amount := range map[string]money.Amount{"nothing": 0, "too much": budget - 200_000 + 1} {
		if _, err := w.ProposeFunding(maker, true, amount, "반납"); !names(err, "amount") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.ProposeFunding(w.official("이주무", "wallets.correct"), false, 1, "보탬"); !errors.Is(err, fault.ErrForbidden) {
		t.Errorf("without the permission: %v", err)
	}
	p, err = w.ProposeFunding(maker, true, budget-200_000, "모두 반납")
	w.must(err)
	w.buyer(1_000_000).buy(10_000)
	if _, err := w.approvals.Approve(w.official("박과장"), p.ID, ""); !errors.Is(err, vouchers.ErrBeyondBalance) {
		t.Errorf("more than is left: %v", err)
	}
	list, err := w.Fundings(w.ctx, vouchers.Page{Limit: 10})
	w.must(err)
	if len(list) != 3 || !list[0].Returned || list[0].Amount != 700_000 || list[0].Reason != "집행 잔액 반납" || list[1].Amount != 500_000 || list[2].ProposalID != nil {
		t.Errorf("kept %+v", list)
	}
	w.balance("subsidy", w.house.Subsidy, budget-200_000-1_000)
	w.sound()
}

// Verify names an entry that nobody proposed, and a record whose entry says otherwise.
func TestVerifyNamesCorrections(t *testing.T) {
	t.Parallel()
	w := setup(t)
	bought := w.buyer(1_000_000).buy(100_000)
	w.approved(w.ProposeCorrection(w.official("김주무"), vouchers.CorrectionInput{
		WalletID: bought.WalletID, Against: vouchers.AgainstSubsidy, Amount: 5_000, Reason: "누락된 충전",
	}))
	w.sound()
	_, err := w.ledger.PostTx(w.ctx, ledger.Entry{
		ID: id(), Kind: ledger.WalletCredited, Transfers: []ledger.Transfer{{Debit: w.house.Fund, Credit: bought.WalletID, Amount: 7}},
	})
	w.must(err)
	differences, err := w.Verify(w.ctx)
	w.must(err)
	found := map[string]bool{}
	for _, d := range differences {
		found[d.Check] = true
	}
	if !found["entry-has-its-correction"] || !found["wallet-is-its-lots"] {
		t.Errorf("found %+v", differences)
	}
}

func names(err error, field string) bool {
	f, ok := fault.Of(err)
	return ok && len(f.Fields) == 1 && f.Fields[0].Name == field
}

// A programme for some ages is sold to them alone.
func TestBuyersAges(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(1_000_000)
	born := calendar.Date(2007, time.November, 18) // 19 on the day of the clock
	w.KnowBirthDates(func(context.Context, uuid.UUID) (calendar.Day, error) { return born, nil })
	today := calendar.DayOf(w.kit.Clock.Now())
	for name, c := range map[string]struct {
		born        calendar.Day
		least, most int
		refused     bool
	}{
		"anyone":                   {today, 0, 0, false},
		"of age today":             {today.AddYears(-19), 19, 0, false},
		"of age tomorrow":          {today.AddYears(-19).Next(), 19, 0, true},
		"the last day of being 34": {today.AddYears(-35).Next(), 19, 34, false},
		"35 today":                 {today.AddYears(-35), 19, 34, true},
	} {
		rules := policy()
		p, err := w.Open(w.ctx, vouchers.ProgrammeInput{Kind: vouchers.Discount, Name: "청년 " + name, NameEn: "Youth", BuyerAgeMin: c.least, BuyerAgeMax: c.most, Policy: rules})
		w.must(err)
		born = c.born
		w.programme = p
		_, err = b.try(uuid.NewString(), 10_000)
		if c.refused != errors.Is(err, vouchers.ErrNotForYou) || !c.refused && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.sound()
}
