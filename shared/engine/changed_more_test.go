package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// What people did twice is told twice, under two ids.
func TestAChangeThatIsMadeUndoneAndMadeAgainIsToldThreeTimes(t *testing.T) {
	b := back(t, "report")
	was := b.ours().Subject
	for _, title := range []string{"Mine", was, "Mine"} {
		b.does(b.owner.Retitle(b.id, title))
		b.read()
	}
	b.expectTold("edited title by report", "edited title by report", "edited title by report")
}

// A report that an event is gone, which is not, writes nothing over what people did.
func TestAnEventThatOnlySeemedGoneKeepsWhatPeopleDid(t *testing.T) {
	b := back(t, "report")
	b.does(b.owner.Retitle(b.id, "Mine"))
	b.read()
	b.does(b.tellTo(b.with(emptyReader{b.Graph}), []graph.Item{{ID: b.id, Removed: true}}))
	settle(t, b.World)
	if got := b.ours().Subject; got != "Mine" {
		t.Errorf("the event is called %q", got)
	}
	b.expectTold("edited title by report")
}

// answers reads events as if their owner had answered them, as rooms do.
type answers struct {
	graph.Reader
	response string
}

func (a answers) Read(ctx context.Context, as graph.Access, mailbox, id string) (graph.Item, error) {
	i, err := a.Reader.Read(ctx, as, mailbox, id)
	i.Response = a.response
	return i, err
}

func TestAnAnswerIsTold(t *testing.T) {
	for response, told := range map[string]bool{"accepted": true, "declined": true, "tentativelyAccepted": true, "none": false, "notResponded": false, "organizer": false, "": false} {
		b := back(t, "product")
		b.does(b.owner.Remind(b.id, 5))
		items := b.page()
		items[0].Response = response
		for range 2 {
			b.does(b.tellTo(b.with(answers{b.Graph, response}), items))
		}
		if !told {
			b.expectTold()
			continue
		}
		b.expectTold("answered response by report")
		if got := fmt.Sprint(b.told()[0].Data.Fields["response"]); got != "{none "+response+"}" {
			t.Errorf("%s: %s", response, got)
		}
	}
}

func TestACancelledMeetingIsToldAndNotPutBack(t *testing.T) {
	b := back(t, "product")
	b.does(b.owner.Remind(b.id, 5))
	items := b.page()
	items[0].Cancelled = true
	b.does(b.tellTo(b.with(cancelled{b.Graph}), items))
	b.expectTold("edited cancelled by report")
}

type cancelled struct{ graph.Reader }

func (c cancelled) Read(ctx context.Context, as graph.Access, mailbox, id string) (graph.Item, error) {
	i, err := c.Reader.Read(ctx, as, mailbox, id)
	i.Cancelled = true
	return i, err
}

// refused cannot read single events, as a connection for busy times only.
type refused struct {
	graph.Reader
	failure *graph.Error
}

func (r refused) Read(context.Context, graph.Access, string, string) (graph.Item, error) {
	return graph.Item{}, r.failure
}

func TestWhatCannotBeReadIsNeverTakenForGone(t *testing.T) {
	for name, failure := range map[string]*graph.Error{
		"throttled":    graph.Classify(429, "ApplicationThrottled", nil),
		"transient":    graph.Classify(503, "ServiceUnavailable", nil),
		"unauthorised": graph.Classify(401, "InvalidAuthenticationToken", nil),
		"no mailbox":   graph.Classify(404, "MailboxNotEnabledForRESTAPI", nil),
		"forbidden":    graph.Classify(403, "ErrorAccessDenied", nil),
	} {
		t.Run(name, func(t *testing.T) {
			b := back(t, "product")
			err := b.tellTo(b.with(refused{b.Graph, failure}), []graph.Item{{ID: b.id, Removed: true}})
			if (err == nil) != (name == "forbidden") {
				t.Errorf("%v", err)
			}
			settle(t, b.World)
			b.expectTold()
			if b.row().Heard.Mend != (state.Mend{}) {
				t.Error("something was ordered")
			}
		})
	}
}

