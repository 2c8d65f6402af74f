package sessions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/i18n"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/citizens"
	"jangteo/modules/sessions"
	"jangteo/static"
	"jangteo/templates"
)

// site serves the module's pages and API as the program does.
type site struct {
	house
	*httptest.Server
	pages *sessions.Pages
}

func openSite(t *testing.T) site {
	t.Helper()
	h, _ := open(t)
	return siteOf(t, h)
}

// siteOf serves a house; twice is two servers of one database.
func siteOf(t *testing.T, h house) site {
	t.Helper()
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	shown, err := web.LoadPages(templates.Files, words, static.Path)
	if err != nil {
		t.Fatal(err)
	}
	shown.Frame = func(c echo.Context) web.Frame { return web.Frame{Lang: web.Lang(c), Expires: sessions.Expires(c)} }
	p := sessions.NewPages(h.Service, shown, false)
	e := web.NewServer(web.ServerOptions{Log: h.Log}, func() *web.Pages { return shown })
	gate := web.Gate{
		Authenticate: func(c echo.Context, _ auth.Kind) (auth.Principal, error) { return p.Authenticate(c) },
		Tenant:       func(context.Context, tenant.ID) error { return nil },
		SignIn:       map[auth.Kind]string{auth.Citizen: "/sign-in"},
	}
	r := web.NewRouter(e, gate, words, "test")
	people, logins := citizens.NewAPI(h.citizens), sessions.NewAPI(h.Service)
	web.JSON(r, web.Route{Method: "POST", Path: "/identity-checks", Status: 201}, people.StartCheck)
	web.JSON(r, web.Route{Method: "POST", Path: "/identity-checks/{id}/confirm"}, people.ConfirmCheck)
	web.JSON(r, web.Route{Method: "POST", Path: "/citizens", Status: 201}, people.Join)
	web.JSON(r, web.Route{Method: "GET", Path: "/me", Access: web.Citizens}, people.Me)
	web.JSON(r, web.Route{Method: "POST", Path: "/sessions", Status: 201}, logins.Begin)
	web.JSON(r, web.Route{Method: "POST", Path: "/sessions/refresh"}, logins.Refresh)
	web.JSON(r, web.Route{Method: "POST", Path: "/sessions/challenges"}, logins.Challenge)
	web.JSON(r, web.Route{Method: "POST", Path: "/sessions/resume"}, logins.Resume)
	web.JSON(r, web.Route{Method: "GET", Path: "/me/sessions", Access: web.Citizens}, logins.List)
	web.JSON(r, web.Route{Method: "GET", Path: "/me/security-events", Access: web.Citizens}, logins.Events)
	web.JSON(r, web.Route{Method: "DELETE", Path: "/me/sessions/{id}", Access: web.Citizens, Status: 204}, logins.Revoke)
	web.JSON(r, web.Route{Method: "POST", Path: "/me/lock", Access: web.Citizens}, logins.Lock)
	for path, handlers := range map[string][2]echo.HandlerFunc{
		"/sign-in": {p.SignIn, p.Start}, "/sign-in/code": {p.Code, p.Confirm}, "/sign-in/agreements": {p.Agreements, p.Agree},
		"/sign-in/device": {p.Device, p.Bind}, "/sign-in/not-me": {nil, p.NotMe}, "/sign-in/locked": {p.Locked, nil},
		"/my/session/refresh": {nil, p.Refresh}, "/my/session/challenge": {nil, p.Challenge}, "/my/session/resume": {nil, p.Resume},
	} {
		for i, method := range []string{"GET", "POST"} {
			if handlers[i] != nil {
				r.Page(web.Route{Method: method, Path: path}, handlers[i])
			}
		}
	}
	r.Page(web.Route{Method: "GET", Path: "/my/security", Access: web.Citizens}, p.Security)
	r.Page(web.Route{Method: "POST", Path: "/my/security/sessions/{id}/end", Access: web.Citizens}, p.Revoke)
	r.Page(web.Route{Method: "GET", Path: "/my/security/lock", Access: web.Citizens}, p.AskLock)
	r.Page(web.Route{Method: "POST", Path: "/my/security/lock", Access: web.Citizens}, p.Lock)
	r.Page(web.Route{Method: "POST", Path: "/my/sign-out"}, p.SignOut)
	s := site{h, httptest.NewServer(e), p}
	t.Cleanup(s.Close)
	return s
}

