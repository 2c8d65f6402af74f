package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"jangteo/app/bizno"
	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/simulate/identity"
	"jangteo/modules/merchants"
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// between draws evenly from low to high, both included.
func between(r *rand.Rand, low, high int) int { return low + r.IntN(high-low+1) }

// Common family names, the more common ones several times, and syllables of
// given names.
var (
	families = strings.Fields("김 김 김 김 이 이 이 박 박 최 최 정 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 전 홍 유 고 문 양 손 배 백 허 남 심 노 하")
	firsts   = strings.Fields("민 서 지 예 하 도 주 시 은 유 현 준 수 정 영 미 경 성 재 태 동 상 윤 소 나 다 아 혜 선 진")
	seconds  = strings.Fields("준 서 우 윤 은 현 진 아 연 희 숙 자 호 수 민 원 영 훈 석 철 미 경 주 빈 율 혁 정 선 인 화")
)

func fullName(r *rand.Rand) string {
	return pick(r, families) + pick(r, firsts) + pick(r, seconds)
}

// person is somebody with an account, before anybody knows them.
type person struct {
	identity.Person
	born    calendar.Day
	bank    string
	account string
	spare   int64 // won that stay in the bank account
	named   bool  // listed among the logins
}

// banks that people and shops use, with how their account numbers begin.
var bankPrefixes = []struct{ code, prefix string }{
	{"004", "0048"}, {"020", "1002"}, {"088", "1103"}, {"081", "2419"}, {"011", "3020"}, {"003", "0109"}, {"090", "3333"}, {"092", "1000"},
}

// accountNumber is unlike every other of the demonstration: serial is in it.
func accountNumber(r *rand.Rand, serial int) (bank, number string) {
	b := pick(r, bankPrefixes)
	return b.code, fmt.Sprintf("%s%09d", b.prefix, serial)
}

// newPerson makes up an adult. Their telephone number begins with 010-2 and
// ends with their serial number.
func newPerson(r *rand.Rand, serial int, today calendar.Day) person {
	born := calendar.Date(today.Year()-between(r, 19, 78), 1, 1).AddDays(r.IntN(364))
	p := person{
		Person: identity.Person{Name: fullName(r), BirthDate: born.String(), Phone: fmt.Sprintf("010%08d", 20_000_000+serial)},
		born:   born, spare: int64(between(r, 20, 400)) * 10_000,
	}
	p.bank, p.account = accountNumber(r, serial)
	return p
}

// namedPeople can be signed in as: their data stands on the page of logins.
func namedPeople() []person {
	named := []person{
		{Person: identity.Person{Name: "김하늘", BirthDate: "1990-03-15", Phone: "01010010001"}, bank: "020", account: "1002800000001"},
		{Person: identity.Person{Name: "이바다", BirthDate: "1968-11-02", Phone: "01010010002"}, bank: "004", account: "0048800000002"},
		{Person: identity.Person{Name: "박가람", BirthDate: "2001-07-21", Phone: "01010010003"}, bank: "090", account: "3333800000003"},
	}
	for i := range named {
		born, err := calendar.ParseDay(named[i].BirthDate)
		if err != nil {
			panic("demo: " + err.Error())
		}
		named[i].born, named[i].named, named[i].spare = born, true, 2_000_000
	}
	return named
}

// habit says when a kind of shop is busy.
type habit int

const (
	meals   habit = iota // lunch and evening
	breaks               // mornings and afternoons
	errands              // any time, more in the evening
	lessons              // weekdays' afternoons, seldom
)

// trade is a kind of shop: how many there are of it, what is spent there, and
// what it is called.
type trade struct {
	code   string // KSIC
	weight int
	habit  habit
	low    money.Amount
	high   money.Amount
	names  []string
}

var trades = []trade{
	{"56111", 22, meals, 8_000, 48_000, []string{"국밥", "백반집", "김치찌개", "순대국", "해장국", "쌈밥", "기사식당", "한상차림"}},
	{"56112", 7, meals, 7_000, 26_000, []string{"칼국수", "막국수", "냉면", "잔치국수"}},
	{"56113", 7, meals, 15_000, 98_000, []string{"갈비", "삼겹살", "정육식당", "곱창"}},
	{"56114", 4, meals, 14_000, 92_000, []string{"횟집", "조개구이", "아구찜", "생선구이"}},
	{"56194", 6, meals, 4_000, 17_000, []string{"떡볶이", "김밥", "분식", "만두"}},
	{"56193", 5, meals, 16_000, 38_000, []string{"치킨", "통닭"}},
	{"56192", 2, meals, 9_000, 36_000, []string{"화덕피자", "수제버거", "샌드위치"}},
	{"56221", 14, breaks, 3_000, 17_000, []string{"커피", "커피볶는집", "다방", "찻집", "로스터스"}},
	{"56191", 7, breaks, 4_000, 28_000, []string{"베이커리", "빵집", "제과점", "식빵"}},
	{"47121", 6, errands, 5_000, 72_000, []string{"슈퍼", "마트", "할인마트"}},
	{"47122", 4, errands, 2_000, 15_000, []string{"편의점"}},
	{"47212", 3, errands, 12_000, 68_000, []string{"정육점", "축산"}},
	{"47215", 3, errands, 5_000, 36_000, []string{"과일", "청과", "야채가게"}},
	{"47214", 1, errands, 9_000, 52_000, []string{"수산", "생선가게"}},
	{"96112", 7, errands, 12_000, 95_000, []string{"헤어", "미용실", "헤어살롱"}},
	{"47811", 7, errands, 3_000, 32_000, []string{"약국", "온누리약국"}},
	{"47419", 4, errands, 15_000, 118_000, []string{"의류", "옷가게", "양품점"}},
	{"47430", 1, errands, 25_000, 98_000, []string{"신발", "구두"}},
	{"47611", 2, errands, 9_000, 46_000, []string{"서점", "책방"}},
	{"47612", 1, errands, 2_000, 24_000, []string{"문구", "문방구"}},
	{"47851", 2, errands, 12_000, 62_000, []string{"꽃집", "플라워"}},
	{"96912", 2, errands, 5_000, 38_000, []string{"세탁소", "크리닝"}},
	{"85501", 5, lessons, 80_000, 290_000, []string{"수학학원", "영어학원", "보습학원"}},
	{"85611", 2, lessons, 90_000, 160_000, []string{"태권도장", "체육관"}},
	{"86203", 1, errands, 6_000, 48_000, []string{"한의원"}},
	{"47711", 2, errands, 30_000, 92_000, []string{"주유소"}},
	{"56211", 1, meals, 30_000, 120_000, []string{"호프", "주점"}}, // normally excluded: somebody must be refused somewhere
}

