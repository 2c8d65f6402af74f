package vouchers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"context"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
	"jangteo/app/i18n"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/vouchers"
)

// face is the JSON face of one municipality over HTTP, with the buyer signed in.
type face struct {
	*buyer
	server *echo.Echo
}

func (b *buyer) face() face {
	b.t.Helper()
	words, err := i18n.Load()
	b.must(err)
	e := web.NewServer(web.ServerOptions{Log: b.kit.Log}, func() *web.Pages { return &web.Pages{Words: words} })
	r := web.NewRouter(e, web.Gate{
		Authenticate: func(echo.Context, auth.Kind) (auth.Principal, error) {
			return auth.Principal{Kind: auth.Citizen, ID: b.id}, nil
		},
		Tenant: func(ctx context.Context, id tenant.ID) error { return b.tenants.Known(ctx, id) },
	}, words, "test")
	api := vouchers.NewAPI(b.Service)
	web.JSON(r, web.Route{Method: "GET", Path: "/tenants/{tenant}/programmes", Class: web.Browse}, api.Programmes)
	web.JSON(r, web.Route{Method: "POST", Path: "/tenants/{tenant}/purchases", Access: web.Citizens, Class: web.Buy, Status: 201}, api.Purchase)
	web.JSON(r, web.Route{Method: "GET", Path: "/tenants/{tenant}/purchases/{id}", Access: web.Citizens, Class: web.Read}, api.GetPurchase)
	web.JSON(r, web.Route{Method: "GET", Path: "/me/wallets", Access: web.Citizens, Class: web.Read}, api.Wallets)
	web.JSON(r, web.Route{Method: "GET", Path: "/me/wallets/{id}/lots", Access: web.Citizens, Class: web.Read}, api.Lots)
	web.JSON(r, web.Route{Method: "GET", Path: "/me/wallets/{id}/refund-quote", Access: web.Citizens, Class: web.Read}, api.RefundQuote)
	return face{b, e}
}

// answer is what any of the calls may say.
type answer struct {
	status   int
	replayed string
	Code     string
	ID       uuid.UUID
	State    string
	Amount   int64
	Paid     int64
	Subsidy  int64
	WalletID uuid.UUID `json:"wallet_id"`
	Reason   string
	Lot      struct {
		ID        string
		ExpiresAt time.Time `json:"expires_at"`
	}
	Lots []struct {
		Amount     int64
		Forgone    int64
		StillToUse int64 `json:"still_to_use"`
		Reason     string
	}
	Items []struct {
		ID          string
		Tenant      string
		Balance     int64
		Remaining   int64
		SubsidyLeft bool `json:"subsidy_left"`
		OnSale      bool `json:"on_sale"`
		Policy      struct {
			Clause     string
			DiscountBP int64 `json:"discount_bp"`
		}
	}
	NextCursor string `json:"next_cursor"`
	Errors     []struct{ Field, Reason string }
	Params     struct {
		Rule, Clause, Reason string
		Version              int `json:"policy_version"`
		Remaining            *int64
	}
}

