package incidents

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/tenant"
)

type store struct{ db *db.DB }

type row struct {
	ID         uuid.UUID
	Number     string
	State      State
	Parts      string // joined by commas
	Tenants    string
	StartedAt  time.Time
	EndedAt    *time.Time
	Published  bool
	OpenedAt   time.Time
	OpenedName string
	Version    int
	At         time.Time
	Words      Words `gorm:"embedded"`
}

func (r row) incident() Incident {
	i := Incident{
		ID: r.ID, Number: r.Number, State: r.State, Parts: strings.Split(r.Parts, ","), StartedAt: r.StartedAt, EndedAt: r.EndedAt,
		Published: r.Published, OpenedAt: r.OpenedAt, OpenedName: r.OpenedName, Version: r.Version, Words: r.Words, SaidAt: r.At,
	}
	for _, text := range strings.Split(r.Tenants, ",") {
		if n, err := strconv.Atoi(text); err == nil {
			i.Tenants = append(i.Tenants, tenant.ID(n))
		}
	}
	return i
}

const selectIncident = `SELECT i.id, i.number, i.state, array_to_string(i.parts, ',') AS parts, array_to_string(i.tenants, ',') AS tenants,
	i.started_at, i.ended_at, i.published, i.opened_at, i.opened_name, i.version, v.at, v.title_ko, v.title_en, v.text_ko, v.text_en
	FROM incidents.incidents i JOIN incidents.versions v ON v.incident_id = i.id AND v.version = i.version `

func (s store) many(ctx context.Context, rest string, values ...any) (list []Incident, err error) {
	var rows []row
	err = s.db.In(ctx).Raw(selectIncident+rest, values...).Scan(&rows).Error
	for _, r := range rows {
		list = append(list, r.incident())
	}
	return list, err
}

func (s store) one(ctx context.Context, rest string, id uuid.UUID) (i Incident, err error) {
	list, err := s.many(ctx, rest, id)
	if err == nil && len(list) == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return i, err
	}
	return list[0], nil
}

func (s store) get(ctx context.Context, id uuid.UUID) (Incident, error) {
	return s.one(ctx, `WHERE i.id = ?`, id)
}

func (s store) lock(ctx context.Context, id uuid.UUID) (Incident, error) {
	return s.one(ctx, `WHERE i.id = ? FOR UPDATE OF i`, id)
}

func (s store) list(ctx context.Context, limit int) ([]Incident, error) {
	return s.many(ctx, `ORDER BY i.started_at DESC, i.id DESC LIMIT ?`, limit)
}

func (s store) public(ctx context.Context, since time.Time, limit int) ([]Incident, error) {
	return s.many(ctx, `WHERE i.published AND (i.ended_at IS NULL OR i.ended_at >= ?) ORDER BY i.ended_at IS NULL DESC, i.started_at DESC, i.id DESC LIMIT ?`, since, limit)
}

func (s store) openAbout(ctx context.Context, part string) (open bool, err error) {
	err = s.db.In(ctx).Raw(`SELECT EXISTS (SELECT FROM incidents.incidents WHERE ended_at IS NULL AND ? = ANY (parts))`, part).Scan(&open).Error
	return open, err
}

func (s store) insert(ctx context.Context, i Incident, by uuid.UUID) error {
	err := s.db.In(ctx).Exec(`INSERT INTO incidents.incidents (id, number, state, parts, tenants, started_at, ended_at, published, opened_at, opened_by, opened_name, version)
		VALUES (?, ?, ?, string_to_array(?, ','), string_to_array(?, ',')::integer[], ?, ?, ?, ?, ?, ?, ?)`,
		i.ID, i.Number, i.State, strings.Join(i.Parts, ","), tenantList(i.Tenants), i.StartedAt, i.EndedAt, i.Published, i.OpenedAt, person(by), i.OpenedName, i.Version).Error
	if err != nil {
		return err
	}
	return s.version(ctx, i, by, i.OpenedName)
}

func (s store) say(ctx context.Context, i Incident, by uuid.UUID, name string) error {
	err := s.db.In(ctx).Exec(`UPDATE incidents.incidents SET state = ?, parts = string_to_array(?, ','), tenants = string_to_array(?, ',')::integer[],
		ended_at = ?, published = ?, version = ? WHERE id = ?`,
		i.State, strings.Join(i.Parts, ","), tenantList(i.Tenants), i.EndedAt, i.Published, i.Version, i.ID).Error
	if err != nil {
		return err
	}
	return s.version(ctx, i, by, name)
}

func (s store) version(ctx context.Context, i Incident, by uuid.UUID, name string) error {
	w := i.Words
	return s.db.In(ctx).Exec(`INSERT INTO incidents.versions (incident_id, version, state, title_ko, title_en, text_ko, text_en, published, at, author_id, author_name)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, i.ID, i.Version, i.State, w.TitleKo, w.TitleEn, w.TextKo, w.TextEn, i.Published, i.SaidAt, person(by), name).Error
}

func (s store) versions(ctx context.Context, id uuid.UUID) (list []Version, err error) {
	err = s.db.In(ctx).Raw(`SELECT version, state, title_ko, title_en, text_ko, text_en, published, at, author_name
		FROM incidents.versions WHERE incident_id = ? ORDER BY version DESC LIMIT 200`, id).Scan(&list).Error
	return list, err
}

// person is NULL for the system itself.
func person(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func tenantList(ids []tenant.ID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(int(id))
	}
	return strings.Join(texts, ",")
}
