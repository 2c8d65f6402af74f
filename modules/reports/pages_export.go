package reports

import (
	"github.com/labstack/echo/v4"

	"jangteo/app/audit"
	"jangteo/app/calendar"
	"jangteo/app/web"
)

// exported is what the audit log keeps of a download.
type exported struct {
	Query string       `json:"query"`
	From  calendar.Day `json:"from"`
	To    calendar.Day `json:"to"`
	State string       `json:"state"`
	Rows  int          `json:"rows"`
}

// download answers with a table as a file, once the audit log has who took
// what of it. With more rows than one may take it refuses.
func (p *Pages) download(c echo.Context, q query, of string, s *web.Sheet, more bool) error {
	if more {
		return web.ErrSheetTooLong.With("most", web.SheetMost)
	}
	err := p.service.record(c.Request().Context(), audit.Change{
		Action: of + ".exported", Object: of, ObjectID: of + ".csv", After: exported{q.Text, q.From, q.To, q.State, s.Rows},
	})
	if err != nil {
		return err
	}
	return s.Send(c, p.today().String()+"-"+of)
}
