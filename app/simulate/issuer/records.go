package issuer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Kind is how a purchase was decided, as clearing files name it.
type Kind string

// The kinds.
const (
	Online    Kind = "P"
	StoodIn   Kind = "S"
	BankAlone Kind = "B"
)

// State is what became of a purchase.
type State string

// The states.
const (
	Approved State = "approved"
	Declined State = "declined"
	Reversed State = "reversed"
)

// Purchase is a swipe and what came of it.
type Purchase struct {
	Issuer      string    `json:"issuer"`
	Retrieval   string    `json:"retrieval"`
	Number      string    `json:"approval"`
	Trace       string    `json:"trace"`
	Transmitted time.Time `json:"transmitted"`
	Swiped      time.Time `json:"swiped"`
	Token       string    `json:"token"`
	Merchant    string    `json:"merchant"`
	Terminal    string    `json:"terminal"`
	Amount      int64     `json:"amount"`
	Voucher     int64     `json:"voucher"`      // won that the voucher paid
	Account     int64     `json:"account"`      // won that the bank account paid
	VoucherBack int64     `json:"voucher_back"` // won of them that were taken back
	AccountBack int64     `json:"account_back"`
	BackAt      time.Time `json:"back_at"`
	Left        int64     `json:"left"` // in the voucher, as the host said
	Kind        Kind      `json:"kind"`
	State       State     `json:"state"`
	Code        string    `json:"code"`   // DE 39
	Reason      string    `json:"reason"` // DE 48.06
	TookMs      int64     `json:"took_ms"`
}

// unknown tells that the host has not said yes or no.
func (p Purchase) unknown() bool { return p.Code == "68" || p.Code == "91" || p.Code == "96" }

// records keeps what the issuers know, in memory and, if there is one, in a
// database. It is made for thousands of purchases, not for millions.
type records struct {
	pool *pgxpool.Pool

	mu        sync.Mutex
	purchases map[string]Purchase // by issuer and retrieval
	order     []string
	texts     map[string]Text // unanswered, by issuer and what matches
	reversals map[string]Reversal
}

const (
	schema = `
CREATE SCHEMA IF NOT EXISTS issuer_simulator;
CREATE TABLE IF NOT EXISTS issuer_simulator.records (
    kind text   NOT NULL,
    key  text   NOT NULL,
    seq  bigint GENERATED ALWAYS AS IDENTITY,
    body jsonb  NOT NULL,
    PRIMARY KEY (kind, key)
);`
	kindPurchase = "purchase"
	kindText     = "unanswered"
	kindReversal = "reversal"
)

func openRecords(ctx context.Context, dsn string) (*records, error) {
	r := &records{purchases: map[string]Purchase{}, texts: map[string]Text{}, reversals: map[string]Reversal{}}
	if dsn == "" {
		return r, nil
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("issuer simulator: %w", err)
	}
	config.MaxConns = 2
	if r.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("issuer simulator: %w", err)
	}
	if err := r.load(ctx); err != nil {
		r.pool.Close()
		return nil, fmt.Errorf("issuer simulator: %w", err)
	}
	return r, nil
}

func (r *records) load(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('issuer_simulator'))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
	if err != nil {
		return err
	}
	rows, err := r.pool.Query(ctx, `SELECT kind, key, body::text FROM issuer_simulator.records ORDER BY seq`)
	if err != nil {
		return err
	}
	var kind, key, body string
	_, err = pgx.ForEachRow(rows, []any{&kind, &key, &body}, func() error { return r.remember(kind, key, []byte(body)) })
	return err
}

func (r *records) remember(kind, key string, body []byte) error {
	switch kind {
	case kindPurchase:
		var p Purchase
		if err := json.Unmarshal(body, &p); err != nil {
			return err
		}
		r.order = append(r.order, key)
		r.purchases[key] = p
	case kindText:
		var t Text
		if err := json.Unmarshal(body, &t); err != nil {
			return err
		}
		r.texts[key] = t
	case kindReversal:
		var v Reversal
		if err := json.Unmarshal(body, &v); err != nil {
			return err
		}
		r.reversals[key] = v
	}
	return nil
}

func (r *records) close() {
	if r.pool != nil {
		r.pool.Close()
	}
}

func (r *records) write(ctx context.Context, kind, key string, value any) error {
	if r.pool == nil {
		return nil
	}
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = r.pool.Exec(ctx, `INSERT INTO issuer_simulator.records (kind, key, body) VALUES ($1, $2, $3::jsonb)
		ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body`, kind, key, string(body))
	return err
}

// keepPurchase is done even if whoever swiped has gone.
func (r *records) keepPurchase(ctx context.Context, p Purchase) error {
	key := p.Issuer + "/" + p.Retrieval
	r.mu.Lock()
	if _, known := r.purchases[key]; !known {
		r.order = append(r.order, key)
	}
	r.purchases[key] = p
	r.mu.Unlock()
	return r.write(context.WithoutCancel(ctx), kindPurchase, key, p)
}

func (r *records) purchase(issuer, retrieval string) (Purchase, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.purchases[issuer+"/"+retrieval]
	return p, ok
}

// latest lists purchases, the last first, that keep wants.
func (r *records) latest(most int, keep func(Purchase) bool) []Purchase {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := []Purchase{}
	for _, key := range slices.Backward(r.order) {
		if p := r.purchases[key]; keep(p) {
			if found = append(found, p); len(found) == most {
				break
			}
		}
	}
	return found
}

func textKey(issuer string, t Text) string {
	return issuer + "/" + t.Transmitted + "/" + t.Trace + "/" + strings.TrimSpace(t.Terminal)
}

func (r *records) keepUnanswered(issuer string, t Text) {
	r.mu.Lock()
	r.texts[textKey(issuer, t)] = t
	r.mu.Unlock()
	_ = r.write(context.Background(), kindText, textKey(issuer, t), t) // memory has it
}

func (r *records) unanswered(issuer string) (texts []Text) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, t := range r.texts {
		if strings.HasPrefix(key, issuer+"/") {
			texts = append(texts, t)
		}
	}
	return texts
}

func (r *records) answered(issuer string, t, _ Text) {
	key := textKey(issuer, t)
	r.mu.Lock()
	delete(r.texts, key)
	r.mu.Unlock()
	if r.pool != nil {
		_, _ = r.pool.Exec(context.Background(), `DELETE FROM issuer_simulator.records WHERE kind = $1 AND key = $2`, kindText, key)
	}
}

func (r *records) reversal(key string) (Reversal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.reversals[key]
	return v, ok
}

func (r *records) keepReversal(ctx context.Context, key string, v Reversal) error {
	r.mu.Lock()
	r.reversals[key] = v
	r.mu.Unlock()
	return r.write(context.WithoutCancel(ctx), kindReversal, key, v)
}
