package graphworld

import (
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
)

// Readings is the world with what reads mailboxes, whose sync states are in tracker.
func (w *World) Readings(calendar graph.Calendar, reader graph.Reader, tracker *changes.Tracker) graphtest.Readings {
	p := w.Person(calendar)
	basic := p.Own
	basic.Connection = Basic
	return graphtest.Readings{Harness: p.Harness, Reader: reader, Own: p.Own, Basic: basic, Dead: p.Dead, Desk: desk{w, tracker}}
}

// desk is graphtest.Desk over a store.
type desk struct {
	*World
	tracker *changes.Tracker
}

var _ graphtest.Desk = desk{}

func (d desk) owner() exchange.Owner { return d.store.Owner(Tenant, Mailbox) }

func utc(t time.Time) exchange.Time {
	return exchange.Time{DateTime: t.UTC().Format("2006-01-02T15:04:05"), Zone: "UTC"}
}

func (d desk) Add(e graphtest.Entry) string {
	d.t.Helper()
	start, end := utc(e.Start), utc(e.End)
	c := exchange.Change{Subject: &e.Subject, Start: &start, End: &end, AllDay: &e.AllDay, Categories: &e.Categories}
	if e.Place != "" {
		c.Locations = &[]exchange.Location{{Name: e.Place}}
	}
	if private := "private"; e.Private {
		c.Sensitivity = &private
	}
	var attendees []exchange.Attendee
	for _, a := range e.Invite {
		attendees = append(attendees, exchange.Attendee{Address: exchange.Address{Name: a, Address: a}, Type: "required"})
	}
	c.Attendees = &attendees
	if e.Days > 0 {
		rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 1},
			Range: exchange.Range{Type: "numbered", StartDate: e.Start.UTC().Format(time.DateOnly), Count: e.Days}}
		c.Recurrence = &rule
	}
	made, err := d.owner().Create(c)
	d.must(err)
	return made.ID
}

func (d desk) Days(series string, from, to time.Time) []string {
	d.t.Helper()
	all, err := d.store.Instances(Tenant, Mailbox, series, from, to)
	d.must(err)
	var ids []string
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}

func (d desk) Retitle(id, subject string) { d.must(d.owner().Retitle(id, subject)) }

func (d desk) Move(id string, start, end time.Time) {
	d.must(d.owner().Move(id, utc(start), utc(end)))
}

func (d desk) Delete(id string) { d.must(d.owner().Delete(id)) }

func (d desk) AddCalendar(name string) string {
	c, err := d.store.AddCalendar(Tenant, Mailbox, name)
	d.must(err)
	return c.ID
}

func (d desk) File(id, calendar string) {
	_, err := d.owner().File(id, calendar)
	d.must(err)
}

func (d desk) Spoil(o graphtest.Oddities) {
	d.tracker.Set(changes.Switches{EmptyFirst: o.EmptyFirst, Duplicates: o.Duplicates, Shuffle: o.Shuffle, ListOccurrences: o.ListOccurrences,
		ExpiredCode: o.ExpiredCode, ExpiredStatus: o.ExpiredStatus, Location: o.Location, Stray: o.Stray})
}

func (d desk) Expire() { d.must(d.tracker.Expire(Tenant, Mailbox)) }

func (d desk) Deltas() int {
	n := 0
	for _, l := range d.store.Looks() {
		if l.Kind == exchange.LookDelta {
			n += l.Count
		}
	}
	return n
}
