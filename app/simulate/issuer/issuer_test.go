package issuer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func played(t *testing.T) (*Issuers, *Issuer) {
	t.Helper()
	s, err := New(t.Context(), Options{Codes: []string{"31"}, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	i, _ := s.Issuer("31")
	i.Sleep(true)
	for _, won := range []int64{3000, 4000} {
		if _, err := i.Swipe(t.Context(), Swipe{Token: "tk31-5f0c2a9e7d41", Merchant: "7700112233", Terminal: "T0000001", Amount: won}); err != nil {
			t.Fatal(err)
		}
	}
	return s, i
}

func TestClearingFiles(t *testing.T) {
	t.Parallel()
	_, i := played(t)
	csv := i.Clearing("20261122", 1, false)
	lines := strings.Split(strings.TrimSuffix(csv, "\n"), "\n")
	if len(lines) != 4 || lines[0] != "H,31,20261122,1" || lines[3] != "T,2,7000" || strings.Count(lines[1], ",") != 13 || !strings.HasPrefix(lines[1], "D,1,B,") ||
		!strings.HasSuffix(lines[1], ",3000,0,3000") {
		t.Errorf("the file is\n%s", csv)
	}
	fixed := strings.Split(strings.TrimSuffix(i.Clearing("20261122", 1, true), "\n"), "\n")
	for _, line := range fixed {
		if len(line) != 160 {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
	}
	if amount := fixed[1][121:133]; amount != "000000003000" {
		t.Errorf("the amount is %q", amount)
	}
	if rows := strings.Count(i.Clearing("20261121", 1, false), "\nD,"); rows != 0 {
		t.Errorf("yesterday has %d rows", rows)
	}
	for mistake, rows := range map[Mistake]string{
		DuplicateRow: "T,3,10000", MissingRow: "T,1,4000", AlteredRow: "T,2,7100", ReversedRow: "T,3,4000", UnknownRow: "T,3,14700", WrongSum: "T,2,7001", CutShort: "D,1,B,",
	} {
		if file := i.Clearing("20261122", 1, false, mistake); !strings.Contains(file, rows) || (mistake == CutShort) == strings.Contains(file, "\nT,") {
			t.Errorf("%s:\n%s", mistake, file)
		}
	}
}

// A bank debit is given back once, whatever the office says of it.
func TestBackOffice(t *testing.T) {
	t.Parallel()
	s, i := played(t)
	handler := s.Handler()
	call := func(method, path, body string) (status int, state string) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		var v Reversal
		_ = json.Unmarshal(answer.Body.Bytes(), &v)
		return answer.Code, string(v.State)
	}
	bought := s.Purchases(2)
	order := func(p Purchase, key string) string {
		body, err := json.Marshal(map[string]any{"issuer_token": p.Token, "retrieval": p.Retrieval, "amount": p.Amount, "key": key})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	i.Open(Ponders)
	for n, c := range []struct {
		method, path, body string
		status             int
		state              string
	}{
		{http.MethodPost, "/31/reversals", order(bought[0], "a"), 200, "pending"},
		{http.MethodGet, "/31/reversals/a", "", 200, "pending"},
		{http.MethodGet, "/31/reversals/a", "", 200, "done"},
		{http.MethodPost, "/31/reversals", order(bought[0], "a"), 200, "done"},
		{http.MethodPost, "/31/reversals", order(bought[1], "a"), 409, ""},
		{http.MethodPost, "/31/reversals", order(bought[0], "b"), 200, "refused"},
		{http.MethodGet, "/31/reversals/never", "", 404, ""},
		{http.MethodPost, "/99/reversals", order(bought[1], "c"), 404, ""},
		{http.MethodPost, "/control", `{"office":"silent"}`, 200, ""},
		{http.MethodPost, "/31/reversals", order(bought[1], "d"), 500, ""},
		{http.MethodGet, "/31/reversals/d", "", 200, "done"},
	} {
		if status, state := call(c.method, c.path, c.body); status != c.status || state != c.state {
			t.Errorf("step %d, %s %s: %d %q, want %d %q", n, c.method, c.path, status, state, c.status, c.state)
		}
	}
	if file := i.Clearing("20261122", 1, false); strings.Count(file, ",R,") != 2 || !strings.HasSuffix(file, "T,4,0\n") {
		t.Errorf("what was given back is not cleared:\n%s", file)
	}
}

// What the host has not answered is told again after a restart.
func TestRecordsOfUnansweredMessages(t *testing.T) {
	t.Parallel()
	_, i := played(t)
	i.Sleep(false)
	i.Decide(TakeVoucher)
	if p, err := i.Swipe(t.Context(), Swipe{Token: "tk31-5f0c2a9e7d41", Merchant: "1", Terminal: "2", Amount: 5}); err != nil || p.Kind != StoodIn || i.Pending() != 1 {
		t.Errorf("%+v, %d to tell, %v", p, i.Pending(), err)
	}
	if kept := i.all.records.unanswered("31"); len(kept) != 1 || kept[0].MTI != "0120" || kept[0].Private.Voucher != "5" {
		t.Errorf("kept %+v", kept)
	}
}
