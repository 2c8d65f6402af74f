package db

import (
	"slices"

	"gorm.io/gorm"

	"jangteo/app/tenant"
)

// Window is a page of a sorted list, cut by key: a row and not a number says
// where it begins, so that rows which come in meanwhile neither repeat nor hide
// others.
type Window struct {
	By    string // a column that the list can be sorted by; otherwise its key
	Up    bool   // the least first
	Past  string // key of the row that the page lies next to; empty: the first page
	Back  bool   // the page lies before that row, not after it
	Limit int    // rows of a page
}

// Cut sorts a tenant's rows of table and cuts w out of them, with one row more
// to tell whether there are others. Among equals the key decides. Columns are
// those to sort by; what is in w.By but not there is never put into SQL.
func (w Window) Cut(query *gorm.DB, table, key string, columns ...string) *gorm.DB {
	by := key
	if slices.Contains(columns, w.By) {
		by = w.By
	}
	order, than := " DESC", " < "
	if w.Up != w.Back {
		order, than = "", " > "
	}
	if w.Past != "" && by == key {
		query = query.Where(key+than+"?", w.Past)
	} else if w.Past != "" {
		id, _ := tenant.Lookup(query.Statement.Context)
		pair := "(" + by + ", " + key + ")"
		query = query.Where(pair+than+"(SELECT "+by+", "+key+" FROM "+table+" WHERE tenant_id = ? AND "+key+" = ?)", id, w.Past)
	}
	if by != key {
		query = query.Order(by + order)
	}
	return query.Order(key + order).Limit(w.Limit + 1)
}

// Page puts the rows of a cut into the list's order, without the one too many,
// and tells whether there are others before and after them.
func Page[T any](w Window, rows []T) (page []T, before, after bool) {
	more := len(rows) > w.Limit
	page = rows[:min(len(rows), w.Limit)]
	if !w.Back {
		return page, w.Past != "", more
	}
	slices.Reverse(page)
	return page, more, true
}
