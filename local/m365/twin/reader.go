package twin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/graph"
)

var _ graph.Reader = (*Twin)(nil)

// app is the name that the twin's client has in sync states and subscriptions.
const app = "twin"

// scheme is how the twin's links begin: with the place where Graph's would lead, so that
// whoever takes a link for one of Graph's is right.
const scheme = "https://graph.microsoft.com/v1.0/users/twin/calendarView/delta?token="

// reading is what an access sees of a mailbox.
type reading struct {
	user, calendar string
	discreet       bool // private items are hidden
	basic          bool // bodies are
}

// Delta reads one page of changes. A test that faults requests sees it as a Visit with
// Delta set.
func (t *Twin) Delta(ctx context.Context, as graph.Access, r graph.DeltaRequest) (graph.DeltaPage, error) {
	token, ours := strings.CutPrefix(r.Link, scheme)
	switch {
	case !segment(as.Path(r.Mailbox)):
		return graph.DeltaPage{}, unfit("no mailbox")
	case r.Link != "" && (!ours || token == ""):
		return graph.DeltaPage{}, unfit("a link that is not Graph's")
	}
	if failure := t.ready(ctx, as); failure != nil {
		return graph.DeltaPage{}, failure
	}
	see := t.reading(as, as.Path(r.Mailbox), r.Calendar)
	t.store.Looked(as.Tenant, see.user, see.calendar, exchange.LookDelta)
	if failure := t.alone(Visit{Access: as, Mailbox: see.user, Delta: &r}); failure != nil {
		return graph.DeltaPage{}, failure
	}
	if see.basic && t.changes.Switches().NeedsRead {
		return graph.DeltaPage{}, graph.ClassifyDelta(http.StatusForbidden, "ErrorAccessDenied", nil)
	}
	page, err := t.changes.Read(changes.Request{Tenant: as.Tenant, App: app, User: see.user, Calendar: see.calendar,
		From: r.From, To: r.To, Token: token, Size: r.PageSize})
	if err != nil {
		return graph.DeltaPage{}, classified(err, func(e *exchange.Error) *graph.Error { return graph.ClassifyDelta(e.Status, e.Code, nil) })
	}
	told := graph.DeltaPage{}
	for _, i := range page.Items {
		told.Items = append(told.Items, see.entry(i))
	}
	at := scheme
	if stray := t.changes.Switches().Stray; stray != "" {
		at = strings.Replace(scheme, "users/twin", "users/stray-"+stray, 1)
	}
	if page.Next != "" {
		told.Next = at + page.Next
	} else {
		told.Delta = at + page.Delta
	}
	return told, nil
}

// Read reads one event. A test that faults requests sees it as a Visit with Read set.
func (t *Twin) Read(ctx context.Context, as graph.Access, mailbox, id string) (graph.Item, error) {
	mailbox = as.Path(mailbox)
	if !segment(mailbox) || !segment(id) {
		return graph.Item{}, unfit("no mailbox or event")
	}
	if failure := t.ready(ctx, as); failure != nil {
		return graph.Item{}, failure
	}
	if failure := t.alone(Visit{Access: as, Mailbox: mailbox, Read: id}); failure != nil {
		return graph.Item{}, failure
	}
	if t.account(as).Basic {
		return graph.Item{}, graph.Classify(http.StatusForbidden, "ErrorAccessDenied", nil)
	}
	e, err := t.store.Event(as.Tenant, mailbox, id)
	if err != nil {
		return graph.Item{}, failed(graph.Call{}, err)
	}
	item := reading{}.item(&e)
	item.Created = time.Time{} // the client does not ask for it
	mark, _ := e.Property(t.mark)
	item.Mark = strings.ToLower(mark)
	return item, nil
}

// alone asks what becomes of a request that changes nothing.
func (t *Twin) alone(v Visit) *graph.Error {
	switch fate := t.fate(v); fate.Effect {
	case Pass, Delay:
		return nil
	case Answer:
		return v.failure(fate)
	}
	return unanswered()
}

// classified turns a refusal of the store into what the client makes of it.
func classified(err error, how func(*exchange.Error) *graph.Error) *graph.Error {
	var refusal *exchange.Error
	if !errors.As(err, &refusal) {
		return &graph.Error{Kind: graph.Transient, Cause: err}
	}
	return how(refusal)
}

