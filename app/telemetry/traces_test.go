package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
)

// TestTracesReachACollector plays a collector: what it takes is OTLP's JSON.
func TestTracesReachACollector(t *testing.T) {
	t.Parallel()
	sent := make(chan otlpRequest, 1)
	host := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var got otlpRequest
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("the collector got %s %s: %v", r.URL, r.Header, err)
		}
		sent <- got
	}))
	defer host.Close()
	traces, err := NewTraces(host.URL, 1000)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.Use(traces.Middleware)
	e.GET("/tenants/:tenant", func(c echo.Context) error { return c.NoContent(http.StatusTeapot) })
	ask := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/tenants/11560", nil)
	ask.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	e.ServeHTTP(httptest.NewRecorder(), ask)
	traces.Close(context.WithoutCancel(t.Context()))

	got := <-sent
	span := got.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if span.TraceID != "0af7651916cd43dd8448eb211c80319c" || span.Parent != "b7ad6b7169203331" || span.Name != "GET /tenants/:tenant" || span.Kind != 2 || span.Start > span.End {
		t.Errorf("the span is %+v", span)
	}
	found := map[string]string{}
	for _, a := range append(span.Attributes, got.ResourceSpans[0].Resource.Attributes...) {
		if a.Value.Number != nil {
			found[a.Key] = *a.Value.Number
		} else {
			found[a.Key] = *a.Value.Text
		}
	}
	if found["http.response.status_code"] != "418" || found["http.route"] != "/tenants/:tenant" || found["service.name"] != "jangteo" {
		t.Errorf("the attributes are %v", found)
	}
}
