package demo

import (
	"time"

	"jangteo/app/money"
	"jangteo/app/refdata"
	"jangteo/app/tenant"
	"jangteo/modules/merchants"
	"jangteo/modules/tenants"
	"jangteo/modules/vouchers"
)

// municipality is one that has joined: how big its share of the people and
// shops is, what its voucher is called, and under which rules it is sold.
type municipality struct {
	id        tenant.ID
	share     int // of all people and shops, per cent
	accent    int
	days      int // business days to a payout
	voucher   string
	voucherEn string
	kind      vouchers.Kind
	clause    string
	rules     []rule // in the order of their coming into force
	centre    merchants.Place
	roads     []string
	fund      string // the municipality's own account
	fundBank  string
	contact   string
}

// rule is a version of a policy; days says how long before today it began, and
// 0 stands for the opening.
type rule struct {
	daysAgo    int
	discountBP int64
	monthMax   money.Amount
	holdMax    money.Amount
	paymentMax money.Amount
	dayMax     money.Amount
	years      int
	refundBP   int64
	excluded   []string // beside what is normally excluded
	allSellers bool     // shops with more than 3 billion won of yearly sales may take it
}

const (
	purchaseMin  money.Amount = 10_000
	purchaseStep money.Amount = 10_000
)

// flagship is where the story is set.
const flagship tenant.ID = 11560

