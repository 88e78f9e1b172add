package graphtest

import (
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
)

func deleteTwice(s suite) {
	made := s.create(1)
	s.must(s.delete(made.ID))
	s.lives(s.Mailbox, 0)
	s.fails("second delete", s.one(s.delete(made.ID)), graph.Gone, "", false)
}

func gone(s suite) {
	made := s.create(1)
	s.World.UserDeletes(s.Mailbox, made.ID)
	s.fails("get", s.one(s.get(made.ID)), graph.Gone, "", false)
	s.fails("patch", s.one(s.retitle(made.ID, "Later")), graph.Gone, "", false)
	s.fails("delete", s.one(s.delete(made.ID)), graph.Gone, "", false)
	if found := s.must(s.find(1)).Found; len(found) != 0 {
		s.Errorf("find found %d deleted events", len(found))
	}
}

func malformedID(s suite) {
	for _, id := range []string{"AAA=", "not an id", "a/b?c#d%2e", "äö'\""} {
		s.fails("get", s.one(s.get(id)), graph.Gone, "", false)
		s.fails("delete", s.one(s.delete(id)), graph.Gone, "", false)
	}
}

func otherMailbox(s suite) {
	made := s.create(1)
	for _, call := range []graph.Call{s.get(made.ID), s.retitle(made.ID, "Mine"), s.delete(made.ID)} {
		call.Mailbox = s.Second
		s.fails(call.Op.String(), s.one(call), graph.Gone, "", false)
	}
	s.lives(s.Mailbox, 1)
}

func find(s suite) {
	first := s.create(1)
	s.create(2)
	elsewhere := s.creation(1)
	elsewhere.Mailbox = s.Second
	s.must(elsewhere)

	found := s.must(s.find(1)).Found
	if len(found) != 1 || found[0].ID != first.ID || found[0].ChangeKey != first.ChangeKey {
		s.Fatalf("found %+v, want only %q", found, first.ID)
	}
	call := s.creation(1)
	if found[0].Mark != call.Mark || found[0].TransactionID != call.TransactionID || found[0].Created.IsZero() {
		s.Errorf("found %+v", found[0])
	}
	if found := s.must(s.find(3)).Found; len(found) != 0 {
		s.Errorf("found %d events of a delivery that made none", len(found))
	}
}

func copied(s suite) {
	made := s.create(1)
	other := s.World.UserCopies(s.Mailbox, made.ID)
	found := s.must(s.find(1)).Found
	if len(found) != 2 {
		s.Fatalf("found %d, want the event and its copy", len(found))
	}
	byID := map[string]graph.Event{found[0].ID: found[0], found[1].ID: found[1]}
	if byID[made.ID].TransactionID == "" || byID[other].TransactionID != "" || byID[other].Mark != s.creation(1).Mark {
		s.Errorf("original %+v, copy %+v", byID[made.ID], byID[other])
	}
	if found[1].Created.Before(found[0].Created) {
		s.Error("the younger comes first")
	}
}

