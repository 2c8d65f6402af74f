package tenant

import "testing"

// A municipality's code has one form.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"11560", "01156", "115600", "-1156", "+1156", "1156", "", "１１５６０", "11560 ", "0x2d28", "1_560"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := Parse(text)
		if (err == nil) != (id != Platform) || err == nil && id.String() != text {
			t.Fatalf("%q was read as %d, %v", text, id, err)
		}
	})
}
