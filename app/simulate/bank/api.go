package bank

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Handler serves the wire of open banking below /oauth and /v2.0, and the
// simulator's own controls below /control.
func (b *Bank) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/2.0/token", b.token)
	mux.HandleFunc("POST /v2.0/inquiry/real_name", b.authorised(b.realName))
	mux.HandleFunc("POST /v2.0/user/register", b.authorised(b.register))
	mux.HandleFunc("GET /v2.0/account/balance/fin_num", b.authorised(b.balance))
	mux.HandleFunc("POST /v2.0/transfer/withdraw/fin_num", b.authorised(b.withdraw))
	mux.HandleFunc("POST /v2.0/transfer/deposit/acnt_num", b.authorised(b.deposit))
	mux.HandleFunc("POST /v2.0/transfer/result", b.authorised(b.result))
	mux.HandleFunc("GET /v2.0/firm/transactions", b.authorised(b.firmTransactions))

	mux.HandleFunc("GET /control/accounts", b.listAccounts)
	mux.HandleFunc("POST /control/accounts", b.addAccount)
	mux.HandleFunc("GET /control/ledger", b.showLedger)
	mux.HandleFunc("GET /control/faults", b.listFaults)
	mux.HandleFunc("POST /control/faults", b.addFault)
	mux.HandleFunc("DELETE /control/faults", b.clearFaults)
	return mux
}

// relayPart is what the relay says in every answer.
type relayPart struct {
	APITranID  string `json:"api_tran_id,omitempty"`
	APITranDtm string `json:"api_tran_dtm,omitempty"` // yyyyMMddHHmmss.SSS
	RspCode    string `json:"rsp_code,omitempty"`
	RspMessage string `json:"rsp_message,omitempty"`
}

// bankPart is what the participating bank says.
type bankPart struct {
	BankTranID     string `json:"bank_tran_id,omitempty"`
	BankTranDate   string `json:"bank_tran_date,omitempty"`
	BankCodeTran   string `json:"bank_code_tran,omitempty"`
	BankRspCode    string `json:"bank_rsp_code,omitempty"`
	BankRspMessage string `json:"bank_rsp_message,omitempty"`
}

var relayMessages = map[string]string{
	"A0000": "", "A0002": "참가기관 에러", "A0003": "내부 처리 에러", "A0004": "요청 항목 오류",
	"A0005": "거래고유번호 중복", "A0006": "원거래 없음", "O0002": "유효하지 않은 접근토큰",
}

var bankMessages = map[string]string{
	"": "", "000": "", "310": "해당 계좌 없음", "311": "예금주명 불일치", "312": "예금주 정보 불일치", "320": "잔액 부족",
	"330": "출금 동의 없음", "400": "처리 중", "801": "참가기관 장애로 처리하지 못함", "804": "참가기관 응답 시간 초과",
}

func (b *Bank) relay(code string) relayPart {
	return relayPart{
		APITranID: rand.Text(), APITranDtm: b.now().In(seoul).Format("20060102150405.000"),
		RspCode: code, RspMessage: relayMessages[code],
	}
}

// relayFor is the relay's code for what a bank decided.
func relayFor(bankCode string) string {
	if bankCode == "000" || bankCode == "400" {
		return "A0000"
	}
	return "A0002"
}

func bankSays(id, date, bank, code string) bankPart {
	return bankPart{BankTranID: id, BankTranDate: date, BankCodeTran: bank, BankRspCode: code, BankRspMessage: bankMessages[code]}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone hears nothing
}

// invalid answers that a field is wrong.
func (b *Bank) invalid(w http.ResponseWriter, err error) {
	part := b.relay("A0004")
	part.RspMessage += ": " + err.Error()
	answer(w, http.StatusOK, part)
}

// failed answers that the simulator itself failed.
func (b *Bank) failed(w http.ResponseWriter, err error) {
	part := b.relay("A0003")
	part.RspMessage += ": " + err.Error()
	answer(w, http.StatusInternalServerError, part)
}

