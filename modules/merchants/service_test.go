package merchants_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	_ "image/png"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"jangteo/app/auth"
	"jangteo/app/auth/signin"
	"jangteo/app/bizno"
	"jangteo/app/emvco"
	"jangteo/app/fault"
	"jangteo/app/live"
	"jangteo/app/tenant"
	"jangteo/app/testkit"
	"jangteo/app/testkit/desk"
	"jangteo/modules/ledger"
	"jangteo/modules/merchants"
)

type bench struct {
	*testkit.Kit
	merchants *merchants.Service
}

func setup(t *testing.T) (*bench, context.Context) {
	t.Helper()
	k, ctx := testkit.Open(t)
	books := ledger.New(k.DB, nil, k.Clock.Now)
	return &bench{k, merchants.New(k.DB, k.Lane, books, k.Box, k.Audit, live.New(k.DB, k.Log), desk.Open(t, k), 24*time.Hour, k.Clock.Now, k.Log)}, ctx
}

func application() merchants.RegisterInput {
	return merchants.RegisterInput{
		Name: "길동이네 떡볶이", BizNo: bizno.Make(124810099).String(), Trade: "56194", Owner: "홍길동", Phone: "010-1234-5678",
		Address: "서울특별시 영등포구 당산로 123", Place: &merchants.Place{LatitudeE6: 37526400, LongitudeE6: 126896200},
		Payout: merchants.Destination{BankCode: "020", Number: "1002-123-456789", Holder: "홍길동"},
	}
}

// shop registers and approves one.
func (b *bench) shop(t *testing.T, ctx context.Context) merchants.Merchant {
	t.Helper()
	m, err := b.merchants.Register(ctx, application())
	if err != nil {
		t.Fatal(err)
	}
	if m, err = b.merchants.Decide(ctx, m.ID, merchants.Approved, ""); err != nil {
		t.Fatal(err)
	}
	return m
}

