package cards

import (
	"context"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"jangteo/app/tenant"
)

// KeepLink links a card without asking its issuer.
func (s *Service) KeepLink(ctx context.Context, citizen uuid.UUID, issuer, token string) (Link, error) {
	l := Link{
		ID: uuid.Must(uuid.NewV7()), CitizenID: citizen, Issuer: issuer, Token: token, Product: "체크카드", Name: "생활비 카드",
		State: Active, Main: true, LinkedAt: s.now(),
	}
	return s.keepLink(ctx, l)
}

// KeepSecond links a card that is not the main one.
func (s *Service) KeepSecond(ctx context.Context, citizen uuid.UUID, issuer, token string) (Link, error) {
	l := Link{ID: uuid.Must(uuid.NewV7()), CitizenID: citizen, Issuer: issuer, Token: token, Name: "둘째 카드", State: Active, LinkedAt: s.now()}
	return s.keepLink(ctx, l)
}

// SettleDoubts reverses what is in doubt.
func (s *Service) SettleDoubts(ctx context.Context) { s.settleDoubts(ctx) }

// ErrNeverArrived is what a back office says of a key that it has not heard of.
var ErrNeverArrived = errNeverArrived

// ReadClearing reads a file and counts its rows.
func ReadClearing(file []byte) (rows int, err error) {
	f, err := readClearing(file)
	return len(f.rows), err
}

// ExplainRows tells how the database finds the first page of rows, in the
// transaction of ctx.
func (s *Service) ExplainRows(ctx context.Context, f RowFilter) (lines []string, err error) {
	q := s.db.In(ctx)
	statement := q.ToSQL(func(tx *gorm.DB) *gorm.DB {
		return f.rows(tx, tenant.From(ctx)).Limit(rowsAtATime + 1).Find(&[]ClearingRow{})
	})
	err = q.Raw("EXPLAIN (ANALYZE, COSTS OFF) " + statement).Scan(&lines).Error
	return lines, err
}

// MoveSwap takes a swap to a state without doing what belongs to it.
func (s *Service) MoveSwap(ctx context.Context, id uuid.UUID, from, to SwapState) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		_, err := s.store.moveSwap(ctx, id, from, to, nil, s.now())
		return err
	})
}
