package reports

import (
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/i18n"
	"jangteo/app/web"
)

// Reviews lists the months in which somebody looked at personal data, and
// whether each was gone through: GET /office/access/reviews.
func (p *Pages) Reviews(c echo.Context) error {
	r := p.reader(c)
	months, err := p.service.Audit.Months(c.Request().Context())
	if err != nil {
		return err
	}
	t := table{Label: "reports.reviews.title", Empty: "reports.reviews.empty", Columns: []column{
		{Key: "reports.reviews.month"}, {Key: "reports.reviews.looks", Num: true}, {Key: "reports.col.state"}, {Key: "reports.reviews.reviewer"}, {Key: "reports.reviews.at"}, {Key: "label.remark"},
	}}
	for _, m := range months {
		address := "/office/access/reviews/" + m.Month
		at := cell{}
		if m.ReviewedAt != nil {
			at = moment(*m.ReviewedAt)
		}
		t.Rows = append(t.Rows, row{URL: address, Cells: []cell{
			to(r.month(m), address), r.count(int64(m.Looks)), {Badge: r.reviewBadge(m)}, text(m.ReviewerName), at, {Text: m.Remark, Prose: true},
		}})
	}
	return listPage.Show(c, p.pages, listView{Title: "reports.reviews.title", Lead: "reports.reviews.lead", Table: t})
}

// month is a month in words.
func (r reader) month(m audit.Month) string {
	from, _ := m.Span()
	if r.lang == i18n.English {
		return from.Format("January 2006")
	}
	return from.Format("2006년 1월")
}

func (r reader) reviewBadge(m audit.Month) badge {
	switch {
	case m.Overdue:
		return badge{"danger", r.t("reports.reviews.overdue")}
	case m.Open:
		return badge{"warning", r.t("reports.reviews.open")}
	case m.ReviewedAt != nil:
		return badge{"success", r.t("reports.reviews.done")}
	}
	return badge{"info", r.t("reports.reviews.running")}
}

// Review shows a month's looks, and the form to say that they were gone through:
// GET /office/access/reviews/{month}.
func (p *Pages) Review(c echo.Context) error {
	view, err := p.review(c, web.EmptyForm())
	if err != nil {
		return err
	}
	return objectPage.Show(c, p.pages, view)
}

func (p *Pages) review(c echo.Context, form *web.Form) (view objectView, err error) {
	r, ctx := p.reader(c), c.Request().Context()
	m, err := p.service.Audit.Month(ctx, c.Param("month"))
	if err != nil {
		return view, err
	}
	from, over := m.Span()
	first, last := calendar.DayOf(from), calendar.DayOf(over).AddDays(-1)
	looks, _, more, err := p.service.Audit.ReportLooks(ctx, audit.Filter{From: from, To: over}, db.Window{By: "at", Limit: reviewMost})
	if err != nil {
		return view, err
	}
	whole := url.Values{"from": {first.String()}, "to": {last.String()}}.Encode()
	view = objectView{
		Title: "reports.review.title", Heading: r.month(m), Back: link{r.t("reports.reviews.title"), "/office/access/reviews"},
		Badge: r.reviewBadge(m), Form: form, Raw: raw(m),
		Facts: []fact{
			{Key: "reports.reviews.due", Text: calendar.DayOf(m.Due()).AddDays(-1).Long(r.lang)},
			{Key: "reports.reviews.looks", Text: strconv.Itoa(m.Looks), URL: "/office/access?" + whole},
			{Key: "reports.reviews.export", Text: "access.csv", URL: "/office/access.csv?" + whole},
		},
		Tables: []table{r.lookTable(looks, true)},
	}
	view.Tables[0].Columns[0].Sort = ""
	for _, line := range view.Tables[0].Rows { // why is what the reviewer must read
		line.Cells[4].Prose = true
	}
	if more {
		view.Facts = append(view.Facts, fact{Key: "reports.reviews.shown", Text: strconv.Itoa(len(looks))})
	}
	if m.ReviewedAt != nil {
		view.Facts = append(view.Facts, fact{Key: "label.remark", Text: m.Remark})
		view.Events = []event{{At: *m.ReviewedAt, Title: r.t("reports.reviews.done"), Text: m.ReviewerName, Kind: "done"}}
	}
	if m.Open && may(c, "access.review") {
		view.Actions = []action{{
			Title: "reports.reviews.do", Text: "reports.reviews.do.text", Button: "reports.reviews.button", Confirm: "reports.reviews.confirm",
			URL: "/office/access/reviews/" + m.Month, Remark: true,
		}}
	}
	return view, nil
}

const reviewMost = 200 // on the page; the download has all

// FinishReview records that a month was gone through:
// POST /office/access/reviews/{month}.
func (p *Pages) FinishReview(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	form.Checked("confirm")
	remark := form.Text("remark", reasonMost)
	err = form.Err()
	if err == nil {
		err = p.service.Audit.Review(c.Request().Context(), c.Param("month"), remark)
	}
	if err != nil {
		view, failed := p.review(c, form)
		if failed != nil {
			return failed
		}
		return objectPage.Refuse(c, p.pages, form, err, view)
	}
	return web.Redirect(c, "/office/access/reviews/"+c.Param("month"))
}
