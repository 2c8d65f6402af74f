package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"jangteo/app/calendar"
	"jangteo/app/i18n"
	"jangteo/app/money"
)

func TestSheetIsWhatSpreadsheetsOpenAsItIs(t *testing.T) {
	t.Parallel()
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := NewSheet(words, "ko", "payments.export.", "at", "shop", "amount")
	at := time.Date(2026, 3, 1, 15, 30, 0, 0, time.UTC)
	s.Row(at, "=HYPERLINK(1)", money.Amount(-12500))
	s.Row(calendar.DayOf(at), "가,나 \"다\"", 7)
	for _, text := range []string{"+1", "-1", "@x", "\tx"} {
		s.Row("", text, int64(0))
	}
	answer := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", nil), answer)
	if err := s.Send(c, "2026-03-02"); err != nil {
		t.Fatal(err)
	}
	want := "\ufeff" + words.T("ko", "payments.export.at") + "," + words.T("ko", "payments.export.shop") + "," + words.T("ko", "payments.export.amount") + "\r\n" +
		"2026-03-02 00:30:00,'=HYPERLINK(1),-12500\r\n" +
		"2026-03-02,\"가,나 \"\"다\"\"\",7\r\n" +
		",'+1,0\r\n,'-1,0\r\n,'@x,0\r\n,'\tx,0\r\n"
	if got := answer.Body.String(); got != want || s.Rows != 6 {
		t.Errorf("%d rows:\n%q, want\n%q", s.Rows, got, want)
	}
	if name := answer.Header().Get(echo.HeaderContentDisposition); name != `attachment; filename="2026-03-02.csv"` {
		t.Error(name)
	}
}
