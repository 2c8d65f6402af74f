package templates_test

import (
	"bytes"
	"html/template"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"jangteo/app/i18n"
	"jangteo/app/web"
	"jangteo/static"
	"jangteo/templates"
)

// The pages are served with script-src 'self' and style-src 'self', so anything
// inline would be dead in the browser; better that it is dead here.
var inline = regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|href="javascript:`)

func TestNothingInline(t *testing.T) {
	t.Parallel()
	eachFile(t, func(name, body string) {
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s: inline %q", name, found)
		}
	})
}

func TestInlineIsSeen(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{`<p style="color:red">`, `<button onclick="x()">`, `<script>x</script>`, `<style>p{}</style>`, `<a href="javascript:x">`} {
		if !inline.MatchString(bad) {
			t.Errorf("%s is not seen", bad)
		}
	}
}

var (
	staticName = regexp.MustCompile(`\{\{\s*static "([^"]+)"`)
	iconName   = regexp.MustCompile(`template "icon" "([^"]+)"`)
	symbol     = regexp.MustCompile(`<symbol id="([^"]+)"`)
)

func TestEveryFileAndIconThatAPageNamesIsThere(t *testing.T) {
	t.Parallel()
	sprite := served(t, "img/icons.svg")
	icons := map[string]bool{}
	for _, m := range symbol.FindAllStringSubmatch(sprite, -1) {
		icons[m[1]] = true
	}
	eachFile(t, func(name, body string) {
		for _, m := range staticName.FindAllStringSubmatch(body, -1) {
			_ = static.Path(m[1]) // panics, with the name, when it is not there
		}
		for _, m := range iconName.FindAllStringSubmatch(body, -1) {
			if !icons[m[1]] {
				t.Errorf("%s: no icon %q", name, m[1])
			}
		}
	})
}

// A page's text class is what the style sheet knows: a misspelt class is a page
// that looks broken and nobody is told.
func TestEveryClassIsInTheStyles(t *testing.T) {
	t.Parallel()
	styles := served(t, "css/app.css")
	classes := regexp.MustCompile(`class="([^"]*)"`)
	action := regexp.MustCompile(`\{\{[^}]*\}\}`)
	eachFile(t, func(name, body string) {
		for _, m := range classes.FindAllStringSubmatch(action.ReplaceAllString(body, " "), -1) {
			for class := range strings.FieldsSeq(m[1]) {
				if !regexp.MustCompile(`\.` + regexp.QuoteMeta(class) + `\b`).MatchString(styles) {
					t.Errorf("%s: class %q is in no style", name, class)
				}
			}
		}
	})
}

type view struct {
	web.Frame
	Form    *web.Form
	Labels  []string
	Current int
}

func full() view {
	form := web.EmptyForm()
	form.Errors = []web.FieldError{{Field: "amount", Label: "금액", Message: "적어 주세요"}}
	return view{
		Frame: web.Frame{
			Lang: "ko", TenantName: "영등포구", Accent: 7, Person: "김영희", SignOutURL: "/out", HomeURL: "/home",
			Expires: "2026-11-22T06:04:00Z", Demo: true,
			Nav: []web.NavItem{
				{Key: "layout.brand", URL: "/a", Icon: "home", Current: true},
				{Key: "layout.nav", URL: "/b", Icon: "list"},
			},
			Flash:  &web.Notice{Kind: "success", Text: "끝났어요"},
			Notice: &web.Notice{Kind: "danger", Text: "멈췄어요", URL: "/status"},
		},
		Form:   form,
		Labels: []string{"layout.brand", "layout.nav", "layout.language"}, Current: 1,
	}
}

func TestLayouts(t *testing.T) {
	t.Parallel()
	const page = `{{define "title"}}<제목>{{end}}{{define "content"}}{{template "error-summary" .Form}}{{template "steps" .}}{{template "field-error" (pair "amount" "적어 주세요")}}{{end}}`
	for _, layout := range []string{"public", "citizen", "desk", "bare"} {
		t.Run(layout+" with everything", func(t *testing.T) {
			t.Parallel()
			out := render(t, "layout-"+layout, page, full())
			for _, want := range []string{`<html lang="ko" data-accent="7">`, `href="#amount"`, `id="amount-error"`, `aria-current="step"`, `<main id="main"`} {
				if !strings.Contains(out, want) {
					t.Errorf("no %s in:\n%s", want, out)
				}
			}
			if layout != "bare" && (!strings.Contains(out, "영등포구") || !strings.Contains(out, "멈췄어요") || !strings.Contains(out, "끝났어요")) {
				t.Errorf("the frame is not all there:\n%s", out)
			}
		})
		t.Run(layout+" with nothing", func(t *testing.T) {
			t.Parallel()
			out := render(t, "layout-"+layout, page, view{Frame: web.Frame{Lang: "en"}, Form: web.EmptyForm()})
			if strings.Contains(out, `class="critical`) || strings.Contains(out, `data-session-expires`) || strings.Contains(out, `error-summary-title`) {
				t.Errorf("an empty frame shows a message:\n%s", out)
			}
		})
	}
}

func TestLabelledByNamesAnElement(t *testing.T) {
	t.Parallel()
	out := render(t, "layout-desk", `{{define "title"}}x{{end}}{{define "content"}}{{template "error-summary" .Form}}{{end}}`, full())
	for _, m := range regexp.MustCompile(`aria-labelledby="([^"]+)"`).FindAllStringSubmatch(out, -1) {
		if !strings.Contains(out, `id="`+m[1]+`"`) {
			t.Errorf("nothing has the id %s", m[1])
		}
	}
}

func TestCatalogueRenders(t *testing.T) {
	t.Parallel()
	body, err := fs.ReadFile(templates.Files, "pages/design/catalogue.html")
	if err != nil {
		t.Fatal(err)
	}
	if out := render(t, "layout-public", string(body), full()); !strings.Contains(out, "100,000원") {
		t.Error("the wallet shows no amount")
	}
}

func render(t *testing.T, layout, page string, view any) string {
	t.Helper()
	words, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	funcs := web.Funcs(words, i18n.Korean, static.Path)
	funcs["t"] = func(key string, pairs ...any) string {
		for _, lang := range i18n.Languages {
			if !words.Has(lang, key) {
				t.Errorf("no words for %s in %s", key, lang)
			}
		}
		return words.T(i18n.Korean, key, pairs...)
	}
	set, err := template.New("").Funcs(funcs).Option("missingkey=error").ParseFS(templates.Files, "layouts/*.html", "partials/*.html")
	if err == nil {
		set, err = set.Parse(page)
	}
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := set.ExecuteTemplate(&out, layout, view); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func eachFile(t *testing.T, check func(name, body string)) {
	t.Helper()
	err := fs.WalkDir(templates.Files, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".html") {
			return err
		}
		body, err := fs.ReadFile(templates.Files, name)
		check(name, string(body))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func served(t *testing.T, name string) string {
	t.Helper()
	w := httptest.NewRecorder()
	static.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, static.Path(name), nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d", name, w.Code)
	}
	return w.Body.String()
}
