package sessions

import (
	"context"
	"crypto/rand"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

const (
	officeMax    = 60
	endReasonMax = 200
)

// StaffEnding is what a member of staff says who signs a citizen's device out.
type StaffEnding struct {
	Citizen uuid.UUID // whose the session must be
	Session uuid.UUID
	Office  string // in whose name; at most 60 characters
	Reason  string // 5 to 200 characters, read by the citizen
	CaseNo  string // empty makes one
}

func (in *StaffEnding) validate() error {
	in.Reason = strings.TrimSpace(in.Reason)
	reason, ok := web.CheckText(in.Reason, endReasonMax)
	switch {
	case !ok:
		return fault.On("reason", reason).Limit(endReasonMax)
	case utf8.RuneCountInString(in.Reason) < reasonMin:
		return fault.On("reason", fault.TooShort).Limit(reasonMin)
	case in.Office == "" || utf8.RuneCountInString(in.Office) > officeMax:
		return fault.On("office", fault.WrongFormat)
	}
	return nil
}

// EndByStaff signs a citizen's device out, by the member of staff in ctx. The
// citizen is shown the office, the reason and the case number that it returns;
// the audit log keeps who did it. A session that ended before keeps its reason:
// then there is no case.
func (s *Service) EndByStaff(ctx context.Context, in StaffEnding) (caseNo string, err error) {
	if err := in.validate(); err != nil {
		return "", err
	}
	if in.CaseNo == "" {
		in.CaseNo = "S-" + calendar.DayOf(s.now()).String() + "-" + rand.Text()[:6]
	}
	who := auth.From(ctx)
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		found, ok, err := s.store.lock(ctx, in.Session)
		switch {
		case err != nil:
			return err
		case !ok || found.CitizenID != in.Citizen:
			return ErrSessionUnknown
		case found.State != Active:
			return s.cut(ctx, in.Citizen)
		}
		caseNo = in.CaseNo
		if err := s.end(ctx, &found, revokedByStaff(StaffCause{who.ID, in.Office, in.Reason, in.CaseNo})); err != nil {
			return err
		}
		return s.db.Tx(tenant.With(ctx, who.Tenant), func(ctx context.Context) error {
			return s.audit.Changed(ctx, audit.Change{
				Action: "session.ended-by-staff", Object: "session", ObjectID: found.ID.String(), Reason: in.Reason,
				Before: map[string]string{"state": string(Active)},
				After:  map[string]string{"state": string(RevokedByStaff), "citizen_id": in.Citizen.String(), "case_no": in.CaseNo},
			})
		})
	})
	return caseNo, err
}
