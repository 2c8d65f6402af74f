package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"jangteo/app/cli"
)

// Whoever mistypes is told in one clear sentence, and the exit code says that
// nothing was tried.
func TestMisuse(t *testing.T) {
	for _, c := range []struct {
		args, says string
		code       int
	}{
		{"", "Available Commands", 0},
		{"--help", "Available Commands", 0},
		{"demo --help", "--citizens", 0},
		{"serve --nope", "unknown flag: --nope", 2},
		{"frobnicate", `unknown command "frobnicate"`, 2},
		{"demo --citizens 3", "--citizens must be 10 to 1000000", 2},
		{"demo --citizens many", "invalid argument", 2},
		{"demo there", "takes no argument", 2},
		{"serve", "database.url is not set", 2},
		{"serve --config /nowhere/at/all.yaml", "cannot be read", 2},
		{"migrate", "database.url is not set", 2},
		{"simulate", "database.url is not set", 2},
		{"verify --data /nowhere/at/all", "no database was named", 2},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Setenv("JANGTEO_DATABASE_URL", "")
			var out bytes.Buffer
			code := cli.Run(t.Context(), strings.Fields(c.args), &out, &out)
			if code != c.code || !strings.Contains(out.String(), c.says) {
				t.Errorf("exit %d, said %q; want exit %d saying %q", code, out.String(), c.code, c.says)
			}
			if c.code == 2 && c.args != "serve" && strings.Count(out.String(), "\n") != 1 {
				t.Errorf("more than one sentence: %q", out.String())
			}
		})
	}
}

func TestAllMistakesOfAConfigurationAreToldAtOnce(t *testing.T) {
	t.Setenv("JANGTEO_SERVER_ADDR", "nowhere")
	t.Setenv("JANGTEO_LOG_LEVEL", "loud")
	var out bytes.Buffer
	if code := cli.Run(t.Context(), []string{"serve"}, &out, &out); code != 2 {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{"server.addr", "log.level"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not named in %q", want, out.String())
		}
	}
}
