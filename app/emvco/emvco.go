// Package emvco writes and reads QR payment codes as EMVCo's merchant-presented
// mode lays them out (EMV QR Code Specification for Payment Systems,
// Merchant-Presented Mode, 1.1), draws them, and makes the short numbers that
// customers present.
//
// A payload is a row of fields: two digits of tag, two digits of length, the
// value. Lengths count characters, not bytes, as the specification's own
// example with Chinese names shows; the checksum counts UTF-8 bytes.
//
// What a code says is only a claim: whoever reads one still looks the
// merchant up, and asks Expired.
package emvco

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Network is the reverse domain under which our merchants' accounts and our
// private fields stand.
const Network = "kr.jangteo"

// The bounds of a code: bytes for MaxBytes, won for MaxAmount, characters else.
const (
	MaxBytes           = 512
	MaxAmount          = 1_000_000_000_000
	MaxNameLength      = 25
	MaxCityLength      = 15
	MaxReferenceLength = 25
)

// The fields that are written. All others are skipped when read.
const (
	tagFormat       = 0
	tagInitiation   = 1
	tagAccountFirst = 26
	tagAccountLast  = 51
	tagCategory     = 52
	tagCurrency     = 53
	tagAmount       = 54
	tagCountry      = 58
	tagName         = 59
	tagCity         = 60
	tagAdditional   = 62
	tagChecksum     = 63
	tagPrivateFirst = 80 // 80 to 99 are free templates, named by sub-field 00
	tagPrivateLast  = 99

	subNetwork   = 0
	subTenant    = 1
	subMerchant  = 2
	subReference = 5 // of tagAdditional: reference label
	subExpires   = 1 // of our private template: seconds since 1970
	subNonce     = 2
)

const (
	formatVersion = "01"
	initStatic    = "11"
	initDynamic   = "12"
	currencyWon   = "410"
	countryKorea  = "KR"
)

// Code is what a merchant's QR code says.
type Code struct {
	// Static codes hang on a wall; dynamic ones serve one sale and expire.
	Static bool
	// Network is the reverse domain of whoever keeps the merchant's account;
	// "" is written as our own.
	Network string
	// Tenant and Merchant name the account: printable ASCII without spaces.
	Tenant, Merchant string
	// MCC is the merchant category code of ISO 18245, four digits.
	MCC string
	// Amount is in whole won; 0 if the customer types it in.
	Amount int64
	// Name and City are cut to MaxNameLength and MaxCityLength when written.
	Name, City string
	// Reference is the merchant's own number for the sale, if any.
	Reference string
	// ExpiresAt is in whole seconds; zero on static codes, set on dynamic ones.
	ExpiresAt time.Time
	// Nonce tells two dynamic codes for the same sale apart, if any.
	Nonce string
}

// Expired says whether a dynamic code's time is over at now.
func (c Code) Expired(now time.Time) bool {
	return !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt)
}

// Encode writes the payload. It answers an *Error if a field cannot be
// written; only Name and City are shortened, at a character's end.
func Encode(c Code) (string, error) {
	if c.Network == "" {
		c.Network = Network
	}
	c.Name, c.City = shorten(c.Name, MaxNameLength), shorten(c.City, MaxCityLength)
	if err := c.check(); err != nil {
		return "", err
	}
	initiation := initDynamic
	if c.Static {
		initiation = initStatic
	}
	account := field(subNetwork, c.Network) + field(subTenant, c.Tenant) + field(subMerchant, c.Merchant)
	if len(account) > maxFieldLength {
		return "", &Error{Reason: ReasonLength, Tag: "26"}
	}
	var b strings.Builder
	b.WriteString(field(tagFormat, formatVersion) + field(tagInitiation, initiation) + field(tagAccountFirst, account))
	b.WriteString(field(tagCategory, c.MCC) + field(tagCurrency, currencyWon))
	if c.Amount > 0 {
		b.WriteString(field(tagAmount, strconv.FormatInt(c.Amount, 10)))
	}
	b.WriteString(field(tagCountry, countryKorea) + field(tagName, c.Name) + field(tagCity, c.City))
	if c.Reference != "" {
		b.WriteString(field(tagAdditional, field(subReference, c.Reference)))
	}
	if !c.ExpiresAt.IsZero() {
		private := field(subNetwork, Network) + field(subExpires, strconv.FormatInt(c.ExpiresAt.Unix(), 10))
		if c.Nonce != "" {
			private += field(subNonce, c.Nonce)
		}
		b.WriteString(field(tagPrivateFirst, private))
	}
	b.WriteString(checksumHead)
	payload := b.String()
	return payload + fmt.Sprintf("%04X", checksum(payload)), nil
}