const bodyBytesMax = 64 << 10

func read(r *http.Request, into any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyBytesMax+1))
	if err != nil {
		return err
	}
	if len(body) > bodyBytesMax {
		return errors.New("the body is too large")
	}
	return json.Unmarshal(body, into)
}

// token hands out an access token for client credentials. Any credentials do:
// what is simulated is that tokens expire, not who may have them.
func (b *Bank) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "client_credentials" ||
		r.PostForm.Get("client_id") == "" || r.PostForm.Get("client_secret") == "" {
		answer(w, http.StatusUnauthorized, b.relay("O0002"))
		return
	}
	token, lives := rand.Text()+rand.Text(), 24*time.Hour
	if err := b.store.insertToken(r.Context(), token, b.now(), b.now().Add(lives)); err != nil {
		b.failed(w, err)
		return
	}
	answer(w, http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
		Scope       string `json:"scope"`
	}{token, "Bearer", int64(lives.Seconds()), "oob"})
}

func (b *Bank) authorised(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		valid, err := false, error(nil)
		if ok {
			valid, err = b.store.tokenValid(r.Context(), token, b.now())
		}
		switch {
		case err != nil:
			b.failed(w, err)
		case !valid:
			answer(w, http.StatusUnauthorized, b.relay("O0002"))
		default:
			next(w, r)
		}
	}
}

// realName tells who holds an account.
func (b *Bank) realName(w http.ResponseWriter, r *http.Request) {
	var in struct {
		BankTranID        string `json:"bank_tran_id"`
		BankCodeStd       string `json:"bank_code_std"`
		AccountNum        string `json:"account_num"`
		AccountHolderInfo string `json:"account_holder_info"`
		TranDtime         string `json:"tran_dtime"`
	}
	if err := read(r, &in); err != nil {
		b.invalid(w, err)
		return
	}
	date, err := b.checkHead(in.BankTranID, in.TranDtime)
	if err != nil {
		b.invalid(w, err)
		return
	}
	account, code, err := b.holderOf(r.Context(), in.BankCodeStd, in.AccountNum, in.AccountHolderInfo)
	if err != nil {
		b.failed(w, err)
		return
	}
	answer(w, http.StatusOK, struct {
		relayPart
		bankPart
		BankCodeStd       string `json:"bank_code_std"`
		AccountNum        string `json:"account_num"`
		AccountHolderInfo string `json:"account_holder_info"`
		AccountHolderName string `json:"account_holder_name,omitempty"`
	}{b.relay(relayFor(code)), bankSays(in.BankTranID, date, in.BankCodeStd, code), in.BankCodeStd, in.AccountNum, in.AccountHolderInfo, account.Holder})
}

// holderOf finds an account whose holder was born as said, or the bank's code why not.
func (b *Bank) holderOf(ctx context.Context, bankCode, number, birth string) (Account, string, error) {
	account, err := b.store.account(ctx, bankCode, number)
	switch {
	case errors.Is(err, errNoAccount):
		return Account{}, "310", nil
	case err != nil:
		return Account{}, "", err
	case account.Birth != birth:
		return Account{}, "312", nil
	}
	return account, "000", nil
}

