package cards

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/bizno"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/modules/merchants"
)

// Stray is a terminal that belongs to no shop, or to the wrong one.
type Stray struct {
	TenantID       tenant.ID
	ID             uuid.UUID
	Issuer         string
	MerchantNumber string
	Terminal       string
	BizNo          string // as the issuer or the shop says it; may be empty
	Name           string
	Address        string
	Cause          string // import, declined or wrong-shop
	Declined       int64  // payments
	State          string // open, mapped or dismissed
	MerchantID     *uuid.UUID
	FirstAt        time.Time
	LastAt         time.Time
}

// Terminal is one that stands in a shop.
type Terminal struct {
	Issuer         string
	MerchantNumber string
	Terminal       string
	MerchantID     uuid.UUID
	MappedAt       time.Time
}

// Proposal is a shop that a terminal may belong to, and why.
type Proposal struct {
	Merchant merchants.Merchant
	Reason   string // biz-no, neighbour or name
}

// noteStray puts a terminal before the staff, once however often it is seen.
func (s *Service) noteStray(ctx context.Context, t Stray) error {
	t.TenantID, t.ID, t.State, t.FirstAt, t.LastAt = tenant.From(ctx), uuid.Must(uuid.NewV7()), "open", s.now(), s.now()
	return s.store.upsertStray(ctx, t)
}

func (t Stray) validate() error {
	m := Message{Issuer: t.Issuer, Key: "-", Token: "-", MerchantNumber: t.MerchantNumber, Terminal: t.Terminal}
	if err := m.validate(1); err != nil {
		return err
	}
	switch {
	case t.BizNo != "" && !bizno.Valid(t.BizNo):
		return fault.On("biz_no", fault.WrongFormat)
	case utf8.RuneCountInString(t.Name) > 100:
		return fault.On("name", fault.TooLong).Limit(100)
	case utf8.RuneCountInString(t.Address) > 200:
		return fault.On("address", fault.TooLong).Limit(200)
	}
	return nil
}

// Map says in which shop of the municipality in ctx a terminal stands. One that
// stood in another shop moves, and payments follow from the next on.
func (s *Service) Map(ctx context.Context, issuer, merchantNumber, terminal string, merchant uuid.UUID) error {
	m := Message{Issuer: issuer, Key: "-", Token: "-", MerchantNumber: merchantNumber, Terminal: terminal}
	if err := m.validate(1); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.merchants.Get(ctx, merchant); err != nil {
			return err
		}
		before, err := s.store.terminal(ctx, issuer, merchantNumber, terminal)
		if err != nil {
			return err
		}
		if before != nil && before.TenantID != tenant.From(ctx) {
			return ErrTerminalElsewhere
		}
		if err := s.store.mapTerminal(ctx, m, merchant, s.now()); err != nil {
			return err
		}
		if err := s.store.strayMapped(ctx, m, merchant, s.now()); err != nil {
			return err
		}
		key := placeKey(issuer, merchantNumber, terminal)
		if err := s.audit.Changed(ctx, audit.Change{
			Action: "terminal.mapped", Object: "terminal", ObjectID: key, Before: before, After: map[string]any{"merchant": merchant},
		}); err != nil {
			return err
		}
		return s.changed(ctx, "terminal", key)
	})
}

// Detach takes a terminal from its shop: it stands in the wrong one.
func (s *Service) Detach(ctx context.Context, issuer, merchantNumber, terminal string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		gone, err := s.store.unmapTerminal(ctx, issuer, merchantNumber, terminal)
		if err != nil {
			return err
		}
		if !gone {
			return ErrTerminalUnknown.With("merchant_number", merchantNumber).With("terminal", terminal)
		}
		t := Stray{Issuer: issuer, MerchantNumber: merchantNumber, Terminal: terminal, Cause: "wrong-shop"}
		if err := s.noteStray(ctx, t); err != nil {
			return err
		}
		key := placeKey(issuer, merchantNumber, terminal)
		if err := s.audit.Changed(ctx, audit.Change{Action: "terminal.detached", Object: "terminal", ObjectID: key}); err != nil {
			return err
		}
		return s.changed(ctx, "terminal", key)
	})
}

// Dismiss closes the task of a terminal that is none of ours.
func (s *Service) Dismiss(ctx context.Context, id uuid.UUID) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		done, err := s.store.dismissStray(ctx, id, s.now())
		if err != nil {
			return err
		}
		if !done {
			return ErrStrayUnknown
		}
		return s.audit.Changed(ctx, audit.Change{Action: "terminal.dismissed", Object: "terminal", ObjectID: id.String()})
	})
}

// Strays lists the terminals of one state that await the staff, the most wanted
// first. Terminals lists those of a shop.
func (s *Service) Strays(ctx context.Context, state string, page int) (list []Stray, more bool, err error) {
	return s.strays(ctx, state, straysAtATime, page*straysAtATime)
}

// AllStrays lists the first most of all, for a download, which the audit log
// keeps, with the names of the shops of those that were mapped.
func (s *Service) AllStrays(ctx context.Context, state string, most int) (list []Stray, shops map[uuid.UUID]string, more bool, err error) {
	if list, more, err = s.strays(ctx, state, most, 0); err != nil || more {
		return nil, nil, more, err
	}
	var ids []uuid.UUID
	for _, t := range list {
		if t.MerchantID != nil {
			ids = append(ids, *t.MerchantID)
		}
	}
	if shops, err = s.merchants.Names(ctx, ids); err != nil {
		return nil, nil, false, err
	}
	return list, shops, false, s.exported(ctx, "terminals", map[string]any{"state": state}, len(list))
}

