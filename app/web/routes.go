package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/i18n"
	"jangteo/app/idem"
	"jangteo/app/tenant"
)

// Class is what a route is worth when not everything can be served; the first
// named stops last.
type Class string

// The classes, in the order in which they survive.
const (
	Pay    Class = "pay"    // paying and cancelling
	Read   Class = "read"   // balance and history
	Login  Class = "login"  // becoming known, renewing
	Buy    Class = "buy"    // buying, gifts
	Browse Class = "browse" // looking around, signing up
	Report Class = "report"
)

// Access is who may use a route.
type Access struct {
	Kind       auth.Kind // empty: anyone
	Permission string    // empty: everyone of that kind
	Fresh      bool      // who they are must have been proven lately; for forms only
}

// Anyone needs no sign-in.
var Anyone = Access{}

// Citizens, clerks, staff, operators: who is signed in as such.
var (
	Citizens  = Access{Kind: auth.Citizen}
	Clerks    = Access{Kind: auth.Clerk}
	Staff     = Access{Kind: auth.Staff}
	Operators = Access{Kind: auth.Operator}
)

// StaffWho are staff of a municipality who hold a permission.
func StaffWho(permission string) Access { return Access{Kind: auth.Staff, Permission: permission} }

// OperatorsWho are staff of the platform's operator who hold a permission.
func OperatorsWho(permission string) Access {
	return Access{Kind: auth.Operator, Permission: permission}
}

// ClerksWho are clerks of a merchant who hold a permission.
func ClerksWho(permission string) Access { return Access{Kind: auth.Clerk, Permission: permission} }

// Lately demands a proof of who they are of the last minutes.
func (a Access) Lately() Access {
	a.Fresh = true
	return a
}

func (a Access) String() string {
	if a.Kind == "" {
		return "anyone"
	}
	text := string(a.Kind)
	if a.Permission != "" {
		text += ":" + a.Permission
	}
	if a.Fresh {
		text += " lately"
	}
	return text
}

// Route is one line of the table of who may reach what.
type Route struct {
	Method  string
	Path    string // {name} stands for a parameter; {tenant} is a municipality's code
	Access  Access
	Class   Class
	Summary string // for the OpenAPI document
	Status  int    // of success; 200 if zero
}

// knocks reports whether the route is one by which strangers try to get in.
func (r Route) knocks() bool {
	return r.Class == Login && r.Access.Kind == "" && r.Method != http.MethodGet
}

// Gate decides who is asking and whether a municipality exists.
type Gate struct {
	// Authenticate proves the principal of one kind, by bearer token or cookie.
	Authenticate func(c echo.Context, kind auth.Kind) (auth.Principal, error)
	// Tenant refuses a code that is not a municipality.
	Tenant func(ctx context.Context, id tenant.ID) error
	// Knock counts an attempt to get in from an address, or refuses it when
	// there are too many; nil counts none.
	Knock func(address string) error
	// Fresh reports whether somebody proved who they are lately, or does with
	// this request; StepUp asks them to.
	Fresh  func(c echo.Context, who auth.Principal) (bool, error)
	StepUp func(c echo.Context, who auth.Principal) error
	// SignIn is where a page sends a stranger.
	SignIn map[auth.Kind]string
}

// Router mounts routes and keeps the table of them.
type Router struct {
	Echo  *echo.Echo
	API   huma.API
	Gate  Gate
	Words i18n.Words
	Table []Route
	names *schemaNames
}

// APIPrefix stands before every JSON route.
const APIPrefix = "/api/v1"

var humaErrors sync.Once

const jsonBytesMax = 64 << 10

// NewRouter prepares e for pages and, under APIPrefix, for JSON.
func NewRouter(e *echo.Echo, gate Gate, words i18n.Words, version string) *Router {
	config := huma.DefaultConfig("Jangteo", version)
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Servers = []*huma.Server{{URL: APIPrefix}}
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	config.Formats = map[string]huma.Format{
		"application/json": {Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: strictJSON},
		"json":             {Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: strictJSON},
	}
	config.DefaultFormat = "application/json"
	names := &schemaNames{}
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", names.name)
	r := &Router{names: names, Echo: e, Gate: gate, Words: words}
	humaErrors.Do(func() { // huma keeps these for the whole process
		huma.ValidateStrictCasing = true // else "amount" could stand beside an "Amount" that wins
		huma.NewErrorWithContext = r.humaError
		huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
			return r.humaError(nil, status, msg, errs...)
		}
	})
	r.API = humaecho.NewWithGroup(e, e.Group(APIPrefix, jsonOnly), config)
	return r
}

