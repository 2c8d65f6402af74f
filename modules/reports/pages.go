package reports

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/web"
)

// Pages are the screens of the municipal back office. Each handler works in
// the municipality of who is asking.
type Pages struct {
	service *Service
	pages   *web.Pages
}

// NewPages shows what service knows.
func NewPages(service *Service, pages *web.Pages) *Pages { return &Pages{service, pages} }

// Nav is where the member in p may go; path is where they are.
func Nav(p auth.Principal, path string) (items []web.NavItem) {
	for _, to := range []struct{ permission, url, icon, key string }{
		{"dashboard.read", "/office", "home", "reports.nav.dashboard"},
		{"payments.read", "/office/payments", "receipt", "reports.nav.payments"},
		{"payments.read", "/office/purchases", "plus", "reports.nav.purchases"},
		{"programmes.read", "/office/programmes", "ticket", "reports.nav.programmes"},
		{"merchants.read", "/office/merchants", "shop", "reports.nav.merchants"},
		{"citizens.read", "/office/citizens", "users", "reports.nav.citizens"},
		{"settlement.read", "/office/settlements", "calendar", "reports.nav.settlements"},
		{"ledger.read", "/office/ledger", "book", "reports.nav.ledger"},
		{"audit.read", "/office/audit", "list", "reports.nav.audit"},
		{"audit.read", "/office/access", "eye", "reports.nav.access"},
		{"verify.read", "/office/verify", "scale", "reports.nav.verify"},
		{"", "/office/security", "lock", "reports.nav.security"},
	} {
		if to.permission == "" || p.May(to.permission) {
			here := path == to.url || to.url != "/office" && strings.HasPrefix(path, to.url+"/")
			items = append(items, web.NavItem{Key: to.key, URL: to.url, Icon: to.icon, Current: here})
		}
	}
	return items
}

// Every list and every object of the office is shown in one way, so that who
// knows one page knows all.

// listView is a list that can be searched, filtered, paged and downloaded.
type listView struct {
	web.Frame
	Title     string // words keys
	Lead      string
	Filters   []filter
	Table     table
	Pager     *pager
	Downloads []link
	Actions   []action
	Form      *web.Form
	Done      string // words of what was just done
}

// objectView is one thing: its facts, its history, what hangs on it, and its
// raw record.
type objectView struct {
	web.Frame
	Title   string // words key
	Heading string // in words
	Back    link
	Badge   badge
	Facts   []fact
	Events  []event
	Tables  []table
	More    *pager // of the last table
	Reveal  *reveal
	Actions []action
	Form    *web.Form
	Done    string
	Raw     string
}

var (
	listPage   = web.NewPage[listView](web.Desk, "reports/list")
	objectPage = web.NewPage[objectView](web.Desk, "reports/object")
)

type (
	// filter is a field of a search: search, date or select.
	filter struct {
		Name, Label, Kind, Value string
		Options                  []option
	}
	option struct {
		Value, Text string
		Selected    bool
	}
	table struct {
		Label   string // words key
		Columns []column
		Rows    []row
		Empty   string // words key of why there is nothing and what to do
	}
	column struct {
		Key string // words key
		Num bool
	}
	row struct {
		URL   string
		Cells []cell
	}
	cell struct {
		Text, URL string
		Num, ID   bool
		At        time.Time
		Badge     badge
	}
	// badge is a mark and a word: Kind is success, info, warning or danger.
	badge struct{ Kind, Text string }
	link  struct{ Text, URL string }
	fact  struct {
		Key, Text, URL string
		ID             bool
	}
	event struct {
		At               time.Time
		Title, Text, URL string
		Kind             string // done, danger or empty
	}
	// action is a form that changes something. Confirm must be ticked.
	action struct {
		Title, Text, Button, Confirm string // words keys
		URL                          string
		Day                          *dayField
		Options                      []option
		Danger                       bool
	}
	dayField struct{ Label, Value string }
	// reveal is a form that asks why, or what it then shows.
	reveal struct {
		URL   string
		Facts []fact
	}
	pager struct {
		First, Last, Total int
		PrevURL, NextURL   string
	}
)

