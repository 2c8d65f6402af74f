package citizens_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/audit"
	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/simulate/identity"
	"jangteo/app/simulate/messages"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/modules/citizens"
)

// provider finds everybody to be who they say, when the code is 123456.
type provider struct {
	mu    sync.Mutex
	asked map[string]citizens.Person
	down  bool
}

func (p *provider) Start(_ context.Context, who citizens.Person) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return "", citizens.ErrProviderUnavailable
	}
	if p.asked == nil {
		p.asked = map[string]citizens.Person{}
	}
	id := fmt.Sprint("check-", len(p.asked))
	p.asked[id] = who
	return id, nil
}

func (p *provider) Confirm(_ context.Context, id, code string) (citizens.Identity, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return citizens.Identity{}, citizens.ErrProviderUnavailable
	}
	who := p.asked[id]
	if code != "123456" {
		return citizens.Identity{}, citizens.ErrCodeWrong.With("attempts_left", 1)
	}
	born, err := calendar.ParseDay(who.BirthDate)
	return citizens.Identity{CI: "connecting-information-of-" + who.Phone, Name: who.Name, BirthDate: born, Phone: who.Phone}, err
}

type house struct {
	*testkit.Kit
	*citizens.Service
	provider *provider
}

func open(t *testing.T) (house, context.Context) {
	t.Helper()
	k, ctx := testkit.Open(t)
	p := &provider{}
	return house{k, citizens.New(k.DB, k.Box, p, k.Audit, citizens.Limits{}, k.Clock.Now), p}, ctx
}

var people = struct {
	sync.Mutex
	number int
}{}

// person is somebody whom no other test knows.
func person() citizens.Person {
	people.Lock()
	defer people.Unlock()
	people.number++
	return citizens.Person{Name: "홍길동", BirthDate: "1990-01-31", Phone: fmt.Sprintf("010%08d", people.number)}
}

