// Package bank simulates the outside world of accounts: the banks behind open
// banking and the municipality's own firm banking, reached over HTTP only. It
// is written against the wire (KFTC open banking v2.0 in shape and field
// names) and shares no code with the adapter that calls it.
//
// It owns schema bank_simulator of the database that it is given, and makes it
// itself. It holds these to be true, always:
//   - one bank_tran_id of one day has at most one effect;
//   - no balance is below zero, and what leaves one account arrives in another;
//   - what it accepted it finishes, even if it was killed in between.
//
// It misbehaves on request (POST /control/faults), in the ways that banks do.
//
// Codes, all in rsp_code and, when a participating bank decided, bank_rsp_code:
//
//	A0000 000   done
//	A0002 310   no such account         A0002 311   the holder is another person
//	A0002 312   the birth date differs  A0002 320   the balance is too small
//	A0002 330   no consent to withdraw  A0002 801   the bank could not do it
//	A0000 400   being processed         A0002 804   the bank's answer did not come: inquire
//	A0003       error inside the relay  A0004       a field is wrong
//	A0005       bank_tran_id was used   A0006       original transaction unknown
//	O0002       the access token is not valid
package bank

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/big"
	"regexp"
	"sync"
	"time"
	_ "time/tzdata" // days are Seoul's wherever this runs

	"github.com/jackc/pgx/v5/pgxpool"
)

// Account is one account at one bank.
type Account struct {
	BankCode   string `json:"bank_code"`   // 3 digits
	Number     string `json:"account_num"` // digits only, at most 16
	Holder     string `json:"holder"`
	Birth      string `json:"birth"`      // yymmdd; for a company its 10-digit number
	Balance    int64  `json:"balance"`    // won
	Contracted bool   `json:"contracted"` // a municipality's own account, named by cntr_account_num
	Linked     bool   `json:"linked"`     // its holder agreed that money may be withdrawn
}

// Operations that move money.
const (
	Withdraw = "withdraw"
	Deposit  = "deposit"
)

// Transaction is one instruction that the bank received, and what became of it.
type Transaction struct {
	Seq          int64     `json:"seq"`
	BankTranID   string    `json:"bank_tran_id"`
	Date         string    `json:"bank_tran_date"` // yyyymmdd in Seoul
	Operation    string    `json:"operation"`
	State        string    `json:"state"` // processing, executed or refused
	Amount       int64     `json:"tran_amt,string"`
	FromBank     string    `json:"wd_bank_code_std"`
	FromAccount  string    `json:"wd_account_num"`
	ToBank       string    `json:"dps_bank_code_std"`
	ToAccount    string    `json:"dps_account_num"`
	PrintContent string    `json:"print_content"`
	Code         string    `json:"bank_rsp_code"`
	At           time.Time `json:"at"`
}

const (
	processing = "processing"
	executed   = "executed"
	refused    = "refused"
)

// Options are what the simulator needs from outside.
type Options struct {
	Now func() time.Time
	// OpenWith lets people who try the product link any account: one that is
	// not known is opened for the person who asks, with this balance in won.
	// 0 opens none. Numbers that begin with 999 stay unknown all the same.
	OpenWith int64
}

// Bank is the simulator. Make it with New, serve Handler, end it with Close.
type Bank struct {
	store store
	now   func() time.Time
	open  int64           // see Options.OpenWith
	live  context.Context // ends with Close: nothing waits beyond it
	end   context.CancelFunc
	late  sync.WaitGroup // instructions that are executed after their client has gone
}

var seoul = func() *time.Location {
	zone, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		panic(err)
	}
	return zone
}()

