package cards

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

// RowState is what came of a row of a clearing file.
type RowState string

// The states; all but RowMatched and RowSettled are for the staff.
const (
	RowMatched     RowState = "matched"
	RowUnknown     RowState = "unknown"      // we have decided nothing of the kind
	RowAltered     RowState = "altered"      // amount, card or shop are others
	RowDuplicate   RowState = "duplicate"    // the same purchase is in the files already
	RowMissing     RowState = "missing"      // no file speaks of what we have
	RowNotReversed RowState = "not-reversed" // taken back there and not here
	RowStray       RowState = "stray"        // at a terminal that belongs to no shop
	RowSettled     RowState = "settled"      // by the staff
)

// OpenRows are the states that await the staff.
var OpenRows = []RowState{RowUnknown, RowAltered, RowDuplicate, RowMissing, RowNotReversed, RowStray}

// ClearingRow is one row, and what was made of it.
type ClearingRow struct {
	TenantID        tenant.ID
	ID              uuid.UUID
	Issuer          string
	Day             calendar.Day
	Number          int    // of the file; 0: of no file
	Line            int    // of the row
	Kind            string // P approved by us, S in stand-in, B by the bank account, R taken back
	Retrieval       string
	Approval        string
	Trace           string
	TransmittedAt   time.Time
	SwipedAt        time.Time
	MerchantNumber  string
	Terminal        string
	Token           string
	Amount          money.Amount
	Voucher         money.Amount
	Account         money.Amount
	State           RowState
	Differs         string // what we have instead, field by field
	MerchantID      *uuid.UUID
	CitizenID       *uuid.UUID
	AuthorisationID *uuid.UUID
	Resolution      string
	Reason          string
	ResolvedAt      *time.Time
}

// ClearingFile is a file that was imported.
type ClearingFile struct {
	Issuer     string
	Day        calendar.Day
	Number     int
	Format     string
	Rows       int
	Own        int
	ImportedAt time.Time
}

// Cleared counts what came of a file in a municipality.
type Cleared struct {
	File  ClearingFile
	Again bool // it was imported before, and nothing was done
	By    map[RowState]int
}

// Clear imports an issuer's file as far as it speaks of the municipality in
// ctx, and matches every row with what was decided here. The same file again
// changes nothing; another one of the same number is refused: ErrClearingOther.
func (s *Service) Clear(ctx context.Context, content []byte) (c Cleared, err error) {
	f, err := readClearing(content)
	if err != nil {
		return c, err
	}
	own, err := s.own(ctx, f)
	if err != nil {
		return c, err
	}
	c.File = ClearingFile{Issuer: f.issuer, Day: f.day, Number: f.number, Format: f.format, Rows: len(f.rows), Own: len(own), ImportedAt: s.now()}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		c.By = map[RowState]int{}
		added, same, err := s.store.insertClearingFile(ctx, c.File, f.digest[:])
		switch {
		case err != nil:
			return err
		case !added && !same:
			return ErrClearingOther.With("issuer", f.issuer).With("day", f.day).With("number", f.number)
		case !added:
			c.Again = true
			return nil
		}
		for i := range own {
			if err := s.matchRow(ctx, &own[i]); err != nil {
				return err
			}
			c.By[own[i].State]++
		}
		missing, err := s.missing(ctx, f)
		c.By[RowMissing] += missing
		return err
	})
	if err != nil || c.Again {
		return c, err
	}
	return c, s.findFallThroughs(ctx, own)
}

