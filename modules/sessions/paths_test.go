package sessions_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/modules/citizens"
	"jangteo/modules/sessions"
)

// asStaff is ctx of a member of staff, of no municipality.
func asStaff(ctx context.Context) context.Context {
	return auth.With(ctx, auth.Principal{Kind: auth.Operator, ID: uuid.New(), Name: "담당자"})
}

// TestEveryWayToEnd walks each path of the graph: the row, the device, the
// bearer of the token and the list all name the one reason. A state that no
// path here reaches fails, so that none is added without its path.
func TestEveryWayToEnd(t *testing.T) {
	t.Parallel()
	ends := map[sessions.State]func(t *testing.T, ctx context.Context, h house, citizen uuid.UUID, on phone, begun sessions.Tokens){
		sessions.Superseded: func(t *testing.T, _ context.Context, h house, citizen uuid.UUID, _ phone, _ sessions.Tokens) {
			h.begin(t, citizen, newPhone(t, "another"))
		},
		sessions.CredentialChanged: func(t *testing.T, _ context.Context, h house, citizen uuid.UUID, on phone, _ sessions.Tokens) {
			h.begin(t, citizen, on)
		},
		sessions.Reset: func(t *testing.T, _ context.Context, h house, _ uuid.UUID, _ phone, _ sessions.Tokens) {
			h.reset(t, sessions.Scope{Kind: sessions.ScopeAll}, true)
			h.carry(t)
		},
		sessions.Revoked: func(t *testing.T, ctx context.Context, h house, citizen uuid.UUID, _ phone, begun sessions.Tokens) {
			must(t, h.End(ctx, citizen, begun.Session.ID, begun.Device.ID))
		},
		sessions.RevokedByStaff: func(t *testing.T, ctx context.Context, h house, citizen uuid.UUID, _ phone, begun sessions.Tokens) {
			_, err := h.EndByStaff(asStaff(ctx), sessions.StaffEnding{
				Citizen: citizen, Session: begun.Session.ID, Office: "영등포구", Reason: "기기 분실 신고", CaseNo: "C-1",
			})
			must(t, err)
		},
		sessions.ExpiredIdle: func(t *testing.T, ctx context.Context, h house, _ uuid.UUID, _ phone, begun sessions.Tokens) {
			h.later(t, 31*24*time.Hour)
			_, err := h.Refresh(ctx, sessions.RefreshInput{Token: begun.Refresh})
			is(t, err, sessions.ErrExpiredIdle)
		},
		sessions.Expired: func(t *testing.T, ctx context.Context, h house, _ uuid.UUID, _ phone, begun sessions.Tokens) {
			h.later(t, 91*24*time.Hour)
			_, err := h.Refresh(ctx, sessions.RefreshInput{Token: begun.Refresh})
			is(t, err, sessions.ErrExpired)
		},
		sessions.ReuseDetected: func(t *testing.T, ctx context.Context, h house, _ uuid.UUID, _ phone, begun sessions.Tokens) {
			h.refresh(t, begun.Refresh)
			h.later(t, 11*time.Second)
			_, err := h.Refresh(ctx, sessions.RefreshInput{Token: begun.Refresh})
			is(t, err, sessions.ErrReuseDetected)
		},
		sessions.AccountLocked: func(t *testing.T, ctx context.Context, h house, citizen uuid.UUID, _ phone, _ sessions.Tokens) {
			_, err := h.Lock(ctx, citizen, citizens.LockedByCitizen)
			must(t, err)
		},
	}
	for _, code := range sessions.Codes() {
		end := ends[sessions.State(code)]
		if end == nil {
			t.Errorf("no path leads to %s", code)
			continue
		}
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			h, ctx := openAlone(t)
			citizen, _ := h.citizen(t)
			device := newPhone(t, "a")
			begun := h.begin(t, citizen, device)
			end(t, ctx, h, citizen, device, begun)
			h.poll(t)

			list, err := h.List(ctx, citizen)
			must(t, err)
			at := slices.IndexFunc(list, func(l sessions.Listed) bool { return l.ID == begun.Session.ID })
			if list[at].State != sessions.State(code) || list[at].EndedAt == nil || list[at].Initiator == nil {
				t.Errorf("the list says %+v", list[at].Session)
			}
			_, asked := h.Refresh(ctx, sessions.RefreshInput{Token: begun.Refresh})
			told, err := h.EndingOf(ctx, begun.Refresh)
			must(t, err)
			for who, said := range map[string]error{"the answer to its refresh token": asked, "the page": told} {
				f, _ := fault.Of(said)
				if f == nil || f.Code != code || f.Params["initiator"] != string(*list[at].Initiator) || f.Params["ended_at"] == nil {
					t.Errorf("%s says %v", who, said)
				}
			}
			if _, err := h.Verify(begun.Access); err == nil || errors.Is(err, sessions.ErrCheckUnavailable) {
				t.Errorf("its access token: %v", err)
			}
			events, err := h.Events(ctx, citizen, uuid.Nil, 20)
			must(t, err)
			if !slices.ContainsFunc(events, func(e sessions.Event) bool { return e.Kind == code && *e.SessionID == begun.Session.ID }) {
				t.Errorf("no event says so: %+v", events)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Where the operator allows several devices, none ends the other; stolen tokens
// still end all of them.
func TestSeveralDevices(t *testing.T) {
	t.Parallel()
	h, ctx := openAlone(t)
	several := h.serverWith(sessions.Config{SeveralDevices: true})
	must(t, several.Poll(ctx))
	citizen, _ := h.citizen(t)
	first, err := several.Begin(ctx, citizen, newPhone(t, "a").DeviceInput)
	must(t, err)
	second, err := several.Begin(ctx, citizen, newPhone(t, "b").DeviceInput)
	must(t, err)
	for _, got := range []sessions.Tokens{first, second} {
		if _, err := several.Verify(got.Access); err != nil || len(got.Ended) != 0 {
			t.Fatalf("%v %v", got.Ended, err)
		}
	}
	if others, err := several.Others(ctx, citizen); err != nil || len(others) != 0 {
		t.Errorf("asks about %v %v", others, err)
	}
	third := h.begin(t, citizen, newPhone(t, "c")) // the operator has changed the setting
	if len(third.Ended) != 2 || third.Ended[0].State != sessions.Superseded || third.Ended[1].State != sessions.Superseded {
		t.Fatalf("%+v", third.Ended)
	}
	fourth, err := several.Begin(ctx, citizen, newPhone(t, "d").DeviceInput)
	must(t, err)
	if _, err := several.Refresh(ctx, sessions.RefreshInput{Token: fourth.Refresh}); err != nil {
		t.Fatal(err)
	}
	h.later(t, 11*time.Second)
	must(t, several.Poll(ctx))
	_, err = several.Refresh(ctx, sessions.RefreshInput{Token: fourth.Refresh})
	is(t, err, sessions.ErrReuseDetected)
	must(t, several.Poll(ctx))
	_, err = several.Verify(third.Access)
	is(t, err, sessions.ErrReuseDetected)
}

// "It was not me" opens a case that staff can read, close once, and lift.
func TestNotMeOpensACase(t *testing.T) {
	t.Parallel()
	h, ctx := openAlone(t)
	citizen, _ := h.citizen(t)
	mine := h.begin(t, citizen, newPhone(t, "내 전화"))
	h.Clock.Advance(time.Second)
	theirs := h.begin(t, citizen, newPhone(t, "남의 전화"))
	must(t, h.NotMe(ctx, mine.Refresh))
	must(t, h.NotMe(ctx, mine.Refresh)) // pressed twice
	h.poll(t)
	_, err := h.Verify(theirs.Access)
	is(t, err, citizens.ErrLocked)
	list, err := h.Cases(ctx)
	if err != nil || len(list) != 1 || list[0].Kind != sessions.CaseNotMe || *list[0].SuspectID != theirs.Session.ID || *list[0].SessionID != mine.Session.ID {
		t.Fatalf("%+v %v", list, err)
	}
	c, signIns, err := h.CaseByID(ctx, list[0].ID)
	if err != nil || len(signIns) != 2 || c.CaseNo == "" {
		t.Errorf("%+v %v", c, err)
	}
	by := somebody(ctx)
	if err := h.CloseCase(by, c.ID, "통화", true); err == nil {
		t.Error("closed with two words")
	}
	must(t, h.CloseCase(by, c.ID, "본인과 통화해 확인했습니다", true))
	is(t, h.CloseCase(by, c.ID, "다시 한 번 닫습니다", false), sessions.ErrCaseClosed)
	is(t, h.CloseCase(by, uuid.New(), "없는 접수 건입니다", false), sessions.ErrCaseUnknown)
	if who, err := h.citizens.Get(ctx, citizen); err != nil || who.Locked() {
		t.Errorf("%+v %v", who, err)
	}
}
