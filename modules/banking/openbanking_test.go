package banking

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/testkit"
)

const ownID = "M202600001U000000001"

// stub answers every call with the same bytes.
func stub(t *testing.T, status int, body string) *OpenBanking {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/2.0/token" {
			_, _ = io.WriteString(w, `{"access_token":"t","expires_in":3600}`)
			return
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	adapter := NewOpenBanking(OpenBankingConfig{URL: server.URL, ClientID: "a", ClientSecret: "b", Timeout: 2 * time.Second}, testkit.NewClock().Now)
	t.Cleanup(adapter.Close)
	return adapter
}

func TestAnAnswerThatDoesNotDecideThisInstructionDecidesNothing(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf(`{"rsp_code":"A0000","bank_rsp_code":"000","bank_tran_id":%q,"tran_amt":"1000"}`, ownID)
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"nothing":                 {200, ""},
		"a page":                  {200, "<html>점검 중입니다</html>"},
		"half of it":              {200, good[:len(good)/2]},
		"no codes":                {200, `{}`},
		"one code":                {200, `{"rsp_code":"A0000"}`},
		"the other code":          {200, `{"bank_rsp_code":"000"}`},
		"an unheard code":         {200, `{"rsp_code":"A9999","bank_rsp_code":"999"}`},
		"codes that disagree":     {200, strings.Replace(good, `"000"`, `"320"`, 1)},
		"another's number":        {200, strings.Replace(good, ownID, "M202600001U000000002", 1)},
		"another amount":          {200, strings.Replace(good, "1000", "10000", 1)},
		"codes of a wrong type":   {200, `{"rsp_code":0,"bank_rsp_code":0}`},
		"a redirect":              {307, good},
		"a success that is a 500": {500, good},
		"a 404":                   {404, "not found"},
		"a refusal that is a 502": {502, `{"rsp_code":"A0002","bank_rsp_code":"320"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			adapter := stub(t, answer.status, answer.body)
			call := Call{ownID, testkit.Noon}
			var unknown *UnknownError
			if err := adapter.Withdraw(t.Context(), call, 1000, Route{FundAccount: "1"}); !errors.As(err, &unknown) {
				t.Errorf("withdrawing: %v", err)
			}
			if err := adapter.Deposit(t.Context(), call, 1000, Route{FundAccount: "1"}); !errors.As(err, &unknown) {
				t.Errorf("depositing: %v", err)
			}
			if err := adapter.Result(t.Context(), call, Withdraw, 1000, calendar.DayOf(testkit.Noon)); !errors.As(err, &unknown) {
				t.Errorf("inquiring: %v", err)
			}
		})
	}
}

func TestATokenThatIsNeverAcceptedSendsNothing(t *testing.T) {
	t.Parallel()
	adapter := stub(t, http.StatusUnauthorized, `{"rsp_code":"O0002"}`)
	var notSent *NotSentError
	if err := adapter.Withdraw(t.Context(), Call{ownID, testkit.Noon}, 1000, Route{}); !errors.As(err, &notSent) {
		t.Errorf("%v", err)
	}
}

// Whatever a bank answers: success is exactly the two codes for this very
// instruction, and a refusal is never read out of silence.
func FuzzAnswer(f *testing.F) {
	f.Add(`{"rsp_code":"A0000","bank_rsp_code":"000","bank_tran_id":"` + ownID + `","tran_amt":"1000"}`)
	f.Add(`{"rsp_code":"A0000","res_list":[{"bank_rsp_code":"000","bank_tran_id":"` + ownID + `","tran_amt":"1000"}]}`)
	f.Add(`{"rsp_code":"A0002","bank_rsp_code":"320"}`)
	f.Add(`{"rsp_code":"A0005"}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := &reply{}
		if json.Unmarshal([]byte(body), r) != nil {
			return
		}
		for _, answer := range []reply{*r, r.only()} {
			err := answer.answers(ownID, money.Amount(1000))
			var refused *RefusedError
			switch {
			case err == nil:
				if answer.RspCode != "A0000" || answer.BankRspCode != "000" || answer.BankTranID != ownID || answer.TranAmt != "1000" {
					t.Errorf("success read out of %s", body)
				}
			case errors.As(err, &refused):
				if refused.RspCode != "A0004" && (refused.RspCode != "A0002" || bankUndecided[refused.BankRspCode]) {
					t.Errorf("a refusal read out of %s", body)
				}
			}
			if text := printable(fmt.Sprint(err)); len([]rune(text)) > 300 || strings.ContainsRune(text, 0) {
				t.Errorf("not printable: %q", text)
			}
		}
	})
}
