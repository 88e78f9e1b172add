package host

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// Options of a [Host]; the zero value works.
type Options struct {
	// Addr is where the front door listens; empty means 127.0.0.1:7071, port 0 any free one.
	Addr string
	// Env is the environment of the host, NAME=value: the app settings, which the handler
	// inherits whole. Nil means that of this process.
	Env []string
	// Now is the clock; nil means time.Now. See the package comment.
	Now func() time.Time
	// Launcher starts handlers; nil means [Programs].
	Launcher Launcher
	// PerFunctionGroup runs one handler process per scaling group, as Flex Consumption does.
	PerFunctionGroup bool
	// Log takes every line; it is called from many goroutines. Nil drops them.
	Log func(Line)
	// BusClient makes the Service Bus client of a connection, for tests that need their
	// own transport. Nil means by connection string, or by namespace and identity (§3.2).
	BusClient func(connection string) (*azservicebus.Client, error)
}

// Host is a functions host together with the platform that keeps it alive.
// Make one with [New], serve with [Host.Run].
type Host struct {
	root      string
	options   Options
	settings  settings
	config    config
	functions []*function
	routes    []*function // HTTP functions, the more specific first
	clock     *clock
	listener  net.Listener
	groups    []string

	restarts atomic.Int64
	hosts    atomic.Int64
	calls    atomic.Int64 // in flight
	status   sync.Map     // timer function name to *timerStatus
	ready    chan struct{}
	stopping chan struct{}
	stopOnce sync.Once

	mu        sync.Mutex
	instances map[string]*instance // by group, those that run
	up        map[string]bool      // groups that were ready once
}

const (
	defaultAddr = "127.0.0.1:7071"
	// grace is how long running calls may take to end at a stop (§1.6).
	grace = 10 * time.Second
	// platformPause is the time until the platform starts a new host.
	platformPause = time.Second
)

// New reads the script root and opens the front door's port. It reports all faults of
// host.json and of every function.json together.
func New(root string, o Options) (*Host, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	if o.Launcher == nil {
		o.Launcher = Programs{}
	}
	if o.Addr == "" {
		o.Addr = defaultAddr
	}
	h := &Host{
		root: root, options: o, settings: newSettings(o.Env), clock: newClock(o.Now),
		ready: make(chan struct{}), stopping: make(chan struct{}),
		instances: map[string]*instance{}, up: map[string]bool{},
	}
	if h.config, err = readConfig(root, h.settings); err != nil {
		return nil, fmt.Errorf("host.New: %w", err)
	}
	if h.functions, err = readFunctions(root, h.settings, h.config.functions); err != nil {
		return nil, fmt.Errorf("host.New: %w", err)
	}
	if err := h.arrange(); err != nil {
		return nil, fmt.Errorf("host.New: %w", err)
	}
	if h.listener, err = net.Listen("tcp", o.Addr); err != nil {
		return nil, fmt.Errorf("host.New: %w", err)
	}
	return h, nil
}

// arrange sorts the routes and lists the scaling groups.
func (h *Host) arrange() error {
	for _, f := range h.functions {
		if f.disabled {
			continue
		}
		if f.kind() == triggerHTTP {
			h.routes = append(h.routes, f)
		}
		group := ""
		if h.options.PerFunctionGroup {
			group = f.group()
		}
		if !slices.Contains(h.groups, group) {
			h.groups = append(h.groups, group)
		}
	}
	slices.SortStableFunc(h.routes, func(a, b *function) int { return a.route.compare(b.route) })
	if len(h.groups) == 0 {
		return errors.New("every function is disabled")
	}
	return nil
}

// URL is the address of the front door, without a path.
func (h *Host) URL() string { return "http://" + h.listener.Addr().String() }

// Ready is closed when every handler process has answered for the first time.
func (h *Host) Ready() <-chan struct{} { return h.ready }

// Restarts counts how often a handler process was started again by the same functions host.
func (h *Host) Restarts() int { return int(h.restarts.Load()) }

// Hosts counts the functions hosts started, one per group at first.
func (h *Host) Hosts() int { return int(h.hosts.Load()) }

// Calls counts the function calls that are in flight.
func (h *Host) Calls() int { return int(h.calls.Load()) }

// Tick makes everything that waits look at the clock. Call it after moving the clock.
func (h *Host) Tick() { h.clock.tick() }

// KillHandlers ends every handler process at once (SIGKILL). The hosts see crashes.
func (h *Host) KillHandlers() {
	for _, in := range h.running() {
		in.worker.killNow()
	}
}

// Restart ends every functions host without notice, handlers and calls included; the
// platform starts new ones after a second.
func (h *Host) Restart() {
	for _, in := range h.running() {
		in.fail(errors.New("restart was asked for"))
	}
}

// Stop ends Run gracefully: listeners stop, running calls may end for up to 10 s.
func (h *Host) Stop() { h.stopOnce.Do(func() { close(h.stopping) }) }

func (h *Host) running() []*instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*instance, 0, len(h.instances))
	for _, in := range h.instances {
		all = append(all, in)
	}
	return all
}

// instance returns the host that serves a group, nil while there is none.
func (h *Host) instance(f *function) *instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.options.PerFunctionGroup {
		return h.instances[f.group()]
	}
	return h.instances[""]
}

// Run serves until ctx ends or Stop is called, then stops gracefully. It returns nil
// then, and an error when the front door fails. It is called once.
func (h *Host) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-h.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	var platform sync.WaitGroup
	for _, group := range h.groups {
		first, err := newInstance(h, group)
		if err != nil {
			return fmt.Errorf("host.Run: %w", err)
		}
		h.set(group, first)
		platform.Go(func() { h.keepAlive(ctx, group, first) })
	}
	server := &http.Server{Handler: http.HandlerFunc(h.serve), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(frontLog{h}, "", 0)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(h.listener) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		cancel()
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer stop()
	if server.Shutdown(end) != nil {
		_ = server.Close()
	}
	platform.Wait()
	return err
}

// keepAlive is the platform: when a functions host ends it starts another.
func (h *Host) keepAlive(ctx context.Context, group string, in *instance) {
	for {
		h.set(group, in)
		err := in.run(ctx)
		h.set(group, nil)
		if ctx.Err() != nil {
			return
		}
		h.print(Error, categoryHost, "", fmt.Sprintf("the functions host %q ended: %v; a new one starts", group, err))
		for in = nil; in == nil; {
			if h.clock.sleep(ctx, platformPause) != nil {
				return
			}
			if in, err = newInstance(h, group); err != nil {
				h.print(Error, categoryHost, "", err.Error())
			}
		}
	}
}

func (h *Host) set(group string, in *instance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if in == nil {
		delete(h.instances, group)
		return
	}
	if h.instances[group] != in {
		h.hosts.Add(1)
	}
	h.instances[group] = in
}

// markUp notes that a group's handler answered.
func (h *Host) markUp(group string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.up[group] {
		return
	}
	h.up[group] = true
	if len(h.up) == len(h.groups) {
		close(h.ready)
	}
}
