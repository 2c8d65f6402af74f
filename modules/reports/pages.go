package reports

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/i18n"
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

// Nav is where the member in p may go; path is where they are. Of several
// permissions one is enough.
func Nav(p auth.Principal, path string) (items []web.NavItem) {
	for _, to := range []struct{ permission, url, icon, key string }{
		{"dashboard.read", "/office", "home", "reports.nav.dashboard"},
		{"payments.read", "/office/payments", "receipt", "reports.nav.payments"},
		{"payments.read", "/office/purchases", "plus", "reports.nav.purchases"},
		{"programmes.read", "/office/programmes", "ticket", "reports.nav.programmes"},
		{"merchants.read", "/office/merchants", "shop", "reports.nav.merchants"},
		{"merchants.read", "/office/cards/terminals", "phone", "cards.nav.terminals"},
		{"settlement.read", "/office/cards/clearing", "book", "cards.nav.clearing"},
		{"payments.read", "/office/cards/claims", "ticket", "cards.nav.claims"},
		{"citizens.read", "/office/citizens", "users", "reports.nav.citizens"},
		{"settlement.read", "/office/settlements", "calendar", "reports.nav.settlements"},
		{"settlement.close audit.read", "/office/approvals", "check", "reports.nav.approvals"},
		{"ledger.read", "/office/ledger", "book", "reports.nav.ledger"},
		{"audit.read", "/office/audit", "list", "reports.nav.audit"},
		{"audit.read", "/office/access", "eye", "reports.nav.access"},
		{"audit.read", "/office/access/reviews", "check", "reports.nav.reviews"},
		{"verify.read", "/office/verify", "scale", "reports.nav.verify"},
		{"staff.manage", "/office/staff", "users", "reports.nav.staff"},
		{"", "/office/security", "lock", "reports.nav.security"},
	} {
		if to.permission == "" || slices.ContainsFunc(strings.Fields(to.permission), p.May) {
			here := path == to.url || to.url != "/office" && strings.HasPrefix(path, to.url+"/") &&
				!(to.url == "/office/access" && strings.HasPrefix(path, "/office/access/reviews"))
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
	Sort      string // as the address asks for it
	Table     table
	Pager     *pager
	Downloads []link
	Links     []link // to pages beside this one
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
		Key       string // words key
		Num       bool
		Sort      string // what the list is sorted by when it is pressed
		URL       string
		Direction string // ascending or descending, when the list is sorted by it
	}
	row struct {
		URL   string
		Cells []cell
	}
	cell struct {
		Text, URL string
		Num, ID   bool
		Long      bool // shown whole, over several lines
		Prose     bool // the same, and never squeezed
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
		Which                        string // words key of what the options are; a payout's if empty
		Amount                       bool   // is asked for
		Reason, Remark               bool   // is asked for
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
	words i18n.Words
	lang  string
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

// listing is a list as an address can ask for it.
type listing struct {
	path   string
	states []string // that it can be narrowed to
	sorts  []string // columns; the first is how it is sorted unasked, with - the most first
	byDay  bool     // rows are days; otherwise they have ids
}

// query is what an address asks of a list: what is sought, from when to when,
// how it is sorted, and next to which row the page lies.
type query struct {
	listing
	form     *web.Form
	Text     string
	From, To calendar.Day
	State    string
	Sort     string
	Past     string // the last row of the page before, or the first of the page after
	Back     bool   // towards the beginning
	Seen     int    // rows on the pages before
}

// readQuery refuses what a list does not know with the field's name.
func readQuery(c echo.Context, l listing) (query, error) {
	form := web.ReadQuery(c)
	q := query{listing: l, form: form, Text: form.Optional("q", queryMost)}
	wrong := q.readDays()
	if form.Value("state") != "" {
		q.State = form.Choice("state", l.states...)
	}
	if len(l.sorts) > 0 {
		q.Sort = l.sorts[0]
	}
	if form.Value("sort") != "" {
		q.Sort = form.Choice("sort", l.bothWays()...)
	}
	for _, name := range []string{"before", "back"} {
		if form.Value(name) == "" {
			continue
		}
		q.Past, q.Back = form.Value(name), name == "back"
		if !l.byDay {
			form.UUID(name)
		} else if _, err := calendar.ParseDay(q.Past); err != nil {
			wrong = wrong.And(name, fault.WrongFormat)
		}
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

func (q *query) readDays() (wrong *fault.Fault) {
	for name, into := range map[string]*calendar.Day{"from": &q.From, "to": &q.To} {
		text := q.form.Value(name)
		if text == "" {
			continue
		}
		day, err := calendar.ParseDay(text)
		if err != nil || day.Year() < 2000 || day.Year() > 2999 {
			wrong = wrong.And(name, fault.WrongFormat)
		}
		*into = day
	}
	return wrong
}

func (l listing) bothWays() (sorts []string) {
	for _, sort := range l.sorts {
		column := strings.TrimPrefix(sort, "-")
		sorts = append(sorts, column, "-"+column)
	}
	return sorts
}

// window is the page that q asks for, or the beginning of the list.
func (q query) window(limit int) db.Window {
	column := strings.TrimPrefix(q.Sort, "-")
	return db.Window{By: column, Up: column == q.Sort, Past: q.Past, Back: q.Back, Limit: limit}
}

// whole is what a download takes: the list from its beginning.
func (q query) whole() query {
	q.Past, q.Back = "", false
	return q
}

// times are the beginning of the first day asked for and the end of the last.
func (q query) times() (from, to time.Time) {
	if !q.From.IsZero() {
		from = q.From.Start()
	}
	if !q.To.IsZero() {
		to = q.To.Next().Start()
	}
	return from, to
}

// sortedDays bounds what has to be read to sort by anything but time.
const sortedDays = 31

// bounded asks for the last 31 days where an amount is to be sorted by and no
// first day is given: no index serves that, and one would slow payments down.
func (q query) bounded(today calendar.Day) query {
	if strings.TrimPrefix(q.Sort, "-") != "amount" || !q.From.IsZero() {
		return q
	}
	last := today
	if !q.To.IsZero() {
		last = q.To
	}
	q.From = last.AddDays(1 - sortedDays)
	return q
}

// with repeats the search with other values; an empty one is left out.
func (q query) with(path string, pairs ...string) string {
	values := url.Values{}
	for name, value := range q.form.Values {
		if len(value) > 0 && value[0] != "" && !slices.Contains([]string{"before", "back", "seen", "done", "lang"}, name) {
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

// sorted makes the heads of columns links that sort by them; pressed again,
// the other way round. Amounts and times begin with the most.
func (q query) sorted(t table) table {
	for i, column := range t.Columns {
		if column.Sort == "" {
			continue
		}
		next := column.Sort
		if column.Num || slices.Contains(q.sorts, "-"+column.Sort) {
			next = "-" + column.Sort
		}
		switch q.Sort {
		case column.Sort:
			t.Columns[i].Direction, next = "ascending", "-"+column.Sort
		case "-" + column.Sort:
			t.Columns[i].Direction, next = "descending", column.Sort
		}
		t.Columns[i].URL = q.with(q.path, "sort", next)
	}
	return t
}

// page tells which rows are shown, and leads to those before and after them.
// Keys are of the first and the last row shown.
func (q query) page(keys []string, before, after bool) *pager {
	if len(keys) == 0 {
		if q.Past == "" {
			return nil
		}
		return &pager{First: 0, Last: 0, PrevURL: q.with(q.path)}
	}
	seen := q.Seen
	if !before {
		seen = 0
	}
	p := &pager{First: seen + 1, Last: seen + len(keys)}
	if before {
		p.PrevURL = q.with(q.path, "back", keys[0], "seen", strconv.Itoa(max(0, seen-rowsEach)))
	}
	if after {
		p.NextURL = q.with(q.path, "before", keys[len(keys)-1], "seen", strconv.Itoa(p.Last))
	}
	return p
}

// keysOf are the ids of rows, for their pager.
func keysOf[T any](list []T, id func(T) string) []string {
	keys := make([]string, len(list))
	for i, item := range list {
		keys[i] = id(item)
	}
	return keys
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
