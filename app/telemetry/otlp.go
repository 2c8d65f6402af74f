package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// collector sends spans as OTLP over HTTP in its JSON form, which every
// collector takes (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
// The ready-made exporter would bring gRPC into a program that never speaks it.
// What a collector does not take is gone: spans are a picture, not a record.
type collector struct {
	url    string
	client *http.Client
}

type (
	otlpRequest struct {
		ResourceSpans []otlpResource `json:"resourceSpans"`
	}
	otlpResource struct {
		Resource   otlpAttributes `json:"resource"`
		ScopeSpans []otlpScope    `json:"scopeSpans"`
	}
	otlpAttributes struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScope struct {
		Scope otlpName   `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpName struct {
		Name string `json:"name"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Parent     string          `json:"parentSpanId,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes"`
		Status     otlpStatus      `json:"status"`
	}
	otlpStatus struct {
		Code    int    `json:"code"`
		Message string `json:"message,omitempty"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		Text   *string `json:"stringValue,omitempty"`
		Number *string `json:"intValue,omitempty"`
	}
)

// ExportSpans sends one batch.
func (c *collector) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	scope := otlpScope{Scope: otlpName{spans[0].InstrumentationScope().Name}}
	for _, span := range spans {
		scope.Spans = append(scope.Spans, otlp(span))
	}
	resource := otlpAttributes{attributes(spans[0].Resource().Attributes())}
	body, err := json.Marshal(otlpRequest{[]otlpResource{{resource, []otlpScope{scope}}}})
	if err != nil {
		return err
	}
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	ask.Header.Set("Content-Type", "application/json")
	answer, err := c.client.Do(ask)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, 1<<16)
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the collector of traces answered %s", answer.Status)
	}
	return nil
}

// Shutdown has nothing to do: every batch is sent before ExportSpans returns.
func (c *collector) Shutdown(context.Context) error { return nil }

func otlp(span sdk.ReadOnlySpan) otlpSpan {
	id := span.SpanContext()
	out := otlpSpan{
		TraceID: id.TraceID().String(), SpanID: id.SpanID().String(), Name: span.Name(), Kind: int(span.SpanKind()),
		Start: nanos(span.StartTime()), End: nanos(span.EndTime()), Attributes: attributes(span.Attributes()),
		Status: status(span.Status()),
	}
	if parent := span.Parent(); parent.HasSpanID() {
		out.Parent = parent.SpanID().String()
	}
	return out
}

// status translates: the wire counts unset, ok, error.
func status(s sdk.Status) otlpStatus {
	switch s.Code {
	case codes.Ok:
		return otlpStatus{Code: 1}
	case codes.Error:
		return otlpStatus{Code: 2, Message: s.Description}
	default:
		return otlpStatus{}
	}
}

func attributes(pairs []attribute.KeyValue) []otlpAttribute {
	out := []otlpAttribute{}
	for _, pair := range pairs {
		text := pair.Value.String()
		value := otlpValue{Text: &text}
		if pair.Value.Type() == attribute.INT64 {
			value = otlpValue{Number: &text}
		}
		out = append(out, otlpAttribute{string(pair.Key), value})
	}
	return out
}

func nanos(at time.Time) string { return strconv.FormatInt(at.UnixNano(), 10) }

var _ sdk.SpanExporter = (*collector)(nil)
