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

// ShopName tells a merchant's name inside the event's tenant; merchants.Service
// provides it. A name that cannot be told is left out, and the notice stands.
type ShopName func(ctx context.Context, merchant uuid.UUID) (string, error)

// Service is what other modules and the pages call.
type Service struct {
	db    *db.DB
	store store
	hub   *live.Hub
	shop  ShopName
	now   clock.Now
}

// New keeps notices in d and tells open pages through hub.
func New(d *db.DB, hub *live.Hub, shop ShopName, now clock.Now) *Service {
	return &Service{db: d, store: store{d}, hub: hub, shop: shop, now: now}
}

// OnEvent turns an event into a notice, inside the transaction that takes the
// event off the outbox: a citizen is told once.
func (s *Service) OnEvent(ctx context.Context, e outbox.Event) error {
	return s.OnEvents(ctx, []outbox.Event{e})
}

// OnEvents does the same for many events in one statement.
func (s *Service) OnEvents(ctx context.Context, events []outbox.Event) error {
	var notices []Notice
	for _, e := range events {
		var h happened
		if err := e.Into(&h); err != nil {
			return err
		}
		n, told := noticeOf(e, h)
		if !told {
			continue
		}
		if h.MerchantID != uuid.Nil {
			name, err := s.shop(ctx, h.MerchantID)
			if err != nil && db.Gone(err) {
				return err
			}
			n.Params.Shop = name
		}
		notices = append(notices, n)
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
		for _, citizen := range slices.Compact(citizens) {
			if err := s.hub.Publish(ctx, Topic(citizen), "notice", struct{}{}); err != nil {
				return err
			}
		}
		return nil
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