// register links an account by its holder's consent. Doing it again answers the same.
func (b *Bank) register(w http.ResponseWriter, r *http.Request) {
	var in struct {
		BankTranID         string `json:"bank_tran_id"`
		BankCodeStd        string `json:"bank_code_std"`
		RegisterAccountNum string `json:"register_account_num"`
		UserInfo           string `json:"user_info"` // birth, yymmdd
		UserName           string `json:"user_name"`
		InfoPrvdAgmtYn     string `json:"info_prvd_agmt_yn"`
		WdAgmtYn           string `json:"wd_agmt_yn"`
		TranDtime          string `json:"tran_dtime"`
	}
	if err := read(r, &in); err != nil {
		b.invalid(w, err)
		return
	}
	date, err := b.checkHead(in.BankTranID, in.TranDtime)
	if err == nil && (in.InfoPrvdAgmtYn != "Y" || in.WdAgmtYn != "Y") {
		err = errors.New("info_prvd_agmt_yn and wd_agmt_yn must be Y")
	}
	if err != nil {
		b.invalid(w, err)
		return
	}
	account, code, err := b.holderOf(r.Context(), in.BankCodeStd, in.RegisterAccountNum, in.UserInfo)
	if err == nil && code == "310" && b.open > 0 && !strings.HasPrefix(in.RegisterAccountNum, "999") {
		account = Account{BankCode: in.BankCodeStd, Number: in.RegisterAccountNum, Holder: in.UserName, Birth: in.UserInfo, Balance: b.open}
		if account.validate() == nil {
			code, err = "000", b.store.insertAccounts(r.Context(), []Account{account})
		}
	}
	if err == nil && code == "000" && account.Holder != in.UserName {
		code = "311"
	}
	if err == nil && code == "000" {
		err = b.store.link(r.Context(), in.BankCodeStd, in.RegisterAccountNum)
	}
	if err != nil {
		b.failed(w, err)
		return
	}
	out := struct {
		relayPart
		bankPart
		FintechUseNum     string `json:"fintech_use_num,omitempty"`
		AccountNumMasked  string `json:"account_num_masked,omitempty"`
		AccountHolderName string `json:"account_holder_name,omitempty"`
	}{relayPart: b.relay(relayFor(code)), bankPart: bankSays(in.BankTranID, date, in.BankCodeStd, code)}
	if code == "000" {
		out.FintechUseNum = FintechUseNum(account.BankCode, account.Number)
		out.AccountNumMasked, out.AccountHolderName = masked(account.Number), account.Holder
	}
	answer(w, http.StatusOK, out)
}

// balance tells what is in a linked account.
func (b *Bank) balance(w http.ResponseWriter, r *http.Request) {
	id, number := r.URL.Query().Get("bank_tran_id"), r.URL.Query().Get("fintech_use_num")
	date, err := b.checkHead(id, r.URL.Query().Get("tran_dtime"))
	if err != nil {
		b.invalid(w, err)
		return
	}
	account, err := b.store.byFintechUseNum(r.Context(), number)
	code := "000"
	switch {
	case errors.Is(err, errNoAccount):
		code = "310"
	case err != nil:
		b.failed(w, err)
		return
	case !account.Linked:
		code, account = "330", Account{}
	}
	answer(w, http.StatusOK, struct {
		relayPart
		bankPart
		FintechUseNum string `json:"fintech_use_num"`
		BalanceAmt    int64  `json:"balance_amt,string"`
		AvailableAmt  int64  `json:"available_amt,string"`
	}{b.relay(relayFor(code)), bankSays(id, date, account.BankCode, code), number, account.Balance, account.Balance})
}

type transferAnswer struct {
	relayPart
	bankPart
	TranNo           string `json:"tran_no,omitempty"`
	FintechUseNum    string `json:"fintech_use_num,omitempty"`
	WdBankCodeStd    string `json:"wd_bank_code_std,omitempty"`
	WdAccountMasked  string `json:"wd_account_num_masked,omitempty"`
	DpsBankCodeStd   string `json:"dps_bank_code_std,omitempty"`
	DpsAccountMasked string `json:"dps_account_num_masked,omitempty"`
	PrintContent     string `json:"print_content,omitempty"`
	TranAmt          int64  `json:"tran_amt,string"`
}

