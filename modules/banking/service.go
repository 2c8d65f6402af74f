package banking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/mask"
	"jangteo/app/tenant"
)

// Config says who we are to the bank and how patient we are. Zero durations
// take the values that stand beside them.
type Config struct {
	InstitutionCode string        // 10 characters, given by the relay; begins every bank_tran_id
	TakeUpAfter     time.Duration // 30 s: an instruction that nobody sent or settled by then is taken up by Resolve
	StaleAfter      time.Duration // 10 min: a withdrawal that was not sent by then is given up; nobody is debited out of the blue
	NeverAfter      time.Duration // 10 min: "never arrived" is believed once the sending is this long ago, and an inquiry before is asked again
	WaitMost        time.Duration // 5 min: the longest wait between two inquiries
}

// How many accounts a citizen may have linked at a time.
const accountsMost = 10

// Service is what other modules call.
type Service struct {
	db    *db.DB
	store store
	bank  Bank
	box   *crypt.Box
	now   clock.Now
	log   *slog.Logger
	cfg   Config
	hooks map[string]Hook
}

// New keeps accounts and instructions in d; lane is the pool that may look
// across tenants to find whose instructions wait.
func New(d, lane *db.DB, bank Bank, box *crypt.Box, cfg Config, now clock.Now, log *slog.Logger) (*Service, error) {
	if len(cfg.InstitutionCode) != 10 || strings.Trim(cfg.InstitutionCode, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return nil, fmt.Errorf("banking.institution_code must be 10 capital letters or digits")
	}
	for value, usual := range map[*time.Duration]time.Duration{
		&cfg.TakeUpAfter: 30 * time.Second, &cfg.StaleAfter: 10 * time.Minute,
		&cfg.NeverAfter: 10 * time.Minute, &cfg.WaitMost: 5 * time.Minute,
	} {
		if *value == 0 {
			*value = usual
		}
	}
	return &Service{
		db: d, store: store{d, lane}, bank: bank, box: box,
		now: now, log: log, cfg: cfg, hooks: map[string]Hook{},
	}, nil
}

// OnSettled registers who hears of the outcomes of a purpose. It is called
// while the application is built, once a purpose.
func (s *Service) OnSettled(purpose string, hook Hook) {
	if s.hooks[purpose] != nil {
		panic("banking: two hooks for " + purpose)
	}
	s.hooks[purpose] = hook
}

// Link links a citizen's own account: the bank confirms that its holder is who
// the identity check found. Linking it again answers the same account.
func (s *Service) Link(ctx context.Context, in LinkInput) (Account, error) {
	if err := in.normalise(); err != nil {
		return Account{}, err
	}
	index, err := s.numberIndex(in.BankCode, in.AccountNumber)
	if err != nil {
		return Account{}, err
	}
	if linked, found, err := s.alreadyLinked(ctx, in.CitizenID, index); found || err != nil {
		return linked, err
	}
	call, err := s.newCall(ctx)
	if err != nil {
		return Account{}, err
	}
	handle, err := s.bank.Register(ctx, call, in.BankCode, in.AccountNumber, in.Name, yymmdd(in.BirthDate))
	if err != nil {
		return Account{}, told(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Account{}, err
	}
	row := accountRow{
		ID: id, CitizenID: in.CitizenID, BankCode: in.BankCode,
		NumberIndex: index, NumberMasked: mask.Account(in.AccountNumber), LinkedAt: s.now(),
	}
	if err := s.seal(&row, in.AccountNumber, in.Name, handle); err != nil {
		return Account{}, err
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		return s.store.insertAccount(ctx, &row)
	})
	return row.account(), err
}

func (s *Service) alreadyLinked(ctx context.Context, citizen uuid.UUID, index []byte) (linked Account, found bool, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		rows, err := s.store.accounts(ctx, citizen, accountsMost)
		for _, row := range rows {
			if string(row.NumberIndex) == string(index) {
				linked, found = row.account(), true
			}
		}
		if err == nil && !found && len(rows) == accountsMost {
			err = ErrTooManyAccounts.With("most", accountsMost)
		}
		return err
	})
	return linked, found, err
}

