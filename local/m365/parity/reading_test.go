//go:build !race

package parity

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/msgraph"
	"github.com/calbridge/calbridge/shared/identity"
)

// reader is one of the two sides, where what is read is the matter.
type reader struct {
	graph.Reader
	store   *exchange.Store
	changes *changes.Tracker
	link    string
}

// both are the twin and the wire, in one tenant.
type both struct {
	tenant string
	sides  [2]*reader
	tick   func(time.Duration)
	from   time.Time
}

// Whatever people do in Outlook, and however changes are told, the twin and the client over
// HTTP read the same items, pages and refusals. Only change keys differ, which come from
// two stores.
func TestTheTwinReadsAsTheWireDoes(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	sim := m365.New(&m365.Options{Now: clock})
	sim.Entra.Register(entra.App{ID: app, Secrets: []string{"secret"}})
	sim.Entra.SetLifetime(10_000 * time.Hour)
	if err := sim.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	tokens, err := identity.New(app, identity.Secret("secret"), &identity.Options{Authority: sim.URL(), GraphEndpoint: sim.URL(), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	client, err := msgraph.New(msgraph.NewTokens(tokens, nil), &msgraph.Options{Endpoint: sim.URL(), Now: clock, Transport: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		b := &both{tenant: fmt.Sprintf("22222222-aaaa-4bbb-8ccc-%012d", n), tick: func(d time.Duration) { now = now.Add(d) }, from: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
		sim.AddTenant(b.tenant)
		sim.Entra.Consent(b.tenant, app, "Calendars.ReadWrite")
		store := exchange.New(clock, exchange.Switches{})
		tw := twin.New(store, nil)
		b.sides = [2]*reader{{Reader: tw, store: store, changes: tw.Changes()}, {Reader: client, store: sim.Exchange, changes: sim.Changes}}
		for _, s := range b.sides {
			s.store.AddUser(b.tenant, exchange.User{Principal: aino, Name: "Aino", TimeZone: "Europe/Helsinki"})
			s.changes.Set(changes.Switches{})
		}
		t.Repeat(map[string]func(*rapid.T){"edit": b.edit, "edit more": b.edit, "read": b.read, "read on": b.read, "one": b.one, "spoil": b.spoil})
	})
}

// do does one thing on both sides, which have to agree whether it can be done.
func (b *both) do(t *rapid.T, what func(s *reader, o exchange.Owner) error) {
	b.tick(time.Second)
	var failed [2]error
	for i, s := range b.sides {
		failed[i] = what(s, s.store.Owner(b.tenant, aino))
	}
	if (failed[0] == nil) != (failed[1] == nil) {
		t.Fatalf("twin %v, wire %v", failed[0], failed[1])
	}
}

// edit does something in Outlook.
func (b *both) edit(t *rapid.T) {
	at := func(label string) exchange.Time {
		start := b.from.Add(time.Duration(rapid.IntRange(-10*24, 40*24).Draw(t, label)) * time.Hour)
		return exchange.Time{DateTime: start.Format("2006-01-02T15:04:05"), Zone: rapid.SampledFrom([]string{"UTC", "Europe/Helsinki", "Pacific Standard Time"}).Draw(t, "zone")}
	}
	start := at("start")
	end := start
	wall, _ := time.Parse("2006-01-02T15:04:05", start.DateTime)
	end.DateTime = wall.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "hours")) * time.Hour).Format("2006-01-02T15:04:05")
	id := b.pick(t)
	subject := rapid.SampledFrom([]string{"", "A", "✈ <b>&\"\\\n", "long and dull"}).Draw(t, "subject")
	switch do := rapid.SampledFrom([]string{"create", "create", "retitle", "move", "delete", "categorize", "show-as", "invite", "import", "remind"}).Draw(t, "do"); do {
	case "create":
		c := b.event(t, subject, start, end)
		b.do(t, func(_ *reader, o exchange.Owner) error { _, err := o.Create(c); return err })
	case "import":
		file := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:u" + fmt.Sprint(len(subject)) + "\r\nDTSTAMP:20261101T000000Z\r\nORGANIZER:mailto:boss@else.example\r\nDTSTART:20261205T100000Z\r\nDTEND:20261205T110000Z\r\nSUMMARY:Meeting\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
		b.do(t, func(_ *reader, o exchange.Owner) error { _, err := o.Import([]byte(file)); return err })
	default:
		d := exchange.Deed{Do: do, Event: id, Subject: subject, Start: start, End: end, Invite: []string{"guest@else.example"}, Categories: []string{"Red"}, Status: "oof", Minutes: -1}
		b.do(t, func(_ *reader, o exchange.Owner) error { _, err := o.Do(d); return err })
	}
}

