package exchange

import (
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
// whole mailbox when calendar is "", for which keep is true; oldest first. Exceptions
// of a series follow it where Switches.ListExceptions says so. keep must neither call
// the store nor change the event.
func (s *Store) List(tenantID, user, calendar string, keep func(*Event) bool) ([]Event, error) {
	return s.list(tenantID, user, calendar, keep, s.Switches().ListExceptions)
}

func (s *Store) list(tenantID, user, calendar string, keep func(*Event) bool, exceptions bool) ([]Event, error) {
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
		if !exceptions {
			continue
		}
		for _, day := range e.Changed() {
			if o := s.occurrence(e, e.changed[day].day); keep == nil || keep(&o) {
				found = append(found, o)
			}
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

// View returns what takes place in a window, by start (3.5, 4.1): single events, and
// the occurrences of series.
func (s *Store) View(tenantID, user, calendar string, from, to time.Time) ([]Event, error) {
	all, err := s.list(tenantID, user, calendar, nil, false)
	if err != nil {
		return nil, err
	}
	return s.between(all, from, to), nil
}

// Week shows what takes place in a mailbox, whatever its state, between two instants.
func (s *Store) Week(tenantID, user string, from, to time.Time) []Event {
	return s.between(s.Events(tenantID, user), from, to)
}

// Instances returns the occurrences of a series in a window, by start. An event that
// is no series has none.
func (s *Store) Instances(tenantID, user, id string, from, to time.Time) ([]Event, error) {
	e, err := s.Event(tenantID, user, id)
	if err != nil || e.Recurrence == nil {
		return nil, err
	}
	return s.between([]Event{e}, from, to), nil
}

// within reports whether a window selects an event (3.5).
func (e *Event) within(from, to time.Time) bool {
	if e.From.Equal(e.To) {
		return !e.From.Before(from) && e.From.Before(to)
	}
	return e.To.After(from) && e.From.Before(to)
}

func (s *Store) between(all []Event, from, to time.Time) []Event {
	var found []Event
	for i := range all {
		switch {
		case all[i].Recurrence != nil:
			found = append(found, s.occurrences(&all[i], from, to)...)
		case all[i].within(from, to):
			found = append(found, all[i])
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].From.Before(found[j].From) })
	return found
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
