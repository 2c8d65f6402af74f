package demo

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

// ask sends a request, reads the answer into got (unless nil) and holds its
// status against what is wanted.
func (w world) ask(t *testing.T, method, path, body, token string, status int, got any) string {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	switch {
	case strings.HasPrefix(body, "{"):
		request.Header.Set("Content-Type", "application/json")
	case body != "":
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("Idempotency-Key", uuid.NewString())
	answer := httptest.NewRecorder()
	w.app.Echo.ServeHTTP(answer, request)
	text, _ := io.ReadAll(answer.Body)
	if answer.Code != status {
		t.Fatalf("%s %s answered %d: %s", method, path, answer.Code, text)
	}
	if got != nil {
		if err := json.Unmarshal(text, got); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return string(text)
}

func (w world) logins(t *testing.T) (l Logins) {
	t.Helper()
	w.ask(t, http.MethodGet, "/demo/logins.json", "", "", http.StatusOK, &l)
	return l
}

func (w world) shows(t *testing.T) {
	for path, words := range map[string][]string{
		"/demo":          {"김하늘", "tteokbokki.owner", "chief@yeongdeungpo.example", password, "/demo/close-day"},
		"/demo/messages": {"/demo"},
	} {
		for _, language := range []string{"ko", "en"} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			request.Header.Set("Accept-Language", language)
			answer := httptest.NewRecorder()
			w.app.Echo.ServeHTTP(answer, request)
			page := answer.Body.String()
			if answer.Code != http.StatusOK || !strings.Contains(page, `lang="`+language+`"`) {
				t.Fatalf("%s in %s: %d: %s", path, language, answer.Code, page)
			}
			for _, word := range words {
				if !strings.Contains(page, word) {
					t.Errorf("%s in %s does not show %s", path, language, word)
				}
			}
			if missing := regexp.MustCompile(`demo\.[a-z-]+(\.[a-z0-9-]+)*[<"]`).FindString(page); missing != "" {
				t.Errorf("%s in %s has no words for %s", path, language, missing)
			}
		}
	}
}

func (w world) signsIn(t *testing.T) {
	l := w.logins(t)
	if len(l.Citizens) != 3 || len(l.Merchants) != 8 || len(l.Staff) != 5 || len(l.BankAccounts) != 3 {
		t.Fatalf("%d citizens, %d clerks, %d officials, %d accounts", len(l.Citizens), len(l.Merchants), len(l.Staff), len(l.BankAccounts))
	}
	for _, o := range slices.Concat(l.Staff, l.Operators) {
		if _, err := w.app.Staff.SignIn(t.Context(), o.Login, o.Password); err != nil {
			t.Errorf("%s: %v", o.Login, err)
		}
	}
	for _, m := range l.Merchants {
		if _, err := w.app.Merchants.SignIn(t.Context(), m.Login, m.Password); err != nil {
			t.Errorf("%s: %v", m.Login, err)
		}
		if found, err := w.app.Merchants.Scan(t.Context(), m.QR); err != nil || found.Merchant.ID.String() != m.MerchantID || found.Tenant.String() != m.Tenant {
			t.Errorf("the code of %s says %+v: %v", m.Merchant, found, err)
		}
	}
	for i, c := range l.Citizens {
		if token := w.identify(t, c.Name, c.BirthDate, c.Phone); token == "" {
			t.Errorf("%s is not known", c.Name)
		}
		if c.Balance < namedKeep || l.BankAccounts[i].Balance < 1_000_000 || l.BankAccounts[i].Holder != c.Name {
			t.Errorf("%s has %s in wallets and %s at the bank", c.Name, c.Balance, l.BankAccounts[i].Balance)
		}
	}
}

// identify proves who somebody is with the code that is sent, and returns the
// identity token.
func (w world) identify(t *testing.T, name, born, phone string) string {
	t.Helper()
	var check struct{ ID string }
	w.ask(t, http.MethodPost, "/api/v1/identity-checks", `{"name":"`+name+`","birth_date":"`+born+`","phone":"`+phone+`"}`, "", http.StatusCreated, &check)
	var sent struct{ Items []struct{ Body string } }
	hyphened := phone[:3] + "-" + phone[3:7] + "-" + phone[7:]
	w.ask(t, http.MethodGet, "/demo/messages.json?to="+hyphened, "", "", http.StatusOK, &sent)
	code := regexp.MustCompile(`\d{6}`).FindString(sent.Items[0].Body)
	var token struct {
		IdentityToken string `json:"identity_token"`
	}
	w.ask(t, http.MethodPost, "/api/v1/identity-checks/"+check.ID+"/confirm", `{"code":"`+code+`"}`, "", http.StatusOK, &token)
	return token.IdentityToken
}

// A public key that devices could have; nobody has its other half.
const deviceKey = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`

func (w world) tellsTheStory(t *testing.T) {
	if err := w.app.Sessions.Poll(t.Context()); err != nil { // the clock stands still, so once is enough
		t.Fatal(err)
	}
	identity := w.identify(t, "나새롬", "1995-05-05", "01077770001")
	w.ask(t, http.MethodPost, "/api/v1/citizens", `{"identity_token":"`+identity+`","agreements":["terms","privacy","e-finance"]}`, "", http.StatusCreated, nil)
	var session struct {
		AccessToken string `json:"access_token"`
	}
	w.ask(t, http.MethodPost, "/api/v1/sessions",
		`{"identity_token":"`+identity+`","device":{"public_key":`+deviceKey+`,"name":"test","platform":"web"}}`, "", http.StatusCreated, &session)
	me := session.AccessToken
	var account struct{ ID string }
	w.ask(t, http.MethodPost, "/api/v1/me/bank-accounts", `{"bank_code":"020","account_number":"1002555512345"}`, me, http.StatusCreated, &account)
	var programmes struct {
		Items []struct{ ID string }
	}
	w.ask(t, http.MethodGet, "/api/v1/tenants/11560/programmes", "", "", http.StatusOK, &programmes)
	var bought struct {
		State string
		Paid  int64
	}
	w.ask(t, http.MethodPost, "/api/v1/tenants/11560/purchases",
		`{"programme_id":"`+programmes.Items[0].ID+`","amount":100000,"bank_account_id":"`+account.ID+`"}`, me, http.StatusCreated, &bought)
	if bought.State != "completed" || bought.Paid != 90_000 {
		t.Fatalf("bought: %+v", bought)
	}
	shop := w.logins(t).Merchants[0]
	qr, _ := json.Marshal(shop.QR)
	var payment struct{ ID string }
	w.ask(t, http.MethodPost, "/api/v1/tenants/11560/payments", `{"qr":`+string(qr)+`,"amount":12500}`, me, http.StatusCreated, &payment)
	w.ask(t, http.MethodPost, "/api/v1/tenants/11560/payments/"+payment.ID+"/cancellations", `{"amount":2500}`, me, http.StatusCreated, nil)

	var day closed
	w.ask(t, http.MethodPost, "/demo/close-day.json", `{"tenant":"11560"}`, "", http.StatusOK, &day)
	if day.Day != "2026-11-23" || day.Sales < 12_500 || day.Cancellations < 2_500 {
		t.Errorf("closing the day came to %+v", day)
	}
	var out paidOut
	w.ask(t, http.MethodPost, "/demo/pay-out.json", `{"tenant":"11560"}`, "", http.StatusOK, &out)
	if out.Instructed == 0 || out.Paid != out.Instructed {
		t.Errorf("paying out came to %+v", out)
	}
	ctx := tenant.With(t.Context(), flagship)
	house, err := w.app.Ledger.House(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := w.app.Ledger.Balance(ctx, house.Transit); err != nil || left != 0 {
		t.Errorf("%s are still on their way: %v", left, err)
	}
}

func (w world) refuses(t *testing.T) {
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/demo/close-day.json", `{"tenant":"99999"}`, http.StatusNotFound},
		{"/demo/close-day.json", `{"tenant":"영등포"}`, http.StatusNotFound},
		{"/demo/close-day.json", `{"municipality":"11560"}`, http.StatusBadRequest},
		{"/demo/pay-out.json", `{`, http.StatusBadRequest},
		{"/demo/pay-out.json", `{"tenant":11560}`, http.StatusBadRequest},
		{"/demo/close-day", "tenant=", http.StatusNotFound},
		{"/demo/bank", "kind=burn", http.StatusUnprocessableEntity},
		{"/demo/bank", "kind=late", http.StatusSeeOther},
		{"/demo/bank", "kind=clear", http.StatusSeeOther},
	} {
		w.ask(t, http.MethodPost, c.path, c.body, "", c.status, nil)
	}
	w.ask(t, http.MethodGet, "/demo/messages.json?to="+strings.Repeat("1", 201), "", "", http.StatusUnprocessableEntity, nil)
}
