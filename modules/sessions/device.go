package sessions

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	_ "crypto/sha512" // Ed25519 hashes with it
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"jangteo/app/fault"
)

const (
	keyBytesMax  = 2048
	nameMax      = 60
	platformMax  = 30
	versionMax   = 30
	signatureLen = 64 // of ES256 (r and s) and of Ed25519 alike

	signatureLenMin, signatureLenMax = 8, 72 // of ES256 in DER, whose numbers have no leading zeros
)

// DeviceInput is a device as it presents itself.
type DeviceInput struct {
	PublicKey []byte // JWK: EC P-256 or OKP Ed25519, public part only
	Name      string
	Platform  string
	Version   string // of the app; may be empty
	Bound     bool   // its tokens are to need the device key's proof (RFC 9449)
	Proof     ProofUse
}

type deviceKey struct {
	jwk        []byte // canonical
	thumbprint string // RFC 7638
}

// validate names every field that cannot be taken.
func (in *DeviceInput) validate() (key deviceKey, err error) {
	var wrong *fault.Fault
	key, reason := parseKey(in.PublicKey)
	if reason != "" {
		wrong = wrong.And("device.public_key", reason)
	}
	check := func(field string, text *string, longest int, required bool) {
		*text = strings.TrimSpace(*text)
		switch {
		case *text == "" && !required:
		case *text == "":
			wrong = wrong.And(field, fault.Required)
		case !utf8.ValidString(*text) || strings.ContainsFunc(*text, unicode.IsControl):
			wrong = wrong.And(field, fault.WrongFormat)
		case utf8.RuneCountInString(*text) > longest:
			wrong = wrong.And(field, fault.TooLong).Limit(longest)
		}
	}
	check("device.name", &in.Name, nameMax, true)
	check("device.platform", &in.Platform, platformMax, true)
	check("device.version", &in.Version, versionMax, false)
	return key, wrong.OrNil()
}

// parseKey reads a public key. The library refuses a point that is not on the
// curve; a private part is refused before it looks, and never kept.
func parseKey(raw []byte) (key deviceKey, wrong fault.Reason) {
	if len(raw) == 0 {
		return key, fault.Required
	}
	if len(raw) > keyBytesMax {
		return key, fault.TooLong
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return key, fault.WrongFormat
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, there := members[private]; there {
			return key, fault.NotAllowed
		}
	}
	var jwk jose.JSONWebKey
	if json.Unmarshal(raw, &jwk) != nil || !jwk.Valid() || !jwk.IsPublic() {
		return key, fault.WrongFormat
	}
	switch public := jwk.Key.(type) {
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return key, fault.NotAllowed
		}
	case ed25519.PublicKey:
	default:
		return key, fault.NotAllowed
	}
	sum, err1 := jwk.Thumbprint(crypto.SHA256)
	canonical, err2 := json.Marshal(jose.JSONWebKey{Key: jwk.Key})
	if err1 != nil || err2 != nil {
		return key, fault.WrongFormat
	}
	return deviceKey{canonical, base64.RawURLEncoding.EncodeToString(sum)}, ""
}

// signed tells whether signature (base64url) is the device's over text: ES256
// with r and s of 32 bytes each as in JWS or as phones' key stores give it
// (ASN.1 DER), or Ed25519.
func (d Device) signed(text, signature string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(signature, "="))
	if err != nil || len(raw) < signatureLenMin || len(raw) > signatureLenMax {
		return false
	}
	var jwk jose.JSONWebKey
	if json.Unmarshal(d.PublicKey, &jwk) != nil {
		return false
	}
	switch public := jwk.Key.(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256([]byte(text))
		if len(raw) != signatureLen {
			return ecdsa.VerifyASN1(public, sum[:], raw)
		}
		return ecdsa.VerifyASN1(public, sum[:], raw) || ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:]))
	case ed25519.PublicKey:
		return len(raw) == signatureLen && ed25519.Verify(public, []byte(text), raw)
	}
	return false
}
