package exchange

import (
	"strconv"
	"strings"
	"time"
)

// Actor says who made a change: what mails it causes is recorded with it.
type Actor int

// App is a program with a token, Person the mailbox's owner in Outlook.
const (
	App Actor = iota
	Person
)

// String names the actor for records of mail.
func (a Actor) String() string { return [...]string{"app", "person"}[a] }

// Create makes an event in a calendar; calendar "" is the default one. With a
// transactionId that was used before it makes none: with the same content it
// returns the event that is there, with other content it fails with
// ErrorDuplicateTransactionId; Switches.Memory decides what a deletion changes.
func (s *Store) Create(tenantID, user, calendar string, c Change) (Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.mailbox(tenantID, user)
	if err != nil {
		return Event{}, err
	}
	folder, err := box.calendar(calendar)
	if err != nil {
		return Event{}, err
	}
	if c.Start == nil || c.End == nil {
		return Event{}, errProperty()
	}
	e := s.fresh(box, folder)
	if err := s.apply(e, c); err != nil {
		return Event{}, err
	}
	if before, err := s.repeated(box, c); err != nil || before != nil {
		if err != nil {
			return Event{}, err
		}
		return s.copy(before), nil
	}
	e.TransactionID = c.TransactionID
	s.insert(box, folder, e)
	s.remember(box, e, c)
	s.invite(box, e, App)
	return s.copy(e), nil
}

// fresh is an event with the defaults of 2.2.
func (s *Store) fresh(box *mailbox, folder *Calendar) *Event {
	now := s.now().UTC()
	return &Event{
		Calendar: folder.ID, Created: now, Modified: now, Body: document(Body{}),
		Sensitivity: "normal", Importance: "normal", ShowAs: "",
		ReminderOn: true, ReminderMinutes: 15,
		ResponseRequested: true, AllowNewTimeProposals: true, OnlineMeetingProvider: "unknown",
		Organizer: Address{box.Name, box.Mail},
	}
}

// insert gives e its ids and puts it into the mailbox.
func (s *Store) insert(box *mailbox, folder *Calendar, e *Event) {
	if e.ShowAs == "" {
		e.ShowAs = "busy"
		if e.AllDay {
			e.ShowAs = "free"
		}
	}
	box.items++
	e.number = box.items
	e.ID = immutableID(box.guid, e.number)
	e.MutableID = mutableID(box.guid, box.store, folder.folder, e.number)
	e.ICalUID = iCalUID(e.Created, derived("uid", box.guid.String(), strconv.Itoa(int(e.number))))
	e.ChangeKey = s.nextKey(box)
	e.indexedAt = e.Created.Add(s.switches.SearchLag)
	e.Indexed = false
	if s.switches.SearchByHand {
		e.indexedAt = time.Time{}
	}
	box.byID[e.ID] = e
	box.byID[e.MutableID] = e
	box.live = append(box.live, e)
	s.note(box, e, "created", "")
}

// Update changes what c sets, if ifMatch is empty or matches.
func (s *Store) Update(tenantID, user, id string, c Change, ifMatch string) (Event, error) {
	return s.update(tenantID, user, id, c, ifMatch, App)
}

func (s *Store) update(tenantID, user, id string, c Change, ifMatch string, by Actor) (Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, e, err := s.find(tenantID, user, id, ifMatch)
	if err != nil {
		return Event{}, err
	}
	if c.TransactionID != "" && c.TransactionID != e.TransactionID {
		return Event{}, invalid("ErrorInvalidRequest", "The TransactionId of an event can't be changed.")
	}
	next := *e
	if err := s.apply(&next, c); err != nil {
		return Event{}, err
	}
	if e.Series != "" && c.Recurrence != nil {
		return Event{}, errProperty() // it is its series' (3.3)
	}
	if c.Recurrence == nil && e.Recurrence != nil && (next.Start.Zone != e.Start.Zone || next.End.Zone != e.End.Zone) {
		return Event{}, errProperty()
	}
	next.Modified = s.now().UTC()
	next.ChangeKey = s.nextKey(box)
	before := *e
	next.rearrange(&before, c.Recurrence != nil)
	if err := s.keep(box, &next); err != nil {
		return Event{}, err
	}
	*e = next
	s.note(box, e, "updated", "")
	s.announce(box, &before, e, by)
	return s.copy(e), nil
}

// Delete removes an event, if ifMatch is empty or matches. An event that is
// gone is ErrorItemNotFound.
func (s *Store) Delete(tenantID, user, id, ifMatch string) error {
	return s.delete(tenantID, user, id, ifMatch, App)
}

// Purge deletes an event past Deleted Items (2.1, permanentDelete): nothing ever
// answers for it again.
func (s *Store) Purge(tenantID, user, id, ifMatch string) error {
	err := s.Delete(tenantID, user, id, ifMatch)
	s.mu.Lock()
	defer s.mu.Unlock()
	if box, unknown := s.user(tenantID, user); unknown == nil && err == nil {
		delete(box.dead, id)
	}
	return err
}

func (s *Store) delete(tenantID, user, id, ifMatch string, by Actor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, e, err := s.find(tenantID, user, id, ifMatch)
	if err != nil {
		return err
	}
	s.remove(box, e)
	s.cancel(box, e, by)
	return nil
}

