package settlement

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
	"jangteo/app/uuidv7"
	"jangteo/modules/banking"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
)

// PastPayout is a settlement that was paid before.
type PastPayout struct {
	banking.Transfer
	MerchantID uuid.UUID
}

// PayPast keeps everything that was due by a moment as paid at that moment,
// without asking the bank: what another operator has paid out before, or a
// demonstration's history. It answers with the bank's side of it. Accounts says
// where each shop's money went; nobody is told anything.
func (s *Service) PayPast(ctx context.Context, at time.Time, accounts map[uuid.UUID]merchants.Destination) (paid []PastPayout, err error) {
	terms, err := s.terms(ctx)
	if err != nil {
		return nil, err
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		rows, err := s.store.closedBy(ctx, calendar.DayOf(at))
		if err != nil || len(rows) == 0 {
			return err
		}
		house, err := s.ledger.House(ctx)
		if err != nil {
			return err
		}
		entries := make([]ledger.Entry, 0, 2*len(rows))
		past := make([]banking.PastTransfer, len(rows))
		for i := range rows {
			r := &rows[i]
			to, known := accounts[r.MerchantID]
			if !known {
				return fmt.Errorf("settlement: tenant %s has no account for shop %s", tenant.From(ctx), r.MerchantID)
			}
			transfer := uuidv7.At(at)
			entries = append(entries,
				ledger.Entry{ID: transfer, Kind: ledger.PayoutSent, At: at, Transfers: []ledger.Transfer{{Debit: r.AccountID, Credit: house.Transit, Amount: r.Net}}},
				ledger.Entry{
					ID: uuidv7.At(at), Kind: ledger.PayoutSettled, Answers: transfer, At: at,
					Transfers: []ledger.Transfer{{Debit: house.Transit, Credit: house.Fund, Amount: r.Net}},
				})
			past[i] = banking.PastTransfer{At: at, Instruction: banking.Instruction{
				ID: transfer, Direction: banking.Deposit, Amount: r.Net, Purpose: Purpose, SubjectID: r.ID, FundAccount: terms.FundAccount,
				To: banking.Destination{BankCode: to.BankCode, Number: to.Number, Holder: to.Holder}, PrintContent: "지역상품권 " + r.Day.String(),
			}}
			r.TransferID, r.SentAt, r.PaidAt = &transfer, &at, &at
		}
		if err := s.ledger.PostMany(ctx, entries); err != nil {
			return err
		}
		transfers, err := s.banking.ImportTransfers(ctx, past)
		if err != nil {
			return err
		}
		paid = make([]PastPayout, len(rows))
		for i, t := range transfers {
			rows[i].BankCode, rows[i].NumberMasked = t.BankCode, t.NumberMasked
			paid[i] = PastPayout{t, rows[i].MerchantID}
		}
		return s.store.markPaid(ctx, at, rows)
	})
	return paid, err
}
