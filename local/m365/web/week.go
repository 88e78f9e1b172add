package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// week is what the page of a mailbox shows.
type week struct {
	Tenant, User, Name, Mail, Zone, State string
	Day                                   string // Monday, yyyy-MM-dd
	Before, After, Today                  string // links
	Days                                  []day
	Hours                                 []int
	Later                                 int // events that are not in this week
	Version                               string
}

// day is one column.
type day struct {
	Title  string
	Today  bool
	AllDay []card
	Timed  []card
}

// card is an event on a day. Row and End are lines of the grid: 1 is midnight,
// each line a quarter of an hour.
type card struct {
	ID, Subject, Time, Place, Body, Title string
	Class                                 string
	Row, End                              int
	Form                                  form
}

// form is what the fields of a card's form hold.
type form struct {
	Start, End, StartZone, EndZone string // for inputs of type datetime-local
	Reminder                       string // minutes; "" for none
	ShowAs, Sensitivity            string
	Categories, Attendees          string
	Organizer                      string // of somebody else's meeting, to be answered
	Response                       string
	Online                         bool
}

func formOf(e exchange.Event) form {
	f := form{Start: minute(e.Start), End: minute(e.End), StartZone: e.Start.Zone, EndZone: e.End.Zone,
		ShowAs: e.ShowAs, Sensitivity: e.Sensitivity, Categories: strings.Join(e.Categories, ", "), Response: e.Response, Online: e.JoinURL != ""}
	if e.ReminderOn {
		f.Reminder = strconv.Itoa(e.ReminderMinutes)
	}
	var all []string
	for _, a := range e.Attendees {
		all = append(all, a.Address.Address)
	}
	f.Attendees = strings.Join(all, ", ")
	if e.Response != "" {
		f.Organizer = e.Organizer.Address
	}
	return f
}

func minute(t exchange.Time) string {
	return t.DateTime[:min(len(t.DateTime), len("2006-01-02T15:04"))]
}

func (p *Pages) week(w http.ResponseWriter, r *http.Request) {
	tenant, user := r.URL.Query().Get("tenant"), r.URL.Query().Get("user")
	u, err := p.store.User(tenant, user)
	if err != nil {
		http.Error(w, "no such mailbox", http.StatusNotFound)
		return
	}
	zone := time.UTC
	if z, err := p.store.Zone(u.TimeZone); err == nil {
		zone = z.Location
	}
	events := p.store.Events(tenant, user)
	next := p.store.Week(tenant, user, p.now(), p.now().AddDate(1, 0, 0))
	monday := mondayOf(p.day(r.URL.Query().Get("day"), events, next, zone))
	page := week{
		Tenant: tenant, User: u.ObjectID, Name: u.Name, Mail: u.Mail, Zone: zone.String(), State: u.State.String(),
		Day:     monday.Format(time.DateOnly),
		Before:  link(tenant, u.ObjectID, monday.AddDate(0, 0, -7).Format(time.DateOnly)),
		After:   link(tenant, u.ObjectID, monday.AddDate(0, 0, 7).Format(time.DateOnly)),
		Today:   link(tenant, u.ObjectID, mondayOf(p.now().In(zone)).Format(time.DateOnly)),
		Version: versionOf(u, events),
	}
	for hour := range 24 {
		page.Hours = append(page.Hours, hour)
	}
	shown := map[string]bool{}
	// A day more on both sides: the dates of whole days are nobody's zone.
	there := p.store.Week(tenant, user, monday.AddDate(0, 0, -1), monday.AddDate(0, 0, 8))
	for n := range 7 {
		page.Days = append(page.Days, p.column(monday.AddDate(0, 0, n), there, shown))
	}
	page.Later = len(events) - len(shown)
	p.render(w, "week.html", page)
}

// day is the day asked for, else that of the first event to come, else today. A
// series is to come as long as it has an occurrence in the next year.
func (p *Pages) day(asked string, events []exchange.Event, next []exchange.Event, zone *time.Location) time.Time {
	if t, err := time.ParseInLocation(time.DateOnly, asked, zone); err == nil {
		return t
	}
	now := p.now()
	if len(next) > 0 {
		return next[0].From.In(zone)
	}
	for _, e := range events {
		if e.To.After(now) {
			return e.From.In(zone)
		}
	}
	return now.In(zone)
}

func mondayOf(t time.Time) time.Time {
	back := (int(t.Weekday()) + 6) % 7
	return time.Date(t.Year(), t.Month(), t.Day()-back, 0, 0, 0, 0, t.Location())
}

// item is what lies in the mailbox of an event: of an occurrence its series.
func item(e exchange.Event) string {
	if e.Series != "" {
		return e.Series
	}
	return e.ID
}

// column gathers the events of one day and notes which items were shown.
func (p *Pages) column(start time.Time, events []exchange.Event, shown map[string]bool) day {
	end := start.AddDate(0, 0, 1)
	d := day{Title: start.Format("Mon 2 Jan"), Today: mondayOf(start).Equal(mondayOf(p.now().In(start.Location()))) && start.Weekday() == p.now().In(start.Location()).Weekday()}
	for _, e := range events {
		if e.AllDay {
			if date := start.Format(time.DateOnly); date >= e.Start.DateTime[:10] && date < e.End.DateTime[:10] {
				d.AllDay = append(d.AllDay, cardOf(e, start, end))
				shown[item(e)] = true
			}
			continue
		}
		if e.From.Before(end) && (e.To.After(start) || e.From.Equal(start)) {
			d.Timed = append(d.Timed, cardOf(e, start, end))
			shown[item(e)] = true
		}
	}
	return d
}

func cardOf(e exchange.Event, start, end time.Time) card {
	c := card{ID: e.ID, Subject: e.Subject, Body: exchange.Preview(e.Body), Class: "busy", Row: 1, End: 97, Form: formOf(e)}
	if len(e.Locations) > 0 {
		c.Place = e.Locations[0].Name
	}
	switch e.ShowAs {
	case "free", "tentative", "oof":
		c.Class = e.ShowAs
	}
	if e.TransactionID == "" {
		c.Class += " theirs"
	}
	zone := start.Location()
	c.Time = e.From.In(zone).Format("15:04") + "–" + e.To.In(zone).Format("15:04")
	if e.AllDay {
		c.Time = "all day"
	}
	switch {
	case e.Exception():
		c.Time += ", changed in its series"
	case e.Series != "":
		c.Time += ", series"
	}
	if e.From.After(start) {
		c.Row = line(e.From.In(zone))
	}
	if e.To.Before(end) {
		c.End = max(line(e.To.In(zone)), c.Row+2)
	}
	return c
}

func line(t time.Time) int { return 1 + t.Hour()*4 + t.Minute()/15 }

// pair gives a template of a card the week that it is in.
func pair(w week, c card) struct {
	Week week
	Card card
} {
	return struct {
		Week week
		Card card
	}{w, c}
}
