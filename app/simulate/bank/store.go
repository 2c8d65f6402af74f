package bank

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type store struct{ pool *pgxpool.Pool }

const schema = `
CREATE SCHEMA IF NOT EXISTS bank_simulator;
CREATE TABLE IF NOT EXISTS bank_simulator.accounts (
    bank_code       text    NOT NULL,
    account_num     text    NOT NULL,
    holder          text    NOT NULL,
    birth           text    NOT NULL,
    balance         bigint  NOT NULL CHECK (balance >= 0),
    opening         bigint  NOT NULL,
    fintech_use_num text    NOT NULL UNIQUE,
    contracted      boolean NOT NULL,
    linked          boolean NOT NULL,
    PRIMARY KEY (bank_code, account_num)
);
CREATE UNIQUE INDEX IF NOT EXISTS contracted_accounts ON bank_simulator.accounts (account_num) WHERE contracted;
CREATE INDEX IF NOT EXISTS accounts_by_number ON bank_simulator.accounts (account_num);
CREATE TABLE IF NOT EXISTS bank_simulator.transactions (
    seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    bank_tran_id   text        NOT NULL,
    tran_date      text        NOT NULL,
    operation      text        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('processing', 'executed', 'refused')),
    will_execute   boolean     NOT NULL DEFAULT true,
    amount         bigint      NOT NULL CHECK (amount > 0),
    from_bank      text        NOT NULL,
    from_account   text        NOT NULL,
    to_bank        text        NOT NULL,
    to_account     text        NOT NULL,
    print_content  text        NOT NULL,
    code           text        NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (tran_date, bank_tran_id)
);
CREATE INDEX IF NOT EXISTS transactions_by_day ON bank_simulator.transactions (tran_date, seq);
CREATE INDEX IF NOT EXISTS transactions_processing ON bank_simulator.transactions (seq) WHERE state = 'processing';
CREATE TABLE IF NOT EXISTS bank_simulator.faults (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text    NOT NULL,
    operation   text    NOT NULL,
    account_num text    NOT NULL,
    amount      bigint  NOT NULL,
    remaining   integer NOT NULL,
    executed    boolean NOT NULL,
    delay_ms    bigint  NOT NULL
);
CREATE TABLE IF NOT EXISTS bank_simulator.tokens (
    token      text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);`

// create makes the schema. Two simulators may start at once: one waits.
func (s store) create(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('bank_simulator'))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
}