// withdraw takes money from a linked account into the contracted one.
func (b *Bank) withdraw(w http.ResponseWriter, r *http.Request) {
	var in struct {
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
	}
	if err := read(r, &in); err != nil {
		b.invalid(w, err)
		return
	}
	date, err := b.checkHead(in.BankTranID, in.TranDtime)
	if err != nil {
		b.invalid(w, err)
		return
	}
	amount, err := won(in.TranAmt)
	if err != nil {
		b.invalid(w, err)
		return
	}
	from, err := b.store.byFintechUseNum(r.Context(), in.FintechUseNum)
	if err != nil && !errors.Is(err, errNoAccount) {
		b.failed(w, err)
		return
	}
	to, cntrErr := b.store.contracted(r.Context(), in.CntrAccountNum)
	if cntrErr != nil {
		b.invalid(w, fmt.Errorf("cntr_account_num: %w", cntrErr))
		return
	}
	out := transferAnswer{FintechUseNum: in.FintechUseNum, TranAmt: amount, PrintContent: in.WdPrintContent}
	if err != nil || !from.Linked {
		out.relayPart, out.bankPart = b.relay("A0002"), bankSays(in.BankTranID, date, from.BankCode, "330")
		answer(w, http.StatusOK, out)
		return
	}
	b.transfer(w, r, out, from.Number, Transaction{
		BankTranID: in.BankTranID, Date: date, Operation: Withdraw, Amount: amount, PrintContent: in.WdPrintContent,
		FromBank: from.BankCode, FromAccount: from.Number, ToBank: to.BankCode, ToAccount: to.Number,
	}, single)
}

// deposit pays from the contracted account to any account, one a request.
func (b *Bank) deposit(w http.ResponseWriter, r *http.Request) {
	var in struct {
		CntrAccountType string `json:"cntr_account_type"`
		CntrAccountNum  string `json:"cntr_account_num"`
		NameCheckOption string `json:"name_check_option"`
		WdPrintContent  string `json:"wd_print_content"`
		TranDtime       string `json:"tran_dtime"`
		ReqCnt          string `json:"req_cnt"`
		ReqList         []struct {
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
		} `json:"req_list"`
	}
	if err := read(r, &in); err != nil {
		b.invalid(w, err)
		return
	}
	if in.ReqCnt != "1" || len(in.ReqList) != 1 {
		b.invalid(w, errors.New("req_cnt and req_list must be one"))
		return
	}
	one := in.ReqList[0]
	date, err := b.checkHead(one.BankTranID, in.TranDtime)
	if err != nil {
		b.invalid(w, err)
		return
	}
	amount, err := won(one.TranAmt)
	if err != nil {
		b.invalid(w, err)
		return
	}
	from, err := b.store.contracted(r.Context(), in.CntrAccountNum)
	if err != nil {
		b.invalid(w, fmt.Errorf("cntr_account_num: %w", err))
		return
	}
	out := transferAnswer{TranNo: one.TranNo, TranAmt: amount, PrintContent: one.PrintContent}
	to, err := b.store.account(r.Context(), one.BankCodeStd, one.AccountNum)
	code := "000"
	switch {
	case errors.Is(err, errNoAccount):
		code = "310"
	case err != nil:
		b.failed(w, err)
		return
	case in.NameCheckOption != "off" && to.Holder != one.AccountHolderName:
		code = "311"
	}
	if code != "000" {
		out.bankPart = bankSays(one.BankTranID, date, one.BankCodeStd, code)
		answer(w, http.StatusOK, listed(b, out))
		return
	}
	b.transfer(w, r, out, to.Number, Transaction{
		BankTranID: one.BankTranID, Date: date, Operation: Deposit, Amount: amount, PrintContent: one.PrintContent,
		FromBank: from.BankCode, FromAccount: from.Number, ToBank: to.BankCode, ToAccount: to.Number,
	}, listed)
}

// transferList is how deposits and result inquiries are answered.
type transferList struct {
	relayPart
	ResCnt  string           `json:"res_cnt"`
	ResList []transferAnswer `json:"res_list"`
}

// single and listed put one outcome into the form of its call.
func single(b *Bank, one transferAnswer) any {
	if one.RspCode == "" {
		one.relayPart = b.relay(relayFor(one.BankRspCode))
	}
	return one
}

func listed(b *Bank, one transferAnswer) any {
	part := one.relayPart
	if part.RspCode == "" {
		part = b.relay(relayFor(one.BankRspCode))
	}
	one.relayPart = relayPart{}
	return transferList{part, "1", []transferAnswer{one}}
}

