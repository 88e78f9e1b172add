package engine

import (
	"time"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/mailaddress"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// The states of a delivery, by package reason.
const (
	Pending = reason.Pending
	Written = reason.Written
	Removed = reason.Removed
	ICS     = reason.ICS
	Skipped = reason.Skipped
)

// The reasons that the engine itself gives, by package reason; those that follow
// from an answer of Graph are in package graph.
const (
	reasonCancelled    = reason.Cancelled
	reasonNotInvited   = reason.NotInvited
	reasonInactive     = reason.Inactive
	reasonModuleOff    = reason.ModuleOff
	reasonSyncOff      = reason.SyncOff
	reasonNotConnected = reason.NotConnected
	reasonConsent      = reason.ConsentMissing
	reasonOptedOut     = reason.OptedOut
	reasonPaused       = reason.Paused
	reasonPersonal     = reason.PersonalMailbox
	reasonNotFound     = reason.MailboxNotFound
	reasonRecurrence   = reason.NoRecurrence
	reasonRefused      = reason.RefusedByGraph
	reasonGaveUp       = reason.GaveUp
	reasonNotAssigned  = reason.NotAssigned
	reasonNotScheduled = reason.NotScheduled
	reasonPast         = reason.InThePast
	reasonByUser       = reason.RemovedByUser
	reasonDuplicate    = reason.Duplicate
)

// want is what a delivery should come to. It is computed anew from the latest
// booking and settings each time, and never stored.
type want struct {
	// event is what the calendar should hold; nil is nothing.
	event *event.Event
	print string // event's fingerprint
	sight string // trace of how event looks in a calendar
	// state and reason are published once the calendar is as wanted.
	state, reason string
	revision      int64
	// hold means that the calendar may not or cannot be touched: what is there stays.
	hold bool
	// says means that a closed calendar is told of also where nothing of the booking
	// changed: what is there should go, or the delivery is given up.
	says bool
	// past means that the booking is too long over to be created; what exists is
	// still updated.
	past bool
	// when tells the booking's times and status from others: a user's deletion
	// holds as long as it stays the same (recreateRemoved: time).
	when     string
	recreate string // the organisation's recreateRemoved
	home     state.Home
}

// facts is all that decides about a delivery.
type facts struct {
	org     organization.Organization
	known   bool // whether the organisation still exists
	booking booking.Booking
	kind    string // of the target
	target  string
	lane    state.Lane // who it is and how they stand
	reach   reach      // whether their calendar is connected, where people connect
	row     state.Delivery
	now     time.Time
}

// decide is the eligibility of a delivery and the projection of its booking.
func decide(f facts) want {
	w := want{revision: f.booking.Revision, recreate: f.org.RecreateRemoved, when: whenOf(f.booking)}
	target, invited := find(f.booking, f.kind, f.target)
	open := f.row.Event != "" || f.row.Intent.InDoubt() || f.row.Look.Nonce != ""
	cancelled := f.booking.Status == booking.Cancelled
	removing := open && f.removing()
	f.org.Sync = f.org.Sync || removing
	if cancelled || !invited || f.lane.Inactive {
		w.state, w.reason = farewell(f.row, cancelled && invited)
		if !cancelled && invited {
			w.state, w.reason = retirement(f.row)
		}
		if state, reason := closed(f); open && state != "" {
			w.state, w.reason, w.hold, w.says = state, reason, true, true
		}
		return w
	}
	state, reason := closed(f)
	if removing && state == "" {
		w.state, w.reason = Removed, reasonSyncOff
		return w
	}
	if why := withheld(f.booking, target); why != "" && reason != reasonModuleOff {
		w.state, w.reason = Skipped, why
		if f.row.State == ICS && !open {
			w.state, w.reason = ICS, f.row.Reason // takes the file back
		}
		if open && state != "" {
			w.state, w.reason, w.hold, w.says = state, reason, true, true
		}
		return w
	}
	if state != "" {
		w.state, w.reason, w.hold = state, reason, true
		return w
	}
	switch {
	case target.Kind == key.Room:
		return w.without(ICS, reasonNotConnected)
	case personal(f.lane) && !f.reach.chosen():
		return w.without(ICS, reasonPersonal)
	case f.booking.Recurrence != nil:
		return w.without(ICS, reasonRecurrence)
	case target.Person.Mailbox() == "" && !f.reach.chosen():
		return w.without(ICS, reasonNotFound)
	}
	e := projection(f.org, f.booking, target.Person)
	w.event, w.print, w.sight, w.state = &e, e.Fingerprint(), e.Sight().Trace(), Written
	ends, timed := event.Ends(f.booking, f.org.TimeZone)
	w.past = timed && ends.Before(f.now.AddDate(0, 0, -f.org.BackfillPastDays))
	return w
}

// projection is what a booking is to a person's calendar.
func projection(org organization.Organization, b booking.Booking, p booking.Person) event.Event {
	return event.Project(b, event.Options{TimeZone: org.TimeZone, ReminderMinutes: org.ReminderMinutes,
		Profile: org.Profile, Product: org.Product.Name, Locale: localeOf(org, p)})
}

// removing reports whether an event goes because sync was switched off with the wish
// that events which are not over are removed (T4).
func (f facts) removing() bool {
	ends, timed := event.Ends(f.booking, f.org.TimeZone)
	return f.known && !f.org.Sync && f.org.State.Removing && (!timed || !ends.Before(f.now))
}

// withheld tells why somebody on a booking gets neither event nor file of it now;
// empty when they do.
func withheld(b booking.Booking, t booking.Target) string {
	switch {
	case t.Kind != key.User:
		return ""
	case !t.Person.Participates():
		return reasonNotAssigned
	case b.Start == nil:
		return reasonNotScheduled
	case duplicate(b, t):
		return reasonDuplicate
	}
	return ""
}

// without is w with nothing in the calendar and that result.
func (w want) without(state, reason string) want {
	w.event, w.print, w.sight, w.state, w.reason = nil, "", "", state, reason
	return w
}

// held is w with the calendar left as it is.
func (w want) held(state, reason string) want {
	w = w.without(state, reason)
	w.hold = true
	return w
}

// personal reports whether a target is known only by an address of a personal
// mail service, which is in no organisation's tenant: nobody asks Graph for it. An
// account is believed, whatever it looks like.
func personal(lane state.Lane) bool { return !lane.Account && mailaddress.Personal(lane.Address) }

// closed tells why a calendar may not be touched now, because of the organisation, of
// the person or of their connection; an empty state when it may.
func closed(f facts) (state, reason string) {
	switch {
	case !f.known || !f.org.Module:
		return Skipped, reasonModuleOff
	case !f.org.Sync:
		return ICS, reasonSyncOff
	case f.lane.OptedOut && f.org.OptOut:
		return ICS, reasonOptedOut
	case f.lane.Paused:
		return ICS, reasonPaused
	case !f.org.State.Consented() && !anyTenant(f.org):
		return ICS, reasonConsent
	case f.reach.why != "":
		return ICS, f.reach.why
	}
	return "", ""
}

// farewell is the result for somebody who shall have nothing any more, by what
// they had: an event, a file only, or nothing.
func farewell(row state.Delivery, cancelled bool) (state, reason string) {
	hadNothing := row.Event == "" && !row.Intent.InDoubt()
	switch {
	case row.State == ICS && hadNothing:
		return ICS, row.Reason
	case !cancelled:
		return Removed, reasonNotInvited
	case (row.State == "" || row.State == Skipped) && hadNothing:
		return Skipped, reasonCancelled
	}
	return Removed, reasonCancelled
}

// retirement is the result for somebody who is not active any more: an event is
// removed, and whoever had none gets nothing.
func retirement(row state.Delivery) (state, reason string) {
	hadNothing := row.Event == "" && !row.Intent.InDoubt()
	if hadNothing && row.State != Removed && row.State != Written {
		return Skipped, reasonInactive
	}
	return Removed, reasonInactive
}

func find(b booking.Booking, kind, id string) (booking.Target, bool) {
	for _, t := range b.Targets() {
		if t.Kind == kind && t.ID == id {
			return t, true
		}
	}
	return booking.Target{}, false
}

// duplicate reports whether somebody before target, who is to get the event,
// has the same address.
func duplicate(b booking.Booking, target booking.Target) bool {
	address := booking.Normal(target.Person.Mailbox())
	if address == "" {
		return false
	}
	for _, t := range b.Targets() {
		if t.ID == target.ID && t.Kind == target.Kind {
			return false
		}
		if t.Kind == key.User && t.Person.Participates() && booking.Normal(t.Person.Mailbox()) == address {
			return true
		}
	}
	return false
}

// owner returns the other participant whose own address is the mailbox's, if
// there is one: whoever is known by an alias of that mailbox gets no second event.
func owner(b booking.Booking, self, mailbox string) (string, bool) {
	for _, t := range b.Targets() {
		if t.Kind == key.User && t.ID != self && t.Person.Participates() && booking.Normal(t.Person.Mailbox()) == mailbox {
			return t.ID, true
		}
	}
	return "", false
}

func localeOf(org organization.Organization, p booking.Person) string {
	if p.Locale != "" {
		return p.Locale
	}
	return org.Locale
}

func whenOf(b booking.Booking) string {
	parts := []string{b.Status}
	for _, t := range []*booking.Time{b.Start, b.End} {
		if t != nil {
			parts = append(parts, t.DateTime, t.TimeZone)
		}
	}
	return key.Of("when", parts...).String()
}
