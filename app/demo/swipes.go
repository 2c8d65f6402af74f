package demo

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/calendar"
	"jangteo/app/fault"
	"jangteo/app/money"
	"jangteo/app/simulate/issuer"
	"jangteo/app/tenant"
	"jangteo/app/web"
	"jangteo/modules/cards"
	"jangteo/modules/merchants"
)

func (p *Pages) mountSwipes(page func(method, path string, handler echo.HandlerFunc)) {
	page(http.MethodGet, "/demo/swipe", p.showSwipes)
	page(http.MethodPost, "/demo/swipe", p.swipe)
	page(http.MethodPost, "/demo/swipe.json", p.swipeJSON)
	page(http.MethodGet, "/demo/swipes.json", p.swipesJSON)
	page(http.MethodPost, "/demo/issuers", p.tellIssuers)
	page(http.MethodPost, "/demo/clearing", p.fetchClearing)
}

var swipePage = web.NewPage[swipeView](web.Public, "demo/swipe")

type swipeView struct {
	web.Frame
	Form     *web.Form
	Cards    []swipeChoice
	Shops    []swipeChoice
	Quick    []money.Amount
	Moods    []string
	Mistakes []string
	Issuers  []issuerView
	Swipes   []swipeRow
}

type swipeChoice struct {
	Value, Label   string
	Linked, Chosen bool
}

type issuerView struct {
	Name string
	issuer.Condition
}

// swipeRow is a purchase as people read it.
type swipeRow struct {
	issuer.Purchase
	Card, Shop      string
	At              time.Time
	Voucher, Amount money.Amount
	Bank            money.Amount
	Badge           string
	Approved        bool
	Outcome         string // kind and state
	Problem         string // key of the reason's words; empty without
	Code            string
}

// swipesMost are shown.
const swipesMost = 20

func (p *Pages) showSwipes(c echo.Context) error {
	view, err := p.swipes(c)
	if err != nil {
		return err
	}
	return swipePage.Show(c, p.app.Pages, view)
}

func (p *Pages) swipes(c echo.Context) (view swipeView, err error) {
	ctx := c.Request().Context()
	view = swipeView{Form: web.EmptyForm(), Quick: []money.Amount{1000, 5000, 10_000}, Moods: moods, Mistakes: []string{"none"}}
	view.Form.Values.Set("amount", "12000")
	for _, m := range issuer.Mistakes {
		view.Mistakes = append(view.Mistakes, string(m))
	}
	if view.Cards, err = p.swipeCards(ctx); err != nil {
		return view, err
	}
	shops, err := p.swipeShops(ctx)
	if err != nil {
		return view, err
	}
	names := map[string]string{}
	for _, s := range shops {
		view.Shops = append(view.Shops, swipeChoice{Value: s.value(), Label: s.name + " · " + nameOf(s.tenant)})
		for _, t := range s.terminals {
			names[t.Issuer+t.MerchantNumber+t.Terminal] = s.name
		}
	}
	for _, condition := range p.sims.Issuers.Conditions() {
		one, _ := p.app.Cards.Issuer(condition.Issuer)
		view.Issuers = append(view.Issuers, issuerView{one.Name, condition})
	}
	for _, bought := range p.sims.Issuers.Purchases(swipesMost) {
		view.Swipes = append(view.Swipes, p.swipeRow(bought, names))
	}
	return view, nil
}

func (p *Pages) swipeRow(bought issuer.Purchase, shops map[string]string) swipeRow {
	of, _ := p.app.Cards.Issuer(bought.Issuer)
	r := swipeRow{
		Purchase: bought, Card: of.Name, Shop: shops[bought.Issuer+bought.Merchant+bought.Terminal], At: bought.Swiped, Amount: money.Amount(bought.Amount),
		Voucher: money.Amount(bought.Voucher - bought.VoucherBack), Bank: money.Amount(bought.Account - bought.AccountBack), Badge: "success", Code: bought.Code, Approved: bought.State != issuer.Declined,
	}
	if bought.State == issuer.Approved && r.Voucher+r.Bank == 0 { // the back office gave it all back
		bought.State = issuer.Reversed
	}
	switch {
	case bought.State == issuer.Declined:
		r.Badge = "danger"
	case bought.State == issuer.Reversed:
		r.Badge = "info"
	case bought.Kind != issuer.Online || r.Voucher+r.Bank < r.Amount:
		r.Badge = "warning"
	}
	r.Outcome = strings.ToLower(string(bought.Kind)) + "-" + string(bought.State)
	if _, known := fault.Lookup(bought.Reason); known {
		r.Problem = "problem." + bought.Reason + ".title"
	}
	return r
}

