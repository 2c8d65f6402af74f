package app_test

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"jangteo/app/fault"
	"jangteo/app/i18n"
	"jangteo/app/web"
)

var (
	place = regexp.MustCompile(`\{[a-z_]+\}`)
	// inTemplate and inGo find a key that is looked up as it stands.
	inTemplate = regexp.MustCompile(`\bt "([^"]+)"`)
	inGo       = regexp.MustCompile(`\.(?:T|Has)\([^"\n]*?"([a-z][a-z0-9_-]*\.[a-z0-9._-]*[a-z0-9])"(?:\)|,)`)
	// format finds keys that are put together: by printf, or from a beginning.
	format   = regexp.MustCompile(`"([a-z][a-z0-9_-]*\.[a-z0-9._-]*%[sdv][a-z0-9._%-]*)"`)
	begin    = regexp.MustCompile(`"([a-z][a-z0-9_-]*\.[a-z0-9._-]*)"\s*(?:\+|\.[A-Za-z$])|(?:print|cat) "([a-z][a-z0-9._-]*)"`)
	beginTop = regexp.MustCompile(`"((?:problem|field|label|nav)\.)"`)
	// sheet finds the columns of a download behind what their words begin with.
	sheet     = regexp.MustCompile(`NewSheet\([^"]*"([a-z0-9.-]+\.)"((?:,\s*"[^"]+")+)`)
	quotedAny = regexp.MustCompile(`"([^"]+)"`)
	quoted    = regexp.MustCompile("[\"'`]([a-z][a-z0-9_-]*(?:\\.[a-z0-9_-]+)+)[\"'`]")
)

// sources reads every file of ours that may name a word.
func sources(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	root := os.DirFS("..")
	for _, folder := range []string{"app", "modules", "templates", "static/js"} {
		err := fs.WalkDir(root, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(name, "_test.go") || !slices.Contains([]string{".go", ".html", ".js"}, path.Ext(name)) {
				return err
			}
			body, err := fs.ReadFile(root, name)
			found[name] = string(body)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestWords holds that every word that is used exists in each language, and
// every word that exists is used.
func TestWords(t *testing.T) {
	t.Parallel()
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	ko, en := words[i18n.Korean], words[i18n.English]
	for _, key := range slices.Sorted(maps.Keys(ko)) {
		if _, there := en[key]; !there {
			t.Errorf("%s has no English", key)
			continue
		}
		places := func(text string) []string {
			return slices.Compact(slices.Sorted(slices.Values(place.FindAllString(text, -1))))
		}
		if !slices.Equal(places(ko[key]), places(en[key])) {
			t.Errorf("%s has other places in English: %q, %q", key, ko[key], en[key])
		}
		if strings.TrimSpace(ko[key]) == "" || strings.TrimSpace(en[key]) == "" {
			t.Errorf("%s is empty", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(en)) {
		if _, there := ko[key]; !there {
			t.Errorf("%s has no Korean", key)
		}
	}

	named, patterns := map[string]bool{}, []*regexp.Regexp{}
	for name, source := range sources(t) {
		looked := inGo
		if strings.HasSuffix(name, ".html") {
			looked = inTemplate
		}
		for _, m := range looked.FindAllStringSubmatch(source, -1) {
			if _, there := ko[m[1]]; !there && !strings.HasSuffix(m[1], ".") {
				t.Errorf("%s uses %q, which has no words", name, m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(source, -1) {
			named[m[1]] = true
		}
		for _, m := range sheet.FindAllStringSubmatch(source, -1) {
			for _, column := range quotedAny.FindAllStringSubmatch(m[2], -1) {
				named[m[1]+column[1]] = true
				if _, there := ko[m[1]+column[1]]; !there {
					t.Errorf("%s uses %q, which has no words", name, m[1]+column[1])
				}
			}
		}
		for _, m := range format.FindAllStringSubmatch(source, -1) {
			patterns = append(patterns, regexp.MustCompile(`^`+regexp.MustCompile(`%[sdv]`).ReplaceAllString(regexp.QuoteMeta(m[1]), `[a-z0-9._-]+`)+`$`))
		}
		for _, found := range []*regexp.Regexp{begin, beginTop} {
			for _, m := range found.FindAllStringSubmatch(source, -1) {
				if start := m[1] + m[len(m)-1]; m[1] == m[len(m)-1] {
					patterns = append(patterns, regexp.MustCompile(`^`+regexp.QuoteMeta(m[1])))
				} else {
					patterns = append(patterns, regexp.MustCompile(`^`+regexp.QuoteMeta(start)))
				}
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(ko)) {
		if named[key] || slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(key) }) {
			continue
		}
		t.Errorf("nothing uses %s", key)
	}
}

// TestProblemsExplained holds that every fault is explained in each language,
// and every explanation has its fault.
func TestProblemsExplained(t *testing.T) {
	t.Parallel()
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(fault.Declared()) < 30 {
		t.Errorf("only %d faults are declared", len(fault.Declared()))
	}
	for _, lang := range i18n.Languages {
		for _, f := range fault.Declared() {
			for _, part := range []string{".title", ".detail"} {
				if !words.Has(lang, "problem."+f.Code+part) {
					t.Errorf("%s: problem.%s%s is missing", lang, f.Code, part)
				}
			}
		}
		for key := range words[lang] {
			code, ok := strings.CutPrefix(key, "problem.")
			if !ok {
				continue
			}
			code = strings.TrimSuffix(strings.TrimSuffix(code, ".title"), ".detail")
			if _, declared := fault.Lookup(code); !declared && !strings.Contains(code, ".") {
				t.Errorf("%s: %s explains a fault that is not declared", lang, key)
			}
		}
		for _, reason := range []fault.Reason{
			fault.Required, fault.WrongType, fault.WrongFormat, fault.TooLong, fault.TooShort, fault.TooSmall, fault.TooLarge,
			fault.NotAllowed, fault.Unknown, fault.WrongStep, fault.Mismatch,
		} {
			if !words.Has(lang, "field."+string(reason)) {
				t.Errorf("%s: field.%s is missing", lang, reason)
			}
		}
	}
}

// TestPagesHaveFiles holds that every file of a page is declared; that each
// declared page has its file is held by the start of the program.
func TestPagesHaveFiles(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for name, source := range sources(t) {
		if strings.HasSuffix(name, ".go") {
			for _, m := range regexp.MustCompile(`NewPage\[\w+\]\([\w.]+, "([^"]+)"\)`).FindAllStringSubmatch(source, -1) {
				declared[m[1]] = true
			}
		}
	}
	for _, name := range web.DeclaredPages() {
		if _, err := os.Stat("../templates/pages/" + name + ".html"); err != nil {
			t.Errorf("page %s has no file", name)
		}
	}
	root := os.DirFS("../templates/pages")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		page := strings.TrimSuffix(name, ".html")
		if err == nil && !entry.IsDir() && !declared[page] && !strings.HasPrefix(name, "design/") {
			t.Errorf("templates/pages/%s is declared by no page", name)
		}
		return err
	})
	if err != nil || len(declared) < 20 {
		t.Errorf("%d pages: %v", len(declared), err)
	}
}
