package web

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"jangteo/app/live"
)

const (
	heartbeat = 15 * time.Second // less than what proxies take for silence
	// A stream ends by itself, and the browser comes back at once: whoever was
	// signed out meanwhile is then told so.
	streamMost = 10 * time.Minute
)

// Streams are the open pages that are told news by server-sent events. Close
// ends them all, so that the server can shut down.
type Streams struct {
	hub    *live.Hub
	closed chan struct{}
	once   sync.Once
}

// NewStreams carries what hub hears to pages.
func NewStreams(hub *live.Hub) *Streams { return &Streams{hub: hub, closed: make(chan struct{})} }

// Close ends every stream; those that come later end at once.
func (s *Streams) Close() { s.once.Do(func() { close(s.closed) }) }

// Event is what a page is told: a name to listen to, and finished HTML.
type Event struct {
	Name string
	HTML []byte
}

// Show turns a piece of news into an event for one page; an empty name skips it.
type Show func(live.Message) (event string, html []byte, err error)

// ShowAll is Show for pages of which several parts change with one piece of news.
type ShowAll func(live.Message) ([]Event, error)

// Follow tells the page the news on a topic until it goes away.
func (s *Streams) Follow(c echo.Context, topic string, show Show) error {
	return s.FollowAll(c, topic, func(m live.Message) ([]Event, error) {
		name, html, err := show(m)
		if err != nil || name == "" {
			return nil, err
		}
		return []Event{{name, html}}, nil
	})
}

// FollowAll is Follow for several events at a time.
func (s *Streams) FollowAll(c echo.Context, topic string, show ShowAll) error {
	news, cancel := s.hub.Subscribe(topic)
	defer cancel()
	control := http.NewResponseController(c.Response())
	if err := control.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, "text/event-stream; charset=utf-8")
	header.Set(echo.HeaderCacheControl, "no-store")
	header.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	beat, end := time.NewTicker(heartbeat), time.NewTimer(streamMost)
	defer beat.Stop()
	defer end.Stop()
	part := []byte("retry: 1000\n: open\n\n")
	for {
		if _, err := c.Response().Write(part); err != nil {
			return nil
		}
		if err := control.Flush(); err != nil {
			return nil
		}
		select {
		case <-c.Request().Context().Done():
			return nil
		case <-s.closed:
			return nil
		case <-end.C:
			return nil
		case <-beat.C:
			part = []byte(": still here\n\n")
		case m := <-news:
			part = nil
			events, err := show(m)
			if err != nil {
				LogFailure(c, fmt.Errorf("news on %s: %w", m.Topic, err))
			}
			for _, event := range events {
				part = append(part, serverSent(event)...)
			}
		}
	}
}

// serverSent writes one event. Each line of its data is a field of its own, and
// the browser puts them together again.
func serverSent(event Event) []byte {
	var out bytes.Buffer
	out.WriteString("event: " + event.Name + "\n")
	data := bytes.ReplaceAll(event.HTML, []byte("\r\n"), []byte("\n"))
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	for line := range bytes.Lines(bytes.TrimSpace(data)) {
		out.WriteString("data: ")
		out.Write(bytes.TrimSuffix(line, []byte("\n")))
		out.WriteByte('\n')
	}
	out.WriteByte('\n')
	return out.Bytes()
}