// swipeCards lists the cards that the people of the demonstration have, those
// that are linked first.
func (p *Pages) swipeCards(ctx context.Context) (choices []swipeChoice, err error) {
	for _, one := range namedPeople() {
		linked, err := p.linkedCards(ctx, one)
		if err != nil {
			return nil, err
		}
		for _, condition := range p.sims.Issuers.Conditions() {
			of, _ := p.app.Cards.Issuer(condition.Issuer)
			played, _ := p.sims.Issuers.Issuer(condition.Issuer)
			for _, card := range played.Cards(one.Name, one.BirthDate) {
				value := condition.Issuer + "/" + card.Token
				choices = append(choices, swipeChoice{
					Value: value, Label: one.Name + " · " + of.Name + " " + card.Product,
					Linked: slices.ContainsFunc(linked, func(l cards.Link) bool { return l.Issuer+"/"+l.Token == value && l.State != cards.Unlinked }),
				})
			}
		}
	}
	slices.SortStableFunc(choices, func(a, b swipeChoice) int {
		switch {
		case a.Linked == b.Linked:
			return 0
		case a.Linked:
			return -1
		}
		return 1
	})
	return choices, nil
}

func (p *Pages) linkedCards(ctx context.Context, one person) ([]cards.Link, error) {
	found, err := p.app.Citizens.Find(ctx, one.Phone, 1)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return p.app.Cards.Links(ctx, found[0].ID)
}

type swipeShop struct {
	tenant    tenant.ID
	id        uuid.UUID
	name      string
	terminals []cards.Terminal
}

func (s swipeShop) value() string { return s.tenant.String() + "/" + s.id.String() }

