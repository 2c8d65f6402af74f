package banking

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/partner"
)

// Bank is the outside world of accounts. Its methods answer *RefusedError,
// *UnknownError or *NotSentError; nil means done.
type Bank interface {
	// Holder tells who holds an account whose holder was born on birth
	// (yymmdd, or a company's 10-digit number).
	Holder(ctx context.Context, call Call, bankCode, number, birth string) (name string, err error)
	// Register links an account by its holder's consent and returns its handle
	// for withdrawals.
	Register(ctx context.Context, call Call, bankCode, number, name, birth string) (handle string, err error)
	// Withdraw takes money from a linked account into the fund account.
	Withdraw(ctx context.Context, call Call, amount money.Amount, route Route) error
	// Deposit pays money from the fund account.
	Deposit(ctx context.Context, call Call, amount money.Amount, route Route) error
	// Result tells what became of an earlier withdrawal or deposit: nil if the
	// money moved, *RefusedError if it did not and will not, ErrNeverArrived if
	// the bank has not seen it, and *UnknownError or *NotSentError otherwise.
	Result(ctx context.Context, call Call, direction Direction, amount money.Amount, day calendar.Day) error
	// Movements lists what moved at a fund account on a day, for matching.
	Movements(ctx context.Context, fundAccount string, day calendar.Day) ([]Movement, error)
}

// Call names one request: its number, unique in a day, and its moment.
type Call struct {
	TranID string
	At     time.Time
}

// Route is what the bank must know to move money: it is kept sealed.
type Route struct {
	FundAccount  string `json:"fund_account"`
	Handle       string `json:"handle,omitempty"` // of a linked account, for withdrawals
	BankCode     string `json:"bank_code"`
	Number       string `json:"number"`
	Holder       string `json:"holder"`
	PrintContent string `json:"print_content"`
}

// Movement is one line of what moved at a fund account.
type Movement struct {
	BankTranID string
	Direction  Direction
	Amount     money.Amount
	At         time.Time
}

// OpenBankingConfig says how to reach the open banking relay.
type OpenBankingConfig struct {
	URL             string
	ClientID        string
	ClientSecret    string
	ClientName      string        // what the relay calls us
	Timeout         time.Duration // for one call; 0 means 10 s
	BreakerFailures uint          // silent or broken answers in a row before calls rest; 0 means 5
	BreakerRest     time.Duration // how long calls then rest; 0 means 5 s
}

// OpenBanking speaks KFTC open banking v2.0 over HTTP. It never repeats a
// request by itself.
type OpenBanking struct {
	cfg     OpenBankingConfig
	client  *http.Client
	breaker circuitbreaker.CircuitBreaker[*reply]
	now     func() time.Time

	asking  chan struct{} // held by the one who asks for a token
	mu      sync.Mutex    // guards what follows
	token   string
	expires time.Time
}

var _ Bank = (*OpenBanking)(nil)

// NewOpenBanking makes the adapter; it calls nothing yet.
func NewOpenBanking(cfg OpenBankingConfig, now func() time.Time) *OpenBanking {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.BreakerFailures == 0 {
		cfg.BreakerFailures = 5
	}
	if cfg.BreakerRest == 0 {
		cfg.BreakerRest = 5 * time.Second
	}
	cfg.URL = strings.TrimSuffix(cfg.URL, "/")
	return &OpenBanking{
		cfg: cfg, now: now, asking: make(chan struct{}, 1),
		client: partner.NewClient(64, 0), // each question has its own time
		breaker: circuitbreaker.NewBuilder[*reply]().
			HandleIf(func(_ *reply, err error) bool { return err != nil && !errors.Is(err, context.Canceled) }).
			WithFailureThreshold(cfg.BreakerFailures).WithDelay(cfg.BreakerRest).WithSuccessThreshold(1).Build(),
	}
}

// Close lets go of idle connections.
func (o *OpenBanking) Close() { o.client.CloseIdleConnections() }

// reply is every field that we read of any answer.
type reply struct {
	RspCode        string  `json:"rsp_code"`
	RspMessage     string  `json:"rsp_message"`
	BankTranID     string  `json:"bank_tran_id"`
	BankRspCode    string  `json:"bank_rsp_code"`
	BankRspMessage string  `json:"bank_rsp_message"`
	TranAmt        string  `json:"tran_amt"`
	HolderName     string  `json:"account_holder_name"`
	FintechUseNum  string  `json:"fintech_use_num"`
	NextAfter      string  `json:"next_after"`
	ResList        []reply `json:"res_list"`

	Operation string    `json:"operation"`
	At        time.Time `json:"at"`
}

