package notifications

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/i18n"
	"jangteo/app/live"
	"jangteo/app/outbox"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
)

type bundle struct {
	*Service
	kit     *testkit.Kit
	hub     *live.Hub
	citizen uuid.UUID
}

func open(t *testing.T) (*bundle, context.Context) {
	kit, ctx := testkit.Open(t)
	hub := live.New(kit.DB, kit.Log)
	shops := func(_ context.Context, ids []uuid.UUID) (map[uuid.UUID]string, error) {
		names := map[uuid.UUID]string{}
		for _, id := range ids {
			if id != closedShop {
				names[id] = "길동이네 떡볶이"
			}
		}
		return names, nil
	}
	return &bundle{New(kit.DB, hub, shops, kit.Clock.Now), kit, hub, newID(t)}, ctx
}

var closedShop = uuid.MustParse("00000000-0000-7000-8000-00000000c105")

func newID(t *testing.T) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func event(t *testing.T, ctx context.Context, topic string, payload map[string]any) outbox.Event {
	t.Helper()
	body, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := tenant.Lookup(ctx)
	return outbox.Event{Tenant: id, Topic: topic, Payload: body, At: testkit.Noon}
}

func (b *bundle) inbox(t *testing.T, ctx context.Context) []Notice {
	t.Helper()
	list, err := b.Inbox(ctx, b.citizen, uuid.Nil, 50)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestEveryEventBecomesItsNotice(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	subject, shop := newID(t), newID(t)
	code := b.kit.Tenant.String()
	at := testkit.Noon.Add(-2 * time.Second)
	for _, c := range []struct {
		topic   string
		payload map[string]any
		want    Notice
	}{
		{
			"vouchers.purchase-completed", map[string]any{"purchase_id": subject, "amount": 100_000, "paid": 90_000, "subsidy": 10_000},
			Notice{Kind: PurchaseCompleted, Params: Params{Amount: 100_000, Paid: 90_000}, Link: "/my/purchases/" + code + "/" + subject.String()},
		},
		{
			"vouchers.purchase-failed", map[string]any{"purchase_id": subject, "amount": 100_000, "reason": "balance-too-low"},
			Notice{Kind: PurchaseFailed, Params: Params{Amount: 100_000, Reason: "balance-too-low"}, Link: "/my/purchases/" + code + "/" + subject.String()},
		},
		{
			"payments.charged", map[string]any{"payment_id": subject, "merchant_id": shop, "amount": 12_500},
			Notice{Kind: PaymentCaptured, Params: Params{Amount: 12_500, Shop: "길동이네 떡볶이"}, Link: "/my/payments/" + code + "/" + subject.String()},
		},
		{
			"payments.cancelled", map[string]any{"payment_id": subject, "cancellation_id": newID(t), "merchant_id": shop, "amount": 2_500},
			Notice{Kind: PaymentCancelled, Params: Params{Amount: 2_500, Shop: "길동이네 떡볶이"}, Link: "/my/payments/" + code + "/" + subject.String()},
		},
		{
			"sessions.ended", map[string]any{"session_id": subject, "code": "session-reset"},
			Notice{Kind: SessionEnded, Params: Params{Reason: "session-reset"}, Link: "/my/security"},
		},
	} {
		c.payload["citizen_id"], c.payload["at"] = b.citizen, at
		if err := b.OnEvents(ctx, []outbox.Event{event(t, ctx, c.topic, c.payload)}); err != nil {
			t.Fatalf("%s: %v", c.topic, err)
		}
		got := b.inbox(t, ctx)[0]
		c.want.ID, c.want.CitizenID, c.want.TenantID = got.ID, b.citizen, b.kit.Tenant
		c.want.HappenedAt, c.want.CreatedAt = got.HappenedAt, got.CreatedAt
		if got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.topic, got, c.want)
		}
		if !got.HappenedAt.Equal(at) || !got.CreatedAt.Equal(testkit.Noon) {
			t.Errorf("%s: happened %v, told %v", c.topic, got.HappenedAt, got.CreatedAt)
		}
	}
}

func TestANoticeToldLateSaysSo(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	for _, c := range []struct {
		ago  time.Duration
		late bool
	}{{time.Minute, false}, {time.Minute + time.Second, true}, {3 * time.Hour, true}} {
		at := b.kit.Clock.Now().Add(-c.ago)
		if err := b.OnEvents(ctx, []outbox.Event{event(t, ctx, "payments.charged", map[string]any{"citizen_id": b.citizen, "amount": 1, "at": at})}); err != nil {
			t.Fatal(err)
		}
		if got := b.inbox(t, ctx)[0]; got.Late() != c.late {
			t.Errorf("told %v after: late = %v", c.ago, got.Late())
		}
	}
}

