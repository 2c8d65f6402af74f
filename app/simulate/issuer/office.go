package issuer

import (
	"context"
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
	Asked     int    `json:"asked"`
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

// reverse gives a bank debit back, once for each key.
func (s *Issuers) reverse(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Token     string `json:"issuer_token"`
		Retrieval string `json:"retrieval"`
		Amount    int64  `json:"amount"`
		Key       string `json:"key"`
	}
	if !take(w, r, &in) {
		return
	}
	if in.Key == "" || len(in.Key) > 100 || in.Amount < 1 {
		reply(w, http.StatusUnprocessableEntity, refusal{"key and amount must be there"})
		return
	}
	v, office, err := s.giveBack(r.Context(), Reversal{Key: in.Key, Token: in.Token, Retrieval: in.Retrieval, Amount: in.Amount})
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

func (s *Issuers) giveBack(ctx context.Context, v Reversal) (_ Reversal, office Office, err error) {
	s.offices.Lock()
	defer s.offices.Unlock()
	if known, there := s.records.reversal(v.Key); there {
		if known.Token != v.Token || known.Retrieval != v.Retrieval || known.Amount != v.Amount {
			return known, Does, errOtherReversal
		}
		return known, Does, nil
	}
	office, v.State = Does, Refuses
	found := s.records.latest(1, func(p Purchase) bool { return p.Retrieval == v.Retrieval && p.Token == v.Token })
	if len(found) == 1 {
		i := s.byCode[found[0].Issuer]
		i.mu.Lock()
		if i.office != "" {
			office = i.office
		}
		i.office = Does
		i.mu.Unlock()
		if p := found[0]; office != Refuses && p.State == Approved && v.Amount <= p.Account-p.AccountBack {
			v.State = Does
			if office == Ponders {
				v.State = Ponders
			}
			p.AccountBack, p.BackAt = p.AccountBack+v.Amount, s.o.Now()
			if err := s.records.keepPurchase(ctx, p); err != nil {
				return v, office, err
			}
		}
	}
	return v, office, s.records.keepReversal(ctx, v)
}

// reversal tells what became of one. What is pending is done when it is asked for.
func (s *Issuers) reversal(w http.ResponseWriter, r *http.Request) {
	s.offices.Lock()
	defer s.offices.Unlock()
	v, there := s.records.reversal(r.PathValue("key"))
	if !there {
		reply(w, http.StatusNotFound, refusal{"no such reversal"})
		return
	}
	told := v
	if v.Asked++; v.State == Ponders {
		v.State = Does
	}
	if err := s.records.keepReversal(r.Context(), v); err != nil {
		reply(w, http.StatusInternalServerError, refusal{err.Error()})
		return
	}
	reply(w, http.StatusOK, told)
}