// The codes that decide, and those that say that nothing is decided. Any other
// pair is read as undecided when money is concerned.
const (
	relayDone      = "A0000"
	relayBankError = "A0002"
	relayField     = "A0004"
	relayDuplicate = "A0005"
	relayNoOrigin  = "A0006"
	bankDone       = "000"
)

var bankUndecided = map[string]bool{"": true, "400": true, "803": true, "804": true, "822": true}

// outcome reads a pair of codes: success needs both.
func (r reply) outcome() error {
	switch {
	case r.RspCode == relayDone && r.BankRspCode == bankDone:
		return nil
	case r.RspCode == relayField, r.RspCode == relayBankError && !bankUndecided[r.BankRspCode]:
		message := r.BankRspMessage
		if message == "" {
			message = r.RspMessage
		}
		return &RefusedError{r.RspCode, r.BankRspCode, message}
	}
	// A duplicate is undecided too: the relay may have sent our only request twice.
	return &UnknownError{r.RspCode, r.BankRspCode, errors.New(r.RspMessage + r.BankRspMessage)}
}

// Holder asks /v2.0/inquiry/real_name.
func (o *OpenBanking) Holder(ctx context.Context, call Call, bankCode, number, birth string) (string, error) {
	r, err := o.post(ctx, "/v2.0/inquiry/real_name", struct {
		BankTranID        string `json:"bank_tran_id"`
		BankCodeStd       string `json:"bank_code_std"`
		AccountNum        string `json:"account_num"`
		AccountHolderInfo string `json:"account_holder_info"`
		TranDtime         string `json:"tran_dtime"`
	}{call.TranID, bankCode, number, birth, dtime(call.At)})
	if err != nil {
		return "", err
	}
	return r.HolderName, r.outcome()
}

// Register asks /v2.0/user/register, with consent to inquiries and withdrawals.
func (o *OpenBanking) Register(ctx context.Context, call Call, bankCode, number, name, birth string) (string, error) {
	r, err := o.post(ctx, "/v2.0/user/register", struct {
		BankTranID         string `json:"bank_tran_id"`
		BankCodeStd        string `json:"bank_code_std"`
		RegisterAccountNum string `json:"register_account_num"`
		UserInfo           string `json:"user_info"`
		UserName           string `json:"user_name"`
		InfoPrvdAgmtYn     string `json:"info_prvd_agmt_yn"`
		WdAgmtYn           string `json:"wd_agmt_yn"`
		TranDtime          string `json:"tran_dtime"`
	}{call.TranID, bankCode, number, birth, name, "Y", "Y", dtime(call.At)})
	if err == nil {
		err = r.outcome()
	}
	switch {
	case err != nil:
		return "", err
	case r.HolderName != name:
		return "", &RefusedError{r.RspCode, "311", "the relay linked another person's account"}
	case r.FintechUseNum == "":
		return "", &UnknownError{r.RspCode, r.BankRspCode, errors.New("no fintech_use_num")}
	}
	return r.FintechUseNum, nil
}

// Withdraw asks /v2.0/transfer/withdraw/fin_num.
func (o *OpenBanking) Withdraw(ctx context.Context, call Call, amount money.Amount, route Route) error {
	r, err := o.post(ctx, "/v2.0/transfer/withdraw/fin_num", struct {
		BankTranID      string `json:"bank_tran_id"`
		CntrAccountType string `json:"cntr_account_type"`
		CntrAccountNum  string `json:"cntr_account_num"`
		DpsPrintContent string `json:"dps_print_content"`
		FintechUseNum   string `json:"fintech_use_num"`
		WdPrintContent  string `json:"wd_print_content"`
		TranAmt         string `json:"tran_amt"`
		TranDtime       string `json:"tran_dtime"`
		ReqClientName   string `json:"req_client_name"`
		ReqClientNum    string `json:"req_client_num"`
		TransferPurpose string `json:"transfer_purpose"`
	}{call.TranID, "N", route.FundAccount, route.PrintContent, route.Handle, route.PrintContent,
		won(amount), dtime(call.At), route.Holder, call.TranID[11:], "TR"})
	if err != nil {
		return err
	}
	return r.answers(call.TranID, amount)
}

