// Package messages simulates the gateways through which text messages, mail
// and push notices leave: it keeps what was "sent", so that people who try
// the product can read it. It is reached over HTTP only.
//
// It owns schema messages_simulator of the database that it is given, makes it
// itself, and keeps the newest 10,000 messages.
package messages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Message is one message that was sent.
type Message struct {
	ID      int64     `json:"id"`
	Channel string    `json:"channel"` // sms, mail or push
	To      string    `json:"to"`      // a phone number's digits, a mail address, or a device
	Body    string    `json:"body"`
	At      time.Time `json:"at"`
}

// Options are what the simulator needs from outside.
type Options struct {
	Now func() time.Time
}

// Gateway is the simulator. Make it with New, serve Handler, end it with Close.
type Gateway struct {
	store store
	now   func() time.Time
}

// New opens the simulator's store in the database at dsn.
func New(ctx context.Context, dsn string, opts Options) (*Gateway, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("messages simulator: %w", err)
	}
	config.MaxConns = 3
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("messages simulator: %w", err)
	}
	g := &Gateway{store: store{pool}, now: opts.Now}
	if err := g.store.create(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("messages simulator: make schema: %w", err)
	}
	return g, nil
}

// Close closes the store.
func (g *Gateway) Close() { g.store.pool.Close() }

// Find returns the newest messages first, at most limit; only those to one
// receiver unless to is empty. Phone numbers may be written with hyphens.
func (g *Gateway) Find(ctx context.Context, to string, limit int) ([]Message, error) {
	return g.store.find(ctx, receiver(to), limit)
}

// Handler serves POST /send {channel, to, body} and GET /messages?to=&limit=.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /send", g.send)
	mux.HandleFunc("GET /messages", g.list)
	return mux
}

func (g *Gateway) send(w http.ResponseWriter, r *http.Request) {
	var m Message
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err == nil {
		err = m.validate()
	}
	if err != nil {
		answer(w, http.StatusBadRequest, problem{err.Error()})
		return
	}
	m.To, m.At = receiver(m.To), g.now()
	if m.ID, err = g.store.insert(r.Context(), m); err != nil {
		answer(w, http.StatusInternalServerError, problem{err.Error()})
		return
	}
	answer(w, http.StatusCreated, struct {
		ID int64 `json:"id"`
	}{m.ID})
}

func (g *Gateway) list(w http.ResponseWriter, r *http.Request) {
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 {
		limit = 100
	}
	items, err := g.Find(r.Context(), r.URL.Query().Get("to"), min(limit, 1000))
	if err != nil {
		answer(w, http.StatusInternalServerError, problem{err.Error()})
		return
	}
	answer(w, http.StatusOK, struct {
		Items []Message `json:"items"`
	}{items})
}

func (m Message) validate() error {
	switch {
	case !slices.Contains([]string{"sms", "mail", "push"}, m.Channel):
		return errors.New("channel is none of sms, mail, push")
	case m.To == "" || len(m.To) > 200:
		return errors.New("to is missing or longer than 200 bytes")
	case m.Body == "" || utf8.RuneCountInString(m.Body) > 2000:
		return errors.New("body is missing or longer than 2000 characters")
	case strings.ContainsRune(m.To+m.Body, 0):
		return errors.New("to and body must not hold NUL")
	}
	return nil
}

// receiver brings a phone number to its digits; other receivers stay as they are.
func receiver(to string) string {
	to = strings.TrimSpace(to)
	var number strings.Builder
	for _, c := range to {
		switch {
		case unicode.IsDigit(c):
			number.WriteRune(c)
		case c != '-' && c != ' ':
			return to
		}
	}
	return number.String()
}

type problem struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone hears nothing
}
