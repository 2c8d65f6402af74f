// Package config reads what the program is told: config.yaml, then the
// environment, then flags. It is the only user of viper, and reports every
// mistake at once.
package config

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

//go:embed config.yaml
var defaults []byte

// Config is everything that can be set. Keys and meanings stand in config.yaml.
type Config struct {
	Server struct {
		Addr            string        `mapstructure:"addr"`
		PublicURL       string        `mapstructure:"public_url"`
		InternalAddr    string        `mapstructure:"internal_addr"`
		TrustProxy      bool          `mapstructure:"trust_proxy"`
		RequestTimeout  time.Duration `mapstructure:"request_timeout"`
		ShutdownTimeout time.Duration `mapstructure:"shutdown_timeout"`
	} `mapstructure:"server"`
	Database struct {
		URL             string `mapstructure:"url"`
		OwnerURL        string `mapstructure:"owner_url"`
		Connections     int    `mapstructure:"connections"`
		LaneConnections int    `mapstructure:"lane_connections"`
	} `mapstructure:"database"`
	Secrets struct {
		MasterKey string `mapstructure:"master_key"`
	} `mapstructure:"secrets"`
	Tokens struct {
		Issuer   string `mapstructure:"issuer"`
		Audience string `mapstructure:"audience"`
	} `mapstructure:"tokens"`
	Sessions struct {
		OneDevice         bool          `mapstructure:"one_device"`
		ResumesPerSecond  int           `mapstructure:"resumes_per_second"`
		StaffIdle         time.Duration `mapstructure:"staff_idle"`
		StaffAbsolute     time.Duration `mapstructure:"staff_absolute"`
		ClerkIdle         time.Duration `mapstructure:"clerk_idle"`
		ClerkAbsolute     time.Duration `mapstructure:"clerk_absolute"`
		StaffSecondFactor bool          `mapstructure:"staff_second_factor"`
		StepUp            time.Duration `mapstructure:"step_up"`
	} `mapstructure:"sessions"`
	Limits struct {
		KnocksPerAddress    int `mapstructure:"knocks_per_address"`
		RenewalsPerSession  int `mapstructure:"renewals_per_session"`
		ChallengesPerDevice int `mapstructure:"challenges_per_device"`
	} `mapstructure:"limits"`
	Ledger struct {
		LaneWriters  int    `mapstructure:"lane_writers"`
		LaneBatchMax int    `mapstructure:"lane_batch_max"`
		BatchScope   string `mapstructure:"batch_scope"`
	} `mapstructure:"ledger"`
	Bank struct {
		URL          string        `mapstructure:"url"`
		Institution  string        `mapstructure:"institution"`
		ClientID     string        `mapstructure:"client_id"`
		ClientSecret string        `mapstructure:"client_secret"`
		Timeout      time.Duration `mapstructure:"timeout"`
	} `mapstructure:"bank"`
	Identity struct {
		URL string `mapstructure:"url"`
	} `mapstructure:"identity"`
	Messages struct {
		URL string `mapstructure:"url"`
	} `mapstructure:"messages"`
	Cards struct {
		Addr             string        `mapstructure:"addr"`
		Issuers          string        `mapstructure:"issuers"`
		Networks         string        `mapstructure:"networks"`
		TLSCertificate   string        `mapstructure:"tls_certificate"`
		TLSKey           string        `mapstructure:"tls_key"`
		TLSAuthority     string        `mapstructure:"tls_authority"`
		AnswerWithin     time.Duration `mapstructure:"answer_within"`
		MessageBytes     int           `mapstructure:"message_bytes"`
		Connections      int           `mapstructure:"connections"`
		InFlight         int           `mapstructure:"in_flight"`
		FrameWithin      time.Duration `mapstructure:"frame_within"`
		IdleWithin       time.Duration `mapstructure:"idle_within"`
		BackOffice       string        `mapstructure:"back_office"`
		BackOfficeSecret string        `mapstructure:"back_office_secret"`
	} `mapstructure:"cards"`
	Log struct {
		Level  string `mapstructure:"level"`
		Format string `mapstructure:"format"`
	} `mapstructure:"log"`
	Telemetry struct {
		TracesURL      string `mapstructure:"traces_url"`
		TracesPerMille int    `mapstructure:"traces_per_mille"`
	} `mapstructure:"telemetry"`
}