// Deposit asks /v2.0/transfer/deposit/acnt_num with one item, the name check on.
func (o *OpenBanking) Deposit(ctx context.Context, call Call, amount money.Amount, route Route) error {
	type one struct {
		TranNo            string `json:"tran_no"`
		BankTranID        string `json:"bank_tran_id"`
		BankCodeStd       string `json:"bank_code_std"`
		AccountNum        string `json:"account_num"`
		AccountHolderName string `json:"account_holder_name"`
		PrintContent      string `json:"print_content"`
		TranAmt           string `json:"tran_amt"`
		ReqClientName     string `json:"req_client_name"`
		ReqClientNum      string `json:"req_client_num"`
		TransferPurpose   string `json:"transfer_purpose"`
	}
	r, err := o.post(ctx, "/v2.0/transfer/deposit/acnt_num", struct {
		CntrAccountType string `json:"cntr_account_type"`
		CntrAccountNum  string `json:"cntr_account_num"`
		NameCheckOption string `json:"name_check_option"` // the holder is checked before anything is paid
		WdPrintContent  string `json:"wd_print_content"`
		TranDtime       string `json:"tran_dtime"`
		ReqCnt          string `json:"req_cnt"`
		ReqList         []one  `json:"req_list"`
	}{"N", route.FundAccount, "on", route.PrintContent, dtime(call.At), "1", []one{{
		"1", call.TranID, route.BankCode, route.Number, route.Holder, route.PrintContent,
		won(amount), o.cfg.ClientName, call.TranID[11:], "TR",
	}}})
	if err != nil {
		return err
	}
	return r.only().answers(call.TranID, amount)
}

// Result asks /v2.0/transfer/result with one item.
func (o *OpenBanking) Result(ctx context.Context, call Call, direction Direction, amount money.Amount, day calendar.Day) error {
	type one struct {
		TranNo          string `json:"tran_no"`
		OrgBankTranID   string `json:"org_bank_tran_id"`
		OrgBankTranDate string `json:"org_bank_tran_date"`
		OrgTranAmt      string `json:"org_tran_amt"`
	}
	checkType := map[Direction]string{Withdraw: "1", Deposit: "2"}[direction]
	r, err := o.post(ctx, "/v2.0/transfer/result", struct {
		CheckType string `json:"check_type"`
		TranDtime string `json:"tran_dtime"`
		ReqCnt    string `json:"req_cnt"`
		ReqList   []one  `json:"req_list"`
	}{checkType, dtime(call.At), "1", []one{{"1", call.TranID, compact(day), won(amount)}}})
	switch {
	case err != nil:
		return err
	case r.RspCode == relayNoOrigin:
		return ErrNeverArrived
	case r.RspCode != relayDone || len(r.ResList) != 1:
		return &UnknownError{r.RspCode, r.BankRspCode, errors.New("the inquiry itself failed: " + r.RspMessage)}
	}
	found := r.ResList[0]
	if found.RspCode = relayDone; found.BankRspCode != bankDone && !bankUndecided[found.BankRspCode] {
		found.RspCode = relayBankError // the inquiry went well; what it found did not
	}
	return found.answers(call.TranID, amount)
}

// Movements asks the list of the day at the fund account's bank, page by page.
func (o *OpenBanking) Movements(ctx context.Context, fundAccount string, day calendar.Day) (all []Movement, err error) {
	const pagesMost = 1000
	for page, after := 0, ""; page < pagesMost; page++ {
		query := url.Values{"date": {compact(day)}, "cntr_account_num": {fundAccount}, "after": {after}}
		r, err := o.call(ctx, http.MethodGet, "/v2.0/firm/transactions?"+query.Encode(), nil)
		if err != nil {
			return nil, err
		}
		if r.RspCode != relayDone {
			return nil, &UnknownError{r.RspCode, r.BankRspCode, errors.New(r.RspMessage)}
		}
		for _, line := range r.ResList {
			amount, err := strconv.ParseInt(line.TranAmt, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("the bank's list: %w", err)
			}
			all = append(all, Movement{line.BankTranID, Direction(line.Operation), money.Amount(amount), line.At})
		}
		if after = r.NextAfter; after == "" {
			return all, nil
		}
	}
	return nil, errors.New("the bank's list does not end")
}

