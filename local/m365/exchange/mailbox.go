package exchange

import "strconv"

// Fate is what becomes of a mailbox's content.
type Fate string

// The fates.
const (
	// Kept: it comes back as it was, as a soft-deleted mailbox does that is restored
	// within its 30 days.
	KeptContent Fate = "keep"
	// NewIDs: it comes back with other ids, as after a move between organisations or
	// from on premises, where items are copied. iCalUId, transactionId and
	// extended properties go along. Guessed; immutable ids are promised within
	// one mailbox only (section 10).
	NewIDs Fate = "new-ids"
	// Emptied: another, empty mailbox answers for the address, as when an account was
	// made anew.
	Emptied Fate = "empty"
)

// Return makes a mailbox usable again with what the fate leaves of its content.
// Together with SetState it plays the moves of a mailbox: OnPremises and back,
// Unlicensed and licensed again, SoftDeleted and restored.
func (s *Store) Return(tenantID, user string, fate Fate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.user(tenantID, user)
	if err != nil {
		return err
	}
	switch fate {
	case KeptContent:
	case NewIDs, Emptied:
		s.rehouse(box, fate == NewIDs)
	default:
		return invalid("BadRequest", "No such fate.")
	}
	box.State = Ready
	return nil
}

// rehouse gives a mailbox another store and, with its events or without, new
// calendars.
func (s *Store) rehouse(box *mailbox, events bool) {
	box.moves++
	s.tellRehoused(box)
	old, folders := box.live, map[string]int{}
	for i, c := range box.calendars {
		folders[c.ID] = i
	}
	number := strconv.Itoa(box.moves)
	box.guid, box.store = derived("mailbox", box.tenant, box.ObjectID, number), derived("store", box.tenant, box.ObjectID, number)
	names := box.calendars
	box.calendars, box.live = nil, nil
	box.byID, box.dead = map[string]*Event{}, map[string]*Event{}
	for i, c := range names {
		if events || i == 0 {
			s.addCalendar(box, c.Name)
		}
	}
	if !events {
		box.transactions = map[string]transaction{}
		return
	}
	ids := map[string]string{}
	for _, e := range old {
		moved, folder := *e, box.calendars[folders[e.Calendar]]
		moved.ID = immutableID(box.guid, e.number)
		moved.MutableID = mutableID(box.guid, box.store, folder.folder, e.number)
		moved.Calendar, moved.ChangeKey = folder.ID, s.nextKey(box)
		box.byID[moved.ID], box.byID[moved.MutableID] = &moved, &moved
		box.live = append(box.live, &moved)
		ids[e.ID] = moved.ID
	}
	for id, t := range box.transactions {
		if to, ok := ids[t.event]; ok {
			t.event = to
			box.transactions[id] = t
		}
	}
}
