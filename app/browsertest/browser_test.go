package browsertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	phone = 360
	desk  = 1280

	patience = time.Minute // with any one step, on a busy machine
)

// axe is the accessibility checker of Deque Systems, unchanged.
//
//go:embed testdata/axe.min.js
var axe string

var (
	screens   = flag.String("screens", "", "a folder for pictures of every page; without it they go where -artifacts says")
	sixDigits = regexp.MustCompile(`\b\d{6}\b`)
)

var browser context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(withBrowser(m.Run))
}

func withBrowser(run func() int) int {
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, // the only pages it meets are our own
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("accept-lang", "ko-KR"), chromedp.Env("LANGUAGE=ko"),
	)...)
	defer stop()
	var end context.CancelFunc
	browser, end = chromedp.NewContext(allocator) //nolint:fatcontext // the one browser of all tests
	defer end()
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintln(os.Stderr, "Chromium does not start:", err)
		return 1
	}
	return run()
}

// screen is one browser of its own (cookies, keys), at one width, before one
// person.
type screen struct {
	t     *testing.T
	ctx   context.Context
	url   string // of the program
	width int
	who   string
	shots string

	mu       sync.Mutex
	troubles []string // what the console said since it was last asked
	allowed  string   // what it may say: "" is nothing
	pictures int
}

// open gives a person a browser in which nobody has been.
func (h *house) open(t *testing.T, who string, width int) *screen {
	t.Helper()
	s := &screen{t: t, url: h.url, width: width, who: who, shots: *screens}
	if s.shots == "" {
		s.shots = t.ArtifactDir()
	} else {
		must(t, os.MkdirAll(s.shots, 0o755))
	}
	var end context.CancelFunc
	s.ctx, end = chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(s.heard))
	t.Cleanup(end)
	must(t, chromedp.Do(s.ctx))                                                                          // the window lives as long as the context of its first step
	call(s, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}) // as if no other window were open
	s.do(s.size(width))
	return s
}

// heard keeps what a person with an open console would see in red.
func (s *screen) heard(event any) {
	var said string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		said = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			said += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.ConsoleAPICalledTypeError && e.Type != runtime.ConsoleAPICalledTypeWarning {
			return
		}
		for _, arg := range e.Args {
			said += string(arg.Value) + arg.Description + " " //nolint:perfsprint // a handful of words
		}
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError && e.Entry.Level != log.EntryLevelWarning {
			return
		}
		said = e.Entry.Text + " " + e.Entry.URL
	default:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.allowed == "" || !strings.Contains(said, s.allowed) {
		s.troubles = append(s.troubles, said)
	}
}

func (s *screen) size(width int) chromedp.Action[chromedp.Void] {
	if width == phone {
		return chromedp.EmulateViewport(phone, 740, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	return chromedp.EmulateViewport(int64(width), 800)
}

// do carries out steps, or fails the test and shows what the person sees.
func (s *screen) do(steps ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		s.fail("%v", err)
	}
}

// run carries out one step that has a result.
func run[T any](s *screen, step chromedp.Action[T]) T {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, step)
	if err != nil {
		s.fail("%v", err)
	}
	return value
}

// call gives the browser one command of its protocol.
func call[P, R any](s *screen, command cdp.Command[P, R], params P) R {
	s.t.Helper()
	return run(s, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) })
}

