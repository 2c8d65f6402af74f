package sessions

import (
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"jangteo/app/auth"
)

// StatementPages hand out access statements as files.
type StatementPages struct{ statements *Statements }

// NewStatementPages hands out s.
func NewStatementPages(s *Statements) *StatementPages { return &StatementPages{s} }

// Download is the signed statement as a file: GET /my/security/statement.signed.
func (p *StatementPages) Download(c echo.Context) error {
	signed, err := p.statements.Issue(c.Request().Context(), auth.From(c.Request().Context()).ID)
	if err != nil {
		return err
	}
	body, err := json.MarshalIndent(signed, "", "  ")
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="access-statement.json"`)
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, append(body, '\n'))
}
