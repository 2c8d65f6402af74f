// Command jangteo runs the regional vouchers of every municipality that joins.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"jangteo/app/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
