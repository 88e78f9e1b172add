// Package handlers is the shell around the program: it speaks the Functions
// host's custom-handler protocol, decodes one invocation, calls one function of
// shared/, and encodes the answer. A decision found here belongs in engine,
// state or organization.
//
// # Two kinds of request on one port
//
// The host sends queue triggers as envelopes, POST /<FunctionName>, and forwards
// web requests as they are, with the prefix /api (functions/contract.md 2.1,
// 2.2). Strangers can bend the second onto the first, and onto web functions
// whose key they lack; the guards in guards.go stand in front of every route.
//
// # Answers to envelopes
//
// Success is always status 200 with {} and Content-Type application/json: an
// empty body would hang the invocation until the host kills the process, and
// any other media type fails it (contract 2.5). Failure is status 500, which
// makes the host abandon the message at once; it is for what only a redelivery
// can heal (write-path.md section 1). What cannot be decoded at all fails too.
//
// # Answers to web requests
//
// JSON, or a problem document (RFC 9457, wire.md). 204, 205 and 304 make the host
// log an exception (contract 2.2) and are not used: a GET ignores If-None-Match.
//
// # Duplicates
//
// Every queue function may be called again with the same message, at any time.
// Every web request may be repeated: PUT, DELETE and binding a tenant are
// idempotent, POST bookings puts the same revision on the queue again, which
// changes nothing, POST links makes another link, deciding a consent twice alike
// changes nothing, and a redrive owes again what is owed already or sends back
// what is still there.
//
// # Logs
//
// JSON lines on the logger that New is given, which writes to stdout (contract
// 1.7), with the keys function, invocation, organization. Never an address, a
// body, a path or a query: ids of bookings are free text.
//
// # Guesses
//
// Refusals of the guards answer 404 where a path must not be confirmed and 400
// where headers are odd; the contract leaves that open. A method that a route
// does not have is 404, as the host answers for its own (contract 3.2).
package handlers

import (
	"log/slog"
	"net/http"
	"time"
)

// Deadline is how long one invocation may take (write-path.md section 1).
const Deadline = 60 * time.Second

// Deps is what the functions call. All are required.
type Deps struct {
	Submit        Submitter
	Intake        Intaker
	Write         Writer
	DeadLetter    DeadLetterer
	Sweep         Sweeper
	Readings      Readings
	Tasks         Tasker
	Status        StatusReader
	Files         Filer
	People        Roster
	Organizations Organizations
	Directory     Directory
	Repair        Repairer
	Links         Linker
	Consent       Consenter
	Connections   Connections
	Notifications Receiver
	Renewals      Renewer
	Pages         Pages
	// Dependencies are asked by Health, under their names.
	Dependencies map[string]Check
}

// Options may be nil or have any field at its zero value.
type Options struct {
	// Logger defaults to one that discards.
	Logger *slog.Logger
	// Now defaults to time.Now.
	Now func() time.Time
	// Version and Commit are those of the build, for Health.
	Version, Commit string
	// CredentialExpires is when the app's certificate ends, for Health; zero for a
	// credential that does not say.
	CredentialExpires time.Time
	// without switches guards off, so that a test of this package can show what each
	// one stops. No program can set it.
	without guard
}

// Server is the handler of every request that the host sends. It is safe for
// concurrent use.
type Server struct {
	deps   Deps
	opts   Options
	guards guards
	web    []route
	pages  []page
	queues map[string]queueFunction // by path; the timer too
}

