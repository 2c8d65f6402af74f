package cards

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/partner"
)

// IssuerDesk is the outside world of card issuers beside their messages: their
// back offices (docs/card-swaps.md). An error says that nobody knows.
type IssuerDesk interface {
	// Cards lists the cards that an issuer knows a person to have.
	Cards(ctx context.Context, issuer, name string, birthDate calendar.Day) ([]IssuerCard, error)
	// Reverse asks for a bank debit back, once for each key.
	Reverse(ctx context.Context, issuer string, r BankReversal) (ReversalAnswer, error)
	// Reversal tells what became of a key; errNeverArrived if it never came.
	Reversal(ctx context.Context, issuer, key string) (ReversalAnswer, error)
	// ClearingFile is the file of a business day; nil while there is none.
	ClearingFile(ctx context.Context, issuer string, day calendar.Day) ([]byte, error)
}

// IssuerCard is a card as its issuer tells of it.
type IssuerCard struct {
	Token   string `json:"token"`
	Product string `json:"product"`
}

// BankReversal asks an issuer to give a bank debit back.
type BankReversal struct {
	Token     string       `json:"issuer_token"`
	Retrieval string       `json:"retrieval"`
	Amount    money.Amount `json:"amount"`
	Key       string       `json:"key"`
}

// ReversalAnswer is what the issuer says of it.
type ReversalAnswer struct {
	State  string `json:"state"` // done, refused, pending or unknown
	Reason string `json:"reason"`
}

// errNeverArrived says that an issuer has never heard of a key.
var errNeverArrived = errors.New("cards: the issuer has not heard of this reversal")

// BackOffice speaks to the issuers' back offices over HTTP.
type BackOffice struct {
	url    string
	secret string
	client *http.Client
}

var _ IssuerDesk = (*BackOffice)(nil)

// NewBackOffice makes the adapter; it calls nothing yet. Without an address
// every question is answered with an error.
func NewBackOffice(address, secret string) *BackOffice {
	return &BackOffice{url: strings.TrimSuffix(address, "/"), secret: secret, client: partner.NewClient(16, 5*time.Second)}
}

// Close lets go of idle connections.
func (b *BackOffice) Close() { b.client.CloseIdleConnections() }

const (
	answerMost   = 64 << 10
	clearingMost = 20 << 20
	offeredCards = 20
)

// Cards asks POST /cards/search.
func (b *BackOffice) Cards(ctx context.Context, issuer, name string, birthDate calendar.Day) ([]IssuerCard, error) {
	var answer struct {
		Cards []IssuerCard `json:"cards"`
	}
	ask := map[string]string{"name": name, "birth_date": birthDate.String()}
	status, err := b.ask(ctx, http.MethodPost, issuer, "cards/search", ask, &answer)
	if err != nil || status != http.StatusOK {
		return nil, errors.Join(err, notThat(status))
	}
	list := answer.Cards[:min(len(answer.Cards), offeredCards)]
	for _, c := range list {
		if !soundToken(c.Token) || len([]rune(c.Product)) > 60 {
			return nil, fmt.Errorf("issuer %s offers a card that cannot be", issuer)
		}
	}
	return list, nil
}

// Reverse asks POST /reversals.
func (b *BackOffice) Reverse(ctx context.Context, issuer string, r BankReversal) (a ReversalAnswer, err error) {
	status, err := b.ask(ctx, http.MethodPost, issuer, "reversals", r, &a)
	return a.checked(status, err)
}

// Reversal asks GET /reversals/{key}.
func (b *BackOffice) Reversal(ctx context.Context, issuer, key string) (a ReversalAnswer, err error) {
	status, err := b.ask(ctx, http.MethodGet, issuer, "reversals/"+url.PathEscape(key), nil, &a)
	if err == nil && status == http.StatusNotFound {
		return a, errNeverArrived
	}
	return a.checked(status, err)
}

func (a ReversalAnswer) checked(status int, err error) (ReversalAnswer, error) {
	if err != nil || status != http.StatusOK {
		return ReversalAnswer{}, errors.Join(err, notThat(status))
	}
	switch a.State {
	case "done", "refused", "pending", "unknown":
		if r := []rune(a.Reason); len(r) > 200 {
			a.Reason = string(r[:200])
		}
		return a, nil
	}
	return ReversalAnswer{}, errors.New("a state of a reversal that nobody agreed on")
}

// ClearingFile asks GET /clearing/{day}.
func (b *BackOffice) ClearingFile(ctx context.Context, issuer string, day calendar.Day) ([]byte, error) {
	response, err := b.send(ctx, http.MethodGet, issuer, "clearing/"+strings.ReplaceAll(day.String(), "-", ""), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusNotFound:
		return nil, nil
	case http.StatusOK:
	default:
		return nil, notThat(response.StatusCode)
	}
	file, err := io.ReadAll(io.LimitReader(response.Body, clearingMost+1))
	if err == nil && len(file) > clearingMost {
		err = errors.New("a clearing file of more than 20 MB")
	}
	return file, err
}

func notThat(status int) error {
	if status == http.StatusOK || status == 0 {
		return nil
	}
	return fmt.Errorf("an issuer's back office answered %d", status)
}

func (b *BackOffice) ask(ctx context.Context, method, issuer, path string, body, answer any) (status int, err error) {
	response, err := b.send(ctx, method, issuer, path, body)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, answerMost))
	if err != nil || response.StatusCode != http.StatusOK {
		return response.StatusCode, err
	}
	return response.StatusCode, json.Unmarshal(raw, answer)
}

func (b *BackOffice) send(ctx context.Context, method, issuer, path string, body any) (*http.Response, error) {
	if b.url == "" {
		return nil, errors.New("no issuer's back office is configured")
	}
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, b.url+"/"+url.PathEscape(issuer)+"/"+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if b.secret != "" {
		request.Header.Set("Authorization", "Bearer "+b.secret)
	}
	return b.client.Do(request)
}

// ErrIssuerSilent says that an issuer's back office does not answer.
var ErrIssuerSilent = fault.DeclareWait(fault.Unavailable, "card-issuer-silent", 10*time.Second)
