package cards

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

type store struct{ db, lane *db.DB }

// linksOf reads links by issuer and token, with what they may do everywhere.
func (s store) linksOf(ctx context.Context, keys []string) (map[string]Link, error) {
	issuers, tokens := make([]string, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		issuers[i], tokens[i] = key[:2], key[2:]
	}
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT l.id, l.citizen_id, l.issuer, l.token, l.product, l.name, l.state, l.main, l.linked_at, o.tenant_id, o.mode, o.main
		FROM unnest($1::text[], $2::text[]) AS a (issuer, token)
		JOIN cards.links l ON l.issuer = a.issuer AND l.token = a.token
		LEFT JOIN cards.options o ON o.link_id = l.id`, issuers, tokens)
	if err != nil {
		return nil, err
	}
	links := make(map[string]Link, len(keys))
	var (
		l    Link
		at   *int32
		mode *string
		main *bool
	)
	columns := []any{&l.ID, &l.CitizenID, &l.Issuer, &l.Token, &l.Product, &l.Name, (*string)(&l.State), &l.Main, &l.LinkedAt, &at, &mode, &main}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		key := l.Issuer + l.Token
		known, ok := links[key]
		if !ok {
			known = l
		}
		if at != nil {
			known.Options = append(known.Options, Option{tenant.ID(*at), Mode(*mode), *main})
		}
		links[key] = known
		return nil
	})
	return links, err
}

// placesOf reads where terminals stand.
func (s store) placesOf(ctx context.Context, keys []string) (map[string]Place, error) {
	rows, err := s.lane.Pgx().Query(ctx, `
		SELECT a.key, t.tenant_id, t.merchant_id, t.mapped_at FROM unnest($1::text[]) AS a (key)
		JOIN cards.terminals t ON t.issuer = split_part(a.key, ' ', 1) AND t.merchant_number = split_part(a.key, ' ', 2)
			AND t.terminal = split_part(a.key, ' ', 3)`, keys)
	if err != nil {
		return nil, err
	}
	places := make(map[string]Place, len(keys))
	var (
		key string
		p   Place
	)
	_, err = pgx.ForEachRow(rows, []any{&key, (*int32)(&p.TenantID), &p.MerchantID, &p.MappedAt}, func() error {
		places[key] = p
		return nil
	})
	return places, err
}

func (s store) insertChange(ctx context.Context, c change, forgetBefore time.Time) error {
	if err := s.db.In(ctx).Exec(`DELETE FROM cards.changes WHERE at < ?`, forgetBefore).Error; err != nil {
		return err
	}
	return s.db.In(ctx).Exec(`INSERT INTO cards.changes (id, what, key, at) VALUES (?, ?, ?, ?)`, c.ID, c.What, c.Key, c.At).Error
}

func (s store) changes(ctx context.Context, since time.Time, most int) (list []change, err error) {
	err = s.db.In(ctx).Raw(`SELECT id, what, key, at FROM cards.changes WHERE at >= ? ORDER BY at LIMIT ?`, since, most).Scan(&list).Error
	return list, err
}

// upsertLink writes a link and returns its id, which is the old one of a card that
// comes back; uuid.Nil when the card is another citizen's, or linked already.
func (s store) upsertLink(ctx context.Context, l Link, at time.Time) (uuid.UUID, error) {
	var ids []uuid.UUID
	err := s.db.In(ctx).Raw(`INSERT INTO cards.links (id, citizen_id, issuer, token, product, name, state, main, linked_at, changed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (issuer, token) DO UPDATE SET product = excluded.product, name = excluded.name, state = excluded.state,
			main = excluded.main, linked_at = excluded.linked_at, changed_at = excluded.changed_at
		WHERE cards.links.citizen_id = excluded.citizen_id AND cards.links.state = 'unlinked'
		RETURNING id`,
		l.ID, l.CitizenID, l.Issuer, l.Token, l.Product, l.Name, l.State, l.Main, l.LinkedAt, at).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return uuid.Nil, err
	}
	return ids[0], nil
}

func (s store) updateLink(ctx context.Context, l Link, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE cards.links SET name = ?, state = ?, main = ?, changed_at = ? WHERE id = ?`,
		l.Name, l.State, l.Main, at, l.ID).Error
}

func (s store) authorisationsOf(ctx context.Context, citizen, link uuid.UUID, limit int) (list []Authorisation, err error) {
	q := s.db.In(ctx).Table("cards.authorisations").Where("tenant_id = ? AND citizen_id = ?", tenant.From(ctx), citizen)
	if link != uuid.Nil {
		q = q.Where("link_id = ?", link)
	}
	err = q.Order("id DESC").Limit(limit).Find(&list).Error
	return list, err
}