const (
	rowsEach  = 50
	queryMost = 60
)

// reader puts things into the words of who is reading.
type reader struct {
	words interface {
		T(lang, key string, pairs ...any) string
		Has(lang, key string) bool
	}
	lang string
}

func (p *Pages) reader(c echo.Context) reader { return reader{p.pages.Words, web.Lang(c)} }

func (r reader) t(key string, pairs ...any) string { return r.words.T(r.lang, key, pairs...) }

// or returns the words of key, or text where a word is not known.
func (r reader) or(key, text string) string {
	if !r.words.Has(r.lang, key) {
		return text
	}
	return r.t(key)
}

func (r reader) won(a money.Amount) string { return a.In(r.lang) }

func (r reader) at(t time.Time) string { return calendar.LongTime(t, r.lang) }

func (r reader) sum(a money.Amount) cell { return cell{Text: r.won(a), Num: true} }

func (r reader) count(n int64) cell { return cell{Text: money.Amount(n).String(), Num: true} }

func (r reader) day(d calendar.Day) cell { return cell{Text: d.Long(r.lang)} }

func moment(t time.Time) cell { return cell{At: t} }

func text(s string) cell { return cell{Text: s} }

func to(s, address string) cell { return cell{Text: s, URL: address} }

func idCell(id uuid.UUID, address string) cell {
	return cell{Text: id.String(), URL: address, ID: true}
}

// chosen marks the option that a filter was set to.
func chosen(value string, options ...option) []option {
	for i := range options {
		options[i].Selected = options[i].Value == value
	}
	return options
}

// query reads a list's address: what is sought, from when to when, and where
// the page before ended. It refuses with the field's name.
type query struct {
	form     *web.Form
	Text     string
	From, To calendar.Day
	State    string
	Before   uuid.UUID
	Seen     int // rows on the pages before
}

func readQuery(c echo.Context, states ...string) (query, error) {
	form := web.ReadQuery(c)
	q := query{form: form, Text: form.Optional("q", queryMost)}
	var wrong *fault.Fault
	day := func(name string) (d calendar.Day) {
		if form.Value(name) == "" {
			return d
		}
		d, err := calendar.ParseDay(form.Value(name))
		if err != nil || d.Year() < 2000 || d.Year() > 2999 {
			wrong = wrong.And(name, fault.WrongFormat)
		}
		return d
	}
	q.From, q.To = day("from"), day("to")
	if form.Value("state") != "" {
		q.State = form.Choice("state", states...)
	}
	if form.Value("before") != "" {
		q.Before = form.UUID("before")
	}
	if seen := form.Value("seen"); seen != "" {
		n, err := strconv.Atoi(seen)
		if err != nil || n < 0 || n > 10_000_000 {
			wrong = wrong.And("seen", fault.WrongFormat)
		}
		q.Seen = n
	}
	if err := form.Err(); err != nil {
		return q, err
	}
	return q, wrong.OrNil()
}

// with repeats the search with other values; an empty one is left out.
func (q query) with(path string, pairs ...string) string {
	values := url.Values{}
	for name, value := range q.form.Values {
		if len(value) > 0 && value[0] != "" && name != "before" && name != "seen" && name != "done" && name != "lang" {
			values.Set(name, value[0])
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// page tells which rows are shown; more says that others follow the last id.
func (q query) page(path string, shown int, more bool, last uuid.UUID) *pager {
	if shown == 0 && q.Seen == 0 {
		return nil
	}
	p := &pager{First: q.Seen + 1, Last: q.Seen + shown}
	if more {
		p.NextURL = q.with(path, "before", last.String(), "seen", strconv.Itoa(p.Last))
	}
	return p
}

// pathID reads the id in an address; what is none names nothing.
func pathID(c echo.Context) (uuid.UUID, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil || len(c.Param("id")) != 36 {
		return uuid.Nil, fault.ErrNotFound
	}
	return id, nil
}

func raw(v any) string {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(body)
}
