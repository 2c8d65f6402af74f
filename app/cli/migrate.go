package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"jangteo/migrations"
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the database up to date", Args: noArguments,
		Long: `Applies what the database has not seen of the schema's history, as its owner
(database.owner_url, else database.url). Several may be started at once: one works, the others wait.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			if cfg.Owner() == "" {
				return misuse{errors.New("database.url is not set: give --database-url or JANGTEO_DATABASE_URL")}
			}
			applied, err := migrations.Apply(cmd.Context(), cfg.Owner())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d migrations applied; the database is up to date.\n", applied)
			return err
		},
	}
	cmd.Flags().String("database-url", "", "the database's address, postgres://…")
	return cmd
}
