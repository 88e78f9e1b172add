package notify

import (
	"context"
	"slices"
	"time"
)

// notice is one notification that is to be sent.
type notice struct {
	subscription *subscription
	lifecycle    bool
	kind         string // created, updated, deleted, or a lifecycle event
	event, tag   string // id of the event and its change key, of the long form
	number       int
	since, due   time.Time
	attempts     int
}

// address is where it goes.
func (n *notice) address() string {
	if n.lifecycle {
		return n.subscription.LifecycleURL
	}
	return n.subscription.NotifyURL
}

// How delivery goes on after a failure (6.5; the first wait is guessed).
const (
	firstWait = 10 * time.Second
	giveUp    = 4 * time.Hour
)

// Delivery is one POST that was made.
type Delivery struct {
	At      time.Time
	URL     string
	Notices int // how many notifications it had
	Status  int // 0 where there was no answer in time
	Took    time.Duration
}

// remembered is how many deliveries are.
const remembered = 1000

// Deliver sends what is due by the clock, one POST after the other, and returns how many
// notifications arrived. What fails is due again later. It ends early with ctx.
func (h *Hub) Deliver(ctx context.Context) int { return h.deliver(ctx, false) }

// deliver is Deliver; itself says that nobody asked for it, which Switches.ByHand forbids.
func (h *Hub) deliver(ctx context.Context, itself bool) int {
	h.delivering.Lock()
	defer h.delivering.Unlock()
	h.authority()
	arrived := 0
	for _, batch := range h.due(itself) {
		if ctx.Err() != nil {
			return arrived
		}
		if h.send(ctx, batch) {
			arrived += len(batch)
		}
	}
	return arrived
}

// due takes stock of the clock and gives what is to be sent now, in the POSTs that it is
// sent in.
func (h *Hub) due(itself bool) [][]*notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	if itself && h.switches.ByHand {
		return nil
	}
	h.bury()
	h.remind()
	now := h.now()
	type post struct {
		address string
		again   bool
	}
	var batches [][]*notice
	open := map[post]int{} // the batch that is not full
	for _, n := range slices.Clone(h.pending) {
		switch {
		case n.due.After(now):
			continue
		case !n.lifecycle && n.subscription.lapsed(now):
			if now.Sub(n.since) > giveUp {
				h.drop(n)
			}
			continue
		}
		key := post{n.address(), n.attempts > 0}
		at, there := open[key]
		if !there || len(batches[at]) >= h.switches.batch() {
			at = len(batches)
			open[key] = at
			batches = append(batches, nil)
		}
		batches[at] = append(batches[at], n)
	}
	return batches
}

// lapsed reports whether a subscription's token has ended.
func (s *subscription) lapsed(now time.Time) bool {
	return s.refused || !s.Authorised.IsZero() && !now.Before(s.Authorised)
}

// authority finds out whose permission was taken back, or given again, among those for
// whom something is to be sent.
func (h *Hub) authority() {
	if h.allowed == nil {
		return
	}
	h.mu.Lock()
	waiting := map[*subscription]Subscription{}
	for _, n := range h.pending {
		if !n.lifecycle {
			waiting[n.subscription] = n.subscription.Subscription
		}
	}
	h.mu.Unlock()
	for s, shown := range waiting {
		refused := !h.allowed(shown)
		h.mu.Lock()
		if refused && !s.refused && s.LifecycleURL != "" && !h.switches.NoReminders {
			h.tell(s, Reauthorise)
		}
		s.refused = refused
		h.mu.Unlock()
	}
}

// send makes one POST and notes what came of it.
func (h *Hub) send(ctx context.Context, batch []*notice) bool {
	h.mu.Lock()
	batch = slices.DeleteFunc(batch, func(n *notice) bool { return !slices.Contains(h.pending, n) })
	if len(batch) == 0 {
		h.mu.Unlock()
		return false
	}
	address, body := batch[0].address(), h.payload(batch)
	limit := h.patience.First
	if batch[0].attempts > 0 {
		limit = h.patience.Retry
	}
	h.mu.Unlock()
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	reply, err := h.post(within, address, "application/json; charset=utf-8", body)
	took := reply.spent(began)
	ok := err == nil && took <= limit && reply.Status >= 200 && reply.Status <= 299
	if err != nil || took > limit {
		reply.Status = 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !ok && ctx.Err() != nil {
		return false // whoever asked for the delivery has gone: nothing was tried
	}
	h.answered(address, took)
	h.sent = append(h.sent, Delivery{At: h.now(), URL: address, Notices: len(batch), Status: reply.Status, Took: took})
	h.sent = h.sent[max(0, len(h.sent)-remembered):]
	for _, n := range batch {
		if ok {
			h.forget(n)
		} else {
			h.again(n)
		}
	}
	return ok
}

// again lets a notification be tried later, or drops it.
func (h *Hub) again(n *notice) {
	wait := firstWait << min(n.attempts, 20)
	n.attempts++
	n.due = h.now().Add(wait)
	if n.due.Sub(n.since) > giveUp {
		h.drop(n)
	}
}

func (h *Hub) forget(n *notice) {
	h.pending = slices.DeleteFunc(h.pending, func(o *notice) bool { return o == n })
}

// drop gives a notification up, which the subscriber is told (6.6).
func (h *Hub) drop(n *notice) {
	h.forget(n)
	if !n.lifecycle {
		h.missed(n.subscription)
	}
}

// Run delivers what is due whenever something is, until ctx ends. Nothing else in a Hub
// runs by itself.
func (h *Hub) Run(ctx context.Context) {
	for {
		h.deliver(ctx, true)
		if !h.rest(ctx) {
			return
		}
	}
}

// rest waits until something may be due; false when ctx ends.
func (h *Hub) rest(ctx context.Context) bool {
	var due <-chan time.Time
	if next, some := h.Next(); some {
		// The clock may be moved, which pokes, or stand still.
		timer := time.NewTimer(max(next.Sub(h.now()), 20*time.Millisecond))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-h.wake:
	case <-due:
	}
	return ctx.Err() == nil
}

// Next is when something is due next; false where nothing is, or by hand only.
func (h *Hub) Next() (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var next time.Time
	some := false
	soonest := func(at time.Time) {
		if !some || at.Before(next) {
			next, some = at, true
		}
	}
	if h.switches.ByHand {
		return next, false
	}
	now := h.now()
	for _, n := range h.pending {
		if n.lifecycle || !n.subscription.lapsed(now) {
			soonest(n.due)
		}
	}
	for _, s := range h.all {
		if at, ok := h.reminder(s); ok {
			soonest(at)
		}
	}
	return next, some
}
