package citizens

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/app/clock"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/mask"
	"jangteo/app/tenant"
)

// Service is what other modules call.
type Service struct {
	db       *db.DB
	store    store
	box      *crypt.Box
	provider IdentityProvider
	audit    *audit.Log
	limits   Limits
	now      clock.Now
}

// New keeps people in d and asks provider who they are.
func New(d *db.DB, box *crypt.Box, provider IdentityProvider, log *audit.Log, limits Limits, now clock.Now) *Service {
	limits.setUsual()
	return &Service{db: d, store: store{d}, box: box, provider: provider, audit: log, limits: limits, now: now}
}

// place binds sealed text to its column and row.
func place(column string, id uuid.UUID) string { return "citizens." + column + "/" + id.String() }

// Join makes an account for whom an identity token stands for. The token stays
// good for one sign-in. Who has an account already gets that one: joined is
// then false.
func (s *Service) Join(ctx context.Context, identityToken string, agreed []string) (c Citizen, joined bool, err error) {
	if names := missing(agreed); len(names) > 0 {
		return c, false, ErrAgreementMissing.With("missing", strings.Join(names, ", "))
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		_, who, err := s.identity(ctx, identityToken)
		if err != nil {
			return err
		}
		if tooYoung(who.BirthDate, calendar.DayOf(s.now())) {
			return ErrTooYoung.With("age_min", AgeMin)
		}
		all, fresh, err := s.enrol(ctx, []Identity{who}, s.now())
		if err != nil {
			return err
		}
		c, joined = all[0], fresh[0]
		return nil
	})
	return c, joined, err
}

// Enrol makes accounts for people whose identity is certain already, as when
// another operator hands over its members or a demonstration begins. Those who
// have one keep it. The answer is in the order of who.
func (s *Service) Enrol(ctx context.Context, who []Identity, at time.Time) (citizens []Citizen, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		citizens, _, err = s.enrol(ctx, who, at)
		return err
	})
	return citizens, err
}

func (s *Service) enrol(ctx context.Context, who []Identity, at time.Time) (citizens []Citizen, fresh []bool, err error) {
	rows := make([]citizenRow, len(who))
	for i, person := range who {
		if rows[i], err = s.seal(person, at); err != nil {
			return nil, nil, err
		}
	}
	if err := s.store.insert(ctx, rows); err != nil {
		return nil, nil, err
	}
	var agreed []agreementRow
	for _, row := range rows {
		kept, found, err := s.store.byCI(ctx, row.CiIndex)
		if err != nil || !found {
			return nil, nil, errors.Join(err, errors.New("citizens: an account that was just made is not there"))
		}
		citizens, fresh = append(citizens, kept.citizen()), append(fresh, kept.ID == row.ID)
		for _, name := range Required {
			agreed = append(agreed, agreementRow{CitizenID: kept.ID, Name: name, Version: agreementsInUse, AgreedAt: at})
		}
	}
	return citizens, fresh, s.store.agree(ctx, agreed)
}

func (s *Service) seal(who Identity, at time.Time) (row citizenRow, err error) {
	id := uuid.Must(uuid.NewV7())
	seal := func(column, value string) []byte {
		sealed, failed := s.box.Seal(value, place("citizens."+column, id))
		err = errors.Join(err, failed)
		return sealed
	}
	index := func(column, value string) []byte {
		made, failed := s.box.Index("citizens."+column, value)
		err = errors.Join(err, failed)
		return made
	}
	row = citizenRow{
		ID: id, JoinedAt: at,
		CiIndex: index("ci", who.CI), NameIndex: index("name", who.Name), PhoneIndex: index("phone", who.Phone),
		CiSealed: seal("ci", who.CI), NameSealed: seal("name", who.Name), PhoneSealed: seal("phone", who.Phone), BirthSealed: seal("birth", who.BirthDate.String()),
		NameMasked: mask.Name(who.Name), PhoneMasked: mask.Phone(who.Phone), BirthMasked: mask.BirthDate(who.BirthDate.String()),
	}
	return row, err
}