func (s store) insertAccounts(ctx context.Context, accounts []Account) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `CREATE TEMP TABLE new_accounts (LIKE bank_simulator.accounts) ON COMMIT DROP`); err != nil {
			return err
		}
		columns := []string{"bank_code", "account_num", "holder", "birth", "balance", "opening", "fintech_use_num", "contracted", "linked"}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"new_accounts"}, columns, pgx.CopyFromSlice(len(accounts), func(i int) ([]any, error) {
			a := accounts[i]
			return []any{a.BankCode, a.Number, a.Holder, a.Birth, a.Balance, a.Balance, FintechUseNum(a.BankCode, a.Number), a.Contracted, a.Linked}, nil
		}))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO bank_simulator.accounts SELECT * FROM new_accounts ON CONFLICT DO NOTHING`)
		return err
	})
}

func (s store) insertHistory(ctx context.Context, history []Transaction) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TEMP TABLE history (bank_tran_id text, tran_date text, operation text, amount bigint,
			from_bank text, from_account text, to_bank text, to_account text, print_content text, at timestamptz, line integer) ON COMMIT DROP`)
		if err != nil {
			return err
		}
		columns := []string{"bank_tran_id", "tran_date", "operation", "amount", "from_bank", "from_account", "to_bank", "to_account", "print_content", "at", "line"}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"history"}, columns, pgx.CopyFromSlice(len(history), func(i int) ([]any, error) {
			t := history[i]
			return []any{t.BankTranID, t.Date, t.Operation, t.Amount, t.FromBank, t.FromAccount, t.ToBank, t.ToAccount, t.PrintContent, t.At, i}, nil
		}))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			WITH booked AS (
				INSERT INTO bank_simulator.transactions
				       (bank_tran_id, tran_date, operation, state, amount, from_bank, from_account, to_bank, to_account, print_content, code, at)
				SELECT bank_tran_id, tran_date, operation, 'executed', amount, from_bank, from_account, to_bank, to_account, print_content, '000', at
				  FROM history ORDER BY line
				ON CONFLICT DO NOTHING
				RETURNING amount, from_bank, from_account, to_bank, to_account
			), changes AS (
				SELECT bank, account, sum(change)::bigint AS change
				  FROM (SELECT from_bank AS bank, from_account AS account, -amount AS change FROM booked
				        UNION ALL SELECT to_bank, to_account, amount FROM booked) c
				 GROUP BY bank, account
			)
			UPDATE bank_simulator.accounts a SET balance = a.balance + c.change
			  FROM changes c WHERE a.bank_code = c.bank AND a.account_num = c.account`)
		return err
	})
}

const accountColumns = `bank_code, account_num, holder, birth, balance, contracted, linked`

func scanAccount(row pgx.CollectableRow) (a Account, err error) {
	err = row.Scan(&a.BankCode, &a.Number, &a.Holder, &a.Birth, &a.Balance, &a.Contracted, &a.Linked)
	return a, err
}

func (s store) accounts(ctx context.Context, after string, limit int) ([]Account, error) {
	rows, _ := s.pool.Query(ctx, `SELECT `+accountColumns+` FROM bank_simulator.accounts
		WHERE account_num > $1 ORDER BY account_num, bank_code LIMIT $2`, after, limit)
	return pgx.CollectRows(rows, scanAccount)
}

// errNoAccount says that no account fits.
var errNoAccount = errors.New("no such account")

func (s store) oneAccount(ctx context.Context, where string, args ...any) (Account, error) {
	rows, _ := s.pool.Query(ctx, `SELECT `+accountColumns+` FROM bank_simulator.accounts WHERE `+where, args...)
	account, err := pgx.CollectExactlyOneRow(rows, scanAccount)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, errNoAccount
	}
	return account, err
}

func (s store) account(ctx context.Context, bankCode, number string) (Account, error) {
	return s.oneAccount(ctx, `bank_code = $1 AND account_num = $2`, bankCode, number)
}

func (s store) contracted(ctx context.Context, number string) (Account, error) {
	return s.oneAccount(ctx, `contracted AND account_num = $1`, number)
}

func (s store) byFintechUseNum(ctx context.Context, number string) (Account, error) {
	return s.oneAccount(ctx, `fintech_use_num = $1`, number)
}

func (s store) link(ctx context.Context, bankCode, number string) error {
	_, err := s.pool.Exec(ctx, `UPDATE bank_simulator.accounts SET linked = true WHERE bank_code = $1 AND account_num = $2`, bankCode, number)
	return err
}

// receive registers an instruction as being processed. False means that its
// bank_tran_id was used before on that day.
func (s store) receive(ctx context.Context, t Transaction, willExecute bool) (bool, error) {
	done, err := s.pool.Exec(ctx, `
		INSERT INTO bank_simulator.transactions
		       (bank_tran_id, tran_date, operation, state, will_execute, amount, from_bank, from_account, to_bank, to_account, print_content, code, at)
		VALUES ($1, $2, $3, 'processing', $4, $5, $6, $7, $8, $9, $10, '400', $11)
		ON CONFLICT DO NOTHING`,
		t.BankTranID, t.Date, t.Operation, willExecute, t.Amount, t.FromBank, t.FromAccount, t.ToBank, t.ToAccount, t.PrintContent, t.At)
	return err == nil && done.RowsAffected() == 1, err
}

type tranKey struct{ Date, BankTranID string }

func (s store) processing(ctx context.Context) ([]tranKey, error) {
	rows, _ := s.pool.Query(ctx, `SELECT tran_date, bank_tran_id FROM bank_simulator.transactions WHERE state = 'processing' ORDER BY seq`)
	return pgx.CollectRows(rows, pgx.RowToStructByPos[tranKey])
}

// finish moves the money of an instruction, or refuses it, once.
func (s store) finish(ctx context.Context, id tranKey, at time.Time) (Transaction, error) {
	var t Transaction
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var willExecute bool
		err := tx.QueryRow(ctx, `SELECT will_execute FROM bank_simulator.transactions
			WHERE tran_date = $1 AND bank_tran_id = $2 FOR UPDATE`, id.Date, id.BankTranID).Scan(&willExecute)
		if err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, selectTransactions+` WHERE tran_date = $1 AND bank_tran_id = $2`, id.Date, id.BankTranID)
		if t, err = pgx.CollectExactlyOneRow(rows, scanTransaction); err != nil {
			return err
		}
		if t.State != processing {
			return nil
		}
		t.State, t.Code, t.At = refused, "801", at
		if willExecute {
			if t.Code, err = s.move(ctx, tx, t); err != nil {
				return err
			}
		}
		if t.Code == "000" {
			t.State = executed
		}
		_, err = tx.Exec(ctx, `UPDATE bank_simulator.transactions SET state = $3, code = $4, at = $5
			WHERE tran_date = $1 AND bank_tran_id = $2`, id.Date, id.BankTranID, t.State, t.Code, t.At)
		return err
	})
	return t, err
}

// move changes both balances, or says why not. The two accounts are locked in
// the order of their keys, so that crossing transfers cannot deadlock.
func (s store) move(ctx context.Context, tx pgx.Tx, t Transaction) (code string, err error) {
	rows, _ := tx.Query(ctx, `SELECT `+accountColumns+` FROM bank_simulator.accounts
		WHERE (bank_code, account_num) IN (($1, $2), ($3, $4)) ORDER BY bank_code, account_num FOR UPDATE`,
		t.FromBank, t.FromAccount, t.ToBank, t.ToAccount)
	locked, err := pgx.CollectRows(rows, scanAccount)
	if err != nil {
		return "", err
	}
	if len(locked) != 2 {
		return "310", nil
	}
	for _, account := range locked {
		if account.BankCode == t.FromBank && account.Number == t.FromAccount && account.Balance < t.Amount {
			return "320", nil
		}
	}
	_, err = tx.Exec(ctx, `UPDATE bank_simulator.accounts
		SET balance = balance + CASE WHEN bank_code = $1 AND account_num = $2 THEN -$5::bigint ELSE $5::bigint END
		WHERE (bank_code, account_num) IN (($1, $2), ($3, $4))`,
		t.FromBank, t.FromAccount, t.ToBank, t.ToAccount, t.Amount)
	return "000", err
}

const selectTransactions = `SELECT seq, bank_tran_id, tran_date, operation, state, amount,
	from_bank, from_account, to_bank, to_account, print_content, code, at FROM bank_simulator.transactions`

func scanTransaction(row pgx.CollectableRow) (t Transaction, err error) {
	err = row.Scan(&t.Seq, &t.BankTranID, &t.Date, &t.Operation, &t.State, &t.Amount,
		&t.FromBank, &t.FromAccount, &t.ToBank, &t.ToAccount, &t.PrintContent, &t.Code, &t.At)
	return t, err
}

// transaction finds an instruction; false means that it never arrived.
func (s store) transaction(ctx context.Context, id tranKey) (Transaction, bool, error) {
	rows, _ := s.pool.Query(ctx, selectTransactions+` WHERE tran_date = $1 AND bank_tran_id = $2`, id.Date, id.BankTranID)
	t, err := pgx.CollectExactlyOneRow(rows, scanTransaction)
	if errors.Is(err, pgx.ErrNoRows) {
		return Transaction{}, false, nil
	}
	return t, err == nil, err
}

// ofDay lists what was executed on a day for one contracted account, in the
// order in which it arrived.
func (s store) ofDay(ctx context.Context, date, account string, after int64, limit int) ([]Transaction, error) {
	rows, _ := s.pool.Query(ctx, selectTransactions+` WHERE tran_date = $1 AND seq > $2 AND state = 'executed'
		AND ($3 = '' OR from_account = $3 OR to_account = $3) ORDER BY seq LIMIT $4`, date, after, account, limit)
	return pgx.CollectRows(rows, scanTransaction)
}

func (s store) ledger(ctx context.Context, limit int) (Ledger, error) {
	var l Ledger
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			WITH moved AS (
				SELECT bank, account, sum(change) AS change
				  FROM (SELECT from_bank AS bank, from_account AS account, -amount AS change FROM bank_simulator.transactions WHERE state = 'executed'
				        UNION ALL SELECT to_bank, to_account, amount FROM bank_simulator.transactions WHERE state = 'executed') m
				 GROUP BY bank, account
			)
			SELECT count(*), coalesce(sum(a.opening), 0)::bigint, coalesce(sum(a.balance), 0)::bigint,
			       count(*) FILTER (WHERE a.balance <> a.opening + coalesce(m.change, 0)),
			       (SELECT count(*) FROM bank_simulator.transactions WHERE state = 'executed')
			  FROM bank_simulator.accounts a
			  LEFT JOIN moved m ON m.bank = a.bank_code AND m.account = a.account_num`).
			Scan(&l.Accounts, &l.Opening, &l.Total, &l.Wrong, &l.Executed)
		if err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, selectTransactions+` ORDER BY seq DESC LIMIT $1`, limit)
		l.Transactions, err = pgx.CollectRows(rows, scanTransaction)
		return err
	})
	return l, err
}

