package exchange

import (
	"net/http"
	"sort"
	"strings"
	"time"
)

// Event returns one event by either of its ids.
func (s *Store) Event(tenantID, user, id string) (Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.mailbox(tenantID, user)
	if err != nil {
		return Event{}, err
	}
	if e := box.dead[id]; e != nil && s.switches.DeletedAnswer {
		return *e, nil
	}
	_, e, err := s.find(tenantID, user, id, "")
	if err != nil {
		return Event{}, err
	}
	return s.copy(e), nil
}

// List returns the single events and series masters of a calendar, or of the
// whole mailbox when calendar is "", for which keep is true; oldest first. keep
// must neither call the store nor change the event.
func (s *Store) List(tenantID, user, calendar string, keep func(*Event) bool) ([]Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.mailbox(tenantID, user)
	if err != nil {
		return nil, err
	}
	if calendar != "" {
		if _, err := box.calendar(calendar); err != nil {
			return nil, err
		}
	}
	var found []Event
	for _, e := range box.live {
		if calendar != "" && e.Calendar != calendar {
			continue
		}
		s.refresh(e)
		if keep == nil || keep(e) {
			found = append(found, *e)
		}
	}
	return found, nil
}

// Marked returns the events of a mailbox that carry a property with a value,
// oldest first, as far as the search has them. Values are compared without
// regard to case (2.8).
func (s *Store) Marked(tenantID, user string, id PropertyID, value string) ([]Event, error) {
	return s.List(tenantID, user, "", func(e *Event) bool {
		v, ok := e.Property(id)
		return e.Indexed && ok && strings.EqualFold(v, value)
	})
}

// View returns what takes place in a window, by start (3.5, 4.1).
func (s *Store) View(tenantID, user, calendar string, from, to time.Time) ([]Event, error) {
	var series bool
	found, err := s.List(tenantID, user, calendar, func(e *Event) bool {
		if e.Recurrence != nil {
			series = series || e.From.Before(to)
			return false
		}
		if e.From.Equal(e.To) {
			return !e.From.Before(from) && e.From.Before(to)
		}
		return e.To.After(from) && e.From.Before(to)
	})
	if err != nil {
		return nil, err
	}
	if series {
		return nil, refuse(http.StatusNotImplemented, "NotImplemented", "The simulator does not expand series yet.")
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].From.Before(found[j].From) })
	return found, nil
}

// Index lets the search by extended property find every event there is.
func (s *Store) Index() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tenants {
		for _, box := range t.order {
			for _, e := range box.live {
				e.Indexed = true
			}
		}
	}
}

// copy is e as it is now.
func (s *Store) copy(e *Event) Event {
	s.refresh(e)
	return *e
}

// refresh lets the search have e once its lag is over.
func (s *Store) refresh(e *Event) {
	if !e.Indexed && !e.indexedAt.IsZero() && !s.now().Before(e.indexedAt) {
		e.Indexed = true
	}
}
