package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/settings"
)

// Permission is the only application permission of the app, and the most that it asks
// for in users' names (design.md, Permissions).
const Permission = "Calendars.ReadWrite"

// Options of a stack.
type Options struct {
	// App is the script root: host.json, function folders, the handler. Required; [Build]
	// makes one.
	App string
	// Settings are those of local.settings.sample.json. Required.
	Settings Settings
	// Environment is asked for every name of Settings, and its values win; a part that it
	// names is not embedded. Nil names nothing.
	Environment func(name string) (string, bool)
	// Override wins over everything else, for tests.
	Override Settings
	// Addr and the others are where to listen; empty means a free loopback port.
	Addr, M365Addr, TablesAddr, BusAddr string
	// PerFunctionGroup runs one handler process per function group, as Flex Consumption does.
	PerFunctionGroup bool
	// Launcher starts the handler; nil means the program in App.
	Launcher host.Launcher
	// Clock of all parts; nil means the real one.
	Clock *Clock
	// M365 is passed to the simulator; its Now is Clock's.
	M365 m365.Options
	// Log takes the host's log and the handler's output; nil drops them.
	Log func(host.Line)
}

// Stack is all parts, running. What is not embedded is nil.
type Stack struct {
	Clock     *Clock
	M365      *m365.Server
	Store     *tables.Store
	Tables    *tables.Server
	Bus       *servicebus.Broker
	BusServer *servicebus.Server
	Host      *host.Host
	// URL of the front door.
	URL string
	// Settings are the handler's.
	Settings Settings

	app     entra.App // as it is registered in M365
	cancel  context.CancelFunc
	hostEnd chan error
	closers []func()
}

// Start starts everything, and returns when the handler has answered. ctx bounds
// the start only. Whoever started it calls Close.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	if o.Environment == nil {
		o.Environment = func(string) (string, bool) { return "", false }
	}
	s := &Stack{Clock: o.Clock, Settings: o.Settings.over(o.Environment)}
	if s.Clock == nil {
		s.Clock = &Clock{}
	}
	defer func() {
		if err != nil {
			s.Close()
			err = fmt.Errorf("stack.Start: %w", err)
		}
	}()
	for _, start := range []func(Options) error{s.startM365, s.startTables, s.startBus, s.startHost} {
		if err := start(o); err != nil {
			return nil, err
		}
	}
	select {
	case <-s.Host.Ready():
		return s, nil
	case err := <-s.hostEnd:
		s.hostEnd <- err
		return nil, fmt.Errorf("the host ended: %w", err)
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the handler: %w", ctx.Err())
	}
}

// startM365 starts the simulator unless both of its faces are elsewhere.
func (s *Stack) startM365(o Options) error {
	graph, authority := external(o.Environment, "GRAPH_ENDPOINT"), external(o.Environment, "ENTRA_AUTHORITY")
	if graph && authority {
		return nil
	}
	registration, err := infra.LoadRegistration()
	if err != nil {
		return err
	}
	roles, _, err := registration.Permissions() // its scopes are those of every sign-in
	if err != nil {
		return err
	}
	o.M365.Now = s.Clock.Now
	s.M365 = m365.New(&o.M365)
	s.app = entra.App{ID: s.Settings["ENTRA_CLIENT_ID"], Name: "Calbridge", Secrets: []string{s.Settings["ENTRA_CLIENT_SECRET"]}, Roles: roles}
	s.M365.Entra.Register(s.app)
	if err := onFree(o.M365Addr, s.M365.Listen); err != nil {
		return err
	}
	s.closers = append(s.closers, s.M365.Close)
	if !graph {
		s.Settings["GRAPH_ENDPOINT"] = s.M365.URL()
	}
	if !authority {
		s.Settings["ENTRA_AUTHORITY"] = s.M365.URL()
	}
	return nil
}

