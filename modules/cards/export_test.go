package cards

import (
	"context"

	"github.com/google/uuid"
)

// KeepLink links a card without asking its issuer.
func (s *Service) KeepLink(ctx context.Context, citizen uuid.UUID, issuer, token string) (Link, error) {
	l := Link{
		ID: uuid.Must(uuid.NewV7()), CitizenID: citizen, Issuer: issuer, Token: token, Product: "체크카드", Name: "생활비 카드",
		State: Active, LinkedAt: s.now(),
	}
	return l, s.keepLink(ctx, l)
}

// SettleDoubts reverses what is in doubt.
func (s *Service) SettleDoubts(ctx context.Context) { s.settleDoubts(ctx) }
