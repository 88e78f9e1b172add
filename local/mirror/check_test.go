package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/state"
)

// told is an appointment as the booking app gets it.
type told struct {
	Change, Connection, ID, Calendar, ShowAs, Sensitivity string
	Start, End                                            struct{ DateTime string }
	AllDay, Private                                       bool
	Title, Body                                           *string
	People                                                []any
}

func wall(s string) time.Time {
	at, _ := time.Parse(clock, s)
	return at
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// shown is an appointment as far as a rule of privacy lets it be told (A6).
func shown(privacy, title, body, show, sensitivity string, start, end time.Time, allDay bool) string {
	s := fmt.Sprintf("%s-%s %v %s %s", start.Format(time.RFC3339), end.Format(time.RFC3339), allDay, show, sensitivity)
	if sensitivity == "private" || sensitivity == "confidential" {
		return s
	}
	if privacy == "title" || privacy == "all" {
		s += " title " + title
	}
	if privacy == "all" {
		s += " body " + body
	}
	return s
}

// app is what a booking app has of a connection that keeps the last it was told.
func (s *story) app(id string) map[string]told {
	have := map[string]told{}
	for _, body := range s.told("calbridge.appointment.v1") {
		var e struct{ Data told }
		s.must(json.Unmarshal(body, &e))
		a := e.Data
		if a.Connection != id {
			continue
		}
		if s.ours[a.ID] {
			s.Errorf("I6: an event of a booking was told as an appointment: %s", body)
		}
		// Who may see busy times only cannot tell what is elsewhere from what is gone.
		if a.Change == "deleted" && !s.gone[a.ID] && !s.filed[series(a.ID)] {
			s.Errorf("A2: told as deleted, and nobody deleted it: %s", body)
		}
		if a.Private && (a.Title != nil || a.Body != nil || a.People != nil) {
			s.Errorf("A6: a private one tells more than its time: %s", body)
		}
		if have[a.ID] = a; a.Change == "deleted" {
			delete(have, a.ID)
		}
	}
	return have
}

// window is the time that all calendars of a connection were read for: theirs roll at
// moments of their own.
func (s *story) window(c connection.Connection, calendars []string) (w appointment.Window, err error) {
	for _, id := range calendars {
		cursor, err := state.NewCursors(s.Tables).Get(context.Background(), state.CalendarKey(c.ID, id))
		if err == nil && cursor.ETag == "" {
			err = errors.New("there is no cursor")
		}
		if err != nil {
			return w, fmt.Errorf("the calendar %q was never read: %w", id, err)
		}
		if from, to := cursor.From, cursor.To; w.From.IsZero() {
			w = appointment.Window{From: from, To: to}
		} else {
			w.From, w.To = later(w.From, from), earliest(w.To, to)
		}
	}
	return w, nil
}

// difference compares what the booking app has with what a mailbox shows of the calendars
// that are read.
func (s *story) difference(b mailbox) string {
	c, ok := s.connected(b)
	privacy := s.rules().privacy(c.ID.String())
	if !ok || privacy == "" || c.State != connection.Connected {
		return ""
	}
	chosen := []string{""}
	for i, one := range c.Calendars {
		chosen = append(chosen[:i], one.ID)
	}
	window, err := s.window(c, chosen)
	if err != nil {
		return err.Error()
	}
	want, got, elsewhere := map[string]string{}, map[string]string{}, map[string]bool{}
	own := s.calendarsOf(b.Account)[0]
	for _, id := range s.calendarsOf(b.Account) {
		events, err := s.Exchange.View(b.Tenant, b.Address, id, window.From, window.To)
		s.must(err)
		reads := slices.Contains(chosen, id) || id == own && chosen[0] == ""
		for _, e := range events {
			if elsewhere[appID(e)] = !reads; reads && !s.ours[e.ID] {
				want[appID(e)] = shown(privacy, e.Subject, e.Body, e.ShowAs, e.Sensitivity, e.From.UTC(), e.To.UTC(), e.AllDay)
			}
		}
	}
	for id, a := range s.app(c.ID.String()) {
		switch {
		case !slices.Contains(chosen, a.Calendar), elsewhere[id]: // nothing is said of what is not read
		case s.gone[id] && want[id] == "" && (s.silent || s.restored[c.ID.String()]): // nor of what went while nothing was told, or was to stay
		case s.gone[id] && want[id] == "" && s.filed[series(id)] && !s.anew: // what went in a calendar that is not read only a full reading misses
		case window.Holds(wall(a.Start.DateTime), wall(a.End.DateTime)):
			got[id] = shown(privacy, value(a.Title), value(a.Body), a.ShowAs, a.Sensitivity, wall(a.Start.DateTime), wall(a.End.DateTime), a.AllDay)
		}
	}
	return strings.ReplaceAll(cmp.Diff(want, got), "\u00a0", " ")
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// reads reports what the app lacks, of all that is read.
func (s *story) reads() (diff string) {
	maps.Copy(s.ours, ids(s.marked(bookings(), users())))
	for _, b := range s.boxes {
		if d := s.difference(b); d != "" {
			diff += b.Address + " (-calendar +app)\n" + d
		}
	}
	return diff
}

// check holds everything that must be so once all has settled.
func (s *story) check() {
	if diff := s.reads(); diff != "" {
		s.Fatal(diff)
	}
	s.checkForeign()
	s.checkChanged()
	if foreign := s.Graph.Foreign(); len(foreign) > 0 || s.Trespasses > 0 {
		s.Errorf("I7: %d calls as the app, and %q", s.Trespasses, foreign)
	}
	if n := s.DeadLetters(); n > 0 {
		s.Errorf("%d dead letters", n)
	}
	if mails := s.Exchange.Mails(); len(mails) > 0 {
		s.Errorf("I5: %d mails", len(mails))
	}
}

// checkForeign: nothing of the owners' was touched (I4).
func (s *story) checkForeign() {
	now := map[string]string{}
	for _, box := range s.Exchange.Boxes() {
		for _, e := range box.Events {
			now[e.ID] = e.ChangeKey
		}
	}
	for id, version := range s.foreign {
		if now[id] != version {
			s.Errorf("I4: an event of the owner's was touched, or deleted: %s", id)
		}
	}
}

// checkChanged: bookings are in the calendars (I1, I2), and what people did to them was told.
func (s *story) checkChanged() {
	last, deleted := s.tellings()
	tired := s.tired()
	for b := range s.revision {
		for _, u := range users() {
			if s.stirred[u] {
				continue
			}
			name, ours := b+" "+u, s.Ours(b, u)
			live := s.live[b][u]
			switch {
			case len(ours) > 1, !live && len(ours) > 0:
				s.Fatalf("I1: %d events of %s, live %v", len(ours), name, live)
			case live && len(ours) == 0 && !s.deleted[name]:
				s.Fatalf("I2: no event of %s", name)
			case live && len(ours) == 0 && u == "aino" && !deleted[name]:
				s.Errorf("I6: %s was deleted, and nobody was told", name)
			}
			if len(ours) == 1 && u == "aino" {
				s.checkTold(name, b, ours[0], last[name], tired)
			}
		}
	}
}

// untold is a value that privacy keeps back.
const untold = "<nil>"

func (s *story) checkTold(name, booking string, e exchange.Event, last map[string]string, tired bool) {
	for field, pair := range map[string][2]string{"title": {e.Subject, s.title[booking]}, "start": {e.From.UTC().Format(clock), s.start[booking]}} {
		switch {
		case pair[0] == pair[1]:
		case last[field] != pair[0] && !(last[field] == untold && field == "title" && (s.hushed || !slices.Contains([]string{"title", "all"}, s.Org.DownSync.Privacy) || s.private[e.ID])):
			s.Errorf("I6: the %s of %s is %q, the booking says %q, and told was %q", field, name, pair[0], pair[1], last[field])
		case s.Org.OwnEventsChanged == "product" && !tired:
			s.Errorf("the %s of %s is %q, and was not put back to %q", field, name, pair[0], pair[1])
		}
	}
}

// tellings are what was told last of each field of each event, and which were told as deleted.
func (s *story) tellings() (last map[string]map[string]string, deleted map[string]bool) {
	last, deleted = map[string]map[string]string{}, map[string]bool{}
	for _, body := range s.told("calbridge.booking.changed.v1") {
		var c struct {
			Data struct {
				Booking, User, Change string
				Fields                map[string]struct{ New any }
			}
		}
		s.must(json.Unmarshal(body, &c))
		name := c.Data.Booking + " " + c.Data.User
		if c.Data.Change == "deleted" {
			if deleted[name] = true; !s.deleted[name] {
				s.Errorf("A2: told as deleted, and nobody deleted it: %s", body)
			}
			delete(last, name)
			continue
		}
		for field, f := range c.Data.Fields {
			text := fmt.Sprint(f.New)
			if time, ok := f.New.(map[string]any); ok {
				text = fmt.Sprint(time["dateTime"])
			}
			if (field == "title" && text != untold || field == "start") && !s.did[text] {
				s.Errorf("I6: the %s of %s was told to be %q, and nobody did that", field, name, text)
			}
			if last[name] == nil {
				last[name] = map[string]string{}
			}
			last[name][field] = text
		}
	}
	return last, deleted
}

// tired reports whether somebody changed what is put back so often that it was let be.
func (s *story) tired() bool {
	for _, m := range s.Broker.Peek(world.Changes) {
		if strings.Contains(string(m.Body), "event-contested") {
			return true
		}
	}
	return false
}
