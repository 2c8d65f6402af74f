package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"jangteo/app/money"
	"jangteo/app/refdata"
	"jangteo/app/web"
	"jangteo/modules/vouchers"
)

var purchaseStates = []string{string(vouchers.Requested), string(vouchers.Pending), string(vouchers.Completed), string(vouchers.Failed)}

var purchaseListing = listing{path: "/office/purchases", states: purchaseStates, sorts: []string{"-at", "amount"}}

// Purchases lists purchases: GET /office/purchases.
func (p *Pages) Purchases(c echo.Context) error {
	q, list, before, after, err := p.purchases(c, rowsEach)
	if err != nil {
		return err
	}
	r := p.reader(c)
	bought, err := p.purchaseTable(c, list)
	if err != nil {
		return err
	}
	keys := keysOf(list, func(b vouchers.Purchase) string { return b.ID.String() })
	return listPage.Show(c, p.pages, listView{
		Title: "reports.purchases.title", Lead: "reports.purchases.lead", Sort: q.form.Value("sort"),
		Filters: q.filters("reports.purchases.search", r.states("reports.purchase-state.", q.State, purchaseStates)),
		Table:   q.sorted(bought), Pager: q.page(keys, before, after), Downloads: q.downloads(r),
	})
}

// PurchasesCSV downloads what a search finds, without names: GET /office/purchases.csv.
func (p *Pages) PurchasesCSV(c echo.Context) error {
	q, list, _, more, err := p.purchases(c, web.SheetMost)
	if err != nil {
		return err
	}
	programmes, err := p.programmeNames(c)
	if err != nil {
		return err
	}
	r := p.reader(c)
	s := web.NewSheet(r.words, r.lang, "reports.col.", "id", "number", "at", "programme", "wallet", "amount", "paid", "subsidy", "state", "settled")
	for _, b := range list {
		settled := ""
		if b.SettledAt != nil {
			settled = r.at(*b.SettledAt)
		}
		s.Row(
			b.ID.String(), shortNumber(b.ID), r.at(b.RequestedAt), programmes[b.ProgrammeID], b.WalletID.String(),
			b.Amount, b.Paid, b.Subsidy, r.t("reports.purchase-state."+string(b.State)), settled,
		)
	}
	return p.download(c, q, "purchases", s, more)
}

// purchases finds what a search asks for: an id, the end of one, or a state in
// the reader's words. A limit beyond a page takes the list from its beginning.
func (p *Pages) purchases(c echo.Context, limit int) (q query, list []vouchers.Purchase, before, after bool, err error) {
	if q, err = readQuery(c, purchaseListing); err != nil {
		return q, nil, false, false, err
	}
	if q = q.bounded(p.today()); limit > rowsEach {
		q = q.whole()
	}
	f := vouchers.PurchaseReport{State: vouchers.State(q.State), Window: q.window(limit)}
	f.From, f.To = q.times()
	sought := strings.ToLower(q.Text)
	id, notID := uuid.Parse(sought)
	switch {
	case sought == "":
	case notID == nil && len(sought) == 36:
		f.Object = id
	case approvalForm.MatchString(sought):
		f.Number = sought
	default:
		state := p.reader(c).stateOf("reports.purchase-state.", purchaseStates, sought)
		if state == "" || f.State != "" && f.State != vouchers.State(state) {
			return q, nil, false, false, nil
		}
		f.State = vouchers.State(state)
	}
	list, before, after, err = p.service.Vouchers.ReportPurchases(c.Request().Context(), f)
	return q, list, before, after, err
}

// stateOf finds the one state that somebody named.
func (r reader) stateOf(prefix string, states []string, named string) string {
	for _, state := range states {
		if strings.EqualFold(named, r.t(prefix+state)) || named == state {
			return state
		}
	}
	return ""
}

// shortNumber is the end of an id, which people read to each other.
func shortNumber(id uuid.UUID) string { return id.String()[28:] }