// ask evaluates an expression in the page.
func ask[T any](s *screen, expression string) T {
	s.t.Helper()
	return run(s, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

func (s *screen) fail(format string, args ...any) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
	defer cancel()
	shown, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.pathname + "\n" + document.body.innerText`))
	if picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil {
		_ = os.WriteFile(filepath.Join(s.shots, "failed-"+slug(s.t.Name()+"-"+s.who)+".png"), picture, 0o600)
	}
	s.t.Fatalf("%s at %d px: %s\nthe page shows %s", s.who, s.width, fmt.Sprintf(format, args...), shown)
}

// goTo opens an address of the program and waits until it is shown.
func (s *screen) goTo(path string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, chromedp.Navigate(s.url+path))
	s.arrived(answer, err, path)
}

// press clicks what a selector finds, as a finger would, and waits for the next
// page. What lies under something else cannot be pressed.
func (s *screen) press(selector string) {
	s.t.Helper()
	s.reach(selector)
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, click(selector))
	s.arrived(answer, err, selector)
}

// click presses what is there. News may replace it by its like between finding
// and pressing, as on the page of a card that asks: then nothing was pressed yet.
func click(selector string) chromedp.Action[chromedp.Void] {
	once := chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		for {
			done, err := once(ctx, t)
			if err == nil || !strings.Contains(err.Error(), "node with given id") || ctx.Err() != nil {
				return done, err
			}
		}
	}
}

// tap clicks what stays on the page.
func (s *screen) tap(selector string) {
	s.t.Helper()
	s.reach(selector)
	s.do(click(selector))
}

// reach makes sure that a finger on the middle of a thing touches that thing.
func (s *screen) reach(selector string) {
	s.t.Helper()
	touched := ask[string](s, fmt.Sprintf(`(() => {
		const it = document.querySelector(%q);
		if (!it) return "is not there";
		it.scrollIntoView({block: "center", behavior: "instant"});
		const box = it.getBoundingClientRect();
		const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
		return top && (it.contains(top) || top.contains(it)) ? "" : "lies under " + (top ? top.outerHTML.slice(0, 200) : "nothing");
	})()`, selector))
	if touched != "" {
		s.fail("%s %s", selector, touched)
	}
}

func (s *screen) arrived(answer *network.Response, err error, what string) {
	s.t.Helper()
	switch {
	case err != nil:
		s.fail("%s: %v", what, err)
	case answer == nil:
		s.fail("%s: no answer", what)
	case answer.Status >= 400 && !strings.Contains(s.allowed, fmt.Sprint(answer.Status)):
		s.fail("%s answers %d", what, answer.Status)
	}
}

// fill types into fields, given as name and text in turn.
func (s *screen) fill(namesAndTexts ...string) {
	s.t.Helper()
	for i := 0; i < len(namesAndTexts); i += 2 {
		field := chromedp.CSS(`main [name="` + namesAndTexts[i] + `"]:not([type="hidden"])`)
		if tag := run(s, chromedp.JavascriptAttribute[string](field, "tagName")); tag == "SELECT" {
			s.do(chromedp.SetValue(field, namesAndTexts[i+1]))
			continue
		}
		s.do(evaluate(fmt.Sprintf(`document.querySelector(%q).value = ""`, string(field))), chromedp.SendKeys(field, namesAndTexts[i+1]))
	}
}

// sees fails unless every text is on the page.
func (s *screen) sees(texts ...string) {
	s.t.Helper()
	shown := ask[string](s, `document.querySelector("main").innerText`)
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			s.fail("%q is not shown", text)
		}
	}
}

func (s *screen) path() string {
	s.t.Helper()
	return ask[string](s, `location.pathname`)
}

// href is where the first link leads that a selector finds.
func (s *screen) href(selector string) string {
	s.t.Helper()
	return ask[string](s, fmt.Sprintf(`document.querySelector(%q).getAttribute("href")`, selector))
}

// look holds the page to what holds for every page, and takes its picture.
func (s *screen) look(name string) {
	s.t.Helper()
	s.glance(name)
	for _, violation := range s.violations(wholeOfAxe) {
		s.t.Errorf("%s at %d px, page %s: %s", s.who, s.width, name, violation)
	}
	s.quiet(name)
}

// glance is look without axe.
func (s *screen) glance(name string) {
	s.t.Helper()
	s.settle()
	s.picture(name)
	for _, trouble := range s.shape() {
		s.t.Errorf("%s at %d px, page %s: %s", s.who, s.width, name, trouble)
	}
	s.quiet(name)
}

// quiet fails for what the console said since it was last asked.
func (s *screen) quiet(name string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, said := range s.troubles {
		s.t.Errorf("%s at %d px, page %s: the console says %s", s.who, s.width, name, said)
	}
	s.troubles = nil
}

// expecting lets the console speak of an answer that the test provokes.
func (s *screen) expecting(allowed string, provoke func()) {
	s.t.Helper()
	s.mu.Lock()
	s.allowed = allowed
	s.mu.Unlock()
	provoke()
	s.mu.Lock()
	s.allowed = ""
	s.mu.Unlock()
}

// settle waits until fonts and pictures are there, so that what is measured
// is what people see.
func (s *screen) settle() {
	s.t.Helper()
	ask[bool](s, `document.fonts.ready.then(() => Promise.all([...document.images].map((i) => i.decode().catch(() => {})))).then(() => true)`)
}

// shape tells what is wrong with the frame of a page.
func (s *screen) shape() []string {
	s.t.Helper()
	return ask[[]string](s, `(() => {
		const wrong = [], root = document.documentElement;
		if (root.scrollWidth > root.clientWidth) {
			const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1);
			wrong.push("is " + root.scrollWidth + " px wide: " + wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(" … "));
		}
		if (!["ko", "en"].includes(root.lang)) wrong.push("names no language: " + root.lang);
		if (!document.title.trim() || document.title.trim().startsWith("·")) wrong.push("has no title");
		const shown = document.body.innerText;
		for (const bad of shown.match(/\b[a-z_-]+(\.[a-z0-9_-]+){2,}\b/g) ?? []) if (!/@|\d\.\d|www|http/.test(bad)) wrong.push("shows a key: " + bad);
		for (const bad of ["<no value>", "%!", "undefined", "NaN", "{{"]) if (shown.includes(bad)) wrong.push("shows " + bad);
		for (const field of document.querySelectorAll(".amount-input")) {
			const input = field.querySelector("input"), room = input.getBoundingClientRect().right - parseFloat(getComputedStyle(input).paddingRight);
			if (field.querySelector(".suffix").getBoundingClientRect().left < room) wrong.push("has the unit over its amount");
			if (input.scrollWidth > input.clientWidth) wrong.push("has an amount wider than its field: " + input.value);
		}
		if (document.body.classList.contains("bare")) return wrong;
		const skip = document.querySelector("a"), before = document.activeElement;
		skip.focus();
		const box = skip.getBoundingClientRect();
		if (skip.getAttribute("href") !== "#main" || !document.getElementById("main")) wrong.push("has no skip link to its main part first");
		else if (document.activeElement !== skip || box.bottom < 0 || box.width < 2) wrong.push("has a skip link that cannot be seen when it has the focus");
		skip.blur();
		if (before instanceof HTMLElement) before.focus({preventScroll: true});
		return wrong;
	})()`)
}

const (
	wholeOfAxe = `{runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"]}`
	// In the other colours only the colours are new.
	contrastOfAxe = `{runOnly: {type: "rule", values: ["color-contrast"]}, resultTypes: ["violations"]}`
)

// violations asks axe.
func (s *screen) violations(options string) (list []string) {
	s.t.Helper()
	if !ask[bool](s, `Boolean(window.axe)`) {
		s.do(chromedp.Evaluate[chromedp.Void](axe))
	}
	found := ask[string](s, `axe.run(document, `+options+`).then((r) => JSON.stringify(r.violations.map((v) => ({
		id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " (" + n.failureSummary.replace(/\s+/g, " ").slice(0, 300) + ")")}))))`)
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	must(s.t, json.Unmarshal([]byte(found), &violations))
	for _, v := range violations {
		list = append(list, fmt.Sprintf("axe: %s (%s): %s", v.ID, v.Help, strings.Join(v.Nodes, "; ")))
	}
	return list
}

// picture keeps the whole page as a file.
func (s *screen) picture(name string) {
	s.t.Helper()
	s.pictures++
	file := fmt.Sprintf("%s-%d-%02d-%s.png", slug(s.who), s.width, s.pictures, slug(name))
	must(s.t, os.WriteFile(filepath.Join(s.shots, file), s.shot(), 0o600))
}

// shot is the whole page as PNG.
func (s *screen) shot() []byte {
	s.t.Helper()
	height := ask[float64](s, `Math.min(document.documentElement.scrollHeight, 6000)`)
	beyond := true
	return call(s, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: float64(s.width), Height: height, Scale: 1},
	}).Data
}

// dark turns the lights off, or on again.
func (s *screen) dark(on bool) {
	s.t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	call(s, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	// Colours fade over, and in what is folded away they wait for ever.
	ask[bool](s, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
		.then(() => document.getAnimations().forEach((a) => a instanceof CSSTransition && a.finish())).then(() => true)`)
}

func slug(text string) string {
	return strings.Trim(regexp.MustCompile(`[^\p{L}\p{N}]+`).ReplaceAllString(text, "-"), "-")
}

func evaluate(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](expression)
}

func waitIn(ctx context.Context, limit time.Duration, condition string) error {
	return chromedp.Do(ctx, chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(limit)))
}