// municipalities are the twelve that are live, each with rules of its own.
var municipalities = []municipality{
	{
		id: flagship, share: 20, accent: 7, days: 1, voucher: "영등포사랑상품권", voucherEn: "Yeongdeungpo Love Voucher", kind: vouchers.Discount,
		clause: "서울특별시 영등포구 지역사랑상품권 발행 및 운영 조례 제7조",
		rules:  []rule{{discountBP: 1000, monthMax: 500_000, holdMax: 1_500_000, paymentMax: 500_000, years: 5, refundBP: 6000}},
		centre: merchants.Place{LatitudeE6: 37_526_400, LongitudeE6: 126_896_300}, roads: []string{"당산로", "영등포로", "국회대로", "문래로", "신길로", "양평로"},
		fund: "1005112560001", fundBank: "020", contact: "02-2670-3114",
	},
	{
		id: 26350, share: 9, accent: 2, days: 1, voucher: "해운대 이음상품권", voucherEn: "Haeundae Ieum Voucher", kind: vouchers.Cashback,
		clause: "부산광역시 해운대구 지역화폐 발행 및 운영에 관한 조례 제9조",
		rules:  []rule{{monthMax: 300_000, holdMax: 1_000_000, dayMax: 300_000, years: 5, refundBP: 6000}},
		centre: merchants.Place{LatitudeE6: 35_163_200, LongitudeE6: 129_163_600}, roads: []string{"해운대로", "구남로", "좌동순환로", "센텀중앙로", "달맞이길"},
		fund: "1012263500001", fundBank: "032", contact: "051-749-4000",
	},
	{
		id: 50110, share: 8, accent: 4, days: 2, voucher: "제주 탐나상품권", voucherEn: "Jeju Tamna Voucher", kind: vouchers.Discount,
		clause: "제주특별자치도 지역화폐 발행 및 운영 조례 제8조",
		rules:  []rule{{discountBP: 700, monthMax: 700_000, holdMax: 2_000_000, years: 5, refundBP: 6000, excluded: []string{"47122"}}},
		centre: merchants.Place{LatitudeE6: 33_499_600, LongitudeE6: 126_531_200}, roads: []string{"중앙로", "관덕로", "연북로", "노형로", "칠성로길"},
		fund: "1035501100001", fundBank: "035", contact: "064-728-2114",
	},
	{
		id: 41110, share: 10, accent: 5, days: 1, voucher: "수원사랑상품권", voucherEn: "Suwon Love Voucher", kind: vouchers.Discount,
		clause: "수원시 지역화폐 발행 및 운영 조례 제6조",
		rules: []rule{
			{discountBP: 1000, monthMax: 400_000, holdMax: 1_000_000, years: 5, refundBP: 6000},
			{daysAgo: 14, discountBP: 700, monthMax: 500_000, holdMax: 1_000_000, years: 5, refundBP: 6000},
		},
		centre: merchants.Place{LatitudeE6: 37_263_400, LongitudeE6: 127_028_600}, roads: []string{"정조로", "팔달로", "권광로", "효원로", "매산로"},
		fund: "1041411100001", fundBank: "011", contact: "1899-3300",
	},
	{
		id: 52110, share: 8, accent: 9, days: 1, voucher: "전주사랑상품권", voucherEn: "Jeonju Love Voucher", kind: vouchers.Discount,
		clause: "전주시 지역사랑상품권 발행 및 운영 조례 제7조",
		rules:  []rule{{discountBP: 1000, monthMax: 300_000, holdMax: 1_000_000, years: 5, refundBP: 8000}},
		centre: merchants.Place{LatitudeE6: 35_824_200, LongitudeE6: 127_148_000}, roads: []string{"팔달로", "전주객사길", "태조로", "기린대로", "홍산로"},
		fund: "1052521100001", fundBank: "037", contact: "063-222-1000",
	},
	{
		id: 52130, share: 7, accent: 1, days: 2, voucher: "군산사랑상품권", voucherEn: "Gunsan Love Voucher", kind: vouchers.Discount,
		clause: "군산시 지역사랑상품권 관리 및 운영 조례 제10조",
		rules:  []rule{{discountBP: 1200, monthMax: 500_000, holdMax: 1_500_000, years: 5, refundBP: 7000, excluded: []string{"47711"}}},
		centre: merchants.Place{LatitudeE6: 35_967_700, LongitudeE6: 126_736_800}, roads: []string{"중앙로", "대학로", "수송로", "월명로", "구영길"},
		fund: "1052521300001", fundBank: "011", contact: "063-454-4000",
	},
	{
		id: 47110, share: 7, accent: 3, days: 1, voucher: "포항사랑상품권", voucherEn: "Pohang Love Voucher", kind: vouchers.Discount,
		clause: "포항시 지역사랑상품권 관리 및 운영 조례 제8조",
		rules:  []rule{{discountBP: 800, monthMax: 700_000, holdMax: 1_500_000, dayMax: 300_000, years: 5, refundBP: 6000}},
		centre: merchants.Place{LatitudeE6: 36_019_000, LongitudeE6: 129_343_500}, roads: []string{"중앙로", "죽도시장길", "대이로", "새천년대로", "포스코대로"},
		fund: "1047471100001", fundBank: "031", contact: "054-270-8282",
	},
	{
		id: 41590, share: 9, accent: 6, days: 1, voucher: "화성행복상품권", voucherEn: "Hwaseong Happy Voucher", kind: vouchers.Discount,
		clause: "화성시 지역화폐 발행 및 운영 조례 제7조",
		rules:  []rule{{discountBP: 700, monthMax: 500_000, holdMax: 1_000_000, years: 5, refundBP: 6000}},
		centre: merchants.Place{LatitudeE6: 37_199_500, LongitudeE6: 126_831_500}, roads: []string{"동탄대로", "병점중앙로", "남양로", "봉담로", "향남로"},
		fund: "1041415900001", fundBank: "011", contact: "1577-4200",
	},
	{
		id: 43110, share: 8, accent: 8, days: 2, voucher: "청주사랑상품권", voucherEn: "Cheongju Love Voucher", kind: vouchers.Discount,
		clause: "청주시 지역사랑상품권 발행 및 운영에 관한 조례 제7조",
		rules:  []rule{{discountBP: 900, monthMax: 500_000, holdMax: 1_500_000, years: 5, refundBP: 6000}},
		centre: merchants.Place{LatitudeE6: 36_642_400, LongitudeE6: 127_489_000}, roads: []string{"상당로", "사직대로", "성안로", "가경로", "율량로"},
		fund: "1043431100001", fundBank: "011", contact: "043-201-0001",
	},
	{
		id: 46110, share: 4, accent: 10, days: 1, voucher: "목포사랑상품권", voucherEn: "Mokpo Love Voucher", kind: vouchers.Discount,
		clause: "목포시 지역사랑상품권 관리 및 운영 조례 제9조",
		rules:  []rule{{discountBP: 1200, monthMax: 300_000, holdMax: 1_000_000, paymentMax: 200_000, years: 3, refundBP: 8000, allSellers: true}},
		centre: merchants.Place{LatitudeE6: 34_811_800, LongitudeE6: 126_392_300}, roads: []string{"영산로", "평화로", "수문로", "옥암로"},
		fund: "1046461100001", fundBank: "034", contact: "061-270-8598",
	},
	{
		id: 48120, share: 6, accent: 11, days: 1, voucher: "창원누리상품권", voucherEn: "Changwon Nuri Voucher", kind: vouchers.Discount,
		clause: "창원시 지역사랑상품권 발행 및 운영 조례 제8조",
		rules:  []rule{{discountBP: 600, monthMax: 600_000, holdMax: 1_500_000, years: 5, refundBP: 6000}},
		centre: merchants.Place{LatitudeE6: 35_228_000, LongitudeE6: 128_681_100}, roads: []string{"중앙대로", "상남로", "용호로", "합포로", "충장로"},
		fund: "1048481200001", fundBank: "039", contact: "1899-1111",
	},
	{
		id: 36110, share: 4, accent: 12, days: 2, voucher: "세종여민상품권", voucherEn: "Sejong Yeomin Voucher", kind: vouchers.Discount,
		clause: "세종특별자치시 지역화폐 발행 및 운영에 관한 조례 제7조",
		rules:  []rule{{discountBP: 700, monthMax: 500_000, holdMax: 1_000_000, years: 5, refundBP: 6000}},
		centre: merchants.Place{LatitudeE6: 36_480_000, LongitudeE6: 127_289_000}, roads: []string{"한누리대로", "도움로", "나성로", "절재로"},
		fund: "1036361100001", fundBank: "011", contact: "044-300-3114",
	},
}

