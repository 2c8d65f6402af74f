package demo

import (
	"context"
	"testing"

	"jangteo/app/tenant"
	"jangteo/modules/cards"
)

// The named people have cards; what an outage did to the first is found, and a
// tap puts it right with the issuer.
func (w world) cards(t *testing.T) {
	ctx := tenant.With(context.WithoutCancel(t.Context()), flagship)
	found, err := w.app.Citizens.Find(ctx, namedPeople()[0].Phone, 1)
	if err != nil || len(found) != 1 {
		t.Fatalf("the first person: %v, %v", found, err)
	}
	me := found[0].ID
	if links, err := w.app.Cards.Links(ctx, me); err != nil || len(links) != 1 {
		t.Errorf("cards %+v, %v", links, err)
	}
	fell, err := w.app.Cards.FallThroughs(ctx, me)
	if err != nil || len(fell) != 1 {
		t.Fatalf("fall-throughs %+v, %v", fell, err)
	}
	if strays, _, err := w.app.Cards.Strays(ctx, "open", 0); err != nil || len(strays) != 3 {
		t.Errorf("terminals for the staff: %+v, %v", strays, err)
	}
	rows, _, err := w.app.Cards.Rows(ctx, cards.RowFilter{States: cards.OpenRows})
	if err != nil || len(rows) < 2 {
		t.Errorf("rows for the staff: %+v, %v", rows, err)
	}
	swapped, err := w.app.Cards.Swap(ctx, me, fell[0].ID)
	if err != nil || swapped.State != cards.SwapDone {
		t.Errorf("swapped: %+v, %v", swapped, err)
	}
}
