// Package identity simulates a Korean identity provider (본인확인기관): it
// sends a six-digit code to a person's phone and, once that is typed in, tells
// who the person is by connecting information. It is reached over HTTP only,
// and sends through a messages gateway over HTTP.
//
// It owns schema identity_simulator of the database that it is given, and
// makes it itself. It holds these to be true, always:
//   - a code lives three minutes, bears five attempts, and confirms once;
//   - the same name, birth date and phone have the same connecting information.
//
// It misbehaves on request (POST /control/faults): late or down.
package identity

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Limits of a check.
const (
	CodeLives   = 3 * time.Minute
	AttemptsMax = 5
)

// Person is whom a check is about.
type Person struct {
	Name      string `json:"name"`
	BirthDate string `json:"birth_date"`        // yyyy-mm-dd
	Phone     string `json:"phone"`             // digits; hyphens are dropped
	Carrier   string `json:"carrier,omitempty"` // SKT, KT, LGU or MVNO; only kept
}

// Options are what the simulator needs from outside.
type Options struct {
	Now         func() time.Time
	MessagesURL string // base address of the gateway that sends the codes
}

// Provider is the simulator. Make it with New, serve Handler, end it with Close.
type Provider struct {
	store    store
	now      func() time.Time
	messages string
	client   *http.Client
	live     context.Context // ends with Close: no answer is held beyond it
	end      context.CancelFunc
}

// New opens the simulator's store in the database at dsn.
func New(ctx context.Context, dsn string, opts Options) (*Provider, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("identity simulator: %w", err)
	}
	config.MaxConns = 3
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("identity simulator: %w", err)
	}
	p := &Provider{
		store: store{pool}, now: opts.Now, messages: opts.MessagesURL,
		client: &http.Client{Timeout: 5 * time.Second},
	}
	p.live, p.end = context.WithCancel(context.Background())
	if err := p.store.create(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("identity simulator: make schema: %w", err)
	}
	return p, nil
}

// Close ends waiting answers and closes the store.
func (p *Provider) Close() {
	p.end()
	p.store.pool.Close()
}

// A real provider derives these from resident numbers under a secret key. Here
// nobody is real and the key is public, so that the same person keeps the same
// information from one start to the next.
var ciKey, diKey = []byte("jangteo simulated connecting information"), []byte("jangteo simulated duplication information")

// CI returns a person's connecting information: 88 characters of base64, the
// same at every service.
func (x Person) CI() string { return x.derive(ciKey) }

// DI returns a person's duplication information: as CI, but for one service.
func (x Person) DI() string { return x.derive(diKey) }

func (x Person) derive(key []byte) string {
	mac := hmac.New(sha512.New, key)
	fmt.Fprintf(mac, "%s\n%s\n%s", x.Name, x.BirthDate, x.Phone)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

var phones = regexp.MustCompile(`^01[016789][0-9]{7,8}$`)

// normalise checks a person and brings the phone number to its digits.
func (x *Person) normalise(now time.Time) error {
	x.Phone = strings.ReplaceAll(x.Phone, "-", "")
	born, err := time.Parse(time.DateOnly, x.BirthDate)
	switch {
	case strings.TrimSpace(x.Name) == "" || utf8.RuneCountInString(x.Name) > 50 || strings.ContainsFunc(x.Name, isControl):
		return errors.New("name is missing, too long or holds control characters")
	case err != nil || born.After(now) || born.Year() < 1900:
		return errors.New("birth_date is not a past day, yyyy-mm-dd")
	case !phones.MatchString(x.Phone):
		return errors.New("phone is not a mobile number")
	case x.Carrier != "" && !slices.Contains([]string{"SKT", "KT", "LGU", "MVNO"}, x.Carrier):
		return errors.New("carrier is none of SKT, KT, LGU, MVNO")
	}
	return nil
}

func isControl(c rune) bool { return c < 0x20 || c == 0x7f }

// newCode makes six digits that cannot be guessed.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // no randomness, no security
	}
	return fmt.Sprintf("%06d", n.Int64())
}

// text sends a code to a phone.
func (p *Provider) text(ctx context.Context, phone, code string) error {
	body, err := json.Marshal(struct {
		Channel string `json:"channel"`
		To      string `json:"to"`
		Body    string `json:"body"`
	}{"sms", phone, "[본인확인] 인증번호 " + code + " 를 입력해 주세요. 타인에게 알려 주지 마세요."})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.messages+"/send", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("the gateway answered %s", response.Status)
	}
	return nil
}
