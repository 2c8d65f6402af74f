package telemetry_test

import (
	"testing"
	"testing/synctest"

	"jangteo/app/telemetry"
)

type stuck struct{ until chan struct{} }

func (s stuck) Write(line []byte) (int, error) {
	<-s.until
	return len(line), nil
}

func TestLogsNeverWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // a Write that waited would be a deadlock here
		pipe := stuck{make(chan struct{})}
		w := telemetry.NewWriter(pipe)
		log := telemetry.NewLogger(w, "info", "json")
		for range 10_000 {
			log.Info("request")
		}
		if w.Dropped() < 5_000 {
			t.Errorf("%d lines dropped; where are the others kept?", w.Dropped())
		}
		close(pipe.until)
		w.Close()
	})
}
