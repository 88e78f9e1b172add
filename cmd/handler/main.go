// Command handler is the custom handler that the Azure Functions host starts: it
// serves Calbridge's functions on 127.0.0.1:$FUNCTIONS_CUSTOMHANDLER_PORT.
//
// Its settings are app settings (docs, Settings). It ends with 1 on anything
// fatal, the reasons on stderr, and with 200 after SIGTERM or SIGINT: the host
// would take 0 for good and restart nothing, while it takes 200 as an intended
// restart and does not count it (functions/contract.md 1.5).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/calbridge/calbridge/handlers/app"
)

// Set by the linker, see cmd/package.
var version, commit = "dev", "unknown"

const (
	fatal   = 1
	restart = 200
)

// gcPercent lets the heap grow to five times what is live before it is collected.
// A few MB are live, so Go's default collects every 4 MB: a fifth of all CPU time
// under load (docs/performance.md). GOGC in the settings wins.
const gcPercent = 400

func main() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := app.Run(ctx, os.LookupEnv, os.Stdout, &app.Options{Version: version, Commit: commit})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(fatal)
	}
	os.Exit(restart)
}
