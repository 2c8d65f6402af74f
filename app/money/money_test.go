package money

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestAmountIsWrittenWithThousands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount          Amount
		text, won, inEn string
	}{
		{0, "0", "0원", "₩0"},
		{999, "999", "999원", "₩999"},
		{1000, "1,000", "1,000원", "₩1,000"},
		{12500, "12,500", "12,500원", "₩12,500"},
		{-2500, "-2,500", "-2,500원", "-₩2,500"},
		{-100, "-100", "-100원", "-₩100"},
		{MaxPerEntry, "1,000,000,000,000", "1,000,000,000,000원", "₩1,000,000,000,000"},
		{math.MinInt64, "-9,223,372,036,854,775,808", "-9,223,372,036,854,775,808원", "-₩9,223,372,036,854,775,808"},
	} {
		if got := c.amount.String(); got != c.text {
			t.Errorf("String of %d is %q, want %q", int64(c.amount), got, c.text)
		}
		if got := c.amount.In("ko"); got != c.won {
			t.Errorf("Korean form of %d is %q, want %q", int64(c.amount), got, c.won)
		}
		if got := c.amount.In("en"); got != c.inEn {
			t.Errorf("English form of %d is %q, want %q", int64(c.amount), got, c.inEn)
		}
	}
}

func TestAmountIsANumberInJSON(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(map[string]Amount{"amount": 100_000})
	if err != nil || string(got) != `{"amount":100000}` {
		t.Errorf("got %s, %v", got, err)
	}
	var back struct{ Amount Amount }
	for _, text := range []string{`{"amount":1.5}`, `{"amount":"100"}`, `{"amount":9223372036854775808}`} {
		if err := json.Unmarshal([]byte(text), &back); err == nil {
			t.Errorf("%s was taken as %d", text, back.Amount)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Amount{
		"0": 0, "100000": 100_000, "100,000": 100_000, "100000원": 100_000, " 1,234,567 원 ": 1_234_567,
		"007": 7, "1000000000000": MaxPerEntry, "1,000,000,000,000원": MaxPerEntry,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"": ErrFormat, "원": ErrFormat, "-1": ErrFormat, "+1": ErrFormat, "1.5": ErrFormat, "1e5": ErrFormat, "0x10": ErrFormat,
		"10,00": ErrFormat, "1000,000": ErrFormat, ",100": ErrFormat, "100,": ErrFormat, "1,,000": ErrFormat, "1_000": ErrFormat,
		"100": nil, "１００": ErrFormat, "٣": ErrFormat, "1 000": ErrFormat, "100원원": ErrFormat, "만원": ErrFormat, "1\x00": ErrFormat,
		"1000000000001": ErrRange, "9223372036854775808": ErrRange, "99999999999999999999999999999999999": ErrRange,
	} {
		if _, err := Parse(text); !errors.Is(err, want) {
			t.Errorf("Parse(%q) answered %v, want %v", text, err, want)
		}
	}
}

func TestParseReadsWhatStringWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := Amount(rapid.Int64Range(0, int64(MaxPerEntry)).Draw(t, "amount"))
		for _, text := range []string{amount.String(), amount.Won()} {
			if got, err := Parse(text); err != nil || got != amount {
				t.Fatalf("Parse(%q) = %d, %v; want %d", text, got, err, amount)
			}
		}
	})
}

func TestAddAgreesWithBigNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		want := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
		got, err := Amount(a).Add(Amount(b))
		switch {
		case want.IsInt64() && (err != nil || int64(got) != want.Int64()):
			t.Fatalf("%d + %d = %d, %v", a, b, got, err)
		case !want.IsInt64() && !errors.Is(err, ErrOverflow):
			t.Fatalf("%d + %d = %d, %v; want an overflow", a, b, got, err)
		}
	})
	for _, c := range [][2]Amount{{math.MinInt64, -1}, {-1, math.MinInt64}, {math.MinInt64, math.MinInt64}, {math.MaxInt64, math.MaxInt64}} {
		if got, err := c[0].Add(c[1]); !errors.Is(err, ErrOverflow) {
			t.Errorf("%d + %d = %d, %v; want an overflow", c[0], c[1], got, err)
		}
	}
	if got, err := Amount(math.MinInt64).Add(math.MaxInt64); err != nil || got != -1 {
		t.Errorf("the ends add up to %d, %v", got, err)
	}
	if _, err := Sum(math.MaxInt64, 1); !errors.Is(err, ErrOverflow) {
		t.Errorf("Sum answered %v", err)
	}
	if got, err := Sum(90_000, 10_000, -2_500); err != nil || got != 97_500 {
		t.Errorf("Sum = %d, %v", got, err)
	}
}

func TestPercentRoundsDown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount Amount
		points int64
		want   Amount
	}{
		{100_000, 1_000, 10_000}, {9_999, 1_000, 999}, {1, 9_999, 0}, {0, 1_000, 0}, {33_333, 750, 2_499}, {12_345, 10_000, 12_345}, {12_345, 0, 0},
	} {
		if got := Percent(c.amount, c.points); got != c.want {
			t.Errorf("%d basis points of %s are %s, want %s", c.points, c.amount, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, math.MaxInt64).Draw(t, "amount")
		points := rapid.Int64Range(0, MaxBasisPoints).Draw(t, "points")
		want := new(big.Int).Mul(big.NewInt(amount), big.NewInt(points))
		want.Quo(want, big.NewInt(MaxBasisPoints))
		if got := Percent(Amount(amount), points); int64(got) != want.Int64() {
			t.Fatalf("%d basis points of %d are %d, want %s", points, amount, got, want)
		}
	})
}

func TestPercentPanicsOnABug(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount Amount
		points int64
	}{{-1, 100}, {1, -1}, {1, 10_001}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d basis points of %d were answered", c.points, c.amount)
				}
			}()
			Percent(c.amount, c.points)
		}()
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"100,000원", "", ",", "１", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, err := Parse(text)
		if err == nil && (amount < 0 || amount > MaxPerEntry) {
			t.Errorf("Parse(%q) = %d", text, amount)
		}
		if err != nil && amount != 0 {
			t.Errorf("Parse(%q) = %d beside %v", text, amount, err)
		}
	})
}
