package cards

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"jangteo/app/db"
	"jangteo/app/gather"
	"jangteo/app/recall"
)

const (
	rememberedMost = 100_000 // of each generation; an entry is about 300 bytes
	doubtsEvery    = 2 * time.Second
	changesTopic   = "cards"
)

// change is a row of cards.changes.
type change struct {
	ID   uuid.UUID `json:"id"`
	What string    `json:"what"` // link or terminal
	Key  string    `json:"key"`
	At   time.Time `json:"at"`
}

// ChangeID is its id.
func (c change) ChangeID() uuid.UUID { return c.ID }

// remember sets up what every server keeps of links and terminals.
func (s *Service) remember(lane *db.DB) {
	s.links = recall.New(gather.NewDesk(1, lane.Patience(), s.store.linksOf), rememberedMost, s.now)
	s.places = recall.New(gather.NewDesk(1, lane.Patience(), s.store.placesOf), rememberedMost, s.now)
	s.changes = recall.Changes[change]{
		Topic: changesTopic, Hub: s.live, Now: s.now, Log: s.log, Memories: []recall.Kept{s.links, s.places},
		Forget: func(c change) {
			switch c.What {
			case "link":
				s.links.Forget(c.Key)
			case "terminal":
				s.places.Forget(c.Key)
			}
		},
		Since: func(ctx context.Context, since time.Time, most int) (list []change, err error) {
			err = s.db.Aside(ctx, func(ctx context.Context) error {
				list, err = s.store.changes(ctx, since, most)
				return err
			})
			return list, err
		},
	}
}

// Refresh forgets the links and terminals that changed lately; Run does so by itself.
func (s *Service) Refresh(ctx context.Context) error { return s.changes.Refresh(ctx) }

// Run keeps what is remembered fresh until ctx ends, and undoes what was booked
// after its caller had gone.
func (s *Service) Run(ctx context.Context) {
	var changes sync.WaitGroup
	changes.Go(func() { s.changes.Run(ctx) })
	defer changes.Wait()
	timer := time.NewTicker(doubtsEvery)
	defer timer.Stop()
	for {
		s.settleDoubts(ctx)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// changed tells every server inside the transaction of a change; this one knows
// as soon as it has committed.
func (s *Service) changed(ctx context.Context, what, key string) error {
	c := change{uuid.Must(uuid.NewV7()), what, key, s.now()}
	if err := s.store.insertChange(ctx, c, s.now().Add(-recall.KeptFor)); err != nil {
		return err
	}
	db.AfterCommit(ctx, func() { s.changes.Forget(c) })
	return s.live.Publish(ctx, changesTopic, "changed", c)
}

// link finds a card by its issuer's token.
func (s *Service) link(ctx context.Context, issuer, token string) (Link, error) {
	found, err := s.links.Of(ctx, issuer+token)
	if errors.Is(err, gather.ErrNotFound) {
		return Link{}, ErrNotLinked
	}
	return found, db.Unavailable(err)
}

// place finds where a terminal stands.
func (s *Service) place(ctx context.Context, m Message) (Place, error) {
	found, err := s.places.Of(ctx, placeKey(m.Issuer, m.MerchantNumber, m.Terminal))
	if errors.Is(err, gather.ErrNotFound) {
		return Place{}, ErrTerminalUnknown.With("merchant_number", m.MerchantNumber).With("terminal", m.Terminal)
	}
	return found, db.Unavailable(err)
}

func placeKey(issuer, merchantNumber, terminal string) string {
	return issuer + " " + merchantNumber + " " + terminal
}
