package ledger

import (
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"jangteo/app/money"
)

// A scale is level when both sides say the same of each thing, in any order and
// in any pieces, and at no other time.
func TestScale(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s Scale
		left := map[uuid.UUID]money.Amount{}
		for range rapid.IntRange(0, 20).Draw(t, "moves") {
			id := uuid.UUID{15: rapid.ByteRange(0, 4).Draw(t, "thing")}
			amount := money.Amount(rapid.Int64Range(-1_000_000_000_000, 1_000_000_000_000).Draw(t, "amount"))
			if rapid.Bool().Draw(t, "side") {
				s.Add(id, amount)
				left[id] += amount
			} else {
				s.Take(id, amount)
				left[id] -= amount
			}
		}
		same := true
		for id, amount := range left {
			same = same && amount == 0
			if rapid.Bool().Draw(t, "settled") {
				s.Take(id, amount)
				left[id] = 0
			}
		}
		if same && !s.Level() {
			t.Fatal("nothing differs and it tips")
		}
		for _, amount := range left {
			if amount != 0 && s.Level() {
				t.Fatal("something differs and it is level")
			}
		}
	})
}

func TestScaleSeesOneWon(t *testing.T) {
	t.Parallel()
	var s Scale
	a, b := uuid.New(), uuid.New()
	s.Add(a, 1)
	s.Take(b, 1)
	if s.Level() {
		t.Error("a won of one counts for another")
	}
}