// only is the single item of a list, under the codes of the whole.
func (r *reply) only() reply {
	if len(r.ResList) != 1 {
		return *r
	}
	one := r.ResList[0]
	one.RspCode, one.RspMessage = r.RspCode, r.RspMessage
	return one
}

// answers checks that what was decided was decided about this very
// instruction: an answer to another one decides nothing.
func (r reply) answers(tranID string, amount money.Amount) error {
	err := r.outcome()
	if err == nil && (r.BankTranID != tranID || r.TranAmt != won(amount)) {
		return &UnknownError{r.RspCode, r.BankRspCode, fmt.Errorf("an answer to %s over %s won came for %s over %d", r.BankTranID, r.TranAmt, tranID, amount)}
	}
	return err
}

func (o *OpenBanking) post(ctx context.Context, path string, body any) (*reply, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, &NotSentError{err}
	}
	return o.call(ctx, http.MethodPost, path, text)
}

// call sends one request through the breaker. An expired token is replaced and
// the request sent again: the relay refused it before it looked inside.
func (o *OpenBanking) call(ctx context.Context, method, path string, body []byte) (*reply, error) {
	r, err := failsafe.With(o.breaker).WithContext(ctx).Get(func() (*reply, error) {
		ctx, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
		defer cancel()
		for attempt := 0; ; attempt++ {
			token, err := o.accessToken(ctx)
			if err != nil {
				return nil, &NotSentError{err}
			}
			r, status, err := o.send(ctx, method, path, body, "application/json; charset=UTF-8", token)
			switch {
			case err != nil:
				return nil, err
			case status == http.StatusUnauthorized:
				o.dropToken(token)
				if attempt == 0 {
					continue
				}
				return nil, &NotSentError{errors.New("the relay does not accept our token")}
			case status != http.StatusOK:
				return nil, &UnknownError{r.RspCode, r.BankRspCode, fmt.Errorf("HTTP %d: %s", status, r.RspMessage)}
			}
			return r, nil
		}
	})
	if errors.Is(err, circuitbreaker.ErrOpen) {
		return nil, &NotSentError{err}
	}
	return r, err
}

const answerBytesMax = 4 << 20

// send exchanges one request for one answer. An error tells whether the
// request can have reached the relay.
func (o *OpenBanking) send(ctx context.Context, method, path string, body []byte, contentType, token string) (*reply, int, error) {
	request, err := http.NewRequestWithContext(ctx, method, o.cfg.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, &NotSentError{err}
	}
	request.Header.Set("Content-Type", contentType)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := o.client.Do(request)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			return nil, 0, &NotSentError{err}
		}
		return nil, 0, &UnknownError{Cause: err}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return nil, 0, &UnknownError{Cause: err}
	}
	r := &reply{}
	if err := json.Unmarshal(text, r); err != nil && response.StatusCode == http.StatusOK {
		return nil, 0, &UnknownError{Cause: fmt.Errorf("an answer that cannot be read: %w", err)}
	}
	return r, response.StatusCode, nil
}

// accessToken returns a token that lives for a minute yet, asking for one if
// needed. One caller asks; the others wait no longer than their own time.
func (o *OpenBanking) accessToken(ctx context.Context) (string, error) {
	select {
	case o.asking <- struct{}{}:
		defer func() { <-o.asking }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if token, live := o.knownToken(); live {
		return token, nil
	}
	form := url.Values{"client_id": {o.cfg.ClientID}, "client_secret": {o.cfg.ClientSecret}, "scope": {"oob"}, "grant_type": {"client_credentials"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.cfg.URL+"/oauth/2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := o.client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var granted struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&granted); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK || granted.AccessToken == "" {
		return "", fmt.Errorf("the relay gave no token: HTTP %d", response.StatusCode)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.token, o.expires = granted.AccessToken, o.now().Add(time.Duration(granted.ExpiresIn)*time.Second)
	return o.token, nil
}

func (o *OpenBanking) knownToken() (token string, live bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.token, o.token != "" && o.now().Add(time.Minute).Before(o.expires)
}

// dropToken forgets a token that was refused, unless another call has replaced it.
func (o *OpenBanking) dropToken(token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.token == token {
		o.token = ""
	}
}

func dtime(at time.Time) string { return at.In(calendar.Seoul).Format("20060102150405") }

func compact(day calendar.Day) string { return strings.ReplaceAll(day.String(), "-", "") }

func won(amount money.Amount) string { return strconv.FormatInt(int64(amount), 10) }
