package refdata

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestMunicipalities(t *testing.T) {
	t.Parallel()
	all := Municipalities()
	if len(all) != 229 {
		t.Fatalf("%d municipalities", len(all))
	}
	kinds, names := map[string]int{}, map[string]bool{}
	for i, m := range all {
		kinds[m.Kind]++
		if names[m.Name()] {
			t.Errorf("%s comes twice", m.Name())
		}
		names[m.Name()] = true
		if i > 0 && all[i-1].Code >= m.Code {
			t.Errorf("%d stands behind %d", m.Code, all[i-1].Code)
		}
		if found, ok := MunicipalityOf(m.Code); !ok || found != m {
			t.Errorf("%d finds %+v", m.Code, found)
		}
		if !regexp.MustCompile(`^[A-Z][a-z]+-(si|gun|gu), [A-Z][a-z]+(-do| State)?$|^Sejong$`).MatchString(m.EnglishName()) {
			t.Errorf("%s is %q in English", m.Name(), m.EnglishName())
		}
	}
	if want := map[string]int{"군": 82, "시": 75, "자치구": 69, "행정시": 2, "특별자치시": 1}; fmt.Sprint(kinds) != fmt.Sprint(want) {
		t.Errorf("kinds are %v, want %v", kinds, want)
	}
	for code, want := range map[int32]string{
		11560: "서울특별시 영등포구|Yeongdeungpo-gu, Seoul", 36110: "세종특별자치시|Sejong", 50110: "제주특별자치도 제주시|Jeju-si, Jeju-do", 27720: "대구광역시 군위군|Gunwi-gun, Daegu",
	} {
		m, ok := MunicipalityOf(code)
		if got := m.Name() + "|" + m.EnglishName(); !ok || got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
	// 41111 is 수원시 장안구, a district that issues nothing.
	for _, code := range []int32{0, -1, 41111, 99999} {
		if m, ok := MunicipalityOf(code); ok {
			t.Errorf("%d finds %+v", code, m)
		}
	}
}

// As the road signs say.
func TestRomanise(t *testing.T) {
	t.Parallel()
	for korean, want := range map[string]string{
		"영등포": "yeongdeungpo", "종로": "jongno", "강릉": "gangneung", "속초": "sokcho", "신라": "silla", "별내": "byeollae", "왕십리": "wangsimni",
		"독립문": "dongnimmun", "울릉": "ulleung", "청양": "cheongyang", "옥천": "okcheon", "구리": "guri", "합덕": "hapdeok", "백암": "baegam",
		"의왕": "uiwang", "창원": "changwon", "칠곡": "chilgok", "영월": "yeongwol", "삼척": "samcheok", "부산진": "busanjin", "인왕": "inwang",
		"": "", "A동": "Adong", "63빌딩": "63bilding", "값": "gap", "여주 이천": "yeoju icheon",
	} {
		if got := Romanise(korean); got != want {
			t.Errorf("%s is written %s, want %s", korean, got, want)
		}
	}
}

func TestTrades(t *testing.T) {
	t.Parallel()
	all := Trades()
	for i, trade := range all {
		if len(trade.Code) != 5 || trade.Name == "" || (i > 0 && all[i-1].Code >= trade.Code) {
			t.Errorf("%+v in place %d", trade, i)
		}
		if found, ok := TradeOf(trade.Code); !ok || found != trade {
			t.Errorf("%s finds %+v", trade.Code, found)
		}
		for _, parent := range TradeParents(trade.Code) {
			if parent.Code == "" || parent.Name == "" {
				t.Errorf("%s has a parent without name: %+v", trade.Code, TradeParents(trade.Code))
			}
		}
	}
	if len(trades().byCode) != 2021 {
		t.Errorf("%d classes in all", len(trades().byCode))
	}
	for _, code := range []string{"", "I", "56", "5611", "99998", "561111", "５６１１１"} {
		if trade, ok := TradeOf(code); ok {
			t.Errorf("%q finds %+v", code, trade)
		}
		if parents := TradeParents(code); parents != nil {
			t.Errorf("%q has parents %v", code, parents)
		}
	}
}

func TestTradeParents(t *testing.T) {
	t.Parallel()
	want := "[{I 숙박 및 음식점업} {56 음식점 및 주점업} {561 음식점업} {5611 한식 음식점업}]"
	if got := fmt.Sprint(TradeParents("56111")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSearchTrades(t *testing.T) {
	t.Parallel()
	codes := func(query string, limit int) string {
		var found []string
		for _, trade := range SearchTrades(query, limit) {
			found = append(found, trade.Code)
		}
		return strings.Join(found, " ")
	}
	for _, c := range []struct {
		query string
		limit int
		want  string
	}{
		{"한식", 10, "56111 56112 56113 56114"},
		{"한식", 2, "56111 56112"},
		{"5611", 10, "56111 56112 56113 56114"},
		{" 백화점 ", 10, "47111"},
		{"치킨", 10, "56193"},
		{"", 10, ""},
		{"한식", 0, ""},
		{"없는업종", 10, ""},
		{"%", 10, ""},
	} {
		if got := codes(c.query, c.limit); got != c.want {
			t.Errorf("%q finds %q, want %q", c.query, got, c.want)
		}
	}
	// 공구 소매업 begins with it, 호환성 공구 has it as a word, 수공구 inside one.
	if got, want := codes("공구", 10), "47512 25934 29194 25933 46622"; got != want {
		t.Errorf("공구 finds %q, want %q", got, want)
	}
}

func TestExcludedTrades(t *testing.T) {
	t.Parallel()
	var names []string
	for _, trade := range ExcludedTrades() {
		names = append(names, trade.Name)
		if !NormallyExcluded(trade.Code) {
			t.Errorf("%s is listed and not excluded", trade.Code)
		}
	}
	want := []string{"백화점", "대형 마트", "시계 및 귀금속 소매업", "일반 유흥 주점업", "무도 유흥 주점업", "기타 주점업", "복권 발행 및 판매업", "기타 사행시설 관리 및 운영업"}
	if !slices.Equal(names, want) {
		t.Errorf("excluded are %q", names)
	}
	if NormallyExcluded("56111") || NormallyExcluded("") {
		t.Error("a restaurant is excluded")
	}
}

func TestMCC(t *testing.T) {
	t.Parallel()
	for trade, want := range map[string]string{
		"56111": "5812", "56191": "5462", "56221": "5814", "56213": "5813", "47121": "5411", "47122": "5499", "47811": "5912",
		"96112": "7230", "86202": "8021", "47599": "5719", "10712": MCCOther, "": MCCOther, "5": MCCOther, "x": MCCOther, "한식": MCCOther,
	} {
		if got := MCC(trade); got != want {
			t.Errorf("trade %q is category %s, want %s", trade, got, want)
		}
	}
	for class, mcc := range mccByTrade {
		if _, ok := trades().byCode[class]; !ok {
			t.Errorf("%s is no class of the classification", class)
		}
		if !regexp.MustCompile(`^\d{4}$`).MatchString(mcc) {
			t.Errorf("%s is no category code", mcc)
		}
	}
}

func TestBanksAndCardIssuers(t *testing.T) {
	t.Parallel()
	if len(Banks()) != 28 || len(CardIssuers()) != 24 {
		t.Errorf("%d banks and %d issuers", len(Banks()), len(CardIssuers()))
	}
	if bank, ok := BankOf("004"); !ok || bank.Name != "KB국민은행" {
		t.Errorf("004 is %+v", bank)
	}
	if _, ok := BankOf(TestBank); !ok {
		t.Error("the test bank is unknown")
	}
	for _, code := range []string{"", "4", "04", "999"} {
		if bank, ok := BankOf(code); ok {
			t.Errorf("%q finds %+v", code, bank)
		}
	}
	acquirers := 0
	for _, issuer := range CardIssuers() {
		if issuer.Acquirer {
			acquirers++
		}
	}
	if issuer, ok := CardIssuerOf("41"); acquirers != 8 || !ok || issuer.Name != "신한카드" || !issuer.Acquirer {
		t.Errorf("%d acquirers, 41 is %+v", acquirers, issuer)
	}
}

func TestWhatIsReturnedIsACopy(t *testing.T) {
	t.Parallel()
	Municipalities()[0].Sido = "x"
	Trades()[0].Name = "x"
	Banks()[0].Name = "x"
	CardIssuers()[0].Name = "x"
	if Municipalities()[0].Sido == "x" || Trades()[0].Name == "x" || Banks()[0].Name == "x" || CardIssuers()[0].Name == "x" {
		t.Error("a caller changed the data for all")
	}
}

func TestBrokenDataIsRefused(t *testing.T) {
	t.Parallel()
	const header = "code5,sido,sigungu,kind"
	for name, text := range map[string]string{
		"nothing": "", "only a header": header + "\n", "another header": "a,b,c,d\n11110,x,y,z\n",
		"a short row": header + "\n11110,x,y\n", "a code of letters": header + "\nabcde,x,y,z\n", "a short code": header + "\n1111,x,y,z\n",
	} {
		if got, err := read(text, header, readMunicipality); err == nil {
			t.Errorf("%s was read as %v", name, got)
		}
	}
	if _, err := read("code,name,digits\n56111,x,4\n", "code,name,digits", readTrade); err == nil {
		t.Error("a trade with a wrong count of digits was read")
	}
}
