package tenants_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"jangteo/app/audit"
	"jangteo/app/fault"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/modules/tenants"
)

const yeongdeungpo tenant.ID = 11560

func open(t *testing.T) (*testkit.Kit, *tenants.Service) {
	t.Helper()
	kit, _ := testkit.Open(t)
	return kit, tenants.New(kit.DB, kit.Audit, kit.Clock.Now, kit.Log)
}

// register adds this test's own municipality.
func register(t *testing.T, kit *testkit.Kit, s *tenants.Service) {
	t.Helper()
	err := s.Register(t.Context(), refdata.Municipality{Code: int32(kit.Tenant), Sido: "서울특별시", Sigungu: "시험구", Kind: "자치구"})
	if err != nil {
		t.Fatal(err)
	}
}

func settings() tenants.Settings {
	return tenants.Settings{
		Live: true, Accent: 7, VoucherName: "시험사랑상품권", VoucherNameEn: "Siheom Love Voucher", SettlementDays: 2,
		Departments: []string{"지역경제과"}, Contact: "02-120", Homepage: "https://example.go.kr", FundAccount: "10012345678",
	}
}

func TestSeedKnowsEveryMunicipality(t *testing.T) {
	t.Parallel()
	_, s := open(t)
	for range 2 { // a second start changes nothing
		if err := s.Seed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Get(t.Context(), yeongdeungpo)
	if err != nil || got.FullName() != "서울특별시 영등포구" || got.NameEn != "Yeongdeungpo-gu, Seoul" || got.Kind != "자치구" || got.Live {
		t.Errorf("got %+v, %v", got, err)
	}
	all, err := s.All(t.Context())
	seeded := 0
	for _, one := range all {
		if _, ok := refdata.MunicipalityOf(int32(one.ID)); ok {
			seeded++
		}
	}
	if err != nil || seeded != 229 {
		t.Errorf("%d municipalities, %v", seeded, err)
	}
	if err := s.Known(t.Context(), 99999); !errors.Is(err, tenant.ErrUnknown) {
		t.Errorf("a code of none was answered with %v", err)
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	kit, s := open(t)
	register(t, kit, s)
	if err := s.Configure(t.Context(), kit.Tenant, settings()); err != nil {
		t.Fatal(err)
	}
	register(t, kit, s) // leaves settings alone
	other := tenants.New(kit.DB, kit.Audit, kit.Clock.Now, kit.Log)
	for _, service := range []*tenants.Service{s, other} {
		got, err := service.Get(t.Context(), kit.Tenant)
		if err != nil || !got.Live || got.Accent != 7 || got.VoucherName != "시험사랑상품권" || got.SettlementDays != 2 ||
			!slices.Equal(got.Departments, []string{"지역경제과"}) || got.FundAccount != "10012345678" {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	ctx := tenant.With(t.Context(), kit.Tenant)
	changes, err := kit.Audit.Changes(ctx, audit.Filter{Object: "tenant", Limit: 10})
	if err != nil || len(changes) != 1 || changes[0].Action != "tenant.configured" {
		t.Errorf("the audit log holds %v, %v", changes, err)
	}
	if err := s.Configure(t.Context(), 99998, settings()); !errors.Is(err, tenant.ErrUnknown) {
		t.Errorf("a code of none was configured: %v", err)
	}
}

func TestConfigureNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	kit, s := open(t)
	register(t, kit, s)
	for field, spoil := range map[string]func(*tenants.Settings){
		"accent":          func(in *tenants.Settings) { in.Accent = 13 },
		"settlement_days": func(in *tenants.Settings) { in.SettlementDays = 3 },
		"voucher_name":    func(in *tenants.Settings) { in.VoucherName = " " },
		"voucher_name_en": func(in *tenants.Settings) { in.VoucherNameEn = "a\x00b" },
		"departments":     func(in *tenants.Settings) { in.Departments = []string{strings.Repeat("가", 41)} },
		"contact":         func(in *tenants.Settings) { in.Contact = "02\n120" },
		"homepage":        func(in *tenants.Settings) { in.Homepage = "javascript:alert(1)" },
		"fund_account":    func(in *tenants.Settings) { in.FundAccount = "12-34" },
	} {
		in := settings()
		spoil(&in)
		err := s.Configure(t.Context(), kit.Tenant, in)
		f, ok := fault.Of(err)
		if !ok || f.Code != "invalid-input" || len(f.Fields) != 1 || f.Fields[0].Name != field {
			t.Errorf("a wrong %s was answered with %v", field, err)
		}
	}
	if got, _ := s.Get(t.Context(), kit.Tenant); got.Live || got.Accent == 13 {
		t.Errorf("something was changed: %+v", got)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	_, s := open(t)
	if err := s.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]bool{
		"11560": true, "영등포": true, "서울특별시영등포구": true, "서울특별시 영등": true, "yeongdeungpo": true, "YEONGDEUNGPO-gu": true,
		"없는구": false, "1156": false, "\x00": false, "%": false,
	} {
		list, _, err := s.Search(t.Context(), tenants.Filter{Query: query})
		found := slices.ContainsFunc(list, func(one tenants.Tenant) bool { return one.ID == yeongdeungpo })
		if err != nil || found != want {
			t.Errorf("%q found it: %v, %v", query, found, err)
		}
	}
	first, more, err := s.Search(t.Context(), tenants.Filter{Query: "서울", Limit: 20})
	if err != nil || !more || len(first) != 20 {
		t.Fatalf("%d, more %v, %v", len(first), more, err)
	}
	rest, more, err := s.Search(t.Context(), tenants.Filter{Query: "서울", After: first[19].ID, Limit: 20})
	if err != nil || more || len(rest) < 5 || rest[0].ID <= first[19].ID {
		t.Errorf("%d, more %v, %v", len(rest), more, err)
	}
}