func (p *Pages) purchaseTable(c echo.Context, list []vouchers.Purchase) (table, error) {
	r, ctx := p.reader(c), c.Request().Context()
	t := table{Label: "reports.purchases.title", Empty: "reports.purchases.empty", Columns: []column{
		{Key: "reports.col.number"}, {Key: "reports.col.at", Sort: "at"}, {Key: "reports.col.citizen"}, {Key: "reports.col.programme"},
		{Key: "reports.col.amount", Num: true, Sort: "amount"},
		{Key: "reports.col.paid", Num: true}, {Key: "reports.col.subsidy", Num: true}, {Key: "reports.col.state"},
	}}
	people := make([]uuid.UUID, len(list))
	for i, b := range list {
		people[i] = b.CitizenID
	}
	names, err := p.service.Citizens.Names(ctx, people)
	if err != nil {
		return t, err
	}
	programmes, err := p.programmeNames(c)
	for _, b := range list {
		address := "/office/purchases/" + b.ID.String()
		t.Rows = append(t.Rows, row{URL: address, Cells: []cell{
			{Text: shortNumber(b.ID), URL: address, ID: true}, moment(b.RequestedAt), text(names[b.CitizenID]), text(programmes[b.ProgrammeID]),
			r.sum(b.Amount), r.sum(b.Paid), r.sum(b.Subsidy), {Badge: r.purchaseBadge(b)},
		}})
	}
	return t, err
}

func (p *Pages) programmeNames(c echo.Context) (map[uuid.UUID]string, error) {
	names := map[uuid.UUID]string{}
	list, err := p.service.Vouchers.Programmes(c.Request().Context())
	for _, programme := range list {
		names[programme.ID] = programme.NameIn(p.reader(c).lang)
	}
	return names, err
}

func (r reader) purchaseBadge(b vouchers.Purchase) badge {
	kind := map[vouchers.State]string{
		vouchers.Requested: "info", vouchers.Pending: "warning", vouchers.Completed: "success", vouchers.Failed: "danger",
	}[b.State]
	return badge{kind, r.t("reports.purchase-state." + string(b.State))}
}

// Purchase shows one purchase with its entries: GET /office/purchases/{id}.
func (p *Pages) Purchase(c echo.Context) error {
	r, ctx := p.reader(c), c.Request().Context()
	id, err := pathID(c)
	if err != nil {
		return err
	}
	b, err := p.service.Vouchers.FindPurchase(ctx, id)
	if err != nil {
		return err
	}
	programmes, err := p.programmeNames(c)
	if err != nil {
		return err
	}
	names, err := p.service.Citizens.Names(ctx, []uuid.UUID{b.CitizenID})
	if err != nil {
		return err
	}
	view := objectView{
		Title: "reports.purchase.title", Heading: r.won(b.Amount) + " · " + programmes[b.ProgrammeID],
		Back: link{r.t("reports.purchases.title"), "/office/purchases"}, Badge: r.purchaseBadge(b),
		Facts: []fact{
			{Key: "reports.col.id", Text: b.ID.String(), ID: true},
			{Key: "reports.col.citizen", Text: names[b.CitizenID], URL: "/office/citizens/" + b.CitizenID.String()},
			{Key: "reports.col.wallet", Text: b.WalletID.String(), URL: accountURL(b.WalletID), ID: true},
			{Key: "reports.col.programme", Text: programmes[b.ProgrammeID], URL: "/office/programmes/" + b.ProgrammeID.String()},
			{Key: "reports.col.policy", Text: r.t("reports.policy.version", "version", b.PolicyVersion) + " · " + b.Clause},
			{Key: "reports.col.amount", Text: r.won(b.Amount)},
			{Key: "reports.col.paid", Text: r.won(b.Paid)},
			{Key: "reports.col.subsidy", Text: r.won(b.Subsidy)},
		},
		Events: []event{{At: b.RequestedAt, Title: r.t("reports.event.requested"), Kind: "done"}},
		Raw:    raw(b),
	}
	if b.Failure != "" {
		view.Facts = append(view.Facts, fact{Key: "reports.col.reason", Text: r.or("banking.reason."+b.Failure, b.Failure)})
	}
	if b.Lot != nil {
		view.Facts = append(view.Facts, fact{Key: "reports.col.expires", Text: r.at(b.Lot.ExpiresAt)}, fact{Key: "reports.col.remaining", Text: r.won(b.Lot.Remaining)})
	}
	if b.SettledAt != nil {
		kind := "done"
		if b.State == vouchers.Failed {
			kind = "danger"
		}
		view.Events = append(view.Events, event{At: *b.SettledAt, Title: r.t("reports.purchase-state." + string(b.State)), Kind: kind})
	}
	var entries []uuid.UUID
	for _, entry := range []*uuid.UUID{b.ReserveEntry, b.SettleEntry} {
		if entry != nil {
			entries = append(entries, *entry)
		}
	}
	booked, err := p.entryTable(c, entries)
	if err != nil {
		return err
	}
	looks, err := p.looks(c, b.CitizenID)
	if err != nil {
		return err
	}
	view.Tables = []table{booked, looks}
	return objectPage.Show(c, p.pages, view)
}