// remove takes an event out of a mailbox, an occurrence out of its series.
func (s *Store) remove(box *mailbox, e *Event) {
	if master := box.byID[e.Series]; e.Series != "" && master != nil {
		master.leave(e.day, -1)
		master.Modified, master.ChangeKey = s.now().UTC(), s.nextKey(box)
		s.note(box, master, "updated", "")
		return
	}
	delete(box.byID, e.ID)
	delete(box.byID, e.MutableID)
	for i := range box.live {
		if box.live[i] == e {
			box.live = append(box.live[:i:i], box.live[i+1:]...)
			break
		}
	}
	box.dead[e.ID] = e
	s.note(box, e, "deleted", "")
	s.release(box, e)
}

// find returns a live event that meets the condition.
func (s *Store) find(tenantID, user, id, ifMatch string) (*mailbox, *Event, error) {
	box, err := s.mailbox(tenantID, user)
	if err != nil {
		return nil, nil, err
	}
	e := box.byID[id]
	if e == nil {
		e = s.instance(box, id)
	}
	if e == nil {
		if err := checkID(id); err != nil {
			return nil, nil, err
		}
		return nil, nil, errNotFound()
	}
	if ifMatch != "" {
		if err := matches(ifMatch, e.ChangeKey); err != nil {
			return nil, nil, err
		}
	}
	return box, e, nil
}

// apply sets on e what c says and validates the whole.
func (s *Store) apply(e *Event, c Change) error {
	set(&e.Subject, c.Subject)
	set(&e.AllDay, c.AllDay)
	set(&e.Locations, c.Locations)
	set(&e.Attendees, c.Attendees)
	set(&e.Categories, c.Categories)
	set(&e.ShowAs, c.ShowAs)
	set(&e.Sensitivity, c.Sensitivity)
	set(&e.Importance, c.Importance)
	set(&e.ReminderOn, c.ReminderOn)
	set(&e.ReminderMinutes, c.ReminderMinutes)
	set(&e.Draft, c.Draft)
	set(&e.HideAttendees, c.HideAttendees)
	set(&e.ResponseRequested, c.ResponseRequested)
	set(&e.AllowNewTimeProposals, c.AllowNewTimeProposals)
	if !e.OnlineMeeting { // one way: later changes are ignored (2.2)
		set(&e.OnlineMeeting, c.OnlineMeeting)
		set(&e.OnlineMeetingProvider, c.OnlineMeetingProvider)
	}
	if c.Body != nil {
		e.Body = rewrite(*c.Body, s.switches.Rewriting)
	}
	s.meet(e, c.Body != nil)
	if len(c.Properties) > 0 {
		e.Properties = setProperties(e.Properties, c.Properties)
	}
	if err := validContent(e); err != nil {
		return err
	}
	if c.Start != nil || c.End != nil || c.AllDay != nil {
		set(&e.Start, c.Start)
		set(&e.End, c.End)
		if err := s.when(e, c); err != nil {
			return err
		}
	}
	if c.Recurrence != nil {
		return s.recur(e, *c.Recurrence)
	}
	return nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// validContent checks all but the times.
func validContent(e *Event) error {
	if !member("sensitivity", e.Sensitivity) || !member("importance", e.Importance) ||
		e.ShowAs != "" && !member("freeBusyStatus", e.ShowAs) ||
		!member("onlineMeetingProviderType", e.OnlineMeetingProvider) {
		return invalid("RequestBodyRead", "Requested value was not found.")
	}
	if e.ReminderMinutes < 0 {
		return errProperty()
	}
	if len(e.Attendees) > 500 {
		return invalid("ErrorInvalidRequest", "The event has more than 500 attendees.")
	}
	for _, a := range e.Attendees {
		if name, domain, ok := strings.Cut(a.Address.Address, "@"); !ok || name == "" || domain == "" {
			return invalid("ErrorInvalidRecipients", "At least one recipient isn't valid.")
		}
	}
	return nil
}

// longest is how long an event may last.
const longest = 1825 * 24 * time.Hour

// when resolves the times of e.
func (s *Store) when(e *Event, c Change) error {
	startZone, ok := s.zones.find(e.Start.Zone)
	if !ok {
		return s.badZone()
	}
	endZone, ok := s.zones.find(e.End.Zone)
	if !ok {
		return s.badZone()
	}
	start, err := parseWall(e.Start.DateTime)
	if err != nil {
		return err
	}
	end, err := parseWall(e.End.DateTime)
	if err != nil {
		return err
	}
	if e.AllDay {
		if err := allDay(start, end, startZone, endZone); err != nil {
			return err
		}
	}
	e.From, e.To = instant(start, startZone.Location), instant(end, endZone.Location)
	if e.To.Before(e.From) {
		return errProperty()
	}
	if e.To.Sub(e.From) > longest {
		return invalid("ErrorCalendarDurationIsTooLong", "The calendar item duration is longer than the maximum of 1825 days.")
	}
	if c.Start != nil || e.StartZone == "" {
		e.StartZone = startZone.Windows
	}
	if c.End != nil || e.EndZone == "" {
		e.EndZone = endZone.Windows
	}
	return nil
}

// allDay checks the midnights of 2.3.
func allDay(start, end time.Time, startZone, endZone Zone) *Error {
	midnight := func(t time.Time) bool { return t.Equal(t.Truncate(24 * time.Hour)) }
	switch {
	case !midnight(start):
		return invalid("ErrorInvalidRequest", "The Event.Start property for an all-day event needs to be set to midnight.")
	case !midnight(end):
		return invalid("ErrorInvalidRequest", "The Event.End property for an all-day event needs to be set to midnight.")
	case startZone.Windows != endZone.Windows:
		return invalid("ErrorInvalidRequest", "The Event.Start and Event.End properties for an all-day event need the same time zone.")
	case !end.After(start):
		return invalid("ErrorInvalidRequest", "The duration of an event marked as All day must be at least 24 hours.")
	}
	return nil
}
