package payments

import (
	"context"
	"encoding/base64"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
	"jangteo/modules/vouchers"
)

// Movement is what came into or went out of one of a citizen's wallets.
type Movement struct {
	TenantID     tenant.ID
	WalletID     uuid.UUID
	EntryID      uuid.UUID
	Kind         ledger.EntryKind
	Amount       money.Amount // below zero: what went out
	At           time.Time
	MerchantID   uuid.UUID // of a payment or cancellation
	MerchantName string
	PaymentID    uuid.UUID // of a payment or cancellation
	PurchaseID   uuid.UUID // of a purchase
}

// HistoryFilter narrows a citizen's history; zero values do not.
type HistoryFilter struct {
	Wallet uuid.UUID
	Kind   ledger.EntryKind
	After  string // where the page before ended, as History told
	Limit  int    // 1 to 100, else 30
}

const (
	historyUsual  = 30
	historyMost   = 100
	historyRounds = 20  // of reading on, when a filter leaves little of what was read
	linesMost     = 200 // of a wallet that are read at a time
)

// linesEach is how many lines of a wallet are read at a time: enough for the
// page even if each movement has two and the last is cut.
func (f HistoryFilter) linesEach() int {
	if f.Kind != "" {
		return linesMost
	}
	return min(2*f.Limit+3, linesMost)
}

// History lists what moved in a citizen's wallets of all municipalities, newest
// first. next is empty on the last page; it is opaque, and good for the same
// filter only. A cursor that was not given out by History is ErrInvalid.
func (s *Service) History(ctx context.Context, citizen uuid.UUID, f HistoryFilter) (list []Movement, next string, err error) {
	if f.Limit < 1 || f.Limit > historyMost {
		f.Limit = historyUsual
	}
	at, err := parsePosition(f.After)
	if err != nil {
		return nil, "", err
	}
	wallets, err := s.vouchers.Wallets(ctx, citizen)
	if err != nil {
		return nil, "", err
	}
	var streams []*stream
	for _, w := range wallets {
		if f.Wallet == uuid.Nil || f.Wallet == w.ID {
			streams = append(streams, &stream{wallet: w, before: at[w.ID], kind: f.Kind, each: f.linesEach(), ledger: s.ledger})
		}
	}
	more := false
	for !more {
		newest, err := newestOf(ctx, streams)
		if err != nil || newest == nil {
			if err != nil {
				return nil, "", err
			}
			break
		}
		if more = len(list) == f.Limit; more {
			break
		}
		list = append(list, newest.take())
		at[newest.wallet.ID] = newest.before
	}
	if more {
		next = at.String()
	}
	return list, next, s.tell(ctx, list)
}

// stream reads one wallet's movements, newest first.
type stream struct {
	wallet vouchers.Wallet
	kind   ledger.EntryKind
	each   int // lines at a time
	ledger *ledger.Service
	read   []Movement
	from   ledger.Place // of the oldest entry that was read
	before uuid.UUID    // the last that was taken
	ended  bool
	begun  bool
}

// newestOf finds the stream whose next movement is the latest, or nil.
func newestOf(ctx context.Context, streams []*stream) (newest *stream, err error) {
	for _, s := range streams {
		if err := s.fill(ctx); err != nil {
			return nil, err
		}
		if len(s.read) > 0 && (newest == nil || s.read[0].At.After(newest.read[0].At)) {
			newest = s
		}
	}
	return newest, nil
}

func (s *stream) take() Movement {
	m := s.read[0]
	s.read, s.before = s.read[1:], m.EntryID
	return m
}

// fill reads on until something of the wanted kind is there.
func (s *stream) fill(ctx context.Context) (err error) {
	if !s.begun {
		s.begun = true
		if s.from, err = s.ledger.PlaceOf(tenant.With(ctx, s.wallet.TenantID), s.before); err != nil {
			return err
		}
	}
	for round := 0; len(s.read) == 0 && !s.ended; round++ {
		if round == historyRounds {
			s.ended = true
			return nil
		}
		lines, err := s.ledger.Recent(tenant.With(ctx, s.wallet.TenantID), s.wallet.ID, s.from, s.each)
		if err != nil {
			return err
		}
		s.ended = len(lines) < s.each
		if !s.ended {
			lines = lines[:lastWhole(lines)]
		}
		if len(lines) > 0 {
			oldest := lines[len(lines)-1]
			s.from = ledger.Place{Day: oldest.Day, Entry: oldest.EntryID}
		}
		s.read = s.gather(lines)
	}
	return nil
}

