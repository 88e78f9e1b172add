package exchange

import (
	"cmp"
	"strings"
)

// Share lets a user of the tenant into another's calendars, as the owner does in
// Outlook: to see all, or to edit too.
func (s *Store) Share(tenantID, owner, with string, edit bool) error {
	return s.sharing(tenantID, owner, with, func(box *mailbox, id string) {
		if box.shared == nil {
			box.shared = map[string]bool{}
		}
		box.shared[id] = edit
	})
}

// Unshare ends that.
func (s *Store) Unshare(tenantID, owner, with string) error {
	return s.sharing(tenantID, owner, with, func(box *mailbox, id string) { delete(box.shared, id) })
}

// sharing changes with whom a mailbox is shared; with need not have a mailbox.
func (s *Store) sharing(tenantID, owner, with string, change func(box *mailbox, id string)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, owner)
	if err != nil {
		return err
	}
	id := with
	if other, err := s.user(tenantID, with); err == nil {
		id = other.ObjectID
	}
	change(box, strings.ToLower(id))
	return nil
}

// Shared reports whether a mailbox is shared with a user, by object id, and whether
// they may edit.
func (s *Store) Shared(tenantID, owner, with string) (edit, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, owner)
	if err != nil {
		return false, false
	}
	edit, ok = box.shared[strings.ToLower(with)]
	return edit, ok
}

// Mount is another's calendar as it stands in the list of somebody it is shared with,
// under an id of that list, and where it lies.
type Mount struct {
	Calendar
	// User is the owner's object id, Target the calendar's id in the owner's mailbox.
	User, Target string
}

// Mounts are the calendars of others that are shared with a user of the tenant
// (graph/contract.md section 5), owner by owner in the order they were added. The
// default one is named after its owner, as in Outlook.
func (s *Store) Mounts(tenantID, user string) ([]Mount, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	me, err := s.mailbox(tenantID, user)
	if err != nil {
		return nil, err
	}
	var all []Mount
	for _, box := range s.tenants[me.tenant].order {
		edit, shared := box.shared[strings.ToLower(me.ObjectID)]
		if !shared || box == me {
			continue
		}
		for _, c := range box.calendars {
			m := Mount{Calendar: *c, User: box.ObjectID, Target: c.ID}
			m.ID = calendarID(derived("mount", me.guid.String(), box.guid.String()), me.store, c.folder)
			m.ReadOnly = !edit
			if c.Default {
				m.Name, m.Default = cmp.Or(box.Name, c.Name), false
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// Discreet is an event as those see it who share a calendar without the right to see
// private items (graph/contract.md 2.10): of a private one when it is, and nothing else.
// Its title is guessed.
func (e *Event) Discreet() Event {
	hidden := *e
	if e.Sensitivity == "private" {
		hidden.Subject, hidden.Body, hidden.JoinURL, hidden.OnlineMeeting = "Private Appointment", "", "", false
		hidden.Locations, hidden.Attendees, hidden.Categories, hidden.Properties = nil, nil, nil, nil
	}
	return hidden
}