// secrets may be read from a file named by an environment variable that ends in _FILE.
var secrets = []string{"secrets.master_key", "bank.client_secret", "cards.back_office_secret", "database.url", "database.owner_url"}

// Load reads defaults, file (if not empty), environment and those flags that
// were set; a flag's name is its key with dashes, server-addr for server.addr.
// It returns every mistake joined.
func Load(file string, flags *pflag.FlagSet) (Config, error) {
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(defaults)); err != nil {
		return Config{}, err
	}
	known := v.AllKeys()
	var mistakes []error
	if file != "" {
		own := viper.New()
		own.SetConfigType("yaml")
		own.SetConfigFile(file)
		if err := own.ReadInConfig(); err != nil {
			return Config{}, fmt.Errorf("the configuration file %s cannot be read: %w", file, err)
		}
		for _, key := range own.AllKeys() {
			if !slices.Contains(known, key) {
				mistakes = append(mistakes, fmt.Errorf("%s: the key %s is not known", file, key))
				continue
			}
			v.Set(key, own.Get(key))
		}
	}
	for _, key := range known {
		if text, ok := os.LookupEnv(variable(key)); ok {
			v.Set(key, text)
		}
	}
	for _, key := range secrets {
		name := variable(key) + "_FILE"
		if path, ok := os.LookupEnv(name); ok {
			body, err := os.ReadFile(path) //nolint:gosec // the operator names the file
			if err != nil {
				mistakes = append(mistakes, fmt.Errorf("%s: %w", name, err))
				continue
			}
			v.Set(key, strings.TrimSpace(string(body)))
		}
	}
	if flags != nil {
		flags.Visit(func(f *pflag.Flag) {
			for _, key := range known {
				if flagName(key) == f.Name {
					v.Set(key, f.Value.String())
				}
			}
		})
	}
	mistakes = append(mistakes, strayVariables(known)...)
	var c Config
	if err := v.UnmarshalExact(&c, viper.DecodeHook(mapstructure.StringToTimeDurationHookFunc())); err != nil {
		mistakes = append(mistakes, plain(err)...)
		return c, errors.Join(mistakes...)
	}
	return c, errors.Join(append(mistakes, c.check()...)...)
}

func variable(key string) string {
	return "JANGTEO_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func flagName(key string) string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(key)
}

// strayVariables finds what looks like ours and is not, such as a misspelling.
func strayVariables(known []string) (mistakes []error) {
	names := []string{"JANGTEO_TEST_DATABASE_URL", "JANGTEO_CONFIG"}
	for _, key := range known {
		names = append(names, variable(key))
	}
	for _, key := range secrets {
		names = append(names, variable(key)+"_FILE")
	}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "JANGTEO_") && !slices.Contains(names, name) {
			mistakes = append(mistakes, fmt.Errorf("the environment variable %s is not known", name))
		}
	}
	return mistakes
}

// plain takes the decoder's list of mistakes apart.
func plain(err error) (mistakes []error) {
	var several interface{ WrappedErrors() []error }
	if errors.As(err, &several) {
		return several.WrappedErrors()
	}
	return []error{err}
}

