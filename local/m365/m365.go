// Package m365 is a simulator of Microsoft 365 on one listener: Entra's sign-in,
// consent and tokens (package entra), Graph's calendar side (graphapi) over mailboxes in
// memory (exchange), pages that show them (web), and controls for tests and
// demonstrations (control.go).
//
//	/v1.0/...          Graph
//	/calendars         the pages; / leads there
//	/sim/...           controls
//	everything else    Entra
//
// It speaks plain http and is meant for loopback: the controls and pages have no
// password. Each part says in its own package comment which section of
// graph/contract.md it follows and what it guesses.
//
// # Time
//
// Notifications go to their subscribers while the server listens, and end with it;
// notify.Switches.ByHand leaves them to Hub.Deliver. Graph demands https addresses; the
// simulator takes http too, on loopback only.
//
// All parts share one Clock. It runs with the time function given in Options and
// can be put ahead, by Clock.Advance or POST /sim/clock.
//
// # Starting
//
//	server := m365.New(nil)
//	server.Entra.Register(entra.App{ID: id, Secrets: []string{secret}})
//	server.AddTenant(tenant, "acme.example")
//	server.Entra.Consent(tenant, id, "Calendars.ReadWrite")
//	server.Exchange.AddUser(tenant, exchange.User{Principal: "aino@acme.example"})
//	if err := server.Listen("127.0.0.1:0"); err != nil { ... }
//	defer server.Close()
//	// GRAPH_ENDPOINT and ENTRA_AUTHORITY are server.URL()
package m365

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/graphapi"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/local/m365/web"
)

// Options of a Server. The zero value is a Microsoft 365 at zero latency that
// keeps to the contract's working assumptions.
type Options struct {
	// Now is the time that the clock starts from and runs with; time.Now when nil.
	Now func() time.Time
	// Switches decide what the contract leaves unknown.
	Switches exchange.Switches
	// Graph is passed on; its Faults are replaced by Server.GraphFaults.
	Graph graphapi.Options
	// Notify is how notifications are delivered: how long answers may take, switches.
	Notify notify.Options
	// Post brings notifications to subscribers; over HTTP when nil.
	Post notify.Post
	// Seed of all chance in the simulator.
	Seed uint64
}

// Server is the simulator. It is an http.Handler; Listen serves it.
type Server struct {
	Clock       *Clock
	Exchange    *exchange.Store
	Entra       *entra.Server
	Graph       *graphapi.API
	Changes     *changes.Tracker // sync states of calendarView/delta
	Hub         *notify.Hub      // subscriptions; while it listens, what is due is sent
	GraphFaults *faults.Set      // rules on requests below /v1.0
	EntraFaults *faults.Set      // rules on token requests

	mux      *http.ServeMux
	listener listener
}

// New returns a simulator without tenants; opt may be nil.
func New(opt *Options) *Server {
	var o Options
	if opt != nil {
		o = *opt
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{Clock: &Clock{base: o.Now}, GraphFaults: faults.New(o.Seed), EntraFaults: faults.New(o.Seed + 1)}
	o.Graph.Faults = s.GraphFaults
	if o.Graph.Seed == 0 {
		o.Graph.Seed = o.Seed
	}
	s.Exchange = exchange.New(s.Clock.Now, o.Switches)
	s.Entra = entra.New(s.Clock.Now, s.EntraFaults)
	s.Entra.SetPeople(people{s.Exchange})
	s.Entra.AddUser(entra.Consumers, entra.User{Principal: PersonalAccount, Name: "Pat Personal", Mail: PersonalAccount})
	o.Graph.Directory = s.Entra
	if o.Post == nil {
		o.Post = notify.OverHTTP(nil)
	}
	s.Changes = changes.New(s.Exchange, s.Clock.Now)
	o.Notify.Authority = s.mayHear
	s.Hub = notify.New(s.Exchange, s.Clock.Now, o.Post, &o.Notify)
	s.Clock.moved = s.Hub.Poke
	o.Graph.Changes, o.Graph.Hub = s.Changes, s.Hub
	s.Graph = graphapi.New(s.Exchange, s.Entra, s.Clock.Now, &o.Graph)
	s.mux = s.routes()
	return s
}

func (s *Server) routes() *http.ServeMux {
	pages := web.New(s.Exchange, s.Clock.Now)
	mux := http.NewServeMux()
	mux.Handle(web.Root, pages)
	mux.Handle(web.Root+"/", pages)
	mux.Handle("/sim/", s.control())
	mux.Handle("GET /{$}", http.RedirectHandler(web.Root, http.StatusFound))
	mux.Handle("/", s.Entra)
	return mux
}

// ServeHTTP gives Graph its requests as they come: a mux would clean their paths.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/v1.0/") {
		s.Graph.ServeHTTP(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// AddTenant makes a tenant in Entra, with its domains and three accounts without
// mailbox (Admin, AppAdmin, Employee), and in Exchange.
func (s *Server) AddTenant(id string, domains ...string) {
	s.Entra.AddTenant(id, domains...)
	s.Exchange.AddTenant(id)
	if len(domains) > 0 {
		s.staff(id, domains[0])
	}
}

// Clock is a time function that can be put ahead.
type Clock struct {
	base  func() time.Time
	moved func() // called after the clock was put ahead; nil: nobody cares
	mu    sync.Mutex
	ahead time.Duration
}

// Now is the simulator's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base().Add(c.ahead)
}

// Advance puts the clock ahead, or back.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.ahead += d
	c.mu.Unlock()
	if c.moved != nil {
		c.moved()
	}
}
