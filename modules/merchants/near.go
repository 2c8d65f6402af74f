package merchants

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"jangteo/app/fault"
)

// parsePlace reads "37.5264,126.8962", degrees north and east, without ever
// meeting a fraction: a place is whole millionths.
func parsePlace(text string) (*Place, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no place asked for, and nothing wrong with that
	}
	north, east, ok := strings.Cut(text, ",")
	latitude, ok1 := millionths(north)
	longitude, ok2 := millionths(east)
	p := Place{latitude, longitude}
	if !ok || !ok1 || !ok2 || !p.valid() {
		return nil, fault.On("near", fault.WrongFormat)
	}
	return &p, nil
}

func millionths(text string) (int64, bool) {
	const places = 6
	text, negative := strings.CutPrefix(strings.TrimSpace(text), "-")
	whole, part, _ := strings.Cut(text, ".")
	if len(whole) > 3 || whole == "" || strings.Trim(whole+part, "0123456789") != "" {
		return 0, false
	}
	part = (part + strings.Repeat("0", places))[:places]
	n, err := strconv.ParseInt(whole+part, 10, 64)
	if negative {
		n = -n
	}
	return n, err == nil
}

// degrees writes millionths as a decimal text.
func degrees(e6 int64) string {
	const degree = 1_000_000
	sign := ""
	if e6 < 0 {
		sign, e6 = "-", -e6
	}
	return fmt.Sprintf("%s%d.%06d", sign, e6/degree, e6%degree)
}

// String is a cursor as it stands in an address.
func (c *Cursor) String() string {
	if c == nil {
		return ""
	}
	text, _ := json.Marshal(c) // names and numbers always can
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseCursor(text string) (c Cursor, err error) {
	if text == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	const skipMost = 10_000 // further down nobody is near any more
	if err != nil || c.Skip < 0 || c.Skip > skipMost || strings.ContainsRune(c.Name, 0) {
		return Cursor{}, fault.On("cursor", fault.WrongFormat)
	}
	return c, nil
}
