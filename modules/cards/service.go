package cards

import (
	"log/slog"
	"sync"

	"jangteo/app/audit"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/idem"
	"jangteo/app/live"
	"jangteo/app/outbox"
	"jangteo/app/recall"
	"jangteo/app/refdata"
	"jangteo/modules/citizens"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
	"jangteo/modules/payments"
	"jangteo/modules/vouchers"
)

// Kits are what the service is built from, beside the modules below it.
type Kits struct {
	DB     *db.DB
	Lane   *db.DB
	Keys   *idem.Keys
	Outbox *outbox.Outbox
	Audit  *audit.Log
	Live   *live.Hub
	Desk   IssuerDesk
	Now    clock.Now
	Log    *slog.Logger
}

// Service links cards, decides issuers' messages and puts right what went wrong.
type Service struct {
	db        *db.DB
	store     store
	keys      *idem.Keys
	outbox    *outbox.Outbox
	audit     *audit.Log
	live      *live.Hub
	desk      IssuerDesk
	now       clock.Now
	log       *slog.Logger
	ledger    *ledger.Service
	citizens  *citizens.Service
	merchants *merchants.Service
	vouchers  *vouchers.Service
	payments  *payments.Service

	links   *recall.Memory[string, Link]
	places  *recall.Memory[string, Place]
	changes recall.Changes[change]

	doubts struct {
		mu   sync.Mutex
		keys map[string]Reversal
	}
}

// New builds the service over its neighbours.
func New(kits Kits, l *ledger.Service, c *citizens.Service, m *merchants.Service, v *vouchers.Service, p *payments.Service) *Service {
	s := &Service{
		db: kits.DB, store: store{kits.DB, kits.Lane}, keys: kits.Keys, outbox: kits.Outbox, audit: kits.Audit, live: kits.Live, desk: kits.Desk, now: kits.Now, log: kits.Log,
		ledger: l, citizens: c, merchants: m, vouchers: v, payments: p,
	}
	s.doubts.keys = map[string]Reversal{}
	s.remember(kits.Lane)
	return s
}

// Issuer finds an issuer by its code.
func (s *Service) Issuer(code string) (Issuer, bool) {
	c, ok := refdata.CardIssuerOf(code)
	return Issuer{Code: c.Code, Name: c.Name, Partial: c.Acquirer}, ok
}

// Issuers lists all issuers by code.
func (s *Service) Issuers() []Issuer {
	list := refdata.CardIssuers()
	issuers := make([]Issuer, len(list))
	for i, c := range list {
		issuers[i] = Issuer{Code: c.Code, Name: c.Name, Partial: c.Acquirer}
	}
	return issuers
}

const (
	keyMost       = 64
	retrievalMost = 12
	tokenMost     = 64
	merchantMost  = 15
	terminalMost  = 16
)

// validate checks the fields that name a message; tokenLeast is 0 where the
// card may be left out.
func (m Message) validate(tokenLeast int) error {
	if _, ok := refdata.CardIssuerOf(m.Issuer); !ok {
		return ErrIssuerUnknown.With("issuer", m.Issuer)
	}
	for _, f := range []struct {
		name, text string
		least      int
		most       int
	}{
		{"key", m.Key, 1, keyMost}, {"retrieval", m.Retrieval, 0, retrievalMost}, {"token", m.Token, tokenLeast, tokenMost},
		{"merchant_number", m.MerchantNumber, 1, merchantMost}, {"terminal", m.Terminal, 1, terminalMost},
	} {
		switch {
		case len(f.text) < f.least:
			return fault.On(f.name, fault.Required)
		case len(f.text) > f.most:
			return fault.On(f.name, fault.TooLong).Limit(f.most)
		case !printable(f.text):
			return fault.On(f.name, fault.WrongFormat)
		}
	}
	return nil
}

// printable allows the signs that a key is made of.
func printable(text string) bool {
	for _, c := range []byte(text) {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return true
}
