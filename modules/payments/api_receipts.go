package payments

import "context"

// ReceiptAPI serves signed receipts.
type ReceiptAPI struct{ receipts *Receipts }

// NewReceiptAPI serves r.
func NewReceiptAPI(r *Receipts) *ReceiptAPI { return &ReceiptAPI{r} }

// ReceiptReply is a receipt in the clear and signed.
type ReceiptReply struct{ Body SignedReceipt }

// Get is GET /tenants/{tenant}/payments/{id}/receipt.
func (a *ReceiptAPI) Get(ctx context.Context, in *GetRequest) (*ReceiptReply, error) {
	signed, err := a.receipts.Issue(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &ReceiptReply{signed}, nil
}