// lastWhole is where the last entry begins, whose other lines may lie beyond
// what was read.
func lastWhole(lines []ledger.Line) int {
	n := len(lines) - 1
	for n > 0 && lines[n-1].EntryID == lines[n].EntryID {
		n--
	}
	return n
}

// gather sums the lines of each entry: a purchase comes in two parts, what was
// paid and what the municipality added.
func (s *stream) gather(lines []ledger.Line) (list []Movement) {
	for _, line := range lines {
		if s.kind != "" && line.Kind != s.kind {
			continue
		}
		if last := len(list) - 1; last >= 0 && list[last].EntryID == line.EntryID {
			list[last].Amount += line.Amount
			continue
		}
		m := Movement{
			TenantID: s.wallet.TenantID, WalletID: s.wallet.ID, EntryID: line.EntryID,
			Kind: line.Kind, Amount: line.Amount, At: line.At,
		}
		switch line.Kind {
		case ledger.Payment:
			m.PaymentID, m.MerchantID = line.EntryID, line.Other // the account; tell finds whose
		case ledger.Cancellation:
			m.PaymentID, m.MerchantID = line.Answers, line.Other
		default:
		}
		list = append(list, m)
	}
	return list
}

// tell adds who was paid and which purchase it was, asking once a municipality.
func (s *Service) tell(ctx context.Context, list []Movement) error {
	places := map[tenant.ID][]*Movement{}
	for i := range list {
		places[list[i].TenantID] = append(places[list[i].TenantID], &list[i])
	}
	for id, movements := range places {
		ctx := tenant.With(ctx, id)
		if err := s.tellShops(ctx, movements); err != nil {
			return err
		}
		if err := s.tellPurchases(ctx, movements); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) tellShops(ctx context.Context, movements []*Movement) error {
	var accounts []uuid.UUID
	for _, m := range movements {
		if m.PaymentID != uuid.Nil {
			accounts = append(accounts, m.MerchantID)
		}
	}
	payees, err := s.merchants.Payees(ctx, accounts)
	for _, m := range movements {
		if m.PaymentID != uuid.Nil {
			payee := payees[m.MerchantID]
			m.MerchantID, m.MerchantName = payee.ID, payee.Name
		}
	}
	return err
}

func (s *Service) tellPurchases(ctx context.Context, movements []*Movement) error {
	wallets := map[uuid.UUID][]*Movement{}
	for _, m := range movements {
		if m.Kind == ledger.PurchaseCompleted {
			wallets[m.WalletID] = append(wallets[m.WalletID], m)
		}
	}
	// The bank may take days to tell; what was asked for before then is not found and has no link.
	const bankTakes = 7 * 24 * time.Hour
	for wallet, bought := range wallets {
		purchases, err := s.vouchers.Purchases(ctx, vouchers.PurchaseFilter{
			Wallet: wallet, State: vouchers.Completed,
			From: bought[len(bought)-1].At.Add(-bankTakes), To: bought[0].At.Add(time.Second), Page: vouchers.Page{Limit: linesMost},
		})
		if err != nil {
			return err
		}
		for _, m := range bought {
			i := slices.IndexFunc(purchases, func(p vouchers.Purchase) bool { return p.SettleEntry != nil && *p.SettleEntry == m.EntryID })
			if i >= 0 {
				m.PurchaseID = purchases[i].ID
			}
		}
	}
	return nil
}

// position is how far each wallet has been shown: its last entry.
type position map[uuid.UUID]uuid.UUID

const positionsMost = 46 // wallets, far more than anyone has; a cursor then has at most 2,000 signs

func (p position) String() string {
	raw := make([]byte, 0, 32*len(p))
	for wallet, entry := range p {
		raw = append(append(raw, wallet[:]...), entry[:]...)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func parsePosition(text string) (position, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw)%32 != 0 || len(raw) > 32*positionsMost {
		return nil, fault.On("cursor", fault.WrongFormat)
	}
	p := position{}
	for ; len(raw) > 0; raw = raw[32:] {
		p[uuid.UUID(raw[:16])] = uuid.UUID(raw[16:32])
	}
	return p, nil
}
