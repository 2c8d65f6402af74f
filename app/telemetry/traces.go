package telemetry

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Traces sends spans to a collector, from a bounded queue that drops when the
// collector is slow. Without an address it does nothing.
type Traces struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext
}

// NewTraces keeps perMille of a thousand traces. The collector is asked nothing
// until the first spans are sent, and never by a request.
func NewTraces(address string, perMille int) (*Traces, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // a nil *Traces is one that does nothing
	}
	to, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if to.Path == "" || to.Path == "/" {
		to.Path = "/v1/traces"
	}
	exporter := &collector{url: to.String(), client: &http.Client{Timeout: 5 * time.Second}}
	provider := sdk.NewTracerProvider(
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(float64(perMille)/1000))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "jangteo"))),
		sdk.WithBatcher(exporter, sdk.WithMaxQueueSize(2048), sdk.WithExportTimeout(5*time.Second)), // drops when full; WithBlocking is the trap
	)
	return &Traces{provider: provider, tracer: provider.Tracer("jangteo")}, nil
}

// Middleware opens a span for every request, named by its route.
func (t *Traces) Middleware(next echo.HandlerFunc) echo.HandlerFunc {
	if t == nil {
		return next
	}
	return func(c echo.Context) error {
		r := c.Request()
		ctx := t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, r.Method+" "+c.Path(), trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		c.SetRequest(r.WithContext(ctx))
		err := next(c)
		if span.IsRecording() {
			span.SetAttributes(attribute.String("http.route", c.Path()), attribute.Int("http.response.status_code", c.Response().Status),
				attribute.String("request.id", c.Response().Header().Get(echo.HeaderXRequestID)))
		}
		return err
	}
}

// Close sends what waits, for at most two seconds.
func (t *Traces) Close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = t.provider.Shutdown(ctx)
}