// own picks the rows of the municipality in ctx: at its terminals or, at nobody's,
// by the card of a citizen with a wallet here.
func (s *Service) own(ctx context.Context, f clearingFile) (own []ClearingRow, err error) {
	for _, r := range f.rows {
		m := Message{Issuer: r.Issuer, MerchantNumber: r.MerchantNumber, Terminal: r.Terminal}
		at, err := s.place(ctx, m)
		if err != nil && !errors.Is(err, ErrTerminalUnknown) {
			return nil, err
		}
		link, linkErr := s.link(ctx, r.Issuer, r.Token)
		if linkErr != nil && !errors.Is(linkErr, ErrNotLinked) {
			return nil, linkErr
		}
		if linkErr == nil {
			r.CitizenID = &link.CitizenID
		}
		switch {
		case err == nil && at.TenantID == tenant.From(ctx):
			r.MerchantID = &at.MerchantID
		case err != nil && linkErr == nil:
			r.State = RowStray
			_, err := s.vouchers.Spendable(ctx, link.CitizenID, uuid.Nil)
			if voucherCannot(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
		default:
			continue
		}
		if r.CitizenID == nil && r.Kind == "B" {
			continue // nobody's of ours
		}
		own = append(own, r)
	}
	return own, nil
}

// matchRow compares a row with what was decided here, and keeps it.
func (s *Service) matchRow(ctx context.Context, r *ClearingRow) error {
	r.TenantID, r.ID = tenant.From(ctx), uuid.Must(uuid.NewV7())
	again, err := s.store.rowSeen(ctx, r.Issuer, r.Retrieval, r.Kind)
	if err != nil {
		return err
	}
	known, err := s.store.authorisationOf(ctx, r.Issuer, r.Retrieval)
	if err != nil {
		return err
	}
	if known != nil {
		r.AuthorisationID = &known.ID
	}
	switch {
	case again:
		r.State = RowDuplicate
	case r.State == RowStray:
	case r.Kind == "B" && known == nil:
		r.State = RowMatched // it never came to us, as the file says
	case known == nil:
		r.State = RowUnknown
	case r.Kind == "R":
		err = s.matchReversal(ctx, r, *known)
	default:
		r.State = RowMatched
		if r.Differs = r.differences(*known); r.Differs != "" {
			r.State = RowAltered
		}
	}
	if err != nil {
		return err
	}
	if known != nil && r.State == RowMatched { // a later file has what an earlier one lacked
		if err := s.store.missingFound(ctx, known.ID, s.now()); err != nil {
			return err
		}
	}
	return s.store.insertRow(ctx, *r)
}

// matchReversal looks for what a row says was taken back.
func (s *Service) matchReversal(ctx context.Context, r *ClearingRow, known Authorisation) error {
	r.State = RowMatched
	if known.PaymentID == nil {
		return nil // the bank account had paid
	}
	p, err := s.payments.Get(asSystem(ctx), *known.PaymentID)
	if err == nil && p.CancelledAmount < r.Voucher {
		r.State, r.Differs = RowNotReversed, fmt.Sprintf("cancelled=%d", p.CancelledAmount)
	}
	return err
}

// differences names the fields in which a row is not what was decided here.
func (r ClearingRow) differences(known Authorisation) string {
	var list []string
	differ := func(field string, row, ours any) {
		if row != ours {
			list = append(list, fmt.Sprintf("%s=%v", field, ours))
		}
	}
	differ("voucher", int64(r.Voucher), int64(known.Voucher))
	differ("account", int64(r.Account), int64(known.Account))
	differ("merchant_number", r.MerchantNumber, known.MerchantNumber)
	differ("terminal", r.Terminal, known.Terminal)
	return strings.Join(list, " ")
}

// missing keeps a row for each payment of the file's day that no file of the
// issuer speaks of.
func (s *Service) missing(ctx context.Context, f clearingFile) (int, error) {
	list, err := s.store.uncleared(ctx, f.issuer, f.day.Start(), f.day.Next().Start())
	if err != nil {
		return 0, err
	}
	for i, a := range list {
		link, err := s.store.link(ctx, a.LinkID)
		if err != nil {
			return 0, err
		}
		row := ClearingRow{
			TenantID: a.TenantID, ID: uuid.Must(uuid.NewV7()), Issuer: a.Issuer, Day: f.day, Line: i + 1, Kind: "P", Retrieval: a.Retrieval,
			TransmittedAt: a.At, SwipedAt: a.At, MerchantNumber: a.MerchantNumber, Terminal: a.Terminal, Token: link.Token, Amount: a.Requested,
			Voucher: a.Voucher, Account: a.Account, State: RowMissing, MerchantID: a.MerchantID, CitizenID: &a.CitizenID, AuthorisationID: &a.ID,
		}
		if err := s.store.insertRow(ctx, row); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// findFallThroughs lists to their citizens the bank debits that vouchers could
// have paid.
func (s *Service) findFallThroughs(ctx context.Context, rows []ClearingRow) error {
	for _, r := range rows {
		if r.Account == 0 || r.MerchantID == nil || r.CitizenID == nil || r.Kind != "B" && r.Kind != "S" || r.State != RowMatched {
			continue
		}
		link, err := s.link(ctx, r.Issuer, r.Token)
		if err != nil {
			return err
		}
		m := Message{Issuer: r.Issuer, Retrieval: r.Retrieval, Token: r.Token, At: r.SwipedAt}
		if err := s.fellThrough(ctx, debit{m, r.Account, "clearing"}, link, *r.MerchantID); err != nil {
			return err
		}
	}
	return nil
}

// FetchClearing asks every issuer with terminals here for its file of a day, and
// imports what is there. An issuer that does not answer is asked the next time.
func (s *Service) FetchClearing(ctx context.Context, day calendar.Day) error {
	var issuers []string
	err := s.db.Tx(ctx, func(ctx context.Context) (err error) {
		issuers, err = s.store.issuersHere(ctx, day)
		return err
	})
	if err != nil {
		return err
	}
	for _, issuer := range issuers {
		file, failed := s.desk.ClearingFile(ctx, issuer, day)
		if failed == nil && file != nil {
			_, failed = s.Clear(ctx, file)
		}
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("clearing of issuer %s on %s: %w", issuer, day, failed))
		}
	}
	return err
}

// RowFilter narrows a listing of rows; zero values do not.
type RowFilter struct {
	States []RowState
	Day    calendar.Day
	Issuer string
	Query  string // the beginning of a retrieval number, a shop's number or a terminal
	Page   int    // from 0
}

const (
	rowsAtATime = 30
	queryMost   = 16
)

// Rows lists rows, the newest day first.
func (s *Service) Rows(ctx context.Context, f RowFilter) (list []ClearingRow, more bool, err error) {
	return s.rows(ctx, f, rowsAtATime, f.Page*rowsAtATime)
}

// AllRows lists the first most of all rows, for a download, which the audit log
// keeps.
func (s *Service) AllRows(ctx context.Context, f RowFilter, most int) (list []ClearingRow, more bool, err error) {
	if list, more, err = s.rows(ctx, f, most, 0); err != nil || more {
		return nil, more, err
	}
	filter := map[string]any{"day": f.Day, "states": f.States, "query": f.Query}
	return list, false, s.exported(ctx, "clearing-rows", filter, len(list))
}

func (s *Service) rows(ctx context.Context, f RowFilter, limit, offset int) (list []ClearingRow, more bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.rows(ctx, f, limit+1, offset)
		return err
	})
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	return list, more, err
}

