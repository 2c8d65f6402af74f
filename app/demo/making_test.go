package demo

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func (w world) showsMaking(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := Begin(l)
	ask := func(method, path string) (*http.Response, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.Addr().String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer, string(body)
	}
	answer, body := ask("GET", "/")
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Refresh") == "" || !strings.Contains(body, "장터") {
		t.Errorf("before there is an app: %d, %v, %q", answer.StatusCode, answer.Header, body)
	}
	m.Show(w.app)
	m.made()
	for _, try := range [][2]string{{"GET", "/"}, {"GET", "/office?x=1"}, {"POST", "/sign-in"}, {"DELETE", "/api/v1/me/sessions/1"}} {
		answer, body := ask(try[0], try[1])
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || answer.Header.Get("Refresh") == "" {
			t.Errorf("%s %s: %d, %v", try[0], try[1], answer.StatusCode, answer.Header)
		}
		if !strings.Contains(body, `aria-current="step"><span>가맹점`) {
			t.Errorf("%s %s does not say that shops are being made:\n%s", try[0], try[1], body)
		}
	}
	if answer, _ := ask("GET", "/static/none.css"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("what pages are drawn with is not the app's: %d", answer.StatusCode)
	}
	if err := m.Done(); err != nil {
		t.Error(err)
	}
	again, err := new(net.ListenConfig).Listen(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Errorf("the address was not let go of: %v", err)
		return
	}
	_ = again.Close()
}
