// Package tenants knows the municipalities: which there are, which of them
// issue a voucher here, and their settings.
//
// It owns schema tenants, which belongs to no municipality. The few hundred
// rows are kept in memory, so that no request asks the database for them; a
// change is seen at once where it was made and within a poll everywhere else.
//
// It holds this to be true, always: a municipality that is live has a name for
// its voucher and a fund account.
package tenants

import (
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"jangteo/app/fault"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
)

// Tenant is one municipality.
type Tenant struct {
	ID     tenant.ID
	Sido   string // 서울특별시
	Name   string // 영등포구
	NameEn string // Yeongdeungpo-gu, Seoul
	Kind   string // 자치구, 시, 군, 행정시 or 특별자치시
	Settings
	UpdatedAt time.Time
}

// Settings are what a municipality decides for itself.
type Settings struct {
	Live           bool     // citizens can buy and pay
	Accent         int      // its colour, 1 to 12
	VoucherName    string   // 영등포사랑상품권
	VoucherNameEn  string   // Yeongdeungpo Love Voucher
	SettlementDays int      // business days from a sale to its payout, 1 or 2
	Departments    []string // at most 20
	Contact        string   // a telephone number for citizens
	Homepage       string   // https address, may be empty
	FundAccount    string   // 금고: the municipality's own account, 8 to 16 digits
}

// FullName is the Korean name with the province, "서울특별시 영등포구".
func (t Tenant) FullName() string {
	if t.Sido == t.Name {
		return t.Name
	}
	return t.Sido + " " + t.Name
}

// NameIn is the municipality's name for a reader of lang.
func (t Tenant) NameIn(lang string) string {
	if lang == "en" {
		return t.NameEn
	}
	return t.FullName()
}

// VoucherNameIn is the name of its voucher for a reader of lang.
func (t Tenant) VoucherNameIn(lang string) string {
	if lang == "en" {
		return t.VoucherNameEn
	}
	return t.VoucherName
}

// Bounds of the settings; the table has the same.
const (
	accentMax       = 12
	nameMax         = 40
	nameEnMax       = 60
	departmentsMost = 20
	contactMax      = 40
	homepageMax     = 200
	daysMax         = 2
)

// check names every setting that is not acceptable.
func (s *Settings) check() error {
	var wrong *fault.Fault
	text := func(field string, value *string, longest int, required bool) {
		*value = strings.TrimSpace(*value)
		switch {
		case *value == "" && required:
			wrong = wrong.And(field, fault.Required)
		case !utf8.ValidString(*value), strings.ContainsFunc(*value, unicode.IsControl):
			wrong = wrong.And(field, fault.WrongFormat)
		case utf8.RuneCountInString(*value) > longest:
			wrong = wrong.And(field, fault.TooLong).Limit(longest)
		}
	}
	text("voucher_name", &s.VoucherName, nameMax, s.Live)
	text("voucher_name_en", &s.VoucherNameEn, nameEnMax, s.Live)
	text("contact", &s.Contact, contactMax, false)
	text("homepage", &s.Homepage, homepageMax, false)
	if u, err := url.Parse(s.Homepage); s.Homepage != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		wrong = wrong.And("homepage", fault.WrongFormat)
	}
	if s.Accent < 1 || s.Accent > accentMax {
		wrong = wrong.And("accent", fault.NotAllowed)
	}
	if s.SettlementDays < 1 || s.SettlementDays > daysMax {
		wrong = wrong.And("settlement_days", fault.NotAllowed)
	}
	if len(s.Departments) > departmentsMost {
		wrong = wrong.And("departments", fault.TooLong).Limit(departmentsMost)
	}
	s.Departments = slices.Clone(s.Departments)
	for i := range s.Departments {
		text("departments", &s.Departments[i], nameMax, true)
	}
	switch {
	case s.FundAccount == "" && s.Live:
		wrong = wrong.And("fund_account", fault.Required)
	case s.FundAccount != "" && (len(s.FundAccount) < 8 || len(s.FundAccount) > 16 || strings.Trim(s.FundAccount, "0123456789") != ""):
		wrong = wrong.And("fund_account", fault.WrongFormat)
	}
	return wrong.OrNil()
}

// fresh is a municipality as the public register knows it, with no voucher yet.
func fresh(m refdata.Municipality) Tenant {
	return Tenant{
		ID: tenant.ID(m.Code), Sido: m.Sido, Name: m.Sigungu, NameEn: m.EnglishName(), Kind: m.Kind,
		Settings: Settings{Accent: 1 + int(m.Code)%accentMax, SettlementDays: 1},
	}
}

// matches tells whether a search finds the municipality: by code, by a part of
// its Korean or English name, or by its voucher.
func (t Tenant) matches(query string) bool {
	for _, text := range []string{t.FullName(), t.NameEn, t.VoucherName, t.VoucherNameEn} {
		if strings.Contains(plain(text), query) {
			return true
		}
	}
	return t.ID.String() == query
}

// plain drops what people type differently: case, spaces and hyphens.
func plain(text string) string {
	return strings.NewReplacer(" ", "", "-", "").Replace(strings.ToLower(text))
}
