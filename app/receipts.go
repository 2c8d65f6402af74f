package app

import (
	"context"

	"jangteo/modules/payments"
	"jangteo/modules/sessions"
)

// receipts signs them in the name of this service.
func (a *App) receipts() *payments.Receipts {
	return payments.NewReceipts(a.Payments, a.Signer, a.Config.Server.PublicURL)
}

// statements signs access records in the name of this service.
func (a *App) statements() *sessions.Statements {
	return sessions.NewStatements(a.Sessions, a.Signer, a.Config.Server.PublicURL)
}

// keysReply is a JSON Web Key Set (RFC 7517).
type keysReply struct {
	Body struct {
		Keys []publicKey `json:"keys"`
	}
}

type publicKey struct {
	Type      string `json:"kty" enum:"OKP"`
	Curve     string `json:"crv" enum:"Ed25519"`
	X         string `json:"x" doc:"The public key, base64url"`
	ID        string `json:"kid" doc:"Its thumbprint (RFC 7638)"`
	Use       string `json:"use" enum:"sig"`
	Algorithm string `json:"alg" enum:"EdDSA"`
}

// signingKeys publishes every key that ever signed what people keep.
func (a *App) signingKeys(_ context.Context, _ *struct{}) (*keysReply, error) {
	out := &keysReply{}
	for _, key := range a.Signer.Keys() {
		out.Body.Keys = append(out.Body.Keys, publicKey{"OKP", "Ed25519", key.X, key.ID, "sig", "EdDSA"})
	}
	return out, nil
}
