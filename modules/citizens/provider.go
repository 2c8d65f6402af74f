package citizens

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
	"jangteo/app/partner"
)

// Identity is who the provider found a person to be.
type Identity struct {
	CI        string // connecting information: the same person at every service
	Name      string
	BirthDate calendar.Day
	Phone     string // digits
}

// IdentityProvider is the outside world of identity checks (본인확인기관). Its
// methods answer faults of this module.
type IdentityProvider interface {
	// Start sends a code to the person's phone and returns the provider's id of
	// the check.
	Start(ctx context.Context, p Person) (checkID string, err error)
	// Confirm compares the code. ErrCodeWrong, ErrCheckExpired, ErrCheckSpent and
	// ErrCheckUsed say why not; ErrProviderUnavailable that nobody knows.
	Confirm(ctx context.Context, checkID, code string) (Identity, error)
}

// Provider speaks to an identity provider over HTTP.
type Provider struct {
	url    string
	client *http.Client
}

var _ IdentityProvider = (*Provider)(nil)

// NewProvider makes the adapter; it calls nothing yet.
func NewProvider(address string) *Provider {
	return &Provider{url: strings.TrimSuffix(address, "/"), client: partner.NewClient(64, 5*time.Second)}
}

// Close lets go of idle connections.
func (p *Provider) Close() { p.client.CloseIdleConnections() }

const answerBytesMax = 64 << 10

// Start asks for a code to be sent.
func (p *Provider) Start(ctx context.Context, x Person) (string, error) {
	var answer struct {
		CheckID string `json:"check_id"`
	}
	ask := struct {
		Name      string `json:"name"`
		BirthDate string `json:"birth_date"`
		Phone     string `json:"phone"`
	}{x.Name, x.BirthDate, x.Phone}
	switch status, err := p.post(ctx, "/checks", ask, &answer); {
	case err != nil:
		return "", ErrProviderUnavailable.Because(err)
	case status == http.StatusBadRequest:
		return "", ErrPersonRefused
	case status != http.StatusCreated || answer.CheckID == "" || len(answer.CheckID) > 100:
		return "", ErrProviderUnavailable.Because(fmt.Errorf("starting a check: status %d", status))
	}
	return answer.CheckID, nil
}

// Confirm hands over the code that somebody typed.
func (p *Provider) Confirm(ctx context.Context, checkID, code string) (Identity, error) {
	var answer struct {
		Name         string       `json:"name"`
		BirthDate    calendar.Day `json:"birth_date"`
		Phone        string       `json:"phone"`
		CI           string       `json:"ci"`
		AttemptsLeft *int         `json:"attempts_left"`
	}
	ask := struct {
		Code string `json:"code"`
	}{code}
	status, err := p.post(ctx, "/checks/"+url.PathEscape(checkID)+"/confirm", ask, &answer)
	if err != nil {
		return Identity{}, ErrProviderUnavailable.Because(err)
	}
	if refusal := refusals[status]; refusal != nil {
		if answer.AttemptsLeft != nil {
			refusal = refusal.With("attempts_left", *answer.AttemptsLeft)
		}
		return Identity{}, refusal
	}
	found := Identity{CI: answer.CI, Name: answer.Name, BirthDate: answer.BirthDate, Phone: answer.Phone}
	if status != http.StatusOK || !found.whole() {
		return Identity{}, ErrProviderUnavailable.Because(fmt.Errorf("confirming a check: status %d or an incomplete answer", status))
	}
	return found, nil
}

var refusals = map[int]*fault.Fault{
	http.StatusUnprocessableEntity: ErrCodeWrong,
	http.StatusGone:                ErrCheckExpired,
	http.StatusNotFound:            ErrCheckExpired,
	http.StatusTooManyRequests:     ErrCheckSpent,
	http.StatusConflict:            ErrCheckUsed,
}

func (i Identity) whole() bool {
	return len(i.CI) >= 20 && len(i.CI) <= 200 && i.Name != "" && len([]rune(i.Name)) <= nameMax && !i.BirthDate.IsZero() && phones.MatchString(i.Phone)
}

func (p *Provider) post(ctx context.Context, path string, body, answer any) (status int, err error) {
	sent, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+path, bytes.NewReader(sent))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	received, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(received, answer); err != nil && response.StatusCode < http.StatusBadRequest {
		return 0, errors.New("the identity provider's answer is not JSON")
	}
	return response.StatusCode, nil
}
