package uuidv7_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"jangteo/app/uuidv7"
)

func TestAtIsAVersion7OfItsMoment(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 10, 23, 3, 4, 5, 678_000_000, time.UTC)
	id := uuidv7.At(at)
	if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
		t.Errorf("%s is version %d, variant %s", id, id.Version(), id.Variant())
	}
	if seconds, nanos := id.Time().UnixTime(); !time.Unix(seconds, nanos).Equal(at) {
		t.Errorf("%s tells %d.%d, not %s", id, seconds, nanos, at)
	}
	if later := uuidv7.At(at.Add(time.Millisecond)); later.String() <= id.String() {
		t.Errorf("%s does not sort after %s", later, id)
	}
	if uuidv7.At(at) == id {
		t.Error("two ids of a moment are the same")
	}
}