// Programmes lists the municipality's programmes: GET /office/programmes.
func (p *Pages) Programmes(c echo.Context) error {
	r := p.reader(c)
	list, err := p.service.Vouchers.Programmes(c.Request().Context())
	if err != nil {
		return err
	}
	view := listView{
		Title: "reports.programmes.title", Lead: "reports.programmes.lead", Table: p.programmeTable(r, list),
		Links: []link{{r.t("vouchers.budget.title"), "/office/budget"}},
	}
	if may(c, "programmes.manage") {
		view.Links = append(view.Links, link{r.t("vouchers.opening.title"), "/office/programmes/new"})
	}
	return listPage.Show(c, p.pages, view)
}

func (p *Pages) programmeTable(r reader, list []vouchers.Programme) table {
	now := p.service.Now()
	t := table{Label: "reports.programmes.title", Empty: "reports.programmes.empty", Columns: []column{
		{Key: "reports.col.programme"}, {Key: "reports.col.kind"}, {Key: "reports.col.discount", Num: true},
		{Key: "reports.col.month-max", Num: true}, {Key: "reports.col.hold-max", Num: true}, {Key: "reports.col.policy"}, {Key: "reports.col.state"},
	}}
	for _, programme := range list {
		address := "/office/programmes/" + programme.ID.String()
		policy, _ := programme.InForce(now)
		t.Rows = append(t.Rows, row{URL: address, Cells: []cell{
			to(programme.NameIn(r.lang), address), text(r.t("reports.programme-kind." + string(programme.Kind))),
			{Text: percent(policy.DiscountBP), Num: true}, r.sum(policy.PurchaseMonthMax), r.sum(policy.HoldMax),
			text(r.t("reports.policy.version", "version", policy.Version)), {Badge: p.saleBadge(r, programme)},
		}})
	}
	return t
}

func (p *Pages) saleBadge(r reader, programme vouchers.Programme) badge {
	if _, on := programme.OnSale(p.service.Now()); on {
		return badge{"success", r.t("reports.programme.on-sale")}
	}
	return badge{"info", r.t("reports.programme.off-sale")}
}

// percent writes basis points: 1,000 is 10 %.
func percent(bp int64) string {
	text := fmt.Sprintf("%d.%02d", bp/100, bp%100)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}

// Programme shows one programme with every version of its policy: GET /office/programmes/{id}.
func (p *Pages) Programme(c echo.Context) error {
	r, ctx := p.reader(c), c.Request().Context()
	id, err := pathID(c)
	if err != nil {
		return err
	}
	programme, err := p.service.Vouchers.Programme(ctx, id)
	if err != nil {
		return err
	}
	view := objectView{
		Title: "reports.programme.title", Heading: programme.NameIn(r.lang),
		Back: link{r.t("reports.programmes.title"), "/office/programmes"}, Badge: p.saleBadge(r, programme),
		Facts: []fact{
			{Key: "reports.col.id", Text: programme.ID.String(), ID: true},
			{Key: "reports.col.kind", Text: r.t("reports.programme-kind." + string(programme.Kind))},
			{Key: "reports.col.opens", Text: r.at(programme.OpensAt)},
		},
		Events: p.programmeEvents(r, programme), Raw: raw(programme),
	}
	if may(c, "programmes.manage") {
		if _, on := programme.OnSale(p.service.Now()); on {
			view.Facts = append(view.Facts, fact{Key: "reports.col.close-sale", Text: r.t("reports.programme.close"), URL: "/office/programmes/" + id.String() + "/close"})
		}
		view.Facts = append(view.Facts, fact{Key: "reports.col.next-policy", Text: r.t("reports.programme.amend"), URL: "/office/programmes/" + id.String() + "/policies/new"})
	}
	if programme.ClosesAt != nil {
		view.Facts = append(view.Facts, fact{Key: "reports.col.closes", Text: r.at(*programme.ClosesAt)})
	}
	if programme.CloseReason != "" {
		view.Facts = append(view.Facts, fact{Key: "reports.col.close-reason", Text: programme.CloseReason})
	}
	if ages := programme.Ages(); ages != "" {
		view.Facts = append(view.Facts, fact{Key: "reports.col.buyers", Text: ages})
	}
	view.Tables = []table{p.policyTable(r, programme)}
	if policy, in := programme.InForce(p.service.Now()); in { // the others are in the raw record
		view.Tables = append(view.Tables, r.ruleTable(policy))
	}
	changes, err := p.programmeChanges(c, programme)
	if err != nil {
		return err
	}
	view.Tables = append(view.Tables, changes)
	return objectPage.Show(c, p.pages, view)
}

