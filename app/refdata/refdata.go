// Package refdata is the public reference data that the program is built
// with: municipalities, trades, banks and card issuers. README.md says where
// each file comes from.
//
// The files are parsed once, at first use. They are part of the program, so a
// row that cannot be read is a bug and panics. What is returned is the
// caller's own copy.
package refdata

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// read parses a file with the given header and makes one T of each row.
func read[T any](text, header string, row func([]string) (T, error)) ([]T, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) < 2 || !slices.Equal(rows[0], strings.Split(header, ",")) {
		return nil, errors.New("the header is not " + header)
	}
	all := make([]T, 0, len(rows)-1)
	for i, fields := range rows[1:] {
		value, err := row(fields)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+2, err)
		}
		all = append(all, value)
	}
	return all, nil
}

// mustRead is read for a file that is part of the program.
func mustRead[T any](name, text, header string, row func([]string) (T, error)) []T {
	all, err := read(text, header, row)
	if err != nil {
		panic("refdata: " + name + ": " + err.Error())
	}
	return all
}

// index keys values by their code. A code that comes twice is a bug and panics.
func index[K comparable, T any](values []T, code func(T) K) map[K]T {
	byCode := make(map[K]T, len(values))
	for _, value := range values {
		if _, twice := byCode[code(value)]; twice {
			panic(fmt.Sprintf("refdata: code %v comes twice", code(value)))
		}
		byCode[code(value)] = value
	}
	return byCode
}