func findUID(s suite) {
	const uid = "o'hara+1@calbridge"
	search := graph.Call{Op: graph.FindUID, Mailbox: s.Mailbox, UID: uid}
	if found := s.must(search).Found; len(found) != 0 {
		s.Fatalf("found %+v before any import", found)
	}
	ours := s.create(1)
	plain := s.World.UserImports(s.Mailbox, uid, false)
	s.World.UserImports(s.Mailbox, "other@calbridge", false)
	s.World.UserImports(s.Mailbox, "other@calbridge.2", true)
	found := s.must(search).Found
	if len(found) != 1 || found[0].ID != plain || found[0].ICalUID != uid || found[0].Mark != "" || found[0].TransactionID != "" {
		s.Errorf("found %+v, want only %q, without mark and transaction", found, plain)
	}
	wrapped := s.World.UserImports(s.Second, uid, true)
	second := search
	second.Mailbox = s.Second
	found = s.must(second).Found
	if len(found) != 1 || found[0].ID != wrapped || found[0].ICalUID != graph.WrappedUID(uid) || found[0].ChangeKey == "" || found[0].Created.IsZero() {
		s.Errorf("found %+v, want only %q with a wrapped UID", found, wrapped)
	}

	made := s.must(s.get(ours.ID)).Event
	own := graph.Call{Op: graph.FindUID, Mailbox: s.Mailbox, UID: made.ICalUID}
	both := s.do(own, search)
	if len(both[0].Found) != 1 || both[0].Found[0].ID != ours.ID || both[0].Found[0].Mark != s.creation(1).Mark || len(both[1].Found) != 1 {
		s.Errorf("in a batch, by the event's own iCalUId: %+v", both)
	}
	s.World.UserRepeats(s.Second, wrapped)
	if again := s.must(second).Found; found[0].Series || len(again) != 1 || again[0].ID != wrapped || !again[0].Series {
		s.Errorf("found %+v, and made a series %+v", found, again)
	}
	s.World.UserRepeats(s.Mailbox, ours.ID)
	if marked := s.must(s.find(1)).Found; len(marked) != 1 || marked[0].ID != ours.ID || !marked[0].Series {
		s.Errorf("by its mark, made a series, %+v", marked)
	}
	s.World.UserRepeats(s.Mailbox, plain)
	if again := s.must(search).Found; len(again) != 1 || again[0].ID != plain {
		s.Errorf("found %+v, want the series and not its days", again)
	}
	s.World.UserDeletes(s.Second, wrapped)
	if found := s.must(second).Found; len(found) != 0 {
		s.Errorf("found %d deleted events", len(found))
	}
}

func repeatedCreate(s suite) {
	first := s.create(1)
	again := s.must(s.creation(1)).Event
	if again.ID != first.ID {
		s.Errorf("second create answered %q, first %q", again.ID, first.ID)
	}
	s.lives(s.Mailbox, 1)

	inBatch := s.do(s.creation(1), s.creation(2))
	if inBatch[0].Err != nil || inBatch[0].Event.ID != first.ID || inBatch[1].Err != nil {
		s.Errorf("in a batch: %+v", inBatch)
	}
	s.lives(s.Mailbox, 2)
}

func duplicate(s suite) {
	s.create(1)
	other := s.creation(1)
	other.Content.Subject = "Something else"
	for name, r := range map[string]graph.Result{"alone": s.one(other), "in a batch": s.do(other, s.creation(2))[0]} {
		s.fails(name, r, graph.Conflict, "", false)
		if !r.Err.Duplicate() || r.Err.ExistingID != "" {
			s.Errorf("%s: %+v, want a duplicate that names nothing", name, r.Err)
		}
	}
	s.lives(s.Mailbox, 2)
	elsewhere := other
	elsewhere.Mailbox = s.Second
	s.must(elsewhere) // remembered per mailbox
}

func duplicateNames(s suite) {
	s.World.SetTransactions(Transactions{NameExisting: true})
	made := s.create(1)
	other := s.creation(1)
	other.Content.Subject = "Something else"
	for name, r := range map[string]graph.Result{"alone": s.one(other), "in a batch": s.do(other, s.creation(2))[0]} {
		if !r.Err.Duplicate() || r.Err.ExistingID != made.ID {
			s.Errorf("%s: %+v, want a duplicate of %q", name, r.Err, made.ID)
		}
	}
}

func memory(s suite) {
	for n, reading := range []Memory{Freed, Kept, Ghost, Forgotten} {
		s.World.SetTransactions(Transactions{Memory: reading})
		made := s.create(n)
		s.must(s.delete(made.ID))
		r := s.one(s.creation(n))
		switch reading {
		case Freed, Forgotten:
			if r.Err != nil || r.Event.ID == made.ID {
				s.Errorf("reading %d: %+v, want a new event", reading, r)
			}
		case Kept:
			if !r.Err.Duplicate() {
				s.Errorf("kept: %+v, want a duplicate", r)
			}
		case Ghost:
			if r.Err != nil || r.Event.ID != made.ID {
				s.Errorf("ghost: %+v, want the dead event", r)
			}
			s.fails("get of the ghost", s.one(s.get(made.ID)), graph.Gone, "", false)
		}
	}
}

