package cards

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/money"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
	"jangteo/modules/payments"
)

// Claim is what a citizen owes because a stand-in took more than the wallet
// held. Its id is its ledger account's.
type Claim struct {
	TenantID     tenant.ID    `json:"tenant"`
	ID           uuid.UUID    `json:"id"`
	CitizenID    uuid.UUID    `json:"-"`
	WalletID     uuid.UUID    `json:"wallet_id"`
	PaymentID    uuid.UUID    `json:"payment_id"`
	Amount       money.Amount `json:"amount"`
	Owed         money.Amount `json:"owed" gorm:"-"` // now
	MerchantID   uuid.UUID    `json:"merchant_id" gorm:"-"`
	MerchantName string       `json:"merchant_name" gorm:"-"`
	At           time.Time    `json:"at"`
}

// Repayment is what was taken out of a wallet for a claim. Its id is its ledger
// entry's.
type Repayment struct {
	ID      uuid.UUID    `json:"id"`
	ClaimID uuid.UUID    `json:"claim_id"`
	Amount  money.Amount `json:"amount"`
	By      string       `json:"by"` // citizen or purchase
	At      time.Time    `json:"at"`
}

// claim keeps what was lent for a payment.
func (s *Service) claim(ctx context.Context, b payments.CardBooked) error {
	if b.Lent == 0 {
		return nil
	}
	c := Claim{TenantID: tenant.From(ctx), ID: b.Claim, CitizenID: b.CitizenID, WalletID: b.WalletID, PaymentID: b.ID, Amount: b.Lent, At: b.At}
	if err := s.store.insertClaim(ctx, c); err != nil {
		return err
	}
	return s.outbox.Put(ctx, TopicClaimed, ClaimedEvent{
		CitizenID: b.CitizenID, ClaimID: b.Claim, MerchantID: b.MerchantID, Amount: b.Lent, At: b.At,
	})
}

// ClaimsOf lists what a citizen owes or owed, in all municipalities, newest first.
func (s *Service) ClaimsOf(ctx context.Context, citizen uuid.UUID) (list []Claim, err error) {
	homes, err := s.homes(ctx, citizen)
	for _, id := range homes {
		here, err := s.claims(tenant.With(ctx, id), claimFilter{citizen: citizen, limit: claimsMost})
		if err != nil {
			return nil, err
		}
		list = append(list, here...)
	}
	return list, err
}

// Claims lists the claims of the municipality in ctx, newest first, from before
// one on (uuid.Nil: from the newest).
func (s *Service) Claims(ctx context.Context, before uuid.UUID, limit int) ([]Claim, error) {
	return s.claims(ctx, claimFilter{before: before, limit: min(max(limit, 1), claimsMost)})
}

// AllClaims lists the first most of all claims, newest first, for a download,
// which the audit log keeps.
func (s *Service) AllClaims(ctx context.Context, most int) (list []Claim, more bool, err error) {
	for before := uuid.Nil; ; before = list[len(list)-1].ID {
		page, err := s.Claims(ctx, before, claimsMost)
		if err != nil {
			return nil, false, err
		}
		if list = append(list, page...); len(list) > most {
			return nil, true, nil
		}
		if len(page) < claimsMost {
			return list, false, s.exported(ctx, "claims", map[string]any{}, len(list))
		}
	}
}

// claimFilter narrows a listing; zero values do not.
type claimFilter struct {
	citizen uuid.UUID
	id      uuid.UUID
	before  uuid.UUID
	limit   int
}

const claimsMost = 100

func (s *Service) claims(ctx context.Context, f claimFilter) (list []Claim, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if list, err = s.store.claims(ctx, f); err != nil {
			return err
		}
		for i := range list {
			balance, err := s.ledger.Balance(ctx, list[i].ID)
			if err != nil {
				return err
			}
			list[i].Owed = -balance
			p, err := s.payments.Get(asSystem(ctx), list[i].PaymentID)
			if err != nil {
				return err
			}
			list[i].MerchantID, list[i].MerchantName = p.MerchantID, p.MerchantName
		}
		return nil
	})
	return list, err
}

// Claim returns one claim of a citizen; another's is unknown.
func (s *Service) Claim(ctx context.Context, citizen, id uuid.UUID) (Claim, error) {
	list, err := s.claims(ctx, claimFilter{citizen: citizen, id: id, limit: 1})
	if err == nil && len(list) == 0 {
		err = ErrClaimUnknown
	}
	if err != nil {
		return Claim{}, err
	}
	return list[0], nil
}

// RepayInput is one press of the button. Amount 0 is all that is owed.
type RepayInput struct {
	Key       string       `json:"-"`
	CitizenID uuid.UUID    `json:"-"`
	ClaimID   uuid.UUID    `json:"claim_id"`
	Amount    money.Amount `json:"amount"`
}