// place binds sealed text to its column and row.
func place(column string, id uuid.UUID) string {
	return "banking.accounts." + column + "/" + id.String()
}

// Accounts lists a citizen's linked accounts, the newest first.
func (s *Service) Accounts(ctx context.Context, citizen uuid.UUID) (accounts []Account, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		rows, err := s.store.accounts(ctx, citizen, accountsMost)
		for _, row := range rows {
			accounts = append(accounts, row.account())
		}
		return err
	})
	return accounts, err
}

// Account returns one linked account of a citizen, or ErrAccountUnknown.
func (s *Service) Account(ctx context.Context, citizen, id uuid.UUID) (account Account, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		row, err := s.store.account(ctx, citizen, id)
		account = row.account()
		return err
	})
	return account, err
}

// Unlink forgets a linked account; instructions under way are not touched.
func (s *Service) Unlink(ctx context.Context, citizen, id uuid.UUID) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		return s.store.unlink(ctx, citizen, id, s.now())
	})
}

// CheckHolder returns the name of an account's holder, whose birth date
// (yymmdd) or 10-digit registration number must fit. Nothing is kept.
func (s *Service) CheckHolder(ctx context.Context, bankCode, number, birth string) (string, error) {
	var wrong *fault.Fault
	if !isDigits(bankCode, 3, 3) {
		wrong = wrong.And("bank_code", fault.WrongFormat)
	}
	if !isDigits(number, accountDigitsMin, accountDigitsMax) {
		wrong = wrong.And("account_number", fault.WrongFormat)
	}
	if err := wrong.OrNil(); err != nil {
		return "", err
	}
	call, err := s.newCall(ctx)
	if err != nil {
		return "", err
	}
	name, err := s.bank.Holder(ctx, call, bankCode, number, birth)
	return name, told(err)
}

// Withdraw prepares and sends; for callers that have nothing of their own to
// keep. The transfer's State tells what came of it.
func (s *Service) Withdraw(ctx context.Context, in Instruction) (Transfer, error) {
	in.Direction = Withdraw
	return s.instruct(ctx, in)
}

// Deposit is Withdraw for a payment from the fund account.
func (s *Service) Deposit(ctx context.Context, in Instruction) (Transfer, error) {
	in.Direction = Deposit
	return s.instruct(ctx, in)
}

func (s *Service) instruct(ctx context.Context, in Instruction) (Transfer, error) {
	prepared, err := s.Prepare(ctx, in)
	if err != nil {
		return Transfer{}, err
	}
	return s.Send(ctx, prepared.ID)
}

// Prepare keeps an instruction with its number inside the caller's
// transaction. The bank hears nothing of it until Send.
func (s *Service) Prepare(ctx context.Context, in Instruction) (transfer Transfer, err error) {
	in.validate()
	if s.hooks[in.Purpose] == nil {
		panic("banking: nobody would hear of " + in.Purpose)
	}
	if in.ID == uuid.Nil {
		if in.ID, err = uuid.NewV7(); err != nil {
			return Transfer{}, err
		}
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		route, masked, err := s.route(ctx, in)
		if err != nil {
			return err
		}
		sealed, err := s.sealRoute(in.ID, route)
		if err != nil {
			return err
		}
		tranID, err := s.newTranID(ctx)
		if err != nil {
			return err
		}
		row := transferRow{
			TenantID: tenant.From(ctx), ID: in.ID, Direction: in.Direction, Purpose: in.Purpose, SubjectID: in.SubjectID,
			Amount: in.Amount, BankCode: route.BankCode, NumberMasked: masked, RouteSealed: sealed,
			BankTranID: tranID, State: Requested, RequestedAt: s.now(),
		}
		takeUp := row.RequestedAt.Add(s.cfg.TakeUpAfter)
		row.NextQueryAt = &takeUp
		transfer = row.transfer()
		return s.store.insertTransfer(ctx, &row)
	})
	return transfer, err
}

