package exchange

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
	delete(box.byID, e.MutableID)
	e.Calendar = folder.ID
	e.MutableID = mutableID(box.guid, box.store, folder.folder, e.number)
	e.ChangeKey = s.nextKey(box)
	e.Modified = s.now().UTC()
	box.byID[e.MutableID] = e
	return s.copy(e), nil
}
