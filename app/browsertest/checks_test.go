package browsertest

import (
	"slices"
	"strings"
	"testing"
)

// A check that finds nothing anywhere may only be blind: here is one of each fault.
func TestTheChecksSeeFaults(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.open(t, "saboteur", phone)
	s.goTo("/sign-in")
	s.look("before the faults")
	s.do(evaluate(`
		const wide = document.createElement("p"), picture = document.createElement("img");
		wide.style.width = "900px";
		wide.textContent = "wide";
		picture.src = "/static/no-such.png";
		const key = document.createElement("p");
		key.textContent = "some.key.forgotten";
		document.querySelector("main").append(wide, key, picture);
		document.querySelector(".skip").remove();
		document.documentElement.lang = "";
		console.error("planted");
		const inline = document.createElement("script");
		inline.textContent = "1";
		document.body.append(inline);`))
	s.waitFor(patience, `document.querySelector("main img").complete`)
	shape, axe := strings.Join(s.shape(), "\n"), strings.Join(s.violations(wholeOfAxe), "\n")
	s.mu.Lock()
	console := slices.Clone(s.troubles)
	s.troubles = nil
	s.mu.Unlock()
	for check, found := range map[string]bool{
		"a page that is too wide":  strings.Contains(shape, "px wide"),
		"a key instead of words":   strings.Contains(shape, "some.key.forgotten"),
		"a missing skip link":      strings.Contains(shape, "skip link"),
		"a missing language":       strings.Contains(shape, "language") && strings.Contains(axe, "html-has-lang"),
		"a picture without words":  strings.Contains(axe, "image-alt"),
		"an error in the console":  slices.ContainsFunc(console, func(said string) bool { return strings.Contains(said, "planted") }),
		"a breach of the policy":   slices.ContainsFunc(console, func(said string) bool { return strings.Contains(said, "Content Security Policy") }),
		"a file that is not there": slices.ContainsFunc(console, func(said string) bool { return strings.Contains(said, "404") }),
	} {
		if !found {
			t.Errorf("%s is not seen; shape: %s; axe: %s; console: %v", check, shape, axe, console)
		}
	}
}