// route gathers what the bank must know.
func (s *Service) route(ctx context.Context, in Instruction) (route Route, masked string, err error) {
	route = Route{FundAccount: in.FundAccount, PrintContent: shorten(in.PrintContent)}
	if in.AccountID == uuid.Nil {
		route.BankCode, route.Number, route.Holder = in.To.BankCode, in.To.Number, in.To.Holder
		return route, mask.Account(in.To.Number), nil
	}
	row, err := s.store.account(ctx, in.CitizenID, in.AccountID)
	if err != nil {
		return Route{}, "", err
	}
	number, err1 := s.box.Open(row.NumberSealed, place("number", row.ID))
	holder, err2 := s.box.Open(row.HolderSealed, place("holder", row.ID))
	handle, err3 := s.box.Open(row.FintechSealed, place("fintech", row.ID))
	route.BankCode, route.Number, route.Holder, route.Handle = row.BankCode, number, holder, handle
	return route, row.NumberMasked, errors.Join(err1, err2, err3)
}

func (s *Service) sealRoute(id uuid.UUID, route Route) ([]byte, error) {
	text, err := json.Marshal(route)
	if err != nil {
		return nil, err
	}
	return s.box.Seal(string(text), "banking.transfers/"+id.String())
}

func (s *Service) openRoute(row transferRow) (route Route, err error) {
	text, err := s.box.Open(row.RouteSealed, "banking.transfers/"+row.ID.String())
	if err != nil {
		return Route{}, err
	}
	return route, json.Unmarshal([]byte(text), &route)
}

// Send calls the bank with a prepared instruction and records what it said.
// Whoever comes second to the same instruction gets its present state. It must
// not be called inside a transaction: the bank may be slow.
//
// An error means that nothing is known to have been recorded; Resolve goes on.
func (s *Service) Send(ctx context.Context, id uuid.UUID) (Transfer, error) {
	if db.InTx(ctx) {
		panic("banking: Send inside a transaction")
	}
	row, mine, err := s.claim(ctx, id)
	if err != nil || !mine {
		return row.transfer(), err
	}
	route, err := s.openRoute(row)
	if err != nil {
		return row.transfer(), err
	}
	// The caller may go away; the outcome must be recorded all the same.
	ctx = context.WithoutCancel(ctx)
	call := Call{row.BankTranID, *row.SentAt}
	if row.Direction == Withdraw {
		err = s.bank.Withdraw(ctx, call, row.Amount, route)
	} else {
		err = s.bank.Deposit(ctx, call, row.Amount, route)
	}
	var notSent *NotSentError
	if errors.As(err, &notSent) {
		err = fmt.Errorf("%w: %w", errNotCalled, err)
	}
	return s.record(ctx, row, err)
}

// claim marks an instruction as sent, before the bank is called. Of several
// callers one gets it.
func (s *Service) claim(ctx context.Context, id uuid.UUID) (row transferRow, mine bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		row, err = s.store.lock(ctx, id)
		if mine = err == nil && row.State == Requested; !mine {
			return err
		}
		now := s.now()
		takeUp := now.Add(s.cfg.TakeUpAfter)
		row.State, row.SentAt, row.BankTranDate, row.NextQueryAt = Sent, &now, calendar.DayOf(now), &takeUp
		return s.store.update(ctx, &row)
	})
	return row, mine && err == nil, err
}

// errNotCalled is the outcome of an instruction that the bank has certainly
// not been sent.
var errNotCalled = errors.New("the bank was not called")

// record keeps what came of a call, once, together with what the hook does.
func (s *Service) record(ctx context.Context, asked transferRow, outcome error) (transfer Transfer, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		row, err := s.store.lock(ctx, asked.ID)
		if err != nil {
			return err
		}
		transfer = row.transfer()
		if row.State.Final() {
			return nil // another server was told first
		}
		before := row.State
		s.apply(&row, outcome)
		if row.State != before && !before.mayBecome(row.State) {
			panic(fmt.Sprintf("banking: %s cannot become %s", before, row.State))
		}
		transfer = row.transfer()
		if err := s.store.update(ctx, &row); err != nil || !row.State.Final() {
			return err
		}
		return s.hooks[row.Purpose](ctx, transfer)
	})
	if err != nil {
		return asked.transfer(), fmt.Errorf("record what the bank said: %w", err)
	}
	return transfer, nil
}

