package bank

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"jangteo/app/testkit"
)

type client struct {
	t      *testing.T
	bank   *Bank
	dsn    string
	server *httptest.Server
	clock  *testkit.Clock
	token  string
}

func open(t *testing.T, opts Options) *client {
	t.Helper()
	t.Parallel()
	c := &client{t: t, dsn: testkit.FreshDatabase(t), clock: testkit.NewClock()}
	opts.Now = c.clock.Now
	c.start(opts)
	t.Cleanup(func() { c.bank.Close(); c.server.Close() })
	c.must(c.bank.Seed(t.Context(), []Account{
		{BankCode: "020", Number: "1005", Holder: "영등포구", Birth: "1078300000", Balance: 1_000_000, Contracted: true},
		{BankCode: "088", Number: "2001", Holder: "홍길동", Birth: "900131", Balance: 50_000, Linked: true},
		{BankCode: "004", Number: "3001", Holder: "김상점", Birth: "800101"},
	}))
	response, err := http.PostForm(c.server.URL+"/oauth/2.0/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"a"}, "client_secret": {"b"}})
	c.must(err)
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	c.must(json.NewDecoder(response.Body).Decode(&granted))
	c.must(response.Body.Close())
	c.token = granted.AccessToken
	return c
}

func (c *client) start(opts Options) {
	c.t.Helper()
	var err error
	c.bank, err = New(context.Background(), c.dsn, opts)
	c.must(err)
	c.server = httptest.NewServer(c.bank.Handler())
}

func (c *client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

type said struct {
	Status        int    `json:"-"`
	RspCode       string `json:"rsp_code"`
	BankRspCode   string `json:"bank_rsp_code"`
	FintechUseNum string `json:"fintech_use_num"`
	HolderName    string `json:"account_holder_name"`
	Balance       string `json:"balance_amt"`
	ResList       []said `json:"res_list"`
	NextAfter     string `json:"next_after"`
	BankTranID    string `json:"bank_tran_id"`
}

func (c *client) send(method, path, body string) said {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+path, strings.NewReader(body))
	c.must(err)
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := http.DefaultClient.Do(request)
	c.must(err)
	var out said
	c.must(json.NewDecoder(response.Body).Decode(&out))
	c.must(response.Body.Close())
	out.Status = response.StatusCode
	return out
}

func (c *client) withdraw(id string, amount int) said {
	return c.send("POST", "/v2.0/transfer/withdraw/fin_num", fmt.Sprintf(`{"bank_tran_id":%q,"cntr_account_num":"1005","fintech_use_num":%q,
		"tran_amt":"%d","tran_dtime":"20261118120000","wd_print_content":"구매"}`, id, FintechUseNum("088", "2001"), amount))
}

func (c *client) deposit(id string, amount int, holder string) said {
	return c.send("POST", "/v2.0/transfer/deposit/acnt_num", fmt.Sprintf(`{"cntr_account_num":"1005","name_check_option":"on","tran_dtime":"20261118120000","req_cnt":"1",
		"req_list":[{"tran_no":"1","bank_tran_id":%q,"bank_code_std":"004","account_num":"3001","account_holder_name":%q,"tran_amt":"%d","print_content":"정산"}]}`, id, holder, amount))
}

func (c *client) result(id, checkType string, amount int) said {
	return c.send("POST", "/v2.0/transfer/result", fmt.Sprintf(`{"check_type":%q,"tran_dtime":"20261118120000","req_cnt":"1",
		"req_list":[{"tran_no":"1","org_bank_tran_id":%q,"org_bank_tran_date":"20261118","org_tran_amt":"%d"}]}`, checkType, id, amount))
}

func id(n int) string { return fmt.Sprintf("M202600001U%09d", n) }

// books checks that nothing was made or lost, and returns the balances.
func (c *client) books() map[string]int64 {
	c.t.Helper()
	ledger, err := c.bank.Ledger(c.t.Context(), 1)
	c.must(err)
	if ledger.Wrong != 0 || ledger.Opening != ledger.Total {
		c.t.Fatalf("the books are wrong: %+v", ledger)
	}
	accounts, err := c.bank.Accounts(c.t.Context(), "", 1000)
	c.must(err)
	balances := map[string]int64{}
	for _, a := range accounts {
		balances[a.Number] = a.Balance
	}
	return balances
}

func TestOneNumberHasOneEffect(t *testing.T) {
	c := open(t, Options{})
	if got := c.withdraw(id(1), 10_000); got.RspCode != "A0000" || got.BankRspCode != "000" {
		t.Fatalf("%+v", got)
	}
	if got := c.withdraw(id(1), 10_000); got.RspCode != "A0005" {
		t.Fatalf("the same number again: %+v", got)
	}
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() { c.deposit(id(2), 5_000, "김상점") })
	}
	wait.Wait()
	if b := c.books(); b["2001"] != 40_000 || b["3001"] != 5_000 || b["1005"] != 1_005_000 {
		t.Fatalf("%v", b)
	}
}

