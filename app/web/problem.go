// Package web is where the platform meets HTTP: problems, pages, forms, routes.
package web

import (
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"jangteo/app/fault"
	"jangteo/app/i18n"
)

// status is the only place that knows which HTTP status a fault becomes.
var status = map[fault.Kind]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.Malformed:       http.StatusBadRequest,
	fault.Invalid:         http.StatusUnprocessableEntity,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.TooMany:         http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
}

// StatusOf is the HTTP status of a kind of fault.
func StatusOf(kind fault.Kind) int { return status[kind] }

// What HTTP itself refuses.
var (
	errNoRoute    = fault.ErrNotFound
	errMethod     = fault.Declare(fault.Malformed, "method-not-allowed")
	errTooLarge   = fault.Declare(fault.Malformed, "request-too-large")
	errMediaType  = fault.Declare(fault.Malformed, "media-type-not-supported")
	errTooSlow    = fault.Declare(fault.Malformed, "request-timed-out")
	errInternal   = fault.Declare(fault.Internal, "internal")
	errCrossSite  = fault.Declare(fault.Forbidden, "cross-site-request")
	ownStatus     = map[string]int{"method-not-allowed": 405, "request-too-large": 413, "media-type-not-supported": 415, "request-timed-out": 408}
	byStatus      = map[int]*fault.Fault{400: fault.ErrMalformed, 403: fault.ErrForbidden, 404: errNoRoute, 405: errMethod, 406: errMediaType, 408: errTooSlow, 413: errTooLarge, 415: errMediaType, 422: fault.ErrInvalid, 429: fault.ErrTooMany, 503: fault.ErrUnavailable}
	problemPrefix = "/problems/"
)

// Problem is an RFC 9457 problem document. Clients branch on Code alone.
type Problem struct {
	Type       string         `json:"type" doc:"Address of the page that explains the problem"`
	Title      string         `json:"title"`
	Status     int            `json:"status"`
	Code       string         `json:"code" doc:"Stable name of the problem; the only thing to branch on"`
	Detail     string         `json:"detail,omitempty"`
	Instance   string         `json:"instance,omitempty" doc:"urn:request: and the request's id, to quote to support"`
	RetryAfter int            `json:"retry_after,omitempty" doc:"Seconds to wait before trying again"`
	Errors     []FieldProblem `json:"errors,omitempty" doc:"What is wrong with which field"`
	Params     map[string]any `json:"params,omitempty" doc:"What the detail speaks of: limit, rule, clause and so on"`

	// Of an ended session.
	EndedAt          any    `json:"ended_at,omitempty" doc:"When the session ended, RFC 3339"`
	Initiator        any    `json:"initiator,omitempty" doc:"user, system, admin or policy"`
	SecurityIncident any    `json:"security_incident,omitempty"`
	IncidentID       any    `json:"incident_id,omitempty"`
	SupportRef       string `json:"support_ref,omitempty"`
	Actions          any    `json:"actions,omitempty" doc:"What can be done now"`

	cause error
}

// FieldProblem says what is wrong with one input.
type FieldProblem struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Limit  string `json:"limit,omitempty"`
}

// Error makes a problem an error that huma can answer with.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the problem's HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is RFC 9457's.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// Unwrap is what the log tells; it is never answered.
func (p *Problem) Unwrap() error { return p.cause }

// ProblemOf turns any error into a problem in the words of lang. What is not a
// fault becomes "internal" and says nothing about itself.
func ProblemOf(words i18n.Words, lang string, err error, requestID string) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	f, ok := fault.Of(err)
	if !ok {
		var own *echo.HTTPError // no such route, method or media type; body too large or malformed
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			f = errTooLarge
		case errors.As(err, &own) && byStatus[own.Code] != nil:
			f = byStatus[own.Code]
		default:
			f = errInternal
		}
	}
	p = &Problem{
		Type: problemPrefix + f.Code, Code: f.Code, Params: f.Params, Status: status[f.Kind],
		Title: words.T(lang, "problem."+f.Code+".title"), Instance: "urn:request:" + requestID, cause: err,
	}
	if own, ok := ownStatus[f.Code]; ok {
		p.Status = own
	}
	p.lift()
	pairs := make([]any, 0, 2*len(f.Params))
	for name, value := range f.Params {
		pairs = append(pairs, name, value)
	}
	p.Detail = words.T(lang, "problem."+f.Code+".detail", pairs...)
	if f.RetryAfter > 0 {
		p.RetryAfter = int(math.Ceil(f.RetryAfter.Seconds()))
	}
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, FieldProblem{
			Field: field.Name, Reason: string(field.Reason), Limit: field.Limit,
			Detail: words.T(lang, "field."+string(field.Reason), "limit", field.Limit),
		})
	}
	return p
}

// lift moves what the envelope of an ended session names out of the parameters.
func (p *Problem) lift() {
	for name, member := range map[string]*any{
		"ended_at": &p.EndedAt, "initiator": &p.Initiator, "security_incident": &p.SecurityIncident,
		"incident_id": &p.IncidentID, "actions": &p.Actions,
	} {
		value, ok := p.Params[name]
		if !ok {
			continue
		}
		if p.SupportRef == "" { // the first: it is an ended session's
			p.SupportRef, p.Params = strings.TrimPrefix(p.Instance, "urn:request:"), maps.Clone(p.Params)
		}
		*member = value
		delete(p.Params, name)
	}
}

func (p *Problem) write(c echo.Context) error {
	if p.RetryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="jangteo"`)
	}
	c.Response().Header().Set(echo.HeaderContentType, p.ContentType(""))
	c.Response().WriteHeader(p.Status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	return c.Echo().JSONSerializer.Serialize(c, p, "")
}

// IsAPI tells requests that want JSON from those that want a page.
func IsAPI(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasSuffix(path, ".json")
}
