package web

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"jangteo/app/live"
	"jangteo/app/testkit"
)

func TestPagesHearNews(t *testing.T) {
	t.Parallel()
	k, ctx := testkit.Open(t)
	ctx, stop := context.WithCancel(ctx)
	hub := live.New(k.DB, k.Log)
	ran := make(chan struct{})
	go func() { defer close(ran); hub.Run(ctx, k.DB.Pgx()) }()
	streams := NewStreams(hub)
	e := echo.New()
	e.GET("/live", func(c echo.Context) error {
		return streams.Follow(c, "merchant:1", func(m live.Message) (string, []byte, error) {
			if m.Kind == "other" {
				return "", nil, nil
			}
			return "payment", []byte("<li>\r\n one\n\n" + string(m.Data) + "</li>\n"), nil
		})
	})
	server := httptest.NewServer(e)
	defer server.Close()
	answer, err := http.Get(server.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Fatal(got)
	}
	lines := bufio.NewScanner(answer.Body)
	until := func(begin string) (read []string) {
		for lines.Scan() {
			read = append(read, lines.Text())
			if strings.HasPrefix(lines.Text(), begin) {
				return read
			}
		}
		t.Fatalf("the stream ended before %q: %q", begin, read)
		return nil
	}
	until(": open")
	publish := func(topic, kind string) {
		err := k.DB.Tx(ctx, func(ctx context.Context) error { return hub.Publish(ctx, topic, kind, 7) })
		if err != nil {
			t.Fatal(err)
		}
	}
	// The hub may not listen yet: publish until the first one arrives.
	heard := make(chan struct{})
	told := make(chan struct{})
	go func() {
		defer close(told)
		for {
			publish("merchant:2", "payment")
			publish("merchant:1", "other")
			publish("merchant:1", "payment")
			select {
			case <-heard:
				return
			default:
			}
		}
	}()
	read := until("data: 7</li>")
	close(heard)
	<-told
	if got := strings.Join(read, "\n"); got != "\nevent: payment\ndata: <li>\ndata:  one\ndata: \ndata: 7</li>" {
		t.Fatalf("%q", got)
	}
	streams.Close()
	for lines.Scan() { // what was told meanwhile, then the end
	}
	stop()
	<-ran
}
