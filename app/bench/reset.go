package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app"
	"jangteo/app/auth"
	"jangteo/modules/sessions"
)

const (
	benchPlatform = "bench"
	watched       = 25 // sessions whose ending is timed on every server, from the first to the last
	comers        = 64 // devices that come back at a time
	looksEvery    = 50 * time.Millisecond
)

// ResetResult is what a reset of many sessions did to them and to payments.
type ResetResult struct {
	Scenario     string  `json:"scenario"`
	Sessions     int     `json:"sessions"`
	OrderMs      float64 `json:"order_ms"`       // from the approval until the last session had ended
	KnownP50Ms   float64 `json:"known_p50_ms"`   // from a session's end until a server refuses its token
	KnownMaxMs   float64 `json:"known_max_ms"`   // the slowest of both servers
	ResumeRate   float64 `json:"resume_rate"`    // devices that came back in a second
	ResumeFailed int     `json:"resume_failed"`  // that were told no
	PayP99Before float64 `json:"pay_p99_before"` // ms
	PayP99During float64 `json:"pay_p99_during"`
	PayRatio     float64 `json:"pay_ratio"`
}

// Handset is a device with its key and a session.
type Handset struct {
	device, session, citizen uuid.UUID
	key                      *ecdsa.PrivateKey
	token                    string
}

// Handsets makes active sessions on devices with keys, as the database's owner.
func Handsets(ctx context.Context, a *app.App, ownerURL string, number int) ([]Handset, error) {
	owner, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = owner.Close(context.WithoutCancel(ctx)) }()
	made, now := make([]Handset, number), a.Now()
	devices, begun := make([][]any, number), make([][]any, number)
	people := make([][]any, number)
	for i := range made {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		h := Handset{uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), key, ""}
		x, y := key.X.FillBytes(make([]byte, 32)), key.Y.FillBytes(make([]byte, 32))
		jwk := fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, encode(x), encode(y))
		thumbprint := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, encode(x), encode(y)))
		if i%max(1, number/watched) == 0 {
			claims := auth.Claims{Citizen: h.citizen, Session: h.session, Device: h.device, Epoch: 1}
			if h.token, _, err = a.Tokens.Mint(claims); err != nil {
				return nil, err
			}
		}
		made[i] = h
		none := []byte{0}
		index := sha256.Sum256(h.citizen[:])
		people[i] = []any{h.citizen, index[:16], none, none, none, none, none, none, "김*", "010-****-0000", "1990-**-**", now}
		devices[i] = []any{h.device, h.citizen, encode(thumbprint[:]), jwk, "Handset", benchPlatform, "1", now}
		begun[i] = []any{h.session, h.citizen, h.device, "identity-check", 1, now, now, now}
	}
	for _, table := range []struct {
		name    pgx.Identifier
		columns []string
		rows    [][]any
	}{
		{pgx.Identifier{"citizens", "citizens"}, []string{"id", "ci_index", "ci_sealed", "name_sealed", "phone_sealed", "birth_sealed", "name_index", "phone_index", "name_masked", "phone_masked", "birth_masked", "joined_at"}, people},
		{pgx.Identifier{"sessions", "devices"}, []string{"id", "citizen_id", "thumbprint", "public_key", "name", "platform", "version", "bound_at"}, devices},
		{pgx.Identifier{"sessions", "sessions"}, []string{"id", "citizen_id", "device_id", "method", "epoch", "began_at", "proved_at", "seen_at"}, begun},
	} {
		if _, err := owner.CopyFrom(ctx, table.name, table.columns, pgx.CopyFromRows(table.rows)); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(table.name, "."), err)
		}
	}
	_, err = owner.Exec(ctx, "VACUUM ANALYZE sessions.sessions, sessions.devices")
	return made, err
}

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// MeasureReset lets two people end all sessions of handsets while payments go on at the
// first server, times how fast every server knows, and lets devices come back.
func (w *World) MeasureReset(ctx context.Context, a *app.App, servers []string, all []Handset, callers int, length time.Duration) (r ResetResult, err error) {
	r = ResetResult{Scenario: "reset", Sessions: len(all)}
	before, err := w.Drive(ctx, servers[0], unmeasured, Pay, Load{Callers: callers, Length: length})
	if err != nil {
		return r, err
	}
	r.PayP99Before = before.P99Ms
	var measured sync.WaitGroup
	var during Result
	var driven error
	measured.Go(func() {
		during, driven = w.Drive(ctx, servers[0], unmeasured, Pay, Load{Callers: callers, Length: length + length/2})
	})

	refused := make([]map[uuid.UUID]time.Time, len(servers))
	watching, stop := context.WithTimeout(ctx, length+3*time.Minute)
	defer stop()
	for i, server := range servers {
		refused[i] = map[uuid.UUID]time.Time{}
		measured.Go(func() { watchRefusals(watching, server, withToken(all), refused[i]) })
	}
	order, err := orderReset(ctx, a)
	if err != nil {
		return r, err
	}
	resumed, failed := comeBack(ctx, servers[0], all, length)
	r.ResumeRate, r.ResumeFailed = float64(resumed)/length.Seconds(), failed
	measured.Wait()
	if driven != nil {
		return r, driven
	}
	r.PayP99During = during.P99Ms
	r.PayRatio = r.PayP99During / r.PayP99Before
	done, err := finished(ctx, a, order.ID)
	if err != nil {
		return r, err
	}
	r.OrderMs = ms(done.FinishedAt.Sub(*done.ApprovedAt))
	return r, r.knew(ctx, a, all, refused)
}

