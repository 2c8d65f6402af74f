package reports

import (
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/web"
)

type dashboardView struct {
	web.Frame
	Dashboard
	Empties    string // when the subsidy ends, in words
	Short      bool   // it ends soon
	Yesterday  string // what was issued the day before
	Programmes table
	Chart      []chartDay
	Owed       money.Amount // to shops, payouts under way included
	Waiting    int          // proposals that wait for who looks
}

type chartDay struct {
	DayFigures
	Name string // without the year
}

// Funds is the money that the bank holds for the vouchers.
func (v dashboardView) Funds() money.Amount { return -v.Held.Fund }

var dashboardPage = web.NewPage[dashboardView](web.Desk, "reports/dashboard")

// shortDays is from when on the end of the subsidy is a warning.
const shortDays = 14

// Dashboard shows how the municipality stands: GET /office.
func (p *Pages) Dashboard(c echo.Context) error {
	r := p.reader(c)
	d, err := p.service.Dashboard(c.Request().Context())
	if err != nil {
		return err
	}
	view := dashboardView{Dashboard: d, Owed: d.Held.Payable + d.Held.Transit}
	switch {
	case d.DaysToEmpty < 0:
		view.Empties = r.t("reports.dashboard.subsidy.unused")
	default:
		view.Short = d.DaysToEmpty < shortDays
		view.Empties = r.t("reports.dashboard.subsidy.lasts", "days", r.count(int64(d.DaysToEmpty)).Text, "pace", r.won(d.SubsidyPerDay))
	}
	view.Yesterday = r.t("reports.dashboard.issued.yesterday", "amount", r.won(d.Days[len(d.Days)-2].Issued))
	for _, day := range d.Days {
		view.Chart = append(view.Chart, chartDay{day, withoutYear(day.Day, r.lang)})
	}
	view.Programmes = p.programmeTable(r, d.OnSale)
	if view.Waiting, err = p.service.Approvals.Waiting(c.Request().Context()); err != nil {
		return err
	}
	return dashboardPage.Show(c, p.pages, view)
}

func withoutYear(d calendar.Day, lang string) string {
	year := strconv.Itoa(d.Year())
	return strings.TrimSuffix(strings.TrimPrefix(d.Long(lang), year+". "), " "+year)
}

type verifyView struct {
	web.Frame
	Asked   time.Time // since when a verification is awaited
	Last    *Verification
	Table   table
	Earlier table
}

var verifyPage = web.NewPage[verifyView](web.Desk, "reports/verify")

// Verifications shows what the last recomputations found: GET /office/verify.
func (p *Pages) Verifications(c echo.Context) error {
	r := p.reader(c)
	list, err := p.service.Verifications(c.Request().Context(), 30)
	if err != nil {
		return err
	}
	asked, err := p.service.VerifyAsked(c.Request().Context())
	if err != nil {
		return err
	}
	if !asked.IsZero() {
		c.Response().Header().Set("Refresh", "3")
	}
	view := verifyView{
		Asked: asked,
		Table: table{Label: "reports.verify.differences", Columns: []column{
			{Key: "reports.verify.check"}, {Key: "reports.verify.object"}, {Key: "reports.verify.want"}, {Key: "reports.verify.got"},
		}},
		Earlier: table{Label: "reports.verify.earlier", Empty: "reports.verify.empty", Columns: []column{
			{Key: "reports.col.at"}, {Key: "reports.verify.result"}, {Key: "reports.verify.entries", Num: true}, {Key: "reports.verify.payments", Num: true},
			{Key: "reports.verify.settlements", Num: true}, {Key: "reports.verify.took", Num: true},
		}},
	}
	for i, v := range list {
		if i == 0 {
			view.Last = &v
			for _, d := range v.Differences {
				view.Table.Rows = append(view.Table.Rows, row{Cells: []cell{text(d.Check), text(d.Object), text(d.Want), text(d.Got)}})
			}
		}
		result := badge{"success", r.t("reports.verify.clean")}
		if !v.Clean() {
			result = badge{"danger", r.t("reports.verify.found", "count", len(v.Differences))}
		}
		view.Earlier.Rows = append(view.Earlier.Rows, row{Cells: []cell{
			moment(v.At), {Badge: result}, r.count(v.Entries), r.count(v.Payments), r.count(v.Settlements),
			{Text: r.t("reports.verify.milliseconds", "ms", v.Took.Milliseconds()), Num: true},
		}})
	}
	return verifyPage.Show(c, p.pages, view)
}

// RunVerify has the municipality's books recomputed: POST /office/verify. The
// page waits for the result.
func (p *Pages) RunVerify(c echo.Context) error {
	if err := p.service.AskVerify(c.Request().Context()); err != nil {
		return err
	}
	return web.Redirect(c, "/office/verify")
}

// may reports whether who is asking holds a permission.
func may(c echo.Context, permission string) bool {
	who, ok := auth.Lookup(c.Request().Context())
	return ok && who.May(permission)
}