// Repay takes what is owed out of the wallet that the claim is of, as much as it
// holds, once for each key. It refuses with ErrClaimUnknown, ErrClaimSettled and
// ledger.ErrInsufficientBalance if the wallet is empty.
func (s *Service) Repay(ctx context.Context, in RepayInput) (Repayment, bool, error) {
	if in.Amount < 0 {
		return Repayment{}, false, fault.On("amount", fault.TooSmall).Limit(1)
	}
	key, err := idem.New(in.CitizenID, in.Key, "repay claim", in)
	if err != nil {
		return Repayment{}, false, err
	}
	return idem.Once(ctx, s.keys, key, func(ctx context.Context) (Repayment, error) {
		c, err := s.Claim(ctx, in.CitizenID, in.ClaimID)
		if err != nil {
			return Repayment{}, err
		}
		switch {
		case c.Owed == 0:
			return Repayment{}, ErrClaimSettled
		case in.Amount == 0:
			in.Amount = c.Owed
		case in.Amount > c.Owed:
			return Repayment{}, fault.On("amount", fault.TooLarge).Limit(int64(c.Owed))
		}
		r, err := s.repay(ctx, c, in.Amount, "citizen")
		if err == nil && r.Amount == 0 {
			err = ledger.ErrInsufficientBalance.With("balance", 0).With("amount", in.Amount)
		}
		return r, err
	})
}

func (s *Service) repay(ctx context.Context, c Claim, amount money.Amount, by string) (r Repayment, err error) {
	r = Repayment{ID: uuid.Must(uuid.NewV7()), ClaimID: c.ID, By: by, At: s.now()}
	if _, r.Amount, err = s.ledger.RepayTx(ctx, r.ID, c.WalletID, c.ID, amount); err != nil || r.Amount == 0 {
		return r, err
	}
	return r, s.store.insertRepayment(ctx, r)
}

// RepayFromPurchases keeps whether claims are to be repaid out of what a citizen
// buys next in the municipality of ctx.
func (s *Service) RepayFromPurchases(ctx context.Context, citizen uuid.UUID, wish bool) error {
	return s.db.Tx(ctx, func(ctx context.Context) error { return s.store.upsertWish(ctx, citizen, wish, s.now()) })
}

// WishOf tells it.
func (s *Service) WishOf(ctx context.Context, citizen uuid.UUID) (wish bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		wish, err = s.store.wish(ctx, citizen)
		return err
	})
	return wish, err
}

// OnPurchased repays claims out of purchases, for those who wish so.
func (s *Service) OnPurchased(ctx context.Context, events []outbox.Event) error {
	for _, e := range events {
		var p struct {
			CitizenID uuid.UUID    `json:"citizen_id"`
			WalletID  uuid.UUID    `json:"wallet_id"`
			Amount    money.Amount `json:"amount"`
		}
		if err := e.Into(&p); err != nil {
			return err
		}
		if wish, err := s.store.wish(ctx, p.CitizenID); err != nil || !wish {
			if err != nil {
				return err
			}
			continue
		}
		owed, err := s.claims(ctx, claimFilter{citizen: p.CitizenID, limit: claimsMost})
		if err != nil {
			return err
		}
		left := p.Amount
		for _, c := range owed {
			if left == 0 || c.Owed == 0 || c.WalletID != p.WalletID {
				continue
			}
			r, err := s.repay(ctx, c, min(left, c.Owed), "purchase")
			if errors.Is(err, ledger.ErrAccountNotOpen) {
				break // a frozen wallet repays when it is open again
			}
			if err != nil {
				return err
			}
			left -= r.Amount
		}
	}
	return nil
}

// Verify compares claims and repayments of the municipality in ctx with the
// ledger, and names every difference. It only reads.
func (s *Service) Verify(ctx context.Context) (differences []ledger.Difference, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		differences, err = s.ledger.Compare(ctx, "repayment", []ledger.EntryKind{ledger.ClaimRepaid}, ledger.Claims{
			Each: s.store.eachRepayment, Page: s.store.repayments,
		})
		if err != nil {
			return err
		}
		return s.eachClaim(ctx, func(c Claim) error {
			found, err := s.verifyClaim(ctx, c)
			differences = append(differences, found...)
			return err
		})
	})
	return differences, err
}

// eachClaim hands over all claims of the municipality.
func (s *Service) eachClaim(ctx context.Context, each func(Claim) error) error {
	var before uuid.UUID
	for {
		list, err := s.store.claims(ctx, claimFilter{before: before, limit: claimsMost})
		if err != nil {
			return err
		}
		for _, c := range list {
			if err := each(c); err != nil {
				return err
			}
			before = c.ID
		}
		if len(list) < claimsMost {
			return nil
		}
	}
}

// verifyClaim looks for a claim in the entry of its payment.
func (s *Service) verifyClaim(ctx context.Context, c Claim) ([]ledger.Difference, error) {
	entry, err := s.ledger.Entry(ctx, c.PaymentID)
	if err != nil && !errors.Is(err, ledger.ErrEntryUnknown) {
		return nil, err
	}
	var lent money.Amount
	for _, t := range entry.Transfers {
		if t.Debit == c.ID {
			lent += t.Amount
		}
	}
	if lent == c.Amount {
		return nil, nil
	}
	return []ledger.Difference{{
		Tenant: c.TenantID, Check: "claim-agrees-with-its-payment", Object: "claim " + c.ID.String(),
		Want: fmt.Sprint(c.Amount), Got: fmt.Sprint(lent),
	}}, nil
}
