package incidents_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/approvals"
	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/fault"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/modules/citizens"
	"jangteo/modules/incidents"
	"jangteo/modules/sessions"
	"jangteo/modules/tenants"
)

type nobody struct{}

func (nobody) Start(context.Context, citizens.Person) (string, error) { return "", nil }
func (nobody) Confirm(context.Context, string, string) (citizens.Identity, error) {
	return citizens.Identity{}, nil
}

type house struct {
	*testkit.Kit
	*incidents.Service
	sessions *sessions.Service
	citizens *citizens.Service

	approvals *approvals.Approvals
}

func open(t *testing.T) (house, context.Context) {
	t.Helper()
	k, _ := testkit.Open(t)
	ctx := t.Context()
	h := house{Kit: k, citizens: citizens.New(k.DB, k.Box, nobody{}, k.Audit, citizens.Limits{}, k.Clock.Now)}
	tokens, err := auth.OpenTokens(ctx, k.DB, k.Box, auth.TokensConfig{Issuer: "https://jangteo.example", Audience: "jangteo"}, k.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	h.sessions = sessions.New(k.DB, h.citizens, tokens, k.Box, k.Outbox, k.Audit, sessions.Config{}, k.Clock.Now, k.Log)
	places := tenants.New(k.DB, k.Audit, k.Clock.Now, k.Log)
	if err := errors.Join(places.Seed(ctx), h.sessions.Poll(ctx)); err != nil {
		t.Fatal(err)
	}
	h.approvals = approvals.New(k.DB, k.Audit, k.Clock.Now, k.Log)
	h.Service = incidents.New(k.DB, h.sessions, places, k.Audit, h.approvals, k.Clock.Now)
	return h, person(ctx, "서은호")
}

func person(ctx context.Context, name string) context.Context {
	return auth.With(ctx, auth.Principal{Kind: auth.Operator, ID: uuid.New(), Name: name})
}

func input() incidents.Input {
	return incidents.Input{
		State: incidents.Investigating, Parts: []string{"sign-in", "payments"}, Tenants: []tenant.ID{11560}, Published: true,
		Words: incidents.Words{TitleKo: "로그인이 늦어요", TextKo: "원인을 확인하고 있어요.", TitleEn: "Signing in is slow", TextEn: "We are looking for the cause."},
	}
}

func TestWordsStay(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	first, err := h.Open(ctx, input())
	if err != nil || first.Number != sessions.IncidentNumber(first.ID) || first.Version != 1 {
		t.Fatalf("%+v %v", first, err)
	}
	h.Clock.Advance(time.Hour)
	more := input()
	more.State, more.Words.TextKo = incidents.Identified, "원인을 찾았어요."
	second, err := h.Say(person(ctx, "남다정"), first.ID, 1, more)
	if err != nil || second.Version != 2 {
		t.Fatalf("%+v %v", second, err)
	}
	if _, err := h.Say(ctx, first.ID, 1, more); !errors.Is(err, incidents.ErrChanged) {
		t.Errorf("over somebody else's words: %v", err)
	}
	more.State = incidents.Resolved
	over, err := h.Say(ctx, first.ID, 2, more)
	if err != nil || over.EndedAt == nil || !over.EndedAt.Equal(h.Clock.Now()) {
		t.Fatalf("%+v %v", over, err)
	}
	if _, err := h.Say(ctx, first.ID, 3, more); !errors.Is(err, incidents.ErrOver) {
		t.Errorf("after its end: %v", err)
	}
	_, said, err := h.PublicGet(ctx, first.ID)
	if err != nil || len(said) != 3 || said[2].Words.TextKo != "원인을 확인하고 있어요." || said[1].AuthorName != "남다정" {
		t.Errorf("%+v %v", said, err)
	}
	list, err := h.Public(ctx)
	if err != nil || len(list) == 0 {
		t.Errorf("%+v %v", list, err)
	}
	err = h.DB.Platform(ctx, func(ctx context.Context) error {
		return h.DB.In(ctx).Exec(`UPDATE incidents.versions SET text_ko = 'x' WHERE incident_id = ?`, first.ID).Error
	})
	if err == nil {
		t.Error("words could be changed")
	}
	changes, err := h.Audit.Changes(tenant.With(ctx, tenant.Platform), audit.Filter{Object: "incident", ObjectID: first.ID.String(), Limit: 10})
	if err != nil || len(changes) != 3 || changes[2].Action != "incident.opened" {
		t.Errorf("%+v %v", changes, err)
	}
}

func TestBadWords(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	for field, spoil := range map[string]func(*incidents.Input){
		"title_ko":   func(in *incidents.Input) { in.Words.TitleKo = " " },
		"text_en":    func(in *incidents.Input) { in.Words.TextEn = strings.Repeat("x", 2001) },
		"state":      func(in *incidents.Input) { in.State = "gone" },
		"parts":      func(in *incidents.Input) { in.Parts = []string{"weather"} },
		"started_at": func(in *incidents.Input) { in.StartedAt = h.Clock.Now().Add(time.Minute) },
	} {
		in := input()
		spoil(&in)
		_, err := h.Open(ctx, in)
		if f, ok := fault.Of(err); !ok || len(f.Fields) != 1 || f.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	in := input()
	in.Tenants = []tenant.ID{99998}
	if _, err := h.Open(ctx, in); !errors.Is(err, tenant.ErrUnknown) {
		t.Error(err)
	}
	if _, _, err := h.PublicGet(ctx, uuid.New()); !errors.Is(err, incidents.ErrUnknown) {
		t.Error(err)
	}
}

// What is not published is not told; it stays published once it was.
func TestPublishing(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	in := input()
	in.Published = false
	i, err := h.Open(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.PublicGet(ctx, i.ID); !errors.Is(err, incidents.ErrUnknown) {
		t.Errorf("told before it was published: %v", err)
	}
	in.Published = true
	if _, err = h.Say(ctx, i.ID, 1, in); err != nil {
		t.Fatal(err)
	}
	in.Published = false
	if _, err = h.Say(ctx, i.ID, 2, in); err != nil {
		t.Fatal(err)
	}
	_, said, err := h.PublicGet(ctx, i.ID)
	if err != nil || len(said) != 2 {
		t.Errorf("%+v %v", said, err)
	}
}

func TestResetsUnderAnIncident(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	i, err := h.Open(ctx, input())
	if err != nil {
		t.Fatal(err)
	}
	in := sessions.ResetInput{Scope: sessions.Scope{Kind: sessions.ScopePlatform, Platform: new("nobody's")}, Reason: "복구 연습입니다"}
	r, err := h.OrderReset(ctx, i.ID, in)
	if err != nil || r.IncidentID != i.ID {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := h.Approve(ctx, r.ID); !errors.Is(err, sessions.ErrResetOwn) {
		t.Errorf("by its maker: %v", err)
	}
	if had, err := h.HasReset(ctx, i.ID); err != nil || had {
		t.Error("ordered is not reset", err)
	}
	if _, err := h.Approve(person(ctx, "남다정"), r.ID); err != nil {
		t.Fatal(err)
	}
	if had, err := h.HasReset(ctx, i.ID); err != nil || !had {
		t.Error(had, err)
	}
	over := input()
	over.State = incidents.Resolved
	if _, err := h.Say(ctx, i.ID, 1, over); err != nil {
		t.Fatal(err)
	}
	if _, err := h.OrderReset(ctx, i.ID, in); !errors.Is(err, incidents.ErrOver) {
		t.Errorf("under an incident that is over: %v", err)
	}
	if _, err := h.OrderReset(ctx, uuid.New(), in); !errors.Is(err, incidents.ErrUnknown) {
		t.Errorf("under no incident: %v", err)
	}
}

// A lost record opens one incident by itself, and not another for the next.
func TestLostRecordsOpenAnIncident(t *testing.T) { // before the parallel ones: incidents are nobody's alone
	h, ctx := open(t)
	for range 2 {
		if err := h.OnRecordMissing(t.Context(), []outbox.Event{{}}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := h.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, i := range list {
		if i.OpenedName == "jangteo" && !i.Published && i.State == incidents.Investigating {
			opened++
		}
	}
	if opened != 1 {
		t.Errorf("%d incidents", opened)
	}
}