func TestAPagesWordCountsWhereEventsMayNotBeRead(t *testing.T) {
	b := back(t, "report")
	b.does(b.owner.Move(b.id, at(9), at(10)))
	items := b.page()
	items[0].Body = "" // ReadBasic
	b.does(b.tellTo(b.with(refused{b.Graph, graph.Classify(403, "ErrorAccessDenied", nil)}), items))
	b.expectTold("moved end,start by report")
}

// hooked does something when the lane is asked what it owes.
type hooked struct {
	state.Tables
	hook *func()
}

func (h hooked) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	if do := *h.hook; do != nil {
		*h.hook = nil
		do()
	}
	return h.Tables.Query(ctx, table, span)
}

// I6: an event whose making is confirmed just while it is asked about is ours.
func TestAnEventThatIsConfirmedWhileItIsLookedAtIsOurs(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "graph create")
	w.Step(k, world.Go)
	b := &wayBack{edited: &edited{T: t, World: w}}
	finish := w.Finish
	e := engine.New(engine.Effects{Tables: hooked{w.Tables, &finish}, Bus: w.Bus, Calendar: w.Calendar, Reader: w.Graph, Organizations: w}, &engine.Options{Now: w.Now})
	b.does(b.tellTo(e, b.page()))
	if len(b.fates) != 1 || b.fates[0] != downsync.Echo {
		t.Errorf("fates %v", b.fates)
	}
}

// A delegated mailbox is read and mended with the person's own token.
func TestAPersonsEventIsPutBackWithTheirOwnToken(t *testing.T) {
	w := delegated(t)
	w.Org.OwnEventsChanged = "product"
	send(t, w, bookingOf(t, "b", 1, nil))
	a := ainos(w)
	c := sign(t, w, "aino", a, connection.Both)
	settle(t, w)
	ours := w.Ours("b", "aino")
	if len(ours) != 1 {
		t.Fatalf("%d events", len(ours))
	}
	owner := w.Exchange.Owner(a.Tenant, a.Address)
	as := graph.Access{Tenant: a.Tenant, Organization: world.Organization, Lane: ainosLane(), Connection: c.ID, ObjectID: a.ObjectID, Version: c.SignIn()}
	look := func(item graph.Item) downsync.Fate {
		t.Helper()
		fate, err := w.Engine().Changed(context.Background(), world.Organization, ainosLane(), as, a.Address, item)
		if err != nil {
			t.Fatal(err)
		}
		settle(t, w)
		return fate
	}
	if err := owner.Retitle(ours[0].ID, "Mine"); err != nil {
		t.Fatal(err)
	}
	moved := graph.Item{ID: ours[0].ID, Subject: "Mine"}
	if fate := look(moved); fate != downsync.Handled || w.Ours("b", "aino")[0].Subject != "b r1" {
		t.Errorf("fate %v, %q", fate, w.Ours("b", "aino")[0].Subject)
	}
	if err := owner.Delete(ours[0].ID); err != nil {
		t.Fatal(err)
	}
	if fate := look(graph.Item{ID: ours[0].ID, Removed: true}); fate != downsync.Handled {
		t.Errorf("fate %v", fate)
	}
	expect(t, w, "b", "aino", "skipped", "removed-by-user")
	if all := changesIn(t, w); len(all) != 2 || all[1].Data.Change != "deleted" || w.Trespasses > 0 {
		t.Errorf("%+v, %d trespasses", all, w.Trespasses)
	}
}

// A calendar that is closed to the lane is mended when it opens.
func TestAnOrderWaitsForACalendarThatIsClosed(t *testing.T) {
	for _, deed := range []string{"moves", "deletes"} {
		b := back(t, "product")
		b.Org.Sync = false
		if deed == "moves" {
			b.does(b.owner.Move(b.id, at(9), at(10)))
		} else {
			b.does(b.owner.Delete(b.id))
		}
		b.read()
		b.Org.Sync = true
		b.does(b.Engine().Reconcile(context.Background(), world.Organization, "test"))
		settle(t, b.World)
		if deed == "deletes" {
			b.expectTold("deleted by time")
		} else if e := b.ours(); e.Start.DateTime != "2026-12-01T16:05:00" {
			t.Errorf("start %v", e.Start)
		}
	}
}

