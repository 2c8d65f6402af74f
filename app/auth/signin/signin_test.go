package signin_test

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/fault"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/app/testkit/desk"
)

const password = "correct horse battery"

// office is a realm of one person.
type office struct {
	*testkit.Kit
	*signin.SignIns
	mu     sync.Mutex
	person signin.Account
}

func open(t *testing.T, cfg signin.Config) (*office, context.Context) {
	t.Helper()
	k, ctx := testkit.Open(t)
	o := &office{Kit: k}
	o.SignIns = desk.With(t, k, cfg).Realm(signin.Realm{
		Kind: auth.Staff, Object: "staff", Required: true, Normalise: strings.ToLower,
		ByLogin: func(_ context.Context, login string) (signin.Account, error) {
			if a := o.who(); login == a.Login {
				return a, nil
			}
			return signin.Account{}, nil
		},
		ByID: func(_ context.Context, id uuid.UUID) (signin.Account, error) {
			if a := o.who(); id == a.ID {
				return a, nil
			}
			return signin.Account{}, auth.ErrSignInRequired
		},
		SetPassword: func(_ context.Context, _ uuid.UUID, hash string) error {
			o.change(func(a *signin.Account) { a.PasswordHash = hash })
			return nil
		},
	})
	hash, err := o.HashPassword(ctx, "password", password)
	if err != nil {
		t.Fatal(err)
	}
	o.person = signin.Account{
		Principal: auth.Principal{Kind: auth.Staff, ID: uuid.New(), Tenant: k.Tenant, Name: "김주무"},
		Login:     "kim-" + uuid.NewString()[:8], PasswordHash: hash,
	}
	return o, ctx
}

func (o *office) who() signin.Account {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.person
}

func (o *office) change(how func(*signin.Account)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	how(&o.person)
}

// enters signs the person in and returns who they then are.
func (o *office) enters(t *testing.T) (token string, me context.Context) {
	t.Helper()
	in, err := o.SignIn(t.Context(), o.who().Login, password)
	if err != nil {
		t.Fatal(err)
	}
	who, _, err := o.Pending(t.Context(), in.Token)
	if err != nil {
		t.Fatal(err)
	}
	return in.Token, auth.With(tenant.With(t.Context(), o.Tenant), who)
}

// app sets an app up and returns its secret and the recovery codes.
func (o *office) app(t *testing.T, me context.Context) (secret string, recovery []string) {
	t.Helper()
	if err := o.BeginCodeApp(me); err != nil {
		t.Fatal(err)
	}
	secret, address, err := o.PendingCodeApp(me)
	if err != nil || !strings.HasPrefix(address, "otpauth://totp/Jangteo:") || !strings.Contains(address, "secret="+secret) {
		t.Fatalf("%s %v", address, err)
	}
	if recovery, err = o.ConfirmCodeApp(me, o.code(t, secret)); err != nil {
		t.Fatal(err)
	}
	o.Clock.Advance(30 * time.Second) // a step counts once
	return secret, recovery
}

func (o *office) code(t *testing.T, secret string) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, o.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func (o *office) last(t *testing.T, ctx context.Context) string {
	t.Helper()
	list, err := o.Audit.Changes(ctx, audit.Filter{Object: "staff", ObjectID: o.who().ID.String(), Limit: 1})
	if err != nil || len(list) == 0 {
		t.Fatalf("the audit log: %v, %v", list, err)
	}
	return list[0].Action
}