// apply turns an outcome into the row's new state.
func (s *Service) apply(row *transferRow, outcome error) {
	now := s.now()
	settle := func(state State, rsp, bank, message string) {
		row.State, row.RspCode, row.BankRspCode, row.Message = state, printable(rsp), printable(bank), printable(message)
		row.SettledAt, row.NextQueryAt = &now, nil
	}
	var (
		refused *RefusedError
		unknown *UnknownError
	)
	switch {
	case outcome == nil:
		settle(Succeeded, relayDone, bankDone, "")
	case errors.As(outcome, &refused):
		settle(Refused, refused.RspCode, refused.BankRspCode, refused.Message)
	case errors.Is(outcome, errNotCalled):
		settle(Refused, codeNotCalled, "", outcome.Error())
	case errors.Is(outcome, ErrNeverArrived) && now.Sub(*row.SentAt) >= s.cfg.NeverAfter:
		settle(Refused, codeNeverArrived, "", "")
	default:
		if errors.As(outcome, &unknown) {
			row.RspCode, row.BankRspCode = printable(unknown.RspCode), printable(unknown.BankRspCode)
		}
		next := now.Add(s.wait(row.Inquiries))
		row.State, row.Message, row.NextQueryAt = Unknown, printable(outcome.Error()), &next
	}
}

// printable bounds what came from outside and keeps only what PostgreSQL and
// screens can hold.
func printable(text string) string {
	const runesMost = 300
	kept := []rune(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text))
	return string(kept[:min(len(kept), runesMost)])
}

// wait grows from two seconds, doubling, up to the longest.
func (s *Service) wait(inquiries int) time.Duration {
	const first, doublingsMost = 2 * time.Second, 20
	return min(first<<min(inquiries, doublingsMost), s.cfg.WaitMost)
}

// Transfer returns one instruction of the tenant in ctx, or ErrTransferUnknown.
func (s *Service) Transfer(ctx context.Context, id uuid.UUID) (transfer Transfer, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		row, err := s.store.transfer(ctx, id)
		transfer = row.transfer()
		return err
	})
	return transfer, err
}

// OfDay lists what was sent under a bank's day, by number, for matching with
// Movements; after is the last number of the page before.
func (s *Service) OfDay(ctx context.Context, day calendar.Day, after string, limit int) (transfers []Transfer, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		rows, err := s.store.ofDay(ctx, day, after, limit)
		for _, row := range rows {
			transfers = append(transfers, row.transfer())
		}
		return err
	})
	return transfers, err
}

// Movements lists what moved at a fund account on a day, as the bank tells it.
func (s *Service) Movements(ctx context.Context, fundAccount string, day calendar.Day) ([]Movement, error) {
	movements, err := s.bank.Movements(ctx, fundAccount, day)
	return movements, told(err)
}

func (s *Service) newCall(ctx context.Context) (call Call, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		call.TranID, err = s.newTranID(ctx)
		return err
	})
	call.At = s.now()
	return call, err
}

func (s *Service) newTranID(ctx context.Context) (string, error) {
	numbers, err := s.store.nextNumbers(ctx, 1)
	if err != nil {
		return "", err
	}
	return s.tranID(numbers[0]), nil
}

// tranID makes a bank_tran_id that differs from every other one of this
// institution: its code, U, and the next of a sequence in base 36.
func (s *Service) tranID(number int64) string {
	return fmt.Sprintf("%sU%09s", s.cfg.InstitutionCode, strings.ToUpper(strconv.FormatInt(number, 36)))
}

// shorten keeps what a statement of account has room for.
func shorten(text string) string {
	const runesMost = 20
	runes := []rune(text)
	return string(runes[:min(len(runes), runesMost)])
}

func yymmdd(day calendar.Day) string { return compact(day)[2:] }
