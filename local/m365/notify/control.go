package notify

import (
	"slices"
	"strings"
	"time"
)

// Pending is a notification that is still to be sent.
type Pending struct {
	Number       int // which one it is
	Subscription string
	Kind         string // created, updated, deleted, or a lifecycle event
	Event        string // id as it is told; "" of a lifecycle event
	Due          time.Time
	Attempts     int
}

// Pending lists what is to be sent, in the order in which it is.
func (h *Hub) Pending() []Pending {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Pending, 0, len(h.pending))
	for _, n := range h.pending {
		all = append(all, Pending{n.number, n.subscription.ID, n.kind, n.event, n.due, n.attempts})
	}
	return all
}

// Subscriptions lists all there are, of every app and tenant.
func (h *Hub) Subscriptions() []Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bury()
	all := make([]Subscription, 0, len(h.all))
	for _, s := range h.all {
		all = append(all, s.Subscription)
	}
	return all
}

// Deliveries lists the POSTs that were made, the last thousand.
func (h *Hub) Deliveries() []Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.sent)
}

// Which picks pending notifications; the zero value is all of them.
type Which struct {
	Subscription string `json:"subscription"` // id
	Tenant       string `json:"tenant"`
	Number       int    `json:"number"` // one of them, as Pending numbers it
}

func (w Which) takes(n *notice) bool {
	return (w.Subscription == "" || strings.EqualFold(w.Subscription, n.subscription.ID)) &&
		(w.Tenant == "" || strings.EqualFold(w.Tenant, n.subscription.Tenant)) && (w.Number == 0 || w.Number == n.number)
}

// Drop loses pending notifications, of which nobody is told, and returns how many.
func (h *Hub) Drop(w Which) int {
	return h.change(w, func(picked []*notice) {
		for _, n := range picked {
			h.forget(n)
		}
	})
}

// Delay lets pending notifications come so much later.
func (h *Hub) Delay(w Which, by time.Duration) int {
	return h.change(w, func(picked []*notice) {
		for _, n := range picked {
			n.due = n.due.Add(by)
		}
	})
}

// Duplicate lets pending notifications come twice.
func (h *Hub) Duplicate(w Which) int {
	return h.change(w, func(picked []*notice) {
		for _, n := range picked {
			twin := *n
			h.pending = append(h.pending, &twin)
		}
	})
}

// Reorder turns the order of pending notifications round.
func (h *Hub) Reorder(w Which) int {
	return h.change(w, func(picked []*notice) {
		last := len(picked) - 1
		for i, n := range h.pending {
			if slices.Contains(picked, n) {
				h.pending[i] = picked[last]
				last--
			}
		}
	})
}

// change does something to what is picked and returns how many that is.
func (h *Hub) change(w Which, do func([]*notice)) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	var picked []*notice
	for _, n := range h.pending {
		if w.takes(n) {
			picked = append(picked, n)
		}
	}
	do(picked)
	h.Poke()
	return len(picked)
}

// Lapse ends the token of a subscription now, or of all where id is "", and returns how
// many that were.
func (h *Hub) Lapse(id string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	count := 0
	for _, s := range h.all {
		if id == "" || strings.EqualFold(s.ID, id) {
			s.Authorised = h.now().UTC()
			count++
		}
	}
	return count
}
