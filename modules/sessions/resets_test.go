package sessions_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/modules/citizens"
	"jangteo/modules/sessions"
)

// openAlone is open over a database of the test's own: a reset is carried on by
// whoever comes by.
func openAlone(t *testing.T) (house, context.Context) {
	t.Helper()
	k, _ := testkit.Open(t)
	ctx := t.Context()
	address := testkit.FreshDatabase(t)
	d, err := db.Open(ctx, db.Options{URL: address, MaxConnections: 6, Name: "test", Patience: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	k.DB, k.Audit = d, audit.New(d, k.Clock.Now)
	k.Outbox = outbox.New(d, d, k.Clock.Now, k.Log)
	if k.Box, err = crypt.Open(ctx, d, testkit.MasterKey, k.Clock.Now); err != nil {
		t.Fatal(err)
	}
	h := house{Kit: k, url: address, citizens: citizens.New(k.DB, k.Box, provider{}, k.Audit, citizens.Limits{}, k.Clock.Now)}
	if h.tokens, err = auth.OpenTokens(ctx, d, k.Box, auth.TokensConfig{Issuer: "https://jangteo.example", Audience: "jangteo"}, k.Clock.Now); err != nil {
		t.Fatal(err)
	}
	h.Service = h.server()
	h.poll(t)
	return h, ctx
}

// somebody is a member of the operator's staff.
func somebody(ctx context.Context) context.Context {
	return auth.With(ctx, auth.Principal{Kind: auth.Operator, ID: uuid.New(), Name: "서은호"})
}

// order has one person order a reset of what nobody has, and another approve it.
func (h house) order(t *testing.T) sessions.ResetOrder {
	t.Helper()
	return h.reset(t, sessions.Scope{Kind: sessions.ScopePlatform, Platform: new("nobody's")}, true)
}

func (h house) reset(t *testing.T, scope sessions.Scope, atOnce bool) sessions.ResetOrder {
	t.Helper()
	r, err := h.OrderReset(somebody(t.Context()), sessions.ResetInput{Incident: uuid.Must(uuid.NewV7()), Scope: scope, AtOnce: atOnce, Reason: "키 유출이 의심됨"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = h.ApproveReset(somebody(t.Context()), r.ID); err != nil {
		t.Fatal(err)
	}
	return r
}

// carry carries resets on until nothing can be done now.
func (h house) carry(t *testing.T) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = h.AdvanceResets(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func (h house) state(t *testing.T, id uuid.UUID) sessions.ResetOrder {
	t.Helper()
	r, err := h.ResetByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestResetByTwoPeople(t *testing.T) {
	t.Parallel()
	h, ctx := openAlone(t)
	maker := somebody(ctx)
	in := sessions.ResetInput{Incident: uuid.Must(uuid.NewV7()), Scope: sessions.Scope{Kind: sessions.ScopeAll}, Reason: "백업에서 복구함"}
	citizen, _ := h.citizen(t)
	got := h.begin(t, citizen, newPhone(t, "a"))

	r, err := h.OrderReset(maker, in)
	if err != nil || r.Previewed != 1 || r.State != sessions.ResetOrdered {
		t.Fatalf("%+v %v", r, err)
	}
	h.carry(t)
	h.poll(t)
	if _, err := h.Verify(got.Access); err != nil {
		t.Fatalf("ended before anybody approved: %v", err)
	}
	_, err = h.ApproveReset(maker, r.ID)
	is(t, err, sessions.ErrResetOwn)
	err = h.DB.Platform(ctx, func(ctx context.Context) error { // past the service
		return h.DB.In(ctx).Exec(`UPDATE sessions.resets SET approved_by = ordered_by, approved_name = 'x', approved_at = ordered_at, state = 'running' WHERE id = ?`, r.ID).Error
	})
	if err == nil {
		t.Error("the table took the maker for the second person")
	}
	if _, err := h.ApproveReset(somebody(ctx), r.ID); err != nil {
		t.Fatal(err)
	}
	_, err = h.ApproveReset(somebody(ctx), r.ID)
	is(t, err, sessions.ErrResetDecided)
	h.carry(t)
	if r = h.state(t, r.ID); r.State != sessions.ResetDone || r.Ended != 1 || r.FinishedAt == nil {
		t.Errorf("%+v", r)
	}

	declined, err := h.OrderReset(maker, in)
	if err != nil {
		t.Fatal(err)
	}
	if declined, err = h.DeclineReset(maker, declined.ID); err != nil || declined.State != sessions.ResetDeclined {
		t.Errorf("%+v %v", declined, err)
	}
	_, err = h.ApproveReset(somebody(ctx), declined.ID)
	is(t, err, sessions.ErrResetDecided)
	_, err = h.ApproveReset(somebody(ctx), uuid.New())
	is(t, err, sessions.ErrResetUnknown)
}

// Each scope ends those it means, for the true reason, and no other; the
// devices go on by themselves.
func TestResetScopes(t *testing.T) {
	t.Parallel()
	for name, scope := range map[string]func(h house, chosen, other sessions.Tokens) sessions.Scope{
		"platform": func(house, sessions.Tokens, sessions.Tokens) sessions.Scope {
			return sessions.Scope{Kind: sessions.ScopePlatform, Platform: new("IOS")}
		},
		"version": func(house, sessions.Tokens, sessions.Tokens) sessions.Scope {
			return sessions.Scope{Kind: sessions.ScopeVersion, Platform: new("iOS"), Version: new("3.2.1")}
		},
		"issued before": func(_ house, _, other sessions.Tokens) sessions.Scope {
			return sessions.Scope{Kind: sessions.ScopeIssuedBefore, IssuedBefore: &other.Session.BeganAt}
		},
		"tenant": func(h house, chosen, _ sessions.Tokens) sessions.Scope {
			h.KnowMembers(func(_ context.Context, id tenant.ID, after uuid.UUID, _ int) ([]uuid.UUID, error) {
				if id != 11560 || after != uuid.Nil {
					return nil, nil
				}
				return []uuid.UUID{chosen.Session.CitizenID}, nil
			})
			return sessions.Scope{Kind: sessions.ScopeTenant, Tenant: new(tenant.ID(11560))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, ctx := openAlone(t)
			elsewhere := h.server()
			one, _ := h.citizen(t)
			two, _ := h.citizen(t)
			first, second := newPhone(t, "첫째"), newPhone(t, "둘째")
			first.Platform, first.Version = "iOS", "3.2.1"
			chosen := h.begin(t, one, first)
			h.Clock.Advance(time.Second)
			other := h.begin(t, two, second)
			h.poll(t)

			r := h.reset(t, scope(h, chosen, other), true)
			if r.Previewed != 1 {
				t.Fatalf("the preview counts %d", r.Previewed)
			}
			h.carry(t)
			if r = h.state(t, r.ID); r.State != sessions.ResetDone || r.Ended != 1 {
				t.Fatalf("%+v", r)
			}
			for _, server := range []*sessions.Service{h.Service, elsewhere} {
				if err := server.Poll(ctx); err != nil {
					t.Fatal(err)
				}
				_, err := server.Verify(chosen.Access)
				f := refusal(t, err, sessions.ErrReset)
				if f.Params["incident_id"] != r.IncidentID.String() || f.Params["initiator"] != "system" || f.Params["security_incident"] != false || f.RetryAfter <= 0 {
					t.Errorf("%v, to come back in %v", f.Params, f.RetryAfter)
				}
				if _, err := server.Verify(other.Access); err != nil {
					t.Errorf("another session ended: %v", err)
				}
			}
			_, err := h.Refresh(ctx, sessions.RefreshInput{Token: chosen.Refresh})
			is(t, err, sessions.ErrReset)
			back, err := h.resume(t, chosen.Device.ID, first)
			if err != nil || *back.Session.Resumes != chosen.Session.ID {
				t.Fatalf("the device cannot go on: %v", err)
			}
			if _, err := h.Verify(back.Access); err != nil {
				t.Error(err)
			}
			h.carry(t)
			if _, err := h.Refresh(ctx, sessions.RefreshInput{Token: back.Refresh}); err != nil {
				t.Errorf("whoever came back was reset again: %v", err)
			}
			list, err := h.List(ctx, one)
			if err != nil || len(list) != 2 || list[1].State != sessions.Reset || *list[1].IncidentID != r.IncidentID {
				t.Errorf("%+v %v", list, err)
			}
		})
	}
}

// All at once: every server refuses every earlier token as soon as it has heard
// of it, before any session was touched, and says nothing but the truth of it.
func TestResetAllAtOnce(t *testing.T) {
	t.Parallel()
	h, ctx := openAlone(t)
	elsewhere := h.server()
	citizen, _ := h.citizen(t)
	device := newPhone(t, "a")
	before := h.begin(t, citizen, device)
	r := h.reset(t, sessions.Scope{Kind: sessions.ScopeAll}, true)
	if r.Epoch == nil || *r.Epoch != 2 {
		t.Fatalf("%+v", r)
	}
	for _, server := range []*sessions.Service{h.Service, elsewhere} {
		if err := server.Poll(ctx); err != nil {
			t.Fatal(err)
		}
		_, err := server.Verify(before.Access)
		is(t, err, sessions.ErrReset)
	}
	_, err := h.Refresh(ctx, sessions.RefreshInput{Token: before.Refresh})
	if f := refusal(t, err, sessions.ErrReset); f.Params["id"] != sessions.IncidentNumber(r.IncidentID) {
		t.Errorf("%v", f.Params)
	}
	back, err := h.resume(t, before.Device.ID, device)
	if err != nil {
		t.Fatal(err)
	}
	if back.Session.Epoch != 2 {
		t.Errorf("epoch %d", back.Session.Epoch)
	}
	h.carry(t)
	for _, server := range []*sessions.Service{h.Service, elsewhere} {
		if _, err := server.Verify(back.Access); err != nil {
			t.Error(err)
		}
	}
}

// A key that may be lost is believed no longer, once another one signs.
func TestResetOfASigningKey(t *testing.T) {
	t.Parallel()
	h, ctx := openAlone(t)
	citizen, _ := h.citizen(t)
	device := newPhone(t, "a")
	before := h.begin(t, citizen, device)
	lost := h.tokens.Signer()
	h.later(t, time.Second)
	r := h.reset(t, sessions.Scope{Kind: sessions.ScopeSigningKey, SigningKey: &lost}, false)
	if r.Previewed != 1 {
		t.Errorf("the preview counts %d", r.Previewed)
	}
	h.carry(t)
	if _, err := h.Verify(before.Access); err != nil {
		t.Fatalf("ended before another key could sign: %v", err)
	}
	h.later(t, auth.KeyAhead)
	if err := h.tokens.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	h.carry(t)
	h.poll(t)
	_, err := h.Verify(before.Access)
	if f := refusal(t, err, sessions.ErrReset); f.Params["incident_id"] != r.IncidentID.String() {
		t.Errorf("%v", f.Params)
	}
	// What a thief of the key makes up says the same, whatever it claims.
	raw, _ := base64.RawURLEncoding.DecodeString(strings.Split(before.Access, ".")[1])
	claims := map[string]any{}
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	back, err := h.resume(t, before.Device.ID, device)
	if err != nil || back.Session.SignedBy == lost {
		t.Fatalf("%+v %v", back.Session, err)
	}
	if _, err := h.Verify(back.Access); err != nil {
		t.Error(err)
	}
}

// A reset that devices cannot come back from stops before it has done more.
func TestResetStopsItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failing int // of the first 20, before they try again
		stops   bool
	}{"two of the first twenty fail": {2, true}, "one of them fails": {1, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, ctx := openAlone(t)
			const people = 60
			var phones []phone
			var begun []sessions.Tokens
			for i := range people {
				citizen, _ := h.citizen(t)
				phones = append(phones, newPhone(t, fmt.Sprint("phone ", i)))
				begun = append(begun, h.begin(t, citizen, phones[i]))
			}
			r := h.reset(t, sessions.Scope{Kind: sessions.ScopeAll}, false)
			h.carry(t)
			h.Clock.Advance(29 * time.Second) // it waits for the first few
			h.carry(t)
			if r = h.state(t, r.ID); r.Ended != 20 || r.State != sessions.ResetRunning {
				t.Fatalf("the first few: %+v", r)
			}
			for i := range 40 { // the 20 twice
				by := phones[i%20]
				if i < c.failing {
					by = phones[59] // a device that lost its key
				}
				_, err := h.resume(t, begun[i%20].Device.ID, by)
				if (err != nil) != (i < c.failing) {
					t.Fatal(i, err)
				}
				h.Clock.Advance(100 * time.Millisecond)
			}
			if err := h.KeepOutcomes(ctx); err != nil {
				t.Fatal(err)
			}
			h.carry(t)
			r = h.state(t, r.ID)
			t.Logf("%d resumed, %d failed", r.Resumed, r.Failed)
			if stopped := r.State == sessions.ResetStopped; stopped != c.stops {
				t.Errorf("%+v", r)
			}
			if c.stops && r.Ended != 20 {
				t.Errorf("%d were ended", r.Ended)
			}
		})
	}
}

// Our own loss of a record is told as ours: no theft, no other device, and the
// device goes on.
func TestRecordsLost(t *testing.T) {
	t.Parallel()
	for name, loss := range map[string]string{
		"of the token":   `DELETE FROM sessions.refresh_tokens WHERE session_id = ?`,
		"of the session": `WITH gone AS (DELETE FROM sessions.refresh_tokens WHERE session_id = ?) DELETE FROM sessions.sessions WHERE id = ?`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, ctx := openAlone(t)
			citizen, _ := h.citizen(t)
			device := newPhone(t, "a")
			before := h.begin(t, citizen, device)
			if err := asOwner(t, h.url, strings.ReplaceAll(loss, "?", "'"+before.Session.ID.String()+"'")); err != nil {
				t.Fatal(err)
			}
			_, err := h.Refresh(ctx, sessions.RefreshInput{Token: before.Refresh})
			if f := refusal(t, err, sessions.ErrRecordMissing); f.Params["initiator"] != "system" || f.Params["security_incident"] != false {
				t.Errorf("%v", f.Params)
			}
			back, err := h.resume(t, before.Device.ID, device)
			if err != nil {
				t.Fatalf("the device cannot go on: %v", err)
			}
			if _, err := h.Verify(back.Access); err != nil {
				t.Error(err)
			}
			if c, err := h.citizens.Get(ctx, citizen); err != nil || c.Locked() {
				t.Errorf("%+v %v", c, err)
			}
		})
	}
}

// asOwner does what the program itself may not.
func asOwner(t *testing.T, address, statement string) error {
	t.Helper()
	owner, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer func() { _ = owner.Close() }()
	_, err = owner.ExecContext(t.Context(), statement)
	return err
}

// Before a planned reset access tokens live longer, and whose session it ends
// goes on with the token in hand: no payment is cut off. What the citizen ends
// meanwhile is ended at once.
func TestPlannedReset(t *testing.T) {
	t.Parallel()
	h, ctx := openAlone(t)
	other := h.server()
	plan := func(in time.Duration) sessions.ResetInput {
		return sessions.ResetInput{
			Incident: uuid.Must(uuid.NewV7()), Scope: sessions.Scope{Kind: sessions.ScopeAll}, Reason: "저장소를 옮김", StartsAt: new(h.Clock.Now().Add(in)),
		}
	}
	for name, spoil := range map[string]func(*sessions.ResetInput){
		"too soon": func(in *sessions.ResetInput) { in.StartsAt = new(h.Clock.Now().Add(19 * time.Minute)) },
		"too far":  func(in *sessions.ResetInput) { in.StartsAt = new(h.Clock.Now().Add(8 * 24 * time.Hour)) },
		"at once":  func(in *sessions.ResetInput) { in.AtOnce = true },
		"for a key": func(in *sessions.ResetInput) {
			in.Scope = sessions.Scope{Kind: sessions.ScopeSigningKey, SigningKey: new("k")}
		},
	} {
		in := plan(time.Hour)
		spoil(&in)
		_, err := h.OrderReset(somebody(ctx), in)
		if f, ok := fault.Of(err); !ok || len(f.Fields) != 1 || f.Fields[0].Name != "starts_at" {
			t.Errorf("%s: %v", name, err)
		}
	}
	citizen, _ := h.citizen(t)
	paying := newPhone(t, "결제 중")
	early := h.begin(t, citizen, paying)
	r, err := h.OrderReset(somebody(ctx), plan(30*time.Minute))
	must(t, err)
	_, err = h.ApproveReset(somebody(ctx), r.ID)
	must(t, err)
	all := func(by time.Duration) {
		t.Helper()
		h.later(t, by)
		h.carry(t)
		h.poll(t)
		must(t, other.Poll(ctx))
	}
	life := func(got sessions.Tokens) time.Duration { return got.AccessExpires.Sub(h.Clock.Now()) }
	all(time.Minute)
	if got := h.refresh(t, early.Refresh); life(got) > 5*time.Minute {
		t.Errorf("half an hour before, a token lives %s", life(got))
	} else {
		early = got
	}
	all(25 * time.Minute) // 4 minutes before
	before := h.refresh(t, early.Refresh)
	if life(before) < 19*time.Minute {
		t.Errorf("just before, a token lives %s", life(before))
	}
	lost, _ := h.citizen(t)
	stolen := h.begin(t, lost, newPhone(t, "잃은 기기"))
	all(5 * time.Minute)
	all(time.Minute) // after the trial
	if state := h.state(t, r.ID); state.Ended != 2 {
		t.Fatalf("%d sessions were ended: %+v", state.Ended, state)
	}
	for name, server := range map[string]*sessions.Service{"here": h.Service, "on another server": other} {
		if who, err := server.Verify(before.Access); err != nil || who.ID != citizen {
			t.Errorf("a payment is cut off %s: %v", name, err)
		}
	}
	_, err = h.Refresh(ctx, sessions.RefreshInput{Token: before.Refresh})
	is(t, err, sessions.ErrReset)
	resumed, err := h.resume(t, before.Device.ID, paying)
	must(t, err)
	if life(resumed) > 5*time.Minute || !resumed.AfterReset {
		t.Errorf("resumed: %+v", resumed)
	}

	_, err = h.Lock(ctx, lost, citizens.LockedByCitizen)
	must(t, err)
	must(t, other.Poll(ctx))
	for name, server := range map[string]*sessions.Service{"here": h.Service, "on another server": other} {
		if _, err := server.Verify(stolen.Access); err == nil {
			t.Errorf("a locked account goes on %s", name)
		}
	}
	all(20 * time.Minute)
	if _, err := h.Verify(before.Access); err == nil {
		t.Error("the token never ends")
	}
}
