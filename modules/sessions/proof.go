package sessions

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"jangteo/app/auth"
	"jangteo/app/fault"
)

const (
	proofType     = "dpop+jwt"
	proofBytesMax = 4 << 10
	proofWindow   = 2 * time.Minute // by which a phone's clock may be wrong, and a proof old
	proofIDMost   = 128
	proofsInMind  = 50_000 // in each of two generations
)

// ProofUse is a proof that the caller holds the device's key (DPoP, RFC 9449),
// and for what it is used.
type ProofUse struct {
	Proof       string // the header as it came; empty: none
	AccessToken string // that goes with it, if one does
}

type proofClaims struct {
	ID     string      `json:"jti"`
	Method string      `json:"htm"`
	URL    string      `json:"htu"`
	At     json.Number `json:"iat"` // seconds since 1970, perhaps with a fraction
	Token  string      `json:"ath"`
}

// at is when the proof says that it was made; long ago if it does not.
func (c proofClaims) at() time.Time {
	whole, _, _ := strings.Cut(string(c.At), ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// Why a proof is refused: the parameter "why" of device-proof-invalid.
const (
	proofForm      = "form"
	proofSignature = "signature"
	proofKey       = "key"
	proofMethod    = "method"
	proofAddress   = "address"
	proofTime      = "time"
	proofToken     = "token"
	proofReplayed  = "replayed"
)

func badProof(why string) *fault.Fault { return ErrProofInvalid.With("why", why) }

// checkProof reads a proof and tells its hash, under which it counts once, or
// why it does not hold for this request and key (RFC 9449, 4.3).
func (s *Service) checkProof(ctx context.Context, thumbprint string, use ProofUse) (hash [32]byte, refused *fault.Fault) {
	if len(use.Proof) > proofBytesMax {
		return hash, badProof(proofForm)
	}
	signed, err := jose.ParseSignedCompact(use.Proof, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil || len(signed.Signatures) != 1 {
		return hash, badProof(proofForm)
	}
	header := signed.Signatures[0].Protected
	_, critical := header.ExtraHeaders["crit"]
	if header.JSONWebKey == nil || header.ExtraHeaders[jose.HeaderType] != proofType || critical {
		return hash, badProof(proofForm)
	}
	raw, err := header.JSONWebKey.MarshalJSON()
	if err != nil {
		return hash, badProof(proofForm)
	}
	parsed, wrong := parseKey(raw)
	if wrong != "" || parsed.thumbprint != thumbprint {
		return hash, badProof(proofKey)
	}
	body, err := signed.Verify(header.JSONWebKey)
	if err != nil {
		return hash, badProof(proofSignature)
	}
	var said proofClaims
	if json.Unmarshal(body, &said) != nil || said.ID == "" || len(said.ID) > proofIDMost {
		return hash, badProof(proofForm)
	}
	if why := s.fits(said, auth.Info(ctx), use.AccessToken); why != "" {
		return hash, badProof(why)
	}
	return sha256.Sum256([]byte(parsed.thumbprint + "." + said.ID)), nil
}

func (s *Service) fits(said proofClaims, info auth.RequestInfo, accessToken string) (why string) {
	sum := sha256.Sum256([]byte(accessToken))
	age := s.now().Sub(said.at())
	switch {
	case said.Method != info.Method:
		return proofMethod
	case !s.sameAddress(said.URL, info):
		return proofAddress
	case age > proofWindow || age < -proofWindow:
		return proofTime
	case accessToken != "" && said.Token != base64.RawURLEncoding.EncodeToString(sum[:]):
		return proofToken
	}
	return ""
}

// sameAddress compares a proof's address, without query, with where the request
// came in: at the public address or, where that is not https, as it was reached.
func (s *Service) sameAddress(said string, info auth.RequestInfo) bool {
	u, err := url.Parse(said)
	if err != nil || u.Path != info.Path {
		return false
	}
	origin := strings.ToLower(u.Scheme + "://" + u.Host)
	if origin == strings.ToLower(strings.TrimSuffix(s.cfg.PublicURL, "/")) {
		return true
	}
	return !strings.HasPrefix(s.cfg.PublicURL, "https://") && origin == strings.ToLower(info.Origin)
}

// prove checks a proof and uses it up, for all servers.
func (s *Service) prove(ctx context.Context, thumbprint string, use ProofUse) (refused, err error) {
	hash, bad := s.checkProof(ctx, thumbprint, use)
	if bad != nil {
		return bad, nil
	}
	fresh, err := s.store.useProof(ctx, hash[:], s.now())
	if err == nil && !fresh {
		return badProof(proofReplayed), nil
	}
	return nil, err
}

// proveHere checks a proof that comes with an ordinary request, and uses it up
// on this server alone: a request costs no query. Its access token lives for
// minutes.
func (s *Service) proveHere(ctx context.Context, thumbprint string, use ProofUse) error {
	hash, bad := s.checkProof(ctx, thumbprint, use)
	if bad != nil {
		return bad
	}
	if !s.proofs.use(hash, s.now()) {
		return badProof(proofReplayed)
	}
	return nil
}

// proofsSeen remembers proofs as long as they could hold, in two generations.
type proofsSeen struct {
	mu          sync.Mutex
	young, aged map[[32]byte]struct{}
	since       time.Time
}

func (p *proofsSeen) use(hash [32]byte, now time.Time) (fresh bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.young == nil || now.Sub(p.since) > 2*proofWindow || len(p.young) >= proofsInMind {
		p.young, p.aged, p.since = map[[32]byte]struct{}{}, p.young, now
	}
	_, young := p.young[hash]
	_, aged := p.aged[hash]
	p.young[hash] = struct{}{}
	return !young && !aged
}
