package cards

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/payments"
)

// Offer is the rest of a payment that the citizen is asked about on the phone.
type Offer struct {
	TenantID   tenant.ID    `json:"tenant"`
	ID         uuid.UUID    `json:"id"`
	LinkID     uuid.UUID    `json:"card_id"`
	CitizenID  uuid.UUID    `json:"-"`
	MerchantID uuid.UUID    `json:"merchant_id"`
	Requested  money.Amount `json:"requested"`
	Voucher    money.Amount `json:"voucher"`
	Rest       money.Amount `json:"rest"`
	State      string       `json:"state"` // offered, allowed, declined or used
	At         time.Time    `json:"at"`
	ExpiresAt  time.Time    `json:"expires_at"`
}

const (
	offeredFor = 10 * time.Minute
	allowedFor = 5 * time.Minute // within which the card is swiped again
)

// OfferedEvent is told when a citizen is asked.
type OfferedEvent struct {
	CitizenID  uuid.UUID    `json:"citizen_id"`
	OfferID    uuid.UUID    `json:"offer_id"`
	Card       string       `json:"card"`
	MerchantID uuid.UUID    `json:"merchant_id"`
	Requested  money.Amount `json:"requested"`
	Voucher    money.Amount `json:"voucher"`
	Rest       money.Amount `json:"rest"`
	At         time.Time    `json:"at"`
}

// offer asks a citizen whether the bank account may pay the rest. Of the same
// rest one is asked once, however often the shop tries.
func (s *Service) offer(ctx context.Context, link Link, shop uuid.UUID, requested, voucher money.Amount) error {
	now := s.now()
	o := Offer{
		TenantID: tenant.From(ctx), ID: uuid.Must(uuid.NewV7()), LinkID: link.ID, CitizenID: link.CitizenID, MerchantID: shop,
		Requested: requested, Voucher: voucher, Rest: requested - voucher, State: "offered", At: now, ExpiresAt: now.Add(offeredFor),
	}
	if asked, err := s.store.askedAgain(ctx, o); err != nil || asked {
		return err
	}
	if err := s.store.insertOffer(ctx, o); err != nil {
		return err
	}
	return s.outbox.Put(ctx, TopicOffered, OfferedEvent{
		CitizenID: o.CitizenID, OfferID: o.ID, Card: link.Name, MerchantID: shop, Requested: requested, Voucher: voucher, Rest: o.Rest, At: now,
	})
}

// offerRests asks about what vouchers could not pay, where cards are to ask.
func (s *Service) offerRests(ctx context.Context, list []Authorisation) error {
	for _, a := range list {
		if a.Voucher+a.Account == a.Requested {
			continue
		}
		link, err := s.store.link(ctx, a.LinkID)
		if err != nil {
			return err
		}
		if link.In(a.TenantID).Mode != Ask {
			continue
		}
		if err := s.offer(ctx, link, *a.MerchantID, a.Requested, a.Voucher); err != nil {
			return err
		}
	}
	return nil
}

// takeOffer uses what the citizen has allowed on the phone for this shop, if it
// covers the amount.
func (s *Service) takeOffer(ctx context.Context, link Link, at Place, amount money.Amount) (allowed bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		allowed, err = s.store.useOffer(ctx, link.ID, at.MerchantID, amount, s.now())
		return err
	})
	return allowed, err
}

// Offers lists what a citizen is asked about now, in all municipalities.
func (s *Service) Offers(ctx context.Context, citizen uuid.UUID) (list []Offer, err error) {
	homes, err := s.homes(ctx, citizen)
	if err != nil {
		return nil, err
	}
	for _, id := range homes {
		ctx := tenant.With(ctx, id)
		err := s.db.Tx(ctx, func(ctx context.Context) error {
			here, err := s.store.offers(ctx, citizen, s.now())
			list = append(list, here...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Questions are what a citizen's cards ask now, in all municipalities: of the
// cards that are to ask, so that it costs most people's home one look.
func (s *Service) Questions(ctx context.Context, citizen uuid.UUID) (list []payments.Question, err error) {
	var places []tenant.ID
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		places, err = s.store.placesThatAsk(ctx, citizen)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, id := range places {
		here, err := s.questionsIn(tenant.With(ctx, id), citizen)
		if err != nil {
			return nil, err
		}
		list = append(list, here...)
	}
	return list, nil
}

func (s *Service) questionsIn(ctx context.Context, citizen uuid.UUID) (list []payments.Question, err error) {
	var offers []Offer
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		offers, err = s.store.offers(ctx, citizen, s.now())
		return err
	})
	if err != nil || len(offers) == 0 {
		return nil, err
	}
	shops := make([]uuid.UUID, len(offers))
	for i, o := range offers {
		shops[i] = o.MerchantID
	}
	names, err := s.merchants.Names(ctx, shops)
	for _, o := range offers {
		list = append(list, payments.Question{
			URL: "/my/cards/offers/" + o.TenantID.String() + "/" + o.ID.String(), Shop: names[o.MerchantID],
			Requested: o.Requested, Voucher: o.Voucher, Rest: o.Rest, State: o.State, ExpiresAt: o.ExpiresAt,
		})
	}
	return list, err
}

// Answer keeps what a citizen says to an offer. Allowed, the card is swiped once
// more within five minutes, and the rest is taken from the bank account. It
// refuses with ErrOfferOver when it is answered otherwise or too late.
func (s *Service) Answer(ctx context.Context, citizen, id uuid.UUID, allow bool) (o Offer, err error) {
	to, until := "declined", s.now()
	if allow {
		to, until = "allowed", s.now().Add(allowedFor)
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if o, err = s.store.offerOf(ctx, citizen, id); err != nil {
			return err
		}
		if o.State == to {
			return nil
		}
		if o.State != "offered" || !s.now().Before(o.ExpiresAt) {
			return ErrOfferOver
		}
		o.State, o.ExpiresAt = to, until
		return s.store.updateOffer(ctx, o)
	})
	return o, err
}
