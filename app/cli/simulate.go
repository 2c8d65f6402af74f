package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"jangteo/app/clock"
	"jangteo/app/simulate"
)

func simulateCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "simulate", Short: "Play the outside world: bank, identity provider, message gateway, card issuers", Args: noArguments,
		Long: `Runs simulators of open banking, of the identity provider, of the message gateway and of
the card issuers' back offices, each a server of its own, until it is stopped. They keep their data in a database of
their own and can be told to misbehave: late, twice, unknown, silent.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			if cfg.Database.URL == "" {
				return misuse{errors.New("database.url is not set: give --database-url or JANGTEO_DATABASE_URL")}
			}
			sims, err := simulate.Start(cmd.Context(), simulate.Options{DSN: cfg.Database.URL, Addr: addr, Now: clock.System, OpenWith: bankOpensWithWon})
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "bank %s\nidentity %s\nmessages %s\nissuers %s\n", sims.BankURL, sims.IdentityURL, sims.MessagesURL, sims.IssuersURL)
			<-cmd.Context().Done()
			return sims.Stop(cmd.Context())
		},
	}
	cmd.AddCommand(simulateIssuerCommand())
	cmd.Flags().String("database-url", "", "a database for the simulators alone")
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:0", "host:port for each; port 0 picks free ones")
	return cmd
}
