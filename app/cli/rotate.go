package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func rotateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rotate-statement-key", Short: "Make a new key for receipts and access statements", Args: noArguments,
		Long: `Makes a new key to sign receipts and access statements with. Running servers publish it
within ten seconds and sign with it a minute later; nothing is started again. The keys
before it stay published for good, for what they signed is kept for years. (The keys of
access tokens rotate by themselves.)`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := configured(cmd)
			if err != nil {
				return err
			}
			defer s.app.Close()
			if err := s.app.Signer.Rotate(cmd.Context()); err != nil {
				return err
			}
			keys := s.app.Signer.Keys()
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is published now, as the latest of %d, and signs in a minute.\n", keys[len(keys)-1].ID, len(keys))
			return err
		},
	}
}