func (s *Service) strays(ctx context.Context, state string, limit, offset int) (list []Stray, more bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.strays(ctx, state, limit+1, offset)
		return err
	})
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	return list, more, err
}

const straysAtATime = 30

// Stray returns one.
func (s *Service) Stray(ctx context.Context, id uuid.UUID) (t Stray, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		t, err = s.store.stray(ctx, id)
		return err
	})
	return t, err
}

// TerminalsOf lists a shop's terminals.
func (s *Service) TerminalsOf(ctx context.Context, merchant uuid.UUID) (list []Terminal, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.terminalsOf(ctx, merchant)
		return err
	})
	return list, err
}

// StraysOf lists the open tasks that speak of a shop's business number.
func (s *Service) StraysOf(ctx context.Context, m merchants.Merchant) (list []Stray, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.straysOf(ctx, m.BizNo)
		return err
	})
	return list, err
}

// Proposals lists the shops that a terminal may belong to: of its business
// number, with another terminal of the same merchant number, or of its name.
func (s *Service) Proposals(ctx context.Context, t Stray) (list []Proposal, err error) {
	add := func(m merchants.Merchant, reason string) {
		if !slices.ContainsFunc(list, func(p Proposal) bool { return p.Merchant.ID == m.ID }) {
			list = append(list, Proposal{m, reason})
		}
	}
	if t.BizNo != "" {
		same, err := s.merchants.OfBusiness(ctx, t.BizNo)
		if err != nil {
			return nil, err
		}
		for _, m := range same {
			add(m, "biz-no")
		}
	}
	var neighbours []uuid.UUID
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		neighbours, err = s.store.neighbours(ctx, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, id := range neighbours {
		m, err := s.merchants.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		add(m, "neighbour")
	}
	if t.Name != "" {
		found, _, err := s.merchants.Search(ctx, merchants.Filter{Query: t.Name, Limit: 5})
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			add(m, "name")
		}
	}
	return list, nil
}

// Imported counts what came of a list of terminals.
type Imported struct{ Mapped, Known, Open int }

// terminalsColumns is the head of a list: CSV in UTF-8, with or without a byte
// order mark.
var terminalsColumns = []string{"issuer", "merchant_number", "terminal", "biz_no", "name", "address"}

const (
	terminalsMost = 50_000
	listBytesMost = 10 << 20
)

// Import reads an issuer's list of terminals. One with the business number of
// exactly one approved shop is mapped; the others are put before the staff. A
// list with a wrong line is refused whole: ErrListInvalid names the line.
func (s *Service) Import(ctx context.Context, list []byte) (n Imported, err error) {
	rows, err := readTerminals(list)
	if err != nil {
		return n, err
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		n = Imported{}
		for _, t := range rows {
			if err := s.importTerminal(ctx, t, &n); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

func (s *Service) importTerminal(ctx context.Context, t Stray, n *Imported) error {
	known, err := s.store.terminal(ctx, t.Issuer, t.MerchantNumber, t.Terminal)
	if err != nil {
		return err
	}
	if known != nil {
		n.Known++
		return nil
	}
	var same []merchants.Merchant
	if t.BizNo != "" {
		if same, err = s.merchants.OfBusiness(ctx, t.BizNo); err != nil {
			return err
		}
	}
	if len(same) == 1 && same[0].State == merchants.Approved {
		n.Mapped++
		return s.Map(ctx, t.Issuer, t.MerchantNumber, t.Terminal, same[0].ID)
	}
	n.Open++
	return s.noteStray(ctx, t)
}

func readTerminals(list []byte) (rows []Stray, err error) {
	if len(list) > listBytesMost {
		return nil, fault.On("file", fault.TooLarge).Limit(listBytesMost)
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(list, []byte("\uFEFF"))))
	r.FieldsPerRecord = len(terminalsColumns)
	head, err := r.Read()
	if err != nil || !slices.Equal(head, terminalsColumns) {
		return nil, ErrListInvalid.With("line", 1)
	}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		line, _ := r.FieldPos(0)
		if err != nil || !utf8.ValidString(strings.Join(fields, "")) || len(rows) == terminalsMost {
			return nil, ErrListInvalid.With("line", line)
		}
		t := Stray{
			Issuer: fields[0], MerchantNumber: fields[1], Terminal: fields[2], BizNo: fields[3], Name: fields[4], Address: fields[5], Cause: "import",
		}
		if err := t.validate(); err != nil {
			return nil, ErrListInvalid.With("line", line).Because(err)
		}
		if t.BizNo != "" {
			number, _ := bizno.Parse(t.BizNo)
			t.BizNo = number.String()
		}
		rows = append(rows, t)
	}
}

// Ask puts a terminal before the staff that a shop says is its own.
func (s *Service) Ask(ctx context.Context, m merchants.Merchant, issuer, merchantNumber, terminal string) error {
	t := Stray{Issuer: issuer, MerchantNumber: merchantNumber, Terminal: terminal, BizNo: m.BizNo, Name: m.Name, Address: m.Address, Cause: "import"}
	if err := t.validate(); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		known, err := s.store.terminal(ctx, issuer, merchantNumber, terminal)
		switch {
		case err != nil:
			return err
		case known != nil && known.TenantID == tenant.From(ctx) && known.MerchantID == m.ID:
			return nil
		case known != nil:
			t.Cause = "wrong-shop"
		}
		return s.noteStray(ctx, t)
	})
}