// Known tells whether the person of an identity token has an account. The
// token stays good.
func (s *Service) Known(ctx context.Context, identityToken string) (c Citizen, known bool, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		_, who, err := s.identity(ctx, identityToken)
		if err != nil {
			return err
		}
		c, known, err = s.byIdentity(ctx, who)
		return err
	})
	return c, known, err
}

func (s *Service) byIdentity(ctx context.Context, who Identity) (Citizen, bool, error) {
	index, err := s.box.Index("citizens.ci", who.CI)
	if err != nil {
		return Citizen{}, false, err
	}
	row, found, err := s.store.byCI(ctx, index)
	return row.citizen(), found, err
}

// Identify uses an identity token up and tells whose account it opens; a
// refusal leaves the token good. A restriction that the system made because a
// login seemed stolen is lifted by this proof: lifted is then true. Others are
// not: ErrLocked.
func (s *Service) Identify(ctx context.Context, identityToken string) (c Citizen, lifted bool, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		check, who, err := s.identity(ctx, identityToken)
		if err != nil {
			return err
		}
		found, known, err := s.byIdentity(ctx, who)
		switch {
		case err != nil:
			return err
		case !known:
			return ErrNotJoined
		}
		row, err := s.store.lock(ctx, found.ID)
		if err != nil {
			return err
		}
		if row.LockedAt != nil {
			// A code that was asked for before the lock proves nothing about now.
			if *row.LockReason != LockedForReuse || check.StartedAt.Before(*row.LockedAt) {
				return row.citizen().locked()
			}
			lifted = true
			if err := s.unlock(ctx, row.citizen(), "identity check"); err != nil {
				return err
			}
			row.LockedAt, row.LockReason, row.LockCase = nil, nil, nil
		}
		c = row.citizen()
		return s.store.useToken(ctx, check.ID, s.now())
	})
	return c, lifted, err
}

func (c Citizen) locked() error {
	return ErrLocked.With("no", *c.LockCase).With("since", c.LockedAt.UTC().Format(time.RFC3339)).With("initiator", initiators[*c.LockReason])
}

var initiators = map[LockReason]string{LockedByCitizen: "user", LockedForReuse: "policy", LockedByStaff: "admin"}

// Get returns a citizen, or ErrUnknown.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (c Citizen, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		row, err := s.store.get(ctx, id)
		c = row.citizen()
		return err
	})
	return c, err
}

// Names returns the masked names of citizens, for lists of at most 200.
func (s *Service) Names(ctx context.Context, ids []uuid.UUID) (names map[uuid.UUID]string, err error) {
	names = map[uuid.UUID]string{}
	if len(ids) == 0 {
		return names, nil
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		rows, err := s.store.byIDs(ctx, ids[:min(len(ids), 200)])
		for _, row := range rows {
			names[row.ID] = row.NameMasked
		}
		return err
	})
	return names, err
}

// Agreements lists what a citizen agreed to.
func (s *Service) Agreements(ctx context.Context, id uuid.UUID) (list []Agreement, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		list, err = s.store.agreements(ctx, id)
		return err
	})
	return list, err
}

// Personal opens a citizen's data for their own errand, such as proving to a
// bank that an account is theirs. Nobody else may be shown it: see Reveal.
func (s *Service) Personal(ctx context.Context, id uuid.UUID) (p Personal, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		row, err := s.store.get(ctx, id)
		if err != nil {
			return err
		}
		p, err = s.open(row)
		return err
	})
	return p, err
}

// Holder tells what a bank must be told to check that an account is the citizen's own.
func (s *Service) Holder(ctx context.Context, id uuid.UUID) (name string, birthDate calendar.Day, err error) {
	p, err := s.Personal(ctx, id)
	return p.Name, p.BirthDate, err
}

