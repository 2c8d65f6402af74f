package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/crypt"
	"jangteo/app/db"
	"jangteo/app/testkit"
)

// No text but a token that was minted here says who somebody is, whichever of
// its parts, or those of another, it was put together from.
func FuzzVerify(f *testing.F) {
	clock := testkit.NewClock()
	d, err := db.Open(f.Context(), db.Options{URL: testkit.FreshDatabase(f), MaxConnections: 4, Name: "test"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = d.Close() })
	box, err := crypt.Open(f.Context(), d, testkit.MasterKey, clock.Now)
	if err != nil {
		f.Fatal(err)
	}
	tokens, err := auth.OpenTokens(f.Context(), d, box, config, clock.Now)
	if err != nil {
		f.Fatal(err)
	}
	minted := map[string]uuid.UUID{}
	var one, other string
	for _, into := range []*string{&one, &other} {
		c := claims()
		if *into, _, err = tokens.Mint(c); err != nil {
			f.Fatal(err)
		}
		minted[*into] = c.Citizen
	}
	parts := strings.Split(one, ".")
	for _, seed := range []string{one, other, "", ".", "..", parts[0] + ".." + parts[2], parts[0] + "." + parts[1] + ".", strings.Join(parts, "..")} {
		f.Add(seed, uint8(0))
	}
	f.Add("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0", uint8(1))
	f.Add("eyJzdWIiOiIwIn0", uint8(2))
	f.Add("AAAA", uint8(3))
	f.Fuzz(func(t *testing.T, text string, part uint8) {
		token := text
		if part %= 4; part > 0 { // in the place of one part of a good token
			put := append([]string(nil), parts...)
			put[part-1] = text
			token = strings.Join(put, ".")
		}
		said, err := tokens.Verify(token)
		citizen, ours := minted[token]
		switch {
		case ours && (err != nil || said.Citizen != citizen):
			t.Fatalf("%q: %+v, %v", token, said, err)
		case !ours && (!errors.Is(err, auth.ErrToken) || said != (auth.Claims{})):
			t.Fatalf("%q passed as %+v, %v", token, said, err)
		}
	})
}