func TestSecondFactor(t *testing.T) {
	t.Parallel()
	o, ctx := open(t, signin.Config{})
	_, me := o.enters(t)
	secret, recovery := o.app(t, me)
	if o.last(t, ctx) != "staff.code-app-added" || len(recovery) != 10 {
		t.Fatalf("%s, %d recovery codes", o.last(t, ctx), len(recovery))
	}

	t.Run("a password alone opens nothing any more", func(t *testing.T) {
		token, _ := o.enters(t)
		if _, err := o.Identify(t.Context(), token); !errors.Is(err, auth.ErrSignInRequired) {
			t.Errorf("identified: %v", err)
		}
	})
	t.Run("the code of the app does, once", func(t *testing.T) {
		token, _ := o.enters(t)
		code := o.code(t, secret)
		if err := o.GiveCode(t.Context(), token, code); err != nil {
			t.Fatal(err)
		}
		if who, err := o.Identify(t.Context(), token); err != nil || who.ID != o.who().ID {
			t.Errorf("%+v, %v", who, err)
		}
		other, _ := o.enters(t)
		if err := o.GiveCode(t.Context(), other, code); !errors.Is(err, signin.ErrCodeWrong) {
			t.Errorf("the same code again: %v", err)
		}
		o.Clock.Advance(30 * time.Second)
		if err := o.GiveCode(t.Context(), other, o.code(t, secret)); err != nil {
			t.Errorf("the next code: %v", err)
		}
		o.Clock.Advance(30 * time.Second)
	})
	t.Run("so does a recovery code, once, however it is typed", func(t *testing.T) {
		for i, typed := range []string{recovery[0], strings.ToUpper(strings.ReplaceAll(recovery[1], "-", " "))} {
			token, _ := o.enters(t)
			if err := o.GiveCode(t.Context(), token, typed); err != nil {
				t.Fatal(err)
			}
			if sessions, _ := o.Sessions(me); sessions[0].Method != auth.ByRecoveryCode {
				t.Errorf("it is said to be by %s", sessions[0].Method)
			}
			again, _ := o.enters(t)
			if err := o.GiveCode(t.Context(), again, typed); !errors.Is(err, signin.ErrCodeWrong) {
				t.Errorf("again: %v", err)
			}
			if f, _ := o.Factors(me); f.Recovery != 9-i {
				t.Errorf("%d are left", f.Recovery)
			}
		}
	})
	t.Run("who guesses codes waits, whatever session they guess in", func(t *testing.T) {
		for range 4 {
			token, _ := o.enters(t)
			_ = o.GiveCode(t.Context(), token, "000000")
		}
		token, _ := o.enters(t)
		_ = o.GiveCode(t.Context(), token, "000000")
		if err := o.GiveCode(t.Context(), token, o.code(t, secret)); !errors.Is(err, signin.ErrWait) {
			t.Errorf("the right code after many wrong ones: %v", err)
		}
		o.Clock.Advance(time.Minute * 2)
		if err := o.GiveCode(t.Context(), token, o.code(t, secret)); err != nil {
			t.Errorf("after the wait: %v", err)
		}
	})
	t.Run("tills give the code with the password", func(t *testing.T) {
		o.Clock.Advance(30 * time.Second)
		if _, err := o.SignInWithCode(t.Context(), o.who().Login, password, ""); !errors.Is(err, signin.ErrSecondFactor) {
			t.Errorf("without a code: %v", err)
		}
		if _, err := o.SignInWithCode(t.Context(), o.who().Login, "a wrong password", o.code(t, secret)); !errors.Is(err, auth.ErrWrongLogin) {
			t.Errorf("with a wrong password: %v", err)
		}
		if in, err := o.SignInWithCode(t.Context(), o.who().Login, password, o.code(t, secret)); err != nil || in.Session.Stage != auth.StageFull {
			t.Errorf("%+v, %v", in.Session, err)
		}
	})
	t.Run("what is kept tells no secret", func(t *testing.T) {
		err := o.DB.Platform(t.Context(), func(ctx context.Context) error {
			var rows []string
			for _, table := range []string{"app.code_apps", "app.recovery_codes"} {
				var found []string
				if err := o.DB.In(ctx).Raw(`SELECT row_to_json(t)::text FROM ` + table + ` t`).Scan(&found).Error; err != nil {
					return err
				}
				rows = append(rows, found...)
			}
			kept := strings.Join(rows, "\n")
			for _, plain := range append([]string{secret}, recovery...) {
				if strings.Contains(kept, plain) || strings.Contains(kept, strings.ReplaceAll(plain, "-", "")) {
					t.Errorf("%s is kept in the clear", plain)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestASecondFactorIsAskedFor(t *testing.T) {
	t.Parallel()
	o, _ := open(t, signin.Config{FactorRequired: true})
	token, me := o.enters(t)
	if _, err := o.Identify(t.Context(), token); !errors.Is(err, auth.ErrSignInRequired) {
		t.Fatalf("came in without one: %v", err)
	}
	if _, err := o.SignInWithCode(t.Context(), o.who().Login, password, ""); !errors.Is(err, signin.ErrMustEnrol) {
		t.Errorf("a till: %v", err)
	}
	if _, err := o.ConfirmCodeApp(me, "123456"); !errors.Is(err, signin.ErrCodeWrong) {
		t.Errorf("an app that never was: %v", err)
	}
	o.app(t, me)
	if _, err := o.Identify(t.Context(), token); err != nil {
		t.Fatalf("after setting one up: %v", err)
	}
	if err := o.RemoveCodeApp(me); !errors.Is(err, signin.ErrLastFactor) {
		t.Errorf("the last one was removed: %v", err)
	}
	if f, err := o.Factors(me); err != nil || !f.Any() || f.Recovery != 10 {
		t.Errorf("%+v, %v", f, err)
	}
	t.Run("a municipality may say otherwise", func(t *testing.T) {
		if err := o.Require(me, o.Tenant, false); err != nil {
			t.Fatal(err)
		}
		if err := o.RemoveCodeApp(me); err != nil {
			t.Fatal(err)
		}
		if f, _ := o.Factors(me); f.Any() || f.Recovery != 0 {
			t.Errorf("%+v is left", f)
		}
		other, _ := o.enters(t)
		if _, err := o.Identify(t.Context(), other); err != nil {
			t.Errorf("identifying: %v", err)
		}
	})
}

func TestStepUp(t *testing.T) {
	t.Parallel()
	o, _ := open(t, signin.Config{StepUp: 5 * time.Minute})
	token, me := o.enters(t)
	fresh := func() bool {
		who, err := o.Identify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		return o.Fresh(who)
	}
	if !fresh() {
		t.Fatal("who has just signed in is asked again")
	}
	o.Clock.Advance(5 * time.Minute)
	if fresh() {
		t.Fatal("five minutes later nobody asks")
	}
	if err := o.StepUp(me, "not the password"); !errors.Is(err, signin.ErrOldPassword) || fresh() {
		t.Errorf("a wrong password: %v", err)
	}
	if err := o.StepUp(me, password); err != nil || !fresh() {
		t.Errorf("the password: %v", err)
	}
	secret, _ := o.app(t, me)
	o.Clock.Advance(5 * time.Minute)
	if err := o.StepUp(me, password); !errors.Is(err, signin.ErrCodeWrong) || fresh() {
		t.Errorf("the password, where there is a second factor: %v", err)
	}
	if err := o.StepUp(me, o.code(t, secret)); err != nil || !fresh() {
		t.Errorf("a code: %v", err)
	}
}

func TestFloods(t *testing.T) {
	t.Parallel()
	o, _ := open(t, signin.Config{})
	from := func(address string) context.Context {
		return auth.WithInfo(t.Context(), auth.RequestInfo{Address: address})
	}
	mine, yours := uuid.NewString(), uuid.NewString() // addresses of this test alone
	t.Run("an address that tries many logins waits, and others do not", func(t *testing.T) {
		refused := 0
		for range 103 {
			_, err := o.SignIn(from(mine), "nobody-"+uuid.NewString(), "guess")
			if errors.Is(err, signin.ErrWait) {
				refused++
			} else if !errors.Is(err, auth.ErrWrongLogin) {
				t.Fatal(err)
			}
		}
		if refused != 3 {
			t.Errorf("%d were refused", refused)
		}
		if _, err := o.SignIn(from(mine), o.who().Login, password); !errors.Is(err, signin.ErrWait) {
			t.Errorf("from there: %v", err)
		}
		if _, err := o.SignIn(from(yours), o.who().Login, password); err != nil {
			t.Errorf("from elsewhere: %v", err)
		}
	})
	t.Run("who signs in well all day is never held back", func(t *testing.T) {
		for range 110 {
			if _, err := o.SignIn(from(yours), o.who().Login, password); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("nobody asks for challenges without end", func(t *testing.T) {
		address, refused := uuid.NewString(), 0
		for range 105 {
			if _, err := o.AskPasskey(from(address)); errors.Is(err, signin.ErrWait) {
				refused++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if refused != 5 {
			t.Errorf("%d were refused", refused)
		}
	})
	t.Run("many guesses of codes at once are not one", func(t *testing.T) {
		_, me := o.enters(t)
		o.app(t, me)
		token, _ := o.enters(t)
		var crowd sync.WaitGroup
		var looked atomic.Int32
		for range 12 {
			crowd.Go(func() {
				if err := o.GiveCode(t.Context(), token, "000000"); errors.Is(err, signin.ErrCodeWrong) {
					looked.Add(1)
				} else if !errors.Is(err, signin.ErrWait) {
					t.Error(err)
				}
			})
		}
		crowd.Wait()
		if looked.Load() != 5 {
			t.Errorf("%d codes were looked at, want 5", looked.Load())
		}
	})
}

func TestSuspended(t *testing.T) {
	t.Parallel()
	o, _ := open(t, signin.Config{})
	token, _ := o.enters(t)
	o.change(func(a *signin.Account) { a.Suspended = true })
	if _, err := o.Identify(t.Context(), token); !errors.Is(err, signin.ErrSuspended) {
		t.Errorf("a live session: %v", err)
	}
	if _, err := o.SignIn(t.Context(), o.who().Login, password); !errors.Is(err, signin.ErrSuspended) {
		t.Errorf("with the right password: %v", err)
	}
	if _, err := o.SignIn(t.Context(), o.who().Login, "a wrong password"); !errors.Is(err, auth.ErrWrongLogin) {
		t.Errorf("with a wrong one: %v", err)
	}
}

// What a browser does with a passkey is tested in a browser; here is what must
// be refused whatever a browser sends.
func TestPasskeyRefusals(t *testing.T) {
	t.Parallel()
	o, _ := open(t, signin.Config{})
	_, me := o.enters(t)
	c, err := o.AskNewPasskey(me)
	if err != nil {
		t.Fatal(err)
	}
	options, _ := json.Marshal(c.Options)
	for _, want := range []string{`"id":"localhost"`, `"userVerification":"required"`, `"residentKey":"required"`} {
		if !strings.Contains(string(options), want) {
			t.Errorf("no %s in %s", want, options)
		}
	}
	if regexp.MustCompile(`"challenge":"[\w-]{43}"`).Find(options) == nil {
		t.Errorf("the challenge is short: %s", options)
	}
	for _, answer := range []string{"", "{}", "null", `{"id":"x"}`, strings.Repeat("a", 20_000)} {
		if _, err := o.AddPasskey(me, c.ID, answer, "노트북"); !errors.Is(err, signin.ErrPasskeyWrong) {
			t.Errorf("%.20q: %v", answer, err)
		}
		if _, err := o.SignInWithPasskey(t.Context(), c.ID, answer); !errors.Is(err, signin.ErrPasskeyWrong) {
			t.Errorf("%.20q: %v", answer, err)
		}
	}
	for _, name := range []string{"", " ", strings.Repeat("가", 41), "a\x00"} {
		if _, err := o.AddPasskey(me, c.ID, "{}", name); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("the name %.5q: %v", name, err)
		}
	}
	if err := o.RemovePasskey(me, "00ff"); !errors.Is(err, signin.ErrFactorUnknown) {
		t.Errorf("somebody else's: %v", err)
	}
	if _, err := o.NewRecoveryCodes(me); !errors.Is(err, signin.ErrFactorUnknown) {
		t.Errorf("recovery codes without a second factor: %v", err)
	}
}
