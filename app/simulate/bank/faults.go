package bank

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Fault is one way of misbehaving, ordered for the next instructions that fit.
type Fault struct {
	ID        int64  `json:"id,omitempty"`
	Kind      string `json:"kind"`
	Operation string `json:"operation,omitempty"`   // withdraw, deposit or result; empty fits all
	Account   string `json:"account_num,omitempty"` // the counterparty's number; empty fits all
	Amount    int64  `json:"amount,omitempty"`      // won; 0 fits all
	Count     int    `json:"count,omitempty"`       // how many instructions it spoils; 0 means 1
	Executed  bool   `json:"executed"`              // whether the money moves all the same
	DelayMs   int64  `json:"delay_ms,omitempty"`    // late: how long
}

// Kinds of misbehaviour.
const (
	late    = "late"    // the instruction is registered at once, executed and answered after DelayMs
	twice   = "twice"   // the relay handles the request twice and passes on the second answer, a refused duplicate
	echo    = "echo"    // the same answer is written twice to the connection
	unknown = "unknown" // the relay says that the bank's answer did not come (804)
	silent  = "silent"  // no answer: the connection is held until the client gives up
	broken  = "error"   // the relay answers HTTP 500 with A0003
)

var kinds = []string{late, twice, echo, unknown, silent, broken}

func (f *Fault) validate() error {
	if f.Count == 0 {
		f.Count = 1
	}
	switch {
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("kind %q is none of %v", f.Kind, kinds)
	case f.Operation != "" && !slices.Contains([]string{Withdraw, Deposit, "result"}, f.Operation):
		return fmt.Errorf("operation %q is none of withdraw, deposit, result", f.Operation)
	case f.Count < 1 || f.Count > 1_000_000:
		return fmt.Errorf("count %d is out of bounds", f.Count)
	case f.DelayMs < 0 || f.DelayMs > 600_000:
		return fmt.Errorf("delay_ms %d is out of bounds", f.DelayMs)
	}
	return nil
}

// wait holds an answer for d, or until the simulator ends.
func (b *Bank) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.live.Done():
	}
}

// hang answers nothing until the client gives up or the simulator ends.
func (b *Bank) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-b.live.Done():
	}
	panic(http.ErrAbortHandler)
}
