package engine

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/state"
)

// maxCarried is how many bytes of a calendar file a message carries; a longer one
// is linked.
const maxCarried = 64 << 10

// File is a calendar file of one delivery.
type File struct {
	Name        string
	ContentType string
	Content     []byte
}

// File makes the calendar file of a booking for a target, as it is now: to be
// imported, or where it was cancelled or the target is no longer on it, to be
// removed. state.ErrNotFound: the booking was never accepted, or never had that
// target. ics.ErrUnscheduled: it has no time yet. It costs one read of the booking
// and one of the delivery.
func (e *Engine) File(ctx context.Context, organizationID, id, kind, target string) (File, error) {
	row, err := e.bookings.Get(ctx, organizationID, id)
	if err != nil {
		return File{}, err
	}
	org, err := e.orgs.Organization(ctx, organizationID)
	if err != nil {
		return File{}, err
	}
	d, err := e.lanes.Delivery(ctx, key.Lane(organizationID, kind, target), key.Delivery(organizationID, id, kind, target))
	if err != nil {
		return File{}, err
	}
	b, err := booking.Load(row.Body)
	if err != nil {
		return File{}, err
	}
	if !b.Scheduled() && d.State != ICS {
		return File{}, ics.ErrUnscheduled // there never was a file to take back
	}
	in := fileInput(org, b, kind, target, d, e.now())
	content, err := ics.File(in)
	if err != nil {
		return File{}, err
	}
	return File{Name: ics.Name(b.Title, in.Options.Locale), ContentType: ics.ContentType(in.Method), Content: content}, nil
}

// fileInput is what a delivery's calendar file is made of. Its UID is that of the
// event that is there, so that importing the file does not double it.
func fileInput(org organization.Organization, b booking.Booking, kind, target string, row state.Delivery, now time.Time) ics.Input {
	t, invited := find(b, kind, target)
	o := event.Options{TimeZone: org.TimeZone, ReminderMinutes: org.ReminderMinutes, Profile: org.Profile,
		Product: org.Product.Name, Locale: localeOf(org, t.Person)}
	if resolved, err := b.Resolve(org.TimeZone); err == nil {
		b = resolved
	} // else it was refused, or its zone changed since: the file says so
	in := ics.Input{Method: ics.Request, UID: orReason(row.ICalUID, ics.UID(row.Key)), Stamp: now, Booking: b,
		Event: event.Project(b, o), Options: o}
	if org.Invitations {
		in.Organizer, in.Attendees = parties(b)
	}
	if in.Organizer.Address == "" || len(in.Attendees) == 0 {
		in.Method, in.Organizer, in.Attendees = ics.Publish, ics.Party{}, nil
	}
	if b.Status == booking.Cancelled || !invited || withheld(b, t) != "" {
		in.Method = ics.Cancel
	}
	return in
}

// parties are a booking's organizer and all others who are to get it, as far as
// they have an address.
func parties(b booking.Booking) (ics.Party, []ics.Attendee) {
	var organizer ics.Party
	var attendees []ics.Attendee
	for _, t := range b.Targets() {
		p := ics.Party{Name: t.Person.Name, Address: t.Person.Email}
		switch {
		case p.Address == "" || !t.Person.Participates():
		case t.Person.Role == booking.Organizer && organizer.Address == "":
			organizer = p
		default:
			attendees = append(attendees, ics.Attendee{Party: p, Optional: t.Person.Role == booking.Optional})
		}
	}
	return organizer, attendees
}

// file is the calendar file that goes along with a result in state ics; nil where
// the booking has no time, or cannot be put into a file.
func (t *turn) file(s *slot) *outbound.ICS {
	if s.step.state != ICS || s.b.ID == "" {
		return nil
	}
	row := s.row
	if !s.want.hold {
		row = forget(row) // as it is saved: the event is gone, and no later file has its UID
	}
	in := fileInput(t.org, s.b, t.info.Kind, t.info.Target, row, t.start)
	content, err := ics.File(in)
	if err != nil {
		if !errors.Is(err, ics.ErrUnscheduled) {
			t.log.Warn("no calendar file", "organization", t.info.Organization, "delivery", s.row.Key, "error", err)
		}
		return nil
	}
	out := &outbound.ICS{Method: string(in.Method), UID: in.UID, Sequence: ics.Sequence(s.want.revision)}
	if len(content) > maxCarried {
		out.URL = t.fileURL(s)
	} else {
		out.Content = string(content)
	}
	return out
}

func (t *turn) fileURL(s *slot) string {
	return t.publicURL + "/api/organizations/" + t.info.Organization + "/bookings/ics?" +
		url.Values{"id": {s.row.Booking}, t.info.Kind: {t.info.Target}}.Encode()
}
