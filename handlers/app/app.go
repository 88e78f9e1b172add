// Package app makes the program out of its parts: it reads the settings,
// constructs the SDK clients, and serves the host until it is told to stop. It is
// apart from handlers so that those link no SDK of Graph, tables or the bus.
//
// Nothing is connected before the port is open: the host allows 30 seconds and
// polls every 25 milliseconds (functions/contract.md 1.3), and a dependency that
// is down must not keep the handler from starting.
//
// # End of the process
//
// The host kills without notice. A SIGTERM, which a platform or developer may
// send, lets the calls in flight finish. Everything fatal is an error of Run, to
// exit non-zero with: the host restarts nothing that ended with 0 (contract 1.5).
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/handlers"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/settings"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// grace is how long calls in flight may go on after a SIGTERM.
const grace = 20 * time.Second

// Options may be nil or have any field at its zero value.
type Options struct {
	// Version and Commit are those of the build.
	Version, Commit string
	// Now defaults to time.Now.
	Now func() time.Time
	// Unpaced is the engine's option of that name; only a benchmark sets it.
	Unpaced bool
}

// Run serves until ctx ends and then returns nil. Any error is fatal. stdout
// takes the log as JSON lines. lookup finds settings as os.LookupEnv does.
func Run(ctx context.Context, lookup func(string) (string, bool), stdout io.Writer, opts *Options) error {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := settings.Read(lookup)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stdout, nil))
	parts, err := connect(s, o.Now)
	if err != nil {
		return err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return errors.Join(fmt.Errorf("app.Run: %w", err), parts.close(ctx))
	}
	server, err := newServer(address, s, parts, o, log)
	if err != nil {
		return errors.Join(err, listener.Close(), parts.close(ctx))
	}
	return errors.Join(serve(ctx, server, listener, log), parts.close(context.WithoutCancel(ctx)))
}

// newServer wires engine and handlers.
func newServer(address string, s settings.Settings, parts parts, o Options, log *slog.Logger) (*http.Server, error) {
	organizations := parts.organizations
	keys, err := linkKeys(s.LinkKeys)
	if err != nil {
		return nil, fmt.Errorf("LINK_KEYS: %w", err)
	}
	issuer := link.NewIssuer(keys, state.NewLinks(parts.tables), organizations, s.PublicURL, s.ReturnOrigins, o.Now)
	watch := &subscriptions{}
	e := engine.New(engine.Effects{Tables: parts.tables, Bus: parts.bus, Calendar: parts.calendar, Calendars: parts.calendar, Reader: parts.calendar, Domains: parts.domains,
		Organizations: parts.cached, Recoverer: organizations, Refresher: people{parts.users}, Shelf: parts.bus, Endings: watch},
		&engine.Options{PublicURL: s.PublicURL, Now: o.Now, Log: log, Unpaced: o.Unpaced, CredentialExpires: parts.credentialEnds})
	watch.Keeper = subscribe.New(subscribe.Effects{Tables: parts.tables, Bus: parts.bus, Subscriber: parts.calendar, Organizations: parts.cached, Failures: e, Keys: keys},
		&subscribe.Options{PublicURL: s.PublicURL, Now: o.Now, Log: log})
	syncer := downsync.New(downsync.Effects{Tables: parts.tables, Bus: parts.bus, Reader: parts.calendar, Organizations: parts.cached, Ours: e, Failures: e, Watch: watch},
		&downsync.Options{PublicURL: s.PublicURL, Now: o.Now, Log: log})
	watch.syncer = syncer
	pages, err := newPages(s, parts, e, syncer, keys, issuer, o.Now)
	if err != nil {
		return nil, fmt.Errorf("PUBLIC_URL: %w", err)
	}
	handler := handlers.New(address, s.PublicURL, handlers.Deps{Submit: e, Intake: e, Write: e, DeadLetter: e, Sweep: e, Readings: syncer, Tasks: tasks{e, map[string]owner{downsync.Op: watch, subscribe.OpSubscribe: watch, subscribe.OpRenew: watch}},
		Notifications: subscribe.NewReceiver(keys, parts.bus, o.Now), Renewals: watch, Status: e, Files: e, People: e,
		Organizations: organizations, Directory: organizations, Repair: e, Links: issuer, Consent: e, Connections: e, Pages: pages,
		Dependencies: map[string]handlers.Check{"tables": parts.tables.Ping, "serviceBus": parts.bus.Ping, "graph": parts.reachGraph}},
		&handlers.Options{Logger: log, Now: o.Now, Version: o.Version, Commit: o.Commit, CredentialExpires: parts.credentialEnds})
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		// The host's client must be the one that closes an idle connection: else a
		// call may be sent into one that we are just closing, and fail.
		IdleTimeout: 10 * time.Minute,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}, nil
}

// linkKeys are the keys of LINK_KEYS, in their order.
func linkKeys(all []settings.LinkKey) (*link.Keys, error) {
	var keys [][]byte
	for _, k := range all {
		keys = append(keys, []byte(k.Key.Reveal()))
	}
	return link.NewKeys(keys...)
}

// serve answers until ctx ends, then lets calls in flight finish.
func serve(ctx context.Context, server *http.Server, listener net.Listener, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("app.Run: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping")
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		return fmt.Errorf("app.Run: calls in flight were cut off: %w", err)
	}
	return nil
}