// jsonOnly refuses, before anything is read, a body that is not JSON or too long.
func jsonOnly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.ContentLength > jsonBytesMax {
			return errTooLarge
		}
		if r.ContentLength != 0 && r.Method != http.MethodGet {
			kind, _, _ := strings.Cut(r.Header.Get(echo.HeaderContentType), ";")
			if !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
				return errMediaType
			}
		}
		return next(c)
	}
}

// JSON mounts a typed handler. Its input is validated against its schema first;
// its faults become problems.
func JSON[I, O any](r *Router, route Route, handler func(context.Context, *I) (*O, error)) {
	path := route.Path
	route.Path = APIPrefix + path
	r.Table = append(r.Table, route)
	op := huma.Operation{
		Method: route.Method, Path: path, Summary: route.Summary, DefaultStatus: route.Status,
		OperationID: operationID(route.Method, path), MaxBodyBytes: jsonBytesMax,
		Tags:        []string{string(route.Class)},
		Errors:      []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		Middlewares: huma.Middlewares{r.jsonGate(route)},
	}
	if route.Access.Kind != "" {
		op.Security = []map[string][]string{{"bearer": {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	}
	if strings.Contains(path, "{") {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if route.Method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	r.names.of(reflect.TypeFor[O]())
	huma.Register(r.API, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, r.humaFault(ctx, err)
		}
		return out, nil
	})
}

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

func operationID(method, path string) string {
	return strings.Trim(notWord.ReplaceAllString(strings.ToLower(method+"-"+path), "-"), "-")
}

func (r *Router) jsonGate(route Route) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		c := humaecho.Unwrap(hc)
		ctx, err := r.enter(c, route)
		if err != nil {
			c.Error(err)
			return
		}
		next(huma.WithContext(hc, context.WithValue(ctx, echoKey{}, c)))
	}
}

type echoKey struct{}

// Page mounts a handler of HTML, a form post, a download or a stream.
func (r *Router) Page(route Route, handler echo.HandlerFunc) {
	if route.Access.Fresh && route.Method != http.MethodPost {
		panic("web: only a form can wait for a fresh proof: " + route.Path)
	}
	r.Table = append(r.Table, route)
	r.Echo.Add(route.Method, echoPath(route.Path), func(c echo.Context) error {
		ctx, err := r.enter(c, route)
		if err != nil {
			if errors.Is(err, auth.ErrSignInRequired) && r.Gate.SignIn[route.Access.Kind] != "" && !IsAPI(c.Request().URL.Path) {
				return c.Redirect(http.StatusSeeOther, r.Gate.SignIn[route.Access.Kind]+"?next="+url.QueryEscape(nextPath(c)))
			}
			return err
		}
		c.SetRequest(c.Request().WithContext(ctx))
		if route.Access.Fresh {
			who := auth.From(ctx)
			if fresh, err := r.Gate.Fresh(c, who); err != nil {
				return err
			} else if !fresh {
				return r.Gate.StepUp(c, who)
			}
		}
		return handler(c)
	})
}

// nextPath is where to go on after signing in: only a page, never a post.
func nextPath(c echo.Context) string {
	if c.Request().Method != http.MethodGet {
		return ""
	}
	return c.Request().URL.RequestURI()
}

// LocalPath keeps a redirect inside this site: it returns path if it is a plain
// path of ours, else fallback.
func LocalPath(path, fallback string) string {
	u, err := url.Parse(path)
	if err != nil || path == "" || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") ||
		strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return fallback
	}
	return path
}

func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// enter proves who is asking, and finds the municipality in the address.
func (r *Router) enter(c echo.Context, route Route) (context.Context, error) {
	ctx := c.Request().Context()
	if route.knocks() && r.Gate.Knock != nil {
		if err := r.Gate.Knock(auth.Info(ctx).Address); err != nil {
			return nil, err
		}
	}
	if route.Access.Kind != "" {
		p, err := r.Gate.Authenticate(c, route.Access.Kind)
		if err != nil {
			return nil, err
		}
		if route.Access.Permission != "" && !p.May(route.Access.Permission) {
			return nil, fault.ErrForbidden.With("permission", route.Access.Permission)
		}
		p.Locale = Lang(c)
		p.Request = auth.Info(ctx)
		ctx = auth.With(ctx, p)
		if p.Tenant != tenant.Platform {
			ctx = tenant.With(ctx, p.Tenant)
		}
	}
	if code := c.Param("tenant"); code != "" {
		id, err := tenant.Parse(code)
		if err != nil {
			return nil, err
		}
		if err := r.Gate.Tenant(ctx, id); err != nil {
			return nil, err
		}
		if mine, ok := tenant.Lookup(ctx); ok && mine != id {
			return nil, tenant.ErrUnknown // another municipality is none of theirs
		}
		ctx = tenant.With(ctx, id)
	}
	return ctx, nil
}

