package telemetry

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"
)

// Metrics counts what operators watch, for Prometheus. Labels are routes and
// never values, so their number is bounded.
type Metrics struct {
	set      *metrics.Set
	requests sync.Map // of *timing by request
	inFlight *metrics.Gauge
}

// request is what a timing is of.
type request struct {
	method, route string
	status        int
}

// bounds of the histogram of requests, in seconds.
var bounds = [...]float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// timing is one histogram as Prometheus reads it: each bucket counts what took
// as long as its bound or less.
type timing struct {
	buckets [len(bounds) + 1]*metrics.Counter
	sum     *metrics.FloatCounter
	count   *metrics.Counter
}

// NewMetrics counts lines dropped by logs, too.
func NewMetrics(logs *Writer) *Metrics {
	m := &Metrics{set: metrics.NewSet()}
	m.inFlight = m.set.NewGauge("jangteo_requests_in_flight", nil)
	if logs != nil {
		m.set.NewGauge("jangteo_log_lines_dropped_total", func() float64 { return float64(logs.Dropped()) })
	}
	return m
}

// Pool watches a pool of connections under a name: how many are allowed, how
// many in use, and how often somebody waited for one.
func (m *Metrics) Pool(name string, pool *pgxpool.Pool) {
	for metric, value := range map[string]func(*pgxpool.Stat) float64{
		"jangteo_db_connections_max":  func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) },
		"jangteo_db_connections_used": func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) },
		"jangteo_db_waits_total":      func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) },
	} {
		m.set.NewGauge(fmt.Sprintf("%s{pool=%q}", metric, name), func() float64 { return value(pool.Stat()) })
	}
}

// Count is a number under a label, one of a few.
type Count struct {
	Label string
	Value int64
}

// Counts shows numbers that somebody else keeps; read is asked at each scrape.
func (m *Metrics) Counts(name, label string, read func() []Count) {
	m.set.RegisterMetricsWriter(func(w io.Writer) {
		for _, c := range read() {
			_, _ = fmt.Fprintf(w, "%s{%s=%q} %d\n", name, label, c.Label, c.Value)
		}
	})
}

// Middleware times every request.
func (m *Metrics) Middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now() //nolint:forbidigo // a duration, not a moment
		m.inFlight.Inc()
		err := next(c)
		m.inFlight.Dec()
		if err != nil {
			c.Error(err)
		}
		m.of(request{knownMethod(c.Request().Method), c.Path(), c.Response().Status}).observe(time.Since(began)) //nolint:forbidigo // a duration
		return nil
	}
}

// knownMethod keeps what callers make up out of the labels.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

func (m *Metrics) of(r request) *timing {
	if known, ok := m.requests.Load(r); ok {
		return known.(*timing)
	}
	if r.route == "" {
		r.route = "none"
	}
	labels := fmt.Sprintf("method=%q,route=%q,status=\"%d\"", r.method, r.route, r.status)
	t := &timing{
		sum:   m.set.GetOrCreateFloatCounter("jangteo_request_seconds_sum{" + labels + "}"),
		count: m.set.GetOrCreateCounter("jangteo_request_seconds_count{" + labels + "}"),
	}
	for i := range t.buckets {
		le := "+Inf"
		if i < len(bounds) {
			le = fmt.Sprint(bounds[i])
		}
		t.buckets[i] = m.set.GetOrCreateCounter(fmt.Sprintf("jangteo_request_seconds_bucket{%s,le=%q}", labels, le))
	}
	m.requests.Store(r, t)
	return t
}

func (t *timing) observe(took time.Duration) {
	seconds := took.Seconds()
	for i := len(bounds); i >= 0 && (i == len(bounds) || seconds <= bounds[i]); i-- {
		t.buckets[i].Inc()
	}
	t.sum.Add(seconds)
	t.count.Inc()
}

// Handler answers /metrics.
func (m *Metrics) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		m.set.WritePrometheus(w)
		metrics.WriteProcessMetrics(w)
	})
}