func TestAnEventOfADeletedOrganisationCausesNothing(t *testing.T) {
	b := back(t, "product")
	b.does(b.owner.Move(b.id, at(9), at(10)))
	items := b.page()
	b.Org = nil
	b.does(b.tellTo(b.Engine(), items))
	settle(t, b.World)
	b.expectTold()
}

// An event from a file of ours is ours before it is adopted: no second one is told of.
func TestAnEventThatWasImportedFromOurFileIsNoAppointment(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync = false
	send(t, w, bookingOf(t, "b", 1, nil))
	settle(t, w)
	last, err := w.Last("b", "aino")
	if err != nil || last.ICS == nil {
		t.Fatalf("%+v, %v", last, err)
	}
	b := &wayBack{edited: &edited{T: t, World: w}}
	if _, err := w.Exchange.Owner(world.Tenant, ainosBox).Import([]byte(last.ICS.Content)); err != nil {
		t.Fatal(err)
	}
	b.read()
	if len(b.fates) != 1 || b.fates[0] != downsync.Echo {
		t.Errorf("fates %v", b.fates)
	}
}

func TestAnEngineWithoutAReaderSaysSo(t *testing.T) {
	b := back(t, "report")
	b.does(b.owner.Move(b.id, at(9), at(10)))
	if err := b.tellTo(b.with(nil), b.page()); err == nil {
		t.Error("a change went unread")
	}
}

// An old event is not asked about, whatever the lane owes: a calendar of a thousand
// appointments is first read while bookings are written into it.
func TestOnlyEventsThatMayBeOursAreAskedAbout(t *testing.T) {
	b := back(t, "report")
	send(t, b.World, bookingOf(t, "c", 1, nil))
	take(t, b.World)
	made, err := b.owner.Create(exchange.Change{Subject: ptr("Dentist"), Start: ptr(at(9)), End: ptr(at(10))})
	b.does(err)
	items := b.page()
	gets := func(days int) int {
		i := items[0]
		i.Created = made.Created.AddDate(0, 0, -days)
		n := 0
		e := engine.New(engine.Effects{Tables: b.Tables, Bus: b.Bus, Calendar: counted{b.Calendar, &n}, Reader: b.Graph, Organizations: b.World}, &engine.Options{Now: b.Now})
		b.does(b.tellTo(e, []graph.Item{i}))
		if b.fates[0] != downsync.Foreign {
			t.Errorf("fates %v", b.fates)
		}
		return n
	}
	if now, old := gets(0), gets(30); now != 1 || old != 0 {
		t.Errorf("%d and %d requests, want 1 and none", now, old)
	}
}

type counted struct {
	graph.Calendar
	n *int
}

func (c counted) Do(ctx context.Context, as graph.Access, calls []graph.Call) []graph.Result {
	*c.n += len(calls)
	return c.Calendar.Do(ctx, as, calls)
}

func TestTheEventsOfAMailboxAreThoseThatItShouldHold(t *testing.T) {
	b := back(t, "report")
	send(t, b.World, bookingOf(t, "later", 1, map[string]any{"start": map[string]any{"dateTime": "2027-06-01T10:00:00", "timeZone": "UTC"},
		"end": map[string]any{"dateTime": "2027-06-01T11:00:00", "timeZone": "UTC"}}))
	settle(t, b.World)
	events := func(mailbox string, days int) string {
		ids, err := b.Engine().Events(context.Background(), ainosLane(), mailbox, world.Start(), world.Start().AddDate(0, 0, days))
		b.does(err)
		return fmt.Sprint(ids)
	}
	if got := events(ainosBox, 30); got != fmt.Sprint([]string{b.id}) {
		t.Errorf("%s", got)
	}
	if got := events(ainosBox, 5) + events("aino.new@acme.example", 30); got != "[][]" {
		t.Errorf("%s", got)
	}
	b.does(b.owner.Delete(b.id))
	b.read()
	if got := events(ainosBox, 30); got != "[]" {
		t.Errorf("after its deletion: %s", got)
	}
}
