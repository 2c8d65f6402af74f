package web

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRepeatedNamesAreRefused(t *testing.T) {
	t.Parallel()
	for body, field := range map[string]string{
		`{"a":1,"a":2}`: "a",
		`{"a":1,"b":{"c":1,"d":[{"e":1},{"e":1,"f":":","e":2}]}}`: "b.d[1].e",
		`{"a":1,"\u0061":2}`:                    "a",
		`{"a":{"b":1},"a":{"b":1}}`:             "a",
		`[{"a":1},{"a":1,"a":1}]`:               "[1].a",
		`{"":1,"":2}`:                           "",
		`{"a:":1,"a\":":2,"a\\":3,"b":"\\\":"}`: "-",
		`{"a":[1,2,{"b":"{\"a\":1,\"a\":2}"}]}`: "-",
		`{}`:                                    "-",
		`"a:b"`:                                 "-",
	} {
		var v any
		err := strictJSON([]byte(body), &v)
		switch {
		case field == "-" && err != nil, field != "-" && (err == nil || err.Error() != repeatedProperty+field):
			t.Errorf("%s: %v, want %s", body, err, field)
		}
	}
}

// Whatever passes is sound JSON in which no name stands twice.
func FuzzStrictJSON(f *testing.F) {
	for _, body := range []string{
		`{"merchant_id":"0191d3a8-4c1e-7c3a-9a3e-0a2b3c4d5e6f","amount":1000}`, `{"amount":1,"amount":2}`, `{"amount":1,"\u0061mount":2}`,
		`{"a":{"b":[{"c":1,"c":2}]}}`, `{"a":"\":","b":":"}`, `{"\ud800":1,"\udfff":2}`, `[]`, `{"":{"":1}}`, "{\"a\":1}\n{}", `{"a":"\u0000"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v any
		if err := strictJSON(body, &v); err != nil {
			if name, ok := strings.CutPrefix(err.Error(), repeatedProperty); ok && len(name) > len(body) {
				t.Errorf("%q: a name longer than the text: %q", body, name)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q passed", body)
		}
		read := json.NewDecoder(strings.NewReader(string(body)))
		if name := repeated(read, ""); name != "" {
			t.Fatalf("%q passed with %q twice", body, name)
		}
	})
}

// A place to go to afterwards stays on this site.
func FuzzLocalPath(f *testing.F) {
	for _, path := range []string{"/wallets?x=1", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: x", "javascript:alert(1)", "", "/%2f/evil.example", "/\t/evil.example"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := LocalPath(path, "/")
		if got != "/" && (got != path || got[0] != '/' || len(got) > 1 && (got[1] == '/' || got[1] == '\\') || strings.ContainsAny(got, "\\\r\n\t")) {
			t.Fatalf("%q leads to %q", path, got)
		}
	})
}
