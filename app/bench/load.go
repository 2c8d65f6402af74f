package bench

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"jangteo/app/tenant"
)

// Scenario is what callers do.
type Scenario string

// The scenarios. In all of them half of the requests are of the five large
// municipalities.
const (
	Pay       Scenario = "pay"        // a tenth at one busy shop
	PayOne    Scenario = "pay-one"    // every payment of a municipality at one shop of it
	PayCancel Scenario = "pay-cancel" // each payment is cancelled
	Read      Scenario = "read"       // wallets and history
	Mixed     Scenario = "mixed"      // four reads to one payment
	Cards     Scenario = "cards"      // authorisations of a card issuer over four connections
)

// Scenarios lists them.
var Scenarios = []Scenario{Pay, PayOne, PayCancel, Read, Mixed, Cards}

// Result is what was measured from outside.
type Result struct {
	Scenario    Scenario `json:"scenario"`
	Callers     int      `json:"callers"`
	Seconds     float64  `json:"seconds"`
	Requests    int      `json:"requests"`
	Rate        float64  `json:"rate"`
	Errors      int      `json:"errors"`
	P50Ms       float64  `json:"p50_ms"`
	P99Ms       float64  `json:"p99_ms"`
	ServerRSSMB float64  `json:"server_rss_mb"`

	// Microseconds of processor time for each request.
	ServerCPU    float64 `json:"server_cpu_us"`
	PostgresCPU  float64 `json:"postgres_cpu_us"`
	GeneratorCPU float64 `json:"generator_cpu_us"`

	PgbenchTPCB   float64 `json:"pgbench_tpcb_rate,omitempty"`
	PgbenchSimple float64 `json:"pgbench_simple_rate,omitempty"`
	RatioTPCB     float64 `json:"ratio_tpcb,omitempty"`
	RatioSimple   float64 `json:"ratio_simple,omitempty"`
	CommitMs      float64 `json:"commit_p50_ms,omitempty"` // of one row in one transaction, alone
	RatioCommit   float64 `json:"ratio_commit,omitempty"`  // of the median to it

	FirstError string `json:"first_error,omitempty"`
}

// Load is who asks for how long.
type Load struct {
	Callers int
	Length  time.Duration
	Rate    int // requests a second, of all callers; 0: as many as they can
}

// warming is how long a load runs before it is measured: a fifth of the time, and
// long enough for a fresh server to have its statements planned and its memory filled.
func warming(length time.Duration) time.Duration { return max(length/5, 4*time.Second) }