func TestNoBalanceFallsBelowZero(t *testing.T) {
	c := open(t, Options{})
	var wait sync.WaitGroup
	for n := range 20 {
		wait.Go(func() { c.withdraw(id(n), 15_000) })
	}
	wait.Wait()
	if b := c.books(); b["2001"] != 5_000 {
		t.Fatalf("three fit, left %d", b["2001"])
	}
}

func TestRefusalsNameTheirCode(t *testing.T) {
	c := open(t, Options{})
	if got := c.deposit(id(1), 10, "다른사람"); got.ResList[0].BankRspCode != "311" {
		t.Errorf("another holder: %+v", got)
	}
	if got := c.withdraw(id(2), 50_001); got.RspCode != "A0002" || got.BankRspCode != "320" {
		t.Errorf("too much: %+v", got)
	}
	if got := c.withdraw("short", 1); got.RspCode != "A0004" {
		t.Errorf("a bad number: %+v", got)
	}
	if got := c.withdraw(id(3), 0); got.RspCode != "A0004" {
		t.Errorf("no amount: %+v", got)
	}
	if got := c.result(id(9), "1", 1); got.RspCode != "A0006" {
		t.Errorf("what never came: %+v", got)
	}
	if got := c.result(id(2), "1", 50_001); got.RspCode != "A0000" || got.ResList[0].BankRspCode != "320" {
		t.Errorf("what was refused: %+v", got)
	}
	c.token = "wrong"
	if got := c.withdraw(id(4), 1); got.Status != 401 || got.RspCode != "O0002" {
		t.Errorf("no token: %+v", got)
	}
}

func TestLinkingAsksForTheHoldersNameAndBirth(t *testing.T) {
	t.Parallel()
	register := func(c *client, number, name, birth string) said {
		return c.send("POST", "/v2.0/user/register", fmt.Sprintf(`{"bank_tran_id":%q,"bank_code_std":"004","register_account_num":%q,
			"user_info":%q,"user_name":%q,"info_prvd_agmt_yn":"Y","wd_agmt_yn":"Y","tran_dtime":"20261118120000"}`, id(rand.IntN(1e9)), number, birth, name))
	}
	t.Run("known accounts only", func(t *testing.T) {
		c := open(t, Options{})
		for want, got := range map[string]said{
			"000": register(c, "3001", "김상점", "800101"), "311": register(c, "3001", "이상점", "800101"),
			"312": register(c, "3001", "김상점", "800102"), "310": register(c, "4001", "김상점", "800101"),
		} {
			if got.BankRspCode != want || (want == "000") != (len(got.FintechUseNum) == 24) {
				t.Errorf("want %s: %+v", want, got)
			}
		}
		number := FintechUseNum("004", "3001")
		if got := c.send("GET", "/v2.0/account/balance/fin_num?bank_tran_id="+id(7)+"&tran_dtime=20261118120000&fintech_use_num="+number, ""); got.Balance != "0" {
			t.Errorf("balance: %+v", got)
		}
	})
	t.Run("any account", func(t *testing.T) {
		c := open(t, Options{OpenWith: 70_000})
		if got := register(c, "4001", "박새로", "000101"); got.BankRspCode != "000" || c.books()["4001"] != 70_000 {
			t.Errorf("%+v", got)
		}
		if got := register(c, "4001", "다른이", "000101"); got.BankRspCode != "311" {
			t.Errorf("somebody else's now: %+v", got)
		}
		if got := register(c, "9994001", "박새로", "000101"); got.BankRspCode != "310" {
			t.Errorf("999: %+v", got)
		}
	})
}

