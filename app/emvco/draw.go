package emvco

import (
	"bytes"
	"fmt"

	"github.com/skip2/go-qrcode"
)

// The side of an image, in pixels.
const (
	MinImageSize = 128
	MaxImageSize = 2048
)

// Image draws a payload as a PNG of size by size pixels, quiet zone included,
// with error correction M (15 % may be dirty or torn). Payload and size are
// bounded; outside their bounds it answers an *Error.
func Image(payload string, size int) ([]byte, error) {
	if size < MinImageSize || size > MaxImageSize {
		return nil, &Error{Reason: ReasonLength}
	}
	code, err := symbol(payload)
	if err != nil {
		return nil, err
	}
	png, err := code.PNG(size)
	if err != nil {
		return nil, fmt.Errorf("emvco: draw: %w", err)
	}
	return png, nil
}

// SVG draws a payload as a drawing that stays sharp at any size, for posters
// and screens alike. It has no size of its own: whoever shows it sets one.
// It refuses what Image refuses.
func SVG(payload string) ([]byte, error) {
	code, err := symbol(payload)
	if err != nil {
		return nil, err
	}
	rows := code.Bitmap()
	var b bytes.Buffer
	side := len(rows)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, side, side)
	// White is drawn too: on a dark page a transparent code cannot be read.
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dH0z"/><path fill="#000" d="`, side, side)
	for y, row := range rows {
		for x := 0; x < len(row); x++ {
			start := x
			for x < len(row) && row[x] {
				x++
			}
			if x > start {
				fmt.Fprintf(&b, "M%d %dh%dv1H%dz", start, y, x-start, start)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes(), nil
}

func symbol(payload string) (*qrcode.QRCode, error) {
	if payload == "" || len(payload) > MaxBytes {
		return nil, &Error{Reason: ReasonLength}
	}
	code, err := qrcode.New(payload, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("emvco: draw: %w", err)
	}
	return code, nil
}