// New returns the server for a listener on host, which is exactly
// "127.0.0.1:<port>": what the Host header of a genuine envelope says. publicURL
// is the outside base without /api.
func New(host, publicURL string, deps Deps, opts *Options) *Server {
	s := &Server{deps: deps}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Logger == nil {
		s.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if s.opts.Now == nil {
		s.opts.Now = time.Now
	}
	s.guards = guards{host: host, without: s.opts.without}
	s.install(publicURL)
	return s
}

// install lists everything that is served: who calls it, and how often.
func (s *Server) install(publicURL string) {
	health := &health{checks: s.deps.Dependencies, now: s.opts.Now, version: s.opts.Version, commit: s.opts.Commit, ends: s.opts.CredentialExpires}
	bookings := bookings{s.deps.Submit, publicURL}
	organizations := organizations{s.deps.Organizations, s.deps.Status, s.deps.Tasks}
	people := people{s.deps.People}
	connections := connections{s.deps.Connections, s.deps.Links, s.deps.Readings}
	readings := readings{s.deps.Readings, s.deps.Connections}
	operator := operator{s.deps.Directory, s.deps.Tasks, s.deps.Repair, s.opts.Logger}
	s.web = []route{
		// Monitors, anonymously, every few seconds.
		{"Health", http.MethodGet, "health", health.serve},
		// Booking apps, per change of a booking.
		{"Bookings", http.MethodPost, "bookings", bookings.post},
		// Booking apps, whenever somebody is to see a page; every call makes another link.
		{"Links", http.MethodPost, "links", links{s.deps.Links}.post},
		// Booking apps and their back offices: settings now and then, status when somebody asks.
		{"Organizations", http.MethodGet, "organizations/{organization}", organizations.get},
		{"Organizations", http.MethodPut, "organizations/{organization}", organizations.put},
		{"Organizations", http.MethodDelete, "organizations/{organization}", organizations.delete},
		{"Organizations", http.MethodGet, "organizations/{organization}/bookings", organizations.bookings},
		{"Organizations", http.MethodGet, "organizations/{organization}/bookings/ics", calendarFile{s.deps.Files}.get},
		{"Organizations", http.MethodGet, "organizations/{organization}/people", people.list},
		{"Organizations", http.MethodPut, "organizations/{organization}/people", people.announce},
		{"Organizations", http.MethodGet, "organizations/{organization}/people/deliveries", people.deliveries},
		{"Organizations", http.MethodPatch, "organizations/{organization}/people/offer", people.choose},
		{"Organizations", http.MethodGet, "organizations/{organization}/connections", connections.list},
		{"Organizations", http.MethodPost, "organizations/{organization}/connections", connections.post},
		{"Organizations", http.MethodGet, "organizations/{organization}/connections/{connection}", connections.get},
		{"Organizations", http.MethodPatch, "organizations/{organization}/connections/{connection}", connections.patch},
		{"Organizations", http.MethodDelete, "organizations/{organization}/connections/{connection}", connections.delete},
		{"Organizations", http.MethodPost, "organizations/{organization}/connections/{connection}/sync", readings.now},
		{"Organizations", http.MethodGet, "organizations/{organization}/held", readings.held},
		{"Organizations", http.MethodPost, "organizations/{organization}/held", readings.decide},
		{"Organizations", http.MethodGet, "organizations/{organization}/consent", consent{s.deps.Consent}.get},
		{"Organizations", http.MethodPost, "organizations/{organization}/consent", consent{s.deps.Consent}.decide},
		// Graph, per change of a connected calendar and for lifecycle events; anybody else, in vain.
		{"GraphNotifications", http.MethodPost, "graph/notifications", graphNotifications{s.deps.Notifications, s.opts.Logger}.post},
		// The operator, by hand.
		{"Operator", http.MethodGet, "operator/organizations", operator.list},
		{"Operator", http.MethodPost, "operator/organizations/{organization}/tenant", operator.tenant},
		{"Operator", http.MethodGet, "operator/rejected", operator.rejected},
		{"Operator", http.MethodGet, "operator/dead-letters", operator.deadLetters},
		{"Operator", http.MethodPost, "operator/redrive", operator.redrive},
	}
	s.pages = installPages(s.deps.Pages)
	s.queues = map[string]queueFunction{
		"/BookingIntake":        {"BookingIntake", bookingIntake(s.deps.Intake)},               // per booking
		"/CalendarWrite":        {"CalendarWrite", calendarWrite(s.deps.Write)},                // per wake-up of a lane
		"/DeadLetterBookings":   {"DeadLetterBookings", deadLetterBookings(s.deps.DeadLetter)}, // after 20 failures
		"/DeadLetterDeliveries": {"DeadLetterDeliveries", deadLetterDeliveries(s.deps.DeadLetter)},
		"/DeadLetterTasks":      {"DeadLetterTasks", deadLetterTasks(s.deps.DeadLetter)},
		"/MailboxTask":          {"MailboxTask", mailboxTask(s.deps.Tasks)},                            // per task of a lane or organisation
		"/SubscriptionRenewal":  {"SubscriptionRenewal", subscriptionRenewal(s.deps.Renewals)},         // hourly
		"/TokenKeepAlive":       {"TokenKeepAlive", tokenKeepAlive(s.deps.Tasks)},                      // hourly
		"/DownSyncSchedule":     {"DownSyncSchedule", downSyncSchedule(s.deps.Sweep, s.deps.Readings)}, // every 30 minutes
	}
}
