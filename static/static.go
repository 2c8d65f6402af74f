// Package static holds what browsers fetch beside the pages: styles, modules,
// pictures and fonts, embedded in the program.
//
// Every file is served under a name that carries a hash of its content, so a
// browser may keep it for ever and never shows an old style on a new page.
// References between files (url() in styles, imports in modules, icons in the manifest) are rewritten
// to the hashed names when the program starts.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed css js img fonts/*.woff2 fonts/*.txt fonts/dynamic
var files embed.FS

// Prefix is where Handler expects to be mounted.
const Prefix = "/static/"

// parts are written apart to be read, and served as css/app.css in this order.
var parts = []string{"css/tokens.css", "css/base.css", "css/components.css", "css/faces.css", "css/print.css"}

const bundle = "css/app.css"

var kinds = map[string]string{
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".webmanifest": "application/manifest+json",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".png":         "image/png",
	".ico":         "image/x-icon",
	".woff2":       "font/woff2",
}

type asset struct {
	url     string
	kind    string
	body    []byte
	gzipped []byte // nil when compressing gains nothing
}

var shipped = sync.OnceValue(func() *library {
	lib, err := load(files)
	if err != nil {
		panic(err)
	}
	return lib
})

// Path is the address of a file, by its name in this folder: Path("css/app.css")
// is "/static/css/app.0a1b2c3d.css". An unknown name is a bug, and panics.
func Path(name string) string {
	a, ok := shipped().byName[name]
	if !ok {
		panic(fmt.Sprintf("static: no file %q", name))
	}
	return a.url
}

// Handler serves the files under Prefix by their hashed names, and nothing else.
func Handler() http.Handler { return shipped() }

// library is the loaded folder; it does not change after load.
type library struct {
	byName map[string]*asset
	byURL  map[string]*asset
}

func load(fsys fs.FS) (*library, error) {
	l := loader{fsys: fsys, lib: &library{map[string]*asset{}, map[string]*asset{}}}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.Contains(parts, name) {
			return err
		}
		_, err = l.asset(name)
		return err
	})
	if err == nil {
		_, err = l.asset(bundle)
	}
	return l.lib, err
}

type loader struct {
	fsys fs.FS
	lib  *library
	open []string // names being loaded, to tell a circle of references
}

// asset loads a file after everything that it refers to, since its own hash
// depends on their names.
func (l *loader) asset(name string) (*asset, error) {
	if a, ok := l.lib.byName[name]; ok {
		return a, nil
	}
	if slices.Contains(l.open, name) {
		return nil, fmt.Errorf("static: %s refers to itself through %s", name, strings.Join(l.open, " > "))
	}
	l.open = append(l.open, name)
	defer func() { l.open = l.open[:len(l.open)-1] }()

	kind, ok := kinds[path.Ext(name)]
	if !ok {
		return nil, fmt.Errorf("static: %s: no content type for its ending", name)
	}
	body, err := l.read(name)
	if err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	if body, err = l.rewrite(name, body); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	a := &asset{
		url:  Prefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:4]) + ext,
		kind: kind, body: body, gzipped: compress(ext, body),
	}
	l.lib.byName[name], l.lib.byURL[a.url] = a, a
	return a, nil
}

func (l *loader) read(name string) ([]byte, error) {
	if name != bundle {
		return fs.ReadFile(l.fsys, name)
	}
	var whole []byte
	for _, part := range parts {
		body, err := fs.ReadFile(l.fsys, part)
		if err != nil {
			return nil, err
		}
		whole = append(append(whole, body...), '\n')
	}
	return comment.ReplaceAll(whole, nil), nil
}

var (
	comment     = regexp.MustCompile(`(?s)/\*.*?\*/\n?`)
	styleRef    = regexp.MustCompile(`url\("?(\.{1,2}/[^")]+)"?\)`)
	moduleRef   = regexp.MustCompile(`(?:from|import)\s*\(?\s*"(\.{1,2}/[^"]+)"`)
	manifestRef = regexp.MustCompile(`"src":\s*"(\.{1,2}/[^"]+)"`)

	refs = map[string]*regexp.Regexp{".css": styleRef, ".js": moduleRef, ".webmanifest": manifestRef}
)

// rewrite puts hashed names in the place of relative ones.
func (l *loader) rewrite(name string, body []byte) ([]byte, error) {
	pattern := refs[path.Ext(name)]
	if pattern == nil {
		return body, nil
	}
	var out bytes.Buffer
	last := 0
	for _, m := range pattern.FindAllSubmatchIndex(body, -1) {
		target, err := l.asset(path.Join(path.Dir(name), string(body[m[2]:m[3]])))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out.Write(body[last:m[2]])
		out.WriteString(target.url)
		last = m[3]
	}
	out.Write(body[last:])
	return out.Bytes(), nil
}

// compress returns nil for what is packed already.
func compress(ext string, body []byte) []byte {
	if ext == ".woff2" || ext == ".png" || ext == ".ico" {
		return nil
	}
	var out bytes.Buffer
	// Writing to memory at a level that exists cannot fail.
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	_, _ = w.Write(body)
	_ = w.Close()
	if out.Len() >= len(body) {
		return nil
	}
	return out.Bytes()
}

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	a, ok := l.byURL[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	body, header := a.body, w.Header()
	header.Set("Content-Type", a.kind)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("X-Content-Type-Options", "nosniff")
	if a.gzipped != nil {
		header.Set("Vary", "Accept-Encoding")
		if takesGzip(r) {
			header.Set("Content-Encoding", "gzip")
			body = a.gzipped
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the browser may have gone
	}
}

func takesGzip(r *http.Request) bool {
	for _, offer := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(offer), ";")
		if strings.TrimSpace(name) != "gzip" {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q="), 64)
		return weight == "" || (err == nil && q > 0)
	}
	return false
}
