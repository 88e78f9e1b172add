package exchange

import (
	"regexp"
	"strings"
	"time"
)

// Owner is the owner of a mailbox, working in Outlook. What they do needs no
// permission and no condition.
type Owner struct {
	store        *Store
	tenant, user string
}

// Owner returns the owner of a mailbox, named as in User.
func (s *Store) Owner(tenantID, user string) Owner { return Owner{s, tenantID, user} }

// Create makes an event by hand.
func (o Owner) Create(c Change) (Event, error) {
	s := o.store
	c.TransactionID = ""
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.mailbox(o.tenant, o.user)
	if err != nil {
		return Event{}, err
	}
	if c.Start == nil || c.End == nil {
		return Event{}, errProperty()
	}
	e := s.fresh(box, box.calendars[0])
	if err := s.apply(e, c); err != nil {
		return Event{}, err
	}
	s.insert(box, box.calendars[0], e)
	s.invite(box, e, Person)
	return s.copy(e), nil
}

// Change edits whatever c sets.
func (o Owner) Change(id string, c Change) (Event, error) {
	c.TransactionID = ""
	return o.store.update(o.tenant, o.user, id, c, "", Person)
}

// Retitle gives an event another subject.
func (o Owner) Retitle(id, subject string) error {
	_, err := o.Change(id, Change{Subject: &subject})
	return err
}

// Move drags an event to another time.
func (o Owner) Move(id string, start, end Time) error {
	_, err := o.Change(id, Change{Start: &start, End: &end})
	return err
}

// Write replaces the body of an event.
func (o Owner) Write(id, html string) error {
	_, err := o.Change(id, Change{Body: &Body{Content: html}})
	return err
}

// Invite adds people to an event; Outlook mails them.
func (o Owner) Invite(id string, addresses ...string) error {
	e, err := o.store.Event(o.tenant, o.user, id)
	if err != nil {
		return err
	}
	attendees := append([]Attendee(nil), e.Attendees...)
	for _, a := range addresses {
		attendees = append(attendees, Attendee{Address{a, a}, "required"})
	}
	_, err = o.Change(id, Change{Attendees: &attendees})
	return err
}

// Delete deletes an event.
func (o Owner) Delete(id string) error { return o.store.delete(o.tenant, o.user, id, "", Person) }

// Remind sets the reminder, in minutes before the start; negative turns it off.
func (o Owner) Remind(id string, minutes int) error {
	on := minutes >= 0
	c := Change{ReminderOn: &on}
	if on {
		c.ReminderMinutes = &minutes
	}
	_, err := o.Change(id, c)
	return err
}

// Categorize sets an event's categories, none to clear them.
func (o Owner) Categorize(id string, categories ...string) error {
	_, err := o.Change(id, Change{Categories: &categories})
	return err
}

// ShowAs sets how the owner's time is shown, as Graph names it.
func (o Owner) ShowAs(id, status string) error {
	_, err := o.Change(id, Change{ShowAs: &status})
	return err
}

// WriteAround writes HTML above and below all that is in an event's body.
func (o Owner) WriteAround(id, above, below string) error {
	e, err := o.store.Event(o.tenant, o.user, id)
	if err != nil {
		return err
	}
	from, to := 0, len(e.Body)
	if m := bodyTag.FindStringIndex(e.Body); m != nil {
		from = m[1]
	}
	if at := strings.LastIndex(e.Body, "</body>"); at >= from {
		to = at
	}
	return o.Write(id, e.Body[:from]+above+e.Body[from:to]+below+e.Body[to:])
}

var bodyTag = regexp.MustCompile(`(?i)<body\b[^>]*>`)

// Meet makes an online meeting of an event: Teams appends its block to the body.
func (o Owner) Meet(id string) error {
	online := true
	_, err := o.Change(id, Change{OnlineMeeting: &online})
	return err
}

// Answer answers a meeting of somebody else's: accepted, tentativelyAccepted or
// declined, which takes it out of the calendar. Its organiser gets a mail. The
// organiser of an event cannot answer it, so nobody can answer ours.
func (o Owner) Answer(id, response string) error {
	s := o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	box, e, err := s.find(o.tenant, o.user, id, "")
	if err != nil {
		return err
	}
	showAs, known := map[string]string{"accepted": "busy", "tentativelyAccepted": "tentative", "declined": "free"}[response]
	switch {
	case !known:
		return invalid("ErrorInvalidRequest", "No such response.")
	case e.Response == "":
		return invalid("ErrorInvalidRequest", "You can't respond to this meeting because you're the meeting organizer.")
	}
	next := *e
	next.Response, next.Responded, next.ShowAs = response, s.now().UTC(), showAs
	next.Modified, next.ChangeKey = s.now().UTC(), s.nextKey(box)
	if err := s.keep(box, &next); err != nil {
		return err
	}
	*e = next
	s.note(box, e, "updated", "")
	s.mail(box, e, "response", []Attendee{{Address: e.Organizer}}, Person)
	if response == "declined" {
		s.remove(box, e)
	}
	return nil
}

// Paste pastes a copy of an event at another time.
func (o Owner) Paste(id string, start, end Time) (Event, error) {
	e, err := o.Copy(id)
	if err != nil {
		return Event{}, err
	}
	return o.Change(e.ID, Change{Start: &start, End: &end})
}

// Copy pastes a copy of an event beside it. The copy takes extended properties
// along, our mark among them, but has no transactionId and ids of its own, and
// invites nobody.
func (o Owner) Copy(id string) (Event, error) {
	s := o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	box, e, err := s.find(o.tenant, o.user, id, "")
	if err != nil {
		return Event{}, err
	}
	folder, err := box.calendar(e.Calendar)
	if err != nil {
		return Event{}, err
	}
	c := *e
	c.Created = s.now().UTC()
	c.Modified = c.Created
	c.TransactionID = ""
	c.Attendees = nil
	c.OnlineMeeting, c.JoinURL = false, ""
	if c.Series != "" { // a single event
		c.Series, c.SeriesMutable, c.Original, c.day, c.changed = "", "", time.Time{}, time.Time{}, nil
	}
	s.insert(box, folder, &c)
	return s.copy(&c), nil
}

// File moves an event into another calendar of the mailbox, which gives it
// another mutable id (section 10).
func (o Owner) File(id, calendar string) (Event, error) {
	s := o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	box, e, err := s.find(o.tenant, o.user, id, "")
	if err != nil {
		return Event{}, err
	}
	folder, err := box.calendar(calendar)
	if err != nil {
		return Event{}, err
	}
	if e.Series != "" {
		return Event{}, invalid("ErrorInvalidRequest", "An occurrence can't be moved to another calendar without its series.")
	}
	delete(box.byID, e.MutableID)
	from := e.Calendar
	e.Calendar = folder.ID
	e.MutableID = mutableID(box.guid, box.store, folder.folder, e.number)
	e.ChangeKey = s.nextKey(box)
	e.Modified = s.now().UTC()
	box.byID[e.MutableID] = e
	if from == folder.ID {
		from = ""
	}
	s.note(box, e, "updated", from)
	return s.copy(e), nil
}