func (m municipality) settings() tenants.Settings {
	return tenants.Settings{
		Live: true, Accent: m.accent, VoucherName: m.voucher, VoucherNameEn: m.voucherEn, SettlementDays: m.days,
		Departments: []string{"지역경제과", "일자리경제과", "감사담당관"}, Contact: m.contact, FundAccount: m.fund,
	}
}

// policies turns the rules into versions, the first from the opening on.
func (m municipality) policies(opened, today time.Time) []vouchers.Policy {
	list := make([]vouchers.Policy, len(m.rules))
	for i, r := range m.rules {
		p := vouchers.Policy{
			Version: i + 1, Clause: m.clause, EffectiveFrom: opened, Author: "지역경제과 상품권팀", DiscountBP: r.discountBP,
			PurchaseMin: purchaseMin, PurchaseStep: purchaseStep, PurchaseMonthMax: r.monthMax, HoldMax: r.holdMax,
			PerPaymentMax: r.paymentMax, PerDayMax: r.dayMax, ValidityYears: r.years, RefundUsedBP: r.refundBP,
			ExcludesLargeSellers: !r.allSellers,
		}
		if r.daysAgo > 0 {
			p.EffectiveFrom = today.AddDate(0, 0, -r.daysAgo)
		}
		for _, trade := range refdata.ExcludedTrades() {
			p.ExcludedTrades = append(p.ExcludedTrades, trade.Code)
		}
		p.ExcludedTrades = append(p.ExcludedTrades, r.excluded...)
		list[i] = p
	}
	return list
}

// policyAt is the version in force at a moment.
func policyAt(policies []vouchers.Policy, at time.Time) vouchers.Policy {
	found := policies[0]
	for _, p := range policies[1:] {
		if !at.Before(p.EffectiveFrom) {
			found = p
		}
	}
	return found
}
