package app_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
)

type object = map[string]any

// An address that knocks too often waits, whatever it tries; who is there and
// who is not are refused alike, first and last.
func TestFloods(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	member := h.login(t, kim)
	const most = 12
	proof := func(device string) object {
		return object{"device_id": device, "challenge": strings.Repeat("c", 43), "signature": strings.Repeat("s", 86)}
	}
	login := func(name string) object { return object{"login": name, "password": "wrong-password-1"} }
	for path, tries := range map[string]struct {
		there, not object
		open       int // statuses of what is let through, in turn
	}{
		"/sessions/challenges": {object{"device_id": member.device}, object{"device_id": uuid.NewString()}, 201},
		"/sessions/resume":     {proof(member.device), proof(uuid.NewString()), 401},
		"/merchant/sessions":   {login("owner11560"), login("nobody11560"), 401},
	} {
		t.Run(path, func(t *testing.T) {
			var seen [2][]string
			for i, body := range []object{tries.there, tries.not} {
				few := *h
				few.cfg.Limits.KnocksPerAddress = most // a server that has not heard of this address
				stranger := few.another(t).client(t)
				for n := range most + 3 {
					a := stranger.do("POST", path, body)
					seen[i] = append(seen[i], strconv.Itoa(a.status)+" "+a.text("code"))
					if n >= most {
						a.refused(429, "too-many-requests")
						if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
							t.Errorf("come back after %q seconds", a.header.Get("Retry-After"))
						}
					} else if n == 0 {
						a.want(tries.open)
					}
				}
			}
			if there, not := strings.Join(seen[0], ", "), strings.Join(seen[1], ", "); there != not {
				t.Errorf("what is there tells itself:\n%s\n%s", there, not)
			}
		})
	}
	t.Run("pages are held to it too, and who is in goes on", func(t *testing.T) {
		few := *h
		few.cfg.Limits.KnocksPerAddress = most
		server := few.another(t)
		stranger := server.client(t)
		form := []string{"Content-Type", "application/x-www-form-urlencoded", "Origin", server.base, "Accept", "text/html"}
		for range most {
			if a := stranger.send("POST", "/sign-in", strings.NewReader("name=x"), form...); a.status == 429 {
				t.Fatalf("refused too soon: %s", clip(a.raw))
			}
		}
		for _, path := range []string{"/sign-in", "/sign-in/code", "/office/sign-in", "/shop/sign-in", "/office/sign-in/passkey/ask", "/my/session/refresh", "/my/session/resume"} {
			if a := stranger.send("POST", path, strings.NewReader("x=y"), form...); a.status != 429 || a.header.Get("Retry-After") == "" {
				t.Errorf("%s answered %d, Retry-After %q", path, a.status, a.header.Get("Retry-After"))
			}
		}
		if a := stranger.send("GET", "/sign-in", nil); a.status != 200 {
			t.Errorf("looking at the form: %d", a.status)
		}
		member.through(server).do("GET", "/me", nil).want(200)
	})
}