// exported keeps who took how many rows of what.
func (s *Service) exported(ctx context.Context, of string, filter map[string]any, rows int) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		filter["rows"] = rows
		return s.audit.Changed(ctx, audit.Change{Action: of + ".exported", Object: of, ObjectID: of + ".csv", After: filter})
	})
}

// Row returns one row, what we have of its purchase, and what it may be of.
func (s *Service) Row(ctx context.Context, id uuid.UUID) (r ClearingRow, ours *Authorisation, proposals []Authorisation, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if r, err = s.store.row(ctx, id); err != nil {
			return err
		}
		if r.AuthorisationID != nil {
			a, err := s.store.authorisation(ctx, *r.AuthorisationID)
			ours = &a
			return err
		}
		proposals, err = s.store.alike(ctx, r)
		return err
	})
	return r, ours, proposals, err
}

// Files lists the files that were imported, newest first.
func (s *Service) Files(ctx context.Context) (list []ClearingFile, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.files(ctx)
		return err
	})
	return list, err
}

// ClearingDay is what a day's files say together, for settlement's matching.
type ClearingDay struct {
	Issuer  string
	Rows    int64
	Open    int64        // rows that await the staff
	Voucher money.Amount // what matched rows say that vouchers paid, less what was taken back
	Booked  money.Amount // what we have for the same purchases
}

// Days sums a day's rows by issuer.
func (s *Service) Days(ctx context.Context, day calendar.Day) (list []ClearingDay, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		list, err = s.store.clearingDays(ctx, day, OpenRows)
		return err
	})
	return list, err
}

// SettleInput is what the staff make of a row.
type SettleInput struct {
	Row    uuid.UUID
	How    string    // matched, booked, cancelled or accepted
	With   uuid.UUID // the authorisation that it is matched with
	Reason string
}