// check finds what is readable and cannot be right.
func (c Config) check() (mistakes []error) {
	wrong := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	for name, addr := range map[string]string{"server.addr": c.Server.Addr, "server.internal_addr": c.Server.InternalAddr} {
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			wrong("%s must be host:port, not %q", name, addr)
		}
	}
	for name, address := range map[string]string{"server.public_url": c.Server.PublicURL, "bank.url": c.Bank.URL, "identity.url": c.Identity.URL,
		"messages.url": c.Messages.URL, "cards.back_office": c.Cards.BackOffice, "telemetry.traces_url": c.Telemetry.TracesURL, "tokens.issuer": c.Tokens.Issuer} {
		if address == "" {
			continue
		}
		if u, err := url.Parse(address); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			wrong("%s must be an http or https address, not %q", name, address)
		}
	}
	for name, d := range map[string]time.Duration{"server.request_timeout": c.Server.RequestTimeout, "server.shutdown_timeout": c.Server.ShutdownTimeout,
		"bank.timeout": c.Bank.Timeout, "sessions.staff_idle": c.Sessions.StaffIdle, "sessions.staff_absolute": c.Sessions.StaffAbsolute,
		"sessions.clerk_idle": c.Sessions.ClerkIdle, "sessions.clerk_absolute": c.Sessions.ClerkAbsolute,
		"sessions.step_up": c.Sessions.StepUp} {
		if d < time.Second || d > 30*24*time.Hour {
			wrong("%s must be between 1s and 720h, not %s", name, d)
		}
	}
	for name, bound := range map[string][3]int{"database.connections": {c.Database.Connections, 2, 64}, "database.lane_connections": {c.Database.LaneConnections, 1, 32},
		"ledger.lane_writers": {c.Ledger.LaneWriters, 1, 16}, "ledger.lane_batch_max": {c.Ledger.LaneBatchMax, 1, 1000}, "telemetry.traces_per_mille": {c.Telemetry.TracesPerMille, 0, 1000},
		"limits.knocks_per_address": {c.Limits.KnocksPerAddress, 1, 100_000_000}, "limits.renewals_per_session": {c.Limits.RenewalsPerSession, 1, 1_000_000},
		"limits.challenges_per_device": {c.Limits.ChallengesPerDevice, 1, 1_000_000},
		"cards.message_bytes":          {c.Cards.MessageBytes, 256, 65_535}, "cards.connections": {c.Cards.Connections, 1, 64}, "cards.in_flight": {c.Cards.InFlight, 1, 4096}} {
		if bound[0] < bound[1] || bound[0] > bound[2] {
			wrong("%s must be between %d and %d, not %d", name, bound[1], bound[2], bound[0])
		}
	}
	c.checkCards(wrong)
	if c.Ledger.BatchScope != "mixed" && c.Ledger.BatchScope != "tenant" {
		wrong("ledger.batch_scope must be mixed or tenant, not %q", c.Ledger.BatchScope)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		wrong("log.format must be text or json, not %q", c.Log.Format)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		wrong("log.level must be debug, info, warn or error, not %q", c.Log.Level)
	}
	slices.SortFunc(mistakes, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return mistakes
}

// checkCards finds what is wrong with the card host's settings.
func (c Config) checkCards(wrong func(format string, args ...any)) {
	for name, d := range map[string]time.Duration{"cards.frame_within": c.Cards.FrameWithin, "cards.idle_within": c.Cards.IdleWithin} {
		if d < time.Second || d > time.Hour {
			wrong("%s must be between 1s and 1h, not %s", name, d)
		}
	}
	if d := c.Cards.AnswerWithin; d < 100*time.Millisecond || d > 10*time.Second {
		wrong("cards.answer_within must be between 100ms and 10s, not %s", d)
	}
	for pair := range strings.SplitSeq(c.Cards.Issuers, ",") {
		if code, name, ok := strings.Cut(strings.TrimSpace(pair), "="); pair != "" && (!ok || len(code) != 2 || name == "") {
			wrong("cards.issuers must be code=name,code=name, not %q", c.Cards.Issuers)
			break
		}
	}
	if _, err := c.CardNetworks(); err != nil {
		wrong("cards.networks must be networks such as 203.0.113.0/24, not %q", c.Cards.Networks)
	}
	files := 0
	for _, file := range []string{c.Cards.TLSCertificate, c.Cards.TLSKey, c.Cards.TLSAuthority} {
		if file != "" {
			files++
		}
	}
	if files != 0 && files != 3 {
		wrong("cards.tls_certificate, cards.tls_key and cards.tls_authority must be set together")
	}
	if c.Cards.Addr == "" {
		return
	}
	host, port, err := net.SplitHostPort(c.Cards.Addr)
	if err != nil || port == "" {
		wrong("cards.addr must be host:port, not %q", c.Cards.Addr)
		return
	}
	if ip, err := netip.ParseAddr(host); files == 0 && host != "localhost" && (err != nil || !ip.IsLoopback()) {
		wrong("cards.addr must be a loopback address without cards.tls_certificate, not %q", c.Cards.Addr)
	}
}

