package sessions

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/modules/citizens"
)

// Why a session ended, one fault for each state, and what else is told about
// sessions. account-locked is declared where accounts are.
var (
	ErrSuperseded        = fault.Declare(fault.Unauthenticated, string(Superseded))
	ErrReset             = fault.Declare(fault.Unauthenticated, string(Reset))
	ErrRecordMissing     = fault.Declare(fault.Unauthenticated, "session-record-missing")
	ErrRevoked           = fault.Declare(fault.Unauthenticated, string(Revoked))
	ErrRevokedByStaff    = fault.Declare(fault.Unauthenticated, string(RevokedByStaff))
	ErrExpiredIdle       = fault.Declare(fault.Unauthenticated, string(ExpiredIdle))
	ErrExpired           = fault.Declare(fault.Unauthenticated, string(Expired))
	ErrReuseDetected     = fault.Declare(fault.Unauthenticated, string(ReuseDetected))
	ErrCredentialChanged = fault.Declare(fault.Unauthenticated, string(CredentialChanged))

	ErrCheckUnavailable  = fault.DeclareWait(fault.Unavailable, "session-check-unavailable", 3*time.Second)
	ErrRefreshInProgress = fault.DeclareWait(fault.Conflict, "refresh-in-progress", time.Second)
	ErrProofInvalid      = fault.Declare(fault.Unauthenticated, "device-proof-invalid")
	ErrDeviceKeyMissing  = fault.Declare(fault.Invalid, "device-key-missing") // the browser made none
	ErrProofRequired     = fault.Declare(fault.Unauthenticated, "device-proof-required")
	ErrResetUnknown      = fault.Declare(fault.NotFound, "reset-unknown")
	ErrResetOwn          = fault.Declare(fault.Forbidden, "reset-needs-another-person")
	ErrResetDecided      = fault.Declare(fault.Conflict, "reset-decided")
	ErrCaseUnknown       = fault.Declare(fault.NotFound, "case-unknown")
	ErrCaseClosed        = fault.Declare(fault.Conflict, "case-closed")
	ErrSessionUnknown    = fault.Declare(fault.NotFound, "session-unknown")
)

var faults = map[State]*fault.Fault{
	Superseded: ErrSuperseded, Reset: ErrReset, Revoked: ErrRevoked, RevokedByStaff: ErrRevokedByStaff, ExpiredIdle: ErrExpiredIdle,
	Expired: ErrExpired, ReuseDetected: ErrReuseDetected, CredentialChanged: ErrCredentialChanged, AccountLocked: citizens.ErrLocked,
}

// fault tells why a session ended: the category and what its words need, and
// nothing of any other device. Whoever has proven the device's key may be told
// more; see Service.details.
func (s *Service) fault(ended Session) *fault.Fault {
	f := ended.fault(s.cfg.Absolute)
	if ended.State == Reset && ended.IncidentID != nil {
		f = f.After(s.watch.spread(*ended.IncidentID, s.now(), s.cfg.ResumesPerSecond))
	}
	return f
}

func (s Session) fault(absolute time.Duration) *fault.Fault {
	f := faults[s.State]
	if f == nil || s.EndedAt == nil || s.Initiator == nil {
		return auth.ErrSignInRequired // never for a row that the table lets in
	}
	f = f.With("ended_at", s.EndedAt.UTC().Format(time.RFC3339)).With("initiator", string(*s.Initiator)).
		With("security_incident", graph[s.State].security).With("actions", s.actions())
	switch s.State {
	case Reset:
		f = f.With("id", IncidentNumber(*s.IncidentID)).With("incident_id", s.IncidentID.String())
	case RevokedByStaff:
		f = f.With("tenant", *s.Office).With("reason", *s.Reason).With("no", *s.CaseNo)
	case Expired:
		f = f.With("n", int(absolute.Hours()/24))
	case AccountLocked:
		f = f.With("no", *s.CaseNo)
	default:
	}
	return f
}

// IncidentNumber is how people call an incident: short enough to be read out.
func IncidentNumber(id uuid.UUID) string { return fmt.Sprintf("I-%X", id[12:]) }

// actions are what the client may do next, in order.
func (s Session) actions() []string {
	switch {
	case graph[s.State].resumable:
		return []string{"resume", "sign-in"}
	case s.State == AccountLocked:
		return []string{"contact"}
	case s.State == Superseded:
		return []string{"sign-in", "lock"}
	}
	return []string{"sign-in"}
}
