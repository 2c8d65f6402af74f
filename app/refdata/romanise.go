package refdata

import "strings"

// The parts of a Hangul syllable in the Revised Romanization of Korean
// (국어의 로마자 표기법, 2000).
var (
	initials = [19]string{"g", "kk", "n", "d", "tt", "r", "m", "b", "pp", "s", "ss", "", "j", "jj", "ch", "k", "t", "p", "h"}
	medials  = [21]string{"a", "ae", "ya", "yae", "eo", "e", "yeo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we", "wi", "yu", "eu", "ui", "i"}
	// finals stand before a consonant or at the end; carried before a vowel.
	finals  = [28]string{"", "k", "k", "k", "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m", "p", "p", "t", "t", "ng", "t", "t", "k", "t", "p", "t"}
	carried = [28]string{"", "g", "kk", "ks", "n", "nj", "n", "d", "r", "lg", "lm", "lb", "ls", "lt", "lp", "r", "m", "b", "ps", "s", "ss", "ng", "j", "ch", "k", "t", "p", ""}
)

const (
	hangulFirst = '가'
	hangulLast  = '힣'
	silent      = 11 // the initial ㅇ
	initialN    = 2
	initialR    = 5
	initialM    = 6
	finalN      = 4
)

// Romanise writes Hangul in Latin letters as it sounds, in lower case:
// "종로" becomes "jongno", "신라" "silla". It knows the sound changes between
// syllables that place names need; other characters stay as they are.
func Romanise(korean string) string {
	var b strings.Builder
	letters := []rune(korean)
	final := 0 // of the syllable before, not yet written
	for i, letter := range letters {
		if letter < hangulFirst || letter > hangulLast {
			b.WriteString(finals[final])
			b.WriteRune(letter)
			final = 0
			continue
		}
		syllable := int(letter - hangulFirst)
		initial, medial := syllable/(21*28), syllable/28%21
		end, start := between(final, initial)
		if i == 0 {
			end, start = "", initials[initial]
		}
		b.WriteString(end + start + medials[medial])
		final = syllable % 28
	}
	b.WriteString(finals[final])
	return b.String()
}

// between says how a final and the initial that follows it are written.
func between(final, initial int) (end, start string) {
	end, start = finals[final], initials[initial]
	switch {
	case final == 0:
		return "", start
	case initial == silent:
		return carried[final], ""
	case initial == initialR && (end == "l" || final == finalN): // 신라 silla
		return "l", "l"
	case initial == initialR: // 종로 jongno, 독립 dongnip
		return nasal(end), "n"
	case initial == initialN && end == "l": // 별내 byeollae
		return "l", "l"
	case initial == initialN, initial == initialM: // 국민 gungmin
		return nasal(end), start
	}
	return end, start
}

// nasal is what a stop becomes before ㄴ and ㅁ.
func nasal(end string) string {
	switch end {
	case "k":
		return "ng"
	case "t":
		return "n"
	case "p":
		return "m"
	}
	return end
}
