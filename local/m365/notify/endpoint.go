package notify

import (
	"net/url"
	"time"
)

// stateLasts is the ten minutes of 6.5: how long answers count, and how long a state lasts.
const stateLasts = 10 * time.Minute

// endpoint is how an address's host has answered lately.
type endpoint struct {
	answers              []took
	slowUntil, dropUntil time.Time
}

type took struct {
	at         time.Time
	slow, dead bool
}

// endpoint is that of an address. The caller holds the lock.
func (h *Hub) endpoint(address string) *endpoint {
	host := address
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	e := h.endpoints[host]
	if e == nil {
		e = &endpoint{}
		h.endpoints[host] = e
	}
	return e
}

// answered notes how long an answer took, which may change the state of its host. The
// caller holds the lock.
func (h *Hub) answered(address string, spent time.Duration) {
	e, now := h.endpoint(address), h.now()
	e.answers = append(e.answers, took{now, spent >= h.patience.First, spent >= h.patience.Retry})
	slow, dead, first := 0, 0, 0
	for i, a := range e.answers {
		switch {
		case now.Sub(a.at) > stateLasts:
			first = i + 1
			continue
		case a.dead:
			dead++
		}
		if a.slow {
			slow++
		}
	}
	e.answers = e.answers[first:]
	least := h.switches.SlowAfter
	if least == 0 {
		least = 10
	}
	if len(e.answers) < least {
		return
	}
	if slow*10 > len(e.answers) {
		e.slowUntil = now.Add(stateLasts)
	}
	if dead*100 > len(e.answers)*15 {
		e.dropUntil = now.Add(stateLasts)
	}
}

// SetState puts an address's host into a state for ten minutes: slow or drop; any other
// name ends both.
func (h *Hub) SetState(address, state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.endpoint(address)
	e.slowUntil, e.dropUntil, e.answers = time.Time{}, time.Time{}, nil
	switch state {
	case "slow":
		e.slowUntil = h.now().Add(stateLasts)
	case "drop":
		e.dropUntil = h.now().Add(stateLasts)
	}
}

// State is that of an address's host: works, slow or drop.
func (h *Hub) State(address string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e, now := h.endpoint(address), h.now(); {
	case now.Before(e.dropUntil):
		return "drop"
	case now.Before(e.slowUntil):
		return "slow"
	}
	return "works"
}