func (r *Router) humaFault(ctx context.Context, err error) error {
	c, _ := ctx.Value(echoKey{}).(echo.Context)
	p := ProblemOf(r.Words, Lang(c), err, RequestID(c))
	if p.Status >= http.StatusInternalServerError {
		LogFailure(c, err)
	}
	headers := http.Header{}
	if p.RetryAfter > 0 {
		headers.Set(echo.HeaderRetryAfter, jsonNumber(p.RetryAfter))
	}
	return huma.ErrorWithHeaders(p, headers)
}

func jsonNumber(n int) string { body, _ := json.Marshal(n); return string(body) }

// humaError turns what huma found wrong with an input into our problem.
func (r *Router) humaError(hc huma.Context, status int, msg string, errs ...error) huma.StatusError {
	lang, requestID := i18n.Korean, ""
	if hc != nil {
		c := humaecho.Unwrap(hc)
		lang, requestID = Lang(c), RequestID(c)
	}
	f := byStatus[status]
	if f == nil {
		f = errInternal
	}
	if status == http.StatusBadRequest && len(errs) > 0 {
		f = fault.ErrMalformed
	}
	p := ProblemOf(r.Words, lang, f, requestID)
	for _, err := range errs {
		var detail *huma.ErrorDetail
		if !errors.As(err, &detail) {
			p.cause = errors.Join(p.cause, err)
			continue
		}
		field, reason, limit := explain(detail)
		p.Errors = append(p.Errors, FieldProblem{
			Field: field, Reason: string(reason), Limit: limit,
			Detail: r.Words.T(lang, "field."+string(reason), "limit", limit),
		})
	}
	if len(p.Errors) == 0 && status < http.StatusInternalServerError && msg != "" && strings.Contains(msg, "body") {
		p.Errors = []FieldProblem{{Field: "body", Reason: string(fault.WrongFormat), Detail: r.Words.T(lang, "field."+string(fault.WrongFormat))}}
	}
	return p
}

var (
	property = regexp.MustCompile(`(?:required property|property) (\S+)`)
	number   = regexp.MustCompile(`-?\d+`)
)

// explain reads the validator's words; routes_test.go holds every form of them.
func explain(d *huma.ErrorDetail) (field string, reason fault.Reason, limit string) {
	field = d.Location
	for _, prefix := range []string{"body.", "path.", "query.", "header.", "cookie."} {
		field = strings.TrimPrefix(field, prefix)
	}
	m := d.Message
	if name, twice := strings.CutPrefix(m, repeatedProperty); twice {
		return clip(name, 64), fault.Repeated, ""
	}
	switch {
	case strings.Contains(m, "required"):
		if found := property.FindStringSubmatch(m); found != nil {
			if field == "body" {
				field = found[1]
			} else {
				field += "." + found[1]
			}
		}
		if strings.EqualFold(field, idem.Header) {
			field = idem.Header
		}
		return field, fault.Required, ""
	case strings.Contains(m, "unexpected property"), strings.Contains(m, "unknown query"):
		return field, fault.Unknown, ""
	case strings.Contains(m, "length <="), strings.Contains(m, "array items") && strings.Contains(m, "<="):
		return field, fault.TooLong, number.FindString(m)
	case strings.Contains(m, "length >="):
		return field, fault.TooShort, number.FindString(m)
	case strings.Contains(m, "number <"):
		return field, fault.TooLarge, number.FindString(m)
	case strings.Contains(m, "number >"):
		return field, fault.TooSmall, number.FindString(m)
	case strings.Contains(m, "one of"):
		return field, fault.NotAllowed, ""
	case strings.Contains(m, "multiple of"):
		return field, fault.WrongStep, number.FindString(m)
	case strings.Contains(m, "expected string to be"), strings.Contains(m, "pattern"), strings.Contains(m, "match"):
		return field, fault.WrongFormat, ""
	case strings.Contains(m, "expected"), strings.Contains(m, "invalid"):
		return field, fault.WrongType, ""
	}
	return field, fault.WrongFormat, ""
}
