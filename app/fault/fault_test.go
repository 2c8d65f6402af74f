package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"jangteo/app/fault"
)

var errClosed = fault.Declare(fault.Conflict, "test-closed")

func TestFault(t *testing.T) {
	t.Parallel()
	wrapped := fmt.Errorf("paying: %w", errClosed.With("merchant", 7))
	if !errors.Is(wrapped, errClosed) {
		t.Error("a copy with parameters is no longer its declaration")
	}
	if errClosed.Params != nil {
		t.Error("With changed the declaration")
	}
	var list *fault.Fault
	if list.OrNil() != nil {
		t.Error("an empty list of fields is an error")
	}
	list = list.And("amount", fault.TooSmall).Limit(1).And("name", fault.Required)
	if len(list.Fields) != 2 || list.Fields[0].Limit != "1" || list.OrNil() == nil {
		t.Errorf("got %v", list)
	}
	defer func() {
		if recover() == nil {
			t.Error("two faults share a code")
		}
	}()
	_ = fault.Declare(fault.Conflict, "test-closed")
}
