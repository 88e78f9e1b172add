package m365

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/notify"
)

// notifications adds the controls of what changes and who is told of it.
func (s *Server) notifications(mux *http.ServeMux) {
	for pattern, f := range map[string]func(*http.Request) (any, error){
		"GET /sim/looks":          func(*http.Request) (any, error) { return s.shownLooks(), nil },
		"GET /sim/delta":          func(*http.Request) (any, error) { return s.Changes.Switches(), nil },
		"POST /sim/delta":         s.setDelta,
		"POST /sim/delta/expire":  s.expire,
		"GET /sim/notify":         func(*http.Request) (any, error) { return s.Hub.Switches(), nil },
		"POST /sim/notify":        s.setNotify,
		"GET /sim/subscriptions":  func(*http.Request) (any, error) { return s.shownSubscriptions(), nil },
		"POST /sim/subscriptions": s.sendLifecycle,
		"GET /sim/notifications":  func(*http.Request) (any, error) { return s.shownNotifications(), nil },
		"POST /sim/notifications": s.handle,
		"POST /sim/endpoints":     s.setEndpoint,
	} {
		mux.Handle(pattern, answer(f))
	}
}

// mayHear reports whether who made a subscription may read its mailbox still: by Entra's
// grants, or by Exchange's own assignment.
func (s *Server) mayHear(one notify.Subscription) bool {
	now := s.Entra.Standing(one.Tenant, one.App, one.Creator)
	for _, granted := range append(now.Roles, now.Scopes...) {
		if granted == "Calendars.Read" || granted == "Calendars.ReadWrite" {
			return true
		}
	}
	return one.Creator == "" && s.Exchange.InScope(one.Tenant, one.App, one.User)
}

// shownLook is exchange.Look as JSON.
type shownLook struct {
	Tenant string    `json:"tenant"`
	User   string    `json:"user"`
	Kind   string    `json:"kind"`
	Count  int       `json:"count"`
	Lists  bool      `json:"lists"` // events that nobody named were shown
	Last   time.Time `json:"last"`
}

func (s *Server) shownLooks() []shownLook {
	all := []shownLook{}
	for _, l := range s.Exchange.Looks() {
		all = append(all, shownLook{l.Tenant, l.User, l.Kind, l.Count, l.Lists(), l.Last})
	}
	return all
}

func (s *Server) setDelta(r *http.Request) (any, error) {
	switches, err := read[changes.Switches](r)
	if err != nil {
		return nil, err
	}
	s.Changes.Set(switches)
	return switches, nil
}

func (s *Server) expire(r *http.Request) (any, error) {
	body, err := read[struct {
		Tenant string `json:"tenant"`
		User   string `json:"user"`
	}](r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.Changes.Expire(body.Tenant, body.User)
}

func (s *Server) setNotify(r *http.Request) (any, error) {
	switches, err := read[notify.Switches](r)
	if err != nil {
		return nil, err
	}
	s.Hub.Set(switches)
	return switches, nil
}

// shownSubscription is a subscription, without its client state, which is a secret.
type shownSubscription struct {
	ID         string     `json:"id"`
	Tenant     string     `json:"tenant"`
	App        string     `json:"app"`
	User       string     `json:"user"` // whose mailbox
	Resource   string     `json:"resource"`
	ChangeType string     `json:"changeType"`
	NotifyURL  string     `json:"notificationUrl"`
	Lifecycle  string     `json:"lifecycleNotificationUrl,omitempty"`
	Endpoint   string     `json:"endpoint"` // works, slow, drop
	Immutable  bool       `json:"immutableIds"`
	Made       time.Time  `json:"made"`
	Expires    time.Time  `json:"expires"`
	Authorised *time.Time `json:"authorisedUntil,omitempty"`
	Hasty      int        `json:"hasty"` // renewed and authorised within ten minutes
}

func (s *Server) shownSubscriptions() []shownSubscription {
	all := []shownSubscription{}
	for _, one := range s.Hub.Subscriptions() {
		shown := shownSubscription{one.ID, one.Tenant, one.App, one.User, one.Resource, one.ChangeType, one.NotifyURL, one.LifecycleURL,
			s.Hub.State(one.NotifyURL), one.Immutable, one.Made, one.Expires, nil, one.Hasty}
		if !one.Authorised.IsZero() {
			shown.Authorised = &one.Authorised
		}
		all = append(all, shown)
	}
	return all
}

func (s *Server) sendLifecycle(r *http.Request) (any, error) {
	body, err := read[struct {
		ID   string `json:"id"`
		Send string `json:"send"` // a lifecycle event, or lapse: its token ends
	}](r)
	if err != nil {
		return nil, err
	}
	if body.Send == "lapse" {
		return map[string]int{"lapsed": s.Hub.Lapse(body.ID)}, nil
	}
	return struct{}{}, s.Hub.Send(body.ID, body.Send)
}

// shownPending and shownDelivery are what GET /sim/notifications lists.
type shownPending struct {
	Number       int       `json:"number"`
	Subscription string    `json:"subscription"`
	Kind         string    `json:"kind"`
	Event        string    `json:"event,omitempty"`
	Due          time.Time `json:"due"`
	Attempts     int       `json:"attempts"`
}

type shownDelivery struct {
	At            time.Time `json:"at"`
	URL           string    `json:"url"`
	Notifications int       `json:"notifications"`
	Status        int       `json:"status"` // 0: no answer in time
	TookMS        int64     `json:"tookMs"`
}

func (s *Server) shownNotifications() any {
	pending, sent := []shownPending{}, []shownDelivery{}
	for _, p := range s.Hub.Pending() {
		pending = append(pending, shownPending{p.Number, p.Subscription, p.Kind, p.Event, p.Due, p.Attempts})
	}
	for _, d := range s.Hub.Deliveries() {
		sent = append(sent, shownDelivery{d.At, d.URL, d.Notices, d.Status, d.Took.Milliseconds()})
	}
	return map[string]any{"pending": pending, "sent": sent}
}

// handle does something to the notifications that are still to be sent.
func (s *Server) handle(r *http.Request) (any, error) {
	body, err := read[struct {
		Do string `json:"do"`
		By string `json:"by"` // of delay: a duration
		notify.Which
	}](r)
	if err != nil {
		return nil, err
	}
	count := func(n int) (any, error) { return map[string]int{"notifications": n}, nil }
	switch body.Do {
	case "deliver":
		return count(s.Hub.Deliver(r.Context()))
	case "drop":
		return count(s.Hub.Drop(body.Which))
	case "duplicate":
		return count(s.Hub.Duplicate(body.Which))
	case "reorder":
		return count(s.Hub.Reorder(body.Which))
	case "delay":
		by, err := duration(body.By)
		if err != nil {
			return nil, err
		}
		return count(s.Hub.Delay(body.Which, by))
	}
	return nil, fmt.Errorf("nothing is %q", body.Do)
}

func (s *Server) setEndpoint(r *http.Request) (any, error) {
	body, err := read[struct {
		URL   string `json:"url"`
		State string `json:"state"`
	}](r)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"works", "slow", "drop"}, body.State) {
		return nil, fmt.Errorf("no state %q", body.State)
	}
	s.Hub.SetState(body.URL, body.State)
	return struct{}{}, nil
}
