// Package i18n holds the words of every screen and problem, Korean first and
// English second: flat JSON, one file a module and language, read at start-up.
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/text/language"
)

// The languages that every word exists in.
const (
	Korean  = "ko"
	English = "en"
)

// Languages lists them, the default first.
var Languages = []string{Korean, English}

//go:embed words
var files embed.FS

var matcher = language.NewMatcher([]language.Tag{language.Korean, language.English})

// Words is the whole dictionary: language, then key.
type Words map[string]map[string]string

// Load reads every file. A key that stands in two files is a mistake.
func Load() (Words, error) {
	words := Words{}
	for _, lang := range Languages {
		words[lang] = map[string]string{}
		names, _ := fs.Glob(files, "words/"+lang+"/*.json")
		for _, name := range names {
			body, err := files.ReadFile(name)
			if err != nil {
				return nil, err
			}
			var part map[string]string
			if err := json.Unmarshal(body, &part); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			for key, text := range part {
				if _, twice := words[lang][key]; twice {
					return nil, fmt.Errorf("%s: key %q stands in another file too", path.Base(name), key)
				}
				words[lang][key] = text
			}
		}
	}
	return words, nil
}

// T returns the words of key. Pairs of name and value fill its {name} places.
// A key without words shows itself, and the tests find it.
func (w Words) T(lang, key string, pairs ...any) string {
	text, ok := w[lang][key]
	if !ok {
		return key
	}
	if len(pairs) == 0 {
		return text
	}
	replace := make([]string, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		replace = append(replace, "{"+fmt.Sprint(pairs[i])+"}", fmt.Sprint(pairs[i+1]))
	}
	return strings.NewReplacer(replace...).Replace(text)
}

// Has reports whether key has words.
func (w Words) Has(lang, key string) bool { _, ok := w[lang][key]; return ok }

// Choose picks the language for a request: what the person chose before, else
// what their browser asks for, else Korean.
func Choose(chosen, acceptLanguage string) string {
	if chosen == Korean || chosen == English {
		return chosen
	}
	if acceptLanguage == "" || len(acceptLanguage) > 200 {
		return Korean
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return Korean
	}
	_, index, confidence := matcher.Match(tags...)
	if confidence == language.No {
		return Korean
	}
	return Languages[index]
}
