package graphworld

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
)

// Sink is a subscriber that answers every handshake, except below /deaf, and keeps what
// arrives.
type Sink struct {
	mu  sync.Mutex
	got []graphtest.Notification
}

// ServeHTTP takes what Graph sends.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/deaf") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if token := r.URL.Query().Get("validationToken"); token != "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, token)
		return
	}
	var collection struct {
		Value []struct {
			SubscriptionID string
			TenantID       string
			ClientState    string
			ChangeType     string
			LifecycleEvent string
			ResourceData   struct {
				ID string `json:"id"`
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&collection); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range collection.Value {
		s.got = append(s.got, graphtest.Notification{Subscription: n.SubscriptionID, Tenant: n.TenantID, ClientState: n.ClientState,
			Change: n.ChangeType, Event: n.ResourceData.ID, Lifecycle: n.LifecycleEvent})
	}
	w.WriteHeader(http.StatusAccepted)
}

// Take gives what has arrived since it was last asked.
func (s *Sink) Take() []graphtest.Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// Notified is the world with what subscribes to mailboxes, whose notifications a hub sends
// to a sink at an origin.
func (w *World) Notified(calendar graph.Calendar, subscriber graph.Subscriber, hub *notify.Hub, sink *Sink, origin string) graphtest.Notified {
	r := w.Readings(calendar, nil, nil)
	return graphtest.Notified{Harness: r.Harness, Subscriber: subscriber, Own: r.Own, Basic: r.Basic, Dead: r.Dead, Desk: r.Desk,
		Notify: origin + "/notify?code=x", Lifecycle: origin + "/life", Deaf: origin + "/deaf", Now: w.store.Now,
		Arrived: func() []graphtest.Notification {
			hub.Deliver(context.Background())
			return sink.Take()
		},
		Send: func(id, event string) { w.must(hub.Send(id, event)) }}
}
