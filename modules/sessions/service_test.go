package sessions_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/testkit"
	"jangteo/modules/citizens"
	"jangteo/modules/sessions"
)

// provider finds everybody to be who they say.
type provider struct{}

func (provider) Start(_ context.Context, who citizens.Person) (string, error) {
	return who.Name + "/" + who.Phone, nil
}

func (provider) Confirm(_ context.Context, id, _ string) (citizens.Identity, error) {
	name, phone, _ := strings.Cut(id, "/")
	return citizens.Identity{CI: "connecting-information-of-" + phone, Name: name, BirthDate: calendar.Date(1990, 1, 31), Phone: phone}, nil
}

type house struct {
	*testkit.Kit
	*sessions.Service
	url      string // of the database, as its owner
	citizens *citizens.Service
	tokens   *auth.Tokens
}

func open(t *testing.T) (house, context.Context) {
	t.Helper()
	k, _ := testkit.Open(t)
	ctx := t.Context() // sessions belong to no municipality
	h := house{Kit: k, citizens: citizens.New(k.DB, k.Box, provider{}, k.Audit, citizens.Limits{}, k.Clock.Now)}
	var err error
	h.tokens, err = auth.OpenTokens(ctx, k.DB, k.Box, auth.TokensConfig{Issuer: "https://jangteo.example", Audience: "jangteo"}, k.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	h.Service = h.server()
	h.poll(t)
	return h, ctx
}

// server is another server on the same database.
func (h house) server() *sessions.Service { return h.serverWith(sessions.Config{}) }

func (h house) serverWith(c sessions.Config) *sessions.Service {
	return sessions.New(h.DB, h.citizens, h.tokens, h.Box, h.Outbox, h.Audit, c, h.Clock.Now, h.Log)
}

func (h house) poll(t *testing.T) {
	t.Helper()
	if err := h.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// later moves the clock and lets the server hear what ended.
func (h house) later(t *testing.T, by time.Duration) {
	t.Helper()
	h.Clock.Advance(by)
	h.poll(t)
}

var numbers atomic.Int64

func (h house) citizen(t *testing.T) (id uuid.UUID, phone string) {
	t.Helper()
	phone = fmt.Sprintf("010%08d", numbers.Add(1))
	made, err := h.citizens.Enrol(t.Context(), []citizens.Identity{
		{CI: "connecting-information-of-" + phone, Name: "홍길동", BirthDate: calendar.Date(1990, 1, 31), Phone: phone},
	}, h.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return made[0].ID, phone
}

func (h house) identityToken(t *testing.T, phone string) string {
	t.Helper()
	check, err := h.citizens.StartCheck(t.Context(), citizens.Person{Name: "홍길동", BirthDate: "1990-01-31", Phone: phone})
	if err != nil {
		t.Fatal(err)
	}
	token, err := h.citizens.ConfirmCheck(t.Context(), check.ID, "123456")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// phone is a device that can prove its key.
type phone struct {
	sessions.DeviceInput
	sign func(text string) string
	asn1 func(text string) string // the same in DER
}

func newPhone(t *testing.T, name string) phone {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return phone{sessions.DeviceInput{PublicKey: jwk(t, &key.PublicKey), Name: name, Platform: "Android"}, func(text string) string {
		sum := sha256.Sum256([]byte(text))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return encode(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32)))
	}, func(text string) string {
		sum := sha256.Sum256([]byte(text))
		raw, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return encode(raw)
	}}
}

func encode(parts ...[]byte) string {
	var all []byte
	for _, part := range parts {
		all = append(all, part...)
	}
	return base64.RawURLEncoding.EncodeToString(all)
}

func jwk(t *testing.T, key any) []byte {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (h house) begin(t *testing.T, citizen uuid.UUID, on phone) sessions.Tokens {
	t.Helper()
	got, err := h.Begin(t.Context(), citizen, on.DeviceInput)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (h house) refresh(t *testing.T, token string) sessions.Tokens {
	t.Helper()
	got, err := h.Refresh(t.Context(), sessions.RefreshInput{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (h house) resume(t *testing.T, device uuid.UUID, by phone) (sessions.Tokens, error) {
	t.Helper()
	c, err := h.Challenge(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	return h.Resume(t.Context(), sessions.ResumeInput{DeviceID: device, Challenge: c.Text, Signature: by.sign(c.Text)})
}

func is(t *testing.T, err, want error) {
	t.Helper()
	_ = refusal(t, err, want)
}

func refusal(t *testing.T, err, want error) *fault.Fault {
	t.Helper()
	f, _ := fault.Of(err)
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	return f
}

func TestSigningIn(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	citizen, number := h.citizen(t)
	token := h.identityToken(t, number)
	device := newPhone(t, "Galaxy S25")
	got, err := h.SignIn(ctx, token, device.DeviceInput)
	if err != nil {
		t.Fatal(err)
	}
	who, err := h.Verify(got.Access)
	if err != nil || who.ID != citizen || who.Session != got.Session.ID || who.Device != got.Device.ID || who.Kind != auth.Citizen {
		t.Fatalf("%+v %v", who, err)
	}
	_, err = h.SignIn(ctx, token, device.DeviceInput)
	is(t, err, citizens.ErrTokenInvalid)
	if _, err := h.Verify(got.Access); err != nil {
		t.Fatal("a refused login ended a session")
	}
	others, err := h.Others(ctx, citizen)
	if err != nil || len(others) != 1 || others[0].Name != "Galaxy S25" {
		t.Fatalf("%+v %v", others, err)
	}
	list, err := h.List(ctx, citizen)
	if err != nil || len(list) != 1 || list[0].State != sessions.Active || list[0].Device.Name != "Galaxy S25" {
		t.Fatalf("%+v %v", list, err)
	}
}

func TestSuperseding(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	other := h.server()
	citizen, _ := h.citizen(t)
	oldPhone, newOne := newPhone(t, "옛 전화"), newPhone(t, "새 전화")
	before := h.begin(t, citizen, oldPhone)
	h.Clock.Advance(time.Second)
	after := h.begin(t, citizen, newOne)

	if len(after.Ended) != 1 || after.Ended[0].ID != before.Session.ID || *after.Ended[0].SupersededBy != after.Session.ID {
		t.Fatalf("%+v", after.Ended)
	}
	_, err := h.Verify(before.Access)
	f := refusal(t, err, sessions.ErrSuperseded)
	if f.Params["initiator"] != "user" || f.Params["ended_at"] != "2026-11-18T03:00:01Z" {
		t.Errorf("%v", f.Params)
	}
	if strings.Contains(fmt.Sprint(f.Params), "새 전화") {
		t.Error("the bearer of a mere token learned the other device")
	}
	if err := other.Poll(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = other.Verify(before.Access)
	is(t, err, sessions.ErrSuperseded)
	_, err = h.Refresh(ctx, sessions.RefreshInput{Token: before.Refresh})
	is(t, err, sessions.ErrSuperseded)
	_, err = h.resume(t, before.Device.ID, oldPhone)
	if f := refusal(t, err, sessions.ErrSuperseded); f.Params["by_device"] != "새 전화" {
		t.Errorf("who proves the device's key learns which: %v", f.Params)
	}
	if _, err := h.Verify(after.Access); err != nil {
		t.Error(err)
	}
	list, err := h.List(ctx, citizen)
	if err != nil || len(list) != 2 || list[1].State != sessions.Superseded || list[1].OtherDevice != "새 전화" {
		t.Errorf("%+v %v", list, err)
	}

	again := h.begin(t, citizen, newOne) // on the same device
	if again.Device.ID != after.Device.ID {
		t.Error("the device was not told again by its key")
	}
	_, err = h.Verify(after.Access)
	is(t, err, sessions.ErrCredentialChanged)
}

// patient asks again, as a client does, while a loaded machine has no
// connection left in time.
func patient(ask func() error) (err error) {
	for range 30 {
		if err = ask(); !errors.Is(err, fault.ErrUnavailable) {
			return err
		}
	}
	return err
}

func TestLoginsAtOnce(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	citizen, _ := h.citizen(t)
	first := h.begin(t, citizen, newPhone(t, "first"))
	done := make(chan error, 8)
	for i := range 8 {
		device := newPhone(t, fmt.Sprint("phone ", i))
		go func() {
			done <- patient(func() error {
				_, err := h.Begin(ctx, citizen, device.DeviceInput)
				return err
			})
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	active := 0
	list, err := h.List(ctx, citizen)
	if err != nil || len(list) != 9 {
		t.Fatal(len(list), err)
	}
	for _, each := range list {
		if each.State == sessions.Active {
			active++
		} else if each.State != sessions.Superseded {
			t.Errorf("%s", each.State)
		}
	}
	if active != 1 {
		t.Errorf("%d are active", active)
	}
	_, err = h.Verify(first.Access)
	is(t, err, sessions.ErrSuperseded)
}

func TestRefreshing(t *testing.T) {
	t.Parallel()
	t.Run("gives a successor, and the same one again within ten seconds", func(t *testing.T) {
		t.Parallel()
		h, _ := open(t)
		citizen, _ := h.citizen(t)
		first := h.begin(t, citizen, newPhone(t, "a"))
		second := h.refresh(t, first.Refresh)
		if second.Refresh == first.Refresh || second.Session.ID != first.Session.ID {
			t.Fatal("not renewed")
		}
		h.later(t, 10*time.Second)
		lost := h.refresh(t, first.Refresh)
		if lost.Refresh != second.Refresh {
			t.Fatal("another successor")
		}
		third := h.refresh(t, second.Refresh)
		if _, err := h.Verify(third.Access); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("twenty at once get one successor", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		other := h.server()
		citizen, _ := h.citizen(t)
		first := h.begin(t, citizen, newPhone(t, "a"))
		type answer struct {
			token string
			err   error
		}
		answers := make(chan answer, 20)
		for i := range 20 {
			server := []*sessions.Service{h.Service, other}[i%2]
			go func() {
				var got sessions.Tokens
				err := patient(func() (err error) {
					got, err = server.Refresh(ctx, sessions.RefreshInput{Token: first.Refresh})
					return err
				})
				answers <- answer{got.Refresh, err}
			}()
		}
		successors := map[string]int{}
		for range 20 {
			got := <-answers
			if got.err != nil {
				t.Error(got.err)
			}
			successors[got.token]++
		}
		if len(successors) != 1 {
			t.Errorf("%d successors", len(successors))
		}
	})
	t.Run("an old token without proof ends the session and restricts the account, truly told", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		citizen, number := h.citizen(t)
		device := newPhone(t, "a")
		first := h.begin(t, citizen, device)
		second := h.refresh(t, first.Refresh)
		h.later(t, 11*time.Second)
		_, err := h.Refresh(ctx, sessions.RefreshInput{Token: first.Refresh})
		if f := refusal(t, err, sessions.ErrReuseDetected); f.Params["security_incident"] != true {
			t.Errorf("%v", f.Params)
		}
		for _, bad := range []string{first.Refresh, second.Refresh} {
			_, err := h.Refresh(ctx, sessions.RefreshInput{Token: bad})
			is(t, err, sessions.ErrReuseDetected)
		}
		_, err = h.Verify(second.Access)
		is(t, err, sessions.ErrReuseDetected)
		_, err = h.resume(t, first.Device.ID, device)
		is(t, err, sessions.ErrReuseDetected)
		c, err := h.citizens.Get(ctx, citizen)
		if err != nil || !c.Locked() || *c.LockReason != citizens.LockedForReuse {
			t.Fatalf("%+v %v", c, err)
		}
		h.later(t, time.Minute)
		got, err := h.SignIn(ctx, h.identityToken(t, number), device.DeviceInput)
		if err != nil {
			t.Fatalf("a new identity check does not help: %v", err)
		}
		if _, err := h.Verify(got.Access); err != nil {
			t.Error(err)
		}
	})
	t.Run("a grandparent has no grace", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		citizen, _ := h.citizen(t)
		first := h.begin(t, citizen, newPhone(t, "a"))
		h.refresh(t, h.refresh(t, first.Refresh).Refresh)
		_, err := h.Refresh(ctx, sessions.RefreshInput{Token: first.Refresh})
		is(t, err, sessions.ErrReuseDetected)
	})
	t.Run("our own pages ask for proof first, and with it the lost answer is nothing", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		citizen, _ := h.citizen(t)
		device := newPhone(t, "a")
		first := h.begin(t, citizen, device)
		h.refresh(t, first.Refresh)
		h.later(t, time.Minute)
		_, err := h.Refresh(ctx, sessions.RefreshInput{Token: first.Refresh, AskProof: true})
		is(t, err, auth.ErrStepUp)
		got, err := h.resume(t, first.Device.ID, device)
		if err != nil || got.Session.ID != first.Session.ID {
			t.Fatalf("%v", err)
		}
		h.refresh(t, got.Refresh)
	})
	t.Run("idle and absolute limits end it for what they are", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		citizen, _ := h.citizen(t)
		device := newPhone(t, "a")
		first := h.begin(t, citizen, device)
		h.later(t, 30*24*time.Hour+time.Second)
		_, err := h.Refresh(ctx, sessions.RefreshInput{Token: first.Refresh})
		is(t, err, sessions.ErrExpiredIdle)
		on, err := h.resume(t, first.Device.ID, device)
		if err != nil || on.Session.Resumes == nil || *on.Session.Resumes != first.Session.ID || on.Session.Method != sessions.ByDeviceKey {
			t.Fatalf("%+v %v", on.Session, err)
		}
		token := on.Refresh
		for range 3 {
			h.later(t, 20*24*time.Hour)
			got, err := h.Refresh(ctx, sessions.RefreshInput{Token: token})
			if err != nil {
				if f := refusal(t, err, sessions.ErrExpired); f.Params["n"] != 90 {
					t.Errorf("%v", f.Params)
				}
				_, err = h.resume(t, first.Device.ID, device)
				is(t, err, sessions.ErrExpired)
				return
			}
			token = got.Refresh
		}
		t.Error("90 days passed and nobody noticed")
	})
	t.Run("a device whose session ended by itself does not push out one that logged in since", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		citizen, _ := h.citizen(t)
		old := newPhone(t, "a")
		first := h.begin(t, citizen, old)
		h.later(t, 30*24*time.Hour+time.Second)
		_, err := h.Refresh(ctx, sessions.RefreshInput{Token: first.Refresh})
		is(t, err, sessions.ErrExpiredIdle)
		second := h.begin(t, citizen, newPhone(t, "b"))
		_, err = h.resume(t, first.Device.ID, old)
		is(t, err, sessions.ErrExpiredIdle)
		if _, err := h.Verify(second.Access); err != nil {
			t.Error(err)
		}
	})
	t.Run("made-up tokens are nobody's; ours without a row are our loss", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		for _, junk := range []string{"", "x", strings.Repeat("A", 64), strings.Repeat("=", 64), strings.Repeat("A", 65)} {
			_, err := h.Refresh(ctx, sessions.RefreshInput{Token: junk})
			is(t, err, auth.ErrSignInRequired)
		}
		citizen, _ := h.citizen(t)
		first := h.begin(t, citizen, newPhone(t, "a"))
		forgetRow(t, first.Session.ID)
		_, err := h.Refresh(ctx, sessions.RefreshInput{Token: first.Refresh})
		is(t, err, sessions.ErrRecordMissing)
	})
}

// forgetRow loses a session's row, as restoring an older backup would.
func forgetRow(t *testing.T, id uuid.UUID) {
	t.Helper()
	owner, err := sql.Open("pgx", testkit.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	for _, statement := range []string{`DELETE FROM sessions.refresh_tokens WHERE session_id = $1`, `DELETE FROM sessions.sessions WHERE id = $1`} {
		if _, err := owner.ExecContext(t.Context(), statement, id); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResuming(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	citizen, _ := h.citizen(t)
	device, stranger := newPhone(t, "a"), newPhone(t, "b")
	first := h.begin(t, citizen, device)
	id := first.Device.ID

	t.Run("goes on in the same session while it is active", func(t *testing.T) {
		got, err := h.resume(t, id, device)
		if err != nil || got.Session.ID != first.Session.ID {
			t.Fatal(err)
		}
		_, err = h.Refresh(ctx, sessions.RefreshInput{Token: first.Refresh, AskProof: true})
		is(t, err, auth.ErrStepUp) // the token of before is old now
	})
	t.Run("needs the device's own key", func(t *testing.T) {
		_, err := h.resume(t, id, stranger)
		is(t, err, sessions.ErrProofInvalid)
	})
	t.Run("a challenge counts once, even after a wrong signature", func(t *testing.T) {
		c, err := h.Challenge(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		in := sessions.ResumeInput{DeviceID: id, Challenge: c.Text, Signature: stranger.sign(c.Text)}
		_, err = h.Resume(ctx, in)
		is(t, err, sessions.ErrProofInvalid)
		in.Signature = device.sign(c.Text)
		_, err = h.Resume(ctx, in)
		is(t, err, sessions.ErrProofInvalid)
	})
	t.Run("a challenge ends after two minutes", func(t *testing.T) {
		c, err := h.Challenge(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		h.later(t, 2*time.Minute)
		_, err = h.Resume(ctx, sessions.ResumeInput{DeviceID: id, Challenge: c.Text, Signature: device.sign(c.Text)})
		is(t, err, sessions.ErrProofInvalid)
	})
	t.Run("an unknown device gets a challenge like any other, and nothing for it", func(t *testing.T) {
		_, err := h.resume(t, uuid.New(), device)
		is(t, err, sessions.ErrProofInvalid)
	})
	t.Run("challenges are bounded for a device and for one that is not there alike", func(t *testing.T) {
		ctx := auth.WithInfo(ctx, auth.RequestInfo{Address: "203.0.113.7"})
		for _, asked := range []uuid.UUID{id, uuid.New()} {
			for range 20 {
				if _, err := h.Challenge(ctx, asked); err != nil {
					t.Fatal(err)
				}
			}
			_, err := h.Challenge(ctx, asked)
			is(t, err, fault.ErrTooMany)
		}
		if _, err := h.resume(t, id, device); err != nil {
			t.Errorf("whoever floods a device's challenges keeps it out: %v", err)
		}
	})
	t.Run("a challenge is its device's alone, and whole", func(t *testing.T) {
		c, err := h.Challenge(ctx, uuid.New())
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Resume(ctx, sessions.ResumeInput{DeviceID: id, Challenge: c.Text, Signature: device.sign(c.Text)})
		is(t, err, sessions.ErrProofInvalid)
		if c, err = h.Challenge(ctx, id); err != nil {
			t.Fatal(err)
		}
		for at := range c.Text { // a later end, another nonce, another seal
			changed := []byte(c.Text)
			changed[at] ^= 1
			_, err = h.Resume(ctx, sessions.ResumeInput{DeviceID: id, Challenge: string(changed), Signature: device.sign(string(changed))})
			is(t, err, sessions.ErrProofInvalid)
		}
		if _, err = h.Resume(ctx, sessions.ResumeInput{DeviceID: id, Challenge: c.Text, Signature: device.sign(c.Text)}); err != nil {
			t.Error(err)
		}
	})
	t.Run("renewals are bounded for a session, wherever else it is asked from", func(t *testing.T) {
		at := func(address string) context.Context { return auth.WithInfo(ctx, auth.RequestInfo{Address: address}) }
		resumed, err := h.resume(t, id, device)
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			if resumed, err = h.Refresh(at("203.0.113.8"), sessions.RefreshInput{Token: resumed.Refresh}); err != nil {
				t.Fatal(err)
			}
		}
		_, err = h.Refresh(at("203.0.113.8"), sessions.RefreshInput{Token: resumed.Refresh})
		is(t, err, fault.ErrTooMany)
		if _, err := h.Refresh(at("203.0.113.9"), sessions.RefreshInput{Token: resumed.Refresh}); err != nil {
			t.Errorf("whoever floods a session's renewals keeps its owner from them: %v", err)
		}
	})
	t.Run("what its owner ended stays ended", func(t *testing.T) {
		h.later(t, 3*time.Minute)
		if err := h.End(ctx, citizen, first.Session.ID, id); err != nil {
			t.Fatal(err)
		}
		_, err := h.resume(t, id, device)
		is(t, err, sessions.ErrRevoked)
	})
	t.Run("an Ed25519 key does as well", func(t *testing.T) {
		public, private, _ := ed25519.GenerateKey(rand.Reader)
		ed := phone{sessions.DeviceInput{PublicKey: jwk(t, public), Name: "ed", Platform: "iOS"}, func(text string) string {
			return encode(ed25519.Sign(private, []byte(text)))
		}, nil}
		begun := h.begin(t, citizen, ed)
		if _, err := h.resume(t, begun.Device.ID, ed); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEnding(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	citizen, number := h.citizen(t)
	first := h.begin(t, citizen, newPhone(t, "a"))
	neighbour, _ := h.citizen(t)

	is(t, h.End(ctx, neighbour, first.Session.ID, uuid.New()), sessions.ErrSessionUnknown)
	is(t, h.End(ctx, citizen, uuid.New(), first.Device.ID), sessions.ErrSessionUnknown)
	for range 2 { // the second time changes nothing
		if err := h.End(ctx, citizen, first.Session.ID, first.Device.ID); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.Verify(first.Access)
	is(t, err, sessions.ErrRevoked)
	told, err := h.EndingOf(ctx, first.Refresh)
	if err != nil || !errors.Is(told, sessions.ErrRevoked) {
		t.Fatal(told, err)
	}

	second := h.begin(t, citizen, newPhone(t, "b"))
	c, err := h.Lock(ctx, citizen, citizens.LockedByCitizen)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Verify(second.Access)
	if f := refusal(t, err, citizens.ErrLocked); f.Params["no"] != *c.LockCase || f.Params["initiator"] != "user" {
		t.Errorf("%v", f.Params)
	}
	_, err = h.Refresh(ctx, sessions.RefreshInput{Token: second.Refresh})
	is(t, err, citizens.ErrLocked)
	_, err = h.SignIn(ctx, h.identityToken(t, number), newPhone(t, "c").DeviceInput)
	is(t, err, citizens.ErrLocked)

	events, err := h.Events(ctx, citizen, uuid.Nil, 100)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	want := "account-locked account-restricted session-began session-revoked session-began"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("events are %s", got)
	}
	var announced int
	err = h.DB.Platform(ctx, func(ctx context.Context) error {
		return h.DB.In(ctx).Raw(`SELECT count(*) FROM app.outbox WHERE tenant_id = 0 AND topic = ? AND payload->>'citizen_id' = ?`,
			sessions.TopicEnded, citizen).Scan(&announced).Error
	})
	if err != nil || announced != 2 {
		t.Errorf("%d endings were announced, %v", announced, err)
	}
}

func TestVerifyWhenCutOff(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	citizen, _ := h.citizen(t)
	first := h.begin(t, citizen, newPhone(t, "a"))
	h.Clock.Advance(5 * time.Second)
	if _, err := h.Verify(first.Access); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(time.Millisecond)
	_, err := h.Verify(first.Access)
	if f := refusal(t, err, sessions.ErrCheckUnavailable); f.Kind != fault.Unavailable || f.RetryAfter == 0 {
		t.Errorf("%+v", f)
	}
	h.poll(t)
	if _, err := h.Verify(first.Access); err != nil {
		t.Fatal(err)
	}
	_, err = h.server().Verify(first.Access)
	is(t, err, sessions.ErrCheckUnavailable) // it has never heard
	h.later(t, 5*time.Minute)
	_, err = h.Verify(first.Access)
	is(t, err, auth.ErrSignInRequired)
	_, err = h.Verify("Bearer nonsense")
	is(t, err, auth.ErrSignInRequired)
}

func TestRunHearsOfEndings(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	other := h.server()
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { other.Run(ctx); close(done) }()
	citizen, _ := h.citizen(t)
	first := h.begin(t, citizen, newPhone(t, "a"))
	wait(t, func() bool { _, err := other.Verify(first.Access); return err == nil })
	if err := h.End(t.Context(), citizen, first.Session.ID, first.Device.ID); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { _, err := other.Verify(first.Access); return errors.Is(err, sessions.ErrRevoked) })
	stop()
	<-done
}

func wait(t *testing.T, happened func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen within 5 s")
		}
	}
}

func TestDeviceKeys(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	citizen, _ := h.citizen(t)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	wide, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	good := map[string]any{}
	if err := json.Unmarshal(jwk(t, &key.PublicKey), &good); err != nil {
		t.Fatal(err)
	}
	with := func(name string, value any) []byte {
		edited := map[string]any{}
		for k, v := range good {
			edited[k] = v
		}
		edited[name] = value
		raw, _ := json.Marshal(edited)
		return raw
	}
	for name, raw := range map[string][]byte{
		"nothing":                    nil,
		"no JSON":                    []byte("{"),
		"a list":                     []byte("[]"),
		"an empty object":            []byte("{}"),
		"a private key":              jwk(t, key),
		"a private part of any kind": with("d", "AA"),
		"a point not on the curve":   with("x", base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
		"a short coordinate":         with("x", "AA"),
		"another curve":              jwk(t, &wide.PublicKey),
		"a secret":                   jwk(t, []byte("shared secret of some length....")),
		"a huge key":                 with("kid", strings.Repeat("x", 3000)),
	} {
		_, err := h.Begin(ctx, citizen, sessions.DeviceInput{PublicKey: raw, Name: "a", Platform: "b"})
		if f, ok := fault.Of(err); !ok || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Name != "device.public_key" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := h.Begin(ctx, citizen, sessions.DeviceInput{PublicKey: with("use", "sig"), Name: "a\x00", Platform: strings.Repeat("p", 31)})
	if f, ok := fault.Of(err); !ok || len(f.Fields) != 2 {
		t.Errorf("%v", err)
	}
	if _, err := h.Begin(ctx, citizen, sessions.DeviceInput{PublicKey: with("use", "sig"), Name: "a", Platform: "b"}); err != nil {
		t.Errorf("a good key with its use: %v", err)
	}
}

// TestTruth tries to write untrue endings past the service: the table refuses.
func TestTruth(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	citizen, _ := h.citizen(t)
	neighbour, _ := h.citizen(t)
	first := h.begin(t, citizen, newPhone(t, "a")).Session
	theirs := h.begin(t, neighbour, newPhone(t, "b")).Session
	write := func(set string, values ...any) error {
		return h.DB.Platform(ctx, func(ctx context.Context) error {
			return h.DB.In(ctx).Exec(`UPDATE sessions.sessions SET ended_at = began_at, ended_xid = pg_current_xact_id(), `+set+` WHERE id = ?`, append(values, first.ID)...).Error
		})
	}
	order, unapproved, incident := h.order(t), uuid.New(), uuid.New()
	if err := h.DB.Platform(ctx, func(ctx context.Context) error {
		return h.DB.In(ctx).Exec(`INSERT INTO sessions.resets (id, incident_id, scope, at_once, reason, previewed, ordered_by, ordered_name, ordered_at)
			VALUES (?, ?, 'all', true, 'nobody approved', 1, ?, '김', ?)`, unapproved, incident, uuid.New(), h.Clock.Now()).Error
	}); err != nil {
		t.Fatal(err)
	}
	const reset = `state = 'session-reset', initiator = 'system', incident_id = ?, reset_id = ?, reset_approved = ?`
	const superseded = `state = 'session-superseded', initiator = 'user', superseded_by = ?, superseding_device = ?, superseding_method = ?`
	for name, err := range map[string]error{
		"an unknown state":                      write(`state = 'other', initiator = 'system'`),
		"a catch-all without initiator":         write(`state = 'session-expired'`),
		"superseded without a pointer":          write(`state = 'session-superseded', initiator = 'user'`),
		"superseded with half a pointer":        write(superseded, theirs.ID, nil, "identity-check"),
		"superseded by another citizen's login": write(superseded, theirs.ID, theirs.DeviceID, "identity-check"),
		"superseded by nothing":                 write(superseded, uuid.New(), uuid.New(), "identity-check"),
		"superseded by itself":                  write(superseded, first.ID, first.DeviceID, "identity-check"),
		"superseded by a mere resume":           write(superseded, theirs.ID, theirs.DeviceID, "device-key"),
		"superseded by the system":              write(`state = 'session-superseded', initiator = 'system', superseded_by = ?, superseding_device = ?, superseding_method = 'identity-check'`, theirs.ID, theirs.DeviceID),
		"half a pointer on something else":      write(`state = 'session-expired', initiator = 'policy', superseded_by = ?`, theirs.ID),
		"a reset without an incident":           write(`state = 'session-reset', initiator = 'system'`),
		"a reset said to be the user's":         write(`state = 'session-reset', initiator = 'user', incident_id = ?`, uuid.New()),
		"a reset without an order":              write(`state = 'session-reset', initiator = 'system', incident_id = ?`, uuid.New()),
		"a reset by an order that is not there": write(reset, uuid.New(), uuid.New(), true),
		"a reset under another incident":        write(reset, uuid.New(), order.ID, true),
		"a reset that nobody approved":          write(reset, incident, unapproved, true),
		"a reset said not to be approved":       write(reset, incident, unapproved, false),
		"an order on something else":            write(`state = 'session-expired', initiator = 'policy', incident_id = ?, reset_id = ?, reset_approved = true`, order.IncidentID, order.ID),
		"an end without its transaction":        write(`state = 'session-expired', initiator = 'policy', ended_xid = NULL`),
		"an incident on something else":         write(`state = 'session-expired', initiator = 'policy', incident_id = ?`, uuid.New()),
		"revoked by staff without a case":       write(`state = 'session-revoked-by-staff', initiator = 'admin', ended_by = ?`, uuid.New()),
		"revoked from nowhere":                  write(`state = 'session-revoked', initiator = 'user'`),
		"locked without a case":                 write(`state = 'account-locked', initiator = 'user'`),
		"locked by the system":                  write(`state = 'account-locked', initiator = 'system', case_no = 'L-1'`),
		"an end without a state":                write(`initiator = NULL`),
	} {
		if err == nil {
			t.Fatalf("the table took %s", name)
		}
	}
	h.begin(t, citizen, newPhone(t, "c"))
	err := h.DB.Platform(ctx, func(ctx context.Context) error { // two at once
		return h.DB.In(ctx).Exec(`UPDATE sessions.sessions SET state = 'active', ended_at = NULL, initiator = NULL, superseded_by = NULL,
			superseding_device = NULL, superseding_method = NULL, ended_xid = NULL WHERE id = ?`, first.ID).Error
	})
	if err == nil {
		t.Error("two active sessions of one citizen")
	}
	if err := write(reset+`, superseded_by = NULL, superseding_device = NULL, superseding_method = NULL`, order.IncidentID, order.ID, true); err != nil {
		t.Errorf("a true reset: %v", err)
	}
}

// TestGraphAndTable holds that the state machine in code and the constraints of
// the table let in the same endings.
func TestGraphAndTable(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	citizen, _ := h.citizen(t)
	old := h.begin(t, citizen, newPhone(t, "a")).Session
	login := h.begin(t, citizen, newPhone(t, "b")).Session
	order := h.order(t)
	evidence := map[string]string{
		"session-superseded":       fmt.Sprintf("superseded_by = '%s', superseding_device = '%s', superseding_method = 'identity-check'", login.ID, login.DeviceID),
		"session-reset":            fmt.Sprintf("incident_id = '%s', reset_id = '%s', reset_approved = true", order.IncidentID, order.ID),
		"session-revoked":          "ended_by_device = gen_random_uuid()",
		"session-revoked-by-staff": "ended_by = gen_random_uuid(), office = '영등포구', case_no = 'C-1', reason = '분실 신고'",
		"account-locked":           "case_no = 'L-1'",
	}
	rollback := errors.New("rolled back")
	for _, code := range sessions.Codes() {
		for _, by := range []sessions.Initiator{sessions.ByUser, sessions.ByAdmin, sessions.BySystem, sessions.ByPolicy} {
			set := "superseded_by = NULL, superseding_device = NULL, superseding_method = NULL"
			if more := evidence[code]; strings.HasPrefix(more, "superseded_by") {
				set = more
			} else if more != "" {
				set += ", " + more
			}
			err := h.DB.Platform(ctx, func(ctx context.Context) error {
				if err := h.DB.In(ctx).Exec(`UPDATE sessions.sessions SET state = ?, initiator = ?, `+set+` WHERE id = ?`, code, by, old.ID).Error; err != nil {
					return err
				}
				return rollback
			})
			if taken, want := errors.Is(err, rollback), slices.Contains(sessions.InitiatorsOf(code), by); taken != want {
				t.Errorf("%s by %s: the table says %v, the graph %v: %v", code, by, taken, want, err)
			}
		}
	}

	active := sessions.Session{ID: uuid.New(), CitizenID: citizen, DeviceID: uuid.New(), State: sessions.Active}
	neighbour := login
	neighbour.CitizenID = uuid.New()
	resumed := login
	resumed.Method = sessions.ByDeviceKey
	here := login
	here.DeviceID = active.DeviceID
	for name, e := range map[string]sessions.Ending{
		"nothing":                       {},
		"superseded by nobody":          {State: sessions.Superseded, Initiator: sessions.ByUser},
		"superseded by a neighbour":     {State: sessions.Superseded, Initiator: sessions.ByUser, Superseder: &neighbour},
		"superseded by a resume":        {State: sessions.Superseded, Initiator: sessions.ByUser, Superseder: &resumed},
		"superseded on the same device": {State: sessions.Superseded, Initiator: sessions.ByUser, Superseder: &here},
		"expired and superseded":        {State: sessions.Expired, Initiator: sessions.ByPolicy, Superseder: &login},
		"revoked from nowhere":          {State: sessions.Revoked, Initiator: sessions.ByUser},
		"expired by the user":           {State: sessions.Expired, Initiator: sessions.ByUser},
		"locked without a case":         {State: sessions.AccountLocked, Initiator: sessions.ByUser},
		"a reset out of the blue":       {State: sessions.Reset, Initiator: sessions.BySystem},
	} {
		if sessions.TryEnd(active, e) == nil {
			t.Errorf("the service took %s", name)
		}
	}
	if err := sessions.TryEnd(active, sessions.Ending{State: sessions.Superseded, Initiator: sessions.ByUser, Superseder: &login}); err != nil {
		t.Error(err)
	}
	active.State = sessions.Expired
	if sessions.TryEnd(active, sessions.Ending{State: sessions.ExpiredIdle, Initiator: sessions.ByPolicy}) == nil {
		t.Error("an ended session ended again")
	}
}
