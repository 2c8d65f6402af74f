package issuer

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Handler is what stands beside the card network: the terminal of a shop
// (POST /swipes), the back offices of docs/card-swaps.md below the issuers'
// codes, and the controls that make issuers misbehave.
func (s *Issuers) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /swipes", s.swipe)
	m.HandleFunc("GET /purchases", s.list)
	m.HandleFunc("POST /purchases/{issuer}/{retrieval}/cancel", s.cancel)
	m.HandleFunc("POST /{issuer}/cards/search", s.search)
	m.HandleFunc("POST /{issuer}/reversals", s.reverse)
	m.HandleFunc("GET /{issuer}/reversals/{key}", s.reversal)
	m.HandleFunc("GET /{issuer}/clearing/{day}", s.clearing)
	m.HandleFunc("POST /control", s.control)
	m.HandleFunc("GET /control", s.condition)
	return m
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

type refusal struct {
	Error string `json:"error"`
}

// take reads a JSON body; false: it was answered.
func take(w http.ResponseWriter, r *http.Request, into any) bool {
	const bytesMost = 16 << 10
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, bytesMost))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		reply(w, http.StatusBadRequest, refusal{err.Error()})
		return false
	}
	return true
}

func (s *Issuers) known(w http.ResponseWriter, code string) (*Issuer, bool) {
	i, ok := s.Issuer(code)
	if !ok {
		reply(w, http.StatusNotFound, refusal{ErrIssuer.Error()})
	}
	return i, ok
}

// sound tells what of a swipe cannot be sent.
func (w Swipe) sound() error {
	const wonMost = 999_999_999_999
	switch {
	case w.Amount < 1 || w.Amount > wonMost:
		return errors.New("amount must be 1 to 999999999999")
	case w.Terminal == "" || len(w.Terminal) > 8:
		return errors.New("terminal must have 1 to 8 signs")
	case w.Merchant == "" || len(w.Merchant) > 15:
		return errors.New("merchant must have 1 to 15 signs")
	case len(w.Token) < 8 || len(w.Token) > 64:
		return errors.New("token must have 8 to 64 signs")
	}
	return nil
}

func (s *Issuers) swipe(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Issuer string `json:"issuer"`
		Swipe
	}
	if !take(w, r, &in) {
		return
	}
	i, ok := s.known(w, in.Issuer)
	if !ok {
		return
	}
	if err := in.sound(); err != nil {
		reply(w, http.StatusUnprocessableEntity, refusal{err.Error()})
		return
	}
	p, err := i.Swipe(r.Context(), in.Swipe)
	if err != nil {
		reply(w, http.StatusInternalServerError, refusal{err.Error()})
		return
	}
	reply(w, http.StatusCreated, p)
}

// list answers the last purchases, of one issuer or token if asked.
func (s *Issuers) list(w http.ResponseWriter, r *http.Request) {
	const most = 200
	issuer, token := r.URL.Query().Get("issuer"), r.URL.Query().Get("token")
	reply(w, http.StatusOK, struct {
		Items []Purchase `json:"items"`
	}{s.records.latest(most, func(p Purchase) bool {
		return (issuer == "" || p.Issuer == issuer) && (token == "" || p.Token == token)
	})})
}

// Purchases are the last ones, the newest first.
func (s *Issuers) Purchases(most int) []Purchase {
	return s.records.latest(most, func(Purchase) bool { return true })
}

func (s *Issuers) cancel(w http.ResponseWriter, r *http.Request) {
	i, ok := s.known(w, r.PathValue("issuer"))
	if !ok {
		return
	}
	stays, err := strconv.ParseInt(r.URL.Query().Get("stays"), 10, 64)
	if err != nil {
		stays = 0
	}
	p, err := i.TakeBack(r.Context(), r.PathValue("retrieval"), stays)
	if err != nil {
		reply(w, http.StatusConflict, refusal{err.Error()})
		return
	}
	reply(w, http.StatusOK, p)
}

