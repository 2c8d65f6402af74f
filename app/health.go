package app

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"jangteo/app/telemetry"
)

// Health answers operators on the internal address: is the program alive, may
// it be sent requests, and how is it doing.
type Health struct {
	app      *App
	metrics  *telemetry.Metrics
	stopping atomic.Bool
}

// NewHealth speaks for a.
func NewHealth(a *App, m *telemetry.Metrics) *Health { return &Health{app: a, metrics: m} }

// Stopping makes /readyz say no, so that a load balancer sends nothing more.
func (h *Health) Stopping() { h.stopping.Store(true) }

// Handler serves /livez, /readyz and /metrics.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		switch {
		case h.stopping.Load():
			say(w, http.StatusServiceUnavailable, "stopping")
		case h.app.DB.Ping(ctx) != nil:
			say(w, http.StatusServiceUnavailable, "the database does not answer")
		default:
			say(w, http.StatusOK, "ready")
		}
	})
	mux.Handle("GET /metrics", h.metrics.Handler())
	return mux
}

func say(w http.ResponseWriter, status int, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(word + "\n"))
}
