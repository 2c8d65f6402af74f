package idem

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// A key is what one may print without spaces, and belongs to its sender: no
// other text and no other sender has the same.
func FuzzNew(f *testing.F) {
	sender, other := uuid.MustParse("01890000-0000-7000-8000-000000000001"), uuid.MustParse("01890000-0000-7000-8000-000000000002")
	for _, key := range []string{"", "k", "0191d3a8-4c1e-7c3a-9a3e-0a2b3c4d5e6f", "a b", "é", "a\x00", "\x7f", strings.Repeat("k", 128), strings.Repeat("k", 129)} {
		f.Add(key, "pay", "1000")
	}
	f.Fuzz(func(t *testing.T, text, operation, input string) {
		key, err := New(sender, text, operation, input)
		plain := strings.IndexFunc(text, func(r rune) bool { return r < '!' || r > '~' }) < 0
		switch {
		case text == "":
			if !errors.Is(err, ErrKeyMissing) {
				t.Fatalf("no key: %v", err)
			}
			return
		case len(text) > 128 || !plain:
			if !errors.Is(err, ErrKeyInvalid) || key != (Key{}) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		case err != nil:
			t.Fatalf("%q: %v", text, err)
		}
		same, err1 := New(sender, text, operation, input)
		theirs, err2 := New(other, text, operation, input)
		longer, err3 := New(sender, text[:len(text)-1]+"~~", operation, input)
		changed, err4 := New(sender, text, operation+"!", input)
		if err := errors.Join(err1, err2, err4); err != nil || err3 != nil && len(text) < 128 {
			t.Fatal(err, err3)
		}
		if same != key || theirs.ID == key.ID || longer.ID == key.ID || changed.ID != key.ID || changed.Digest == key.Digest {
			t.Fatalf("%q of %q: %v %v %v %v %v", text, input, key, same, theirs, longer, changed)
		}
	})
}