// Decode reads a payload, ours or another network's. Whatever it is given, it
// answers a Code that Encode could have written, or an *Error. Tags that it
// does not know are skipped; a tag that comes twice is refused.
func Decode(payload string) (Code, error) {
	if err := checkWhole(payload); err != nil {
		return Code{}, err
	}
	fields, err := parse(payload, "")
	if err != nil {
		return Code{}, err
	}
	for _, must := range []struct {
		tag   int
		value string
	}{{tagFormat, formatVersion}, {tagCurrency, currencyWon}, {tagCountry, countryKorea}} {
		switch value, ok := fields[must.tag]; {
		case !ok:
			return Code{}, &Error{Reason: ReasonMissing, Tag: tagText(must.tag)}
		case value != must.value:
			return Code{}, &Error{Reason: ReasonForeign, Tag: tagText(must.tag)}
		}
	}
	c := Code{MCC: fields[tagCategory], Name: fields[tagName], City: fields[tagCity]}
	switch fields[tagInitiation] {
	case initStatic:
		c.Static = true
	case initDynamic:
	default:
		return Code{}, &Error{Reason: ReasonValue, Tag: "01"}
	}
	if text, ok := fields[tagAmount]; ok {
		if c.Amount, err = number(text, MaxAmount, "54"); err != nil {
			return Code{}, err
		}
	}
	for _, read := range []func(map[int]string) error{c.readAccount, c.readAdditional, c.readPrivate} {
		if err := read(fields); err != nil {
			return Code{}, err
		}
	}
	if err := c.check(); err != nil {
		return Code{}, err
	}
	// Other writers pad with blanks; after the check, so that no tab or line
	// break passes as one.
	c.Name, c.City = shorten(c.Name, MaxNameLength), shorten(c.City, MaxCityLength)
	return c, nil
}

// readAccount takes our own account template wherever it stands, else the
// first that names a tenant and a merchant.
func (c *Code) readAccount(fields map[int]string) error {
	for tag := tagAccountFirst; tag <= tagAccountLast; tag++ {
		template, ok := fields[tag]
		if !ok {
			continue
		}
		sub, err := parse(template, tagText(tag))
		if err != nil {
			return err
		}
		ours := sub[subNetwork] == Network
		complete := sub[subNetwork] != "" && sub[subTenant] != "" && sub[subMerchant] != ""
		if ours || (complete && c.Network == "") {
			c.Network, c.Tenant, c.Merchant = sub[subNetwork], sub[subTenant], sub[subMerchant]
		}
		if ours {
			return nil
		}
	}
	if c.Network == "" {
		return &Error{Reason: ReasonForeign, Tag: tagText(tagAccountFirst)}
	}
	return nil
}

func (c *Code) readAdditional(fields map[int]string) error {
	template, ok := fields[tagAdditional]
	if !ok {
		return nil
	}
	sub, err := parse(template, "62")
	c.Reference = sub[subReference]
	return err
}

func (c *Code) readPrivate(fields map[int]string) error {
	for tag := tagPrivateFirst; tag <= tagPrivateLast; tag++ {
		template, ok := fields[tag]
		if !ok || !strings.HasPrefix(template, field(subNetwork, Network)) {
			continue
		}
		sub, err := parse(template, tagText(tag))
		if err != nil {
			return err
		}
		seconds, err := number(sub[subExpires], maxUnixSeconds, tagText(tag)+".01")
		if err != nil {
			return err
		}
		c.ExpiresAt, c.Nonce = time.Unix(seconds, 0).UTC(), sub[subNonce]
		return nil
	}
	return nil
}

// check holds for every code that is written or read.
func (c Code) check() error {
	switch {
	case !plain(c.Network, 32):
		return &Error{Reason: ReasonValue, Tag: "26.00"}
	case !plain(c.Tenant, 32):
		return &Error{Reason: ReasonValue, Tag: "26.01"}
	case !plain(c.Merchant, 64):
		return &Error{Reason: ReasonValue, Tag: "26.02"}
	case len(c.MCC) != 4 || !digits(c.MCC):
		return &Error{Reason: ReasonValue, Tag: "52"}
	case c.Amount < 0 || c.Amount > MaxAmount:
		return &Error{Reason: ReasonValue, Tag: "54"}
	case !printable(c.Name, MaxNameLength):
		return &Error{Reason: ReasonValue, Tag: "59"}
	case !printable(c.City, MaxCityLength):
		return &Error{Reason: ReasonValue, Tag: "60"}
	case c.Reference != "" && !plain(c.Reference, MaxReferenceLength):
		return &Error{Reason: ReasonValue, Tag: "62.05"}
	case c.Nonce != "" && !plain(c.Nonce, 32):
		return &Error{Reason: ReasonValue, Tag: "80.02"}
	case c.Static && (!c.ExpiresAt.IsZero() || c.Nonce != ""):
		return &Error{Reason: ReasonValue, Tag: "80"}
	case !c.Static && (c.ExpiresAt.Unix() <= 0 || c.ExpiresAt.Unix() > maxUnixSeconds):
		// A dynamic code without an end could be paid again for ever.
		return &Error{Reason: ReasonMissing, Tag: "80.01"}
	}
	return nil
}

// maxUnixSeconds lies in the year 5138; it bounds what arithmetic meets.
const maxUnixSeconds = 99_999_999_999

// number reads a whole number from 1 to limit, written in the one shortest way.
func number(text string, limit int64, tag string) (int64, error) {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !digits(text) || text[0] == '0' || value > limit {
		return 0, &Error{Reason: ReasonValue, Tag: tag}
	}
	return value, nil
}

// shorten makes white space single blanks and cuts at n characters.
func shorten(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	for i := range s {
		if n == 0 {
			return strings.TrimSpace(s[:i])
		}
		n--
	}
	return s
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// plain says whether s is 1 to n printable ASCII characters without spaces.
func plain(s string, n int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= n
}

// printable says whether s is 1 to n characters that can be seen, blanks
// between them: no control characters, and no invisible ones that turn the
// direction of what follows.
func printable(s string, n int) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= n && strings.TrimSpace(s) != ""
}
