package web

import (
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"jangteo/app/fault"
)

// ReadFile reads one file of a posted form (multipart/form-data), at most most
// bytes. What else the form holds is ignored.
func ReadFile(c echo.Context, name string, most int64) ([]byte, error) {
	r := c.Request()
	const around = 16 << 10 // of the form itself
	r.Body = http.MaxBytesReader(c.Response(), r.Body, most+around)
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, fault.ErrMalformed.Because(err)
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, fault.On(name, fault.Required)
		}
		if err != nil {
			return nil, tooLargeOr(name, err, most)
		}
		if part.FormName() != name {
			continue
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, tooLargeOr(name, err, most)
		}
		if len(content) == 0 {
			return nil, fault.On(name, fault.Required)
		}
		return content, nil
	}
}

func tooLargeOr(name string, err error, most int64) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return fault.On(name, fault.TooLarge).Limit(most)
	}
	return fault.ErrMalformed.Because(err)
}
