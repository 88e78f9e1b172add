// Package notify is Graph's change notifications without its URLs and tokens: the
// subscriptions to mailboxes of an exchange.Store, the handshake with which they begin,
// and the delivery of what changes. graphapi puts Graph's wire format over it, twin puts
// graph.Subscriber over it.
//
// # Rules and their source
//
// Section numbers are those of graph/contract.md.
//
//   - A subscription lasts at most 10,080 minutes; less than 45 is made 45, further ahead
//     is 400 (6.2). Its client state has at most 128 characters. A mailbox has at most
//     1,000 of them, of all apps; the same app and user cannot have two of one
//     changeType and resource: 409, naming the one there is.
//   - Both addresses are validated before a subscription is made, and the address of
//     notifications again when it changes (6.3).
//   - Graph demands https. Plain http is accepted for loopback addresses only, because the
//     simulator and what it notifies run on one machine.
//   - A change is one notification to every subscription of its mailbox; one of an
//     occurrence is of its series (6.4). What is due is sent in one POST per address, also
//     what is of several subscriptions and tenants.
//   - 2xx within 3 s is success. Else it is tried again with exponential backoff, 10 s
//     long each, for 4 hours, and then dropped (6.5).
//   - An address of whose answers in ten minutes more than 10 % took longer than 3 s is
//     slow: what is new waits ten minutes. With more than 15 % over 10 s what is new is
//     dropped for ten minutes.
//   - Where an authorisation lapses (Switches.AuthorisedMS), or an administrator took the
//     permission back (Options.Authority), notifications are held until the subscription
//     is renewed or authorised again, at most 4 hours.
//   - Lifecycle notifications go to their own address (6.6): reauthorizationRequired every
//     15 minutes in the last hour, missed when something was dropped; subscriptionRemoved
//     when a test says so.
//
// # Guessed
//
//   - That a permission was taken back is noticed when something is to be sent, and told
//     once: reauthorizationRequired.
//   - The first retry comes after 10 s, each next one after twice as long.
//   - An address is slow or dropping after ten answers at least (Switches.SlowAfter).
//   - An end in the past is 400 InvalidRequest; so is whatever else is malformed.
//   - A mailbox that moves to another store, or is another one, has lost its subscriptions:
//     subscriptionRemoved.
//   - Two resources are the same where their text is, without regard to case.
//   - A subscription that ends takes what is still to be sent for it along.
//   - A move to another calendar is an update, and for a subscription to one calendar
//     the end or beginning of the event there.
//
// # Time
//
// A Hub sends nothing by itself: Deliver sends what is due by its clock, the store's,
// which tests move; Run calls Deliver whenever something is. Only how long an answer takes
// is real time (Patience), unless the Post says how long it took.
package notify

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Patience is how long answers may take, in real time.
type Patience struct {
	First      time.Duration // of the first attempt: 3 s
	Retry      time.Duration // of the others: 10 s
	Validation time.Duration // of the handshake: 10 s
}

func (p Patience) documented() Patience {
	const first, later = 3 * time.Second, 10 * time.Second
	if p.First == 0 {
		p.First = first
	}
	if p.Retry == 0 {
		p.Retry = later
	}
	if p.Validation == 0 {
		p.Validation = later
	}
	return p
}

// Options of a Hub; the zero value is what is documented.
type Options struct {
	Patience Patience
	Switches Switches
	// Authority says whether who made a subscription may still read its mailbox; nil:
	// always. It may call the store, and is asked before something is sent.
	Authority func(Subscription) bool
}

// Hub keeps subscriptions and what is to be sent to them. It is safe for concurrent use.
type Hub struct {
	store    *exchange.Store
	now      func() time.Time
	post     Post
	patience Patience
	allowed  func(Subscription) bool // nil: always

	delivering sync.Mutex    // one delivery at a time
	wake       chan struct{} // something may be due earlier than it was

	// mu may be taken while the store is locked, so the store is never called with it.
	mu        sync.Mutex
	switches  Switches
	all       []*subscription // in the order they were made
	of        map[box][]*subscription
	pending   []*notice
	endpoints map[string]*endpoint // by host
	sent      []Delivery
	count     int // of ids
}

// box is a mailbox.
type box struct{ tenant, user string }

func boxOf(tenant, user string) box { return box{strings.ToLower(tenant), strings.ToLower(user)} }

// New returns a hub without subscriptions over a store, with its clock. post brings its
// requests to the subscribers.
func New(store *exchange.Store, now func() time.Time, post Post, opt *Options) *Hub {
	var o Options
	if opt != nil {
		o = *opt
	}
	h := &Hub{store: store, now: now, post: post, patience: o.Patience.documented(), switches: o.Switches, allowed: o.Authority,
		wake: make(chan struct{}, 1), of: map[box][]*subscription{}, endpoints: map[string]*endpoint{}}
	store.Watch(h.noted)
	return h
}

// noted queues what the subscriptions to a mailbox are told of a change.
func (h *Hub) noted(n exchange.Note) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n.Kind == exchange.Rehoused {
		for _, s := range slices.Clone(h.of[boxOf(n.Tenant, n.User)]) {
			h.remove(s)
		}
		return
	}
	for _, s := range h.of[boxOf(n.Tenant, n.User)] {
		kind := s.sees(n)
		if kind == "" || !s.Expires.After(n.At) {
			continue
		}
		kinds := []string{kind}
		for range h.switches.Storm {
			if kind != "deleted" {
				kinds = append(kinds, "updated")
			}
		}
		for _, kind := range kinds {
			if !s.wants(kind) {
				continue
			}
			id := n.MutableID
			if s.Immutable {
				id = n.ID
			}
			h.queue(&notice{subscription: s, kind: kind, event: id, tag: exchange.LongChangeKey(n.ChangeKey)}, h.switches.latency())
		}
	}
}

// sees is what a change is to a subscription: created, updated, deleted, or "" where it
// is none.
func (s *subscription) sees(n exchange.Note) string {
	switch {
	case s.Calendar == "":
		return n.Kind
	case s.Calendar == n.Calendar && n.From != "":
		return "created"
	case s.Calendar == n.Calendar:
		return n.Kind
	case s.Calendar == n.From:
		return "deleted"
	}
	return ""
}

func (s *subscription) wants(kind string) bool {
	for part := range strings.SplitSeq(s.ChangeType, ",") {
		if part == kind {
			return true
		}
	}
	return false
}

// queue puts a notification in, due after a while. The caller holds the lock.
func (h *Hub) queue(n *notice, after time.Duration) {
	h.count++
	now := h.now()
	n.number, n.since, n.due = h.count, now, now.Add(after)
	switch e := h.endpoint(n.address()); {
	case n.lifecycle:
	case now.Before(e.dropUntil):
		h.missed(n.subscription)
		return
	case now.Before(e.slowUntil):
		n.due = n.due.Add(stateLasts)
	}
	h.pending = append(h.pending, n)
	h.Poke()
}

// Poke lets Run look whether something is due, as when the clock was moved.
func (h *Hub) Poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}