func (s store) upsertOption(ctx context.Context, link uuid.UUID, o Option, at time.Time) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.options (link_id, tenant_id, mode, main, changed_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (link_id, tenant_id) DO UPDATE SET mode = excluded.mode, main = excluded.main, changed_at = excluded.changed_at`,
		link, o.TenantID, o.Mode, o.Main, at).Error
}

const linkColumns = `id, citizen_id, issuer, token, product, name, state, main, linked_at`

func (s store) linksOfCitizen(ctx context.Context, citizen uuid.UUID) (links []Link, err error) {
	err = s.db.In(ctx).Raw(`SELECT `+linkColumns+` FROM cards.links WHERE citizen_id = ? ORDER BY id LIMIT 100`, citizen).Scan(&links).Error
	if err != nil {
		return nil, err
	}
	return links, s.addOptions(ctx, links)
}

func (s store) link(ctx context.Context, id uuid.UUID) (Link, error) {
	var links []Link
	err := s.db.In(ctx).Raw(`SELECT `+linkColumns+` FROM cards.links WHERE id = ?`, id).Scan(&links).Error
	if err == nil && len(links) == 0 {
		err = ErrNotLinked
	}
	if err != nil {
		return Link{}, err
	}
	return links[0], s.addOptions(ctx, links)
}

func (s store) addOptions(ctx context.Context, links []Link) error {
	if len(links) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(links))
	for i, l := range links {
		ids[i] = l.ID
	}
	var rows []struct {
		LinkID uuid.UUID
		Option
	}
	err := s.db.In(ctx).Raw(`SELECT link_id, tenant_id, mode, main FROM cards.options WHERE link_id IN ? ORDER BY tenant_id`, ids).Scan(&rows).Error
	for _, r := range rows {
		for i := range links {
			if links[i].ID == r.LinkID {
				links[i].Options = append(links[i].Options, r.Option)
			}
		}
	}
	return err
}

// insertAuthorisations keeps decisions; one that is kept already stays.
func (s store) insertAuthorisations(ctx context.Context, list []Authorisation) error {
	for _, a := range list {
		err := s.db.In(ctx).Exec(`INSERT INTO cards.authorisations (tenant_id, id, source, issuer, message_key, retrieval, link_id, citizen_id,
				merchant_id, merchant_number, terminal, requested, voucher, account, refusal, payment_id, at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			a.TenantID, a.ID, a.Source, a.Issuer, a.MessageKey, a.Retrieval, a.LinkID, a.CitizenID,
			a.MerchantID, a.MerchantNumber, a.Terminal, a.Requested, a.Voucher, a.Account, a.Refusal, a.PaymentID, a.At).Error
		if err != nil {
			return err
		}
	}
	return nil
}

func (s store) sawMessage(ctx context.Context, issuer, key string) (saw bool, err error) {
	err = s.db.In(ctx).Raw(`SELECT EXISTS (SELECT FROM cards.authorisations WHERE tenant_id = ? AND issuer = ? AND message_key = ?)`,
		tenant.From(ctx), issuer, key).Scan(&saw).Error
	return saw, err
}

func (s store) paymentOf(ctx context.Context, issuer, key string) (uuid.UUID, error) {
	var ids []uuid.UUID
	err := s.db.In(ctx).Raw(`SELECT payment_id FROM cards.authorisations
		WHERE tenant_id = ? AND issuer = ? AND message_key = ? AND payment_id IS NOT NULL LIMIT 1`, tenant.From(ctx), issuer, key).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return uuid.Nil, err
	}
	return ids[0], nil
}

// accountOf reads what the bank account was allowed to pay beside a payment.
func (s store) accountOf(ctx context.Context, payment uuid.UUID) (account money.Amount, known bool, err error) {
	var found []money.Amount
	err = s.db.In(ctx).Raw(`SELECT account FROM cards.authorisations WHERE tenant_id = ? AND id = ?`, tenant.From(ctx), payment).Scan(&found).Error
	if err != nil || len(found) == 0 {
		return 0, false, err
	}
	return found[0], true, nil
}

type reversalRow struct {
	ID          uuid.UUID
	Issuer      string
	MessageKey  string
	OriginalKey string
	Amount      money.Amount
	Undone      money.Amount
	PaymentID   *uuid.UUID
	At          time.Time
}

func (s store) insertReversal(ctx context.Context, r reversalRow) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.reversals (tenant_id, id, issuer, message_key, original_key, amount, undone, payment_id, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		tenant.From(ctx), r.ID, r.Issuer, r.MessageKey, r.OriginalKey, r.Amount, r.Undone, r.PaymentID, r.At).Error
}

