package sessions

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
)

// CaseKind is why staff look at somebody's account.
type CaseKind string

// The kinds.
const (
	CaseNotMe CaseKind = "not-me" // a citizen says that a sign-in was not theirs
	CaseReuse CaseKind = "reuse-detected"
)

// Case is an account that staff look into.
type Case struct {
	ID         uuid.UUID
	CaseNo     string // that the citizen was given
	CitizenID  uuid.UUID
	Kind       CaseKind
	OpenedAt   time.Time
	SessionID  *uuid.UUID // the one that was ended
	SuspectID  *uuid.UUID // the one that is said to be somebody else's
	Address    string
	ClosedAt   *time.Time
	ClosedBy   *uuid.UUID
	ClosedName *string
	Outcome    *string
}

// Cases lists open and closed cases, the newest first, at most 200.
func (s *Service) Cases(ctx context.Context) (list []Case, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		list, err = s.store.cases(ctx, 200)
		return err
	})
	return list, err
}

// CaseByID returns a case with the sign-ins of its citizen, the newest first.
func (s *Service) CaseByID(ctx context.Context, id uuid.UUID) (c Case, signIns []Listed, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		found, ok, err := s.store.caseByID(ctx, id)
		if err == nil && !ok {
			err = ErrCaseUnknown
		}
		if err != nil {
			return err
		}
		c = found
		signIns, err = s.List(ctx, c.CitizenID)
		return err
	})
	return c, signIns, err
}

// CloseCase keeps what came of a case, by the member of staff in ctx. With
// unlock the account is usable again.
func (s *Service) CloseCase(ctx context.Context, id uuid.UUID, outcome string, unlock bool) error {
	outcome = strings.TrimSpace(outcome)
	switch n := utf8.RuneCountInString(outcome); {
	case n < reasonMin:
		return fault.On("outcome", fault.TooShort).Limit(reasonMin)
	case n > reasonMax:
		return fault.On("outcome", fault.TooLong).Limit(reasonMax)
	}
	who := auth.From(ctx)
	return s.db.Platform(ctx, func(ctx context.Context) error {
		c, _, err := s.CaseByID(ctx, id)
		if err != nil {
			return err
		}
		closed, err := s.store.closeCase(ctx, id, s.now(), who.ID, who.Name, outcome)
		switch {
		case err != nil:
			return err
		case !closed:
			return ErrCaseClosed
		case unlock:
			return s.citizens.Unlock(ctx, c.CitizenID, outcome)
		}
		return nil
	})
}