var prefixes = strings.Fields("엄마손 할머니 청춘 행복한 우리 새봄 오늘 은하수 옛날 바른 늘푸른 온 다정 마실 골목 한결 참 소문난 " +
	"둥지 햇살 달빛 느티나무 모퉁이 장터 시장 역전 사거리 아침 미소 정든")

func shopName(r *rand.Rand, m municipality, t trade) string {
	kind := pick(r, t.names)
	switch r.IntN(4) {
	case 0:
		return pick(r, families) + "가네 " + kind
	case 1:
		road := pick(r, m.roads)
		return strings.TrimRight(strings.TrimSuffix(strings.TrimSuffix(road, "길"), "로"), " ") + " " + kind
	}
	return pick(r, prefixes) + " " + kind
}

// shop is a place to pay at.
type shop struct {
	merchants.RegisterInput
	trade
	draw int // how much likelier than its neighbours people go there
}

// namedShop has clerks who can be signed in as.
type namedShop struct {
	tenant      int32
	name, trade string
	login       string
}

var namedShops = []namedShop{
	{11560, "길동이네 떡볶이", "56194", "tteokbokki"},
	{11560, "당산 커피볶는집", "56221", "coffee"},
	{11560, "문래 온누리약국", "47811", "pharmacy"},
	{52110, "한옥마을 콩나물국밥", "56111", "gukbap"},
}

// newShops makes up count shops of the municipality in a place of the list, at
// most a million, those with logins first.
// Registration numbers and accounts are unlike those of other municipalities.
func newShops(r *rand.Rand, place int, count int) []shop {
	m := municipalities[place]
	var wheel []trade
	for _, t := range trades {
		for range t.weight {
			wheel = append(wheel, t)
		}
	}
	taken := map[string]bool{}
	list := make([]shop, 0, count)
	for _, n := range namedShops {
		if n.tenant == int32(m.id) && len(list) < count {
			list = append(list, newShop(r, m, tradeOf(n.trade), n.name, place*1_000_000+len(list)))
			list[len(list)-1].draw = 6
			taken[n.name] = true
		}
	}
	for len(list) < count {
		t := pick(r, wheel)
		name := shopName(r, m, t)
		for branch := 2; taken[name]; branch++ {
			name = fmt.Sprintf("%s %d호점", strings.TrimSuffix(name, fmt.Sprintf(" %d호점", branch-1)), branch)
		}
		taken[name] = true
		list = append(list, newShop(r, m, t, name, place*1_000_000+len(list)))
	}
	return list
}

func tradeOf(code string) trade {
	for _, t := range trades {
		if t.code == code {
			return t
		}
	}
	panic("demo: no kind of shop is " + code)
}

func newShop(r *rand.Rand, m municipality, t trade, name string, serial int) shop {
	const near = 20_000 // millionths of a degree: two kilometres
	owner := fullName(r)
	s := shop{trade: t, draw: between(r, 1, 5)}
	s.RegisterInput = merchants.RegisterInput{
		Name: name, BizNo: bizno.Make(int64(100_000_000 + serial)).String(), Trade: t.code,
		Owner: owner, Phone: fmt.Sprintf("010%08d", 60_000_000+serial),
		Address: fmt.Sprintf("%s %d", pick(r, m.roads), between(r, 1, 240)),
		Place: &merchants.Place{
			LatitudeE6:  m.centre.LatitudeE6 + int64(between(r, -near, near)),
			LongitudeE6: m.centre.LongitudeE6 + int64(between(r, -near, near)),
		},
		YearlySalesOver3bn: (t.code == "47121" || t.code == "47711") && r.IntN(5) == 0,
	}
	s.Payout.Holder = owner
	s.Payout.BankCode, s.Payout.Number = accountNumber(r, 500_000_000+serial)
	return s
}
