package graphapi

import (
	"compress/gzip"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/notify"
)

// Options of an API. The zero value is Graph at zero latency.
type Options struct {
	// Seed of the order in which a batch answers.
	Seed uint64
	// Faults in force; none when nil.
	Faults *faults.Set
	// Limits in force at the start.
	Limits
	// Directory of tenants and users; without one there is none.
	Directory Directory
	// BasicReads lets ReadBasic open calendarView and single events too, as newer pages
	// of the documentation say (section 12, U).
	BasicReads bool
	// ListsNeedRead makes lists of calendars take Calendars.Read, as section 12 has it
	// (D/K); the documentation's page user-list-calendars names ReadBasic as the least.
	ListsNeedRead bool
	// Changes are the sync states of calendarView/delta; fresh ones when nil.
	Changes *changes.Tracker
	// Hub keeps the subscriptions; one that posts over HTTP when nil.
	Hub *notify.Hub
	// Latency is how long each request to a mailbox takes, in real time; nil: none.
	Latency func() time.Duration
	// Sleep waits for real time or the end of ctx; nil: a timer.
	Sleep func(ctx context.Context, d time.Duration)
}

// API is Graph. It is an http.Handler for paths below /v1.0.
type API struct {
	store   *exchange.Store
	tokens  Tokens
	now     func() time.Time
	opt     Options
	slots   *slots // per app and mailbox
	global  *slots // per app
	apps    *rates // per app
	tenants *rates // per app and tenant
	late    lateList
	outage  outage
	running atomic.Int64 // requests

	mu     sync.Mutex
	random *rand.Rand
}

// New returns Graph over a store, with the given token checker and clock.
func New(store *exchange.Store, tokens Tokens, now func() time.Time, opt *Options) *API {
	var o Options
	if opt != nil {
		o = *opt
	}
	if o.Faults == nil {
		o.Faults = faults.New(o.Seed)
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Directory == nil {
		o.Directory = noDirectory{}
	}
	if o.Changes == nil {
		o.Changes = changes.New(store, now)
	}
	if o.Hub == nil {
		o.Hub = notify.New(store, now, notify.OverHTTP(nil), nil)
	}
	l := o.Limits.documented()
	return &API{
		store: store, tokens: tokens, now: now, opt: o,
		slots:  newSlots(l.Concurrency, l.Requests, now),
		global: newSlots(l.AppConcurrency, 0, now),
		apps:   newRates(l.AppRequests, now), tenants: newRates(l.TenantRequests, now),
		random: rand.New(rand.NewPCG(o.Seed, 1)),
	}
}

func limit(n, byDefault int) int {
	switch {
	case n == 0:
		return byDefault
	case n < 0:
		return 0
	}
	return n
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Changes returns the sync states, whose switches may be changed.
func (a *API) Changes() *changes.Tracker { return a.opt.Changes }

// Hub returns the subscriptions and what is to be sent to them.
func (a *API) Hub() *notify.Hub { return a.opt.Hub }

// Faults returns the rules in force, to be changed.
func (a *API) Faults() *faults.Set { return a.opt.Faults }

// Running counts the requests that are being served; late ones are not, see Late.
func (a *API) Running() int { return int(a.running.Load()) }

// largest is how long a request body may be, unpacked (section 9, 413).
const largest = 4 << 20

// request is a request on its own or an item of a batch.
type request struct {
	call
	method string
	path   string // escaped, below /v1.0
	query  string
	header http.Header
	body   []byte
	base   string // scheme://host/v1.0
	caller Caller
	item   bool
	late   bool // its answer is lost, its effect comes later
}

// ServeHTTP answers requests below /v1.0.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.LandDue()
	a.running.Add(1)
	defer a.running.Add(-1)
	c := call{id: uuid.NewString(), clientID: r.Header.Get("client-request-id"), at: a.now()}
	if c.clientID == "" {
		c.clientID = c.id
	}
	if a.outage.answered(w, c) {
		return
	}
	a.write(w, c, a.serve(r, c))
}

// serve checks what is common to all requests.
func (a *API) serve(r *http.Request, c call) answer {
	path, below := strings.CutPrefix(r.URL.EscapedPath(), "/v1.0/")
	if !below {
		return c.refusal(http.StatusBadRequest, "BadRequest", "Invalid version.", "")
	}
	caller, err := a.tokens.Check(r.Header.Get("Authorization"), r.Host)
	if err != nil {
		io.Copy(io.Discard, io.LimitReader(r.Body, largest))
		return c.unauthorised(err)
	}
	body, failure := readBody(r)
	if failure != nil {
		return c.fail(failure)
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	req := &request{
		call: c, method: r.Method, path: path, query: r.URL.RawQuery, header: r.Header, body: body,
		base: scheme + "://" + r.Host + "/v1.0", caller: caller,
	}
	if strings.EqualFold(strings.Trim(path, "/"), "$batch") || strings.EqualFold(path, "%24batch") {
		return a.batch(r.Context(), req)
	}
	return a.run(r.Context(), a.plan(req))
}

// readBody reads a body, packed or not, up to the limit.
func readBody(r *http.Request) ([]byte, *exchange.Error) {
	var from io.Reader = r.Body
	switch strings.ToLower(r.Header.Get("Content-Encoding")) {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(io.LimitReader(r.Body, largest+1))
		if err != nil {
			return nil, &exchange.Error{Status: http.StatusBadRequest, Code: "BadRequest", Message: "The gzip body can't be read."}
		}
		from = unpacked
	default:
		return nil, &exchange.Error{Status: http.StatusUnsupportedMediaType, Code: "UnsupportedMediaType", Message: "The content encoding is not supported."}
	}
	body, err := io.ReadAll(io.LimitReader(from, largest+1))
	if err != nil {
		return nil, &exchange.Error{Status: http.StatusBadRequest, Code: "BadRequest", Message: "The request body can't be read."}
	}
	if len(body) > largest {
		return nil, &exchange.Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge", Message: "The request is larger than 4 MB."}
	}
	return body, nil
}

// write sends an answer with the headers of section 1.
func (a *API) write(w http.ResponseWriter, c call, out answer) {
	if out.cut {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	for name, values := range out.header {
		h[name] = values
	}
	h.Set("request-id", c.id)
	h.Set("client-request-id", c.clientID)
	h.Set("x-ms-ags-diagnostic", `{"ServerInfo":{"DataCenter":"Local","Slice":"E","Ring":"0","ScaleUnit":"000","RoleInstance":"M365"}}`)
	h.Set("Cache-Control", "private")
	if out.body != nil {
		h.Set("OData-Version", "4.0")
		h.Set("Content-Type", out.contentType())
	}
	w.WriteHeader(out.status)
	w.Write(out.body)
}