// event is one to create, now and then a series or a whole day.
func (b *both) event(t *rapid.T, subject string, start, end exchange.Time) exchange.Change {
	sensitivity := rapid.SampledFrom([]string{"normal", "private", "confidential"}).Draw(t, "sensitivity")
	c := exchange.Change{Subject: &subject, Start: &start, End: &end, Sensitivity: &sensitivity, Locations: &[]exchange.Location{{Name: subject}}}
	if rapid.IntRange(0, 3).Draw(t, "whole day") == 0 {
		allDay := true
		start.DateTime, end.DateTime, end.Zone = start.DateTime[:11]+"00:00:00", "2027-02-01T00:00:00", start.Zone
		c.AllDay = &allDay
	}
	if rapid.IntRange(0, 2).Draw(t, "series") == 0 {
		r := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "weekly", Interval: 1, DaysOfWeek: []string{"monday", "thursday"}, FirstDayOfWeek: "monday"},
			Range: exchange.Range{Type: "noEnd", StartDate: start.DateTime[:10]}}
		c.Recurrence = &r
	}
	return c
}

// pick is an event or a day of a series, which has the same id on both sides.
func (b *both) pick(t *rapid.T) string {
	ids := []string{"AAA="}
	store := b.sides[0].store
	for _, e := range store.Events(b.tenant, aino) {
		ids = append(ids, e.ID)
		days, err := store.Instances(b.tenant, aino, e.ID, b.from, b.from.AddDate(0, 0, 10))
		if err != nil {
			t.Fatal(err)
		}
		for _, day := range days {
			ids = append(ids, day.ID)
		}
	}
	return rapid.SampledFrom(ids).Draw(t, "event")
}

// spoil switches something on.
func (b *both) spoil(t *rapid.T) {
	s := changes.Switches{EmptyFirst: rapid.Bool().Draw(t, "empty first"), Duplicates: rapid.Bool().Draw(t, "duplicates"), Replays: rapid.Bool().Draw(t, "replays"),
		QuietOutside: rapid.Bool().Draw(t, "quiet"), ListOccurrences: rapid.Bool().Draw(t, "list"), LagMS: rapid.SampledFrom([]int{0, 2000}).Draw(t, "lag"),
		ExpiredCode: rapid.SampledFrom([]string{"", "resyncRequired"}).Draw(t, "code")}
	expire := rapid.IntRange(0, 3).Draw(t, "expire") == 0
	b.do(t, func(r *reader, _ exchange.Owner) error {
		r.changes.Set(s)
		if expire {
			return r.changes.Expire(b.tenant, aino)
		}
		return nil
	})
}

// plain is an item without what differs by nature.
func plain(i graph.Item) any {
	i.ChangeKey = ""
	var rule any
	if len(i.Recurrence) > 0 && json.Unmarshal(i.Recurrence, &rule) != nil {
		rule = string(i.Recurrence)
	}
	i.Recurrence = nil
	return []any{i, rule}
}

// failure is an error without what differs by nature.
func failure(err error) any {
	var e *graph.Error
	if !errors.As(err, &e) {
		return err
	}
	return []any{e.Kind, e.Reason, e.Status, e.Code, e.Unanswered}
}

// read reads a page on both sides, on from the one before.
func (b *both) read(t *rapid.T) {
	b.tick(time.Second)
	size := rapid.IntRange(0, 5).Draw(t, "size")
	anew := rapid.IntRange(0, 5).Draw(t, "anew") == 0
	var told [2]any
	for i, s := range b.sides {
		if anew {
			s.link = ""
		}
		page, err := s.Delta(t.Context(), graph.AppAccess(b.tenant), graph.DeltaRequest{Mailbox: aino, From: b.from, To: b.from.AddDate(0, 0, 21), Link: s.link, PageSize: size})
		s.link = page.Next + page.Delta
		items := []any{}
		for _, item := range page.Items {
			items = append(items, plain(item))
		}
		told[i] = []any{items, page.Next != "", page.Delta != "", failure(err)}
	}
	if diff := cmp.Diff(told[0], told[1], cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("a page (-twin +wire):\n%s", diff)
	}
}

// one reads an event on both sides.
func (b *both) one(t *rapid.T) {
	id := b.pick(t)
	var told [2]any
	for i, s := range b.sides {
		item, err := s.Read(t.Context(), graph.AppAccess(b.tenant), aino, id)
		told[i] = []any{plain(item), failure(err)}
	}
	if diff := cmp.Diff(told[0], told[1], cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("an event (-twin +wire):\n%s", diff)
	}
}