// CardIssuers are the issuers that may sign on to the card host: code and the
// name in the certificate.
func (c Config) CardIssuers() map[string]string {
	names := map[string]string{}
	for pair := range strings.SplitSeq(c.Cards.Issuers, ",") {
		if code, name, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
			names[code] = name
		}
	}
	return names
}

// CardNetworks are those that issuers may connect from.
func (c Config) CardNetworks() (networks []netip.Prefix, err error) {
	for text := range strings.SplitSeq(c.Cards.Networks, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// ErrWeak lists why a configuration is not fit for production.
var ErrWeak = errors.New("not fit for production")

// Production finds what a demonstration may do and a service may not.
func (c Config) Production() error {
	var mistakes []error
	wrong := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("%w: %s", ErrWeak, fmt.Sprintf(format, args...)))
	}
	if c.Database.URL == "" {
		wrong("database.url is not set")
	}
	if raw, err := base64.StdEncoding.DecodeString(c.Secrets.MasterKey); err != nil || len(raw) != 32 {
		wrong("secrets.master_key is not 32 bytes in base64 (make one with: openssl rand -base64 32)")
	} else if distinct(raw) < 12 || c.Secrets.MasterKey == knownTestKey {
		wrong("secrets.master_key is not random")
	}
	if u, err := url.Parse(c.Server.PublicURL); err != nil || u.Scheme != "https" {
		wrong("server.public_url is not an https address")
	}
	if strings.HasSuffix(c.Tokens.Issuer, ".invalid") {
		wrong("tokens.issuer is still the default")
	}
	for name, address := range map[string]string{"bank.url": c.Bank.URL, "identity.url": c.Identity.URL, "messages.url": c.Messages.URL} {
		switch u, err := url.Parse(address); {
		case address == "":
			wrong("%s is not set", name)
		case err != nil || u.Scheme != "https":
			wrong("%s is not an https address", name)
		}
	}
	if c.Cards.Addr != "" {
		if len(c.CardIssuers()) == 0 {
			wrong("cards.addr is set and cards.issuers is not")
		}
		if u, err := url.Parse(c.Cards.BackOffice); err != nil || u.Scheme != "https" {
			wrong("cards.back_office is not an https address")
		}
	}
	if c.Bank.Institution == "" || c.Bank.ClientID == "" || len(c.Bank.ClientSecret) < 16 {
		wrong("bank.institution, bank.client_id or bank.client_secret (16 characters at least) is not set")
	}
	if host, _, _ := net.SplitHostPort(c.Server.InternalAddr); host == "" || host == "0.0.0.0" || host == "::" {
		wrong("server.internal_addr listens on every address")
	}
	slices.SortFunc(mistakes, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(mistakes...)
}

// knownTestKey is printed in this repository and protects nothing.
const knownTestKey = "dGVzdHMgb25seTogdGhpcnR5LXR3byBieXRlcyBrZXk="

func distinct(raw []byte) int {
	seen := map[byte]bool{}
	for _, b := range raw {
		seen[b] = true
	}
	return len(seen)
}

// Owner is the address of the database's owner, for migrations.
func (c Config) Owner() string {
	if c.Database.OwnerURL != "" {
		return c.Database.OwnerURL
	}
	return c.Database.URL
}

// FileFromEnvironment is the configuration file that JANGTEO_CONFIG names.
func FileFromEnvironment() string { return os.Getenv("JANGTEO_CONFIG") }
