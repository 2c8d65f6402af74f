package static

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, h http.Handler, method, url, encoding string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, url, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestServing(t *testing.T) {
	t.Parallel()
	t.Run("a hashed name may be kept for ever", func(t *testing.T) {
		t.Parallel()
		res := get(t, Handler(), http.MethodGet, Path("css/app.css"), "")
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/css; charset=utf-8" ||
			!strings.Contains(res.Header.Get("Cache-Control"), "immutable") || res.Header.Get("Content-Encoding") != "" {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
	})
	t.Run("gzip is sent to who takes it, and holds the same", func(t *testing.T) {
		t.Parallel()
		plain, _ := io.ReadAll(get(t, Handler(), http.MethodGet, Path("js/app.js"), "").Body)
		res := get(t, Handler(), http.MethodGet, Path("js/app.js"), "br;q=1, gzip;q=0.5")
		if res.Header.Get("Content-Encoding") != "gzip" || res.Header.Get("Vary") != "Accept-Encoding" {
			t.Fatal(res.Header)
		}
		r, err := gzip.NewReader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if packed, _ := io.ReadAll(r); !bytes.Equal(packed, plain) {
			t.Error("packed and plain differ")
		}
	})
	t.Run("who refuses gzip gets none", func(t *testing.T) {
		t.Parallel()
		for _, accepts := range []string{"gzip;q=0", "br", "gzip; q=x", "xgzip"} {
			if res := get(t, Handler(), http.MethodGet, Path("js/app.js"), accepts); res.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s: %v", accepts, res.Header)
			}
		}
	})
	t.Run("nothing else is there", func(t *testing.T) {
		t.Parallel()
		for _, url := range []string{"/static/", "/static/css/app.css", "/static/css/tokens.css", "/static/static.go", "/static/../main.go", "/static/fonts/core.mjs", "/static/css/app.00000000.css"} {
			if res := get(t, Handler(), http.MethodGet, "http://x"+url, ""); res.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", url, res.StatusCode)
			}
		}
	})
	t.Run("it is only read", func(t *testing.T) {
		t.Parallel()
		if res := get(t, Handler(), http.MethodPost, Path("css/app.css"), ""); res.StatusCode != http.StatusMethodNotAllowed {
			t.Error(res.StatusCode)
		}
		res := get(t, Handler(), http.MethodHead, Path("css/app.css"), "")
		if body, _ := io.ReadAll(res.Body); len(body) != 0 || res.Header.Get("Content-Length") == "0" {
			t.Error(len(body), res.Header)
		}
	})
	t.Run("an unknown name is a bug", func(t *testing.T) {
		t.Parallel()
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		Path("css/nothing.css")
	})
}

