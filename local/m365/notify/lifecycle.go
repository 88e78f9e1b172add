package notify

import (
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// The lifecycle events (6.6).
const (
	Reauthorise = "reauthorizationRequired"
	Removed     = "subscriptionRemoved"
	Missed      = "missed"
)

// When reauthorizationRequired is sent: in the last hour, every 15 minutes.
const (
	remindWithin = time.Hour
	remindEvery  = 15 * time.Minute
)

// Send sends a subscription a lifecycle event; Removed ends it. It fails for an
// unknown subscription, one without an address for them, and an unknown event.
func (h *Hub) Send(id, event string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bury()
	at := slices.IndexFunc(h.all, func(s *subscription) bool { return strings.EqualFold(s.ID, id) })
	if at < 0 {
		return &exchange.Error{Status: 404, Code: "ResourceNotFound", Message: "The object was not found."}
	}
	s := h.all[at]
	switch {
	case !slices.Contains([]string{Reauthorise, Removed, Missed}, event):
		return invalid("No such lifecycle event.")
	case s.LifecycleURL == "" && event != Removed:
		return invalid("The subscription has no address for lifecycle notifications.")
	}
	if event == Removed {
		h.remove(s)
		return nil
	}
	h.tell(s, event)
	return nil
}

// remove ends a subscription as the service does now and then, and tells it. The caller
// holds the lock.
func (h *Hub) remove(s *subscription) {
	if s.LifecycleURL != "" {
		h.tell(s, Removed)
	}
	h.end(s)
}

// tell queues a lifecycle event. The caller holds the lock.
func (h *Hub) tell(s *subscription, event string) {
	h.queue(&notice{subscription: s, lifecycle: true, kind: event}, h.switches.latency())
}

// missed tells a subscription that something was dropped, once until it was told.
func (h *Hub) missed(s *subscription) {
	waiting := slices.ContainsFunc(h.pending, func(n *notice) bool { return n.subscription == s && n.kind == Missed })
	if s.LifecycleURL != "" && !waiting && !h.switches.NoMissed {
		h.tell(s, Missed)
	}
}

// reminder is when a subscription is to be reminded next; false for never.
func (h *Hub) reminder(s *subscription) (time.Time, bool) {
	if s.LifecycleURL == "" || h.switches.NoReminders {
		return time.Time{}, false
	}
	end := s.Expires
	if !s.Authorised.IsZero() && s.Authorised.Before(end) {
		end = s.Authorised
	}
	if s.reminded.IsZero() {
		return end.Add(-remindWithin), true
	}
	next := s.reminded.Add(remindEvery)
	return next, next.Before(end)
}

// remind queues the reminders that are due. The caller holds the lock.
func (h *Hub) remind() {
	now := h.now()
	for _, s := range h.all {
		if at, ok := h.reminder(s); ok && !at.After(now) {
			s.reminded = now
			h.tell(s, Reauthorise)
		}
	}
}
