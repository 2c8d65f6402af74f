package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"jangteo/app/testkit"
)

type world struct {
	*Servers
	t     *testing.T
	clock *testkit.Clock
}

func open(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	clock := testkit.NewClock()
	servers, err := Start(t.Context(), Options{DSN: testkit.FreshDatabase(t), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &world{servers, t, clock}
}

// post sends JSON and returns the status and the answer's fields.
func (w *world) post(url, body string) (int, map[string]any) {
	w.t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	answer := map[string]any{}
	if len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			w.t.Fatalf("%s: %v", text, err)
		}
	}
	return response.StatusCode, answer
}

const person = `{"name":"홍길동","birth_date":"1990-01-31","phone":"010-1234-5678","carrier":"KT"}`

// ask opens a check and reads its code from the phone.
func (w *world) ask(who string) (check, code string) {
	w.t.Helper()
	status, answer := w.post(w.IdentityURL+"/checks", who)
	if status != http.StatusCreated {
		w.t.Fatalf("%d %v", status, answer)
	}
	sent, err := w.Messages.Find(w.t.Context(), "010 1234 5678", 1)
	if err != nil || len(sent) != 1 {
		w.t.Fatalf("no message: %v", err)
	}
	return answer["check_id"].(string), regexp.MustCompile(`\d{6}`).FindString(sent[0].Body)
}

func (w *world) confirm(check, code string) (int, map[string]any) {
	w.t.Helper()
	return w.post(w.IdentityURL+"/checks/"+check+"/confirm", `{"code":"`+code+`"}`)
}

func other(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}

func TestACheckTellsWhoAPersonIs(t *testing.T) {
	w := open(t)
	check, code := w.ask(person)
	status, who := w.confirm(check, code)
	if status != 200 || len(who["ci"].(string)) != 88 || who["name"] != "홍길동" || who["phone"] != "01012345678" || who["ci"] == who["di"] {
		t.Fatalf("%d %v", status, who)
	}
	if status, _ := w.confirm(check, code); status != http.StatusConflict {
		t.Errorf("a second confirmation: %d", status)
	}
	check, code = w.ask(person)
	_, again := w.confirm(check, code)
	check, code = w.ask(strings.Replace(person, "길동", "길순", 1))
	_, sister := w.confirm(check, code)
	if again["ci"] != who["ci"] || sister["ci"] == who["ci"] {
		t.Error("connecting information is not a person's own")
	}
}

func TestACodeExpiresAndBearsFiveAttempts(t *testing.T) {
	w := open(t)
	check, code := w.ask(person)
	w.clock.Advance(3*time.Minute + time.Second)
	if status, answer := w.confirm(check, code); status != http.StatusGone {
		t.Errorf("an old code: %d %v", status, answer)
	}
	check, code = w.ask(person)
	var wrong, tooMany atomic.Int32
	var wait sync.WaitGroup
	for range 20 { // at once: each is counted
		wait.Go(func() {
			switch status, _ := w.confirm(check, other(code)); status {
			case http.StatusUnprocessableEntity:
				wrong.Add(1)
			case http.StatusTooManyRequests:
				tooMany.Add(1)
			}
		})
	}
	wait.Wait()
	if wrong.Load() != 5 || tooMany.Load() != 15 {
		t.Errorf("%d wrong, %d refused", wrong.Load(), tooMany.Load())
	}
	if status, _ := w.confirm(check, code); status != http.StatusTooManyRequests {
		t.Errorf("the right code after too many: %d", status)
	}
	if status, _ := w.confirm("nothing", code); status != http.StatusNotFound {
		t.Errorf("no such check: %d", status)
	}
}

