package telemetry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	m := NewMetrics(nil)
	e := echo.New()
	e.Use(m.Middleware)
	e.GET("/shops/:shop", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	for _, call := range [][2]string{{"GET", "/shops/1"}, {"GET", "/shops/2"}, {"FETCH", "/nowhere"}, {"SEIZE", "/nowhere"}} {
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(call[0], call[1], nil))
	}
	m.Counts("jangteo_cards_answers", "what", func() []Count { return []Count{{"0110 00", 3}} })
	got := scrape(t, m)
	for _, want := range []string{
		`jangteo_cards_answers{what="0110 00"} 3`,
		`jangteo_request_seconds_count{method="GET",route="/shops/:shop",status="204"} 2`,
		`jangteo_request_seconds_bucket{method="GET",route="/shops/:shop",status="204",le="+Inf"} 2`,
		`jangteo_request_seconds_count{method="other",route="none",status="404"} 2`,
		"jangteo_requests_in_flight 0",
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestBucketsCountWhatTookAsLongOrLess(t *testing.T) {
	m := NewMetrics(nil)
	timed := m.of(request{"GET", "/", 200})
	for _, took := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 30 * time.Millisecond, time.Minute} {
		timed.observe(took)
	}
	for i, want := range map[int]uint64{0: 1, 1: 2, 3: 2, 4: 3, len(bounds) - 1: 3, len(bounds): 4} {
		if got := timed.buckets[i].Get(); got != want {
			t.Errorf("bucket %d holds %d, not %d", i, got, want)
		}
	}
	if timed.count.Get() != 4 {
		t.Errorf("%d were counted", timed.count.Get())
	}
}