// Drive lets callers send one request after another for a time, each over a
// connection of its own, and measures what they saw; at a stated rate, from the
// moment at which the request was due. usage reads the processor time used so far.
func (w *World) Drive(ctx context.Context, addr string, usage func() CPU, scenario Scenario, load Load) (Result, error) {
	callers, length := load.Callers, load.Length
	var (
		together sync.WaitGroup
		mu       sync.Mutex
		took     []time.Duration
		failed   int
		first    error
	)
	warm := warming(length)
	from := time.Now()
	begin := from.Add(warm)
	var before CPU
	warmed := time.AfterFunc(warm, func() { before = usage() })
	defer warmed.Stop()
	end := begin.Add(length)
	for i := range callers {
		c, err := dial(ctx, addr)
		if err != nil {
			return Result{}, err
		}
		together.Go(func() {
			defer c.close()
			var mine []time.Duration
			var wrong int
			var why error
			for n := i; ctx.Err() == nil; n += callers {
				start := time.Now()
				if load.Rate > 0 {
					start = from.Add(time.Duration(n) * time.Second / time.Duration(load.Rate))
					<-time.After(time.Until(start))
				}
				if !start.Before(end) {
					break
				}
				err := c.act(w, scenario, w.callers[n%len(w.callers)])
				if start.Before(begin) {
					continue
				}
				if err != nil {
					wrong++
					why = err
					continue
				}
				mine = append(mine, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			took, failed = append(took, mine...), failed+wrong
			if first == nil {
				first = why
			}
		})
	}
	together.Wait()
	cpu := usage().minus(before)
	r := Result{Scenario: scenario, Callers: callers, Seconds: length.Seconds(), Requests: len(took), Rate: float64(len(took)) / length.Seconds(), Errors: failed}
	if first != nil {
		r.FirstError = first.Error()
	}
	if len(took) == 0 {
		return r, errors.Join(errors.New("nothing was answered"), first)
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(len(took)) }
	r.ServerCPU, r.PostgresCPU, r.GeneratorCPU = each(cpu.Server), each(cpu.Postgres), each(cpu.Generator)
	slices.Sort(took)
	r.P50Ms, r.P99Ms = ms(took[len(took)/2]), ms(took[len(took)*99/100])
	return r, ctx.Err()
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// client is one keep-alive connection; it writes HTTP by hand, because on a
// small machine the generator's own work is taken from what it measures.
type client struct {
	conn net.Conn
	read *bufio.Reader
	addr string
	buf  []byte
}

func dial(ctx context.Context, addr string) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, read: bufio.NewReaderSize(conn, 8<<10), addr: addr}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// act does one step of the scenario.
func (c *client) act(w *World, s Scenario, who caller) error {
	switch s {
	case Pay, PayOne:
		_, err := c.pay(w.shopFor(s, who.tenant), who)
		return err
	case PayCancel:
		id, err := c.pay(w.shopFor(Pay, who.tenant), who)
		if err != nil {
			return err
		}
		_, err = c.send("POST", "/api/v1/tenants/"+who.tenant.String()+"/payments/"+id+"/cancellations", who.token, "{}")
		return err
	case Read, Cards:
	case Mixed:
		if mathrand.IntN(5) == 0 {
			_, err := c.pay(w.shopFor(Pay, who.tenant), who)
			return err
		}
	}
	path := "/api/v1/me/wallets"
	if mathrand.IntN(2) == 0 {
		path = "/api/v1/me/history?limit=20"
	}
	_, err := c.send("GET", path, who.token, "")
	return err
}

func (w *World) shopFor(s Scenario, id tenant.ID) uuid.UUID {
	shops := w.shops[id]
	if s == PayOne || mathrand.IntN(10) == 0 {
		return shops[0]
	}
	return shops[mathrand.IntN(len(shops))]
}

func (c *client) pay(shop uuid.UUID, who caller) (id string, err error) {
	body := `{"merchant_id":"` + shop.String() + `","amount":` + strconv.Itoa(100+mathrand.IntN(9900)) + `,"wallet_id":"` + who.wallet.String() + `"}`
	answer, err := c.send("POST", "/api/v1/tenants/"+who.tenant.String()+"/payments", who.token, body)
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(answer, `"id":"`)
	if len(rest) < 36 {
		return "", fmt.Errorf("an answer without id: %.100s", answer)
	}
	return rest[:36], nil
}

func (c *client) send(method, path, token, body string) (string, error) {
	b := c.buf[:0]
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, c.addr...)
	b = append(b, "\r\nAuthorization: Bearer "...)
	b = append(b, token...)
	if method == "POST" {
		var key [16]byte
		_, _ = rand.Read(key[:])
		b = append(b, "\r\nContent-Type: application/json\r\nIdempotency-Key: "...)
		b = hex.AppendEncode(b, key[:])
		b = append(b, "\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
	}
	b = append(b, "\r\n\r\n"...)
	b = append(b, body...)
	c.buf = b
	if _, err := c.conn.Write(b); err != nil {
		return "", err
	}
	return c.answer()
}

// answer reads one response with a Content-Length; a status other than 2xx is
// an error that says what was answered.
func (c *client) answer() (string, error) {
	line, err := c.read.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	if len(line) < 12 {
		return "", fmt.Errorf("a status line of %d bytes", len(line))
	}
	status := string(line[9:12])
	length := -1
	for {
		line, err = c.read.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if len(line) <= 2 {
			break
		}
		if text := string(line); strings.HasPrefix(text, "Content-Length: ") {
			length, _ = strconv.Atoi(strings.TrimSpace(text[len("Content-Length: "):]))
		}
	}
	if length < 0 {
		return c.chunked(status)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c.read, body); err != nil {
		return "", err
	}
	return judged(status, string(body))
}

func (c *client) chunked(status string) (string, error) {
	var body strings.Builder
	for {
		line, err := c.read.ReadString('\n')
		if err != nil {
			return "", err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil {
			return "", err
		}
		if _, err := io.CopyN(&body, c.read, n); err != nil {
			return "", err
		}
		if _, err := c.read.Discard(2); err != nil {
			return "", err
		}
		if n == 0 {
			return judged(status, body.String())
		}
	}
}

func judged(status, body string) (string, error) {
	if status[0] != '2' {
		return "", fmt.Errorf("%s: %.300s", status, body)
	}
	return body, nil
}
