package audit

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/fault"
)

// What a review of a month can be refused with.
var (
	ErrMonthOpen     = fault.Declare(fault.Conflict, "access-month-not-over")
	ErrMonthReviewed = fault.Declare(fault.Conflict, "access-month-reviewed")
	ErrMonthUnknown  = fault.Declare(fault.NotFound, "access-month-unknown")
)

const (
	monthsMost    = 36
	overdueAfter  = 10 // days after a month's end
	remarkMost    = 500
	monthTemplate = "2006-01"
)

// Month is what became of one month of the access log.
type Month struct {
	Month        string // 2026-10, in Seoul
	Looks        int
	ReviewedAt   *time.Time
	ReviewerID   *uuid.UUID
	ReviewerName string
	Remark       string
	Open         bool // is over and was not reviewed
	Overdue      bool
}

// Span is when a month begins and when the next one does.
func (m Month) Span() (from, to time.Time) { from, to, _ = spanOf(m.Month); return from, to }

// Due is the moment from which a month that nobody went through is overdue.
func (m Month) Due() time.Time {
	_, over := m.Span()
	return over.AddDate(0, 0, overdueAfter)
}

func spanOf(month string) (from, to time.Time, ok bool) {
	from, err := time.ParseInLocation(monthTemplate, month, calendar.Seoul)
	if err != nil || from.Year() < 2000 || from.Year() > 2999 || from.Format(monthTemplate) != month {
		return from, to, false
	}
	return from, from.AddDate(0, 1, 0), true
}

// Months lists the months of the last three years in which somebody looked at
// personal data, the latest first.
func (l *Log) Months(ctx context.Context) (list []Month, err error) {
	now := l.now()
	err = l.db.Tx(ctx, func(ctx context.Context) error {
		list, err = l.store.months(ctx, now.AddDate(0, -monthsMost, 0))
		return err
	})
	for i := range list {
		_, over := list[i].Span()
		list[i].Open = list[i].ReviewedAt == nil && !now.Before(over)
		list[i].Overdue = list[i].Open && !now.Before(list[i].Due())
	}
	return list, err
}

// Month is one of them, or ErrMonthUnknown.
func (l *Log) Month(ctx context.Context, month string) (Month, error) {
	list, err := l.Months(ctx)
	for _, m := range list {
		if m.Month == month {
			return m, nil
		}
	}
	if err == nil {
		err = ErrMonthUnknown
	}
	return Month{}, err
}

// Review records that the person in ctx has gone through a month that is over,
// with what they have to say of it, 2 to 500 characters. It is done once.
func (l *Log) Review(ctx context.Context, month, remark string) error {
	remark = strings.TrimSpace(remark)
	if n := utf8.RuneCountInString(remark); !utf8.ValidString(remark) || strings.ContainsRune(remark, 0) {
		return fault.On("remark", fault.WrongFormat)
	} else if n < 2 {
		return fault.On("remark", fault.Required)
	} else if n > remarkMost {
		return fault.On("remark", fault.TooLong).Limit(remarkMost)
	}
	from, over, ok := spanOf(month)
	if !ok {
		return ErrMonthUnknown
	}
	if l.now().Before(over) {
		return ErrMonthOpen
	}
	me := auth.From(ctx)
	return l.db.Tx(ctx, func(ctx context.Context) error {
		looks, err := l.store.countLooks(ctx, from, over)
		if err != nil {
			return err
		}
		if err := l.store.insertReview(ctx, month, looks, me.ID, me.Name, remark, l.now()); err != nil {
			return err
		}
		return l.Changed(ctx, Change{Action: "access.reviewed", Object: "access", ObjectID: month, Reason: remark, After: map[string]int{"looks": looks}})
	})
}
