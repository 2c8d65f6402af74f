package demo

import (
	"context"
	"fmt"
	"strings"

	"jangteo/app/calendar"
	"jangteo/app/simulate/issuer"
	"jangteo/app/tenant"
	"jangteo/modules/cards"
)

const (
	cardIssuer    = "31" // BC
	cardShops     = 12   // with a terminal
	cardTerminal  = "00000001"
	strayTerminal = "00000099" // stands nowhere
)

// shopNumber is a shop's number with the issuer.
func shopNumber(shop int) string { return fmt.Sprintf("7%09d", shop+1) }

// linkCards gives the named people cards, the first shops of the flagship
// terminals, and the first person two payments that an outage made: one that
// took the bank account although the voucher could have paid, and one at a
// terminal that nobody knows. Yesterday's clearing file has an error or two.
func (s *seeder) linkCards(ctx context.Context) error {
	p := &s.places[0]
	ctx = tenant.With(ctx, p.id)
	shops := p.shops[:min(cardShops, len(p.shops))]
	for i, shop := range shops {
		if err := s.app.Cards.Map(ctx, cardIssuer, shopNumber(i), cardTerminal, shop.ID); err != nil {
			return err
		}
	}
	var first cards.Link
	for i, one := range namedPeople() {
		found, err := s.app.Citizens.Find(ctx, one.Phone, 1)
		if err != nil || len(found) == 0 {
			return err
		}
		offered, err := s.app.Cards.Available(ctx, found[0].ID, cardIssuer)
		if err != nil || len(offered) == 0 {
			return err
		}
		link, err := s.app.Cards.Connect(ctx, cards.LinkInput{CitizenID: found[0].ID, Issuer: cardIssuer, Token: offered[0].Token, Name: "생활비 카드"})
		if err != nil {
			return err
		}
		if i == 0 {
			first = link
		}
	}
	if err := s.fallThrough(ctx, first); err != nil {
		return err
	}
	list := "issuer,merchant_number,terminal,biz_no,name,address\n" +
		"31,7000000900,00000001,,한강 분식 2호점,서울특별시 영등포구 여의동로 330\n41,8800012345,00000007,,문래 카페,서울특별시 영등포구 도림로 433\n"
	if _, err := s.app.Cards.Import(ctx, []byte(list)); err != nil {
		return err
	}
	_, err := s.app.Cards.Clear(ctx, s.clearing(first))
	return err
}

// fallThrough lets the issuer take a bank account while nobody answered it.
func (s *seeder) fallThrough(ctx context.Context, link cards.Link) error {
	const price = 8_500
	bc, there := s.sims.Issuers.Issuer(cardIssuer)
	if !there {
		return nil
	}
	bc.Sleep(true)
	defer bc.Sleep(false)
	bought, err := bc.Swipe(ctx, issuer.Swipe{Token: link.Token, Merchant: shopNumber(0), Terminal: cardTerminal, Amount: price})
	if err != nil {
		return err
	}
	m := cards.Message{
		Issuer: cardIssuer, Key: "demo-" + bought.Trace, Retrieval: bought.Retrieval, Token: link.Token, MerchantNumber: shopNumber(0),
		Terminal: cardTerminal, At: s.clock.now(),
	}
	if _, err := s.app.Cards.Advise(ctx, cards.Advice{Message: m, Amount: price, Account: price}); err != nil {
		return err
	}
	m.Key, m.Terminal = m.Key+"s", strayTerminal
	_, refused := s.app.Cards.Authorise(ctx, cards.Request{Message: m, Amount: 4_500})
	if refused == nil {
		return fmt.Errorf("a terminal that stands nowhere took a payment")
	}
	return nil
}

// clearing is yesterday's file: one row that we know nothing of, twice.
func (s *seeder) clearing(link cards.Link) []byte {
	day := strings.ReplaceAll(calendar.DayOf(s.clock.now()).AddDays(-1).String(), "-", "")
	row := func(number int) string {
		return fmt.Sprintf("D,%d,P,%s000001,A1B2C3,000101,%s030000,%s120000,%s,%s,%s,6300,6300,0\n", number, day[2:], day, day, shopNumber(1), cardTerminal, link.Token)
	}
	return []byte(fmt.Sprintf("H,%s,%s,1\n", cardIssuer, day) + row(1) + row(2) + "T,2,12600\n")
}