func (f face) call(method, path, key, body string) (a answer) {
	f.t.Helper()
	request := httptest.NewRequest(method, "/api/v1"+path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	recorder := httptest.NewRecorder()
	f.server.ServeHTTP(recorder, request)
	if err := json.Unmarshal(recorder.Body.Bytes(), &a); err != nil {
		f.t.Fatalf("%s %s: %d %s", method, path, recorder.Code, recorder.Body)
	}
	a.status, a.replayed = recorder.Code, recorder.Header().Get("Idempotent-Replayed")
	return a
}

func (f face) purchase(key string, amount int64) answer {
	f.t.Helper()
	return f.call("POST", fmt.Sprintf("/tenants/%s/purchases", f.kit.Tenant), key,
		fmt.Sprintf(`{"programme_id":"%s","amount":%d,"bank_account_id":"%s"}`, f.programme.ID, amount, f.account))
}

func TestAPI(t *testing.T) {
	t.Parallel()
	w := setup(t)
	f := w.buyer(1_000_000).face()

	programmes := f.call("GET", fmt.Sprintf("/tenants/%s/programmes", w.kit.Tenant), "", "")
	if one := programmes.Items; len(one) != 1 || one[0].ID != w.programme.ID.String() || !one[0].SubsidyLeft || !one[0].OnSale ||
		one[0].Policy.Clause != policy().Clause || one[0].Policy.DiscountBP != 1_000 {
		t.Errorf("programmes: %+v", programmes)
	}
	bought := f.purchase("k", 100_000)
	if bought.status != 201 || bought.replayed != "" || bought.State != "completed" || bought.Amount != 100_000 || bought.Paid != 90_000 ||
		bought.Subsidy != 10_000 || bought.WalletID == uuid.Nil || bought.Lot.ID != "1" || bought.Lot.ExpiresAt.IsZero() {
		t.Errorf("bought: %+v", bought)
	}
	again := f.purchase("k", 100_000)
	if again.status != 201 || again.replayed != "true" || again.ID != bought.ID {
		t.Errorf("again: %+v", again)
	}
	if a := f.purchase("k", 110_000); a.status != 409 || a.Code != "idempotency-key-reused" {
		t.Errorf("another body: %+v", a)
	}
	over := f.purchase("over", 500_000)
	if over.status != 409 || over.Code != "limit-exceeded" || over.Params.Rule != "purchase-month" || over.Params.Version != 1 ||
		over.Params.Clause != policy().Clause || over.Params.Remaining == nil || *over.Params.Remaining != 400_000 {
		t.Errorf("over the limit: %+v", over)
	}
	got := f.call("GET", fmt.Sprintf("/tenants/%s/purchases/%s", w.kit.Tenant, bought.ID), "", "")
	if got.status != 200 || got.ID != bought.ID || got.State != "completed" {
		t.Errorf("got: %+v", got)
	}
	if a := f.call("GET", fmt.Sprintf("/tenants/%s/purchases/%s", w.kit.Tenant, id()), "", ""); a.status != 404 || a.Code != "purchase-unknown" {
		t.Errorf("unknown: %+v", a)
	}
	wallets := f.call("GET", "/me/wallets", "", "")
	if len(wallets.Items) != 1 || wallets.Items[0].Balance != 100_000 || wallets.Items[0].Tenant != w.kit.Tenant.String() {
		t.Errorf("wallets: %+v", wallets)
	}
	wallet := "/me/wallets/" + wallets.Items[0].ID
	lots := f.call("GET", wallet+"/lots?limit=1", "", "")
	if len(lots.Items) != 1 || lots.Items[0].Remaining != 100_000 || lots.NextCursor != "1" {
		t.Errorf("lots: %+v", lots)
	}
	if rest := f.call("GET", wallet+"/lots?limit=1&cursor="+lots.NextCursor, "", ""); rest.status != 200 || len(rest.Items) != 0 || rest.NextCursor != "" {
		t.Errorf("the rest: %+v", rest)
	}
	quote := f.call("GET", wallet+"/refund-quote", "", "")
	if quote.Amount != 90_000 || len(quote.Lots) != 1 || quote.Lots[0].Reason != "unused-within-7-days" || quote.Lots[0].Forgone != 10_000 {
		t.Errorf("quote: %+v", quote)
	}
	f.behave(silentExecuted)
	pending := f.purchase("pending", 10_000)
	if pending.status != 202 || pending.State != "pending" {
		t.Errorf("pending: %+v", pending)
	}
	f.behave(honest)
	f.bank.fill(f.number, 0)
	poor := f.purchase("poor", 10_000)
	if poor.status != 409 || poor.Code != "bank-refused" || poor.Params.Reason != "balance-too-low" {
		t.Errorf("poor: %+v", poor)
	}
}

func TestAPIRefusesBadInput(t *testing.T) {
	t.Parallel()
	w := setup(t)
	b := w.buyer(1_000_000)
	f := b.face()
	path := fmt.Sprintf("/tenants/%s/purchases", w.kit.Tenant)
	body := func(programme, amount, account string) string {
		return fmt.Sprintf(`{"programme_id":%s,"amount":%s,"bank_account_id":%s}`, programme, amount, account)
	}
	programme, account := `"`+w.programme.ID.String()+`"`, `"`+b.account.String()+`"`
	for sent, want := range map[string]string{
		body(programme, "0", account):                                               "422 amount",
		body(programme, "-1", account):                                              "422 amount",
		body(programme, "10001", account):                                           "422 amount",
		body(programme, "9000", account):                                            "422 amount",
		body(programme, "99999999999999999999999999", account):                      "4xx",
		body(programme, "1.5", account):                                             "422 amount",
		body(programme, `"10000"`, account):                                         "422 amount",
		body(programme, "null", account):                                            "422 amount",
		body(`"x"`, "10000", account):                                               "4xx",
		body(`7`, "10000", account):                                                 "4xx",
		body(programme, "10000", `"`+strings.Repeat("a", 5000)+`"`):                 "4xx",
		fmt.Sprintf(`{"amount":10000,"bank_account_id":%s}`, account):               "422 programme_id",
		fmt.Sprintf(`{"programme_id":%s,"bank_account_id":%s}`, programme, account): "422 amount",
		fmt.Sprintf(`{"programme_id":%s,"amount":10000}`, programme):                "422 bank_account_id",
		strings.Replace(body(programme, "10000", account), "{", `{"gift":true,`, 1): "422 gift",
		`{`:                        "4xx",
		`[]`:                       "4xx",
		"\xff\xfe":                 "4xx",
		"{\"amount\":\"\\u0000\"}": "4xx",
	} {
		a := f.call("POST", path, "k", sent)
		ok := a.status >= 400 && a.status < 500
		if code, field, given := strings.Cut(want, " "); given {
			ok = fmt.Sprint(a.status) == code && len(a.Errors) > 0 && a.Errors[0].Field == field
		}
		if !ok {
			t.Errorf("%.90q was answered with %d %s %+v, want %s", sent, a.status, a.Code, a.Errors, want)
		}
	}
	good := body(programme, "10000", account)
	for key, want := range map[string]string{"": "idempotency-key-missing", "a b": "idempotency-key-invalid", strings.Repeat("k", 129): "idempotency-key-invalid"} {
		if a := f.call("POST", path, key, good); a.status != http.StatusBadRequest || a.Code != want {
			t.Errorf("key %.10q was answered with %d %s", key, a.status, a.Code)
		}
	}
	for _, path := range []string{
		"/me/wallets/x/lots", "/me/wallets/" + id().String() + "/lots", "/me/wallets/" + id().String() + "/refund-quote",
		"/me/wallets/" + id().String() + "/lots?limit=0", "/me/wallets/" + id().String() + "/lots?cursor=-1",
		"/me/wallets/" + id().String() + "/lots?cursor=9999999999", "/me/wallets?x=1", "/tenants/99999/programmes", "/tenants/abc/programmes",
	} {
		if a := f.call("GET", path, "", ""); a.status < 400 || a.status > 499 || a.Code == "" {
			t.Errorf("%s was answered with %d %s", path, a.status, a.Code)
		}
	}
	w.untouched(b)
}

// The rules of the act and the standard terms: an unused lot within seven days in full; the rest once the
// ordinance's share, or four fifths of a small lot, is used; never the subsidy.
func TestRefundQuote(t *testing.T) {
	t.Parallel()
	w := setup(t)
	rules := policy()
	rules.RefundUsedBP, rules.PurchaseMin, rules.PurchaseStep = 6_000, 1_000, 1_000
	var err error
	w.programme, err = w.Open(w.ctx, vouchers.ProgrammeInput{Kind: vouchers.Discount, Name: "시험", NameEn: "Test", Policy: rules})
	w.must(err)
	for name, c := range map[string]struct {
		face, spent, days int64
		amount, missing   int64
		reason            vouchers.RefundReason
	}{
		"unused on the first day":            {100_000, 0, 0, 90_000, 0, vouchers.RefundUnused},
		"unused on the last of seven days":   {100_000, 0, 6, 90_000, 0, vouchers.RefundUnused},
		"unused after seven days":            {100_000, 0, 7, 0, 60_000, vouchers.RefundUsedLess},
		"a little used on the first day":     {100_000, 1, 0, 0, 59_999, vouchers.RefundUsedLess},
		"one won less than the share":        {100_000, 59_999, 0, 0, 1, vouchers.RefundUsedLess},
		"exactly the share":                  {100_000, 60_000, 0, 36_000, 0, vouchers.RefundUsed},
		"much later":                         {100_000, 75_000, 300, 22_500, 0, vouchers.RefundUsed},
		"a won left: its discount is less":   {100_000, 99_999, 0, 1, 0, vouchers.RefundUsed},
		"a small lot at the ordinance share": {10_000, 6_000, 0, 0, 2_000, vouchers.RefundUsedLess},
		"a small lot at four fifths":         {10_000, 8_000, 0, 1_800, 0, vouchers.RefundUsed},
		"just above a small lot":             {11_000, 6_600, 0, 3_960, 0, vouchers.RefundUsed},
		"expired":                            {100_000, 70_000, 366 * 5, 0, 0, vouchers.RefundExpired},
	} {
		b := w.buyer(1_000_000)
		wallet := b.buy(money.Amount(c.face)).WalletID
		if c.spent > 0 {
			w.spend(wallet, money.Amount(c.spent))
		}
		w.kit.Clock.Advance(time.Duration(c.days) * 24 * time.Hour)
		q, err := w.RefundQuote(t.Context(), b.id, wallet)
		w.must(err)
		w.kit.Clock.Advance(-time.Duration(c.days) * 24 * time.Hour)
		if len(q.Lots) != 1 || int64(q.Amount) != c.amount || q.Lots[0].Amount != q.Amount || int64(q.Lots[0].StillToUse) != c.missing ||
			q.Lots[0].Reason != c.reason || q.Policy.Clause != rules.Clause {
			t.Errorf("%s: %+v", name, q)
		}
		if left := q.Lots[0]; left.Refundable && left.Amount+left.Forgone != left.Remaining {
			t.Errorf("%s: %s and %s are not the %s that are left", name, left.Amount, left.Forgone, left.Remaining)
		}
	}
	if _, err := w.RefundQuote(t.Context(), uuid.New(), id()); !errors.Is(err, vouchers.ErrWalletUnknown) {
		t.Errorf("an unknown wallet was answered with %v", err)
	}
}
