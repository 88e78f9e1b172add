package exchange

import "time"

// Note says that an event was created, updated or deleted. What happens to an
// occurrence is an update of its series, which is one item (6.4).
type Note struct {
	Tenant, User  string // User is the owner's object id
	Calendar      string // id of the calendar it is in now, or was in
	From          string // id of the calendar that an update moved it out of; else ""
	ID, MutableID string // of the event, of an occurrence its series'
	ChangeKey     string // base64 of 22 bytes
	Kind          string // created, updated, deleted; or Rehoused, of the whole mailbox
	At            time.Time
}

// Rehoused is the kind of a note that a mailbox has other ids now, or is another one
// (Return): what was known of its events is worth nothing.
const Rehoused = "rehoused"

// Watch calls f with every change from now on, in their order. f runs while the store is
// locked: it must be quick and must not call the store.
func (s *Store) Watch(f func(Note)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, f)
}

// note tells the watchers what became of e. The caller holds the lock.
func (s *Store) note(box *mailbox, e *Event, kind, from string) {
	if master := box.byID[e.Series]; e.Series != "" && master != nil {
		e, kind = master, "updated"
	}
	now := s.now().UTC()
	box.version++
	switch {
	case kind == "deleted":
		box.left[place{e.Calendar, e.ID}] = now
	case from != "":
		box.left[place{from, e.ID}] = now
	}
	for _, f := range s.watchers {
		f(Note{Tenant: box.tenant, User: box.ObjectID, Calendar: e.Calendar, From: from, ID: e.ID, MutableID: e.MutableID,
			ChangeKey: e.ChangeKey, Kind: kind, At: now})
	}
}

// tellRehoused tells the watchers of a mailbox that moved. The caller holds the lock.
func (s *Store) tellRehoused(box *mailbox) {
	box.version++
	for _, f := range s.watchers {
		f(Note{Tenant: box.tenant, User: box.ObjectID, Kind: Rehoused, At: s.now().UTC()})
	}
}

// place is an event in a calendar, by immutable id.
type place struct{ calendar, event string }

// Version counts what has happened in a mailbox: while it stays the same, so do its events.
// It is 0 for an unknown one.
func (s *Store) Version(tenantID, user string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return 0
	}
	return box.version
}

// Left tells when an event, by immutable id, was last deleted from a calendar or moved
// out of it; zero where that never happened.
func (s *Store) Left(tenantID, user, calendar, id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return time.Time{}
	}
	return box.left[place{calendar, id}]
}

// Within is what an event, as it was read, has in a window (3.5): the event itself, of a
// series its occurrences by start, or nothing.
func (s *Store) Within(e Event, from, to time.Time) []Event {
	return s.between([]Event{e}, from, to)
}