type parkedAdvice struct {
	Issuer     string
	MessageKey string
	Advice     []byte
}

func (s store) parkAdvice(ctx context.Context, a Advice, body []byte, reason string, at time.Time) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.parked_advices (issuer, message_key, advice, reason, at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (issuer, message_key) DO UPDATE SET reason = excluded.reason`, a.Issuer, a.Key, string(body), reason, at).Error
}

func (s store) parkedAdvices(ctx context.Context) (list []parkedAdvice, err error) {
	err = s.db.In(ctx).Raw(`SELECT issuer, message_key, advice FROM cards.parked_advices WHERE booked_at IS NULL ORDER BY at LIMIT 200`).Scan(&list).Error
	return list, err
}

func (s store) unpark(ctx context.Context, p parkedAdvice, at time.Time) error {
	return s.db.In(ctx).Exec(`UPDATE cards.parked_advices SET booked_at = ? WHERE issuer = ? AND message_key = ?`, at, p.Issuer, p.MessageKey).Error
}

func (s store) insertOffer(ctx context.Context, o Offer) error {
	return s.db.In(ctx).Exec(`INSERT INTO cards.offers
			(tenant_id, id, link_id, citizen_id, merchant_id, requested, voucher, rest, state, at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		o.TenantID, o.ID, o.LinkID, o.CitizenID, o.MerchantID, o.Requested, o.Voucher, o.Rest, o.State, o.At, o.ExpiresAt).Error
}

// askedAgain gives the citizen more time for a question that waits already.
func (s store) askedAgain(ctx context.Context, o Offer) (asked bool, err error) {
	tx := s.db.In(ctx).Exec(`UPDATE cards.offers SET expires_at = ? WHERE tenant_id = ? AND link_id = ? AND merchant_id = ? AND rest = ?
		AND state = 'offered' AND expires_at > ?`, o.ExpiresAt, o.TenantID, o.LinkID, o.MerchantID, o.Rest, o.At)
	return tx.RowsAffected > 0, tx.Error
}

// placesThatAsk lists where a citizen has a card that is to ask.
func (s store) placesThatAsk(ctx context.Context, citizen uuid.UUID) (ids []tenant.ID, err error) {
	err = s.db.In(ctx).Raw(`SELECT DISTINCT o.tenant_id FROM cards.links l JOIN cards.options o ON o.link_id = l.id
		WHERE l.citizen_id = ? AND l.state = 'active' AND o.mode = 'ask' ORDER BY o.tenant_id`, citizen).Scan(&ids).Error
	return ids, err
}

// useOffer takes one offer that the citizen has allowed and that covers amount.
func (s store) useOffer(ctx context.Context, link, merchant uuid.UUID, amount money.Amount, now time.Time) (bool, error) {
	tx := s.db.In(ctx).Exec(`UPDATE cards.offers SET state = 'used' WHERE tenant_id = ? AND state = 'allowed' AND id = (
		SELECT id FROM cards.offers WHERE tenant_id = ? AND link_id = ? AND merchant_id = ? AND state = 'allowed' AND rest >= ? AND expires_at > ?
		ORDER BY id DESC LIMIT 1)`, tenant.From(ctx), tenant.From(ctx), link, merchant, amount, now)
	return tx.RowsAffected == 1, tx.Error
}

func (s store) offers(ctx context.Context, citizen uuid.UUID, now time.Time) (list []Offer, err error) {
	err = s.db.In(ctx).Raw(`SELECT * FROM cards.offers WHERE tenant_id = ? AND citizen_id = ? AND state IN ('offered', 'allowed') AND expires_at > ?
		ORDER BY id DESC LIMIT 20`, tenant.From(ctx), citizen, now).Scan(&list).Error
	return list, err
}

func (s store) offerOf(ctx context.Context, citizen, id uuid.UUID) (o Offer, err error) {
	var list []Offer
	err = s.db.In(ctx).Raw(`SELECT * FROM cards.offers WHERE tenant_id = ? AND id = ? AND citizen_id = ? FOR NO KEY UPDATE`,
		tenant.From(ctx), id, citizen).Scan(&list).Error
	if err == nil && len(list) == 0 {
		err = ErrOfferOver
	}
	if err != nil {
		return o, err
	}
	return list[0], nil
}

func (s store) updateOffer(ctx context.Context, o Offer) error {
	return s.db.In(ctx).Exec(`UPDATE cards.offers SET state = ?, expires_at = ? WHERE tenant_id = ? AND id = ?`,
		o.State, o.ExpiresAt, tenant.From(ctx), o.ID).Error
}
