package issuer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
)

// line is one connection to the card host, signed on. Many may ask at a time.
type line struct {
	conn net.Conn
	done chan struct{} // closed when the connection is

	write sync.Mutex

	mu      sync.Mutex
	waiting map[matches]chan Text
}

var (
	errNoLine = errors.New("there is no line to the card host") // and nothing was sent
	errCut    = errors.New("the line was cut before the answer")
)

// dial connects; the caller signs on.
func dial(ctx context.Context, addr string, secure *tls.Config) (*line, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		secured := tls.Client(conn, secure)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = secured
	}
	l := &line{conn: conn, done: make(chan struct{}), waiting: map[matches]chan Text{}}
	go l.listen()
	return l, nil
}

func (l *line) listen() {
	defer close(l.done)
	defer func() { _ = l.conn.Close() }()
	from := bufio.NewReader(l.conn)
	for {
		answer, err := read(from)
		if err != nil {
			return
		}
		l.mu.Lock()
		asked := l.waiting[answer.matches()]
		delete(l.waiting, answer.matches())
		l.mu.Unlock()
		if asked != nil { // else it came too late: whoever asked has reversed it
			asked <- answer
		}
	}
}

// ask sends a message and waits for its answer until ctx ends. Without an answer
// nobody knows what became of it.
func (l *line) ask(ctx context.Context, question Text) (Text, error) {
	frame, err := question.Frame()
	if err != nil {
		return Text{}, err
	}
	asked := make(chan Text, 1)
	l.mu.Lock()
	l.waiting[question.matches()] = asked
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.waiting[question.matches()] == asked {
			delete(l.waiting, question.matches())
		}
	}()
	l.write.Lock()
	_, err = l.conn.Write(frame)
	l.write.Unlock()
	if err != nil {
		l.close()
		return Text{}, errors.Join(errNoLine, err)
	}
	select {
	case answer := <-asked:
		return answer, nil
	case <-l.done:
		return Text{}, errCut
	case <-ctx.Done():
		return Text{}, ctx.Err()
	}
}

// manage signs on ("001") or off ("002"), or asks whether somebody is there ("301").
func (l *line) manage(ctx context.Context, issuer, code string, stamp stamp) error {
	answer, err := l.ask(ctx, Text{MTI: "0800", Transmitted: stamp.transmitted(), Trace: stamp.trace(), Issuer: issuer, Network: code})
	if err == nil && answer.Response != "00" {
		err = fmt.Errorf("the card host answered %s to %s", answer.Response, code)
	}
	return err
}

func (l *line) close() { _ = l.conn.Close() }
