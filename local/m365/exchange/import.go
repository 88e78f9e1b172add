package exchange

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
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
// Guessed: that Outlook wants a higher SEQUENCE, not an equal one; that a cancel
// removes at once, where Outlook shows a button for it; that ATTENDEEs are left
// out, and series not taken at all. All of a file is imported or nothing.
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
	method, events, err := s.parseFile(file, home)
	if err != nil {
		return Imported{}, fmt.Errorf("exchange.Import: %w", err)
	}
	if !slices.Contains([]string{"PUBLISH", "REQUEST", "CANCEL"}, method) {
		return Imported{}, errors.New("exchange.Import: a METHOD that is not imported")
	}
	for _, e := range events {
		if !e.cancelled {
			if err := s.apply(s.fresh(box, box.calendars[0]), e.content); err != nil {
				return Imported{}, fmt.Errorf("exchange.Import: %w", err)
			}
		}
	}
	var done Imported
	for _, e := range events {
		if err := s.take(box, e, &done); err != nil {
			return done, fmt.Errorf("exchange.Import: %w", err)
		}
	}
	return done, nil
}

// take imports one event. The caller holds the lock.
func (s *Store) take(box *mailbox, f fileEvent, done *Imported) error {
	known := box.byUID(f.uid)
	switch {
	case f.cancelled && known != nil && f.sequence >= known.Sequence:
		s.remove(box, known)
		done.Removed = append(done.Removed, known.ID)
	case f.cancelled || known != nil && f.sequence <= known.Sequence:
		done.Ignored = append(done.Ignored, f.uid)
	case known != nil:
		next := *known
		if err := s.apply(&next, f.content); err != nil {
			return err
		}
		next.Sequence, next.Modified, next.ChangeKey = f.sequence, s.now().UTC(), s.nextKey(box)
		*known = next
		done.Updated = append(done.Updated, known.ID)
	default:
		e := s.fresh(box, box.calendars[0])
		if err := s.apply(e, f.content); err != nil {
			return err
		}
		s.insert(box, box.calendars[0], e)
		e.Sequence, e.ICalUID = f.sequence, f.uid
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
