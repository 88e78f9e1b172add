package demo

import (
	"cmp"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/calbridge/calbridge/local/stack"
)

// View is what a booking app knows: what it builds from the topic alone, without ever
// asking anybody. It is an example of how little that takes.
type View struct {
	mu           sync.Mutex
	appointments map[string]Appointment // by connection and id
	results      map[stack.Target]stack.Change
	changed      map[string]bool // organisation, booking and change
	news         []string        // the last of them first
}

// Appointment is one of a person's calendar, as calbridge.appointment.v1 tells it.
type Appointment struct {
	Organization, User string
	Start, End         time.Time
	AllDay             bool
	ShowAs             string
	Private            bool
	Title              string // "" where it is not told
}

// What is the title, or what is told in its place.
func (a Appointment) What() string {
	switch {
	case a.Title != "":
		return a.Title
	case a.Private:
		return "(private)"
	}
	return "(not told)"
}

// When is the time of the appointment, in UTC.
func (a Appointment) When() string {
	day, last := "Mon 2 Jan", a.End
	if a.AllDay {
		last = last.AddDate(0, 0, -1) // the end is exclusive
	}
	if a.Start.Year() != last.Year() {
		day = "Mon 2 Jan 2006"
	}
	several := a.Start.Format(time.DateOnly) != last.Format(time.DateOnly)
	switch {
	case a.AllDay && several:
		return a.Start.Format(day) + " - " + last.Format(day) + ", all day"
	case a.AllDay:
		return a.Start.Format(day) + ", all day"
	case several:
		return a.Start.Format(day+" 15:04") + " - " + last.Format(day+" 15:04")
	}
	return a.Start.Format(day+" 15:04") + " - " + last.Format("15:04")
}

// maxNews bounds what the page lists.
const maxNews = 30

// NewView returns one that knows nothing.
func NewView() *View {
	return &View{appointments: map[string]Appointment{}, results: map[stack.Target]stack.Change{}, changed: map[string]bool{}}
}

// told is calbridge.appointment.v1 and calbridge.booking.changed.v1, as far as it is shown.
type told struct {
	Data struct {
		Change, Connection, User, Room, ID, Booking, ShowAs, Title, Rule string
		Start, End                                                       struct{ DateTime string }
		AllDay, Private                                                  bool
		Fields                                                           map[string]struct{ Old, New any }
	}
}

// Take learns from an event, each of which comes once. It returns the event as a line,
// "" for one that is not of the way back.
func (v *View) Take(c stack.Change) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var e told
	line := ""
	switch c.Type {
	case "calbridge.delivery.v1":
		if c.Sequence > v.results[c.Target()].Sequence {
			v.results[c.Target()] = c
		}
		return ""
	case "calbridge.appointment.v1":
		if json.Unmarshal(c.Raw, &e) == nil {
			line = v.appointment(c.Organization, e)
		}
	case "calbridge.booking.changed.v1":
		if json.Unmarshal(c.Raw, &e) == nil {
			v.changed[c.Organization+" "+e.Data.Booking+" "+e.Data.Change] = true
			line = "booking " + e.Data.Booking + " of " + e.Data.User + e.Data.Room + " was " + e.Data.Change + " in Outlook"
			if len(e.Data.Fields) > 0 {
				line += ": " + strings.Join(slices.Sorted(maps.Keys(e.Data.Fields)), ", ")
			}
		}
	}
	line = printable(line)
	if line != "" {
		v.news = append([]string{c.At.UTC().Format("15:04:05") + " " + line}, v.news[:min(len(v.news), maxNews-1)]...)
	}
	return strings.TrimSpace(line)
}

// printable is a text as one line of a terminal, for which nothing in a calendar may be a
// command or another line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// appointment keeps one, or forgets it.
func (v *View) appointment(organization string, e told) string {
	d, id := e.Data, e.Data.Connection+" "+e.Data.ID
	if d.Change == "deleted" {
		was := v.appointments[id]
		delete(v.appointments, id)
		return "appointment of " + d.User + " deleted: " + was.When() + ", " + was.What()
	}
	a := Appointment{Organization: organization, User: d.User, AllDay: d.AllDay, ShowAs: d.ShowAs, Private: d.Private, Title: d.Title,
		Start: instantOf(d.Start.DateTime), End: instantOf(d.End.DateTime)}
	v.appointments[id] = a
	return "appointment of " + d.User + ": " + a.When() + ", " + a.ShowAs + ", " + a.What()
}

// instantOf is a time of an appointment, which is told in UTC; zero for none.
func instantOf(wall string) time.Time {
	at, err := time.Parse("2006-01-02T15:04:05", wall)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Changed reports whether it was told that people changed a booking so in Outlook.
func (v *View) Changed(organization, booking, change string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed[organization+" "+booking+" "+change]
}

// Appointments are those that are known of a person, in the order of time.
func (v *View) Appointments(organization, user string) []Appointment {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sorted(func(a Appointment) bool { return a.Organization == organization && a.User == user })
}

func (v *View) sorted(keep func(Appointment) bool) (all []Appointment) {
	for _, a := range v.appointments {
		if keep(a) {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b Appointment) int {
		return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.User, b.User), a.Start.Compare(b.Start), cmp.Compare(a.What(), b.What()))
	})
	return all
}

var viewPage = template.Must(template.New("view").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<noscript><meta http-equiv="refresh" content="5"></noscript><title>What the booking app knows</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}</style>
<script>setInterval(async () => {
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || !answer.ok) return; // the next time
  const page = new DOMParser().parseFromString(await answer.text(), "text/html"), next = page.querySelector("main"), main = document.querySelector("main");
  if (next && next.textContent !== main.textContent) main.replaceWith(next);
}, 1000)</script>
</head><body><main>
<h1>What the booking app knows</h1>
<p>Built from the topic <code>changes</code> alone. Change something in a connected calendar of the simulator, and it is here within seconds. Times are in UTC.</p>
<h2>Appointments of people who connected a calendar</h2>
{{if .Appointments}}<table><thead><tr><th>Organisation</th><th>Person</th><th>When</th><th>Shown as</th><th>What</th></tr></thead><tbody>
{{range .Appointments}}<tr><td>{{.Organization}}</td><td>{{.User}}</td><td>{{.When}}</td><td>{{.ShowAs}}</td><td>{{.What}}</td></tr>
{{end}}</tbody></table>{{else}}<p>None.</p>{{end}}
<h2>News from Outlook</h2>
{{if .News}}<ul>{{range .News}}<li>{{.}}</li>{{end}}</ul>{{else}}<p>None.</p>{{end}}
<h2>Bookings</h2>
<table><thead><tr><th>Organisation</th><th>Booking</th><th>Person</th><th>State</th></tr></thead><tbody>
{{range .Results}}<tr><td>{{.Organization}}</td><td>{{.Booking}}</td><td>{{.User}}{{.Room}}</td><td>{{.Result}}</td></tr>
{{end}}</tbody></table>
</main></body></html>
`))

// ServeHTTP shows it as a page that reads itself again.
func (v *View) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	results := slices.SortedFunc(maps.Values(v.results), func(a, b stack.Change) int {
		return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Booking, b.Booking), cmp.Compare(a.User, b.User))
	})
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = viewPage.Execute(w, map[string]any{"Appointments": v.sorted(func(Appointment) bool { return true }), "News": v.news, "Results": results})
}
