package payments

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// ReceiptPages hand out receipts as files.
type ReceiptPages struct{ receipts *Receipts }

// NewReceiptPages hands out r.
func NewReceiptPages(r *Receipts) *ReceiptPages { return &ReceiptPages{r} }

// Download is the signed receipt as a file: GET /my/payments/{tenant}/{id}/receipt.signed.
func (p *ReceiptPages) Download(c echo.Context) error {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return ErrUnknown
	}
	signed, err := p.receipts.Issue(c.Request().Context(), id)
	if err != nil {
		return err
	}
	body, err := json.MarshalIndent(signed, "", "  ")
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="receipt-`+signed.Receipt.ApprovalNumber+`.json"`)
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, append(body, '\n'))
}
