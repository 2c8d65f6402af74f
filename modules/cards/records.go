package cards

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/modules/payments"
)

// Authorisation is what was decided of one message.
type Authorisation struct {
	TenantID       tenant.ID
	ID             uuid.UUID
	Source         string // authorisation, advice or swap
	Issuer         string
	MessageKey     string
	Retrieval      string
	LinkID         uuid.UUID
	CitizenID      uuid.UUID
	MerchantID     *uuid.UUID
	MerchantNumber string
	Terminal       string
	Requested      money.Amount
	Voucher        money.Amount
	Account        money.Amount
	Refusal        string // code of a fault; empty: approved
	PaymentID      *uuid.UUID
	At             time.Time
}

// What cards announces.
const (
	TopicDeclined = "cards.declined"
	TopicOffered  = "cards.offered"
	TopicClaimed  = "cards.claimed"
)

// DeclinedEvent is told of every payment that a card asked for in vain.
type DeclinedEvent struct {
	CitizenID  uuid.UUID    `json:"citizen_id"`
	LinkID     uuid.UUID    `json:"link_id"`
	Card       string       `json:"card"` // its name
	MerchantID uuid.UUID    `json:"merchant_id"`
	Amount     money.Amount `json:"amount"`
	Code       string       `json:"code"` // why
	At         time.Time    `json:"at"`
}

// ClaimedEvent is told when a stand-in took more than the wallet held.
type ClaimedEvent struct {
	CitizenID  uuid.UUID    `json:"citizen_id"`
	ClaimID    uuid.UUID    `json:"claim_id"`
	MerchantID uuid.UUID    `json:"merchant_id"`
	Amount     money.Amount `json:"amount"`
	At         time.Time    `json:"at"`
}

// keep records what was decided of a request.
func (s *Service) keep(ctx context.Context, a Authorisation, r Request, link Link, shop uuid.UUID) error {
	if a.Source == "" {
		a.Source = "authorisation"
	}
	a.TenantID, a.Issuer, a.MessageKey, a.Retrieval = tenant.From(ctx), r.Issuer, r.Key, r.Retrieval
	a.LinkID, a.CitizenID, a.MerchantNumber, a.Terminal = link.ID, link.CitizenID, r.MerchantNumber, r.Terminal
	a.Requested, a.At = r.Amount, s.now()
	if shop != uuid.Nil {
		a.MerchantID = &shop
	}
	return s.store.insertAuthorisations(ctx, []Authorisation{a})
}

// OnCharged keeps the records of payments by card that the fast lane booked,
// and offers the rest of those that the voucher paid in part.
func (s *Service) OnCharged(ctx context.Context, events []outbox.Event) error {
	var list []Authorisation
	for _, e := range events {
		var p payments.CapturedEvent
		if err := e.Into(&p); err != nil {
			return err
		}
		if p.Card == nil || p.Card.Source != "authorisation" {
			continue
		}
		c := p.Card
		list = append(list, Authorisation{
			TenantID: tenant.From(ctx), ID: p.PaymentID, Source: c.Source, Issuer: c.Issuer, MessageKey: c.Key, Retrieval: c.Retrieval,
			LinkID: c.LinkID, CitizenID: p.CitizenID, MerchantID: &p.MerchantID, MerchantNumber: c.MerchantNumber, Terminal: c.Terminal,
			Requested: c.Requested, Voucher: p.Amount, Account: c.Account, PaymentID: &p.PaymentID, At: p.At,
		})
	}
	if len(list) == 0 {
		return nil
	}
	if err := s.store.insertAuthorisations(ctx, list); err != nil {
		return err
	}
	return s.offerRests(ctx, list)
}

// declined tells the citizen that a card was refused, and why.
func (s *Service) declined(ctx context.Context, r Request, link Link, shop uuid.UUID, f *fault.Fault) error {
	if link.In(tenant.From(ctx)).Mode == Ask && voucherCannot(f) && shop != uuid.Nil {
		if err := s.offer(ctx, link, shop, r.Amount, 0); err != nil {
			return err
		}
	}
	return s.outbox.Put(ctx, TopicDeclined, DeclinedEvent{
		CitizenID: link.CitizenID, LinkID: link.ID, Card: link.Name, MerchantID: shop, Amount: r.Amount, Code: f.Code, At: s.now(),
	})
}

// stray refuses a payment at a terminal that belongs to no shop, and puts it
// before the staff of every municipality where the citizen has a wallet.
func (s *Service) stray(ctx context.Context, r Request, link Link, refusal error) error {
	homes, err := s.homes(ctx, link.CitizenID)
	if err != nil {
		return db.Unavailable(err)
	}
	f, _ := fault.Of(refusal)
	for i, id := range homes {
		ctx := tenant.With(ctx, id)
		err := s.db.Tx(ctx, func(ctx context.Context) error {
			again, err := s.store.sawMessage(ctx, r.Issuer, r.Key)
			if err != nil || again {
				return err
			}
			if err := s.noteStray(ctx, Stray{Issuer: r.Issuer, MerchantNumber: r.MerchantNumber, Terminal: r.Terminal, Cause: "declined", Declined: 1}); err != nil || i > 0 {
				return err
			}
			if err := s.keep(ctx, Authorisation{ID: uuid.Must(uuid.NewV7()), Refusal: f.Code}, r, link, uuid.Nil); err != nil {
				return err
			}
			return s.declined(ctx, r, link, uuid.Nil, f)
		})
		if err != nil {
			return errors.Join(refusal, err)
		}
	}
	return refusal
}

// paymentOf finds what came of a message that the fast lane does not know.
func (s *Service) paymentOf(ctx context.Context, issuer, key string) (id uuid.UUID, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		id, err = s.store.paymentOf(ctx, issuer, key)
		return err
	})
	return id, err
}
