package demo

import (
	"log/slog"
	"os"
	"testing"
	"time"
)

func TestTiming(t *testing.T) {
	w := seededAt(t, 2000, 1, time.Now, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	_ = w
}
