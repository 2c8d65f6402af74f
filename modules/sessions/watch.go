package sessions

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
)

const (
	pollEvery    = time.Second
	trustFor     = 5 * time.Second  // without a poll that worked
	pollOverlap  = 30 * time.Second // longer than any transaction lives before it commits
	pageOfEnded  = 5000
	rememberMore = time.Minute // beyond the life of an access token
)

// watch holds which sessions ended while tokens of theirs may still be alive.
type watch struct {
	mu     sync.RWMutex
	ended  map[uuid.UUID]Session
	readAt atomic.Int64 // unix nanoseconds; 0: never
	poke   chan struct{}
}

func (w *watch) add(ended ...Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, each := range ended {
		w.ended[each.ID] = each
	}
}

func (w *watch) find(id uuid.UUID) (Session, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	ended, ok := w.ended[id]
	return ended, ok
}

func (w *watch) forget(before time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, ended := range w.ended {
		if ended.EndedAt.Before(before) {
			delete(w.ended, id)
		}
	}
}

// Verify tells who bears an access token. It asks no database: the signature
// proves the token, and which sessions ended lately is in memory. A server that
// has not heard of endings for five seconds says that it cannot check.
func (s *Service) Verify(token string) (auth.Principal, error) {
	who, _, err := s.verify(token)
	return who, err
}

func (s *Service) verify(token string) (who auth.Principal, until time.Time, err error) {
	claims, err := s.tokens.Verify(token)
	if err != nil {
		return who, until, auth.ErrSignInRequired.Because(err)
	}
	if read := s.watch.readAt.Load(); read == 0 || s.now().UnixNano()-read > int64(trustFor) {
		return who, until, ErrCheckUnavailable
	}
	if ended, ok := s.watch.find(claims.Session); ok {
		return who, until, ended.fault(s.cfg.Absolute)
	}
	return auth.Principal{Kind: auth.Citizen, ID: claims.Citizen, Session: claims.Session, Device: claims.Device}, claims.ExpiresAt, nil
}

// Poll reads which sessions ended since the last poll.
func (s *Service) Poll(ctx context.Context) error {
	began, remember := s.now(), s.tokens.Life()+rememberMore
	since := began.Add(-remember)
	if read := s.watch.readAt.Load(); read != 0 {
		if overlap := time.Unix(0, read).Add(-pollOverlap); overlap.After(since) {
			since = overlap
		}
	}
	err := s.db.Platform(ctx, func(ctx context.Context) error {
		after := uuid.Nil
		for {
			rows, err := s.store.endedSince(ctx, since, after, pageOfEnded)
			if err != nil {
				return err
			}
			s.watch.add(rows...)
			if len(rows) < pageOfEnded {
				return nil
			}
			last := rows[len(rows)-1]
			since, after = *last.EndedAt, last.ID
		}
	})
	if err != nil {
		return err
	}
	s.watch.forget(began.Add(-remember))
	s.watch.readAt.Store(began.UnixNano())
	return nil
}

// Run polls every second, and at once when another server hints, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var listening sync.WaitGroup
	listening.Go(func() { s.listen(ctx) })
	defer listening.Wait()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	failing := false
	for {
		asked, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := s.Poll(asked)
		cancel()
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			failing = failed
			s.log.WarnContext(ctx, "reading ended sessions", "failing", failing, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.watch.poke:
		}
	}
}

func (s *Service) listen(ctx context.Context) {
	for ctx.Err() == nil {
		_ = s.store.listen(ctx, func() { // the poll goes on without it
			select {
			case s.watch.poke <- struct{}{}:
			default:
			}
		})
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
