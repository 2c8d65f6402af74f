// Package audit keeps who changed what, and who saw whose personal data. Rows
// share the transaction of the work that they tell of, and no role may change
// or remove them.
package audit

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/clock"
	"jangteo/app/db"
	"jangteo/app/fault"
	"jangteo/app/tenant"
)

// ErrReasonMissing refuses a look at personal data without a reason.
var ErrReasonMissing = fault.Declare(fault.Invalid, "access-reason-missing")

// Change is one thing that somebody did to an object.
type Change struct {
	Action   string // participle, for example "merchant.closed"
	Object   string // kind of object, for example "merchant"
	ObjectID string
	Reason   string
	Before   any // nil for something new
	After    any // nil for something gone
}

// Access is one look at somebody's personal data in the clear.
type Access struct {
	Subject   string // citizen, merchant or staff
	SubjectID uuid.UUID
	Did       string // what was seen or exported, for example "citizen.phone"
	Reason    string // 2 to 500 characters
}

// Record is a row of the audit log.
type Record struct {
	ID        uuid.UUID
	At        time.Time
	ActorKind auth.Kind
	ActorID   *uuid.UUID
	ActorName string
	Action    string
	Object    string
	ObjectID  string
	Reason    string
	Before    json.RawMessage
	After     json.RawMessage
	Address   string
	RequestID string
}

// Look is a row of the access log.
type Look struct {
	ID        uuid.UUID
	At        time.Time
	ActorKind auth.Kind
	ActorID   uuid.UUID
	ActorName string
	Subject   string
	SubjectID uuid.UUID
	Did       string
	Reason    string
	Address   string
	RequestID string
}

// Filter narrows a listing; zero values do not.
type Filter struct {
	Object, ObjectID string
	Subject          uuid.UUID
	Text             string    // a part of the action, the object, its id, or who did it
	Actions          []string  // with Text: these are found too
	From, To         time.Time // To excluded
	Before           uuid.UUID // the last id of the page before
	Limit            int       // 1 to 200
}

const reportMost = 10_000

// Log writes and reads both logs.
type Log struct {
	db    *db.DB
	store store
	now   clock.Now
}

// New keeps the logs in d.
func New(d *db.DB, now clock.Now) *Log { return &Log{d, store{d}, now} }

// Changed records a change inside the caller's transaction, by the principal in
// ctx or, without one, by the system.
func (l *Log) Changed(ctx context.Context, c Change) error {
	before, err := json.Marshal(c.Before)
	if err != nil {
		return err
	}
	after, err := json.Marshal(c.After)
	if err != nil {
		return err
	}
	who, info := actor(ctx), auth.Info(ctx)
	r := Record{
		ID: uuid.Must(uuid.NewV7()), At: l.now(), ActorKind: who.Kind, ActorName: who.Name,
		Action: c.Action, Object: c.Object, ObjectID: c.ObjectID, Reason: c.Reason,
		Before: before, After: after, Address: info.Address, RequestID: info.ID,
	}
	if who.ID != uuid.Nil {
		r.ActorID = &who.ID
	}
	return l.store.insert(ctx, r)
}

// Seen records a look at personal data inside the caller's transaction. It
// refuses one without a reason, so nothing is shown without a record.
func (l *Log) Seen(ctx context.Context, a Access) error {
	if n := len([]rune(a.Reason)); n < 2 || n > 500 {
		return ErrReasonMissing
	}
	who, info := auth.From(ctx), auth.Info(ctx)
	return l.store.insertAccess(ctx, Look{
		ID: uuid.Must(uuid.NewV7()), At: l.now(), ActorKind: who.Kind, ActorID: who.ID, ActorName: who.Name,
		Subject: a.Subject, SubjectID: a.SubjectID, Did: a.Did, Reason: a.Reason, Address: info.Address, RequestID: info.ID,
	})
}

// Changes lists the tenant's audit log, newest first.
func (l *Log) Changes(ctx context.Context, f Filter) (list []Record, err error) {
	err = l.db.Tx(ctx, func(ctx context.Context) error {
		list, err = l.store.changes(ctx, f)
		return err
	})
	return list, err
}

// Looks lists the tenant's access log, newest first.
func (l *Log) Looks(ctx context.Context, f Filter) (list []Look, err error) {
	err = l.db.Tx(ctx, func(ctx context.Context) error {
		list, err = l.store.looks(ctx, f)
		return err
	})
	return list, err
}

// ReportChanges lists the audit log by time as w says, and tells whether there
// is more before and after; w's limit, 1 to 10,000, and place go before those of f.
func (l *Log) ReportChanges(ctx context.Context, f Filter, w db.Window) (list []Record, before, after bool, err error) {
	w.Limit = min(max(w.Limit, 1), reportMost)
	err = l.db.Tx(ctx, func(ctx context.Context) error {
		list, err = l.store.reportChanges(ctx, f, w)
		return err
	})
	list, before, after = db.Page(w, list)
	return list, before, after, err
}

// ReportLooks lists the access log as ReportChanges does the audit log.
func (l *Log) ReportLooks(ctx context.Context, f Filter, w db.Window) (list []Look, before, after bool, err error) {
	w.Limit = min(max(w.Limit, 1), reportMost)
	err = l.db.Tx(ctx, func(ctx context.Context) error {
		list, err = l.store.reportLooks(ctx, f, w)
		return err
	})
	list, before, after = db.Page(w, list)
	return list, before, after, err
}

// Change is one row of the tenant's audit log.
func (l *Log) Change(ctx context.Context, id uuid.UUID) (r Record, err error) {
	err = l.db.Tx(ctx, func(ctx context.Context) error {
		r, err = l.store.change(ctx, id)
		return err
	})
	return r, err
}

func actor(ctx context.Context) auth.Principal {
	if p, ok := auth.Lookup(ctx); ok {
		return p
	}
	return auth.Principal{Kind: auth.System, Name: "jangteo"}
}

func tenantOf(ctx context.Context) tenant.ID {
	id, _ := tenant.Lookup(ctx)
	return id
}
