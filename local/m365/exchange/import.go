package exchange

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Imported says what became of a calendar file's events: immutable ids, and for
// those that changed nothing their UIDs.
type Imported struct{ Added, Updated, Removed, Ignored []string }

// Import takes a calendar file in, as opening it in Outlook and saving does. An
// event's UID becomes its iCalUId, as it stands or wrapped (Switches.WrapUIDs); it
// gets no mark and no transactionId, and mails nobody. Events are known by that
// id, however it was written: a higher SEQUENCE changes the event, another is
// ignored; METHOD:CANCEL, or STATUS:CANCELLED, removes it unless its SEQUENCE is
// lower. With METHOD:REQUEST the event is a meeting of its ORGANIZER's, to be
// answered by Owner.Answer.
//
// A VEVENT with a rule is a series (fileRule). An EXDATE is a day without occurrence;
// it counts by its date in the series' zone, and one that the rule does not have
// is nothing ([MS-OXCICAL] 2.1.3.1.1.20.13). A VEVENT with a RECURRENCE-ID is an
// exception of that date, or cancelled takes it out; it wins over an EXDATE. A file
// with the series replaces what was there with all that differed; one with
// occurrences only changes those, if its SEQUENCE is not lower than the series' and
// higher than that of the exception or of the cancellation there is.
//
// Guessed: that Outlook wants a higher SEQUENCE, not an equal one; that a cancel
// removes at once, where Outlook shows a button for it; that ATTENDEEs are left
// out; that an occurrence whose series is not there, which the rule does not have, or
// which is moved to the day of a neighbour or beyond, has the file refused; that a
// start which the rule does not have is no occurrence; that an exception keeps all of its
// content when its series changes by other means than a file. All of a file is imported or
// nothing.
func (o Owner) Import(file []byte) (Imported, error) {
	s := o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.mailbox(o.tenant, o.user)
	if err != nil {
		return Imported{}, err
	}
	home := box.TimeZone
	if home == "" {
		home = "UTC"
	}
	method, items, err := s.parseFile(file, home)
	if err != nil {
		return Imported{}, fmt.Errorf("exchange.Import: %w", err)
	}
	if !slices.Contains([]string{"PUBLISH", "REQUEST", "CANCEL"}, method) {
		return Imported{}, errors.New("exchange.Import: a METHOD that is not imported")
	}
	for _, item := range items {
		if err := s.check(box, item); err != nil {
			return Imported{}, fmt.Errorf("exchange.Import: %w", err)
		}
	}
	var done Imported
	for _, item := range items {
		if err := s.take(box, item, &done); err != nil {
			return done, fmt.Errorf("exchange.Import: %w", err)
		}
	}
	return done, nil
}

// check finds what is wrong with an item before anything is imported.
func (s *Store) check(box *mailbox, item fileItem) error {
	switch known := box.byUID(item.uid); {
	case item.event != nil && !item.event.cancelled:
		return s.fill(s.fresh(box, box.calendars[0]), item)
	case item.event != nil || !item.brings():
		return nil
	case known == nil || known.Recurrence == nil:
		return errors.New("an occurrence of a series that is not in the calendar")
	default:
		next := *known
		_, err := s.differ(&next, item)
		return err
	}
}

// brings reports whether an item has an occurrence that is not just cancelled.
func (item fileItem) brings() bool {
	return slices.ContainsFunc(item.instances, func(e fileEvent) bool { return !e.cancelled })
}

// take imports what a file says of one UID. The caller holds the lock.
func (s *Store) take(box *mailbox, item fileItem, done *Imported) error {
	known, f := box.byUID(item.uid), item.event
	switch {
	case f == nil:
		return s.takeInstances(box, known, item, done)
	case f.cancelled && known != nil && f.sequence >= known.Sequence:
		s.remove(box, known)
		done.Removed = append(done.Removed, known.ID)
	case f.cancelled || known != nil && f.sequence <= known.Sequence:
		done.Ignored = append(done.Ignored, f.uid)
	case known != nil:
		next := *known
		if err := s.fill(&next, item); err != nil {
			return err
		}
		next.Modified, next.ChangeKey = s.now().UTC(), s.nextKey(box)
		*known = next
		s.note(box, known, "updated", "")
		done.Updated = append(done.Updated, known.ID)
	default:
		e := s.fresh(box, box.calendars[0])
		if err := s.fill(e, item); err != nil {
			return err
		}
		s.insert(box, box.calendars[0], e)
		e.ICalUID = f.uid
		if s.switches.WrapUIDs {
			e.ICalUID = wrapUID(f.uid)
		}
		if a := f.organizer; a.Address != "" && !strings.EqualFold(a.Address, box.Mail) {
			e.Organizer, e.Response = a, "notResponded"
		}
		done.Added = append(done.Added, e.ID)
	}
	return nil
}

