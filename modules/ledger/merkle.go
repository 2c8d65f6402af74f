package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/bits"
)

// Hash is a SHA-256, written in hexadecimal.
type Hash [sha256.Size]byte

var errHash = errors.New("ledger: not a hash of 64 hexadecimal digits")

// String writes the hash as 64 lower-case digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes the hash for JSON.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText writes, and nothing else.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return errHash
	}
	if _, err := hex.Decode(h[:], text); err != nil || h.String() != string(text) {
		return errHash
	}
	return nil
}

// The first byte of what is hashed tells a leaf from a node, so that neither
// can be passed off as the other (RFC 6962, section 2.1).
const (
	leafPrefix byte = 0
	nodePrefix byte = 1
)

func hashNode(left, right Hash) Hash {
	var both [1 + 2*sha256.Size]byte
	both[0] = nodePrefix
	copy(both[1:], left[:])
	copy(both[1+sha256.Size:], right[:])
	return sha256.Sum256(both[:])
}

// tree is a Merkle tree (RFC 6962) that only grows. It keeps the roots of its
// complete parts, the largest first: one for each bit of its size.
type tree struct {
	size  uint64
	parts []Hash
}

func (t *tree) add(leaf Hash) {
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.parts) - 1
		leaf, t.parts = hashNode(t.parts[last], leaf), t.parts[:last]
	}
	t.size, t.parts = t.size+1, append(t.parts, leaf)
}

// root of no leaves is the hash of nothing.
func (t *tree) root() Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	root := t.parts[len(t.parts)-1]
	for i := len(t.parts) - 2; i >= 0; i-- {
		root = hashNode(t.parts[i], root)
	}
	return root
}

func (t *tree) reset() { t.size, t.parts = 0, t.parts[:0] }

// RootOf is the root over leaves. Roots of parts of 2^k leaves each, the last
// perhaps smaller, have the root of all those leaves.
func RootOf(leaves []Hash) Hash {
	var t tree
	for _, leaf := range leaves {
		t.add(leaf)
	}
	return t.root()
}

// pathOf is the audit path of one leaf: what it takes to get from it to the
// root, the nearest first.
func pathOf(leaves []Hash, index int) []Hash {
	if len(leaves) <= 1 {
		return nil
	}
	half := 1 << (bits.Len(uint(len(leaves)-1)) - 1) // the largest power of two below their number
	if index < half {
		return append(pathOf(leaves[:half], index), RootOf(leaves[half:]))
	}
	return append(pathOf(leaves[half:], index-half), RootOf(leaves[:half]))
}

// Leads reports whether path leads from the leaf at index of size leaves to
// root (RFC 9162, section 2.1.3.2).
func Leads(leaf Hash, index, size uint64, path []Hash, root Hash) bool {
	if index >= size {
		return false
	}
	at, last, got := index, size-1, leaf
	for _, beside := range path {
		if last == 0 {
			return false
		}
		if at&1 == 1 || at == last {
			got = hashNode(beside, got)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			got = hashNode(got, beside)
		}
		at, last = at>>1, last>>1
	}
	return last == 0 && got == root
}