// programmeEvents are when buying begins and ends, and when policies take
// effect, as far as that has come.
func (p *Pages) programmeEvents(r reader, programme vouchers.Programme) []event {
	events := []event{{At: programme.OpensAt, Title: r.t("reports.col.opens")}}
	for _, policy := range programme.Policies {
		events = append(events, event{
			At: policy.EffectiveFrom, Title: r.t("reports.policy.version", "version", policy.Version), Text: policy.Clause + " · " + policy.Author,
		})
	}
	if programme.ClosesAt != nil {
		events = append(events, event{At: *programme.ClosesAt, Title: r.t("reports.col.closes")})
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.At.Compare(b.At) })
	for i := range events {
		if !events[i].At.After(p.service.Now()) {
			events[i].Kind = "done"
		}
	}
	return events
}

func (p *Pages) policyTable(r reader, programme vouchers.Programme) table {
	t := table{Label: "reports.policies.title", Columns: []column{
		{Key: "reports.col.policy"}, {Key: "reports.col.clause"}, {Key: "reports.col.effective-from"}, {Key: "reports.col.author"},
		{Key: "reports.col.discount", Num: true}, {Key: "reports.col.month-max", Num: true}, {Key: "reports.col.hold-max", Num: true}, {Key: "reports.col.state"},
	}}
	inForce, _ := programme.InForce(p.service.Now())
	for _, policy := range slices.Backward(programme.Policies) {
		state := badge{"info", r.t("reports.policy.not-in-force")}
		if policy.Version == inForce.Version {
			state = badge{"success", r.t("reports.policy.in-force")}
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			text(r.t("reports.policy.version", "version", policy.Version)), text(policy.Clause), moment(policy.EffectiveFrom), text(policy.Author),
			{Text: percent(policy.DiscountBP), Num: true}, r.sum(policy.PurchaseMonthMax), r.sum(policy.HoldMax), {Badge: state},
		}})
	}
	return t
}

// ruleTable says what one version of a policy allows.
func (r reader) ruleTable(policy vouchers.Policy) table {
	limit := func(a money.Amount) string {
		if a == 0 {
			return r.t("reports.policy.no-limit")
		}
		return r.won(a)
	}
	var trades []string
	for _, code := range policy.ExcludedTrades {
		name := code
		if trade, ok := refdata.TradeOf(code); ok {
			name = trade.Name
		}
		trades = append(trades, name)
	}
	excluded := strings.Join(trades, ", ")
	if policy.ExcludesLargeSellers {
		excluded = strings.TrimPrefix(excluded+", "+r.t("reports.policy.large-sellers"), ", ")
	}
	t := table{Label: "reports.policy.title", Columns: []column{{Key: "reports.policy.rule"}, {Key: "reports.policy.value"}}}
	for _, line := range [][2]string{
		{"reports.col.discount", percent(policy.DiscountBP)},
		{"reports.policy.purchase-min", r.won(policy.PurchaseMin)},
		{"reports.policy.purchase-step", r.won(policy.PurchaseStep)},
		{"reports.col.month-max", r.won(policy.PurchaseMonthMax)},
		{"reports.col.hold-max", r.won(policy.HoldMax)},
		{"reports.policy.per-payment-max", limit(policy.PerPaymentMax)},
		{"reports.policy.per-day-max", limit(policy.PerDayMax)},
		{"reports.policy.validity", r.t("reports.policy.years", "years", policy.ValidityYears)},
		{"reports.policy.refund-used", percent(policy.RefundUsedBP)},
		{"reports.policy.excluded", excluded},
	} {
		t.Rows = append(t.Rows, row{Cells: []cell{text(r.t(line[0])), {Text: line[1], Long: true}}})
	}
	return t
}
