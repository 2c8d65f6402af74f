// Package merchants knows who may take vouchers, and who works there.
//
// It owns schema merchants: shops, their clerks, and the codes that shops
// show. It holds these to be true, always:
//   - a shop that is not approved takes no payment, whatever its code says;
//   - a business has one open shop in a municipality;
//   - what tells about a person is sealed, and screens show it masked;
//   - a failed sign-in tells nothing about whether the login exists.
//
// Accepting is on the path of every payment: it answers from memory, as long
// as Run keeps the memory fresh.
package merchants

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"jangteo/app/bizno"
	"jangteo/app/fault"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
	"jangteo/app/web"
)

// State of a shop.
type State string

// Applied waits for a decision; Approved alone takes payments; Closed is final.
const (
	Applied   State = "applied"
	Approved  State = "approved"
	Suspended State = "suspended"
	Closed    State = "closed"
)

// transitions is the whole graph; whatever is not here cannot happen.
var transitions = map[State][]State{
	Applied:   {Approved, Closed},
	Approved:  {Suspended, Closed},
	Suspended: {Approved, Closed},
	Closed:    {},
}

// States lists them in the order of a shop's life.
func States() []State { return []State{Applied, Approved, Suspended, Closed} }

// MayBecome reports whether a shop in this state can go to the next.
func (s State) MayBecome(next State) bool { return slices.Contains(transitions[s], next) }

// Merchant is a shop, with personal data masked.
type Merchant struct {
	ID                 uuid.UUID
	Name               string
	BizNo              string // 124-81-00998
	Trade              string // KSIC, five digits
	Address            string
	Place              *Place // nil if unknown
	YearlySalesOver3bn bool
	OwnerMasked        string
	PhoneMasked        string
	PayableID          uuid.UUID // its account in the ledger
	PayoutBank         string    // three digits
	PayoutMasked       string
	HolderMasked       string
	State              State
	StateReason        string
	AppliedAt          time.Time
	DecidedAt          *time.Time
}

// TradeName is the trade in Korean.
func (m Merchant) TradeName() string { return tradeName(m.Trade) }

func tradeName(code string) string {
	trade, _ := refdata.TradeOf(code)
	return trade.Name
}

// Place is a point on the map, in millionths of a degree.
type Place struct{ LatitudeE6, LongitudeE6 int64 }

// Accepting is what a payment needs to know of a shop.
type Accepting struct {
	ID                 uuid.UUID
	Name               string
	PayableID          uuid.UUID
	Trade              string // KSIC, five digits
	YearlySalesOver3bn bool
}

// Payee is a shop as those who paid it know it.
type Payee struct {
	ID   uuid.UUID
	Name string
}

// Destination is where a shop's money goes, in the clear.
type Destination struct {
	BankCode string // three digits
	Number   string // digits
	Holder   string
}

// RegisterInput is what staff know of a shop, from its application.
type RegisterInput struct {
	Name               string
	BizNo              string // with or without hyphens
	Trade              string // KSIC, five digits
	Owner              string
	Phone              string
	Address            string
	Place              *Place
	YearlySalesOver3bn bool
	Payout             Destination
}

const (
	nameMost    = 60
	personMost  = 40
	addressMost = 200
	reasonMost  = 500
)

// normalise trims, drops hyphens and names every field that is wrong.
func (in *RegisterInput) normalise() error {
	var wrong *fault.Fault
	text := func(field string, value *string, most int) {
		*value = strings.TrimSpace(*value)
		reason, ok := web.CheckText(*value, most)
		switch {
		case *value == "":
			wrong = wrong.And(field, fault.Required)
		case !ok || strings.ContainsAny(*value, "\r\n"):
			wrong = wrong.And(field, orFormat(reason))
		}
	}
	text("name", &in.Name, nameMost)
	text("owner", &in.Owner, personMost)
	text("address", &in.Address, addressMost)
	text("payout_holder", &in.Payout.Holder, personMost)
	if number, err := bizno.Parse(in.BizNo); err != nil {
		wrong = wrong.And("biz_no", fault.WrongFormat)
	} else {
		in.BizNo = number.String()
	}
	if _, ok := refdata.TradeOf(in.Trade); !ok {
		wrong = wrong.And("trade", fault.NotAllowed)
	}
	in.Phone = digitsOf(in.Phone)
	if !isDigits(in.Phone, 8, 12) {
		wrong = wrong.And("phone", fault.WrongFormat)
	}
	in.Payout.Number = digitsOf(in.Payout.Number)
	if !isDigits(in.Payout.Number, 8, 16) {
		wrong = wrong.And("payout_account", fault.WrongFormat)
	}
	if _, ok := refdata.BankOf(in.Payout.BankCode); !ok {
		wrong = wrong.And("payout_bank", fault.NotAllowed)
	}
	if in.Place != nil && !in.Place.valid() {
		wrong = wrong.And("place", fault.WrongFormat)
	}
	return wrong.OrNil()
}

func (p Place) valid() bool {
	const degree = 1_000_000
	return p.LatitudeE6 >= -90*degree && p.LatitudeE6 <= 90*degree && p.LongitudeE6 >= -180*degree && p.LongitudeE6 <= 180*degree
}

func orFormat(reason fault.Reason) fault.Reason {
	if reason == "" {
		return fault.WrongFormat
	}
	return reason
}

func digitsOf(text string) string { return strings.NewReplacer("-", "", " ", "").Replace(text) }

func isDigits(text string, least, most int) bool {
	return len(text) >= least && len(text) <= most && strings.Trim(text, "0123456789") == ""
}

// Filter narrows a listing of shops; zero values do not.
type Filter struct {
	Query string // part of the name
	Trade string // KSIC, two to five digits
	State State
	Near  *Place // the nearest first; without it by name
	After Cursor // the last of the page before
	Limit int    // 1 to 100
}

// Cursor is where the page before ended: a name and id, or a number of shops
// where they are ordered by distance.
type Cursor struct {
	Name string
	ID   uuid.UUID
	Skip int
}

// Role of a clerk.
type Role string

// The owner does everything of the shop, and says who else works there; the
// others do what their work needs.
const (
	Owner      Role = "owner"
	Manager    Role = "manager"    // sells, and takes payments back
	Bookkeeper Role = "bookkeeper" // sees what was sold and paid out
	Seller     Role = "clerk"      // sells
)

// Roles lists them, from the one who may do most.
func Roles() []Role { return []Role{Owner, Manager, Bookkeeper, Seller} }

// permissions of each role, as they are named in the table of routes.
var permissions = map[Role][]string{
	Owner:      {"sales.read", "settlements.read", "qr.make", "payments.cancel", "clerks.manage"},
	Manager:    {"sales.read", "qr.make", "payments.cancel"},
	Bookkeeper: {"sales.read", "settlements.read"},
	Seller:     {"sales.read", "qr.make"},
}

// Clerk is somebody who works at a shop.
type Clerk struct {
	ID         uuid.UUID
	Login      string
	TenantID   tenant.ID
	MerchantID uuid.UUID
	Name       string
	Role       Role
	PasswordAt time.Time
	Suspended  bool // an owner keeps them out
}
