package twin

import (
	"math"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
)

// check says what is wrong with a call that the client would not even send.
func check(c graph.Call) string {
	if !segment(c.Mailbox) {
		return "no mailbox"
	}
	switch c.Op {
	case graph.Create:
		if !isMark(c.Mark) || c.TransactionID == "" {
			return "a create needs a mark of 32 hex digits and a transaction id"
		}
	case graph.Find:
		if !isMark(c.Mark) {
			return "a mark is 32 lower-case hex digits"
		}
	case graph.FindUID:
		if !graph.FitUID(c.UID) {
			return "a UID is printable ASCII, at most 255 bytes"
		}
	case graph.Patch, graph.Delete, graph.Get:
		if !segment(c.Event) {
			return "no event id"
		}
	default:
		return "unknown operation"
	}
	return checkContent(c)
}

// checkContent finds what the SDK's model cannot say.
func checkContent(c graph.Call) string {
	set := c.Set
	switch c.Op {
	case graph.Create:
		set = event.All
	case graph.Patch:
	default:
		return ""
	}
	known := func(enum, value string) bool {
		member, ok := exchange.Enum(enum, value)
		return value == "" || ok && member == value
	}
	switch {
	case set.Has(event.ShowAs) && !known("freeBusyStatus", c.Content.ShowAs):
		return "showAs is none of Graph's"
	case set.Has(event.Sensitivity) && !known("sensitivity", c.Content.Sensitivity):
		return "sensitivity is none of Graph's"
	case set.Has(event.Reminder) && c.Content.ReminderMinutes > math.MaxInt32:
		return "a reminder beyond Graph's Int32"
	}
	return ""
}

func segment(s string) bool { return s != "" && s != "." && s != ".." }

func isMark(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

// carryOut does what a call says.
func (t *Twin) carryOut(tenant string, c graph.Call) graph.Result {
	r := graph.Result{RequestID: t.requestID()}
	var e exchange.Event
	var found []exchange.Event
	var err error
	switch c.Op {
	case graph.Create:
		r.Status = 201
		e, err = t.store.Create(tenant, c.Mailbox, "", t.creation(c))
	case graph.Patch:
		r.Status = 200
		e, err = t.store.Update(tenant, c.Mailbox, c.Event, change(c, c.Set), condition(c))
	case graph.Delete:
		r.Status = 204
		err = t.store.Delete(tenant, c.Mailbox, c.Event, condition(c))
	case graph.Get:
		r.Status = 200
		e, err = t.store.Event(tenant, c.Mailbox, c.Event)
	case graph.Find:
		r.Status = 200
		found, err = t.store.Marked(tenant, c.Mailbox, t.mark, c.Mark)
	case graph.FindUID:
		r.Status = 200
		found, err = t.store.List(tenant, c.Mailbox, "", func(e *exchange.Event) bool { return graph.SameUID(e.ICalUID, c.UID) })
	}
	if err != nil {
		r.Err = failed(c, err)
		r.Status = r.Err.Status
		return r
	}
	if c.Op != graph.Delete && !search(c) {
		r.Event = t.event(&e, c)
	}
	found = slices.DeleteFunc(found, func(e exchange.Event) bool { return e.Series != "" })
	for i := range min(len(found), mostFound) {
		r.Found = append(r.Found, t.event(&found[i], c))
	}
	return r
}

// search reports whether c lists events.
func search(c graph.Call) bool { return c.Op == graph.Find || c.Op == graph.FindUID }

// mostFound is how many events a Find returns at most.
const mostFound = 50

// condition is the header that the client makes of a change key.
func condition(c graph.Call) string {
	if c.IfMatch == "" {
		return ""
	}
	return `W/"` + c.IfMatch + `"`
}

// event is what the client reads of an event: the mark only where it was
// expanded, the body only where it was asked for.
func (t *Twin) event(e *exchange.Event, c graph.Call) graph.Event {
	told := graph.Event{ID: e.ID, ChangeKey: e.ChangeKey, ICalUID: e.ICalUID,
		TransactionID: e.TransactionID, Created: e.Created, Cancelled: e.Cancelled, Series: search(c) && e.Recurrence != nil}
	if c.Op == graph.Get || search(c) {
		mark, _ := e.Property(t.mark)
		told.Mark = strings.ToLower(mark)
	}
	if c.Op == graph.Get && c.WithBody {
		told.Body = e.Body
	}
	return told
}

func (t *Twin) creation(c graph.Call) exchange.Change {
	content := change(c, event.All)
	content.TransactionID = c.TransactionID
	content.Properties = []exchange.Property{{ID: t.mark, Value: c.Mark}}
	return content
}

// change is what the client would send of a call's event: the fields that set
// names, the empty ones too, except enumerations.
func change(c graph.Call, set event.Fields) exchange.Change {
	e := c.Content
	var to exchange.Change
	if set.Has(event.Subject) {
		to.Subject = &e.Subject
	}
	if set.Has(event.Body) {
		to.Body = &exchange.Body{Content: e.Body}
		if c.Body != "" {
			to.Body.Content = c.Body
		}
	}
	if set.Has(event.When) {
		to.Start = &exchange.Time{DateTime: e.Start.DateTime, Zone: e.Start.Zone}
		to.End = &exchange.Time{DateTime: e.End.DateTime, Zone: e.End.Zone}
		to.AllDay = &e.AllDay
	}
	if set.Has(event.Place) {
		to.Locations = locations(e.Location)
	}
	if set.Has(event.Categories) {
		categories := slices.Clone(e.Categories)
		to.Categories = &categories
	}
	if set.Has(event.Reminder) {
		on := e.ReminderMinutes >= 0
		to.ReminderOn = &on
		if on {
			to.ReminderMinutes = &e.ReminderMinutes
		}
	}
	if set.Has(event.ShowAs) && e.ShowAs != "" {
		to.ShowAs = &e.ShowAs
	}
	if set.Has(event.Sensitivity) && e.Sensitivity != "" {
		to.Sensitivity = &e.Sensitivity
	}
	return to
}

func locations(l event.Location) *[]exchange.Location {
	list := []exchange.Location{}
	if l != (event.Location{}) {
		list = append(list, exchange.Location{Name: l.Name, Street: l.Address})
	}
	return &list
}
