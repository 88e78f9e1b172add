// Command local runs Calbridge with everything around it on this machine, sends
// the bookings of examples/, prints what becomes of each, and stays until
// Ctrl-C. Package stack says what is embedded and what the environment may
// replace.
//
//	PORT       of the front door, 7071 by default; 0 is any free one
//	ONCE=1     exit when all has settled: 0 when as expected, else 1
//	PROCESSES=flex   one handler process per function group
//	VERBOSE=1  print the host's log
//	TENANT, PEOPLE   with a real tenant: its id, and addresses joined by commas
//
// It is run from the top of the repository (make run).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/calbridge/calbridge/examples"
	"github.com/calbridge/calbridge/local/demo"
	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/stack"
)

// viewAddress is where the page is of what a booking app knows, or a free port.
const viewAddress = "127.0.0.1:7090"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.LookupEnv, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, environment func(string) (string, bool), out io.Writer) error {
	get := func(name string) string { value, _ := environment(name); return value }
	story, err := stories(environment)
	if err != nil {
		return err
	}
	options, err := options(ctx, environment, out)
	if err != nil {
		return err
	}
	s, err := stack.Start(ctx, options)
	if err != nil {
		return err
	}
	defer s.Close()
	player := demo.New(s, story, out)
	defer player.Close()
	if err := player.Seed(ctx); err != nil {
		return err
	}
	differences, err := player.Play(ctx)
	if err != nil {
		return err
	}
	back, err := player.Back(ctx)
	if err != nil {
		return err
	}
	differences = append(differences, back...)
	links, err := player.Walk(ctx)
	if err != nil {
		return err
	}
	if get("ONCE") == "" {
		if err := player.ServeView(viewAddress); err != nil {
			return err
		}
	}
	player.Show()
	player.ShowLinks(links)
	if len(differences) > 0 {
		fmt.Fprintf(out, "\nNot as expected:\n  %s\n", strings.Join(differences, "\n  "))
	}
	if get("ONCE") != "" {
		if len(differences) > 0 {
			return demo.ErrDiffers
		}
		fmt.Fprintln(out, "\nEverything settled as examples/expected.json says.")
		return nil
	}
	fmt.Fprintln(out, "\nCtrl-C ends it.")
	select {
	case err := <-s.Done():
		return err
	case <-ctx.Done():
		return nil
	}
}

// stories is the story, made to fit what the environment replaces.
func stories(environment func(string) (string, bool)) (demo.Story, error) {
	now := time.Now()
	story, err := demo.Load(examples.FS, now)
	if err != nil {
		return story, err
	}
	if given(environment, "GRAPH_ENDPOINT") {
		tenant, _ := environment("TENANT")
		people, _ := environment("PEOPLE")
		if tenant == "" || people == "" {
			return story, errors.New("with GRAPH_ENDPOINT, TENANT (its id) and PEOPLE (addresses, joined by commas) say whose calendars to write")
		}
		if story, err = story.Own(tenant, strings.Split(people, ",")); err != nil {
			return story, err
		}
	}
	if given(environment, "TABLES") || given(environment, "TABLES__serviceUri") || given(environment, "GRAPH_ENDPOINT") {
		return story.Again(now)
	}
	return story, nil
}

func given(environment func(string) (string, bool), name string) bool {
	value, ok := environment(name)
	return ok && value != ""
}

// options builds the handler and puts everything where the sample settings say.
func options(ctx context.Context, environment func(string) (string, bool), out io.Writer) (stack.Options, error) {
	sample, err := stack.ReadSettings("local.settings.sample.json")
	if err != nil {
		return stack.Options{}, fmt.Errorf("run it from the top of the repository: %w", err)
	}
	app, err := stack.Build(ctx, ".", "build/local")
	if err != nil {
		return stack.Options{}, err
	}
	address := "127.0.0.1:7071"
	switch port, _ := environment("PORT"); port {
	case "":
	case "0":
		address = "" // any free one
	default:
		address = "127.0.0.1:" + port
	}
	processes, _ := environment("PROCESSES")
	return stack.Options{
		App: app, Settings: sample, Environment: environment,
		Addr: address, M365Addr: "127.0.0.1:7080", TablesAddr: "127.0.0.1:10002", BusAddr: "127.0.0.1:5672",
		PerFunctionGroup: processes == "flex", Log: logger(out, given(environment, "VERBOSE")),
	}, nil
}

// logger prints the host's warnings and errors, or all of its log.
func logger(out io.Writer, all bool) func(host.Line) {
	return func(l host.Line) {
		if all || l.Level != host.Information {
			fmt.Fprintf(out, "%s %-11s %s: %s\n", l.Time.Format("15:04:05.000"), l.Level, l.Category, l.Text)
		}
	}
}
