package notifications

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/live"
	"jangteo/app/outbox"
)

// How many notices one look at the inbox may bring.
const pageMost = 100

// ShopNames tells merchants' names inside the events' tenant; merchants.Service
// provides it. A name that cannot be told is left out, and the notice stands.
type ShopNames func(ctx context.Context, merchants []uuid.UUID) (map[uuid.UUID]string, error)

// Service is what other modules and the pages call.
type Service struct {
	db    *db.DB
	store store
	hub   *live.Hub
	shops ShopNames
	now   clock.Now
}

// New keeps notices in d and tells open pages through hub.
func New(d *db.DB, hub *live.Hub, shops ShopNames, now clock.Now) *Service {
	return &Service{db: d, store: store{d}, hub: hub, shops: shops, now: now}
}

// OnEvents turns events of one municipality into notices, inside the transaction
// that takes them off the outbox: a citizen is told once.
func (s *Service) OnEvents(ctx context.Context, events []outbox.Event) error {
	var (
		notices []Notice
		shops   []uuid.UUID // as notices
	)
	for _, e := range events {
		var h happened
		if err := e.Into(&h); err != nil {
			return err
		}
		if n, told := noticeOf(e, h); told {
			notices, shops = append(notices, n), append(shops, h.MerchantID)
		}
	}
	names, err := s.shops(ctx, slices.DeleteFunc(slices.Clone(shops), func(id uuid.UUID) bool { return id == uuid.Nil }))
	if err != nil {
		return err
	}
	for i, shop := range shops {
		notices[i].Params.Shop = names[shop]
	}
	return s.Add(ctx, notices...)
}

// Add keeps notices and tells the open pages of their citizens. ID and
// CreatedAt are given here.
func (s *Service) Add(ctx context.Context, notices ...Notice) error {
	if len(notices) == 0 {
		return nil
	}
	rows := make([]noticeRow, 0, len(notices))
	citizens := make([]uuid.UUID, 0, len(notices))
	for _, n := range notices {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		n.ID, n.CreatedAt = id, s.now()
		rows = append(rows, rowOf(n))
		citizens = append(citizens, n.CitizenID)
	}
	slices.SortFunc(citizens, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return s.db.Platform(ctx, func(ctx context.Context) error {
		if err := s.store.insert(ctx, rows); err != nil {
			return err
		}
		var news []live.Message
		for _, citizen := range slices.Compact(citizens) {
			news = append(news, live.Message{Topic: Topic(citizen), Kind: "notice", Data: []byte("{}")})
		}
		return s.hub.PublishAll(ctx, news)
	})
}

// Inbox lists a citizen's notices, the newest first; before is the last id of
// the page before, or zero. limit is between 1 and 100.
func (s *Service) Inbox(ctx context.Context, citizen, before uuid.UUID, limit int) (notices []Notice, err error) {
	if limit < 1 || limit > pageMost {
		limit = pageMost
	}
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		rows, err := s.store.list(ctx, citizen, before, limit)
		notices = make([]Notice, 0, len(rows))
		for _, row := range rows {
			notices = append(notices, row.notice())
		}
		return err
	})
	return notices, err
}

// Unread counts what a citizen has not read yet, up to 100.
func (s *Service) Unread(ctx context.Context, citizen uuid.UUID) (n int, err error) {
	err = s.db.Platform(ctx, func(ctx context.Context) error {
		n, err = s.store.unread(ctx, citizen, pageMost)
		return err
	})
	return n, err
}

// MarkRead marks a citizen's notices up to and with one of them; what came
// later stays unread.
func (s *Service) MarkRead(ctx context.Context, citizen, upTo uuid.UUID) error {
	return s.db.Platform(ctx, func(ctx context.Context) error {
		return s.store.markRead(ctx, citizen, upTo, s.now())
	})
}

// minutesLate is how late a notice came, in whole minutes.
func (n Notice) minutesLate() int { return int(n.CreatedAt.Sub(n.HappenedAt) / time.Minute) }