func tree(change map[string]string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, part := range parts {
		files[part] = &fstest.MapFile{Data: []byte("/* why */a{}")}
	}
	for name, body := range change {
		files[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return files
}

func TestReferences(t *testing.T) {
	t.Parallel()
	body := func(lib *library, name string) string { return string(lib.byName[name].body) }
	start := map[string]string{
		"js/a.js":           `import { b } from "./b.js"; import("./c.js");`,
		"js/b.js":           `import c from "./c.js"; export const b = c;`,
		"js/c.js":           `export default 1;`,
		"css/base.css":      `x{background:url("../img/p.svg")}y{background:url(../img/p.svg)}`,
		"img/p.svg":         `<svg/>`,
		"img/m.webmanifest": `{"icons":[{"src": "./p.svg"}]}`,
		"fonts/x.woff2":     `x`,
		"js/vendor/u.js":    `export {}`,
		"js/vendor/u.txt":   `licence`,
		"css/separate.css":  `z{}`,
	}
	lib, err := load(tree(start))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("name the hashed files", func(t *testing.T) {
		t.Parallel()
		for _, want := range []string{lib.byName["js/b.js"].url, lib.byName["js/c.js"].url} {
			if !strings.Contains(body(lib, "js/a.js"), `"`+want+`"`) {
				t.Errorf("no %s in %s", want, body(lib, "js/a.js"))
			}
		}
		if got := strings.Count(body(lib, bundle), lib.byName["img/p.svg"].url); got != 2 {
			t.Errorf("%d of 2 in %s", got, body(lib, bundle))
		}
		if !strings.Contains(body(lib, "img/m.webmanifest"), lib.byName["img/p.svg"].url) {
			t.Error(body(lib, "img/m.webmanifest"))
		}
		if strings.Contains(body(lib, bundle), "why") {
			t.Error("comments are served")
		}
	})
	t.Run("a change below changes the names above", func(t *testing.T) {
		t.Parallel()
		files := tree(start)
		files["js/c.js"] = &fstest.MapFile{Data: []byte(`export default 2;`)}
		changed, err := load(files)
		if err != nil {
			t.Fatal(err)
		}
		if changed.byName["js/a.js"].url == lib.byName["js/a.js"].url {
			t.Error("a.js kept its name")
		}
		if changed.byName[bundle].url != lib.byName[bundle].url {
			t.Error("app.css changed its name")
		}
	})
	for name, files := range map[string]map[string]string{
		"a missing file is told":   {"js/a.js": `import "./none.js"`},
		"a circle is told":         {"js/a.js": `import "./b.js"`, "js/b.js": `import "./a.js"`},
		"an unknown kind is told":  {"img/x.bmp": "x"},
		"a missing part is told":   {"css/base.css": `x{background:url(../img/none.svg)}`},
		"outside the folder fails": {"js/a.js": `import "../../main.go"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := load(tree(files)); err == nil {
				t.Error("loaded")
			}
		})
	}
}

// Sizes that a slow phone feels. A citizen's page pulls the styles, app.js and
// renew.js with session.js, the icons and both core fonts: with 10 KB of page
// that must stay under 100 KB.
func TestBudget(t *testing.T) {
	t.Parallel()
	size := func(names ...string) (sum int) {
		for _, name := range names {
			a := shipped().byName[name]
			if a == nil {
				t.Fatal(name)
			}
			if a.gzipped != nil {
				sum += len(a.gzipped)
			} else {
				sum += len(a.body)
			}
		}
		return sum
	}
	if got := size("css/app.css", "css/fonts.css", "css/uplot.css"); got > 30_000 {
		t.Errorf("all styles: %d bytes compressed", got)
	}
	if got := size("css/app.css", "js/app.js", "js/renew.js", "js/session.js", "img/icons.svg", "img/mark.svg", "fonts/core-regular.woff2", "fonts/core-bold.woff2"); got > 90_000 {
		t.Errorf("a citizen's page pulls %d bytes", got)
	}
}

var (
	scope  = regexp.MustCompile(`(:root|\[data-accent="\d+"\])[^{}]*\{([^{}]*)\}`)
	token  = regexp.MustCompile(`--([a-z0-9-]+):(#[0-9a-f]{3,6})\b`)
	accent = regexp.MustCompile(`\[data-accent="(\d+)"\]`)
)

// TestContrast recomputes WCAG's contrast for every accent in both schemes.
func TestContrast(t *testing.T) {
	t.Parallel()
	source, err := fs.ReadFile(files, "css/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(source), "@media screen and (prefers-color-scheme:dark)")
	if !ok {
		t.Fatal("no dark scheme")
	}
	pairs := []struct {
		text, ground string
		min          float64
	}{
		{"ink", "bg", 7}, {"ink", "surface", 7}, {"ink", "surface-2", 7}, {"ink-2", "surface-2", 4.5}, {"ink-3", "surface-2", 4.5}, {"ink-3", "bg", 4.5},
		{"line-strong", "surface", 3}, {"line-strong", "bg", 3}, {"on-accent", "accent", 4.5}, {"on-accent", "accent-strong", 4.5},
		{"accent-ink", "accent-soft", 4.5}, {"accent-ink", "surface", 4.5}, {"accent-ink", "bg", 4.5}, {"accent-ink", "surface-2", 4.5},
		{"accent", "surface", 3}, {"ok", "ok-soft", 4.5}, {"warn", "warn-soft", 4.5}, {"bad", "bad-soft", 4.5}, {"info", "info-soft", 4.5},
		{"bad", "surface", 4.5}, {"info", "surface", 4.5}, {"on-bad", "bad-solid", 4.5}, {"bg", "info", 4.5}, {"bg", "warn", 4.5}, {"ink", "warn-soft", 7},
	}
	base := map[string]string{}
	for _, scheme := range []struct{ name, css string }{{"light", light}, {"dark", dark}} {
		accents := map[string]map[string]string{}
		for _, rule := range scope.FindAllStringSubmatch(scheme.css, -1) {
			into := base
			if n := accent.FindStringSubmatch(rule[0]); n != nil {
				into = map[string]string{}
				accents[n[1]] = into
			}
			for _, m := range token.FindAllStringSubmatch(rule[2], -1) {
				into[m[1]] = m[2]
			}
		}
		if len(accents) != 12 {
			t.Fatalf("%s: %d accents", scheme.name, len(accents))
		}
		for n, own := range accents {
			colour := func(name string) string {
				if own[name] != "" {
					return own[name]
				}
				return base[name]
			}
			for _, p := range pairs {
				if got := contrast(t, colour(p.text), colour(p.ground)); got < p.min {
					t.Errorf("%s, accent %s: %s on %s is %.2f, below %.1f", scheme.name, n, p.text, p.ground, got, p.min)
				}
			}
			if own["ticket"] != "" && contrast(t, "#ffffff", own["ticket"]) < 4.5 {
				t.Errorf("accent %s: white on its ticket is too faint", n)
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 4 {
		hex = fmt.Sprintf("#%c%c%c%c%c%c", hex[1], hex[1], hex[2], hex[2], hex[3], hex[3])
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		if len(hex) != 7 {
			t.Fatalf("no colour: %q", hex)
		}
		n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		v := float64(n) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

func TestEveryKindHasItsLicence(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fonts/LICENSE.txt", "js/vendor/uplot.LICENSE.txt"} {
		if body, err := fs.ReadFile(files, name); err != nil || len(body) < 500 {
			t.Errorf("%s: %v, %d bytes", path.Base(name), err, len(body))
		}
	}
}