func (h house) token(t *testing.T, who citizens.Person) string {
	t.Helper()
	check, err := h.StartCheck(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	token, err := h.ConfirmCheck(t.Context(), check.ID, "123456")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestBecomingKnown(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	who := person()
	token := h.token(t, who)

	if _, known, err := h.Known(ctx, token); known || err != nil {
		t.Fatalf("known before joining: %v", err)
	}
	if _, _, err := h.Identify(ctx, token); !errors.Is(err, citizens.ErrNotJoined) {
		t.Fatalf("got %v", err)
	}
	if _, _, err := h.Join(ctx, token, []string{"terms", "privacy"}); !errors.Is(err, citizens.ErrAgreementMissing) {
		t.Fatalf("got %v", err)
	}
	joined, fresh, err := h.Join(ctx, token, citizens.Required)
	if err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	again, fresh, err := h.Join(ctx, token, citizens.Required)
	if err != nil || fresh || again.ID != joined.ID {
		t.Fatal("one person has two accounts")
	}
	if joined.NameMasked != "홍*동" || !strings.HasPrefix(joined.PhoneMasked, "010-****-") || joined.BirthMasked != "1990-**-**" {
		t.Fatalf("not masked: %+v", joined)
	}
	found, lifted, err := h.Identify(ctx, token)
	if err != nil || lifted || found.ID != joined.ID {
		t.Fatal(found, err)
	}
	if _, _, err := h.Identify(ctx, token); !errors.Is(err, citizens.ErrTokenInvalid) {
		t.Fatal("a token counted twice")
	}
	agreed, err := h.Agreements(ctx, joined.ID)
	if err != nil || len(agreed) != len(citizens.Required) {
		t.Fatal(agreed, err)
	}
	other := h.token(t, who) // a later check of the same person
	if c, known, err := h.Known(ctx, other); err != nil || !known || c.ID != joined.ID {
		t.Fatal("the same person was not told again")
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	t.Run("a token ends after ten minutes", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		token := h.token(t, person())
		h.Clock.Advance(citizens.TokenLives)
		if _, _, err := h.Join(ctx, token, citizens.Required); !errors.Is(err, citizens.ErrTokenInvalid) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("five guesses and no more, even at once", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		check, err := h.StartCheck(ctx, person())
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan error, 20)
		for range 20 {
			go func() {
				var err error
				for range 30 { // a loaded machine may have no connection left in time
					if _, err = h.ConfirmCheck(ctx, check.ID, "000000"); !errors.Is(err, fault.ErrUnavailable) {
						break
					}
				}
				results <- err
			}()
		}
		wrong := 0
		for range 20 {
			switch err := <-results; {
			case errors.Is(err, citizens.ErrCodeWrong):
				wrong++
			case !errors.Is(err, citizens.ErrCheckSpent):
				t.Errorf("got %v", err)
			}
		}
		if wrong != 5 {
			t.Errorf("%d guesses reached the provider", wrong)
		}
		if _, err := h.ConfirmCheck(ctx, check.ID, "123456"); !errors.Is(err, citizens.ErrCheckSpent) {
			t.Errorf("the right code counted after five wrong ones: %v", err)
		}
	})
	t.Run("a check ends, is used once, and cannot be made up", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		check, err := h.StartCheck(ctx, person())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.ConfirmCheck(ctx, check.ID, "123456"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.ConfirmCheck(ctx, check.ID, "123456"); !errors.Is(err, citizens.ErrCheckUsed) {
			t.Errorf("used twice: %v", err)
		}
		if _, err := h.ConfirmCheck(ctx, uuid.New(), "123456"); !errors.Is(err, citizens.ErrCheckUnknown) {
			t.Errorf("made up: %v", err)
		}
		late, err := h.StartCheck(ctx, person())
		if err != nil {
			t.Fatal(err)
		}
		h.Clock.Advance(citizens.CheckLives)
		if _, err := h.ConfirmCheck(ctx, late.ID, "123456"); !errors.Is(err, citizens.ErrCheckExpired) {
			t.Errorf("late: %v", err)
		}
	})
	t.Run("a phone is asked after ten times in ten minutes, whoever asks", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		who := person()
		for i := range 11 {
			_, err := h.StartCheck(auth.WithInfo(ctx, auth.RequestInfo{Address: fmt.Sprint("192.0.2.", i)}), who)
			if (err != nil) != (i == 10) || i == 10 && !errors.Is(err, fault.ErrTooMany) {
				t.Fatalf("the %dth: %v", i+1, err)
			}
			if f, ok := fault.Of(err); ok && (f.RetryAfter <= 0 || f.RetryAfter > 10*time.Minute) {
				t.Errorf("come back after %s", f.RetryAfter)
			}
		}
		h.Clock.Advance(10 * time.Minute)
		if _, err := h.StartCheck(ctx, who); err != nil {
			t.Errorf("later: %v", err)
		}
	})
	t.Run("codes are guessed at a phone twenty times in an hour, over all checks", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		who := person()
		guess := func(code string) (err error) {
			t.Helper()
			for { // a check has five attempts
				var check citizens.Check
				if check, err = h.StartCheck(ctx, who); err != nil {
					t.Fatal(err)
				}
				if _, err = h.ConfirmCheck(ctx, check.ID, code); !errors.Is(err, citizens.ErrCheckSpent) {
					return err
				}
			}
		}
		for i := range 20 {
			if err := guess("000000"); !errors.Is(err, citizens.ErrCodeWrong) {
				t.Fatalf("guess %d: %v", i, err)
			}
			if i%8 == 7 {
				h.Clock.Advance(10 * time.Minute) // as many checks as a phone may have
			}
			if i == 3 {
				if err := guess("123456"); err != nil {
					t.Fatalf("the right code: %v", err)
				}
			}
		}
		err := guess("123456")
		f, ok := fault.Of(err)
		if !ok {
			t.Fatalf("the twenty-first guess: %v", err)
		}
		if !errors.Is(err, fault.ErrTooMany) || f.RetryAfter <= 0 || f.RetryAfter > time.Hour {
			t.Errorf("the twenty-first guess: %v after %v", err, f.RetryAfter)
		}
		h.Clock.Advance(f.RetryAfter)
		if err := guess("123456"); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
	t.Run("an address asks only so often", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		h.Service = citizens.New(h.DB, h.Box, h.provider, h.Audit, citizens.Limits{ChecksPerAddress: citizens.Rate{Most: 2, Window: time.Minute}}, h.Clock.Now)
		ctx = auth.WithInfo(ctx, auth.RequestInfo{Address: "198.51.100.7"})
		for i := range 3 {
			if _, err := h.StartCheck(ctx, person()); (err != nil) != (i == 2) {
				t.Fatalf("the %dth: %v", i+1, err)
			}
		}
	})
	t.Run("names every field that cannot be taken", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		for name, x := range map[string]struct {
			edit  func(*citizens.Person)
			field string
		}{
			"no name":                   {func(p *citizens.Person) { p.Name = " " }, "name"},
			"a name with a NUL":         {func(p *citizens.Person) { p.Name = "홍\x00동" }, "name"},
			"a name that is not text":   {func(p *citizens.Person) { p.Name = "\xff" }, "name"},
			"a long name":               {func(p *citizens.Person) { p.Name = strings.Repeat("홍", 51) }, "name"},
			"six digits of a birthday":  {func(p *citizens.Person) { p.BirthDate = "900131" }, "birth_date"},
			"a day that does not exist": {func(p *citizens.Person) { p.BirthDate = "1990-02-30" }, "birth_date"},
			"a birthday to come":        {func(p *citizens.Person) { p.BirthDate = "2030-01-01" }, "birth_date"},
			"a landline":                {func(p *citizens.Person) { p.Phone = "02-123-4567" }, "phone"},
			"an injected phone":         {func(p *citizens.Person) { p.Phone = "010' OR 1=1" }, "phone"},
		} {
			who := person()
			x.edit(&who)
			_, err := h.StartCheck(ctx, who)
			if f, ok := fault.Of(err); !ok || len(f.Fields) != 1 || f.Fields[0].Name != x.field {
				t.Errorf("%s: %v", name, err)
			}
		}
		who := person()
		who.BirthDate = "19900131"
		who.Phone = who.Phone[:3] + "-" + who.Phone[3:7] + "-" + who.Phone[7:]
		if _, err := h.StartCheck(ctx, who); err != nil {
			t.Errorf("another way of writing: %v", err)
		}
	})
	t.Run("a child of thirteen is refused before a code is sent, and of fourteen not", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		who := person()
		who.BirthDate = calendar.DayOf(h.Clock.Now()).AddYears(-citizens.AgeMin).Next().String()
		if _, err := h.StartCheck(ctx, who); !errors.Is(err, citizens.ErrTooYoung) || len(h.provider.asked) > 0 {
			t.Errorf("got %v", err)
		}
		who.BirthDate = calendar.DayOf(h.Clock.Now()).AddYears(-citizens.AgeMin).String()
		if _, err := h.StartCheck(ctx, who); err != nil {
			t.Errorf("on the birthday: %v", err)
		}
	})
	t.Run("a provider that is down is said to be", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		h.provider.down = true
		if _, err := h.StartCheck(ctx, person()); !errors.Is(err, citizens.ErrProviderUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPersonalData(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	who := person()
	who.Name = "남궁민수"
	c, _, err := h.Join(ctx, h.token(t, who), citizens.Required)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("is not to be read in the tables", func(t *testing.T) {
		var dump []string
		err := h.DB.Platform(ctx, func(ctx context.Context) error {
			return h.DB.In(ctx).Raw(`SELECT to_jsonb(c)::text FROM citizens.citizens c UNION ALL SELECT to_jsonb(k)::text FROM citizens.checks k`).Scan(&dump).Error
		})
		if err != nil || len(dump) == 0 {
			t.Fatal(err)
		}
		for _, row := range dump {
			for _, secret := range []string{who.Name, who.Phone, who.BirthDate} {
				if strings.Contains(row, secret) {
					t.Errorf("%s stands in clear", secret)
				}
			}
		}
	})
	t.Run("is found by its exact value", func(t *testing.T) {
		for _, query := range []string{who.Phone, who.Phone[:3] + "-" + who.Phone[3:7] + "-" + who.Phone[7:], " 남궁민수 "} {
			found, err := h.Find(ctx, query, 200)
			hit := false
			for _, each := range found {
				hit = hit || each.ID == c.ID
			}
			if err != nil || !hit {
				t.Errorf("%s: %v", query, err)
			}
		}
		if found, err := h.Find(ctx, who.Phone[:8], 10); err != nil || len(found) != 0 {
			t.Error("a part was enough")
		}
	})
	t.Run("is shown to staff for a reason that is recorded", func(t *testing.T) {
		staff := auth.Principal{Kind: auth.Staff, ID: uuid.New(), Name: "김담당", Tenant: h.Tenant}
		ctx := auth.With(tenant.With(t.Context(), h.Tenant), staff)
		if _, err := h.Reveal(ctx, c.ID, ""); err == nil {
			t.Fatal("shown without a reason")
		}
		seen, err := h.Reveal(ctx, c.ID, "민원 처리")
		if err != nil || seen.Name != who.Name || seen.Phone != who.Phone || seen.BirthDate.String() != who.BirthDate {
			t.Fatalf("%+v %v", seen, err)
		}
		looks, err := h.Audit.Looks(ctx, audit.Filter{Subject: c.ID})
		if err != nil || len(looks) != 1 || looks[0].Reason != "민원 처리" || looks[0].ActorName != "김담당" {
			t.Fatalf("%+v %v", looks, err)
		}
	})
}

func TestLock(t *testing.T) {
	t.Parallel()
	t.Run("what the citizen ordered is not lifted by another check", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		who := person()
		c, _, _ := h.Join(ctx, h.token(t, who), citizens.Required)
		first, err := h.Lock(ctx, c.ID, citizens.LockedByCitizen)
		if err != nil || !first.Locked() {
			t.Fatal(err)
		}
		second, err := h.Lock(ctx, c.ID, citizens.LockedForReuse)
		if err != nil || *second.LockCase != *first.LockCase || *second.LockReason != citizens.LockedByCitizen {
			t.Error("the first reason did not stay")
		}
		h.Clock.Advance(time.Minute)
		if _, _, err := h.Identify(ctx, h.token(t, who)); !errors.Is(err, citizens.ErrLocked) {
			t.Errorf("got %v", err)
		}
		if err := h.Unlock(ctx, c.ID, "본인 방문 확인"); err != nil {
			t.Fatal(err)
		}
		if _, lifted, err := h.Identify(ctx, h.token(t, who)); err != nil || lifted {
			t.Errorf("after staff lifted it: %v", err)
		}
	})
	t.Run("what the system found is lifted by a check begun afterwards, not before", func(t *testing.T) {
		t.Parallel()
		h, ctx := open(t)
		who := person()
		c, _, _ := h.Join(ctx, h.token(t, who), citizens.Required)
		before := h.token(t, who)
		h.Clock.Advance(time.Minute)
		if _, err := h.Lock(ctx, c.ID, citizens.LockedForReuse); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Identify(ctx, before); !errors.Is(err, citizens.ErrLocked) {
			t.Errorf("got %v", err)
		}
		h.Clock.Advance(time.Minute)
		got, lifted, err := h.Identify(ctx, h.token(t, who))
		if err != nil || !lifted || got.Locked() {
			t.Errorf("%+v %v", got, err)
		}
	})
}

func TestProvider(t *testing.T) {
	t.Parallel()
	status, answer := http.StatusCreated, `{"check_id":"abc"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		if json.NewDecoder(r.Body).Decode(&body) != nil {
			t.Error("not JSON")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	p := citizens.NewProvider(server.URL + "/")
	defer p.Close()
	if id, err := p.Start(t.Context(), person()); err != nil || id != "abc" {
		t.Fatal(id, err)
	}
	whole := `{"name":"홍길동","birth_date":"1990-01-31","phone":"01012345678","ci":"` + strings.Repeat("c", 88) + `","di":"x","verified_at":"2026-11-18T03:00:00Z"}`
	for _, x := range []struct {
		status int
		answer string
		want   error
	}{
		{http.StatusOK, whole, nil},
		{http.StatusOK, `{"name":"홍길동"}`, citizens.ErrProviderUnavailable},
		{http.StatusOK, `<html>`, citizens.ErrProviderUnavailable},
		{http.StatusUnprocessableEntity, `{"error":"code-wrong","attempts_left":3}`, citizens.ErrCodeWrong},
		{http.StatusGone, `{"error":"code-expired"}`, citizens.ErrCheckExpired},
		{http.StatusTooManyRequests, `{"error":"too-many-attempts"}`, citizens.ErrCheckSpent},
		{http.StatusConflict, `{"error":"already-confirmed"}`, citizens.ErrCheckUsed},
		{http.StatusServiceUnavailable, `down`, citizens.ErrProviderUnavailable},
		{http.StatusFound, ``, citizens.ErrProviderUnavailable},
	} {
		status, answer = x.status, x.answer
		found, err := p.Confirm(t.Context(), "abc", "123456")
		if !errors.Is(err, x.want) || x.want == nil && found.Name != "홍길동" {
			t.Errorf("%d %s: %v", x.status, x.answer, err)
		}
	}
	server.Close()
	if _, err := p.Start(t.Context(), person()); !errors.Is(err, citizens.ErrProviderUnavailable) {
		t.Errorf("gone: %v", err)
	}
}

// TestWithTheSimulator walks a check against the wire that the demonstration uses.
func TestWithTheSimulator(t *testing.T) {
	t.Parallel()
	h, ctx := open(t)
	gateway, err := messages.New(ctx, testkit.URL(t), messages.Options{Now: h.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close()
	mail := httptest.NewServer(gateway.Handler())
	defer mail.Close()
	simulated, err := identity.New(ctx, testkit.URL(t), identity.Options{Now: h.Clock.Now, MessagesURL: mail.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer simulated.Close()
	server := httptest.NewServer(simulated.Handler())
	defer server.Close()
	p := citizens.NewProvider(server.URL)
	defer p.Close()
	s := citizens.New(h.DB, h.Box, p, h.Audit, citizens.Limits{}, h.Clock.Now)

	who := person()
	check, err := s.StartCheck(ctx, who)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ConfirmCheck(ctx, check.ID, "000000"); !errors.Is(err, citizens.ErrCodeWrong) {
		if err != nil || check.ID == uuid.Nil {
			t.Fatal(err)
		}
	}
	response, err := http.Get(mail.URL + "/messages?to=" + who.Phone)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`인증번호 ([0-9]{6})`).FindSubmatch(body)
	if code == nil {
		t.Fatalf("no code in %s", body)
	}
	token, err := s.ConfirmCheck(ctx, check.ID, string(code[1]))
	if err != nil {
		t.Fatal(err)
	}
	c, joined, err := s.Join(ctx, token, citizens.Required)
	if err != nil || !joined || c.NameMasked != "홍*동" {
		t.Fatal(c, err)
	}
	same := identity.Person{Name: who.Name, BirthDate: who.BirthDate, Phone: who.Phone}
	enrolled, err := s.Enrol(ctx, []citizens.Identity{{CI: same.CI(), Name: who.Name, BirthDate: calendar.Date(1990, 1, 31), Phone: who.Phone}}, h.Clock.Now())
	if err != nil || enrolled[0].ID != c.ID {
		t.Fatal("the demonstration's people would not be told again")
	}
}
