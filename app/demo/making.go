package demo

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"jangteo/app"
	"jangteo/app/web"
)

// Making answers in the app's place until there is an app and its history is
// made: whatever is asked for, it says how far it is, and comes back by itself.
type Making struct {
	app    atomic.Pointer[app.App]
	server *http.Server
	step   atomic.Int32
}

// makings are what is made in turn; the words are "demo.making.<name>".
var makings = []string{"municipalities", "shops", "people", "settlements"}

const (
	makingPath = "/demo/making"
	comeBack   = 2 * time.Second
)

// Begin answers on l until Done.
func Begin(l net.Listener) *Making {
	m := &Making{}
	m.server = &http.Server{Handler: m, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second}
	go func() { _ = m.server.Serve(l) }() // until Done
	return m
}

// Show has pages of a to show from now on.
func (m *Making) Show(a *app.App) {
	a.Router.Page(web.Route{Method: http.MethodGet, Path: makingPath, Access: web.Anyone, Class: web.Browse}, m.show)
	m.app.Store(a)
}

// ServeHTTP shows the page in the place of every other; while the database is
// only being started there is one sentence instead.
func (m *Making) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := m.app.Load()
	if a == nil {
		web.ComeBack(w.Header(), comeBack)
		http.Error(w, "장터를 열고 있어요. Jangteo is starting.", http.StatusServiceUnavailable)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/static/") {
		a.Echo.ServeHTTP(w, r)
		return
	}
	instead, err := http.NewRequestWithContext(r.Context(), http.MethodGet, makingPath, http.NoBody)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	instead.Header, instead.Host, instead.RemoteAddr = r.Header, r.Host, r.RemoteAddr
	a.Echo.ServeHTTP(w, instead)
}

var makingPage = web.NewPage[makingView](web.Public, "demo/making")

type makingView struct {
	web.Frame
	Labels  []string
	Current int
}

func (m *Making) show(c echo.Context) error {
	view := makingView{Current: int(m.step.Load())}
	for _, name := range makings {
		view.Labels = append(view.Labels, "demo.making."+name)
	}
	return makingPage.Later(c, m.app.Load().Pages, comeBack, view)
}

// made moves on to the next step.
func (m *Making) made() {
	if m != nil {
		m.step.Add(1)
	}
}

// Done lets go of the address, for the app to answer there.
func (m *Making) Done() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if m.server.Shutdown(ctx) == nil {
		return nil
	}
	return m.server.Close()
}
