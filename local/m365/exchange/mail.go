package exchange

import (
	"slices"
	"strings"
	"time"
)

// Mail is one message that Exchange would have sent because of an event (2.7).
type Mail struct {
	At      time.Time
	Tenant  string
	From    string // the organiser's address
	To      []string
	Kind    string // invite, update, cancel
	EventID string // immutable
	By      Actor  // who made the change that caused it
}

// Mails returns every mail that would have been sent so far, oldest first.
func (s *Store) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// invite records the invitations that a new meeting sends at once. A draft
// sends none (2.7, observed).
func (s *Store) invite(box *mailbox, e *Event, by Actor) {
	if !e.Draft {
		s.mail(box, e, "invite", e.Attendees, by)
	}
}

// announce records what an update sends: to new attendees an invitation, to
// removed ones a cancellation, to the others an update where time, place, text
// or subject changed (2.4, 2.7). A draft that stops being one invites.
func (s *Store) announce(box *mailbox, before, after *Event, by Actor) {
	if after.Draft {
		return
	}
	if before.Draft {
		s.invite(box, after, by)
		return
	}
	var stay, added, removed []Attendee
	for _, a := range after.Attendees {
		if invited(before, a) {
			stay = append(stay, a)
		} else {
			added = append(added, a)
		}
	}
	for _, a := range before.Attendees {
		if !invited(after, a) {
			removed = append(removed, a)
		}
	}
	s.mail(box, after, "invite", added, by)
	s.mail(box, after, "cancel", removed, by)
	if before.Subject != after.Subject || before.Body != after.Body || before.AllDay != after.AllDay ||
		!before.From.Equal(after.From) || !before.To.Equal(after.To) || !slices.Equal(before.Locations, after.Locations) {
		s.mail(box, after, "update", stay, by)
	}
}

func invited(e *Event, a Attendee) bool {
	return slices.ContainsFunc(e.Attendees, func(b Attendee) bool {
		return strings.EqualFold(a.Address.Address, b.Address.Address)
	})
}

// cancel records what the deletion of an organiser's meeting sends.
func (s *Store) cancel(box *mailbox, e *Event, by Actor) {
	if !e.Draft {
		s.mail(box, e, "cancel", e.Attendees, by)
	}
}

func (s *Store) mail(box *mailbox, e *Event, kind string, to []Attendee, by Actor) {
	m := Mail{At: s.now().UTC(), Tenant: box.tenant, From: box.Mail, Kind: kind, EventID: e.ID, By: by}
	for _, a := range to {
		if !strings.EqualFold(a.Address.Address, box.Mail) {
			m.To = append(m.To, a.Address.Address)
		}
	}
	if len(m.To) > 0 {
		s.mails = append(s.mails, m)
	}
}