// reading finds where a calendar lies that may be somebody else's, shared with the account.
func (t *Twin) reading(as graph.Access, mailbox, calendar string) reading {
	account := t.account(as)
	see := reading{user: mailbox, calendar: calendar, basic: account.Basic && !account.Shared}
	if !account.Shared || calendar == "" {
		return see
	}
	mounts, err := t.store.Mounts(as.Tenant, mailbox)
	if err != nil {
		return see
	}
	for _, m := range mounts {
		if m.ID == calendar {
			return reading{user: m.User, calendar: m.Target, discreet: m.ReadOnly}
		}
	}
	return see
}

// entry is an item of a page as the client reads it.
func (see reading) entry(i changes.Item) graph.Item {
	if i.Removed {
		return graph.Item{ID: i.ID, Removed: true}
	}
	full := see.item(&i.Event)
	full.ChangeKey = exchange.LongChangeKey(i.Event.ChangeKey)
	if !i.Slim {
		return full
	}
	return graph.Item{ID: full.ID, ChangeKey: full.ChangeKey, Kind: full.Kind, Series: full.Series, Start: full.Start, End: full.End}
}

// item is an event as the client reads it.
func (see reading) item(e *exchange.Event) graph.Item {
	if see.discreet {
		hidden := e.Discreet()
		e = &hidden
	}
	i := graph.Item{
		ID: e.ID, ChangeKey: e.ChangeKey, ICalUID: e.ICalUID, Series: e.Series, Original: e.Original, Created: e.Created,
		Start: instant(e.From, e.Start, e.AllDay), End: instant(e.To, e.End, e.AllDay), StartZone: e.StartZone, EndZone: e.EndZone,
		AllDay: e.AllDay, Cancelled: e.Cancelled, IsOrganizer: e.Response == "", Reminder: e.ReminderOn,
		ShowAs: e.ShowAs, Sensitivity: e.Sensitivity, Response: "organizer", Subject: e.Subject, Body: e.Body, BodyType: "html",
		Organizer: graph.Person{Name: e.Organizer.Name, Address: e.Organizer.Address}, ReminderMinutes: e.ReminderMinutes,
	}
	i.Categories = append(i.Categories, e.Categories...)
	switch {
	case e.Recurrence != nil:
		i.Kind, i.Recurrence = graph.Master, recurrence(e.Recurrence)
	case e.Exception():
		i.Kind = graph.Exception
	case e.Series != "":
		i.Kind = graph.Occurrence
	}
	if e.Response != "" {
		i.Response = e.Response
	}
	if len(e.Locations) > 0 {
		i.Location = e.Locations[0].Name
	}
	for _, a := range e.Attendees {
		i.People = append(i.People, graph.Person{Name: a.Name, Address: a.Address.Address, Type: a.Type, Response: "none"})
	}
	if see.basic {
		i.Body, i.BodyType = "", ""
	}
	return i
}

// instant is a time as the client reads it: in UTC, of an all-day event midnight there.
func instant(at time.Time, given exchange.Time, allDay bool) time.Time {
	date, _, _ := strings.Cut(given.DateTime, "T")
	if day, err := time.Parse(time.DateOnly, date); allDay && err == nil {
		return day
	}
	return at.UTC()
}

// recurrence writes patternedRecurrence as Graph does (3.1, 3.2).
func recurrence(r *exchange.Recurrence) json.RawMessage {
	type pattern struct {
		Type           string   `json:"type"`
		Interval       int      `json:"interval"`
		Month          int      `json:"month"`
		DayOfMonth     int      `json:"dayOfMonth"`
		DaysOfWeek     []string `json:"daysOfWeek"`
		FirstDayOfWeek string   `json:"firstDayOfWeek"`
		Index          string   `json:"index"`
	}
	type span struct {
		Type      string `json:"type"`
		StartDate string `json:"startDate"`
		EndDate   string `json:"endDate"`
		Zone      string `json:"recurrenceTimeZone"`
		Count     int    `json:"numberOfOccurrences"`
	}
	days := append([]string{}, r.Pattern.DaysOfWeek...)
	text, err := json.Marshal(struct {
		Pattern pattern `json:"pattern"`
		Range   span    `json:"range"`
	}{
		pattern{r.Pattern.Type, r.Pattern.Interval, r.Pattern.Month, r.Pattern.DayOfMonth, days, r.Pattern.FirstDayOfWeek, r.Pattern.Index},
		span{r.Range.Type, r.Range.StartDate, r.Range.EndDate, r.Range.Zone, r.Range.Count},
	})
	if err != nil {
		panic("twin: a recurrence is not JSON: " + err.Error())
	}
	return text
}
