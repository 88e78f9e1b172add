package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Values of ownEventsChanged (design.md), and of the rule that is told.
const (
	ruleReport  = "report"  // it stays; what a later revision changes is written over it
	ruleProduct = "product" // it is put back
	ruleOutlook = "outlook" // it stays; the next revision is written over it, whole
)

// contested is the code of the alert that somebody keeps changing what is put back.
const contested = "event-contested"

// put-back are the fields that the rules put back. A reminder, a category, show-as and
// sensitivity are the owner's to set (A4, A6).
const putBack = event.Subject | event.Body | event.When | event.Place

// projected is what a delivery's event should hold by the latest booking; event is nil
// where there is nothing to compare with.
type projected struct {
	org      organization.Organization
	lane     state.Lane
	revision int64 // of the latest booking
	event    *event.Event
}

// confirmed is the trace of what the row's fingerprint says was confirmed, as far as the
// latest booking has it still.
func (p projected) confirmed(row state.Delivery) string {
	if p.event == nil {
		return ""
	}
	known := event.All &^ event.Changed(row.Print, *p.event)
	return event.Overlay("", p.event.Sight().Trace(), known.Aspects()|event.SawCancelled|event.SawSeries|event.SawAnswer)
}

// project reads what a row's event should hold.
func (c *changing) project(ctx context.Context, row state.Delivery) (p projected, err error) {
	p.revision = row.Revision
	if p.org, err = c.orgs.Organization(ctx, c.organization); err != nil {
		return p, fmt.Errorf("organisation of lane %s: %w", c.lane, err)
	}
	if p.lane, err = c.lanes.Lane(ctx, c.lane); err != nil {
		return p, err
	}
	body, err := c.bookings.Get(ctx, c.organization, row.Booking)
	if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrCorrupt) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	p.revision = body.Revision
	b, err := booking.Load(body.Body)
	if err == nil {
		b, err = b.Resolve(p.org.TimeZone)
	}
	target, invited := find(b, p.lane.Kind, p.lane.Target)
	if err == nil && invited && b.Start != nil {
		e := projection(p.org, b, target.Person)
		p.event = &e
	}
	return p, nil
}

// tell publishes that people changed an event, then remembers that, with what the
// organisation makes of it. A kill in between publishes the same again, under the same
// id: the number counts what was remembered, and of the traces only what is news counts,
// since a revision may be written beside it meanwhile. What was known before counts as
// well: the same change of what a revision overwrote is another one.
func (c *changing) tell(ctx context.Context, row state.Delivery, seen graph.Item) error {
	p, err := c.project(ctx, row)
	if errors.Is(err, state.ErrNotFound) {
		return nil // the organisation is gone
	}
	if err != nil {
		return err
	}
	if row.Sight == "" {
		row.Sight = p.confirmed(row)
	}
	now := c.now().UTC()
	sight := sightOf(seen)
	trace := sight.Trace()
	news := strange(row, trace)
	u := state.Update{Before: row, After: row}
	u.After.Sight = event.Overlay(row.Sight, trace, event.SawAll)
	h := &u.After.Heard
	h.Count++
	rule, alert := p.judge(h, news, sight, now)
	told := outbound.BookingChanged{
		EventID: key.UUID(fmt.Sprintf("%s/changed/%d/%s/%s", row.Key.Hex(), h.Count,
			event.Overlay("", row.Sight, news), event.Overlay("", trace, news))),
		Booking: row.Booking, Kind: p.lane.Kind, Target: p.lane.Target, Revision: max(row.Revision, 1),
		Change: changeOf(news), Fields: p.fields(row, news, sight), Rule: rule}
	origin := outbound.Origin{PublicURL: c.publicURL, Organization: c.organization, Time: now}
	messages := []queue.Message{message(told.Event(origin))}
	if alert {
		messages = append(messages, message(outbound.Alert{ID: key.UUID(fmt.Sprintf("alert/%s/%s/%d", row.Key.Hex(), contested, h.Count)),
			Code: contested, State: "raised", Booking: row.Booking, Kind: p.lane.Kind, Target: p.lane.Target,
			Message: "Somebody changes the event again and again; for an hour it is not put back any more."}.Event(origin)))
	}
	if err := c.send(ctx, queue.Changes, messages...); err != nil {
		return err
	}
	if rule == ruleProduct {
		return c.order(ctx, u, now.Truncate(time.Millisecond))
	}
	return c.put(ctx, u)
}

