package identity

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// Handler serves POST /checks, POST /checks/{id}/confirm and /control/faults.
func (p *Provider) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /checks", p.misbehaving(p.ask))
	mux.HandleFunc("POST /checks/{id}/confirm", p.misbehaving(p.confirm))
	mux.HandleFunc("POST /control/faults", p.addFault)
	mux.HandleFunc("DELETE /control/faults", p.clearFaults)
	return mux
}

// problem is how a request is refused: Error is stable, Message is for people.
type problem struct {
	Error        string `json:"error"`
	Message      string `json:"message,omitempty"`
	AttemptsLeft *int   `json:"attempts_left,omitempty"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone hears nothing
}

func failed(w http.ResponseWriter, err error) {
	answer(w, http.StatusInternalServerError, problem{Error: "internal", Message: err.Error()})
}

func read(r *http.Request, into any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<10))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// ask opens a check and sends its code.
func (p *Provider) ask(w http.ResponseWriter, r *http.Request) {
	var person Person
	err := read(r, &person)
	if err == nil {
		err = person.normalise(p.now())
	}
	if err != nil {
		answer(w, http.StatusBadRequest, problem{Error: "invalid", Message: err.Error()})
		return
	}
	c := check{ID: rand.Text(), Person: person, Code: newCode(), At: p.now()}
	if err := p.store.insert(r.Context(), c); err != nil {
		failed(w, err)
		return
	}
	if err := p.text(r.Context(), person.Phone, c.Code); err != nil {
		answer(w, http.StatusServiceUnavailable, problem{Error: "message-not-sent", Message: err.Error()})
		return
	}
	answer(w, http.StatusCreated, struct {
		CheckID   string    `json:"check_id"`
		ExpiresAt time.Time `json:"expires_at"`
	}{c.ID, c.At.Add(CodeLives)})
}

var statuses = map[string]int{
	noCheck: http.StatusNotFound, tooLate: http.StatusGone, tooMany: http.StatusTooManyRequests,
	wrong: http.StatusUnprocessableEntity, used: http.StatusConflict,
}

// confirm compares a code and tells who the person is.
func (p *Provider) confirm(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Code string `json:"code"`
	}
	if err := read(r, &in); err != nil || in.Code == "" {
		answer(w, http.StatusBadRequest, problem{Error: "invalid", Message: "code is missing"})
		return
	}
	now := p.now()
	person, outcome, attempts, err := p.store.attempt(r.Context(), r.PathValue("id"), in.Code, now)
	if err != nil {
		failed(w, err)
		return
	}
	if outcome != confirmed {
		refusal := problem{Error: outcome}
		if left := AttemptsMax - attempts; outcome == wrong {
			refusal.AttemptsLeft = &left
		}
		answer(w, statuses[outcome], refusal)
		return
	}
	answer(w, http.StatusOK, struct {
		Person
		CI         string    `json:"ci"`
		DI         string    `json:"di"`
		VerifiedAt time.Time `json:"verified_at"`
	}{person, person.CI(), person.DI(), now})
}

// misbehaving lets an ordered fault spoil a request.
func (p *Provider) misbehaving(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fault, err := p.store.claimFault(r.Context())
		switch {
		case err != nil:
			failed(w, err)
			return
		case fault.Kind == "down":
			answer(w, http.StatusServiceUnavailable, problem{Error: "down"})
			return
		case fault.Kind == "late":
			timer := time.NewTimer(time.Duration(fault.DelayMs) * time.Millisecond)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
			case <-p.live.Done():
			}
		}
		next(w, r)
	}
}

func (p *Provider) addFault(w http.ResponseWriter, r *http.Request) {
	var fault Fault
	err := read(r, &fault)
	fault.Count = max(fault.Count, 1)
	if err != nil || (fault.Kind != "late" && fault.Kind != "down") || fault.DelayMs < 0 || fault.DelayMs > 600_000 {
		answer(w, http.StatusBadRequest, problem{Error: "invalid", Message: "kind is late or down, delay_ms 0 to 600000"})
		return
	}
	if err := p.store.insertFault(r.Context(), fault); err != nil {
		failed(w, err)
		return
	}
	answer(w, http.StatusCreated, fault)
}

func (p *Provider) clearFaults(w http.ResponseWriter, r *http.Request) {
	if err := p.store.clearFaults(r.Context()); err != nil {
		failed(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