func (p *Pages) swipeShops(ctx context.Context) (shops []swipeShop, err error) {
	for _, named := range namedShops {
		id := tenant.ID(named.tenant)
		ctx := tenant.With(ctx, id)
		found, _, err := p.app.Merchants.Search(ctx, merchants.Filter{Query: named.name, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue
		}
		one := swipeShop{tenant: id, id: found[0].ID, name: found[0].Name}
		if one.terminals, err = p.app.Cards.TerminalsOf(ctx, one.id); err != nil {
			return nil, err
		}
		shops = append(shops, one)
	}
	return shops, nil
}

// swipeInput is a card at a shop.
type swipeInput struct {
	Card     string `json:"card"`     // <issuer>/<token>
	Merchant string `json:"merchant"` // <tenant>/<id>
	Amount   int64  `json:"amount"`   // won
	Stray    bool   `json:"stray"`    // at a terminal that nobody has registered
}

const (
	referenceMost = 80
	swipeWonMost  = 10_000_000
)

func (p *Pages) swipe(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	in := swipeInput{
		Card: form.Text("card", referenceMost), Merchant: form.Text("merchant", referenceMost), Amount: int64(form.Amount("amount")),
		Stray: form.Value("stray") != "",
	}
	if err = form.Err(); err == nil {
		_, err = p.draw(c.Request().Context(), in)
	}
	if err != nil {
		view, failed := p.swipes(c)
		if failed != nil {
			return failed
		}
		view.Form = form
		view.choose(in)
		return swipePage.Refuse(c, p.app.Pages, form, err, view)
	}
	return web.Redirect(c, "/demo/swipe#swipes")
}

// choose keeps what was chosen on the form that is shown again.
func (v *swipeView) choose(in swipeInput) {
	for i := range v.Cards {
		v.Cards[i].Chosen = v.Cards[i].Value == in.Card
	}
	for i := range v.Shops {
		v.Shops[i].Chosen = v.Shops[i].Value == in.Merchant
	}
}

func (p *Pages) swipeJSON(c echo.Context) error {
	var in swipeInput
	if err := readJSON(c, &in); err != nil {
		return p.problem(c, err)
	}
	bought, err := p.draw(c.Request().Context(), in)
	if err != nil {
		return p.problem(c, err)
	}
	return c.JSON(http.StatusCreated, bought)
}

func (p *Pages) swipesJSON(c echo.Context) error {
	return c.JSON(http.StatusOK, struct {
		Items   []issuer.Purchase  `json:"items"`
		Issuers []issuer.Condition `json:"issuers"`
	}{p.sims.Issuers.Purchases(swipesMost), p.sims.Issuers.Conditions()})
}

// draw lets the card's issuer decide, as it would for a terminal of the shop.
func (p *Pages) draw(ctx context.Context, in swipeInput) (bought issuer.Purchase, err error) {
	if in.Amount < 1 {
		return bought, fault.On("amount", fault.TooSmall).Limit(1)
	}
	if in.Amount > swipeWonMost {
		return bought, fault.On("amount", fault.TooLarge).Limit(swipeWonMost)
	}
	code, token, _ := strings.Cut(in.Card, "/")
	played, known := p.sims.Issuers.Issuer(code)
	const tokenShortest, tokenLongest = 8, 64
	if !known || len(token) < tokenShortest || len(token) > tokenLongest || strings.ContainsAny(token, " ,") {
		return bought, fault.On("card", fault.Unknown)
	}
	shops, err := p.swipeShops(ctx)
	if err != nil {
		return bought, err
	}
	at := slices.IndexFunc(shops, func(s swipeShop) bool { return s.value() == in.Merchant })
	if at < 0 {
		return bought, fault.On("merchant", fault.Unknown)
	}
	s := issuer.Swipe{Token: token, Merchant: "9999999999", Terminal: "STRAY001", Amount: in.Amount, Partial: true}
	for _, t := range shops[at].terminals {
		if t.Issuer == code && !in.Stray {
			s.Merchant, s.Terminal = t.MerchantNumber, t.Terminal
		}
	}
	return played.Swipe(ctx, s)
}

// moods are what all issuers can be told.
var moods = []string{"well", "asleep", "cut-decline", "cut-voucher", "cut-account"}

// tellIssuers makes the issuers misbehave, or well again.
func (p *Pages) tellIssuers(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	mood := form.Choice("mood", moods...)
	if err := form.Err(); err != nil {
		return err
	}
	by, cut := strings.CutPrefix(mood, "cut-")
	if !cut {
		by = string(issuer.Decline)
	}
	p.sims.Issuers.Behave(mood == "asleep", cut, issuer.StandIn(by))
	web.Flash(c, "success", "demo.swipe.mood."+mood+".done")
	return web.Redirect(c, "/demo/swipe#issuers")
}

// fetchClearing takes today's clearing files in, spoiled if asked for.
func (p *Pages) fetchClearing(c echo.Context) error {
	form, err := web.ReadForm(c)
	if err != nil {
		return err
	}
	options := []string{"none"}
	for _, m := range issuer.Mistakes {
		options = append(options, string(m))
	}
	mistake := form.Choice("mistake", options...)
	if err := form.Err(); err != nil {
		return err
	}
	ctx, today := tenant.With(asSystem(c.Request().Context()), flagship), calendar.DayOf(p.app.Now())
	taken, err := p.app.Cards.Files(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(taken, func(f cards.ClearingFile) bool { return f.Day == today && f.Issuer == cardIssuer }) {
		web.Flash(c, "info", "demo.swipe.cleared-before")
		return web.Redirect(c, "/demo/swipe#clearing")
	}
	if mistake != "none" {
		for _, condition := range p.sims.Issuers.Conditions() {
			played, _ := p.sims.Issuers.Issuer(condition.Issuer)
			played.Spoil(issuer.Mistake(mistake))
		}
	}
	if err := p.app.Cards.FetchClearing(ctx, today); err != nil {
		return err
	}
	web.Flash(c, "success", "demo.swipe.cleared")
	return web.Redirect(c, "/demo/swipe#clearing")
}
