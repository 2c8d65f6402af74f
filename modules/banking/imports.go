package banking

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/mask"
	"jangteo/app/tenant"
)

// KnownAccount is an account whose holder and handle the bank has confirmed
// before: what another operator hands over, or what a demonstration begins with.
type KnownAccount struct {
	ID        uuid.UUID
	CitizenID uuid.UUID
	BankCode  string
	Number    string
	Holder    string
	Handle    string // fintech_use_num
	LinkedAt  time.Time
}

// ImportAccounts keeps known accounts without asking the bank.
func (s *Service) ImportAccounts(ctx context.Context, known []KnownAccount) error {
	rows := make([]accountRow, len(known))
	for i, k := range known {
		index, err := s.numberIndex(k.BankCode, k.Number)
		if err != nil {
			return err
		}
		rows[i] = accountRow{
			ID: k.ID, CitizenID: k.CitizenID, BankCode: k.BankCode,
			NumberIndex: index, NumberMasked: mask.Account(k.Number), LinkedAt: k.LinkedAt,
		}
		if err := s.seal(&rows[i], k.Number, k.Holder, k.Handle); err != nil {
			return err
		}
	}
	return s.db.Platform(ctx, func(ctx context.Context) error { return s.store.insertAccounts(ctx, rows) })
}

// PastTransfer is an instruction that the bank carried out at a moment. To
// names the counterparty in both directions; AccountID is not looked at.
type PastTransfer struct {
	Instruction
	At time.Time
}

// ImportTransfers keeps past transfers of the tenant in ctx as succeeded, with
// numbers of their own, and returns them in the same order. No hook is called.
func (s *Service) ImportTransfers(ctx context.Context, past []PastTransfer) (transfers []Transfer, err error) {
	rows := make([]transferRow, len(past))
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		numbers, err := s.store.nextNumbers(ctx, len(past))
		if err != nil {
			return err
		}
		transfers = make([]Transfer, len(past))
		for i, p := range past {
			id := p.ID
			if id == uuid.Nil {
				if id, err = uuid.NewV7(); err != nil {
					return err
				}
			}
			sealed, err := s.sealRoute(id, Route{
				FundAccount: p.FundAccount, BankCode: p.To.BankCode, Number: p.To.Number, Holder: p.To.Holder, PrintContent: p.PrintContent,
			})
			if err != nil {
				return err
			}
			rows[i] = transferRow{
				TenantID: tenant.From(ctx), ID: id, Direction: p.Direction, Purpose: p.Purpose, SubjectID: p.SubjectID,
				Amount: p.Amount, BankCode: p.To.BankCode, NumberMasked: mask.Account(p.To.Number), RouteSealed: sealed,
				BankTranID: s.tranID(numbers[i]), BankTranDate: calendar.DayOf(p.At), State: Succeeded,
				RspCode: relayDone, BankRspCode: bankDone, RequestedAt: p.At, SentAt: &p.At, SettledAt: &p.At,
			}
			transfers[i] = rows[i].transfer()
		}
		return s.store.insertTransfers(ctx, rows)
	})
	return transfers, err
}

func (s *Service) numberIndex(bankCode, number string) ([]byte, error) {
	return s.box.Index("banking.accounts", bankCode+"/"+number)
}

// seal fills the sealed columns of a row that has its id.
func (s *Service) seal(row *accountRow, number, holder, handle string) error {
	var err1, err2, err3 error
	row.NumberSealed, err1 = s.box.Seal(number, place("number", row.ID))
	row.HolderSealed, err2 = s.box.Seal(holder, place("holder", row.ID))
	row.FintechSealed, err3 = s.box.Seal(handle, place("fintech", row.ID))
	return errors.Join(err1, err2, err3)
}
