package graphapi

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limits are Graph's limits (section 8). In Options and SetLimits 0 is the
// documented limit, where there is one, and a negative number none.
type Limits struct {
	// Concurrency is how many requests of one app may run in one mailbox: 4.
	Concurrency int `json:"concurrency"`
	// Requests in ten minutes of one app in one mailbox: 10,000.
	Requests int `json:"requests"`
	// AppConcurrency is how many requests of one app may run at once in all
	// mailboxes, as one version of the limits page has it: none.
	AppConcurrency int `json:"appConcurrency"`
	// AppRequests in ten seconds of one app over all tenants: 130,000.
	AppRequests int `json:"appRequests"`
	// TenantRequests in ten seconds of one app in one tenant: none is documented for
	// Outlook; other workloads have one, and administrators see it happen.
	TenantRequests int `json:"tenantRequests"`
}

// documented puts the documented limits for zeros, and 0 for none.
func (l Limits) documented() Limits {
	return Limits{limit(l.Concurrency, 4), limit(l.Requests, 10_000), limit(l.AppConcurrency, 0), limit(l.AppRequests, 130_000), limit(l.TenantRequests, 0)}
}

// SetLimits changes the limits from the next request on. What is running stays
// counted.
func (a *API) SetLimits(l Limits) {
	l = l.documented()
	a.slots.set(l.Concurrency, l.Requests)
	a.global.set(l.AppConcurrency, 0)
	a.apps.set(l.AppRequests)
	a.tenants.set(l.TenantRequests)
}

// rates counts requests in windows of ten seconds, those that are refused
// included: "calls during throttling still count".
type rates struct {
	now func() time.Time

	mu    sync.Mutex
	limit int // 0 without limit
	seen  map[string]*rate
}

type rate struct {
	since time.Time
	count int
}

// shortWindow is the window of the limits by app and tenant.
const shortWindow = 10 * time.Second

func newRates(limit int, now func() time.Time) *rates {
	return &rates{now: now, limit: limit, seen: map[string]*rate{}}
}

func (r *rates) set(limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = limit
}

// count counts a request and returns how long to wait when it is one too many.
func (r *rates) count(key string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit == 0 {
		return 0
	}
	u := r.seen[key]
	if u == nil {
		u = &rate{since: r.now()}
		r.seen[key] = u
	}
	age := r.now().Sub(u.since)
	if age >= shortWindow || age < 0 {
		*u, age = rate{since: r.now()}, 0
	}
	if u.count++; u.count <= r.limit {
		return 0
	}
	return shortWindow - age
}

// rationed refuses a request beyond what its app may make in all tenants or in
// this one. The items of a batch count one by one (con/throttling).
func (a *API) rationed(r *request) (answer, bool) {
	wait := max(a.apps.count(r.caller.App), a.tenants.count(r.caller.Tenant+" "+r.caller.App))
	if wait == 0 {
		return answer{}, false
	}
	return r.gatewayThrottled(wait), true
}

// gatewayThrottled is the 429 of Graph's own gateway (section 8).
func (c call) gatewayThrottled(wait time.Duration) answer {
	inner := object{{"code", "429"}, {"date", c.at.UTC().Format("2006-01-02T15:04:05")}, {"message", "Please retry after"},
		{"request-id", c.id}, {"status", "429"}}
	a := ok(http.StatusTooManyRequests, object{{"error", object{{"code", "TooManyRequests"}, {"innerError", inner},
		{"message", "Please retry again later."}}}})
	a.header.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	return a
}
