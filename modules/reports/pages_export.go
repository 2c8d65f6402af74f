package reports

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/app/calendar"
)

// exported is what the audit log keeps of a download.
type exported struct {
	Query string       `json:"query"`
	From  calendar.Day `json:"from"`
	To    calendar.Day `json:"to"`
	State string       `json:"state"`
	Rows  int          `json:"rows"`
}

// sheet begins a table with its name and the words of its columns.
func (r reader) sheet(title string, columns ...string) sheet {
	s := sheet{name: r.t(title)}
	for _, key := range columns {
		s.head = append(s.head, r.t("reports.col."+key))
	}
	return s
}

// download answers with a table as a file, once the audit log has who took
// what of it. With more rows than one may take it refuses.
func (p *Pages) download(c echo.Context, q query, of string, s sheet, more bool) error {
	if more {
		return ErrTooMuch.With("most", exportMost)
	}
	body, err := writeCSV(s)
	if err != nil {
		return err
	}
	name := of + ".csv"
	err = p.service.record(c.Request().Context(), audit.Change{
		Action: of + ".exported", Object: of, ObjectID: name, After: exported{q.Text, q.From, q.To, q.State, len(s.rows)},
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="`+p.today().String()+"-"+name+`"`)
	return c.Blob(http.StatusOK, "text/csv; charset=utf-8", body)
}
