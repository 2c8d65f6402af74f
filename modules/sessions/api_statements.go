package sessions

import (
	"context"

	"jangteo/app/auth"
)

// StatementAPI serves signed access statements.
type StatementAPI struct{ statements *Statements }

// NewStatementAPI serves s.
func NewStatementAPI(s *Statements) *StatementAPI { return &StatementAPI{s} }

// StatementReply is a statement in the clear and signed.
type StatementReply struct{ Body SignedStatement }

// Get is GET /me/access-statement.
func (a *StatementAPI) Get(ctx context.Context, _ *struct{}) (*StatementReply, error) {
	signed, err := a.statements.Issue(ctx, auth.From(ctx).ID)
	if err != nil {
		return nil, err
	}
	return &StatementReply{signed}, nil
}