func TestBadPeopleAreRefusedByField(t *testing.T) {
	w := open(t)
	for field, body := range map[string]string{
		"name":       `{"name":"","birth_date":"1990-01-31","phone":"01012345678"}`,
		"birth_date": `{"name":"홍","birth_date":"1990-02-31","phone":"01012345678"}`,
		"phone":      `{"name":"홍","birth_date":"1990-01-31","phone":"021234567"}`,
		"carrier":    `{"name":"홍","birth_date":"1990-01-31","phone":"01012345678","carrier":"X"}`,
	} {
		if status, answer := w.post(w.IdentityURL+"/checks", body); status != 400 || !strings.Contains(fmt.Sprint(answer["message"]), field) {
			t.Errorf("%s: %d %v", field, status, answer)
		}
	}
}

func TestTheProviderMisbehavesOnRequest(t *testing.T) {
	w := open(t)
	w.post(w.IdentityURL+"/control/faults", `{"kind":"down","count":2}`)
	for range 2 {
		if status, _ := w.post(w.IdentityURL+"/checks", person); status != http.StatusServiceUnavailable {
			t.Errorf("down: %d", status)
		}
	}
	w.post(w.IdentityURL+"/control/faults", `{"kind":"late","delay_ms":50}`)
	w.ask(person)
	if status, _ := w.post(w.IdentityURL+"/control/faults", `{"kind":"rude"}`); status != 400 {
		t.Errorf("an unknown fault: %d", status)
	}
}

func TestMessagesAreFoundByReceiverAndBounded(t *testing.T) {
	w := open(t)
	for n := range 30 {
		body := fmt.Sprintf(`{"channel":"sms","to":"010-0000-00%02d","body":"message %d"}`, n%3, n)
		if status, answer := w.post(w.MessagesURL+"/send", body); status != http.StatusCreated {
			t.Fatalf("%d %v", status, answer)
		}
	}
	found, err := w.Messages.Find(t.Context(), "01000000001", 100)
	if err != nil || len(found) != 10 || found[0].Body != "message 28" {
		t.Errorf("%v %+v", err, found)
	}
	for _, body := range []string{`{}`, `{"channel":"pigeon","to":"a","body":"b"}`, `{"channel":"sms","to":"a","body":"b\u0000"}`, `nothing`} {
		if status, _ := w.post(w.MessagesURL+"/send", body); status != 400 {
			t.Errorf("%s: %d", body, status)
		}
	}
}

func TestStartTwiceOnOneDatabaseKeepsItsData(t *testing.T) {
	t.Parallel()
	dsn, clock := testkit.FreshDatabase(t), testkit.NewClock()
	for round := range 2 {
		servers, err := Start(t.Context(), Options{DSN: dsn, Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{servers, t, clock}
		w.ask(person)
		sent, err := servers.Messages.Find(t.Context(), "", 10)
		if err != nil || len(sent) != round+1 {
			t.Errorf("round %d: %d messages, %v", round, len(sent), err)
		}
		if err := servers.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestEachRunsAlone(t *testing.T) {
	t.Parallel()
	dsn, clock := testkit.FreshDatabase(t), testkit.NewClock()
	for name, path := range map[string]string{BankName: "/control/ledger", IdentityName: "/control/faults", MessagesName: "/messages"} {
		ctx, stop := context.WithCancel(t.Context())
		ended, started := make(chan error, 1), make(chan string, 1)
		go func() {
			ended <- Run(ctx, name, Options{DSN: dsn, Addr: "127.0.0.1:0", Now: clock.Now}, "http://127.0.0.1:1", func(url string) { started <- url })
		}()
		select {
		case url := <-started:
			response, err := http.Get(url + path)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode >= 500 || response.StatusCode == http.StatusNotFound {
				t.Errorf("%s answered %s", name, response.Status)
			}
		case err := <-ended:
			t.Fatalf("%s did not start: %v", name, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Run(t.Context(), "post office", Options{}, "", nil); err == nil {
		t.Error("ran a simulator that there is not")
	}
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"), // the test client's idle connections
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("github.com/jackc/pgx/v5/pgxpool.(*Pool).backgroundHealthCheck"), // testkit's pools
		goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}
