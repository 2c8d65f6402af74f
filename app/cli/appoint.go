package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"jangteo/app/tenant"
	"jangteo/modules/staff"
)

func appointCommand() *cobra.Command {
	var in staff.RegisterInput
	var code string
	cmd := &cobra.Command{
		Use: "appoint", Short: "Appoint the first operator, or a municipality's first chief", Args: noArguments,
		Long: `Gives the first person in charge a login and prints their first password, once. With
--tenant it is a municipality's chief, else the operator's own. They make a second factor
when they come in, and appoint everybody else on the staff page: where somebody is in
charge already, this command refuses.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Login == "" || in.Name == "" || in.Department == "" {
				return misuse{errors.New("--email, --name and --department are needed")}
			}
			if code != "" {
				id, err := tenant.Parse(code)
				if err != nil {
					return misuse{fmt.Errorf("--tenant must be a municipality's five digits, not %q", code)}
				}
				in.TenantID = id
			}
			s, err := configured(cmd)
			if err != nil {
				return err
			}
			defer s.app.Close()
			m, password, err := s.app.Staff.Appoint(cmd.Context(), in)
			if err != nil {
				return fmt.Errorf("%s was not appointed: %w", in.Login, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s may sign in at /office/sign-in with the password %s\nIt is shown this once; have it changed.\n", m.Login, password)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Login, "email", "", "their login, an e-mail address")
	f.StringVar(&in.Name, "name", "", "their name")
	f.StringVar(&in.Department, "department", "", "where they work")
	f.StringVar(&code, "tenant", "", "the municipality's code; without it, the operator's own staff")
	return cmd
}
