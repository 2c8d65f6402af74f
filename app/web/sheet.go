package web

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/i18n"
	"jangteo/app/money"
)

// SheetMost is how many rows one may download at once.
const SheetMost = 10_000

// ErrSheetTooLong refuses a download that would leave rows out.
var ErrSheetTooLong = fault.Declare(fault.Invalid, "download-too-large") // param most

// Sheet is a table to be downloaded as CSV that spreadsheets open as it is.
type Sheet struct {
	Rows int // without the head
	file bytes.Buffer
	out  *csv.Writer
}

// NewSheet begins a table with the words of its columns, which are
// "<prefix><column>".
func NewSheet(words i18n.Words, lang, prefix string, columns ...string) *Sheet {
	s := &Sheet{}
	s.file.WriteString("\ufeff") // tells spreadsheets that this is UTF-8
	s.out = csv.NewWriter(&s.file)
	s.out.UseCRLF = true
	head := make([]string, len(columns))
	for i, column := range columns {
		head[i] = words.T(lang, prefix+column)
	}
	_ = s.out.Write(head) // into memory: it cannot fail
	return s
}

// Row adds texts, amounts (in won), numbers, and moments, which become local ones.
func (s *Sheet) Row(cells ...any) {
	line := make([]string, len(cells))
	for i, cell := range cells {
		switch cell := cell.(type) {
		case string:
			line[i] = harmless(cell)
		case money.Amount:
			line[i] = strconv.FormatInt(int64(cell), 10)
		case time.Time:
			line[i] = cell.In(calendar.Seoul).Format(time.DateTime)
		default:
			line[i] = fmt.Sprint(cell)
		}
	}
	_ = s.out.Write(line)
	s.Rows++
}

// Send answers with the table as a file.
func (s *Sheet) Send(c echo.Context, name string) error {
	s.out.Flush()
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="`+name+`.csv"`)
	return c.Blob(http.StatusOK, "text/csv; charset=utf-8", s.file.Bytes())
}

// harmless keeps a spreadsheet from taking a shop's name for a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsAny(text[:1], "=+-@\t\r") {
		return "'" + text
	}
	return text
}
