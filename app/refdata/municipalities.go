package refdata

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Municipality is one of those that can issue a voucher of their own.
type Municipality struct {
	// Code is the 5-digit MOIS code, 11560.
	Code int32
	// Sido is the province or metropolitan city, 서울특별시.
	Sido string
	// Sigungu is the city, county or district, 영등포구. 세종 has none below
	// its Sido and repeats it here.
	Sigungu string
	// Kind is 자치구, 시, 군, 행정시 or 특별자치시.
	Kind string
}

// Name is the full Korean name, "서울특별시 영등포구".
func (m Municipality) Name() string {
	if m.Sido == m.Sigungu {
		return m.Sido
	}
	return m.Sido + " " + m.Sigungu
}

// EnglishName is the romanised name in the order of an English address,
// "Yeongdeungpo-gu, Seoul".
func (m Municipality) EnglishName() string {
	if m.Sido == m.Sigungu {
		return englishSido[m.Sido]
	}
	return m.EnglishSigungu() + ", " + englishSido[m.Sido]
}

// EnglishSigungu is the romanised short name, "Yeongdeungpo-gu".
func (m Municipality) EnglishSigungu() string {
	if m.Sido == m.Sigungu {
		return englishSido[m.Sido]
	}
	letters := []rune(m.Sigungu)
	stem, kind := string(letters[:len(letters)-1]), string(letters[len(letters)-1:])
	return title(Romanise(stem)) + "-" + englishKind[kind]
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

var englishKind = map[string]string{"시": "si", "군": "gun", "구": "gu"}

var englishSido = map[string]string{
	"서울특별시": "Seoul", "부산광역시": "Busan", "대구광역시": "Daegu", "인천광역시": "Incheon", "광주광역시": "Gwangju",
	"대전광역시": "Daejeon", "울산광역시": "Ulsan", "세종특별자치시": "Sejong", "경기도": "Gyeonggi-do", "강원특별자치도": "Gangwon State",
	"충청북도": "Chungcheongbuk-do", "충청남도": "Chungcheongnam-do", "전북특별자치도": "Jeonbuk State", "전라남도": "Jeollanam-do",
	"경상북도": "Gyeongsangbuk-do", "경상남도": "Gyeongsangnam-do", "제주특별자치도": "Jeju-do",
}

//go:embed municipalities.csv
var municipalitiesCSV string

// notIssuing are the districts inside a city, which issue nothing themselves.
const notIssuing = "일반구"

var municipalities = sync.OnceValue(func() []Municipality {
	all := mustRead("municipalities.csv", municipalitiesCSV, "code5,sido,sigungu,kind", readMunicipality)
	all = slices.DeleteFunc(all, func(m Municipality) bool { return m.Kind == notIssuing })
	slices.SortFunc(all, func(a, b Municipality) int { return int(a.Code - b.Code) })
	return all
})

func readMunicipality(fields []string) (Municipality, error) {
	code, err := strconv.ParseInt(fields[0], 10, 32)
	if err != nil || code < 10000 || code > 99999 {
		return Municipality{}, fmt.Errorf("%q is not a 5-digit code", fields[0])
	}
	return Municipality{Code: int32(code), Sido: fields[1], Sigungu: fields[2], Kind: fields[3]}, nil
}

var municipalityByCode = sync.OnceValue(func() map[int32]Municipality {
	return index(municipalities(), func(m Municipality) int32 { return m.Code })
})

// Municipalities lists all 229, by code.
func Municipalities() []Municipality { return slices.Clone(municipalities()) }

// MunicipalityOf finds one by its MOIS code.
func MunicipalityOf(code int32) (Municipality, bool) {
	m, ok := municipalityByCode()[code]
	return m, ok
}
