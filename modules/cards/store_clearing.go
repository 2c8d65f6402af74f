package cards

import (
	"bytes"
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"jangteo/app/calendar"
	"jangteo/app/tenant"
)

// insertClearingFile keeps a file; if its number is taken, same tells whether by
// the same content.
func (s store) insertClearingFile(ctx context.Context, f ClearingFile, digest []byte) (added, same bool, err error) {
	tx := s.db.In(ctx).Exec(`INSERT INTO cards.clearing_files (tenant_id, issuer, day, number, digest, format, rows, own, imported_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		tenant.From(ctx), f.Issuer, f.Day, f.Number, digest, f.Format, f.Rows, f.Own, f.ImportedAt)
	if tx.Error != nil || tx.RowsAffected == 1 {
		return true, false, tx.Error
	}
	var kept [][]byte
	err = s.db.In(ctx).Raw(`SELECT digest FROM cards.clearing_files WHERE tenant_id = ? AND issuer = ? AND day = ? AND number = ?`,
		tenant.From(ctx), f.Issuer, f.Day, f.Number).Scan(&kept).Error
	return false, len(kept) == 1 && bytes.Equal(kept[0], digest), err
}

func (s store) files(ctx context.Context) (list []ClearingFile, err error) {
	err = s.db.In(ctx).Raw(`SELECT issuer, day, number, format, rows, own, imported_at FROM cards.clearing_files
		WHERE tenant_id = ? ORDER BY day DESC, issuer, number DESC LIMIT 60`, tenant.From(ctx)).Scan(&list).Error
	return list, err
}

// rowSeen tells whether a purchase is in the files already, in the same way.
func (s store) rowSeen(ctx context.Context, issuer, retrieval, kind string) (seen bool, err error) {
	err = s.db.In(ctx).Raw(`SELECT EXISTS (SELECT FROM cards.clearing_rows
		WHERE tenant_id = ? AND issuer = ? AND retrieval = ? AND kind = ? AND number > 0)`,
		tenant.From(ctx), issuer, retrieval, kind).Scan(&seen).Error
	return seen, err
}

const selectAuthorisations = `SELECT * FROM cards.authorisations WHERE tenant_id = ?`

// authorisationOf finds what was approved under a retrieval number; swaps are
// not the issuer's to tell.
// lockPurchase makes transactions about one purchase take turns.
func (s store) lockPurchase(ctx context.Context, issuer, retrieval string) error {
	return s.db.In(ctx).Exec(`SELECT pg_advisory_xact_lock(hashtextextended('cards ' || ?::text || ' ' || ?::text, ?::int))`,
		issuer, retrieval, tenant.From(ctx)).Error
}

func (s store) authorisationOf(ctx context.Context, issuer, retrieval string) (*Authorisation, error) {
	var found []Authorisation
	err := s.db.In(ctx).Raw(selectAuthorisations+` AND issuer = ? AND retrieval = ? AND refusal = '' AND source <> 'swap' ORDER BY id LIMIT 1`,
		tenant.From(ctx), issuer, retrieval).Scan(&found).Error
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func (s store) authorisation(ctx context.Context, id uuid.UUID) (a Authorisation, err error) {
	var found []Authorisation
	err = s.db.In(ctx).Raw(selectAuthorisations+` AND id = ?`, tenant.From(ctx), id).Scan(&found).Error
	if err == nil && len(found) == 0 {
		err = ErrRowUnknown
	}
	if err != nil {
		return a, err
	}
	return found[0], nil
}

// alike lists payments of the same card around the same time that no file
// speaks of: what a row with a wrong retrieval number may be of.
func (s store) alike(ctx context.Context, r ClearingRow) (list []Authorisation, err error) {
	const around = 12 * time.Hour
	err = s.db.In(ctx).Raw(`SELECT a.* FROM cards.authorisations a JOIN cards.links l ON l.id = a.link_id
		WHERE a.tenant_id = ? AND a.at BETWEEN ? AND ? AND l.issuer = ? AND l.token = ? AND a.refusal = '' AND a.source <> 'swap'
			AND NOT EXISTS (SELECT FROM cards.clearing_rows c WHERE c.tenant_id = ? AND c.issuer = a.issuer AND c.retrieval = a.retrieval AND c.number > 0)
		ORDER BY abs(a.requested - ?), abs(extract(epoch FROM a.at - ?::timestamptz)) LIMIT 5`,
		tenant.From(ctx), r.SwipedAt.Add(-around), r.SwipedAt.Add(around), r.Issuer, r.Token, tenant.From(ctx), r.Amount, r.SwipedAt).Scan(&list).Error
	return list, err
}

// uncleared lists what was approved in a span of time, not taken back in full by
// the issuer, and is in no file.
func (s store) uncleared(ctx context.Context, issuer string, from, to time.Time) (list []Authorisation, err error) {
	err = s.db.In(ctx).Raw(selectAuthorisations+` AND at >= ? AND at < ? AND issuer = ? AND refusal = '' AND source <> 'swap'
			AND NOT EXISTS (SELECT FROM cards.clearing_rows c
				WHERE c.tenant_id = ? AND c.issuer = ? AND c.retrieval = cards.authorisations.retrieval)
			AND NOT EXISTS (SELECT FROM cards.reversals r
				WHERE r.tenant_id = ? AND r.issuer = ? AND r.original_key = cards.authorisations.message_key AND r.amount = 0)
		ORDER BY id LIMIT 5000`, tenant.From(ctx), from, to, issuer, tenant.From(ctx), issuer, tenant.From(ctx), issuer).Scan(&list).Error
	return list, err
}

func (s store) missingFound(ctx context.Context, authorisation uuid.UUID, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE cards.clearing_rows SET state = 'settled', resolution = 'matched', resolved_at = ?
		WHERE tenant_id = ? AND authorisation_id = ? AND state = 'missing'`, at, tenant.From(ctx), authorisation).Error
}

