// Package live carries news to open pages within a second: a handler publishes
// in its transaction, every server hears it through PostgreSQL's NOTIFY, and
// the pages of that server get it as server-sent events. News is a hint: a page
// that missed one shows the truth when it is loaded again.
package live

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"jangteo/app/db"
)

const (
	channel     = "jangteo_live"
	carriedMost = 7900
	waitingMost = 32 // what a slow page may have waiting before it misses some
)

// Message is one piece of news on a topic, for example "merchant:<id>".
type Message struct {
	Topic string          `json:"topic"`
	Kind  string          `json:"kind"`
	Data  json.RawMessage `json:"data"`
}

// Hub knows which pages of this server listen to what.
type Hub struct {
	db     *db.DB
	store  store
	log    *slog.Logger
	mu     sync.Mutex
	topics map[string]map[chan Message]struct{}
}

// New makes a hub that publishes through d.
func New(d *db.DB, log *slog.Logger) *Hub {
	return &Hub{db: d, store: store{d}, log: log, topics: map[string]map[chan Message]struct{}{}}
}

// News makes a message.
func News(topic, kind string, data any) (Message, error) {
	raw, err := json.Marshal(data)
	return Message{topic, kind, raw}, err
}

// Publish tells every server when the transaction in ctx commits.
func (h *Hub) Publish(ctx context.Context, topic, kind string, data any) error {
	m, err := News(topic, kind, data)
	if err != nil {
		return err
	}
	return h.PublishAll(ctx, []Message{m})
}

// PublishAll does the same for many messages at the price of few: PostgreSQL
// carries 8,000 bytes at a time. A message longer than that is refused.
func (h *Hub) PublishAll(ctx context.Context, messages []Message) error {
	var parcels []string
	var parcel []byte
	for _, m := range messages {
		body, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if len(parcel)+len(body)+len("[]") > carriedMost {
			parcels, parcel = append(parcels, string(append(parcel, ']'))), nil
		}
		if parcel == nil {
			parcel = append(parcel, '[')
		} else {
			parcel = append(parcel, ',')
		}
		parcel = append(parcel, body...)
	}
	if parcel == nil {
		return nil
	}
	return h.store.notify(ctx, channel, append(parcels, string(append(parcel, ']'))))
}

// Subscribe returns the news on a topic until cancel is called.
func (h *Hub) Subscribe(topic string) (news <-chan Message, cancel func()) {
	ch := make(chan Message, waitingMost)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.topics[topic] == nil {
		h.topics[topic] = map[chan Message]struct{}{}
	}
	h.topics[topic][ch] = struct{}{}
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.topics[topic], ch)
		if len(h.topics[topic]) == 0 {
			delete(h.topics, topic)
		}
	}
}

// Run listens until ctx ends, connecting anew when the connection is lost.
func (h *Hub) Run(ctx context.Context, pool *pgxpool.Pool) {
	for ctx.Err() == nil {
		if err := h.listen(ctx, pool); err != nil && ctx.Err() == nil {
			h.log.Warn("live news interrupted", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (h *Hub) listen(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	raw := conn.Hijack() // this connection does nothing else
	defer func() { _ = raw.Close(context.WithoutCancel(ctx)) }()
	if _, err := raw.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		note, err := raw.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		var messages []Message
		if err := json.Unmarshal([]byte(note.Payload), &messages); err != nil {
			h.log.Error("news that nobody can read", "error", err)
		}
		for _, m := range messages {
			h.deliver(m)
		}
	}
}

func (h *Hub) deliver(m Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.topics[m.Topic] {
		select {
		case ch <- m:
		default: // too slow: it misses this one
		}
	}
}