// transfer carries out one instruction, misbehaving if that was ordered.
func (b *Bank) transfer(w http.ResponseWriter, r *http.Request, out transferAnswer, counterparty string, t Transaction, form func(*Bank, transferAnswer) any) {
	out.WdBankCodeStd, out.WdAccountMasked = t.FromBank, masked(t.FromAccount)
	out.DpsBankCodeStd, out.DpsAccountMasked = t.ToBank, masked(t.ToAccount)
	ctx := context.WithoutCancel(r.Context()) // a client that hangs up does not undo what the bank does
	t.At = b.now()
	fault, err := b.store.claimFault(ctx, t.Operation, counterparty, t.Amount)
	if err != nil {
		b.failed(w, err)
		return
	}
	lost := !fault.Executed && (fault.Kind == silent || fault.Kind == broken) // the request never reached the bank
	if !lost {
		out.relayPart, out.bankPart, err = b.carryOut(ctx, t, fault)
		if err != nil {
			b.failed(w, err)
			return
		}
	}
	switch fault.Kind {
	case silent:
		b.hang(r)
	case broken:
		answer(w, http.StatusInternalServerError, b.relay("A0003"))
	case unknown:
		out.relayPart, out.bankPart = b.relay("A0002"), bankSays(t.BankTranID, t.Date, t.ToBank, "804")
		answer(w, http.StatusOK, form(b, out))
	case twice:
		out.relayPart, out.bankPart, err = b.carryOut(ctx, t, Fault{})
		if err != nil {
			b.failed(w, err)
			return
		}
		answer(w, http.StatusOK, form(b, out))
	case echo:
		b.answerTwice(w, form(b, out))
	default:
		answer(w, http.StatusOK, form(b, out))
	}
}

// carryOut registers the instruction, waits if it is to be late, and executes it.
func (b *Bank) carryOut(ctx context.Context, t Transaction, fault Fault) (relayPart, bankPart, error) {
	willExecute := fault.Kind == "" || fault.Kind == twice || fault.Kind == echo || fault.Executed
	fresh, err := b.store.receive(ctx, t, willExecute)
	if err != nil {
		return relayPart{}, bankPart{}, err
	}
	if !fresh {
		return b.relay("A0005"), bankSays(t.BankTranID, t.Date, t.ToBank, ""), nil
	}
	if fault.Kind == late {
		b.late.Add(1)
		defer b.late.Done()
		b.wait(time.Duration(fault.DelayMs) * time.Millisecond)
		if b.live.Err() != nil { // it stays registered, and the next start executes it
			return b.relay("A0003"), bankPart{}, nil
		}
	}
	t, err = b.store.finish(ctx, tranKey{t.Date, t.BankTranID}, b.now())
	return b.relay(relayFor(t.Code)), bankSays(t.BankTranID, t.Date, t.ToBank, t.Code), err
}

// answerTwice writes the same HTTP answer two times to the connection, as a
// relay with a broken retry does.
func (b *Bank) answerTwice(w http.ResponseWriter, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		b.failed(w, err)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		b.failed(w, err)
		return
	}
	defer conn.Close()
	once := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	_, _ = io.WriteString(conn, once+once)
}

