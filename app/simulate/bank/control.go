package bank

import (
	"net/http"
	"strconv"
)

func (b *Bank) listAccounts(w http.ResponseWriter, r *http.Request) {
	accounts, err := b.Accounts(r.Context(), r.URL.Query().Get("after"), limitOf(r))
	if err != nil {
		b.failed(w, err)
		return
	}
	answer(w, http.StatusOK, struct {
		Items []Account `json:"items"`
	}{accounts})
}

func (b *Bank) addAccount(w http.ResponseWriter, r *http.Request) {
	var account Account
	err := read(r, &account)
	if err == nil {
		err = account.validate()
	}
	if err != nil {
		answer(w, http.StatusBadRequest, struct {
			Error string `json:"error"`
		}{err.Error()})
		return
	}
	if err := b.store.insertAccounts(r.Context(), []Account{account}); err != nil {
		b.failed(w, err)
		return
	}
	kept, err := b.store.account(r.Context(), account.BankCode, account.Number)
	if err != nil {
		b.failed(w, err)
		return
	}
	answer(w, http.StatusCreated, kept)
}

func (b *Bank) showLedger(w http.ResponseWriter, r *http.Request) {
	ledger, err := b.Ledger(r.Context(), limitOf(r))
	if err != nil {
		b.failed(w, err)
		return
	}
	answer(w, http.StatusOK, ledger)
}

func (b *Bank) listFaults(w http.ResponseWriter, r *http.Request) {
	faults, err := b.store.faults(r.Context())
	if err != nil {
		b.failed(w, err)
		return
	}
	answer(w, http.StatusOK, struct {
		Items []Fault `json:"items"`
	}{faults})
}

func (b *Bank) addFault(w http.ResponseWriter, r *http.Request) {
	var fault Fault
	err := read(r, &fault)
	if err == nil {
		err = fault.validate()
	}
	if err != nil {
		answer(w, http.StatusBadRequest, struct {
			Error string `json:"error"`
		}{err.Error()})
		return
	}
	if fault.ID, err = b.store.insertFault(r.Context(), fault); err != nil {
		b.failed(w, err)
		return
	}
	answer(w, http.StatusCreated, fault)
}

func (b *Bank) clearFaults(w http.ResponseWriter, r *http.Request) {
	if err := b.store.clearFaults(r.Context()); err != nil {
		b.failed(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// limitOf reads how many rows are wanted: 100 unless told, 1000 at most.
func limitOf(r *http.Request) int {
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 {
		return 100
	}
	return min(limit, 1000)
}
