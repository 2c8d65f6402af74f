package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jangteo/app/auth"
)

// holder is a citizen's app that reads and renews at whichever server answers,
// and keeps what it was told when it was told no.
type holder struct {
	access, refresh string
	refusals        []string
	renewed         int
}

func (o *holder) ask(h *house, base, method, path, token string, body any) (status int, answer map[string]any) {
	raw, _ := json.Marshal(body)
	request, err := http.NewRequestWithContext(context.Background(), method, base+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		return 0, nil
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	got, err := (&http.Client{Transport: h.transport, Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return 0, nil // it is being started again
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil || json.Unmarshal(text, &answer) != nil {
		return 0, nil
	}
	return got.StatusCode, answer
}

// step reads, and every third time renews.
func (o *holder) step(h *house, base string, n int) {
	if status, answer := o.ask(h, base, http.MethodGet, "/me", o.access, nil); status == http.StatusUnauthorized {
		o.refusals = append(o.refusals, fmt.Sprint("reading: ", answer["code"]))
	}
	if n%3 != 0 {
		return
	}
	status, answer := o.ask(h, base, http.MethodPost, "/sessions/refresh", "", map[string]string{"refresh_token": o.refresh})
	switch status {
	case http.StatusOK:
		o.access, _ = answer["access_token"].(string)
		o.refresh, _ = answer["refresh_token"].(string)
		o.renewed++
	case 0, http.StatusConflict, http.StatusServiceUnavailable: // asked again with the same token
	default:
		o.refusals = append(o.refusals, fmt.Sprint("renewing: ", status, answer["code"]))
	}
}

// Keys are rotated and a server is started again while people read and renew at
// two servers: no session ends, and nobody is told that one did.
func TestNobodyIsLoggedOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	other := h.another(t)
	var bases [2]atomic.Value
	bases[0].Store(h.base)
	bases[1].Store(other.base)
	holders := make([]*holder, 5)
	for i := range holders {
		c := h.login(t, person{"김하늘", "1990-01-31", fmt.Sprintf("010-2345-00%02d", i)})
		holders[i] = &holder{access: c.access, refresh: c.refresh}
	}
	first := h.app.Tokens.Signer()
	var asking sync.WaitGroup
	done := make(chan struct{})
	for i, o := range holders {
		asking.Go(func() {
			for n := i; ; n++ {
				select {
				case <-done:
					return
				default:
					base, _ := bases[n%2].Load().(string)
					o.step(h, base, n)
				}
			}
		})
	}
	for range 2 {
		if err := h.app.Tokens.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		reload := func() {
			t.Helper()
			for _, server := range []*house{h, other} {
				if err := server.app.Tokens.Reload(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		reload() // each has read the key before the first signs with it
		h.clock.Advance(auth.KeyAhead + time.Second)
		reload()
		h.settled(t)
		other.settled(t)
		other.stop()
		other = h.another(t)
		bases[1].Store(other.base)
	}
	close(done)
	asking.Wait()
	for i, o := range holders {
		if len(o.refusals) > 0 {
			t.Errorf("citizen %d was told: %v", i, o.refusals[:min(3, len(o.refusals))])
		}
		o.step(h, h.base, 0)
		if status, answer := o.ask(h, h.base, http.MethodGet, "/me", o.access, nil); status != http.StatusOK || o.renewed == 0 {
			t.Errorf("citizen %d after it: %d %v, renewed %d times", i, status, answer, o.renewed)
		}
	}
	if h.app.Tokens.Signer() == first || other.app.Tokens.Signer() != h.app.Tokens.Signer() {
		t.Error("the keys were not rotated on both servers alike")
	}
	var ended int
	err := h.app.DB.Platform(t.Context(), func(ctx context.Context) error {
		return h.app.DB.In(ctx).Raw(`SELECT count(*) FROM sessions.sessions WHERE state <> 'active'`).Scan(&ended).Error
	})
	if err != nil || ended != 0 {
		t.Errorf("%d sessions ended (%v)", ended, err)
	}
}
