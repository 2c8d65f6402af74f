package merchants

import (
	"context"
	"encoding/base32"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/emvco"
	"jangteo/app/money"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
)

// dynamicFor is how long a dynamic code is good (three minutes, as operators publish it).
const dynamicFor = 3 * time.Minute

// ids stand in codes as 26 characters, which keeps the picture coarse enough
// for a worn poster.
var ids = base32.StdEncoding.WithPadding(base32.NoPadding)

func encodeID(id uuid.UUID) string { return ids.EncodeToString(id[:]) }

func decodeID(text string) (uuid.UUID, error) {
	raw, err := ids.DecodeString(text)
	if err != nil {
		return uuid.Nil, err
	}
	return uuid.FromBytes(raw)
}

// city is the Latin name that wallets of other networks can show.
func city(id tenant.ID) string {
	m, ok := refdata.MunicipalityOf(int32(id))
	if !ok {
		return "Korea"
	}
	return m.EnglishSigungu()
}

// StaticQR is the payload of the code on a shop's wall; the customer types the
// amount.
func (s *Service) StaticQR(ctx context.Context, id uuid.UUID) (payload string, m Merchant, err error) {
	m, err = s.Get(ctx, id)
	if err != nil {
		return "", m, err
	}
	payload, err = emvco.Encode(emvco.Code{
		Static: true, Tenant: tenant.From(ctx).String(), Merchant: encodeID(id),
		MCC: refdata.MCC(m.Trade), Name: m.Name, City: city(tenant.From(ctx)),
	})
	return payload, m, err
}

// DynamicCode is a code for one sale.
type DynamicCode struct {
	ID        uuid.UUID
	Payload   string
	Amount    money.Amount
	ExpiresAt time.Time
}

// NewDynamicQR makes a code for one sale at the shop of the clerk in ctx, good
// for three minutes. A shop that takes no payments gets none.
func (s *Service) NewDynamicQR(ctx context.Context, amount money.Amount) (c DynamicCode, err error) {
	clerk := auth.From(ctx)
	shop, err := s.Accepting(ctx, clerk.Merchant)
	if err != nil {
		return c, err
	}
	now := s.now()
	// Whole seconds are what the code can carry.
	c = DynamicCode{ID: uuid.Must(uuid.NewV7()), Amount: amount, ExpiresAt: now.Add(dynamicFor).Truncate(time.Second)}
	c.Payload, err = emvco.Encode(emvco.Code{
		Tenant: tenant.From(ctx).String(), Merchant: encodeID(shop.ID), MCC: refdata.MCC(shop.Trade),
		Amount: int64(amount), Name: shop.Name, City: city(tenant.From(ctx)), ExpiresAt: c.ExpiresAt, Nonce: encodeID(c.ID),
	})
	if err != nil {
		return DynamicCode{}, err
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		return s.store.insertCode(ctx, codeRow{
			TenantID: tenant.From(ctx), ID: c.ID, MerchantID: shop.ID, ClerkID: clerk.ID,
			Amount: amount, CreatedAt: now, ExpiresAt: c.ExpiresAt,
		})
	})
	return c, err
}

// Scanned is what a code that may be paid says.
type Scanned struct {
	Tenant   tenant.ID
	Merchant Accepting
	Amount   money.Amount // 0 if the customer types it in
	CodeID   uuid.UUID    // of a dynamic code, for Use; else uuid.Nil
}

// Scan reads a code and looks the shop up. It answers ErrQRInvalid, ErrQRExpired
// (its time is over, or it was used), ErrUnknown or ErrNotAccepting.
func (s *Service) Scan(ctx context.Context, payload string) (Scanned, error) {
	return s.ScanAgain(ctx, payload, uuid.Nil)
}

// ScanAgain is Scan for somebody who may have taken the code before: it is
// still good for its taker.
func (s *Service) ScanAgain(ctx context.Context, payload string, taker uuid.UUID) (Scanned, error) {
	code, err := emvco.Decode(payload)
	if err != nil {
		return Scanned{}, ErrQRInvalid.Because(err)
	}
	id, err := tenant.Parse(code.Tenant)
	merchant, err2 := decodeID(code.Merchant)
	if err != nil || err2 != nil || code.Network != emvco.Network {
		return Scanned{}, ErrQRInvalid
	}
	ctx = tenant.With(ctx, id)
	if code.Expired(s.now()) {
		return Scanned{}, ErrQRExpired
	}
	shop, err := s.Accepting(ctx, merchant)
	if err != nil {
		return Scanned{}, err
	}
	found := Scanned{Tenant: id, Merchant: shop, Amount: money.Amount(code.Amount)}
	if code.Static {
		return found, nil
	}
	found.CodeID, err = decodeID(code.Nonce)
	if err != nil {
		return Scanned{}, ErrQRInvalid
	}
	return found, s.checkCode(ctx, found, taker)
}

// checkCode holds a dynamic code against what the shop asked for: the picture
// is only a claim.
func (s *Service) checkCode(ctx context.Context, found Scanned, taker uuid.UUID) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		r, err := s.store.code(ctx, found.CodeID)
		switch {
		case err != nil:
			return err
		case r.MerchantID != found.Merchant.ID, r.Amount != found.Amount:
			return ErrQRInvalid
		case r.UsedBy != nil && *r.UsedBy != taker, !s.now().Before(r.ExpiresAt):
			return ErrQRExpired
		}
		return nil
	})
}

// FromQR is Scan for callers that want the bare facts.
func (s *Service) FromQR(ctx context.Context, payload string) (tenant.ID, uuid.UUID, money.Amount, error) {
	found, err := s.Scan(ctx, payload)
	return found.Tenant, found.Merchant.ID, found.Amount, err
}

// UseCode takes a dynamic code, or answers ErrQRExpired when another has it.
// The taker is one press of the pay button, whose retries may take it again.
func (s *Service) UseCode(ctx context.Context, code, taker uuid.UUID) error {
	return s.db.Tx(ctx, func(ctx context.Context) error { return s.store.useCode(ctx, code, taker, s.now()) })
}

// FreeCode gives a code back whose payment was refused.
func (s *Service) FreeCode(ctx context.Context, code, taker uuid.UUID) error {
	return s.db.Tx(ctx, func(ctx context.Context) error { return s.store.freeCode(ctx, code, taker) })
}
