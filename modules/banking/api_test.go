package banking

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/i18n"
	"jangteo/app/web"
)

func TestAPI(t *testing.T) {
	w := open(t)
	words, err := i18n.Load()
	w.must(err)
	e := web.NewServer(web.ServerOptions{Log: w.kit.Log}, func() *web.Pages { return &web.Pages{Words: words} })
	me := uuid.New()
	r := web.NewRouter(e, web.Gate{Authenticate: func(echo.Context, auth.Kind) (auth.Principal, error) {
		return auth.Principal{Kind: auth.Citizen, ID: me}, nil
	}}, words, "test")
	api := NewAPI(w.Service, func(_ context.Context, citizen uuid.UUID) (string, calendar.Day, error) {
		if citizen != me {
			t.Errorf("asked for %s", citizen)
		}
		return "홍길동", born, nil
	})
	web.JSON(r, web.Route{Method: "GET", Path: "/me/bank-accounts", Access: web.Citizens, Class: web.Read}, api.Accounts)
	web.JSON(r, web.Route{Method: "POST", Path: "/me/bank-accounts", Access: web.Citizens, Class: web.Browse, Status: 201}, api.Link)

	type answer struct {
		AccountReply
		Code   string
		Items  []AccountReply
		Errors []struct{ Field string }
	}
	call := func(method, body string) (status int, a answer) {
		t.Helper()
		request := httptest.NewRequest(method, "/api/v1/me/bank-accounts", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		e.ServeHTTP(recorder, request)
		w.must(json.Unmarshal(recorder.Body.Bytes(), &a))
		return recorder.Code, a
	}
	if status, a := call("GET", ""); status != 200 || a.Items == nil || len(a.Items) != 0 {
		t.Errorf("at first: %d %+v", status, a)
	}
	good := fmt.Sprintf(`{"bank_code":"088","account_number":"%s"}`, citizenNo)
	_, first := call("POST", good)
	status, again := call("POST", good)
	if status != 201 || first.ID == uuid.Nil || again.ID != first.ID || first.BankName != "신한은행" || strings.Contains(first.AccountNumber, citizenNo[4:9]) {
		t.Errorf("linked: %d %+v, then %+v", status, first, again)
	}
	if _, a := call("GET", ""); len(a.Items) != 1 || a.Items[0].ID != first.ID {
		t.Errorf("the list: %+v", a)
	}
	for body, want := range map[string]string{
		`{"account_number":"110123456789"}`:                                      "422 bank_code",
		`{"bank_code":"088"}`:                                                    "422 account_number",
		`{"bank_code":"08x","account_number":"110123456789"}`:                    "422 bank_code",
		`{"bank_code":"0888","account_number":"110123456789"}`:                   "422 bank_code",
		`{"bank_code":88,"account_number":"110123456789"}`:                       "422 bank_code",
		`{"bank_code":"088","account_number":"1"}`:                               "422 account_number",
		`{"bank_code":"088","account_number":"１１０１２３４５６７８９"}`:                    "422 account_number",
		`{"bank_code":"088","account_number":"` + strings.Repeat("1", 33) + `"}`: "422 account_number",
		`{"bank_code":"088","account_number":"110123456789","name":"x"}`:         "422 name",
	} {
		status, a := call("POST", body)
		if got := fmt.Sprint(status); len(a.Errors) == 0 || got+" "+a.Errors[0].Field != want {
			t.Errorf("%s was answered with %d %+v, want %s", body, status, a, want)
		}
	}
	if status, a := call("POST", `{"bank_code":"088","account_number":"99912345678"}`); status != 409 || a.Code != "bank-account-not-found" {
		t.Errorf("an account that the bank does not know: %d %s", status, a.Code)
	}
}
