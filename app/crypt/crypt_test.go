package crypt

import (
	"bytes"
	"errors"
	"testing"
)

func box(t *testing.T, fields ...byte) *Box {
	t.Helper()
	var keys []byte
	for _, f := range fields {
		keys = append(keys, bytes.Repeat([]byte{f}, keySize)...)
	}
	b, err := newBox(keys, bytes.Repeat([]byte{9}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func seal(t *testing.T, b *Box, plain, place string) []byte {
	t.Helper()
	sealed, err := b.Seal(plain, place)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealedTextOpensOnlyInItsPlace(t *testing.T) {
	b := box(t, 1)
	const place = "citizens.phone/1"
	sealed := seal(t, b, "010-1234-5678", place)
	if bytes.Contains(sealed, []byte("1234")) {
		t.Error("the text can be read")
	}
	if bytes.Equal(sealed, seal(t, b, "010-1234-5678", place)) {
		t.Error("sealing twice gives the same")
	}
	if plain, err := b.Open(sealed, place); err != nil || plain != "010-1234-5678" {
		t.Errorf("opens as %q, %v", plain, err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, try := range map[string]struct {
		sealed []byte
		place  string
		box    *Box
	}{
		"moved":             {sealed, "citizens.phone/2", b},
		"changed":           {changed, place, b},
		"cut":               {sealed[:8], place, b},
		"empty":             {nil, place, b},
		"of an unknown key": {append([]byte{7}, sealed[1:]...), place, b},
		"another's key":     {sealed, place, box(t, 2)},
	} {
		if _, err := try.box.Open(try.sealed, try.place); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOlderKeysGoOnOpening(t *testing.T) {
	old, rotated := box(t, 1), box(t, 1, 2)
	if plain, err := rotated.Open(seal(t, old, "before", "x"), "x"); err != nil || plain != "before" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := old.Open(seal(t, rotated, "after", "x"), "x"); !errors.Is(err, ErrSealed) {
		t.Errorf("the old key opens what the new one sealed: %v", err)
	}
}

func TestIndexesOfEqualValuesAreEqualInOneField(t *testing.T) {
	b := box(t, 1)
	of := func(field, value string) string {
		index, err := b.Index(field, value)
		if err != nil || len(index) != 16 {
			t.Fatalf("%x, %v", index, err)
		}
		return string(index)
	}
	again := of("phone", "1")
	if of("phone", "1") != again || of("phone", "1") == of("phone", "2") || of("phone", "1") == of("ci", "1") {
		t.Error("an index says too little or too much")
	}
}

func TestKeysetsMustFit(t *testing.T) {
	for _, size := range []int{0, 1, keySize - 1, keySize + 1} {
		if _, err := newBox(make([]byte, size), make([]byte, keySize)); !errors.Is(err, ErrMasterKey) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}
