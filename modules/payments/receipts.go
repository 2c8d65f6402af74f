package payments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"jangteo/app/auth"
	"jangteo/app/calendar"
	"jangteo/app/money"
	"jangteo/app/tenant"
	"jangteo/modules/ledger"
)

// Receipts signs receipts that a citizen can keep and check without us.
type Receipts struct {
	payments *Service
	signer   *auth.Statements
	issuer   string
}

// NewReceipts signs with signer; issuer is the address of this service.
func NewReceipts(payments *Service, signer *auth.Statements, issuer string) *Receipts {
	return &Receipts{payments, signer, issuer}
}

// SignedReceipt is the file that a citizen keeps: what it says in the clear, and
// the same signed.
type SignedReceipt struct {
	Receipt Receipt `json:"receipt"`
	JWS     string  `json:"jws" doc:"The receipt signed (RFC 7515, EdDSA); the keys are at /api/v1/signing-keys"`
}

// Receipt says what was paid, and how it stands in the published books.
type Receipt struct {
	Format          string       `json:"format" enum:"jangteo-receipt-1"`
	Issuer          string       `json:"issuer"`
	IssuedAt        time.Time    `json:"issued_at"`
	ApprovalNumber  string       `json:"approval_number"`
	MerchantID      uuid.UUID    `json:"merchant_id"`
	MerchantName    string       `json:"merchant_name"`
	Method          Method       `json:"method"`
	CancelledAmount money.Amount `json:"cancelled_amount" doc:"When the receipt was made"`
	Entry           EntryView    `json:"entry"`
	Leaf            ledger.Hash  `json:"leaf" doc:"SHA-256 of the entry's canonical lines after a zero byte"`
	// What State means is in plain words in Note.
	State  DayState        `json:"day_state" enum:"open,closed,sealed"`
	Note   string          `json:"note"`
	Closes *time.Time      `json:"day_closes_after,omitempty"`
	Day    *ledger.DayView `json:"day,omitempty"`
	Proof  *ProofView      `json:"proof,omitempty"`
}

// EntryView is the ledger entry of a payment with everything that is hashed.
type EntryView struct {
	Tenant      string           `json:"tenant"`
	ID          uuid.UUID        `json:"id"`
	Kind        ledger.EntryKind `json:"kind"`
	At          time.Time        `json:"at"`
	BusinessDay calendar.Day     `json:"business_day" format:"date"`
	Amount      money.Amount     `json:"amount"`
	Transfers   []TransferView   `json:"transfers"`
}

// TransferView takes amount from the account debit to the account credit.
type TransferView struct {
	Debit  uuid.UUID    `json:"debit"`
	Credit uuid.UUID    `json:"credit"`
	Amount money.Amount `json:"amount"`
}

// ProofView leads from the leaf to the day's root.
type ProofView struct {
	Index int64         `json:"index" doc:"Of the leaf among the day's entries, from 0"`
	Path  []ledger.Hash `json:"path" doc:"Audit path of RFC 6962, the nearest first"`
}

// DayState is how far a business day has got.
type DayState string

// The states; only a sealed day proves anything.
const (
	DayOpen   DayState = "open"
	DayClosed DayState = "closed" // its root is being made
	DaySealed DayState = "sealed"
)

const (
	receiptFormat   = "jangteo-receipt-1"
	receiptKind     = "jangteo-receipt" // in the signature's header
	receiptBytesMax = 64 << 10
	keysBytesMax    = 256 << 10
	pathMost        = 64
)

// Issue signs the receipt of a payment, for whoever may see it: anyone else is
// told ErrUnknown.
func (r *Receipts) Issue(ctx context.Context, id uuid.UUID) (s SignedReceipt, err error) {
	p, err := r.payments.Get(ctx, id)
	if err != nil {
		return s, err
	}
	proof, err := r.payments.ledger.Prove(ctx, id)
	if err != nil {
		return s, err
	}
	s.Receipt = r.receipt(p, proof)
	text, err := json.Marshal(s.Receipt)
	if err != nil {
		return s, err
	}
	s.JWS, err = r.signer.Sign(receiptKind, text)
	return s, err
}

func (r *Receipts) receipt(p Payment, proof ledger.Proof) Receipt {
	e := proof.Entry
	receipt := Receipt{
		Format: receiptFormat, Issuer: r.issuer, IssuedAt: r.payments.now().UTC().Truncate(time.Second), ApprovalNumber: p.ApprovalNumber(),
		MerchantID: p.MerchantID, MerchantName: p.MerchantName, Method: p.Method, CancelledAmount: p.CancelledAmount, Leaf: proof.Leaf,
		Entry: EntryView{Tenant: e.Tenant.String(), ID: e.ID, Kind: e.Kind, At: e.At.UTC(), BusinessDay: e.Day, Amount: e.Amount},
	}
	for _, t := range e.Transfers {
		receipt.Entry.Transfers = append(receipt.Entry.Transfers, TransferView(t))
	}
	switch {
	case proof.Day != nil:
		day := proof.Day.View()
		receipt.State, receipt.Day, receipt.Proof = DaySealed, &day, &ProofView{proof.Index, proof.Path}
		receipt.Note = fmt.Sprintf("이 결제는 공개된 %s 장부에 들어 있어요. / This payment is in the published books of %s.", e.Day, e.Day)
	case proof.Closed:
		receipt.State = DayClosed
		receipt.Note = fmt.Sprintf("%s 장부를 닫았고 지문을 만들고 있어요. 몇 분 뒤 다시 내려받으면 증명이 들어 있어요. / "+
			"The books of %s are closed and being sealed. Download this receipt again in some minutes for the proof.", e.Day, e.Day)
	default:
		closes := e.Day.Next().Start().UTC()
		receipt.State, receipt.Closes = DayOpen, &closes
		receipt.Note = fmt.Sprintf("%s 장부는 아직 닫지 않아서 증명이 없어요. 자정이 지나 닫은 뒤 다시 내려받아 주세요. / "+
			"The books of %s are not closed yet, so nothing is proved. They close after midnight in Seoul; download this receipt again then.", e.Day, e.Day)
	}
	return receipt
}