func TestAnEventOfNoCitizenOrOfAnotherTopicIsNoNotice(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	if err := b.OnEvents(ctx, []outbox.Event{event(t, ctx, "payments.captured", map[string]any{"citizen_id": b.citizen, "amount": 5, "method": "static-qr"})}); err != nil {
		t.Fatal(err) // they pressed the button themselves
	}
	for topic, payload := range map[string]map[string]any{
		"settlement.paid-out": {"citizen_id": b.citizen, "amount": 5},
		"payments.charged":    {"amount": 5},
		"payments.cancelled":  {"amount": 5},
	} {
		if err := b.OnEvents(ctx, []outbox.Event{event(t, ctx, topic, payload)}); err != nil {
			t.Fatal(err)
		}
	}
	if list := b.inbox(t, ctx); len(list) != 0 {
		t.Errorf("told of %v", list)
	}
}

func TestAShopWithoutNameDoesNotHoldUpTheNotice(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	if err := b.OnEvents(ctx, []outbox.Event{event(t, ctx, "payments.charged", map[string]any{"citizen_id": b.citizen, "merchant_id": closedShop, "amount": 5})}); err != nil {
		t.Fatal(err)
	}
	if list := b.inbox(t, ctx); len(list) != 1 || list[0].Params.Shop != "" {
		t.Errorf("inbox %+v", list)
	}
}

func TestReadingMarksWhatWasThereAndNothingOfOthers(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	other := newID(t)
	tell := func(citizen uuid.UUID) {
		if err := b.Add(ctx, Notice{CitizenID: citizen, Kind: SessionEnded, HappenedAt: testkit.Noon}); err != nil {
			t.Fatal(err)
		}
	}
	tell(b.citizen)
	tell(b.citizen)
	tell(other)
	seen := b.inbox(t, ctx)[0].ID
	tell(b.citizen)

	if err := b.MarkRead(ctx, other, seen); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Unread(ctx, b.citizen); err != nil || n != 3 {
		t.Fatalf("another citizen's reading left %d unread (%v), want 3", n, err)
	}
	b.kit.Clock.Advance(time.Hour)
	if err := b.MarkRead(ctx, b.citizen, seen); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Unread(ctx, b.citizen); err != nil || n != 1 {
		t.Errorf("%d unread (%v), want the one that came later", n, err)
	}
	for i, n := range b.inbox(t, ctx) {
		if (n.ReadAt != nil) != (i > 0) {
			t.Errorf("notice %d read at %v", i, n.ReadAt)
		}
	}
}

func TestTheInboxTurnsItsPages(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	notices := make([]Notice, 25)
	for i := range notices {
		notices[i] = Notice{CitizenID: b.citizen, Kind: SessionEnded, HappenedAt: testkit.Noon}
	}
	if err := b.Add(ctx, notices...); err != nil {
		t.Fatal(err)
	}
	seen, before := map[uuid.UUID]bool{}, uuid.Nil
	for _, want := range []int{10, 10, 5, 0} {
		page, err := b.Inbox(ctx, b.citizen, before, 10)
		if err != nil || len(page) != want {
			t.Fatalf("a page of %d (%v), want %d", len(page), err, want)
		}
		for _, n := range page {
			seen[n.ID], before = true, n.ID
		}
	}
	if len(seen) != len(notices) {
		t.Errorf("%d different notices", len(seen))
	}
}

func TestOpenPagesHearOfIt(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	listening, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { b.hub.Run(listening, b.kit.DB.Pgx()); close(ended) }()
	defer func() { stop(); <-ended }()
	news, cancel := b.hub.Subscribe(Topic(b.citizen))
	defer cancel()

	wait := time.NewTimer(20 * time.Second)
	defer wait.Stop()
	again := time.NewTicker(50 * time.Millisecond) // until the hub listens, what is told is lost
	defer again.Stop()
	for {
		select {
		case m := <-news:
			if m.Kind != "notice" {
				t.Errorf("kind %q", m.Kind)
			}
			return
		case <-again.C:
			if err := b.Add(ctx, Notice{CitizenID: b.citizen, Kind: SessionEnded, HappenedAt: testkit.Noon}); err != nil {
				t.Fatal(err)
			}
		case <-wait.C:
			t.Fatal("nobody heard")
		}
	}
}

func TestTheDatabaseRefusesAnUnknownKindAndAForeignLink(t *testing.T) {
	t.Parallel()
	b, ctx := open(t)
	for name, n := range map[string]Notice{
		"kind": {Kind: "whatever"},
		"link": {Kind: SessionEnded, Link: "//evil.example"},
		"host": {Kind: SessionEnded, Link: "https://evil.example"},
	} {
		n.CitizenID, n.HappenedAt = b.citizen, testkit.Noon
		if err := b.Add(ctx, n); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestEveryKindHasItsWords(t *testing.T) {
	t.Parallel()
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range i18n.Languages {
		for _, kind := range []Kind{PurchaseCompleted, PurchaseFailed, PaymentCaptured, PaymentCancelled, SessionEnded} {
			for _, part := range []string{".title", ".text"} {
				if key := "notifications." + string(kind) + part; !words.Has(lang, key) {
					t.Errorf("%s: no words for %s", lang, key)
				}
			}
		}
	}
}