// Settle closes a row: matched with a payment that it speaks of; booked, when an
// issuer's stand-in was never advised; cancelled, when nobody but us knows of a
// payment or it was taken back there; accepted, with a reason, as it is. It refuses with
// ErrRowUnknown, ErrRowSettled and ErrRowCannot.
func (s *Service) Settle(ctx context.Context, in SettleInput) (r ClearingRow, err error) {
	switch reason := []rune(in.Reason); {
	case len([]rune(strings.TrimSpace(in.Reason))) < 2:
		return r, fault.On("reason", fault.TooShort).Limit(2)
	case len(reason) > 500:
		return r, fault.On("reason", fault.TooLong).Limit(500)
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.store.lockRow(ctx, in.Row); err != nil { // another's settlement is over, or waits for this one
			return err
		}
		var proposals []Authorisation
		if r, _, proposals, err = s.Row(ctx, in.Row); err != nil {
			return err
		}
		if r.State == RowMatched || r.State == RowSettled {
			return ErrRowSettled
		}
		with, err := s.carryOut(ctx, r, in, proposals)
		if err != nil {
			return err
		}
		if err := s.store.settleRow(ctx, r, with, in, s.now()); err != nil {
			return err
		}
		return s.audit.Changed(ctx, audit.Change{
			Action: "clearing-row.settled", Object: "clearing-row", ObjectID: r.ID.String(), Reason: in.Reason,
			Before: map[string]any{"state": r.State}, After: map[string]any{"how": in.How, "with": with},
		})
	})
	return r, err
}

// carryOut does what a row is settled by, and returns the authorisation that it
// is matched with.
func (s *Service) carryOut(ctx context.Context, r ClearingRow, in SettleInput, proposals []Authorisation) (with *uuid.UUID, err error) {
	switch in.How {
	case "matched":
		for _, p := range proposals {
			if p.ID == in.With {
				return &p.ID, nil
			}
		}
		return nil, ErrRowCannot
	case "booked":
		return nil, s.bookRow(ctx, r)
	case "cancelled":
		return nil, s.cancelRow(ctx, r)
	case "accepted":
		return nil, nil
	}
	return nil, fault.On("resolution", fault.Unknown)
}

// May tells which ways of settling a row there are.
func (r ClearingRow) May(how string) bool {
	switch how {
	case "booked":
		return r.State == RowUnknown && (r.Kind == "S" || r.Kind == "P") && r.Voucher > 0 && r.MerchantID != nil && r.CitizenID != nil
	case "cancelled":
		return (r.State == RowMissing || r.State == RowNotReversed) && r.AuthorisationID != nil
	case "matched":
		return r.State == RowUnknown
	}
	return r.State != RowMatched && r.State != RowSettled
}

// bookRow books what an issuer promised and never told.
func (s *Service) bookRow(ctx context.Context, r ClearingRow) error {
	at, err := s.place(ctx, Message{Issuer: r.Issuer, MerchantNumber: r.MerchantNumber, Terminal: r.Terminal})
	if errors.Is(err, ErrTerminalUnknown) || err == nil && at.TenantID != r.TenantID || !r.May("booked") {
		return ErrRowCannot
	}
	if err != nil {
		return err
	}
	_, err = s.Advise(ctx, Advice{
		Message: Message{
			Issuer: r.Issuer, Key: "clearing-" + r.ID.String(), Retrieval: r.Retrieval, Token: r.Token, MerchantNumber: r.MerchantNumber,
			Terminal: r.Terminal, At: r.SwipedAt,
		},
		Amount: r.Voucher + r.Account, Voucher: r.Voucher, Account: r.Account,
	})
	return err
}

// cancelRow gives back what the issuer knows nothing of, or has taken back.
func (s *Service) cancelRow(ctx context.Context, r ClearingRow) error {
	if !r.May("cancelled") {
		return ErrRowCannot
	}
	a, err := s.authorisation(ctx, *r.AuthorisationID)
	if err != nil {
		return err
	}
	if a.PaymentID == nil {
		return nil // the bank account had paid
	}
	p, err := s.payments.Get(asSystem(ctx), *a.PaymentID)
	if err != nil {
		return err
	}
	amount := p.Left()
	if r.State == RowNotReversed {
		amount = min(amount, r.Voucher-p.CancelledAmount)
	}
	if amount <= 0 {
		return nil
	}
	_, _, err = s.cancel(ctx, "clearing-"+r.ID.String(), p.ID, amount)
	return err
}

func (s *Service) authorisation(ctx context.Context, id uuid.UUID) (a Authorisation, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		a, err = s.store.authorisation(ctx, id)
		return err
	})
	return a, err
}