// New opens the simulator's books in the database at dsn and finishes what a
// killed predecessor had accepted and not executed.
func New(ctx context.Context, dsn string, opts Options) (*Bank, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("bank simulator: %w", err)
	}
	config.MaxConns = 6
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("bank simulator: %w", err)
	}
	b := &Bank{store: store{pool}, now: opts.Now, open: opts.OpenWith}
	b.live, b.end = context.WithCancel(context.Background())
	if err := b.store.create(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("bank simulator: make schema: %w", err)
	}
	waiting, err := b.store.processing(ctx)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("bank simulator: %w", err)
	}
	for _, id := range waiting {
		if _, err := b.store.finish(ctx, id, b.now()); err != nil {
			pool.Close()
			return nil, fmt.Errorf("bank simulator: finish what was accepted: %w", err)
		}
	}
	return b, nil
}

// Close ends waiting answers and closes the books.
func (b *Bank) Close() {
	b.end()
	b.late.Wait()
	b.store.pool.Close()
}

// Seed adds accounts in bulk. Accounts that exist already are left as they are.
func (b *Bank) Seed(ctx context.Context, accounts []Account) error {
	for _, account := range accounts {
		if err := account.validate(); err != nil {
			return err
		}
	}
	return b.store.insertAccounts(ctx, accounts)
}

// Book adds history in bulk: transactions that have been executed, oldest
// first, with their effect on the balances. Transactions that exist already
// are left out. Missing fields are filled: Date from At, Code and State.
func (b *Bank) Book(ctx context.Context, history []Transaction) error {
	filled := make([]Transaction, len(history))
	for i, t := range history {
		t.Date, t.State, t.Code = t.At.In(seoul).Format("20060102"), executed, "000"
		if !tranID.MatchString(t.BankTranID) || t.Amount <= 0 {
			return fmt.Errorf("bank simulator: transaction %q of %d won cannot be booked", t.BankTranID, t.Amount)
		}
		filled[i] = t
	}
	return b.store.insertHistory(ctx, filled)
}

// Accounts lists accounts by number, from after on.
func (b *Bank) Accounts(ctx context.Context, after string, limit int) ([]Account, error) {
	return b.store.accounts(ctx, after, limit)
}

// Ledger sums up the books.
type Ledger struct {
	Accounts     int64         `json:"accounts"`
	Opening      int64         `json:"opening_total"` // won put in when accounts were made
	Total        int64         `json:"balance_total"` // won in all accounts now
	Executed     int64         `json:"executed"`      // how many transactions had an effect
	Wrong        int64         `json:"wrong"`         // accounts whose balance does not follow from their transactions
	Transactions []Transaction `json:"transactions"`  // the newest first
}

// Ledger recomputes every balance and returns the newest transactions.
func (b *Bank) Ledger(ctx context.Context, limit int) (Ledger, error) {
	return b.store.ledger(ctx, limit)
}

// FintechUseNum is the 24-digit name under which a linked account is used.
func FintechUseNum(bankCode, number string) string {
	sum := sha256.Sum256([]byte(bankCode + "/" + number))
	digits := new(big.Int).SetBytes(sum[:]).String() + "000000000000000000000000"
	return "1" + digits[:23]
}

var (
	tranID    = regexp.MustCompile(`^[A-Z0-9]{10}U[A-Z0-9]{9}$`)
	digits    = regexp.MustCompile(`^[0-9]+$`)
	bankCodes = regexp.MustCompile(`^[0-9]{3}$`)
)

func (a Account) validate() error {
	switch {
	case !bankCodes.MatchString(a.BankCode):
		return fmt.Errorf("bank_code %q is not three digits", a.BankCode)
	case !digits.MatchString(a.Number) || len(a.Number) > 16:
		return fmt.Errorf("account_num %q is not 1 to 16 digits", a.Number)
	case a.Holder == "" || len(a.Holder) > 200:
		return fmt.Errorf("holder of %s is missing or too long", a.Number)
	case a.Birth != "" && (!digits.MatchString(a.Birth) || len(a.Birth) > 10):
		return fmt.Errorf("birth of %s is not yymmdd or a 10-digit number", a.Number)
	case a.Balance < 0 || a.Balance > maxWon:
		return fmt.Errorf("balance of %s is out of bounds", a.Number)
	}
	return nil
}

// maxWon bounds one amount and one opening balance, in won.
const maxWon = 1_000_000_000_000_000