func TestARestartKeepsEverythingAndFinishesWhatWasAccepted(t *testing.T) {
	c := open(t, Options{})
	c.withdraw(id(1), 10_000)
	c.send("POST", "/control/faults", `{"kind":"late","operation":"withdraw","executed":true,"delay_ms":600000}`)
	hung := make(chan said, 1)
	go func() { hung <- c.withdraw(id(2), 5_000) }()
	for c.result(id(2), "1", 5_000).RspCode != "A0000" { // until it is registered
	}
	if got := c.result(id(2), "1", 5_000); got.ResList[0].BankRspCode != "400" {
		t.Fatalf("being processed: %+v", got)
	}
	c.bank.Close()
	<-hung
	c.server.Close()
	c.start(Options{Now: c.clock.Now})
	if got := c.result(id(2), "1", 5_000); got.ResList[0].BankRspCode != "000" {
		t.Fatalf("finished: %+v", got)
	}
	if b := c.books(); b["2001"] != 35_000 {
		t.Fatalf("%v", b)
	}
	if got := c.withdraw(id(2), 5_000); got.RspCode != "A0005" {
		t.Fatalf("after the restart the number is used all the same: %+v", got)
	}
}

func TestTheDaysListPagesThroughEverything(t *testing.T) {
	c := open(t, Options{})
	const many = 2_300
	history := make([]Transaction, many)
	for n := range history {
		history[n] = Transaction{
			BankTranID: id(n + 1), Operation: Deposit, Amount: 10, FromBank: "020", FromAccount: "1005",
			ToBank: "004", ToAccount: "3001", At: c.clock.Now().Add(-24 * time.Hour),
		}
	}
	c.must(c.bank.Book(t.Context(), history))
	c.must(c.bank.Book(t.Context(), history)) // once
	if b := c.books(); b["3001"] != 10*many {
		t.Fatalf("%v", b)
	}
	seen, after := map[string]bool{}, ""
	for {
		page := c.send("GET", "/v2.0/firm/transactions?date=20261117&cntr_account_num=1005&after="+after, "")
		for _, line := range page.ResList {
			seen[line.BankTranID] = true
		}
		if after = page.NextAfter; after == "" {
			break
		}
	}
	if len(seen) != many {
		t.Fatalf("listed %d of %d", len(seen), many)
	}
	if page := c.send("GET", "/v2.0/firm/transactions?date=20261118", ""); len(page.ResList) != 0 {
		t.Fatal("another day's list holds them too")
	}
}

func TestBadControlsAreRefused(t *testing.T) {
	c := open(t, Options{})
	for _, body := range []string{`{`, `{"kind":"unheard"}`, `{"kind":"late","delay_ms":-1}`, `{"kind":"late","operation":"x"}`, `[]`} {
		if got := c.send("POST", "/control/faults", body); got.Status != 400 {
			t.Errorf("%s: %d", body, got.Status)
		}
	}
	for _, body := range []string{`{}`, `{"bank_code":"1","account_num":"1","holder":"a"}`, `{"bank_code":"001","account_num":"1","holder":"a","balance":-1}`} {
		if got := c.send("POST", "/control/accounts", body); got.Status != 400 {
			t.Errorf("%s: %d", body, got.Status)
		}
	}
	if got := c.send("POST", "/control/accounts", `{"bank_code":"001","account_num":"77","holder":"가","balance":5}`); got.Status != 201 || c.books()["77"] != 5 {
		t.Errorf("a good one: %+v", got)
	}
}