// What CheckReceipt refuses, beside a signature that does not fit.
var (
	ErrReceiptTooLong  = errors.New("the file is longer than any receipt")
	ErrReceiptFormat   = errors.New("the file is not a receipt of this service")
	ErrReceiptReadable = errors.New("what can be read in the file is not what was signed")
	ErrReceiptLeaf     = errors.New("the leaf is not the hash of the entry")
	ErrReceiptProof    = errors.New("the proof does not lead from the entry to the day's root")
	ErrReceiptChain    = errors.New("the day's chain value does not cover its root, its count and the day before")
	ErrReceiptParts    = errors.New("the parts of the receipt do not belong together")
)

// CheckReceipt checks a receipt with nothing but the keys of the service, a JSON
// Web Key Set that came from where it can be trusted, and tells which of them
// signed it. Of a day that was not sealed yet it proves the signature alone.
func CheckReceipt(file, keys []byte) (r Receipt, kid string, err error) {
	if len(file) > receiptBytesMax || len(keys) > keysBytesMax {
		return r, "", ErrReceiptTooLong
	}
	var signed SignedReceipt
	if err := strictly(file, &signed); err != nil {
		return r, "", ErrReceiptFormat
	}
	text, kid, err := auth.CheckStatement(receiptKind, signed.JWS, keys)
	if err != nil {
		return r, kid, err
	}
	if err := strictly(text, &r); err != nil {
		return r, kid, ErrReceiptFormat
	}
	readable, err := json.Marshal(signed.Receipt)
	if err != nil {
		return r, kid, err
	}
	if again, err := json.Marshal(r); err != nil || !bytes.Equal(readable, again) {
		return r, kid, ErrReceiptReadable
	}
	return r, kid, r.check()
}

func (r Receipt) check() error {
	if r.Format != receiptFormat || r.Entry.Kind != ledger.Payment {
		return ErrReceiptFormat
	}
	entry, err := r.Entry.sealed()
	if err != nil {
		return err
	}
	if r.ApprovalNumber != (Payment{ID: entry.ID}).ApprovalNumber() || r.CancelledAmount < 0 || r.CancelledAmount > entry.Amount {
		return ErrReceiptParts
	}
	if entry.Leaf() != r.Leaf {
		return ErrReceiptLeaf
	}
	if r.State != DaySealed {
		if r.State != DayOpen && r.State != DayClosed || r.Day != nil || r.Proof != nil || (r.Closes != nil) != (r.State == DayOpen) {
			return ErrReceiptParts
		}
		return nil
	}
	if r.Day == nil || r.Proof == nil || r.Closes != nil {
		return ErrReceiptParts
	}
	return r.checkProof(entry)
}

func (r Receipt) checkProof(entry ledger.SealedEntry) error {
	day, err := r.Day.Sealed()
	if err != nil {
		return ErrReceiptFormat
	}
	switch {
	case day.Tenant != entry.Tenant || day.Day != entry.Day:
		return ErrReceiptParts
	case r.Proof.Index < 0 || day.Entries < 1 || len(r.Proof.Path) > pathMost,
		!ledger.Leads(r.Leaf, uint64(r.Proof.Index), uint64(day.Entries), r.Proof.Path, day.Root):
		return ErrReceiptProof
	case day.Link() != day.Chain:
		return ErrReceiptChain
	}
	return nil
}

// sealed is the entry as the ledger hashes it.
func (v EntryView) sealed() (e ledger.SealedEntry, err error) {
	id, err := tenant.Parse(v.Tenant)
	if err != nil {
		return e, ErrReceiptFormat
	}
	e = ledger.SealedEntry{Tenant: id, ID: v.ID, Kind: v.Kind, At: v.At, Day: v.BusinessDay, Amount: v.Amount}
	var total money.Amount
	for _, t := range v.Transfers {
		e.Transfers = append(e.Transfers, ledger.Transfer(t))
		if t.Amount < 1 || t.Amount > money.MaxPerEntry || total > money.MaxPerEntry {
			return e, ErrReceiptParts
		}
		total += t.Amount
	}
	if total != v.Amount || !v.At.Equal(v.At.Truncate(time.Microsecond)) {
		return e, ErrReceiptParts
	}
	return e, nil
}

// strictly decodes one JSON value that names nothing unknown and nothing twice.
func strictly(text []byte, v any) error {
	if err := noneTwice(json.NewDecoder(bytes.NewReader(text))); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ErrReceiptFormat
	}
	return nil
}

// noneTwice refuses a name that stands twice in one object: two readers could
// then read two things.
func noneTwice(d *json.Decoder) error {
	const deepest = 8
	var open []map[string]bool // nil for a list
	name := false              // whether a name comes next
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		inObject := len(open) > 0 && open[len(open)-1] != nil
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			if len(open) > deepest {
				return ErrReceiptFormat
			}
			name = len(open) > 0 && open[len(open)-1] != nil
		case string:
			if inObject && name {
				if open[len(open)-1][t] {
					return ErrReceiptFormat
				}
				open[len(open)-1][t] = true
			}
			name = inObject && !name
		default:
			name = inObject
		}
	}
}