// judge applies the organisation's rule to news of an event, and says which one it came
// to: what cannot be put back, or was put back too often, is only reported.
func (p projected) judge(h *state.Heard, news event.Aspects, seen event.Sight, now time.Time) (rule string, alert bool) {
	h.Mends = recent(h.Mends, now)
	if p.event == nil {
		return ruleReport, false
	}
	want := p.event.Sight().Trace()
	trace := seen.Trace()
	// What people changed back themselves need not be put back any more.
	stillOff := event.Differ(want, trace).Fields()
	m := &h.Mend
	if m.Fields &= uint16(stillOff); m.Fields == 0 {
		m.After = 0
	}
	if m.Fields == 0 && !m.Gone {
		*m = state.Mend{}
	}
	off := news.Fields() & stillOff & putBack
	if seen.Series || seen.Cancelled {
		off = 0 // a series does not become a single event again, nor does a cancelled one come alive
	}
	switch p.org.OwnEventsChanged {
	case ruleProduct:
		weary := off & tired(h.Mends)
		off &^= weary
		if weary != 0 && now.Sub(h.Alerted) >= fightFor {
			h.Alerted, alert = now, true
		}
		if off == 0 {
			return ruleReport, alert
		}
		*m = state.Mend{ID: key.Random(), Gone: m.Gone, Fields: m.Fields | uint16(off)}
		h.Mends = append(slices.Clone(h.Mends), state.Mended{At: now, Fields: uint16(off)})
		return ruleProduct, alert
	case ruleOutlook:
		if off != 0 {
			*m = state.Mend{ID: key.Random(), Gone: m.Gone, Fields: m.Fields | uint16(off), After: max(m.After, p.revision)}
		}
		return ruleOutlook, false
	}
	return ruleReport, false
}

// changeOf names a change by what weighs most in it.
func changeOf(news event.Aspects) string {
	switch {
	case news.Has(event.SawWhen):
		return outbound.ChangeMoved
	case news == event.SawAnswer:
		return outbound.ChangeAnswered
	}
	return outbound.ChangeEdited
}

// fields tells what changed: old is what we wrote, where that is known, new what is in
// the calendar now. Texts that people wrote are told as far as the organisation lets
// appointments tell them, and never of an event that is private by now (A6); that they
// changed is always told. Nobody else on the event is told of.
func (p projected) fields(row state.Delivery, news event.Aspects, seen event.Sight) map[string]outbound.Field {
	out := map[string]outbound.Field{}
	wrote := event.Event{}
	known := event.Fields(0)
	if p.event != nil {
		wrote, known = *p.event, event.All&^event.Changed(row.Print, *p.event)
	}
	was := wrote.Sight()
	put := func(a event.Aspects, name string, of event.Fields, old, now any) {
		if !news.Has(a) {
			return
		}
		f := outbound.Field{New: now}
		if known.Has(of) && p.event != nil {
			f.Old = old
		}
		out[name] = f
	}
	if news.Has(event.SawWhen) {
		if !seen.Start.Equal(was.Start) || !known.Has(event.When) || seen.AllDay != was.AllDay {
			put(event.SawWhen, "start", event.When, outbound.Clock{DateTime: wrote.Start.DateTime, TimeZone: wrote.Start.Zone}, clockOf(seen.Start, wrote.Start.Zone, seen.AllDay))
		}
		if !seen.End.Equal(was.End) || !known.Has(event.When) || seen.AllDay != was.AllDay {
			put(event.SawWhen, "end", event.When, outbound.Clock{DateTime: wrote.End.DateTime, TimeZone: wrote.End.Zone}, clockOf(seen.End, wrote.End.Zone, seen.AllDay))
		}
		if seen.AllDay != was.AllDay || !known.Has(event.When) {
			put(event.SawWhen, "allDay", event.When, was.AllDay, seen.AllDay)
		}
	}
	title, place := p.open(seen)
	text := func(a event.Aspects, name string, of event.Fields, tell bool, old, now string) {
		if tell {
			put(a, name, of, old, now)
		} else if news.Has(a) {
			out[name] = outbound.Field{}
		}
	}
	text(event.SawSubject, "title", event.Subject, title, was.Subject, seen.Subject)
	text(event.SawPlace, "location", event.Place, place, was.Place, seen.Place)
	text(event.SawText, "description", event.Body, false, "", "")
	put(event.SawShowAs, "showAs", event.ShowAs, was.ShowAs, seen.ShowAs)
	put(event.SawSensitivity, "sensitivity", event.Sensitivity, was.Sensitivity, seen.Sensitivity)
	put(event.SawCancelled, "cancelled", 0, false, seen.Cancelled)
	put(event.SawSeries, "recurring", 0, false, seen.Series)
	put(event.SawAnswer, "response", 0, "none", orReason(seen.Answer, "none"))
	return out
}

// clockOf is an instant as the booking's zone reads it; of an all-day event its date.
func clockOf(at time.Time, zone string, allDay bool) outbound.Clock {
	if !allDay {
		return outbound.ClockIn(at, zone)
	}
	c := outbound.ClockIn(at, "UTC")
	if zone != "" {
		c.TimeZone = zone
	}
	return c
}

// open says whether the title and the place of an event may be told as people wrote them.
func (p projected) open(seen event.Sight) (title, place bool) {
	private := seen.Sensitivity == "private" || seen.Sensitivity == "confidential"
	switch p.org.DownSync.Privacy {
	case "all":
		return !private, !private
	case "title":
		return !private, false
	}
	return false, false
}
