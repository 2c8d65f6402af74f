package refdata

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Trade is a class of the Korean Standard Industrial Classification, 10th
// revision. Shops have one of five digits; the others are its parents.
type Trade struct {
	// Code is a section's letter or 2 to 5 digits.
	Code string
	// Name is Korean, 한식 일반 음식점업.
	Name string
}

//go:embed ksic10.csv
var ksicCSV string

// shopDigits is the length of a shop's code.
const shopDigits = 5

type classification struct {
	byCode   map[string]Trade
	shops    []Trade           // of five digits, by code
	sections map[string]string // division, two digits, to its section's letter
}

// A section's name ends with its divisions: 제조업(10~34), 광업(05~08).
var sectionDivisions = regexp.MustCompile(`^(.+)\((\d\d)(?:~(\d\d))?\)$`)

var trades = sync.OnceValue(func() classification {
	all := mustRead("ksic10.csv", ksicCSV, "code,name,digits", readTrade)
	c := classification{sections: map[string]string{}}
	for i, trade := range all {
		if len(trade.Code) == shopDigits {
			c.shops = append(c.shops, trade)
		}
		parts := sectionDivisions.FindStringSubmatch(trade.Name)
		if len(trade.Code) != 1 || parts == nil {
			continue
		}
		all[i].Name = parts[1]
		for _, division := range all {
			if len(division.Code) == 2 && division.Code >= parts[2] && division.Code <= max(parts[2], parts[3]) {
				c.sections[division.Code] = trade.Code
			}
		}
	}
	slices.SortFunc(c.shops, func(a, b Trade) int { return strings.Compare(a.Code, b.Code) })
	c.byCode = index(all, func(t Trade) string { return t.Code })
	return c
})

func readTrade(fields []string) (Trade, error) {
	if fields[1] == "" || fmt.Sprint(len(fields[0])) != fields[2] {
		return Trade{}, fmt.Errorf("%q has not %s digits", fields[0], fields[2])
	}
	return Trade{Code: fields[0], Name: fields[1]}, nil
}

// Trades lists all that a shop can have, by code.
func Trades() []Trade { return slices.Clone(trades().shops) }

// TradeOf finds the trade of a shop by its five digits.
func TradeOf(code string) (Trade, bool) {
	if len(code) != shopDigits {
		return Trade{}, false
	}
	t, ok := trades().byCode[code]
	return t, ok
}

// TradeParents lists the classes above a shop's trade, from its section down:
// 숙박 및 음식점업, 음식점 및 주점업, 음식점업, 한식 음식점업. An unknown code has none.
func TradeParents(code string) []Trade {
	if _, ok := TradeOf(code); !ok {
		return nil
	}
	all := trades()
	parents := []Trade{all.byCode[all.sections[code[:2]]]}
	for digits := 2; digits < shopDigits; digits++ {
		parents = append(parents, all.byCode[code[:digits]])
	}
	return parents
}

// SearchTrades finds at most limit trades of shops whose code or name begins
// with query, then those with a word that does, then those that hold it
// anywhere. An empty query finds none.
func SearchTrades(query string, limit int) []Trade {
	query = strings.TrimSpace(query)
	if query == "" || limit <= 0 {
		return nil
	}
	var begin, word, inside []Trade
	for _, trade := range trades().shops {
		switch {
		case strings.HasPrefix(trade.Code, query), strings.HasPrefix(trade.Name, query):
			begin = append(begin, trade)
		case strings.Contains(trade.Name, " "+query):
			word = append(word, trade)
		case strings.Contains(trade.Name, query):
			inside = append(inside, trade)
		}
	}
	found := slices.Concat(begin, word, inside)
	return found[:min(limit, len(found))]
}

// normallyExcluded are bars, lottery and gambling, watches and jewellery,
// department stores and large marts. What counts is a programme's policy;
// this is what a new one starts from.
var normallyExcluded = []string{"47111", "47112", "47830", "56211", "56212", "56219", "91241", "91249"}

// ExcludedTrades lists the trades that a municipality normally excludes.
func ExcludedTrades() []Trade {
	excluded := make([]Trade, len(normallyExcluded))
	for i, code := range normallyExcluded {
		excluded[i] = trades().byCode[code]
	}
	return excluded
}

// NormallyExcluded says whether a municipality normally excludes the trade.
func NormallyExcluded(code string) bool { return slices.Contains(normallyExcluded, code) }
