package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
)

// Office is how a back office treats the next reversal.
type Office string

// What a back office does.
const (
	Does     Office = "done"
	Refuses  Office = "refused"
	Ponders  Office = "pending" // done when asked the second time
	Unknowns Office = "unknown" // answers so, and does it; asked again it tells
	Silent   Office = "silent"  // does it, and answers with 500
)

// Offices lists them.
var Offices = []Office{Does, Refuses, Ponders, Unknowns, Silent}

// Reversal is a bank debit given back at the voucher's operator's wish.
type Reversal struct {
	Key       string `json:"key"`
	Token     string `json:"issuer_token"`
	Retrieval string `json:"retrieval"`
	Amount    int64  `json:"amount"` // won
	State     Office `json:"state"`
	Reason    string `json:"reason"` // of a refusal, for the citizen
}

// Open tells how the next reversal is treated.
func (i *Issuer) Open(o Office) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.office = o
}

// Cut breaks the issuer's lines.
func (i *Issuer) Cut() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, l := range i.lines {
		if l != nil {
			l.close()
		}
	}
}

var errOtherReversal = errors.New("this key was used for another reversal")

// Card is one that a person has.
type Card struct {
	Token   string `json:"token"`
	Product string `json:"product"`
}

// Cards are those of a person: the same ones for ever, at least one.
func (i *Issuer) Cards(name, birthDate string) []Card {
	sum := sha256.Sum256([]byte(i.Code + "/" + name + "/" + birthDate))
	token := func(from int) string { return "tk" + i.Code + "-" + hex.EncodeToString(sum[from:from+8]) }
	cards := []Card{{token(0), "체크카드"}}
	if sum[31]%3 == 0 {
		cards = append(cards, Card{token(8), "신용카드"})
	}
	return cards
}

func (s *Issuers) search(w http.ResponseWriter, r *http.Request) {
	i, ok := s.known(w, r.PathValue("issuer"))
	if !ok {
		return
	}
	var in struct {
		Name      string `json:"name"`
		BirthDate string `json:"birth_date"`
	}
	if take(w, r, &in) {
		reply(w, http.StatusOK, struct {
			Cards []Card `json:"cards"`
		}{i.Cards(in.Name, in.BirthDate)})
	}
}

// reverse gives a bank debit back, once for each key.
func (s *Issuers) reverse(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Token     string `json:"issuer_token"`
		Retrieval string `json:"retrieval"`
		Amount    int64  `json:"amount"`
		Key       string `json:"key"`
	}
	i, ok := s.known(w, r.PathValue("issuer"))
	if !ok || !take(w, r, &in) {
		return
	}
	if in.Key == "" || len(in.Key) > 100 || in.Amount < 1 {
		reply(w, http.StatusUnprocessableEntity, refusal{"key and amount must be there"})
		return
	}
	v, office, err := i.giveBack(r.Context(), Reversal{Key: in.Key, Token: in.Token, Retrieval: in.Retrieval, Amount: in.Amount})
	switch {
	case errors.Is(err, errOtherReversal):
		reply(w, http.StatusConflict, refusal{err.Error()})
	case err != nil || office == Silent:
		reply(w, http.StatusInternalServerError, refusal{"the back office is confused"})
	default:
		if office == Unknowns {
			v.State = Unknowns
		}
		reply(w, http.StatusOK, v)
	}
}

func (i *Issuer) giveBack(ctx context.Context, v Reversal) (_ Reversal, office Office, err error) {
	i.all.offices.Lock()
	defer i.all.offices.Unlock()
	if known, there := i.all.records.reversal(i.Code + "/" + v.Key); there {
		if known.Token != v.Token || known.Retrieval != v.Retrieval || known.Amount != v.Amount {
			return known, Does, errOtherReversal
		}
		return known, Does, nil
	}
	office, v.State, v.Reason = Does, Refuses, "카드사가 이 결제를 찾지 못했어요."
	found := i.all.records.latest(1, func(p Purchase) bool { return p.Issuer == i.Code && p.Retrieval == v.Retrieval && p.Token == v.Token })
	if len(found) == 1 {
		i.mu.Lock()
		if i.office != "" {
			office = i.office
		}
		i.office = Does
		i.mu.Unlock()
		if office == Refuses {
			v.Reason = "카드사 사정으로 되돌리지 못했어요."
		}
		if p := found[0]; office != Refuses && p.State == Approved && v.Amount <= p.Account-p.AccountBack {
			v.State, v.Reason = Does, ""
			if office == Ponders {
				v.State = Ponders
			}
			p.AccountBack, p.BackAt = p.AccountBack+v.Amount, i.all.o.Now()
			if err := i.all.records.keepPurchase(ctx, p); err != nil {
				return v, office, err
			}
		}
	}
	return v, office, i.all.records.keepReversal(ctx, i.Code+"/"+v.Key, v)
}

// reversal tells what became of one. What is pending is done when it is asked for.
func (s *Issuers) reversal(w http.ResponseWriter, r *http.Request) {
	s.offices.Lock()
	defer s.offices.Unlock()
	key := r.PathValue("issuer") + "/" + r.PathValue("key")
	v, there := s.records.reversal(key)
	if !there {
		reply(w, http.StatusNotFound, refusal{"no such reversal"})
		return
	}
	told := v
	if v.State == Ponders {
		v.State = Does
	}
	if err := s.records.keepReversal(r.Context(), key, v); err != nil {
		reply(w, http.StatusInternalServerError, refusal{err.Error()})
		return
	}
	reply(w, http.StatusOK, told)
}