func (s store) insertFault(ctx context.Context, f Fault) (id int64, err error) {
	err = s.pool.QueryRow(ctx, `INSERT INTO bank_simulator.faults (kind, operation, account_num, amount, remaining, executed, delay_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`,
		f.Kind, f.Operation, f.Account, f.Amount, f.Count, f.Executed, f.DelayMs).Scan(&id)
	return id, err
}

func (s store) clearFaults(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM bank_simulator.faults`)
	return err
}

func (s store) faults(ctx context.Context) ([]Fault, error) {
	rows, _ := s.pool.Query(ctx, `SELECT id, kind, operation, account_num, amount, remaining, executed, delay_ms
		FROM bank_simulator.faults WHERE remaining > 0 ORDER BY id LIMIT 1000`)
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Fault])
}

// claimFault takes one use of the oldest fault that fits; Kind is empty if none does.
func (s store) claimFault(ctx context.Context, operation, account string, amount int64) (Fault, error) {
	rows, _ := s.pool.Query(ctx, `
		UPDATE bank_simulator.faults SET remaining = remaining - 1
		 WHERE id = (SELECT id FROM bank_simulator.faults
		              WHERE remaining > 0 AND operation IN ('', $1) AND account_num IN ('', $2) AND amount IN (0, $3)
		                AND (operation <> '' OR $1 <> 'result')
		              ORDER BY id LIMIT 1 FOR UPDATE)
		RETURNING id, kind, operation, account_num, amount, remaining, executed, delay_ms`, operation, account, amount)
	fault, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Fault])
	if errors.Is(err, pgx.ErrNoRows) {
		return Fault{}, nil
	}
	return fault, err
}

func (s store) insertToken(ctx context.Context, token string, now, expires time.Time) error {
	_, err := s.pool.Exec(ctx, `WITH old AS (DELETE FROM bank_simulator.tokens WHERE expires_at < $3)
		INSERT INTO bank_simulator.tokens VALUES ($1, $2)`, token, expires, now)
	if err != nil {
		return fmt.Errorf("keep token: %w", err)
	}
	return nil
}

func (s store) tokenValid(ctx context.Context, token string, now time.Time) (valid bool, err error) {
	err = s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM bank_simulator.tokens WHERE token = $1 AND expires_at > $2)`, token, now).Scan(&valid)
	return valid, err
}
