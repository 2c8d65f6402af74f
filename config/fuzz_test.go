package config_test

import (
	"strings"
	"testing"
	"time"

	"jangteo/config"
)

// A length of time or a number that Load takes is within its bounds; any other
// is named in its mistake.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{"10s", "1h30m", "0", "-1s", "1e9s", "9999999999h", "2562048h", "10", "", "3 s", "720h", "721h", "NaN", "1.5s", "\x00", "00010"} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, duration bool) {
		if strings.ContainsRune(text, 0) {
			return // no environment holds it
		}
		name, key := "JANGTEO_LEDGER_LANE_BATCH_MAX", "lane_batch_max"
		if duration {
			name, key = "JANGTEO_SERVER_REQUEST_TIMEOUT", "request_timeout"
		}
		t.Setenv(name, text)
		c, err := config.Load("", nil)
		if err != nil {
			if !strings.Contains(err.Error(), key) {
				t.Fatalf("%q: %v does not name %s", text, err, key)
			}
			return
		}
		if c.Server.RequestTimeout < time.Second || c.Server.RequestTimeout > 720*time.Hour || c.Ledger.LaneBatchMax < 1 || c.Ledger.LaneBatchMax > 1000 {
			t.Fatalf("%q: %v, %d", text, c.Server.RequestTimeout, c.Ledger.LaneBatchMax)
		}
	})
}
