package notifications

import (
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/web"
)

const inboxRows = 30

// Pages are the citizen's screens of notices.
type Pages struct {
	service *Service
	pages   *web.Pages
}

// NewPages shows what service knows.
func NewPages(service *Service, pages *web.Pages) *Pages { return &Pages{service, pages} }

type inboxView struct {
	web.Frame
	Days   []inboxDay
	Newest uuid.UUID // what "all read" speaks of
	Unread bool
	Older  string
}

type inboxDay struct {
	Day     calendar.Day
	Notices []noticeLine
}

type noticeLine struct {
	Title, Text, Link, Icon string
	At                      time.Time
	New                     bool
	Late                    string // says that it came late; empty when it did not
}

var inboxPage = web.NewPage[inboxView](web.Phone, "notifications/inbox")

// Inbox lists a citizen's notices by day: GET /my/inbox?before=.
func (p *Pages) Inbox(c echo.Context) error {
	query := web.ReadQuery(c)
	var before uuid.UUID
	if query.Value("before") != "" {
		before = query.UUID("before")
	}
	if err := query.Err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	notices, err := p.service.Inbox(ctx, auth.From(ctx).ID, before, inboxRows+1)
	if err != nil {
		return err
	}
	view := inboxView{}
	if len(notices) > inboxRows {
		notices = notices[:inboxRows]
		view.Older = "/my/inbox?before=" + notices[inboxRows-1].ID.String()
	}
	for i, n := range notices {
		if i == 0 {
			view.Newest = n.ID
		}
		day := calendar.DayOf(n.HappenedAt)
		if last := len(view.Days) - 1; last < 0 || view.Days[last].Day != day {
			view.Days = append(view.Days, inboxDay{Day: day})
		}
		here := &view.Days[len(view.Days)-1]
		here.Notices = append(here.Notices, p.line(n, web.Lang(c)))
		view.Unread = view.Unread || n.ReadAt == nil
	}
	return inboxPage.Show(c, p.pages, view)
}

// Read marks what the page showed as read: POST /my/inbox/read.
func (p *Pages) Read(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	upTo := form.UUID("newest")
	if err := form.Err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := p.service.MarkRead(ctx, auth.From(ctx).ID, upTo); err != nil {
		return err
	}
	return web.Redirect(c, "/my/inbox")
}

// line puts a notice into the reader's words.
func (p *Pages) line(n Notice, lang string) noticeLine {
	words := p.pages.Words
	shop := n.Params.Shop
	if shop == "" {
		shop = words.T(lang, "notifications.shop-unknown")
	}
	reason := n.Params.Reason
	if n.Kind == SessionEnded || n.Kind == CardDeclined {
		reason = words.T(lang, "problem."+reason+".title")
	}
	pairs := []any{"amount", n.Params.Amount.In(lang), "paid", n.Params.Paid.In(lang), "shop", shop, "reason", reason}
	key := "notifications." + string(n.Kind)
	line := noticeLine{
		Title: words.T(lang, key+".title", pairs...), Text: words.T(lang, key+".text", pairs...),
		Link: n.Link, Icon: icons[n.Kind], At: n.HappenedAt, New: n.ReadAt == nil,
	}
	if why := "banking.reason." + reason; n.Kind == PurchaseFailed && words.Has(lang, why) {
		line.Text = words.T(lang, why) + ". " + line.Text
	}
	if n.Late() {
		line.Late = words.T(lang, "notifications.inbox.late",
			"at", calendar.LongTime(n.HappenedAt, lang), "minutes", n.minutesLate())
	}
	return line
}

var icons = map[Kind]string{
	PurchaseCompleted: "plus", PurchaseFailed: "warn", PaymentCaptured: "shop", PaymentCancelled: "undo", SessionEnded: "phone",
	CardDeclined: "warn", CardOffered: "bell", CardClaimed: "info", CardFellThrough: "bank", CardSwapped: "check",
	WalletCredited: "info", WalletDebited: "info",
}