// finished waits until a reset has ended its last session.
func finished(ctx context.Context, a *app.App, id uuid.UUID) (sessions.ResetOrder, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(3 * time.Minute); ; {
		r, err := a.Sessions.ResetByID(ctx, id)
		switch {
		case err != nil || r.FinishedAt != nil:
			return r, err
		case time.Now().After(end):
			return r, errors.New("the reset has not finished")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

func (r *ResetResult) knew(ctx context.Context, a *app.App, all []Handset, refused []map[uuid.UUID]time.Time) error {
	var took []time.Duration
	for _, h := range withToken(all) {
		list, err := a.Sessions.List(ctx, h.citizen)
		if err != nil {
			return err
		}
		ended := list[len(list)-1].EndedAt // the first session: later ones went on from it
		for _, server := range refused {
			at, seen := server[h.session]
			if !seen || ended == nil {
				return errors.New("a server never refused a session that had ended")
			}
			took = append(took, at.Sub(*ended))
		}
	}
	slices.Sort(took)
	r.KnownP50Ms, r.KnownMaxMs = ms(took[len(took)/2]), ms(took[len(took)-1])
	return nil
}

// orderReset has one person order and another approve.
func orderReset(ctx context.Context, a *app.App) (sessions.ResetOrder, error) {
	person := func() context.Context {
		return auth.With(ctx, auth.Principal{Kind: auth.Operator, ID: uuid.New(), Name: "bench"})
	}
	platform := benchPlatform
	r, err := a.Sessions.OrderReset(person(), sessions.ResetInput{
		Incident: uuid.Must(uuid.NewV7()), Scope: sessions.Scope{Kind: sessions.ScopePlatform, Platform: &platform}, AtOnce: true, Reason: "measuring a reset",
	})
	if err != nil {
		return r, err
	}
	return a.Sessions.ApproveReset(person(), r.ID)
}

// withToken are the handsets that are watched.
func withToken(all []Handset) (some []Handset) {
	for _, h := range all {
		if h.token != "" {
			some = append(some, h)
		}
	}
	return some
}

// watchRefusals notes when a server first refuses each session's token. They end
// in the order of their ids, so that one question at a time is enough; it is one
// that a server answers without its database, because what watching costs is
// taken from what is measured.
func watchRefusals(ctx context.Context, server string, some []Handset, refused map[uuid.UUID]time.Time) {
	tick := time.NewTicker(looksEvery)
	defer tick.Stop()
	for _, h := range some {
		for refused[h.session].IsZero() && ctx.Err() == nil {
			status, err := look(ctx, server, h.token)
			if err == nil && status == http.StatusUnauthorized {
				refused[h.session] = time.Now()
				continue
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}
}

// look asks for a page of no length, which is refused once it is known who asks.
func look(ctx context.Context, server, token string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server+"/api/v1/me/history?limit=0", nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// comeBack lets devices resume by their keys for a time, each when it is told to.
func comeBack(ctx context.Context, server string, all []Handset, length time.Duration) (resumed, failed int) {
	var next, good, bad atomic.Int64
	var together sync.WaitGroup
	end := time.Now().Add(length)
	for range comers {
		together.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(all) {
					return
				}
				switch status := all[n].resume(ctx, server); {
				case status == http.StatusOK:
					good.Add(1)
				case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
					wait := time.NewTimer(time.Second) // a phone waits for as long as it is told; others come meanwhile
					select {
					case <-wait.C:
					case <-ctx.Done():
					}
				case ctx.Err() == nil:
					bad.Add(1)
				}
			}
		})
	}
	together.Wait()
	return int(good.Load()), int(bad.Load())
}

func (h Handset) resume(ctx context.Context, server string) (status int) {
	ask := func(path string, body any, answer any) int {
		raw, _ := json.Marshal(body)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+server+"/api/v1/sessions/"+path, strings.NewReader(string(raw)))
		if err != nil {
			return 0
		}
		request.Header.Set("Content-Type", "application/json")
		got, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		defer func() { _ = got.Body.Close() }()
		if answer != nil && json.NewDecoder(got.Body).Decode(answer) != nil {
			return 0
		}
		return got.StatusCode
	}
	var challenge struct {
		Challenge string `json:"challenge"`
	}
	if status := ask("challenges", map[string]any{"device_id": h.device}, &challenge); status != http.StatusCreated {
		return status
	}
	sum := sha256.Sum256([]byte(challenge.Challenge))
	signature, err := ecdsa.SignASN1(rand.Reader, h.key, sum[:])
	if err != nil {
		return 0
	}
	return ask("resume", map[string]any{"device_id": h.device, "challenge": challenge.Challenge, "signature": encode(signature)}, nil)
}
