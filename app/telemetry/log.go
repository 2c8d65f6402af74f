// Package telemetry tells operators how the program is doing: logs, metrics and
// traces. It is bounded and drops: a collector that hangs, a full disk or a
// pipe that nobody reads costs news, never a request.
package telemetry

import (
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

const linesWaiting = 4096

// Writer hands lines to a slow writer through a bounded queue. A line that
// finds it full is dropped and counted.
type Writer struct {
	lines   chan []byte
	dropped atomic.Int64
	done    chan struct{}
}

// NewWriter starts writing to w.
func NewWriter(w io.Writer) *Writer {
	b := &Writer{lines: make(chan []byte, linesWaiting), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for line := range b.lines {
			_, _ = w.Write(line)
		}
	}()
	return b
}

// Write never waits.
func (b *Writer) Write(line []byte) (int, error) {
	kept := append([]byte(nil), line...)
	select {
	case b.lines <- kept:
	default:
		b.dropped.Add(1)
	}
	return len(line), nil
}

// Dropped counts the lines that were lost.
func (b *Writer) Dropped() int64 { return b.dropped.Load() }

// Close writes what waits, for at most a second. Nothing may be written after it.
func (b *Writer) Close() {
	close(b.lines)
	select {
	case <-b.done:
	case <-time.After(time.Second):
	}
}

// NewLogger logs structured lines to w. It is told no personal data; request
// ids tie its lines together.
func NewLogger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // checked by the configuration
	options := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
