package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"jangteo/config"
)

func TestLoad(t *testing.T) {
	t.Run("flags overrule the environment, and that the file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		write(t, file, "server:\n  addr: 1.1.1.1:1\n  request_timeout: 3s\nledger:\n  lane_writers: 3\n")
		t.Setenv("JANGTEO_SERVER_ADDR", "2.2.2.2:2")
		t.Setenv("JANGTEO_LEDGER_LANE_WRITERS", "4")
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		flags.String("server-addr", "", "")
		if err := flags.Parse([]string{"--server-addr", "3.3.3.3:3"}); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file, flags)
		if err != nil {
			t.Fatal(err)
		}
		if c.Server.Addr != "3.3.3.3:3" || c.Ledger.LaneWriters != 4 || c.Server.RequestTimeout != 3*time.Second {
			t.Errorf("got %+v", c)
		}
	})

	t.Run("secrets are read from files", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "key")
		write(t, file, "from a file\n")
		t.Setenv("JANGTEO_SECRETS_MASTER_KEY_FILE", file)
		c, err := config.Load("", nil)
		if err != nil || c.Secrets.MasterKey != "from a file" {
			t.Errorf("got %q, %v", c.Secrets.MasterKey, err)
		}
	})

	t.Run("all mistakes are reported at once", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		write(t, file, "server:\n  adr: x\n  addr: nowhere\nlog:\n  level: loud\n")
		t.Setenv("JANGTEO_LEDGER_BATCH_SCOPE", "all")
		t.Setenv("JANGTEO_SERVR_ADDR", "x")
		_, err := config.Load(file, nil)
		if err == nil {
			t.Fatal("accepted")
		}
		for _, want := range []string{"server.adr", "server.addr", "log.level", "ledger.batch_scope", "JANGTEO_SERVR_ADDR"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s is not named in: %v", want, err)
			}
		}
	})

	t.Run("a value of the wrong type is a mistake", func(t *testing.T) {
		t.Setenv("JANGTEO_DATABASE_CONNECTIONS", "many")
		if _, err := config.Load("", nil); err == nil || !strings.Contains(err.Error(), "connections") {
			t.Errorf("got %v", err)
		}
	})
}

func TestProductionRefusesWhatIsWeak(t *testing.T) {
	t.Parallel()
	c, err := config.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Secrets.MasterKey = "dGVzdHMgb25seTogdGhpcnR5LXR3byBieXRlcyBrZXk="
	err = c.Production()
	for _, want := range []string{"database.url", "master_key is not random", "public_url", "issuer", "bank.url", "identity.url", "messages.url"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in: %v", want, err)
		}
	}
}

func write(t *testing.T, file, body string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}