func (s *Stack) startTables(o Options) error {
	if external(o.Environment, "TABLES", "TABLES__serviceUri") {
		return nil
	}
	s.Store = tables.NewStore(s.Clock.Now)
	err := onFree(o.TablesAddr, func(address string) (err error) {
		s.Tables, err = tables.Start(s.Store, address, nil)
		return err
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() { _ = s.Tables.Close() })
	s.Settings["TABLES"] = s.Tables.ConnectionString()
	return nil
}

func (s *Stack) startBus(o Options) error {
	if external(o.Environment, "SERVICEBUS", "SERVICEBUS__fullyQualifiedNamespace") {
		return nil
	}
	resources, err := infra.Load()
	if err != nil {
		return err
	}
	s.Bus = servicebus.New(servicebus.Options{Topology: servicebus.FromResources(resources), Now: s.Clock.Now})
	err = onFree(o.BusAddr, func(address string) (err error) {
		s.BusServer, err = s.Bus.Listen(address)
		return err
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() { _ = s.BusServer.Close() })
	s.Settings["SERVICEBUS"] = s.BusServer.ConnectionString()
	return nil
}

func (s *Stack) startHost(o Options) error {
	address := o.Addr
	if address == "" {
		// PUBLIC_URL is a setting, so the port is known before the host listens.
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		address = free.Addr().String()
		_ = free.Close()
	}
	if !external(o.Environment, "PUBLIC_URL") {
		s.Settings["PUBLIC_URL"] = "http://" + address
	}
	if !external(o.Environment, "ALLOWED_RETURN_ORIGINS") {
		s.Settings["ALLOWED_RETURN_ORIGINS"] = "http://" + address
	}
	maps.Copy(s.Settings, o.Override)
	if s.M365 != nil {
		for _, callback := range []string{"connect", "consent"} {
			s.app.RedirectURIs = append(s.app.RedirectURIs, s.Settings["PUBLIC_URL"]+"/api/"+callback+"/callback")
		}
		s.M365.Entra.Register(s.app)
	}
	// The handler would refuse them too, and the host start it again and again.
	if _, err := settings.Read(s.Settings.lookup); err != nil {
		return err
	}
	h, err := host.New(o.App, host.Options{
		Addr: address, Env: append(o.Settings.inherited(), s.Settings.list()...), Now: s.Clock.Now,
		Launcher: o.Launcher, PerFunctionGroup: o.PerFunctionGroup, Log: o.Log,
	})
	if err != nil {
		return err
	}
	s.Host, s.URL, s.hostEnd = h, h.URL(), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() { s.hostEnd <- h.Run(ctx) }()
	return nil
}

// Done gives the host's end, which is nil after Close.
func (s *Stack) Done() <-chan error { return s.hostEnd }

// Close ends the host, which lets calls under way end for 10 s, and then the rest.
func (s *Stack) Close() {
	if s.cancel != nil {
		s.cancel()
		select {
		case <-s.hostEnd:
		case <-time.After(15 * time.Second):
		}
		s.cancel = nil
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

// Client connects to the bus, as whoever reads the topic does. It is back soon after
// its connection was cut: by itself the SDK pauses for 4, 12, 28 s.
func (s *Stack) Client() (*azservicebus.Client, error) {
	connection := s.Settings["SERVICEBUS"]
	if connection == "" {
		return nil, errors.New("stack.Client: needs the bus by connection string (SERVICEBUS)")
	}
	return azservicebus.NewClientFromConnectionString(connection, &azservicebus.ClientOptions{RetryOptions: azservicebus.RetryOptions{
		MaxRetries: 2, RetryDelay: 20 * time.Millisecond, MaxRetryDelay: time.Second,
	}})
}

// onFree listens on an address, or where that is taken on a free port.
func onFree(address string, listen func(string) error) error {
	const free = "127.0.0.1:0"
	err := listen(cmp.Or(address, free))
	if err != nil && address != "" {
		err = listen(free)
	}
	return err
}