// clearing answers the file of a day, CSV unless ?form=fixed, spoiled as
// ?mistake= says; a mistake that was ordered by POST /control comes once.
func (s *Issuers) clearing(w http.ResponseWriter, r *http.Request) {
	i, ok := s.known(w, r.PathValue("issuer"))
	if !ok {
		return
	}
	const form = "20060102"
	day := r.PathValue("day")
	if at, err := time.ParseInLocation(form, day, seoul); err != nil || at.After(s.o.Now()) {
		reply(w, http.StatusNotFound, refusal{"there is no file of that day"})
		return
	}
	mistakes, ok := mistakesOf(w, r.URL.Query()["mistake"])
	if !ok {
		return
	}
	fixedWidth := r.URL.Query().Get("form") == "fixed"
	w.Header().Set("Content-Type", "text/csv; charset=us-ascii")
	if fixedWidth {
		w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
	}
	_, _ = w.Write([]byte(i.Clearing(day, 1, fixedWidth, append(mistakes, i.spoiling()...)...))) //nolint:gosec // a file of text, said to be one
}

func mistakesOf(w http.ResponseWriter, names []string) (mistakes []Mistake, ok bool) {
	for _, name := range names {
		if !slices.Contains(Mistakes, Mistake(name)) {
			reply(w, http.StatusUnprocessableEntity, refusal{"no such mistake: " + name})
			return nil, false
		}
		mistakes = append(mistakes, Mistake(name))
	}
	return mistakes, true
}

// orders are what an issuer can be told.
type orders struct {
	Issuer  string   `json:"issuer"`             // empty: all
	StandIn *StandIn `json:"stand_in,omitempty"` // what it does while the host is silent
	Asleep  *bool    `json:"asleep,omitempty"`   // it asks nobody and takes bank accounts
	Cut     bool     `json:"cut,omitempty"`      // its lines, which it makes anew
	Office  *Office  `json:"office,omitempty"`   // what its back office does with the next reversal
	Spoil   []string `json:"spoil,omitempty"`    // mistakes of the next clearing file
}

func (s *Issuers) control(w http.ResponseWriter, r *http.Request) {
	var in orders
	if !take(w, r, &in) {
		return
	}
	if in.Issuer != "" {
		if _, ok := s.known(w, in.Issuer); !ok {
			return
		}
	}
	if in.StandIn != nil && !slices.Contains([]StandIn{Decline, TakeVoucher, TakeAccount}, *in.StandIn) ||
		in.Office != nil && !slices.Contains(Offices, *in.Office) {
		reply(w, http.StatusUnprocessableEntity, refusal{"stand_in is decline, voucher or account; office is done, refused, pending, unknown or silent"})
		return
	}
	mistakes, ok := mistakesOf(w, in.Spoil)
	if !ok {
		return
	}
	for _, code := range s.codes {
		i := s.byCode[code]
		if in.Issuer != "" && in.Issuer != code {
			continue
		}
		if in.StandIn != nil {
			i.Decide(*in.StandIn)
		}
		if in.Asleep != nil {
			i.Sleep(*in.Asleep)
		}
		if in.Office != nil {
			i.Open(*in.Office)
		}
		if in.Cut {
			i.Cut()
		}
		i.Spoil(mistakes...)
	}
	s.condition(w, r)
}

// Condition is how an issuer is.
type Condition struct {
	Issuer    string  `json:"issuer"`
	Connected bool    `json:"connected"`
	StandIn   StandIn `json:"stand_in"`
	Asleep    bool    `json:"asleep"`
	Pending   int     `json:"pending"` // messages that the host has not answered
}

// Conditions tells how all issuers are.
func (s *Issuers) Conditions() (all []Condition) {
	for _, code := range s.codes {
		i := s.byCode[code]
		c := Condition{Issuer: code, Connected: i.Connected(), Pending: i.Pending()}
		i.mu.Lock()
		c.StandIn, c.Asleep = i.standIn, i.asleep
		i.mu.Unlock()
		all = append(all, c)
	}
	return all
}

func (s *Issuers) condition(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, struct {
		Issuers []Condition `json:"issuers"`
	}{s.Conditions()})
}
