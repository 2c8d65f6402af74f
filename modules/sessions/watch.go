package sessions

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
)

const (
	pollEvery    = time.Second
	pollRest     = 250 * time.Millisecond // from one to the next, however many hints come
	trustFor     = 5 * time.Second        // without a poll that worked
	pageOfEnded  = 10_000
	rememberMore = time.Minute // beyond the life of an access token
)

// watch holds which sessions ended while tokens of theirs may still be alive.
type watch struct {
	mu     sync.RWMutex
	ended  map[uuid.UUID]*Session
	readAt atomic.Int64 // unix nanoseconds; 0: never
	poke   chan struct{}

	certain uint64 // the transaction before which all endings have been read; Poll's alone
	polling sync.Mutex
	epoch   atomic.Pointer[epoch]
	resets  atomic.Pointer[[]resetNews]
	ordered chan struct{}
}

func newWatch() *watch {
	w := &watch{ended: map[uuid.UUID]*Session{}, poke: make(chan struct{}, 1), ordered: make(chan struct{}, 1)}
	w.epoch.Store(&epoch{Number: 1})
	w.resets.Store(&[]resetNews{})
	return w
}

func (w *watch) add(ended ...Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var batch *Session // those that one reset ended at one moment are told alike
	for _, each := range ended {
		if each.State == Reset && each.CutAt == nil {
			if batch == nil || *batch.ResetID != *each.ResetID || !batch.EndedAt.Equal(*each.EndedAt) {
				batch = &each
			}
			w.ended[each.ID] = batch
			continue
		}
		w.ended[each.ID] = &each
	}
}

func (w *watch) find(id uuid.UUID) (Session, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if ended := w.ended[id]; ended != nil {
		return *ended, true
	}
	return Session{}, false
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
// has not heard of endings for five seconds says that it cannot check, and who
// it would have been.
func (s *Service) Verify(token string) (auth.Principal, error) {
	who, _, err := s.verify(token)
	return who, err
}

func (s *Service) verify(token string) (who auth.Principal, claims auth.Claims, err error) {
	claims, err = s.tokens.Verify(token)
	var withdrawn *auth.WithdrawnError
	switch {
	case errors.As(err, &withdrawn):
		return who, claims, s.fault(Session{State: Reset, EndedAt: &withdrawn.At, Initiator: new(BySystem), IncidentID: &withdrawn.Under})
	case err != nil:
		return who, claims, auth.ErrSignInRequired.Because(err)
	}
	if ended, ok := s.watch.find(claims.Session); ok && !s.watch.gently(ended) {
		return who, claims, s.fault(ended)
	}
	if e := s.watch.epoch.Load(); claims.Epoch < e.Number {
		return who, claims, s.fault(Session{State: Reset, EndedAt: &e.At, Initiator: new(BySystem), IncidentID: &e.Cause.Incident})
	}
	who = auth.Principal{Kind: auth.Citizen, ID: claims.Citizen, Session: claims.Session, Device: claims.Device}
	if read := s.watch.readAt.Load(); read == 0 || s.now().UnixNano()-read > int64(trustFor) {
		err = ErrCheckUnavailable
	}
	return who, claims, err
}

// onlyReads lets somebody look who cannot be checked for the moment: their token
// ends within minutes, and looking moves nothing. All else waits.
func onlyReads(ctx context.Context, err error) error {
	if method := auth.Info(ctx).Method; errors.Is(err, ErrCheckUnavailable) && (method == http.MethodGet || method == http.MethodHead) {
		return nil
	}
	return err
}

// bearer tells who bears a token in the Authorization header. One that is bound
// to a device's key needs a proof of it with every use (RFC 9449, 7.1).
func (s *Service) bearer(ctx context.Context, scheme, token string, proofs []string) (auth.Principal, error) {
	bound := strings.EqualFold(scheme, "DPoP")
	if !bound && !strings.EqualFold(scheme, "Bearer") {
		return auth.Principal{}, auth.ErrSignInRequired
	}
	who, claims, err := s.verify(token)
	switch err = onlyReads(ctx, err); {
	case err != nil:
		return auth.Principal{}, err
	case !bound && claims.Proof != "", bound && len(proofs) == 0:
		return auth.Principal{}, ErrProofRequired
	case bound && (claims.Proof == "" || len(proofs) > 1):
		return auth.Principal{}, badProof(proofForm)
	case bound:
		if err := s.proveHere(ctx, claims.Proof, ProofUse{Proof: proofs[0], AccessToken: token}); err != nil {
			return auth.Principal{}, err
		}
	}
	return who, nil
}

// Poll reads which sessions ended since the last poll, and which resets there
// are. Endings whose transactions were under way then are asked for again.
func (s *Service) Poll(ctx context.Context) error {
	s.watch.polling.Lock()
	defer s.watch.polling.Unlock()
	began, remember := s.now(), max(s.tokens.Life(), auth.LifeMost)+rememberMore
	var certain uint64
	err := s.db.Aside(ctx, func(ctx context.Context) (err error) {
		if certain, err = s.store.certain(ctx); err != nil {
			return err
		}
		after := uuid.Nil
		for since := s.watch.certain; ; {
			rows, err := s.store.endedSince(ctx, since, after, began.Add(-remember), pageOfEnded)
			if err != nil {
				return err
			}
			ended := make([]Session, len(rows))
			for i, row := range rows {
				ended[i] = row.Session
			}
			s.watch.add(ended...)
			if len(rows) < pageOfEnded {
				break
			}
			last := rows[len(rows)-1]
			since, after = last.Xid, last.ID
		}
		return s.pollResets(ctx, began)
	})
	if err != nil {
		return err
	}
	s.watch.certain = certain
	s.watch.forget(began.Add(-remember))
	s.watch.readAt.Store(began.UnixNano())
	return nil
}

func (s *Service) pollResets(ctx context.Context, now time.Time) error {
	e, err := s.store.epoch(ctx)
	if err != nil {
		return err
	}
	news, err := s.store.resetNews(ctx, now.Add(-spreadRemember))
	if err != nil {
		return err
	}
	s.watch.epoch.Store(&e)
	s.watch.resets.Store(&news)
	return nil
}

// Run polls every second, and at once when a server hints, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var listening sync.WaitGroup
	listening.Go(func() { s.listen(ctx) })
	listening.Go(func() { s.RunResets(ctx) })
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
		rest(ctx, pollRest)
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
			select {
			case s.watch.ordered <- struct{}{}:
			default:
			}
		})
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