// takeInstances imports occurrences that came without their series.
func (s *Store) takeInstances(box *mailbox, known *Event, item fileItem, done *Imported) error {
	if known == nil || known.Recurrence == nil {
		done.Ignored = append(done.Ignored, item.uid) // cancelled ones: see check
		return nil
	}
	next := *known
	changed, err := s.differ(&next, item)
	switch {
	case err != nil:
		return err
	case !changed:
		done.Ignored = append(done.Ignored, item.uid)
		return nil
	}
	next.Modified, next.ChangeKey = s.now().UTC(), s.nextKey(box)
	*known = next
	s.note(box, known, "updated", "")
	done.Updated = append(done.Updated, known.ID)
	return nil
}

// fill gives an event the content of a file, with all that differs from its rule.
func (s *Store) fill(e *Event, item fileItem) error {
	if err := s.apply(e, item.event.content); err != nil {
		return err
	}
	e.Sequence, e.changed, e.left = item.event.sequence, nil, nil
	if e.Recurrence == nil {
		if len(item.instances) > 0 {
			return errors.New("an occurrence of an event that is no series")
		}
		return nil
	}
	zone, _ := s.zones.find(e.Start.Zone) // known by now
	for _, m := range item.event.exdates {
		if day := m.in(zone.Location); e.Recurrence.has(day) {
			e.leave(day, -1)
		}
	}
	_, err := s.differ(e, item)
	return err
}

// differ changes and cancels occurrences of a series as a file says, those of its
// VEVENTs that are not out of date, and reports whether there were any.
func (s *Store) differ(e *Event, item fileItem) (changed bool, err error) {
	zone, _ := s.zones.find(e.Start.Zone)
	for _, f := range item.instances {
		day := f.instance.in(zone.Location)
		if e.newer(day, f) || item.event == nil && f.sequence < e.Sequence {
			continue
		}
		switch has := e.Recurrence.has(day); {
		case f.cancelled && !has:
			continue
		case f.cancelled:
			e.leave(day, f.sequence)
		case !has:
			return false, errors.New("an occurrence that the rule of its series does not have")
		default:
			o := s.occurrence(e, day)
			f.content.Recurrence = nil
			if err := s.apply(&o, f.content); err != nil {
				return false, err
			}
			o.Sequence = f.sequence
			e.change(&o)
		}
		changed = true
	}
	return changed, s.crossing(e)
}

// newer reports whether an occurrence, or that it was taken out, is as new as what a
// file says of it. Of one SEQUENCE a cancellation is newer than a change.
func (e *Event) newer(day time.Time, f fileEvent) bool {
	name := day.Format(time.DateOnly)
	if sequence, gone := e.left[name]; gone {
		return f.sequence <= sequence
	}
	there := e.changed[name]
	return there != nil && (f.sequence < there.Sequence || f.sequence == there.Sequence && !f.cancelled)
}

// byUID finds the live event that a file's UID means.
func (b *mailbox) byUID(uid string) *Event {
	wrapped := wrapUID(uid)
	for _, e := range b.live {
		if strings.EqualFold(e.ICalUID, uid) || strings.EqualFold(e.ICalUID, wrapped) {
			return e
		}
	}
	return nil
}

// wrapUID makes a GlobalObjectId of a UID that is none ([MS-OXCICAL]
// 2.1.3.1.1.20.26, [MS-ASEMAIL] 4.3). It is written apart from graph.WrappedUID,
// so that each is a test of the other.
func wrapUID(uid string) string {
	const id = "040000008200E00074C5B7101A82E008"
	if _, err := hex.DecodeString(uid); err == nil && len(uid) >= 82 && strings.EqualFold(uid[:32], id) {
		return uid
	}
	size := len("vCal-Uid") + 4 + len(uid) + 1
	return id + fmt.Sprintf("%040X%02X%02X%04X", 0, size&0xff, size>>8&0xff, 0) +
		strings.ToUpper(hex.EncodeToString([]byte("vCal-Uid\x01\x00\x00\x00"+uid+"\x00")))
}
