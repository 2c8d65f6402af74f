package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/i18n"
	"jangteo/app/money"
)

// Layout is the shell that a page stands in, templates/layouts/<layout>.html.
type Layout string

// The three faces and the public one.
const (
	Public  Layout = "public"
	Phone   Layout = "citizen"
	Desk    Layout = "desk" // the merchants' portal and the back office
	NoShell Layout = "bare" // fragments and print sheets
)

// Frame is what a layout needs; every view embeds it, and Show fills it.
type Frame struct {
	Lang       string
	Path       string
	Now        time.Time
	TenantName string
	Accent     int // 0 is the platform's own colour, 1 to 12 a tenant's
	Person     string
	Nav        []NavItem
	SignOutURL string
	HomeURL    string
	Flash      *Notice
	Notice     *Notice // a critical alert above everything
	Demo       bool
	Expires    string // when the citizen's access token ends, RFC 3339; empty without one
}

func (f *Frame) set(g Frame) { *f = g }

type framed interface{ set(Frame) }

// NavItem is one way to go.
type NavItem struct {
	Key     string // words key
	URL     string
	Icon    string
	Current bool
}

// Notice is a message at the top of a page.
type Notice struct {
	Kind string // info, success, warning or danger
	Text string
	URL  string
}

// Page is a handle on one file under templates/pages. T is the view it shows,
// so a handler that passes anything else does not compile.
type Page[T any] struct{ page }

// page is what does not depend on the view, and so is compiled but once.
type page struct {
	name   string
	layout Layout
}

// declared collects every page that a module declares; LoadPages parses exactly these.
var declared []page

// NewPage declares a page, for example NewPage[listView](web.Desk, "payments/list").
func NewPage[T any](layout Layout, name string) Page[T] {
	var view T
	if _, ok := any(&view).(framed); !ok {
		panic("web: the view of " + name + " does not embed web.Frame")
	}
	declared = append(declared, page{name, layout})
	return Page[T]{page{name, layout}}
}

// Pages holds one parsed template set for each page and language: nothing is
// cloned or rebound while requests run.
type Pages struct {
	Words i18n.Words
	// Frame says who is looking and what is around the page; app provides it.
	Frame func(echo.Context) Frame
	sets  map[string]*template.Template
}

// LoadPages parses every declared page with the layout and partials that it
// calls, and fails when one has no file. asset turns a static file's name into
// its address.
func LoadPages(files fs.FS, words i18n.Words, asset func(string) string) (*Pages, error) {
	p := &Pages{Words: words, sets: map[string]*template.Template{}}
	for _, lang := range i18n.Languages {
		funcs := Funcs(words, lang, asset)
		shared, err := template.New("").Funcs(funcs).ParseFS(files, "layouts/*.html", "partials/*.html")
		if err != nil {
			return nil, err
		}
		for _, page := range declared {
			set, err := template.New("").Funcs(funcs).Option("missingkey=error").ParseFS(files, "pages/"+page.name+".html")
			if err == nil {
				err = complete(set, shared, "layout-"+string(page.layout))
			}
			if err != nil {
				return nil, fmt.Errorf("page %s: %w", page.name, err)
			}
			p.sets[lang+"/"+page.name] = set
		}
	}
	return p, nil
}

// DeclaredPages lists the names of all pages, for the test that finds files
// that no page declares.
func DeclaredPages() (names []string) {
	for _, page := range declared {
		names = append(names, page.name)
	}
	return names
}

// Funcs are what templates may call.
func Funcs(words i18n.Words, lang string, asset func(string) string) template.FuncMap {
	return template.FuncMap{
		"t":        func(key string, pairs ...any) string { return words.T(lang, key, pairs...) },
		"lang":     func() string { return lang },
		"static":   asset,
		"won":      func(n money.Amount) string { return n.In(lang) },
		"number":   func(n int64) string { return money.Amount(n).String() },
		"count":    func(n int) string { return money.Amount(n).String() },
		"date":     func(t time.Time) string { return calendar.DayOf(t).Long(lang) },
		"datetime": func(t time.Time) string { return calendar.LongTime(t, lang) },
		"time":     func(t time.Time) string { return t.In(calendar.Seoul).Format("15:04") },
		"day":      func(d calendar.Day) string { return d.Long(lang) },
		"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"pair":     attach,
	}
}

// Pair hands a partial two values: {{template "x" (pair .A .B)}} gives .First and .Second.
type Pair struct{ First, Second any }

func attach(first, second any) Pair { return Pair{first, second} }

// Show renders the page into memory first, so that a broken template becomes
// an error page and never half a page.
func (p Page[T]) Show(c echo.Context, pages *Pages, view T) error {
	return pages.show(c, p.page, http.StatusOK, any(&view).(framed))
}

// Later shows a page in the place of one that is not there yet, with 503; the
// browser asks again after a while.
func (p Page[T]) Later(c echo.Context, pages *Pages, after time.Duration, view T) error {
	ComeBack(c.Response().Header(), after)
	return pages.show(c, p.page, http.StatusServiceUnavailable, any(&view).(framed))
}

// Refuse shows a form again with 422 and what err says about its fields. What
// is not a fault is not the form's to explain and is returned.
func (p Page[T]) Refuse(c echo.Context, pages *Pages, form *Form, err error, view T) error {
	code, err := pages.refuse(c, form, err)
	if err != nil {
		return err
	}
	return pages.show(c, p.page, code, any(&view).(framed))
}

// Render returns the named part of a page, for live fragments.
func (p Page[T]) Render(pages *Pages, lang, part string, view any) ([]byte, error) {
	var out bytes.Buffer
	err := pages.sets[lang+"/"+p.name].ExecuteTemplate(&out, part, view)
	return out.Bytes(), err
}

// ComeBack has a browser ask again after a while, of at least a second.
func ComeBack(h http.Header, after time.Duration) {
	seconds := strconv.Itoa(int(after.Seconds()))
	h.Set(echo.HeaderRetryAfter, seconds)
	h.Set("Refresh", seconds)
}

// refuse has a form say what err says about it; what it cannot say is returned.
func (p *Pages) refuse(c echo.Context, form *Form, err error) (code int, _ error) {
	f, ok := fault.Of(err)
	if !ok || f.Kind == fault.Unavailable || f.Kind == fault.Unauthenticated {
		return 0, err
	}
	form.refuse(p.Words, Lang(c), f)
	if f.RetryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, fmt.Sprint(int(f.RetryAfter.Seconds())))
	}
	return ProblemOf(p.Words, Lang(c), err, "").Status, nil
}

func (p *Pages) show(c echo.Context, page page, code int, view framed) error {
	lang := Lang(c)
	set := p.sets[lang+"/"+page.name]
	if set == nil {
		return errors.New("web: page " + page.name + " was not loaded")
	}
	if p.Frame != nil {
		view.set(p.Frame(c))
	}
	var out bytes.Buffer
	if err := set.ExecuteTemplate(&out, "layout-"+string(page.layout), view); err != nil {
		return err
	}
	c.Response().Header().Set("Content-Language", lang)
	c.Response().Header().Add("Vary", "Cookie, Accept-Language")
	return c.HTMLBlob(code, out.Bytes())
}

// LangCookie remembers the language that somebody chose.
const LangCookie = "lang"

// Lang is the language of a request.
func Lang(c echo.Context) string {
	chosen := ""
	if cookie, err := c.Cookie(LangCookie); err == nil {
		chosen = cookie.Value
	}
	return i18n.Choose(chosen, c.Request().Header.Get("Accept-Language"))
}
