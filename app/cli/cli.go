// Package cli is the command line: jangteo and what it can be asked to do.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"jangteo/app"
	"jangteo/config"
)

// Exit codes.
const (
	exitFine    = 0
	exitFailed  = 1 // it was tried and did not work, or verify found a difference
	exitMisused = 2 // it could not be tried: an unknown flag, a bad configuration
)

// misuse is an error of whoever typed the command.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

// Run does what args ask and returns the exit code. ctx ends when the program
// is asked to stop.
func Run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := &cobra.Command{
		Use:   "jangteo",
		Short: "The regional vouchers (지역사랑상품권) of every municipality that joins",
		Long: `Jangteo (장터) runs the regional vouchers of many municipalities: citizens buy
them, spend them at local shops by QR, shops are paid out, city halls steer it.

Try it with "jangteo demo"; run it for real with "jangteo migrate" and "jangteo serve".
Settings come from --config FILE, then JANGTEO_… in the environment, then flags.`,
		Version: app.Version, SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().String("config", "", "read settings from this YAML file (JANGTEO_CONFIG)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return misuse{fmt.Errorf("%w; see \"%s --help\"", err, cmd.CommandPath())}
	})
	root.AddCommand(serveCommand(), demoCommand(), migrateCommand(), appointCommand(), rotateCommand(), verifyCommand(), simulateCommand(), benchCommand(), benchServerCommand())
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	var misused misuse
	if errors.As(err, &misused) || strings.HasPrefix(err.Error(), "unknown command") || errors.Is(err, config.ErrWeak) {
		say(errs, err)
		return exitMisused
	}
	if !errors.Is(err, errDifferences) {
		say(errs, err)
	}
	return exitFailed
}

// say prints an error as one line a mistake, in plain words.
func say(errs io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		_, _ = fmt.Fprintln(errs, "jangteo: "+strings.TrimSpace(line))
	}
}

// load reads the configuration for a command.
func load(cmd *cobra.Command) (config.Config, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	if file == "" {
		file = config.FileFromEnvironment()
	}
	cfg, err := config.Load(file, cmd.Flags())
	if err != nil {
		return cfg, misuse{err}
	}
	return cfg, nil
}

// noArguments refuses what no command takes, in our words.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misuse{fmt.Errorf("%s takes no argument %q; see \"%s --help\"", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}
