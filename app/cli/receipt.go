package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"jangteo/app/calendar"
	"jangteo/modules/payments"
)

// verifyReceipt checks a receipt offline and says in plain words what it proves.
func verifyReceipt(out io.Writer, receipt, keys string) error {
	if receipt == "" || keys == "" {
		return misuse{errors.New("a receipt is checked with --receipt FILE and --keys FILE together; see \"jangteo verify --help\"")}
	}
	file, err := readBounded(receipt)
	if err != nil {
		return misuse{err}
	}
	set, err := readBounded(keys)
	if err != nil {
		return misuse{err}
	}
	r, kid, err := payments.CheckReceipt(file, set)
	if err != nil {
		return fmt.Errorf("the receipt does not fit: %w", err)
	}
	e := r.Entry
	say := func(format string, values ...any) { _, _ = fmt.Fprintf(out, format+"\n", values...) }
	say("The receipt fits.")
	say("signed       by key %s, on %s", kid, calendar.LongTime(r.IssuedAt, "en"))
	say("payment      %s of %s won at %s, %s, municipality %s", e.ID, e.Amount, r.MerchantName, calendar.LongTime(e.At, "en"), e.Tenant)
	if r.CancelledAmount > 0 {
		say("cancelled    %s won of it when the receipt was made; cancellations are entries of their own", r.CancelledAmount)
	}
	if r.State != payments.DaySealed {
		say("NOT PROVED   that it is in the books: %s was not sealed when the receipt was made", e.BusinessDay)
		if r.Closes != nil {
			say("             download it again after the day is closed, after %s", calendar.LongTime(*r.Closes, "en"))
		}
		return nil
	}
	say("proved       it is entry %d of %d of %s", r.Proof.Index+1, r.Day.Entries, e.BusinessDay)
	say("root         %s", r.Day.Root)
	say("chain        %s covers that root, the count and the day before", r.Day.Chain)
	say("To know that this root is the one that everybody was shown, compare it with /tenants/%s/ledger-days.", e.Tenant)
	return nil
}

// readBounded reads a file that somebody handed over, and no more of it than
// any receipt or set of keys has.
func readBounded(name string) ([]byte, error) {
	const most = 1 << 20
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	body, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && len(body) > most {
		err = fmt.Errorf("%s is longer than any receipt", name)
	}
	return body, err
}