// result tells what became of one instruction.
func (b *Bank) result(w http.ResponseWriter, r *http.Request) {
	var in struct {
		CheckType string `json:"check_type"` // 1 withdraw, 2 deposit
		TranDtime string `json:"tran_dtime"`
		ReqCnt    string `json:"req_cnt"`
		ReqList   []struct {
			TranNo          string `json:"tran_no"`
			OrgBankTranID   string `json:"org_bank_tran_id"`
			OrgBankTranDate string `json:"org_bank_tran_date"`
			OrgTranAmt      string `json:"org_tran_amt"`
		} `json:"req_list"`
	}
	if err := read(r, &in); err != nil {
		b.invalid(w, err)
		return
	}
	if in.ReqCnt != "1" || len(in.ReqList) != 1 || !tranID.MatchString(in.ReqList[0].OrgBankTranID) {
		b.invalid(w, errors.New("req_list must hold one org_bank_tran_id"))
		return
	}
	one := in.ReqList[0]
	amount, err := won(one.OrgTranAmt)
	if err != nil {
		b.invalid(w, err)
		return
	}
	fault, err := b.store.claimFault(r.Context(), "result", "", amount)
	if err != nil {
		b.failed(w, err)
		return
	}
	switch fault.Kind {
	case silent:
		b.hang(r)
	case late:
		b.wait(time.Duration(fault.DelayMs) * time.Millisecond)
	case broken, unknown:
		answer(w, http.StatusInternalServerError, b.relay("A0003"))
		return
	}
	t, found, err := b.store.transaction(r.Context(), tranKey{one.OrgBankTranDate, one.OrgBankTranID})
	if err != nil {
		b.failed(w, err)
		return
	}
	operation := map[string]string{"1": Withdraw, "2": Deposit}[in.CheckType]
	if !found || t.Amount != amount || t.Operation != operation {
		answer(w, http.StatusOK, b.relay("A0006"))
		return
	}
	out := transferAnswer{
		bankPart: bankSays(t.BankTranID, t.Date, t.ToBank, t.Code), TranNo: one.TranNo, TranAmt: t.Amount, PrintContent: t.PrintContent,
		WdBankCodeStd: t.FromBank, WdAccountMasked: masked(t.FromAccount), DpsBankCodeStd: t.ToBank, DpsAccountMasked: masked(t.ToAccount),
	}
	out.relayPart = b.relay("A0000") // the inquiry itself went well, whatever it found
	answer(w, http.StatusOK, listed(b, out))
}

// firmTransactions lists what moved on a day at a contracted account, for matching.
func (b *Bank) firmTransactions(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if _, err := time.Parse("20060102", query.Get("date")); err != nil {
		b.invalid(w, errors.New("date must be yyyymmdd"))
		return
	}
	after, _ := strconv.ParseInt(query.Get("after"), 10, 64)
	const pageSize = 1000
	items, err := b.store.ofDay(r.Context(), query.Get("date"), query.Get("cntr_account_num"), after, pageSize)
	if err != nil {
		b.failed(w, err)
		return
	}
	out := struct {
		relayPart
		ResCnt    string        `json:"res_cnt"`
		NextAfter string        `json:"next_after,omitempty"` // ask on with after=…; absent at the end
		ResList   []Transaction `json:"res_list"`
	}{relayPart: b.relay("A0000"), ResCnt: strconv.Itoa(len(items)), ResList: items}
	if len(items) == pageSize {
		out.NextAfter = strconv.FormatInt(items[len(items)-1].Seq, 10)
	}
	answer(w, http.StatusOK, out)
}

// checkHead checks the number and time that every request carries, and returns
// the day on which its number counts.
func (b *Bank) checkHead(id, tranDtime string) (date string, err error) {
	if !tranID.MatchString(id) {
		return "", errors.New("bank_tran_id must be 10 characters, U, 9 characters")
	}
	at, err := time.ParseInLocation("20060102150405", tranDtime, seoul)
	if err != nil {
		return "", errors.New("tran_dtime must be yyyyMMddHHmmss")
	}
	if gap := b.now().Sub(at).Abs(); gap > 24*time.Hour {
		return "", errors.New("tran_dtime is more than a day away")
	}
	return at.Format("20060102"), nil
}

// won reads a positive amount.
func won(text string) (int64, error) {
	amount, err := strconv.ParseInt(text, 10, 64)
	if err != nil || amount <= 0 || amount > maxWon {
		return 0, errors.New("the amount must be a whole number of won above zero")
	}
	return amount, nil
}

func masked(number string) string {
	if len(number) < 4 {
		return "***"
	}
	return number[:len(number)-3] + "***"
}
