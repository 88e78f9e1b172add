package exchange

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// The ways to look at a mailbox.
const (
	LookList      = "list"      // events without a filter
	LookSearch    = "search"    // events with a filter, which finds one's own by mark
	LookView      = "view"      // calendarView
	LookDelta     = "delta"     // calendarView/delta
	LookInstances = "instances" // the occurrences of a series
	LookCalendars = "calendars" // the list of calendars
	LookSubscribe = "subscribe" // a subscription to its events
)

// Look is one way in which a mailbox was looked at, however often. It counts when it was
// tried, whatever came of it.
type Look struct {
	Tenant   string
	User     string // object id, in lower case; what was named where there is no such user
	Kind     string // one of the kinds above
	Count    int
	Last     time.Time
	Calendar string // id that the last one named; "" for none
}

// Lists reports whether it shows events that nobody named: what a mailbox into which
// Calbridge only writes must never meet.
func (l Look) Lists() bool {
	return slices.Contains([]string{LookList, LookView, LookDelta, LookInstances, LookSubscribe}, l.Kind)
}

// looks counts them.
type looks struct {
	mu    sync.Mutex
	found map[[3]string]*Look
	order []*Look
}

// Looked notes a look at a mailbox.
func (s *Store) Looked(tenantID, user, calendar, kind string) {
	if u, err := s.User(tenantID, user); err == nil {
		user = u.ObjectID
	}
	key := [3]string{strings.ToLower(tenantID), strings.ToLower(user), kind}
	now := s.now().UTC()
	l := &s.looks
	l.mu.Lock()
	defer l.mu.Unlock()
	look := l.found[key]
	if look == nil {
		if l.found == nil {
			l.found = map[[3]string]*Look{}
		}
		look = &Look{Tenant: key[0], User: key[1], Kind: kind}
		l.found[key] = look
		l.order = append(l.order, look)
	}
	look.Count++
	look.Last, look.Calendar = now, calendar
}

// Looks lists how mailboxes were looked at, in the order of the first time.
func (s *Store) Looks() []Look {
	s.looks.mu.Lock()
	defer s.looks.mu.Unlock()
	all := make([]Look, 0, len(s.looks.order))
	for _, l := range s.looks.order {
		all = append(all, *l)
	}
	return all
}

// Strangers are the mailboxes, by address, whose events were listed or subscribed to, in any
// way that Look.Lists means, though they are none of those that may be. A suite fails where
// there are any.
func (s *Store) Strangers(mayBe ...string) (all []string) {
	for _, l := range s.Looks() {
		address := l.User
		if u, err := s.User(l.Tenant, l.User); err == nil {
			address = u.Principal
		}
		if l.Lists() && !slices.ContainsFunc(mayBe, func(m string) bool { return strings.EqualFold(m, address) }) && !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all
}

// Listed tells how often the events of a mailbox were listed or subscribed to, in any
// way that Look.Lists means. A suite fails where that is not 0 and the mailbox's
// direction is up.
func (s *Store) Listed(tenantID, user string) int {
	if u, err := s.User(tenantID, user); err == nil {
		user = u.ObjectID
	}
	n := 0
	for _, l := range s.Looks() {
		if l.Lists() && strings.EqualFold(l.Tenant, tenantID) && strings.EqualFold(l.User, user) {
			n += l.Count
		}
	}
	return n
}