func ifMatch(s suite) {
	made := s.create(1)
	current := s.must(s.retitle(made.ID, "Second")).Event

	stale := s.retitle(made.ID, "Third")
	stale.IfMatch = made.ChangeKey
	s.fails("patch with an old key", s.one(stale), graph.Conflict, "", false)
	remove := s.delete(made.ID)
	remove.IfMatch = made.ChangeKey
	s.fails("delete with an old key", s.one(remove), graph.Conflict, "", false)
	if seen := s.seen(s.Mailbox); seen.Subject != "Second" {
		s.Errorf("subject %q", seen.Subject)
	}

	stale.IfMatch = current.ChangeKey
	third := s.must(stale).Event
	both := s.do(remove, s.creation(2))
	s.fails("delete with an old key in a batch", both[0], graph.Conflict, "", false)
	remove.IfMatch = third.ChangeKey
	both = s.do(remove, s.get(both[1].Event.ID))
	if both[0].Err != nil || both[1].Err != nil {
		s.Errorf("delete with the current key in a batch: %v", both[0].Err)
	}
	s.lives(s.Mailbox, 1)
}

func twentyMixed(s suite) {
	var kept []graph.Event
	for n := range 8 {
		kept = append(kept, s.create(n))
	}
	var calls []graph.Call
	for n := range 4 {
		calls = append(calls, s.creation(100+n), s.get(kept[n].ID), s.find(n), s.retitle(kept[n].ID, "New"), s.delete(kept[4+n].ID))
	}
	results := s.do(calls...)
	for i, r := range results {
		n := i / 5
		if r.Err != nil {
			s.Errorf("call %d, %v: %v", i, calls[i].Op, r.Err)
			continue
		}
		switch calls[i].Op {
		case graph.Create:
			if got := s.must(s.get(r.Event.ID)).Event; got.Mark != calls[i].Mark {
				s.Errorf("call %d answers for another delivery", i)
			}
		case graph.Get, graph.Patch:
			if r.Event.ID != kept[n].ID {
				s.Errorf("call %d, %v: answers for another event", i, calls[i].Op)
			}
		case graph.Find:
			if len(r.Found) != 1 || r.Found[0].ID != kept[n].ID {
				s.Errorf("call %d found %+v", i, r.Found)
			}
		}
		if r.Status == 0 {
			s.Errorf("call %d has no status", i)
		}
	}
	s.lives(s.Mailbox, 8)
}

func noCalls(s suite) {
	if got := s.do(); len(got) != 0 {
		s.Errorf("%d results", len(got))
	}
}

func tooMany(s suite) {
	var calls []graph.Call
	for n := range 21 {
		calls = append(calls, s.creation(n))
	}
	for _, r := range s.do(calls...) {
		s.fails("call", r, graph.Invalid, graph.ReasonRefused, false)
	}
	s.lives(s.Mailbox, 0)
}

// An empty id would turn a call to one event into one to the collection.
func unfit(s suite) {
	made := s.create(1)
	bad := []graph.Call{
		s.get(""), s.delete(""), s.retitle("", "x"), s.delete(".."),
		{Op: graph.Find, Mailbox: s.Mailbox, Mark: "x' or 'a' eq 'a"},
		{Op: graph.FindUID, Mailbox: s.Mailbox}, {Op: graph.FindUID, Mailbox: s.Mailbox, UID: "a\nb"},
		{Op: graph.Create, Mailbox: s.Mailbox, Content: flight(9)},
		{Op: graph.Create, Mailbox: "", Mark: s.creation(9).Mark, TransactionID: "t", Content: flight(9)},
	}
	wrong := s.creation(9)
	wrong.Content.ShowAs = "asleep"
	bad = append(bad, wrong)
	zone := s.creation(10)
	zone.Content.Start.Zone = "Europe/Atlantis"
	backwards := s.creation(11)
	backwards.Content.Start, backwards.Content.End = backwards.Content.End, event.Time{DateTime: "2026-11-01T00:00:00", Zone: "Europe/Helsinki"}
	bad = append(bad, zone, backwards)

	results := s.do(append(bad, s.get(made.ID))...)
	for i := range bad {
		s.fails(bad[i].Op.String(), results[i], graph.Invalid, graph.ReasonRefused, false)
		s.fails(bad[i].Op.String()+" alone", s.one(bad[i]), graph.Invalid, graph.ReasonRefused, false)
	}
	if last := results[len(bad)]; last.Err != nil || last.Event.ID != made.ID {
		s.Errorf("the fit call: %+v", last)
	}
	s.lives(s.Mailbox, 1)
}