func (s store) insertRow(ctx context.Context, r ClearingRow) error {
	return s.db.In(ctx).Table("cards.clearing_rows").Create(&r).Error
}

func (s store) row(ctx context.Context, id uuid.UUID) (r ClearingRow, err error) {
	var found []ClearingRow
	err = s.db.In(ctx).Raw(`SELECT * FROM cards.clearing_rows WHERE tenant_id = ? AND id = ?`, tenant.From(ctx), id).Scan(&found).Error
	if err == nil && len(found) == 0 {
		err = ErrRowUnknown
	}
	if err != nil {
		return r, err
	}
	return found[0], nil
}

// rows lists at most limit rows, after the first offset.
func (s store) rows(ctx context.Context, f RowFilter, limit, offset int) (list []ClearingRow, err error) {
	err = f.rows(s.db.In(ctx), tenant.From(ctx)).Limit(limit).Offset(offset).Find(&list).Error
	return list, err
}

// rows asks for what f narrows to. What is looked for is the beginning of one of
// three columns, each with an index of its own.
func (f RowFilter) rows(q *gorm.DB, id tenant.ID) *gorm.DB {
	q = q.Table("cards.clearing_rows").Where("tenant_id = ?", id)
	if len(f.States) > 0 {
		q = q.Where("state IN ?", f.States)
	}
	if !f.Day.IsZero() {
		q = q.Where("day = ?", f.Day)
	}
	if f.Issuer != "" {
		q = q.Where("issuer = ?", f.Issuer)
	}
	if f.Query != "" {
		const last = "\x7f" // comes after every sign of a number
		q = q.Where(`(retrieval COLLATE "C" >= @from AND retrieval COLLATE "C" < @to
			OR merchant_number COLLATE "C" >= @from AND merchant_number COLLATE "C" < @to
			OR terminal COLLATE "C" >= @from AND terminal COLLATE "C" < @to)`, map[string]any{"from": f.Query, "to": f.Query + last})
	}
	return q.Order("day DESC, issuer, number, line, id")
}

// lockRow keeps others from settling a row until the transaction ends.
func (s store) lockRow(ctx context.Context, id uuid.UUID) error {
	var locked []uuid.UUID
	err := s.db.In(ctx).Raw(`SELECT id FROM cards.clearing_rows WHERE tenant_id = ? AND id = ? FOR NO KEY UPDATE`, tenant.From(ctx), id).Scan(&locked).Error
	if err == nil && len(locked) == 0 {
		err = ErrRowUnknown
	}
	return err
}

func (s store) settleRow(ctx context.Context, r ClearingRow, with *uuid.UUID, in SettleInput, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE cards.clearing_rows SET state = 'settled', authorisation_id = coalesce(?, authorisation_id),
			resolution = ?, reason = ?, resolved_at = ?
		WHERE tenant_id = ? AND id = ? AND state = ?`, with, in.How, in.Reason, at, tenant.From(ctx), r.ID, r.State).Error
}

func (s store) clearingDays(ctx context.Context, day calendar.Day, open []RowState) (list []ClearingDay, err error) {
	err = s.db.In(ctx).Raw(`SELECT c.issuer, count(*) AS rows, count(*) FILTER (WHERE c.state IN ?) AS open,
			coalesce(sum(CASE WHEN c.kind = 'R' THEN -c.voucher ELSE c.voucher END) FILTER (WHERE c.state = 'matched'), 0) AS voucher,
			coalesce(sum(a.voucher) FILTER (WHERE c.state = 'matched' AND c.kind <> 'R'), 0)
				- coalesce(sum(c.voucher) FILTER (WHERE c.state = 'matched' AND c.kind = 'R'), 0) AS booked
		FROM cards.clearing_rows c
		LEFT JOIN cards.authorisations a ON a.tenant_id = ? AND a.id = c.authorisation_id
		WHERE c.tenant_id = ? AND c.day = ? GROUP BY c.issuer ORDER BY c.issuer`, open, tenant.From(ctx), tenant.From(ctx), day).Scan(&list).Error
	return list, err
}

// issuersHere lists the issuers with terminals here whose first file of a day is
// not imported.
func (s store) issuersHere(ctx context.Context, day calendar.Day) (issuers []string, err error) {
	err = s.db.In(ctx).Raw(`SELECT DISTINCT t.issuer FROM cards.terminals t WHERE t.tenant_id = ?
		AND NOT EXISTS (SELECT FROM cards.clearing_files f WHERE f.tenant_id = ? AND f.issuer = t.issuer AND f.day = ?)
		ORDER BY t.issuer`, tenant.From(ctx), tenant.From(ctx), day).Scan(&issuers).Error
	return issuers, err
}
