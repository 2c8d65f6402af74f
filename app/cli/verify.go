package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"jangteo/app/tenant"
	"jangteo/modules/reports"
)

// errDifferences ends verify with exit code 1; it has said why already.
var errDifferences = errors.New("the books do not add up")

func verifyCommand() *cobra.Command {
	var asJSON bool
	var receipt, keys string
	cmd := &cobra.Command{
		Use: "verify", Short: "Recompute every balance, payment, purchase and settlement, or check a receipt", Args: noArguments,
		Long: `Recomputes every balance from transfers, every payment and purchase from entries,
every settlement from payments, and the published root of every closed day from its
entries, in every municipality, and names each difference. It changes nothing but the
list of results that staff see. Exit code 1 if anything differs.

With --receipt it checks a signed receipt instead, and asks neither a database nor the
network: that the service signed it, that the payment is the entry in it, that the entry
is in the root of its day, and that the chain value covers that root. Exit code 1 if
anything does not fit. A receipt cannot say itself whose key signed it, so --keys is
needed: a copy of /api/v1/signing-keys that you got from where you trust it. Whether the
root is the one that everybody was shown, compare with /tenants/CODE/ledger-days, or
better with a copy of that list that was kept.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if receipt != "" || keys != "" {
				return verifyReceipt(cmd.OutOrStdout(), receipt, keys)
			}
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			if cfg.Database.URL == "" {
				demo, err := runningDemo(cmd)
				if err != nil {
					return err
				}
				cfg.Database.URL, cfg.Secrets.MasterKey, cfg.Bank.Institution = demo.url, demo.masterKey, demoInstitution
			}
			cfg.Log.Level = "error"
			s, err := newServer(cmd.Context(), cfg, os.Stderr, false)
			if err != nil {
				return err
			}
			defer s.app.Close()
			all, err := s.app.Tenants.All(cmd.Context())
			if err != nil {
				return err
			}
			ids := make([]tenant.ID, len(all))
			for i, t := range all {
				ids[i] = t.ID
			}
			results, err := s.app.Reports.VerifyAll(cmd.Context(), ids, runtime.GOMAXPROCS(0))
			if err != nil {
				return err
			}
			return tell(cmd.OutOrStdout(), results, asJSON)
		},
	}
	cmd.Flags().String("database-url", "", "the database's address; without one, the running demo's is taken")
	cmd.Flags().String("data", "", "the data folder of the demo, when it is another than the usual one")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().StringVar(&receipt, "receipt", "", "check this signed receipt, a file, and nothing else")
	cmd.Flags().StringVar(&keys, "keys", "", "the service's public keys, a file with a JSON Web Key Set")
	return cmd
}

// summary is what verify prints.
type summary struct {
	Municipalities int              `json:"municipalities"`
	Accounts       int64            `json:"accounts"`
	Entries        int64            `json:"entries"`
	Transfers      int64            `json:"transfers"`
	Days           int64            `json:"days"`
	Payments       int64            `json:"payments"`
	Purchases      int64            `json:"purchases"`
	Settlements    int64            `json:"settlements"`
	Differences    []differenceView `json:"differences"`
}

type differenceView struct {
	Tenant string `json:"tenant"`
	Check  string `json:"check"`
	Object string `json:"object"`
	Want   string `json:"want"`
	Got    string `json:"got"`
}

func tell(out io.Writer, results []reports.Verification, asJSON bool) error {
	s := summary{Differences: []differenceView{}}
	for _, r := range results {
		if r.Entries > 0 {
			s.Municipalities++
		}
		s.Accounts, s.Entries, s.Transfers, s.Days = s.Accounts+r.Accounts, s.Entries+r.Entries, s.Transfers+r.Transfers, s.Days+r.Days
		s.Payments, s.Purchases, s.Settlements = s.Payments+r.Payments, s.Purchases+r.Purchases, s.Settlements+r.Settlements
		for _, d := range r.Differences {
			s.Differences = append(s.Differences, differenceView{r.Tenant.String(), d.Check, d.Object, d.Want, d.Got})
		}
	}
	if asJSON {
		if err := json.NewEncoder(out).Encode(s); err != nil {
			return err
		}
	} else {
		_, _ = fmt.Fprintf(out, "municipalities with entries %d\naccounts %d\nentries %d\ntransfers %d\nsealed days %d\npayments %d\npurchases %d\nsettlements %d\ndifferences %d\n",
			s.Municipalities, s.Accounts, s.Entries, s.Transfers, s.Days, s.Payments, s.Purchases, s.Settlements, len(s.Differences))
		for _, d := range s.Differences {
			_, _ = fmt.Fprintf(out, "DIFFERENCE municipality %s: %s: %s: want %s, got %s\n", d.Tenant, d.Check, d.Object, d.Want, d.Got)
		}
	}
	if len(s.Differences) > 0 {
		return errDifferences
	}
	return nil
}
