package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

func leavesUpTo(n int) []Hash {
	leaves := make([]Hash, n)
	for i := range leaves {
		leaves[i] = sha256.Sum256([]byte{leafPrefix, byte(i), byte(i >> 8)})
	}
	return leaves
}

// plainRoot is the definition of RFC 6962, word for word.
func plainRoot(leaves []Hash) Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	return hashNode(plainRoot(leaves[:k]), plainRoot(leaves[k:]))
}

// The vectors of the Certificate Transparency project's own tests.
func TestTreeOfKnownLeaves(t *testing.T) {
	t.Parallel()
	inputs := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var grown tree
	if grown.root().String() != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error("the root of nothing is not the hash of nothing")
	}
	for i, input := range inputs {
		raw, err := hex.DecodeString(input)
		if err != nil {
			t.Fatal(err)
		}
		grown.add(sha256.Sum256(append([]byte{leafPrefix}, raw...)))
		if got := grown.root().String(); got != roots[i] {
			t.Errorf("%d leaves have root %s, want %s", i+1, got, roots[i])
		}
	}
}

func TestTreesOfEverySize(t *testing.T) {
	t.Parallel()
	var grown tree
	for size := 0; size <= 70; size++ {
		leaves := leavesUpTo(size)
		if size > 0 {
			grown.add(leaves[size-1])
		}
		root := plainRoot(leaves)
		if grown.root() != root || RootOf(leaves) != root {
			t.Fatalf("the tree of %d leaves has another root than its definition", size)
		}
		for _, part := range []int{1, 2, 8, 64} { // roots of parts stand for their leaves
			var roots []Hash
			for from := 0; from < size; from += part {
				roots = append(roots, RootOf(leaves[from:min(from+part, size)]))
			}
			if RootOf(roots) != root {
				t.Fatalf("%d leaves in parts of %d have another root", size, part)
			}
		}
		for index := range leaves {
			path := pathOf(leaves, index)
			if !Leads(leaves[index], uint64(index), uint64(size), path, root) {
				t.Fatalf("leaf %d of %d is not proved", index, size)
			}
			for other := range size + 2 {
				if other != index && Leads(leaves[index], uint64(other), uint64(size), path, root) {
					t.Fatalf("leaf %d of %d is proved at %d", index, size, other)
				}
			}
			if Leads(leaves[index], uint64(index), uint64(size), append(path, root), root) {
				t.Fatalf("leaf %d of %d is proved by too long a path", index, size)
			}
			if len(path) > 0 && Leads(leaves[index], uint64(index), uint64(size), path[:len(path)-1], root) {
				t.Fatalf("leaf %d of %d is proved by too short a path", index, size)
			}
			for i := range path {
				path[i][0] ^= 1
				if Leads(leaves[index], uint64(index), uint64(size), path, root) {
					t.Fatalf("leaf %d of %d is proved by a changed path", index, size)
				}
				path[i][0] ^= 1
			}
		}
	}
}

func TestTreeProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 5000).Draw(t, "size")
		index := rapid.IntRange(0, size-1).Draw(t, "index")
		leaves := leavesUpTo(size)
		root, path := RootOf(leaves), pathOf(leaves, index)
		if !Leads(leaves[index], uint64(index), uint64(size), path, root) {
			t.Fatal("not proved")
		}
		if other := rapid.IntRange(0, size-1).Draw(t, "other"); other != index && Leads(leaves[other], uint64(index), uint64(size), path, root) {
			t.Fatal("another leaf is proved in its place")
		}
	})
}

func FuzzHash(f *testing.F) {
	f.Add("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	f.Add("E3")
	f.Fuzz(func(t *testing.T, text string) {
		var h Hash
		if h.UnmarshalText([]byte(text)) == nil && h.String() != text {
			t.Errorf("%q was read as %s", text, h)
		}
	})
}