// Reveal shows a citizen's data to staff for a reason. The access record
// commits with it or nothing is shown.
func (s *Service) Reveal(ctx context.Context, id uuid.UUID, reason string) (p Personal, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		row, err := s.store.get(ctx, id)
		if err != nil {
			return err
		}
		seen := audit.Access{Subject: "citizen", SubjectID: id, Did: "citizen.personal", Reason: strings.TrimSpace(reason)}
		if err := s.recordSeen(ctx, seen); err != nil {
			return err
		}
		p, err = s.open(row)
		return err
	})
	return p, err
}

func (s *Service) open(row citizenRow) (p Personal, err error) {
	open := func(column string, sealed []byte) string {
		plain, failed := s.box.Open(sealed, place("citizens."+column, row.ID))
		err = errors.Join(err, failed)
		return plain
	}
	p.Name, p.Phone = open("name", row.NameSealed), open("phone", row.PhoneSealed)
	born, failed := calendar.ParseDay(open("birth", row.BirthSealed))
	p.BirthDate = born
	return p, errors.Join(err, failed)
}

// Find looks citizens up by their exact phone number or name, at most limit.
func (s *Service) Find(ctx context.Context, query string, limit int) (found []Citizen, err error) {
	name := strings.Join(strings.Fields(query), " ")
	byName, err1 := s.box.Index("citizens.name", name)
	byPhone, err2 := s.box.Index("citizens.phone", strings.NewReplacer("-", "", " ", "").Replace(query))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		rows, err := s.store.find(ctx, byName, byPhone, max(1, min(limit, 200)))
		for _, row := range rows {
			found = append(found, row.citizen())
		}
		return err
	})
	return found, err
}

// Lock restricts an account's use and returns it with its case number; one
// that is locked already keeps its first reason. Whoever locks also ends the
// sessions: package sessions does.
func (s *Service) Lock(ctx context.Context, id uuid.UUID, reason LockReason) (c Citizen, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		row, err := s.store.lock(ctx, id)
		if err != nil {
			return err
		}
		if row.LockedAt == nil {
			now, number := s.now(), "L-"+calendar.DayOf(s.now()).String()+"-"+rand.Text()[:6]
			row.LockedAt, row.LockReason, row.LockCase = &now, &reason, &number
			if err := s.store.setLock(ctx, id, row.LockedAt, row.LockReason, row.LockCase); err != nil {
				return err
			}
			if err := s.recordChange(ctx, "citizen.locked", id, string(reason)); err != nil {
				return err
			}
		}
		c = row.citizen()
		return nil
	})
	return c, err
}

// Unlock lifts a restriction, for a reason that the audit log keeps.
func (s *Service) Unlock(ctx context.Context, id uuid.UUID, reason string) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		row, err := s.store.lock(ctx, id)
		if err != nil || row.LockedAt == nil {
			return err
		}
		return s.unlock(ctx, row.citizen(), reason)
	})
}

func (s *Service) unlock(ctx context.Context, c Citizen, reason string) error {
	if err := s.store.setLock(ctx, c.ID, nil, nil, nil); err != nil {
		return err
	}
	return s.recordChange(ctx, "citizen.unlocked", c.ID, reason)
}

func (s *Service) recordChange(ctx context.Context, action string, id uuid.UUID, reason string) error {
	return s.inTenant(ctx, func(ctx context.Context) error {
		return s.audit.Changed(ctx, audit.Change{Action: action, Object: "citizen", ObjectID: id.String(), Reason: reason})
	})
}

func (s *Service) recordSeen(ctx context.Context, seen audit.Access) error {
	return s.inTenant(ctx, func(ctx context.Context) error { return s.audit.Seen(ctx, seen) })
}

// inTenant runs work where its records belong: with the municipality whose
// staff act, else with the platform.
func (s *Service) inTenant(ctx context.Context, work func(context.Context) error) error {
	if _, ok := tenant.Lookup(ctx); !ok {
		return work(ctx)
	}
	return s.db.Tx(ctx, work)
}