// refresh is a server's poll.
func (b *bench) refresh(t *testing.T, ctx context.Context) {
	t.Helper()
	if err := b.merchants.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestRegisterNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	for field, spoil := range map[string]func(*merchants.RegisterInput){
		"name":           func(in *merchants.RegisterInput) { in.Name = "줄\n바꿈" },
		"biz_no":         func(in *merchants.RegisterInput) { in.BizNo = "124-81-00999" },
		"trade":          func(in *merchants.RegisterInput) { in.Trade = "00000" },
		"phone":          func(in *merchants.RegisterInput) { in.Phone = "010-abcd-5678" },
		"owner":          func(in *merchants.RegisterInput) { in.Owner = "홍\x00길동" },
		"address":        func(in *merchants.RegisterInput) { in.Address = " " },
		"payout_bank":    func(in *merchants.RegisterInput) { in.Payout.BankCode = "999" },
		"payout_account": func(in *merchants.RegisterInput) { in.Payout.Number = "12" },
		"payout_holder":  func(in *merchants.RegisterInput) { in.Payout.Holder = "" },
		"place":          func(in *merchants.RegisterInput) { in.Place = &merchants.Place{LatitudeE6: 91_000_000} },
	} {
		in := application()
		spoil(&in)
		_, err := b.merchants.Register(ctx, in)
		f, ok := fault.Of(err)
		if !ok || len(f.Fields) != 1 || f.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestABusinessHasOneOpenShop(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	first := b.shop(t, ctx)
	if _, err := b.merchants.Register(ctx, application()); !errors.Is(err, merchants.ErrRegistered) {
		t.Fatalf("a second shop: %v", err)
	}
	other := tenant.With(ctx, b.Tenant+5000)
	if _, err := b.merchants.Register(other, application()); err != nil {
		t.Fatalf("in another municipality: %v", err)
	}
	if _, err := b.merchants.Get(other, first.ID); !errors.Is(err, merchants.ErrUnknown) {
		t.Fatalf("another municipality sees the shop: %v", err)
	}
	if _, err := b.merchants.Decide(ctx, first.ID, merchants.Closed, "폐업"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.merchants.Register(ctx, application()); err != nil {
		t.Fatalf("after closing: %v", err)
	}
	if _, err := b.merchants.Decide(ctx, first.ID, merchants.Approved, ""); !errors.Is(err, merchants.ErrTransition) {
		t.Fatalf("a closed shop came back: %v", err)
	}
}

func TestAcceptingAsksNoDatabaseWhenWarmAndHearsOfClosing(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	m := b.shop(t, ctx)
	b.refresh(t, ctx)
	if _, err := b.merchants.Accepting(ctx, m.ID); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel() // a database that is gone
	found, err := b.merchants.Accepting(gone, m.ID)
	if err != nil || found.Name != m.Name || found.PayableID != m.PayableID {
		t.Fatalf("warm: %+v, %v", found, err)
	}
	if _, err := b.merchants.Decide(ctx, m.ID, merchants.Suspended, "현장 점검"); err != nil {
		t.Fatal(err)
	}
	b.refresh(t, ctx)
	if _, err := b.merchants.Accepting(ctx, m.ID); !errors.Is(err, merchants.ErrNotAccepting) {
		t.Fatalf("suspended: %v", err)
	}
	if _, err := b.merchants.Decide(ctx, m.ID, merchants.Approved, ""); err != nil {
		t.Fatal(err)
	}
	b.refresh(t, ctx)
	if _, err := b.merchants.Accepting(ctx, m.ID); err != nil {
		t.Fatalf("approved again: %v", err)
	}
	b.Clock.Advance(11 * time.Second) // no poll came through: memory is not believed
	if _, err := b.merchants.Accepting(gone, m.ID); err == nil {
		t.Fatal("an old memory was believed")
	}
	if _, err := b.merchants.Accepting(ctx, uuid.New()); !errors.Is(err, merchants.ErrUnknown) {
		t.Fatalf("an unknown shop: %v", err)
	}
}

func TestStaticCodeIsReadBackFromItsPicture(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	m := b.shop(t, ctx)
	payload, _, err := b.merchants.StaticQR(ctx, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	png, err := emvco.Image(payload, 512)
	if err != nil {
		t.Fatal(err)
	}
	picture, _, err := image.Decode(bytes.NewReader(png))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	read, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatal(err)
	}
	id, merchant, amount, err := b.merchants.FromQR(context.WithoutCancel(ctx), read.GetText())
	if err != nil || id != b.Tenant || merchant != m.ID || amount != 0 {
		t.Fatalf("read back: %v %v %v %v", id, merchant, amount, err)
	}
	spoilt := []byte(payload)
	spoilt[len(spoilt)-1] ^= 1
	if _, _, _, err := b.merchants.FromQR(ctx, string(spoilt)); !errors.Is(err, merchants.ErrQRInvalid) {
		t.Fatalf("a changed code: %v", err)
	}
	for _, text := range []string{"", "hello", "https://example.kr", string(make([]byte, 5000))} {
		if _, _, _, err := b.merchants.FromQR(ctx, text); !errors.Is(err, merchants.ErrQRInvalid) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := b.merchants.Decide(ctx, m.ID, merchants.Closed, "폐업"); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := b.merchants.FromQR(ctx, payload); !errors.Is(err, merchants.ErrNotAccepting) {
		t.Fatalf("a closed shop's code: %v", err)
	}
}

func TestDynamicCodeServesOneSaleForThreeMinutes(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	m := b.shop(t, ctx)
	clerk := auth.With(ctx, auth.Principal{Kind: auth.Clerk, ID: uuid.New(), Tenant: b.Tenant, Merchant: m.ID})
	code, err := b.merchants.NewDynamicQR(clerk, 12_500)
	if err != nil {
		t.Fatal(err)
	}
	found, err := b.merchants.Scan(ctx, code.Payload)
	if err != nil || found.Amount != 12_500 || found.CodeID != code.ID {
		t.Fatalf("%+v %v", found, err)
	}
	forged, err := emvco.Encode(emvco.Code{
		Tenant: b.Tenant.String(), Merchant: mustDecode(t, code.Payload).Merchant, MCC: "5814", Amount: 10, Name: "x", City: "x",
		ExpiresAt: code.ExpiresAt, Nonce: mustDecode(t, code.Payload).Nonce,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.merchants.Scan(ctx, forged); !errors.Is(err, merchants.ErrQRInvalid) {
		t.Fatalf("another amount under the same number: %v", err)
	}
	payment := uuid.New()
	if err := errors.Join(b.merchants.UseCode(ctx, code.ID, payment), b.merchants.UseCode(ctx, code.ID, payment)); err != nil {
		t.Fatal(err)
	}
	if err := b.merchants.UseCode(ctx, code.ID, uuid.New()); !errors.Is(err, merchants.ErrQRExpired) {
		t.Fatalf("a second payment: %v", err)
	}
	if _, err := b.merchants.Scan(ctx, code.Payload); !errors.Is(err, merchants.ErrQRExpired) {
		t.Fatalf("a used code: %v", err)
	}
	second, err := b.merchants.NewDynamicQR(clerk, 1)
	if err != nil {
		t.Fatal(err)
	}
	b.Clock.Advance(3 * time.Minute)
	if _, err := b.merchants.Scan(ctx, second.Payload); !errors.Is(err, merchants.ErrQRExpired) {
		t.Fatalf("after three minutes: %v", err)
	}
}

func mustDecode(t *testing.T, payload string) emvco.Code {
	t.Helper()
	code, err := emvco.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

const password = "correct horse battery"

func (b *bench) clerk(t *testing.T, ctx context.Context, login string) merchants.Clerk {
	t.Helper()
	m := b.shop(t, ctx)
	c, err := b.merchants.AddClerk(ctx, merchants.ClerkInput{MerchantID: m.ID, Login: login, Password: password, Name: "홍길동", Role: merchants.Owner})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSignInTellsNothingAboutLogins(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	login := "shop-" + uuid.NewString()[:8]
	b.clerk(t, ctx, login)
	for _, tried := range []string{login, "nobody-" + uuid.NewString()[:8]} {
		for range 5 {
			if _, err := b.merchants.SignIn(ctx, tried, "wrong password"); !errors.Is(err, auth.ErrWrongLogin) {
				t.Fatalf("%s: %v", tried, err)
			}
		}
		_, err := b.merchants.SignIn(ctx, tried, password)
		if f, ok := fault.Of(err); !errors.Is(err, signin.ErrWait) || !ok || f.RetryAfter != 30*time.Second {
			t.Fatalf("%s after five failures: %v", tried, err)
		}
	}
	b.Clock.Advance(31 * time.Second)
	if _, err := b.merchants.SignIn(ctx, login, "wrong again"); !errors.Is(err, auth.ErrWrongLogin) {
		t.Fatalf("after the wait: %v", err)
	}
	b.Clock.Advance(31 * time.Second)
	if _, err := b.merchants.SignIn(ctx, login, password); !errors.Is(err, signin.ErrWait) {
		t.Fatalf("the wait did not grow: %v", err)
	}
	b.Clock.Advance(30 * time.Second)
	if _, err := b.merchants.SignIn(ctx, login, password); err != nil {
		t.Fatalf("the right password: %v", err)
	}
	if _, err := b.merchants.SignIn(ctx, login, "wrong password"); !errors.Is(err, auth.ErrWrongLogin) {
		t.Fatalf("failures were not forgotten: %v", err)
	}
}

func TestManyTriesAtOnceAreNotOne(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	login := "shop-" + uuid.NewString()[:8]
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		guesses int
	)
	for range 12 {
		wg.Go(func() {
			_, err := b.merchants.SignIn(ctx, login, "guess")
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, auth.ErrWrongLogin) {
				guesses++
			} else if !errors.Is(err, signin.ErrWait) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if guesses != 5 {
		t.Fatalf("%d passwords were looked at, want 5", guesses)
	}
}

func TestClerkSessions(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	login := "shop-" + uuid.NewString()[:8]
	c := b.clerk(t, ctx, login)
	phone, err := b.merchants.SignIn(t.Context(), login, password)
	if err != nil {
		t.Fatal(err)
	}
	till, err := b.merchants.SignIn(t.Context(), " "+login+" ", password)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.merchants.Identify(t.Context(), till.Token)
	if err != nil || p.Merchant != c.MerchantID || p.Tenant != b.Tenant || !p.May("settlements.read") {
		t.Fatalf("%+v %v", p, err)
	}
	me := auth.With(ctx, p)
	if err := b.merchants.ChangePassword(me, "not the old one", "another long password"); !errors.Is(err, signin.ErrOldPassword) {
		t.Fatalf("a wrong old password: %v", err)
	}
	if err := b.merchants.ChangePassword(me, password, "short"); !errors.Is(err, fault.ErrInvalid) {
		t.Fatalf("a short password: %v", err)
	}
	if err := b.merchants.ChangePassword(me, password, "another long password"); err != nil {
		t.Fatal(err)
	}
	_, err = b.merchants.Identify(t.Context(), phone.Token)
	if f, ok := fault.Of(err); !ok || f.Params["reason"] != auth.EndedCredentialChanged {
		t.Fatalf("the other session: %v", err)
	}
	if _, err := b.merchants.Identify(t.Context(), till.Token); err != nil {
		t.Fatalf("this session: %v", err)
	}
	if err := b.merchants.Revoke(me, uuid.New()); !errors.Is(err, signin.ErrNoSession) {
		t.Fatalf("somebody else's session: %v", err)
	}
	if _, err := b.merchants.AddClerk(ctx, merchants.ClerkInput{MerchantID: c.MerchantID, Login: login, Password: password, Name: "x", Role: merchants.Seller}); !errors.Is(err, merchants.ErrLoginTaken) {
		t.Fatalf("the same login: %v", err)
	}
}

func TestSearchPages(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	in := make([]merchants.RegisterInput, 7)
	for i := range in {
		in[i] = application()
		in[i].BizNo = bizno.Make(int64(100000000 + i)).String()
		in[i].Name = string(rune('가'+i)) + "분식_100%"
		in[i].Place = &merchants.Place{LatitudeE6: 37_000_000 + int64(i)*10_000, LongitudeE6: 126_000_000}
	}
	seeded, err := b.merchants.SeedMany(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, near := range []*merchants.Place{nil, {LatitudeE6: 38_000_000, LongitudeE6: 126_000_000}} {
		var got []merchants.Merchant
		f := merchants.Filter{Query: "_100%", Trade: "56", State: merchants.Approved, Near: near, Limit: 3}
		for {
			page, next, err := b.merchants.Search(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page...)
			if next == nil {
				break
			}
			f.After = *next
		}
		if len(got) != len(seeded) {
			t.Fatalf("%d shops, want %d", len(got), len(seeded))
		}
		for i, m := range got {
			want := seeded[i]
			if near != nil { // the farthest north is the nearest
				want = seeded[len(seeded)-1-i]
			}
			if m.ID != want.ID {
				t.Fatalf("near %v: place %d holds %s, want %s", near, i, m.Name, want.Name)
			}
		}
	}
	if none, _, err := b.merchants.Search(ctx, merchants.Filter{Query: "100a", Limit: 5}); err != nil || len(none) != 0 {
		t.Fatalf("%v %v", none, err)
	}
	names, err := b.merchants.Names(ctx, []uuid.UUID{seeded[2].ID, uuid.New()})
	if err != nil || len(names) != 1 || names[seeded[2].ID] != seeded[2].Name {
		t.Fatalf("%v %v", names, err)
	}
}

func TestPersonalDataIsSealedAndLooksAreKept(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t)
	m := b.shop(t, ctx)
	if m.OwnerMasked != "홍*동" || m.PhoneMasked != "010-****-5678" || m.PayoutMasked == "1002123456789" {
		t.Fatalf("not masked: %+v", m)
	}
	to, payable, err := b.merchants.PayoutDestination(ctx, m.ID)
	if err != nil || to.Number != "1002123456789" || to.Holder != "홍길동" || payable != m.PayableID {
		t.Fatalf("%+v %v", to, err)
	}
	staff := auth.With(ctx, auth.Principal{Kind: auth.Staff, ID: uuid.New(), Name: "김주무관"})
	if p, err := b.merchants.Reveal(staff, m.ID, ""); err == nil || p.Owner != "" {
		t.Fatalf("shown without a reason: %+v %v", p, err)
	}
	p, err := b.merchants.Reveal(staff, m.ID, "민원 확인")
	if err != nil || p.Owner != "홍길동" || p.Phone != "01012345678" {
		t.Fatalf("%+v %v", p, err)
	}
}