// call sends JSON and reads JSON.
func (s site) call(t *testing.T, method, path, bearer string, body any) (status int, answer map[string]any) {
	t.Helper()
	var sent []byte
	switch b := body.(type) {
	case nil:
	case string:
		sent = []byte(b)
	default:
		sent, _ = json.Marshal(b)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/api/v1"+path, bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	raw, _ := io.ReadAll(w.Body)
	if len(raw) > 0 && json.Unmarshal(raw, &answer) != nil {
		t.Fatalf("%s %s answered %s", method, path, raw)
	}
	return w.StatusCode, answer
}

type object = map[string]any

func text(t *testing.T, from object, name string) string {
	t.Helper()
	value, ok := from[name].(string)
	if !ok {
		t.Fatalf("no %s in %v", name, from)
	}
	return value
}

func device(p phone) object {
	return object{"public_key": json.RawMessage(p.PublicKey), "name": p.Name, "platform": p.Platform}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	number := fmt.Sprintf("010-%04d-%04d", 5000, numbers.Add(1))
	status, check := s.call(t, "POST", "/identity-checks", "", object{"name": "홍길동", "birth_date": "19900131", "phone": number})
	if status != 201 || check["expires_at"] == nil {
		t.Fatal(status, check)
	}
	status, confirmed := s.call(t, "POST", "/identity-checks/"+text(t, check, "id")+"/confirm", "", object{"code": "123456"})
	if status != 200 {
		t.Fatal(status, confirmed)
	}
	token := text(t, confirmed, "identity_token")
	mine, other := newPhone(t, "Galaxy S25"), newPhone(t, "iPhone 20")

	if status, problem := s.call(t, "POST", "/sessions", "", object{"identity_token": token, "device": device(mine)}); status != 409 || problem["code"] != "citizen-not-joined" {
		t.Fatal(status, problem)
	}
	for name, agreements := range map[string]any{"an empty list": []string{}, "one refused": object{"terms": true, "privacy": true, "e-finance": false}} {
		if status, problem := s.call(t, "POST", "/citizens", "", object{"identity_token": token, "agreements": agreements}); status != 422 || problem["code"] != "agreement-missing" {
			t.Error(name, status, problem)
		}
	}
	status, joined := s.call(t, "POST", "/citizens", "", object{"identity_token": token, "agreements": object{"terms": true, "privacy": true, "e-finance": true}})
	if status != 201 {
		t.Fatal(status, joined)
	}
	status, again := s.call(t, "POST", "/citizens", "", object{"identity_token": token, "agreements": []string{"terms", "privacy", "e-finance"}})
	if status != 200 || again["id"] != joined["id"] {
		t.Fatal(status, again)
	}
	status, begun := s.call(t, "POST", "/sessions", "", object{"identity_token": token, "device": device(mine)})
	if status != 201 || fmt.Sprint(begun["expires_in"]) != "300" || begun["token_type"] != "Bearer" {
		t.Fatal(status, begun)
	}
	access, refresh := text(t, begun, "access_token"), text(t, begun, "refresh_token")
	session := begun["session"].(object)
	if status, problem := s.call(t, "POST", "/sessions", "", object{"identity_token": token, "device": device(mine)}); status != 401 || problem["code"] != "identity-token-invalid" {
		t.Fatal(status, problem)
	}
	status, me := s.call(t, "GET", "/me", access, nil)
	if status != 200 || me["id"] != joined["id"] || me["name"] != "홍*동" || len(me["agreements"].([]any)) != 3 {
		t.Fatal(status, me)
	}
	status, renewed := s.call(t, "POST", "/sessions/refresh", "", object{"refresh_token": refresh})
	if status != 200 || renewed["refresh_token"] == refresh {
		t.Fatal(status, renewed)
	}
	status, challenge := s.call(t, "POST", "/sessions/challenges", "", object{"device_id": session["device_id"]})
	if status != 200 {
		t.Fatal(status, challenge)
	}
	status, resumed := s.call(t, "POST", "/sessions/resume", "", object{
		"device_id": session["device_id"], "challenge": challenge["challenge"], "signature": mine.sign(text(t, challenge, "challenge")),
	})
	if status != 200 || resumed["session"].(object)["id"] != session["id"] {
		t.Fatal(status, resumed)
	}
	second := s.identityToken(t, strings.ReplaceAll(number, "-", ""))
	status, elsewhere := s.call(t, "POST", "/sessions", "", object{"identity_token": second, "device": device(other)})
	if status != 201 || elsewhere["ended"].(object)["code"] != "session-superseded" {
		t.Fatal(status, elsewhere)
	}
	for _, path := range []string{"/me", "/me/sessions"} {
		status, problem := s.call(t, "GET", path, access, nil)
		if status != 401 || problem["code"] != "session-superseded" || problem["initiator"] != "user" || problem["ended_at"] == nil {
			t.Fatal(status, problem)
		}
	}
	access = text(t, elsewhere, "access_token")
	status, list := s.call(t, "GET", "/me/sessions", access, nil)
	items := list["items"].([]any)
	if status != 200 || len(items) != 2 || items[0].(object)["current"] != true || items[1].(object)["ended"].(object)["by_device"] != "iPhone 20" {
		t.Fatal(status, list)
	}
	status, events := s.call(t, "GET", "/me/security-events?limit=2", access, nil)
	if status != 200 || len(events["items"].([]any)) != 2 || events["next_cursor"] == nil {
		t.Fatal(status, events)
	}
	if status, more := s.call(t, "GET", "/me/security-events?cursor="+text(t, events, "next_cursor"), access, nil); status != 200 || more["next_cursor"] != nil || len(more["items"].([]any)) == 0 {
		t.Fatal(status, more)
	}
	if status, locked := s.call(t, "POST", "/me/lock", access, nil); status != 200 || locked["case_no"] == nil {
		t.Fatal(status, locked)
	}
	if status, problem := s.call(t, "GET", "/me", access, nil); status != 403 || problem["code"] != "account-locked" || !strings.Contains(text(t, problem, "detail"), "L-2026-11-18-") {
		t.Fatal(status, problem)
	}
}

func TestAPIRefusesWhatCannotBeTaken(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	citizen, _ := s.citizen(t)
	mine := newPhone(t, "a")
	begun := s.begin(t, citizen, mine)
	long := strings.Repeat("x", 300)
	for name, x := range map[string]struct {
		method, path string
		body         any
		status       int
		field        string
	}{
		"no body":                  {"POST", "/identity-checks", nil, 400, ""},
		"broken JSON":              {"POST", "/identity-checks", "{", 400, ""},
		"a list":                   {"POST", "/identity-checks", "[]", 422, "body"},
		"no name":                  {"POST", "/identity-checks", object{"birth_date": "1990-01-31", "phone": "01012345678"}, 422, "name"},
		"a name that is a number":  {"POST", "/identity-checks", object{"name": 7, "birth_date": "1990-01-31", "phone": "01012345678"}, 422, "name"},
		"a long name":              {"POST", "/identity-checks", object{"name": long, "birth_date": "1990-01-31", "phone": "01012345678"}, 422, "name"},
		"a name with a NUL":        {"POST", "/identity-checks", `{"name":"a\u0000b","birth_date":"1990-01-31","phone":"01012345678"}`, 400, ""},
		"a name with a bell":       {"POST", "/identity-checks", `{"name":"a\u0007b","birth_date":"1990-01-31","phone":"01012345678"}`, 422, "name"},
		"a short birthday":         {"POST", "/identity-checks", object{"name": "a", "birth_date": "900131", "phone": "01012345678"}, 422, "birth_date"},
		"an odd birthday":          {"POST", "/identity-checks", object{"name": "a", "birth_date": "31.01.1990", "phone": "01012345678"}, 422, "birth_date"},
		"an unknown field":         {"POST", "/identity-checks", object{"name": "a", "birth_date": "1990-01-31", "phone": "01012345678", "x": 1}, 422, "x"},
		"a check that is no id":    {"POST", "/identity-checks/7/confirm", object{"code": "123456"}, 422, "id"},
		"an unknown check":         {"POST", "/identity-checks/" + uuid.NewString() + "/confirm", object{"code": "123456"}, 404, ""},
		"a code of letters":        {"POST", "/identity-checks/" + uuid.NewString() + "/confirm", object{"code": "abcdef"}, 422, "code"},
		"a made-up token":          {"POST", "/citizens", object{"identity_token": "x", "agreements": []string{"terms", "privacy", "e-finance"}}, 401, ""},
		"agreements as a number":   {"POST", "/citizens", object{"identity_token": "x", "agreements": 1}, 422, "agreements"},
		"agreements null":          {"POST", "/citizens", object{"identity_token": "x", "agreements": nil}, 422, "agreements"},
		"agreements by numbers":    {"POST", "/citizens", object{"identity_token": "x", "agreements": []int{1}}, 422, "agreements"},
		"no device":                {"POST", "/sessions", object{"identity_token": "x"}, 422, "device"},
		"no key":                   {"POST", "/sessions", object{"identity_token": "x", "device": object{"name": "a", "platform": "b"}}, 422, "device.public_key"},
		"a key that is text":       {"POST", "/sessions", object{"identity_token": "x", "device": object{"public_key": "x", "name": "a", "platform": "b"}}, 422, "device.public_key"},
		"an empty key":             {"POST", "/sessions", object{"identity_token": "x", "device": object{"public_key": object{}, "name": "a", "platform": "b"}}, 422, "device.public_key"},
		"a long device name":       {"POST", "/sessions", object{"identity_token": "x", "device": object{"public_key": json.RawMessage(mine.PublicKey), "name": long, "platform": "b"}}, 422, "device.name"},
		"a made-up refresh token":  {"POST", "/sessions/refresh", object{"refresh_token": "x"}, 401, ""},
		"a device that is no id":   {"POST", "/sessions/challenges", object{"device_id": "x"}, 422, "device_id"},
		"a made-up proof":          {"POST", "/sessions/resume", object{"device_id": uuid.NewString(), "challenge": "x", "signature": "y"}, 401, ""},
		"an odd cursor":            {"GET", "/me/security-events?cursor=x", nil, 422, "cursor"},
		"a limit of nothing":       {"GET", "/me/security-events?limit=0", nil, 422, "limit"},
		"an unknown session":       {"DELETE", "/me/sessions/" + uuid.NewString(), nil, 404, ""},
		"a session that is no id":  {"DELETE", "/me/sessions/x", nil, 422, "id"},
		"a phone that nobody has":  {"POST", "/identity-checks", object{"name": "a", "birth_date": "1990-01-31", "phone": "0212345678"}, 422, "phone"},
		"a private key":            {"POST", "/sessions", object{"identity_token": "x", "device": object{"public_key": object{"kty": "EC", "d": "x"}, "name": "a", "platform": "b"}}, 422, "device.public_key"},
		"a name of the wrong kind": {"POST", "/sessions", object{"identity_token": "x", "device": object{"public_key": json.RawMessage(mine.PublicKey), "name": 1, "platform": "b"}}, 422, "device.name"},
	} {
		t.Run(name, func(t *testing.T) {
			bearer := ""
			if strings.HasPrefix(x.path, "/me") {
				bearer = begun.Access
			}
			status, problem := s.call(t, x.method, x.path, bearer, x.body)
			fields := fmt.Sprint(problem["errors"])
			if status != x.status || x.field != "" && !strings.Contains(fields, "field:"+x.field+" ") {
				t.Errorf("%d %v", status, problem)
			}
		})
	}
	for _, path := range []string{"/me", "/me/sessions", "/me/security-events"} {
		for _, bearer := range []string{"", "x", "a.b.c"} {
			if status, problem := s.call(t, "GET", path, bearer, nil); status != 401 || problem["code"] != "sign-in-required" {
				t.Errorf("%s: %d %v", path, status, problem)
			}
		}
	}
}

// browser keeps cookies and does not follow redirects.
type browser struct {
	site
	http.Client
}

func (s site) browser(t *testing.T) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return browser{s, http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b browser) open(t *testing.T, path string) (status int, body, to string) {
	t.Helper()
	return b.do(t, http.MethodGet, path, "", "")
}

func (b browser) post(t *testing.T, path string, form url.Values) (status int, body, to string) {
	t.Helper()
	return b.do(t, http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
}

func (b browser) do(t *testing.T, method, path, kind, body string) (status int, answer, to string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if kind == "application/json" {
		r.Header.Set("Accept", kind)
	}
	w, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	raw, _ := io.ReadAll(w.Body)
	return w.StatusCode, string(raw), w.Header.Get("Location")
}

func (b browser) drop(t *testing.T, names ...string) {
	t.Helper()
	at, _ := url.Parse(b.URL)
	for _, name := range names {
		b.Jar.SetCookies(at, []*http.Cookie{{Name: name, Path: "/", MaxAge: -1}})
	}
}

func expect(t *testing.T, status int, body, to string, wantStatus int, want string) {
	t.Helper()
	if status != wantStatus || !strings.Contains(body+" "+to, want) {
		t.Fatalf("got %d to %q, want %d with %q: %s", status, to, wantStatus, want, body)
	}
}

func (b browser) signIn(t *testing.T, number, next string, with phone) {
	t.Helper()
	b.open(t, "/sign-in?next="+url.QueryEscape(next))
	status, body, to := b.post(t, "/sign-in", url.Values{"name": {"홍길동"}, "birth_date": {"1990.01.31"}, "phone": {number}})
	expect(t, status, body, to, 303, "/sign-in/code")
	status, body, to = b.open(t, "/sign-in/code")
	expect(t, status, body, to, 200, "010-****-")
	status, body, to = b.post(t, "/sign-in/code", url.Values{"code": {"123456"}})
	if to == "/sign-in/agreements" {
		status, body, to = b.open(t, to)
		expect(t, status, body, to, 200, "agree_privacy")
		status, body, to = b.post(t, "/sign-in/agreements", url.Values{"agree_terms": {"yes"}})
		expect(t, status, body, to, 422, "agree_privacy-error")
		status, body, to = b.post(t, "/sign-in/agreements", url.Values{"agree_terms": {"yes"}, "agree_privacy": {"yes"}, "agree_e-finance": {"yes"}})
	}
	expect(t, status, body, to, 303, "/sign-in/device")
	status, body, to = b.open(t, "/sign-in/device")
	expect(t, status, body, to, 200, "data-device-key")
	status, body, to = b.post(t, "/sign-in/device", url.Values{"device_public_key": {""}})
	expect(t, status, body, to, 422, "이 브라우저는 기기 열쇠를 만들 수 없어요")
	status, body, to = b.post(t, "/sign-in/device", url.Values{"device_public_key": {string(with.PublicKey)}, "device_name": {with.Name}, "device_platform": {with.Platform}})
	expect(t, status, body, to, 303, next)
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	b := s.browser(t)
	number := fmt.Sprintf("0106%07d", numbers.Add(1))
	mine := newPhone(t, "Chrome · Android")

	status, body, to := b.open(t, "/my/security")
	expect(t, status, body, to, 303, "/sign-in?next=%2Fmy%2Fsecurity")
	for _, path := range []string{"/sign-in/code", "/sign-in/agreements"} {
		status, body, to = b.open(t, path)
		expect(t, status, body, to, 303, "/sign-in")
	}
	status, body, to = b.post(t, "/sign-in", url.Values{"name": {""}, "birth_date": {"x"}, "phone": {"1"}})
	for _, field := range []string{"name", "birth_date", "phone"} { // every one at once
		expect(t, status, body, to, 422, field+"-error")
	}
	b.signIn(t, number, "/my/security", mine)
	status, body, to = b.open(t, "/my/security")
	expect(t, status, body, to, 200, "Chrome · Android")
	if !strings.Contains(body, `data-session-expires="2026-11-18T03:05:00Z"`) {
		t.Error("the page does not know when to renew")
	}
	status, body, to = b.open(t, "/sign-in")
	expect(t, status, body, to, 303, "/my")

	t.Run("a page renews an ended access token by itself", func(t *testing.T) {
		s.later(t, 6*time.Minute)
		b.drop(t, "jangteo_access")
		status, body, to := b.open(t, "/my/security")
		expect(t, status, body, to, 200, `data-session-expires="2026-11-18T03:11:00Z"`)
		status, body, to = b.do(t, "POST", "/my/session/refresh", "application/json", "{}")
		expect(t, status, body, to, 200, "expires_at")
	})
	t.Run("a lost access token goes on by the device's key", func(t *testing.T) {
		b.drop(t, "jangteo_access")
		status, body, to := b.do(t, "POST", "/my/session/challenge", "application/json", "{}")
		expect(t, status, body, to, 200, "challenge")
		var c struct {
			Challenge string    `json:"challenge"`
			DeviceID  uuid.UUID `json:"device_id"`
		}
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			t.Fatal(err)
		}
		proof, _ := json.Marshal(object{"device_id": c.DeviceID, "challenge": c.Challenge, "signature": mine.sign(c.Challenge)})
		status, body, to = b.do(t, "POST", "/my/session/resume", "application/json", string(proof))
		expect(t, status, body, to, 200, "expires_at")
		status, body, to = b.do(t, "POST", "/my/session/resume", "application/json", string(proof))
		expect(t, status, body, to, 401, "")
		status, body, to = b.open(t, "/my/security")
		expect(t, status, body, to, 200, "Chrome · Android")
	})
	t.Run("another phone asks first, and the first is told the truth", func(t *testing.T) {
		second := s.browser(t)
		second.open(t, "/sign-in")
		second.post(t, "/sign-in", url.Values{"name": {"홍길동"}, "birth_date": {"1990-01-31"}, "phone": {number}})
		second.post(t, "/sign-in/code", url.Values{"code": {"123456"}})
		status, body, to := second.open(t, "/sign-in/device")
		expect(t, status, body, to, 200, "Chrome · Android에서 로그인되어 있어요")
		other := newPhone(t, "Safari · iOS")
		status, body, to = second.post(t, "/sign-in/device", url.Values{"device_public_key": {string(other.PublicKey)}, "device_name": {other.Name}, "device_platform": {other.Platform}})
		expect(t, status, body, to, 303, "/my")

		status, body, to = b.open(t, "/my/security")
		expect(t, status, body, to, 303, "/sign-in?next=")
		status, body, to = b.open(t, to)
		expect(t, status, body, to, 200, "내가 아니에요")
		if strings.Contains(body, "Safari") || strings.Contains(body, "data-resume") {
			t.Error("the cookie alone told which device, or tries to go on")
		}
		status, body, to = b.do(t, "POST", "/my/session/refresh", "application/json", "{}")
		expect(t, status, body, to, 401, "")

		status, body, to = b.post(t, "/sign-in/not-me", url.Values{})
		expect(t, status, body, to, 303, "/sign-in/locked")
		status, body, to = second.open(t, "/my/security")
		expect(t, status, body, to, 303, "/sign-in")
		status, body, to = second.open(t, to)
		expect(t, status, body, to, 200, "접수번호 L-2026-11-18-")
	})
	t.Run("signing out forgets the cookies and ends the session", func(t *testing.T) {
		b := s.browser(t)
		b.signIn(t, fmt.Sprintf("0106%07d", numbers.Add(1)), "/my", newPhone(t, "a"))
		status, body, to := b.post(t, "/my/sign-out", url.Values{})
		expect(t, status, body, to, 303, "/")
		status, body, to = b.post(t, "/my/sign-out", url.Values{}) // again, by nobody
		expect(t, status, body, to, 303, "/")
		at, _ := url.Parse(b.URL)
		for _, cookie := range b.Jar.Cookies(at) {
			if cookie.Name == "jangteo_access" || cookie.Name == "jangteo_refresh" {
				t.Errorf("%s is still there", cookie.Name)
			}
		}
	})
	t.Run("locking tells the case number on the sign-in page", func(t *testing.T) {
		b := s.browser(t)
		b.signIn(t, fmt.Sprintf("0106%07d", numbers.Add(1)), "/my", newPhone(t, "a"))
		status, body, to := b.open(t, "/my/security/lock")
		expect(t, status, body, to, 200, "지금 잠그기")
		status, body, to = b.post(t, "/my/security/lock", url.Values{})
		expect(t, status, body, to, 303, "/sign-in")
		status, body, to = b.open(t, "/sign-in")
		expect(t, status, body, to, 200, "접수번호 L-")
	})
	t.Run("never sends anybody to another site", func(t *testing.T) {
		b := s.browser(t)
		b.open(t, "/sign-in?next="+url.QueryEscape("//evil.example/"))
		b.post(t, "/sign-in", url.Values{"name": {"홍길동"}, "birth_date": {"1990-01-31"}, "phone": {fmt.Sprintf("0106%07d", numbers.Add(1))}})
		b.post(t, "/sign-in/code", url.Values{"code": {"123456"}})
		b.post(t, "/sign-in/agreements", url.Values{"agree_terms": {"yes"}, "agree_privacy": {"yes"}, "agree_e-finance": {"yes"}})
		p := newPhone(t, "a")
		status, _, to := b.post(t, "/sign-in/device", url.Values{"device_public_key": {string(p.PublicKey)}, "device_name": {"a"}, "device_platform": {"b"}})
		if status != 303 || to != "/my" {
			t.Errorf("sent to %s", to)
		}
	})
	t.Run("English has every word", func(t *testing.T) {
		b := s.browser(t)
		at, _ := url.Parse(b.URL)
		b.Jar.SetCookies(at, []*http.Cookie{{Name: "lang", Value: "en", Path: "/"}})
		_, body, _ := b.open(t, "/sign-in")
		if !strings.Contains(body, "Send me a code") || strings.Contains(body, "sessions.") {
			t.Error(body)
		}
	})
}

func TestWordsOfEndings(t *testing.T) {
	t.Parallel()
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range i18n.Languages {
		for _, code := range sessions.Codes() {
			for _, key := range []string{"problem." + code + ".title", "problem." + code + ".detail", "sessions.ending." + code, "sessions.event." + code} {
				if !words.Has(lang, key) {
					t.Errorf("%s: no %s", lang, key)
				}
			}
			if detail := words.T(lang, "problem."+code+".detail"); code != "session-superseded" && strings.Contains(detail, map[string]string{"ko": "다른 기기에서 로그인", "en": "on another device"}[lang]) {
				t.Errorf("%s: %s speaks of another device", lang, code)
			}
		}
	}
}

// "It was not me" on the security page names the sign-in, locks the account and
// opens a case with it.
func TestNotMine(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	citizen, _ := h.citizen(t)
	thief := h.begin(t, citizen, newPhone(t, "모르는 기기"))
	mine := h.begin(t, citizen, newPhone(t, "내 기기"))
	neighbour, _ := h.citizen(t)
	theirs := h.begin(t, neighbour, newPhone(t, "이웃"))
	for _, suspect := range []uuid.UUID{theirs.Session.ID, mine.Session.ID, uuid.New()} {
		_, err := h.NotMine(ctx, citizen, mine.Session.ID, suspect)
		is(t, err, sessions.ErrSessionUnknown)
	}
	locked, err := h.NotMine(ctx, citizen, mine.Session.ID, thief.Session.ID)
	must(t, err)
	if _, err := h.Verify(mine.Access); !errors.Is(err, citizens.ErrLocked) {
		t.Errorf("the account is not locked: %v", err)
	}
	list, err := h.Cases(ctx)
	must(t, err)
	for _, c := range list {
		if c.CitizenID == citizen {
			if c.CaseNo != *locked.LockCase || c.Kind != sessions.CaseNotMe || c.SuspectID == nil || *c.SuspectID != thief.Session.ID || *c.SessionID != mine.Session.ID {
				t.Errorf("the case: %+v", c)
			}
			return
		}
	}
	t.Error("no case was opened")
}
