// Package staff knows who works in the back offices, and what each may do.
//
// It owns schema staff: members of municipal staff and of the operator's.
//
// It holds these to be true, always:
//   - a member belongs to one municipality, or to the operator, and is never
//     shown another's work;
//   - what somebody may do follows from their role, and each permission has a
//     sentence that says it;
//   - a failed sign-in tells nothing about whether the login exists.
package staff

import (
	"time"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

// Role groups permissions under a name that people in an office know.
type Role string

// The roles. Operators belong to no municipality.
const (
	Chief      Role = "chief"      // 과장: answers for the department
	Officer    Role = "officer"    // 주무관: programmes, shops, citizens
	Settlement Role = "settlement" // 정산 담당: closes days and pays out
	Auditor    Role = "auditor"    // 감사: reads everything, changes nothing
	OfPlatform Role = "operator"   // the operator's own staff

	ChiefOfPlatform Role = "operator-chief" // who says who they are
)

// Roles lists those that a municipality can give.
func Roles() []Role { return []Role{Chief, Officer, Settlement, Auditor} }

// RolesIn lists those that there are in a municipality or, for 0, at the operator.
func RolesIn(id tenant.ID) []Role {
	if id == tenant.Platform {
		return []Role{ChiefOfPlatform, OfPlatform}
	}
	return Roles()
}

// The permissions. Each has its sentence under "staff.permission.<name>".
const (
	PaymentsRead     = "payments.read"
	LedgerRead       = "ledger.read"
	CitizensRead     = "citizens.read"
	CitizensReveal   = "citizens.reveal"
	MerchantsRead    = "merchants.read"
	MerchantsManage  = "merchants.manage"
	SettlementRead   = "settlement.read"
	SettlementClose  = "settlement.close"
	ProgrammesRead   = "programmes.read"
	ProgrammesManage = "programmes.manage"
	WalletsCorrect   = "wallets.correct"
	BudgetManage     = "budget.manage"
	AuditRead        = "audit.read"
	AccessReview     = "access.review"
	DashboardRead    = "dashboard.read"
	StaffManage      = "staff.manage"
	VerifyRead       = "verify.read"
	SessionsEnd      = "sessions.end"
	SessionsReset    = "sessions.reset"   // operators only
	IncidentsManage  = "incidents.manage" // operators only
)

var permissions = map[Role][]string{
	Chief: {
		DashboardRead, PaymentsRead, ProgrammesRead, ProgrammesManage, MerchantsRead, MerchantsManage, CitizensRead, CitizensReveal, SessionsEnd,
		WalletsCorrect, BudgetManage, SettlementRead, SettlementClose, LedgerRead, AuditRead, AccessReview, VerifyRead, StaffManage,
	},
	Officer: {
		DashboardRead, PaymentsRead, ProgrammesRead, ProgrammesManage, MerchantsRead, MerchantsManage, CitizensRead, CitizensReveal, SessionsEnd,
		WalletsCorrect, BudgetManage, SettlementRead, LedgerRead,
	},
	Settlement: {DashboardRead, PaymentsRead, ProgrammesRead, BudgetManage, MerchantsRead, SettlementRead, SettlementClose, LedgerRead, VerifyRead},
	Auditor: {
		DashboardRead, PaymentsRead, ProgrammesRead, MerchantsRead, CitizensRead, SettlementRead, LedgerRead, AuditRead, VerifyRead,
	},
	OfPlatform:      {SessionsEnd, SessionsReset, IncidentsManage, AuditRead},
	ChiefOfPlatform: {SessionsEnd, SessionsReset, IncidentsManage, AuditRead, StaffManage},
}

// Permissions are what a role may do.
func (r Role) Permissions() []string { return permissions[r] }

// State of a member. Locked is a person's doing and is lifted by a person;
// who has left is unknown here.
type State string

// The states.
const (
	Active State = "active"
	Locked State = "locked"
	Left   State = "left"
)

// Member is somebody who works here.
type Member struct {
	ID         uuid.UUID
	TenantID   tenant.ID // 0: the operator's staff
	Login      string    // an e-mail address in small letters
	Name       string
	Department string
	Role       Role
	State      State
	SignedInAt *time.Time // the last time
}
