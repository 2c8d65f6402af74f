// Package calendar knows Korean business days: which day it is in Seoul,
// which days banks work, and how dates are written for people.
//
// The holidays are data (holidays.csv), good until CoveredUntil. After that
// day only weekends are known, so whoever watches the system's ceilings
// watches CoveredUntil too.
package calendar

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // Seoul must be found on machines without zone files.
)

// Seoul is the zone of every business day.
var Seoul = mustLoad("Asia/Seoul")

func mustLoad(name string) *time.Location {
	location, err := time.LoadLocation(name)
	if err != nil {
		panic("calendar: " + err.Error()) // the zone is part of the program
	}
	return location
}

//go:embed holidays.csv
var holidaysCSV string

type table struct {
	names   map[Day]string
	covered Day
}

var holidays = sync.OnceValue(func() table {
	read, err := readHolidays(holidaysCSV)
	if err != nil {
		panic("calendar: holidays.csv: " + err.Error()) // the file is part of the program
	}
	return read
})

// readHolidays reads rows of date,name under a header. Two names on one day
// are joined; the table covers its last year to the end.
func readHolidays(text string) (table, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return table{}, err
	}
	if len(rows) < 2 {
		return table{}, fmt.Errorf("no rows")
	}
	read := table{names: make(map[Day]string, len(rows))}
	for _, row := range rows[1:] {
		day, err := ParseDay(row[0])
		if err != nil {
			return table{}, err
		}
		if known := read.names[day]; known != "" {
			read.names[day] = known + ", " + row[1]
		} else {
			read.names[day] = row[1]
		}
		if end := Date(day.year, time.December, 31); end.After(read.covered) {
			read.covered = end
		}
	}
	return read, nil
}

// Holiday returns the Korean name of the public holiday on d, if it is one.
// Weekends are not holidays by themselves.
func Holiday(d Day) (name string, ok bool) {
	name, ok = holidays().names[d]
	return name, ok
}

// CoveredUntil is the last day whose holidays are known.
func CoveredUntil() Day { return holidays().covered }

// IsBusiness says whether banks work on d: Monday to Friday and no public
// holiday. The zero Day is none.
func IsBusiness(d Day) bool {
	if d.IsZero() || d.Weekday() == time.Saturday || d.Weekday() == time.Sunday {
		return false
	}
	_, holiday := Holiday(d)
	return !holiday
}

// NextBusiness returns the n-th business day after d; with n = 0, d itself if
// it is one and else the next. A negative n and the zero Day are bugs and panic.
func NextBusiness(d Day, n int) Day {
	if n < 0 || d.IsZero() {
		panic(fmt.Sprintf("calendar: business day %d after %q", n, d))
	}
	if n == 0 {
		for !IsBusiness(d) {
			d = d.Next()
		}
		return d
	}
	for range n {
		d = d.Next()
		for !IsBusiness(d) {
			d = d.Next()
		}
	}
	return d
}
