package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// fusedSender and fusedReader are killed like tables.
type fusedSender struct {
	*fuse
	queue.Sender
}

func (s fusedSender) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	return s.burn(func() error { return s.Sender.Send(ctx, entity, messages...) })
}

type fusedReader struct {
	*fuse
	graph.Reader
}

func (r fusedReader) Read(ctx context.Context, as graph.Access, mailbox, id string) (i graph.Item, err error) {
	err = r.burn(func() error { i, err = r.Reader.Read(ctx, as, mailbox, id); return err })
	return i, err
}

// meddled has something else happen before its effects.
type meddled struct {
	state.Tables
	graph.Reader
	queue.Sender
	meddle func()
}

func (m meddled) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	m.meddle()
	return m.Tables.Get(ctx, table, partition, row)
}

func (m meddled) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	m.meddle()
	return m.Tables.Apply(ctx, table, changes)
}

func (m meddled) Read(ctx context.Context, as graph.Access, mailbox, id string) (graph.Item, error) {
	m.meddle()
	return m.Reader.Read(ctx, as, mailbox, id)
}

func (m meddled) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	m.meddle()
	return m.Sender.Send(ctx, entity, messages...)
}

// fused is an engine over a world that dies with a fuse.
func fused(w *world.World, f *fuse) *engine.Engine {
	return engine.New(engine.Effects{Tables: fusedTables{f, w.Tables}, Bus: fusedSender{f, w.Bus}, Calendar: w.Calendar,
		Reader: fusedReader{f, w.Graph}, Organizations: w},
		&engine.Options{PublicURL: "https://calendar.example.com", Now: w.Now, Jitter: func() float64 { return 0.5 }, Parallel: 1})
}

// A kill before or after any effect, and the page again: each change is told under one
// id, and comes to the same end.
func TestAKillAnywhereTellsTheSameOnceMore(t *testing.T) {
	for _, deed := range []string{"moves", "deletes"} {
		for n := 1; n < 20; n++ {
			for _, after := range []bool{false, true} {
				b := back(t, "product")
				if deed == "deletes" {
					b.does(b.owner.Delete(b.id))
				} else {
					b.does(b.owner.Move(b.id, at(9), at(10)))
				}
				items := b.page()
				f := &fuse{left: n, after: after}
				if err := b.tellTo(fused(b.World, f), items); err == nil && f.blown {
					t.Errorf("%d, %v: a dead process has no answer", n, after)
				}
				b.does(b.tellTo(b.Engine(), items))
				settle(t, b.World)
				b.read()
				if deed == "deletes" {
					b.expectTold("deleted by time")
					expect(t, b.World, "b", "aino", "skipped", "removed-by-user")
				} else {
					b.expectTold("moved end,start by product")
					expect(t, b.World, "b", "aino", "written", "", "b r1")
				}
				if !f.blown && n > 5 {
					n = 20
				}
			}
		}
	}
}

// TestPeopleAndLanesAtRandomTellWhatPeopleDidAndNothingElse lets people edit while
// revisions are written, processes die and answers are lost.
//
//   - I6: nothing is told that nobody did; what is ours is never an appointment.
//   - I4: what is not ours is never touched, and never ours.
//   - Whatever differs from the booking in the end was told as it is; where the product
//     puts back and was not tired out, nothing differs.
//   - Only deletions by people are told as such.
func TestPeopleAndLanesAtRandomTellWhatPeopleDidAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { newEditors(t).run() })
}

// editors is one random history of two bookings of aino's and of the people who edit.
type editors struct {
	*rapid.T
	w        *world.World
	owner    exchange.Owner
	link     string
	pages    [][]graph.Item // told, or to be told again
	revision map[string]int64
	start    map[string]string // of the latest revision
	title    map[string]string
	live     map[string]bool // whether the latest revision is wanted
	deleted  map[string]bool
	strange  map[string]string // change key of what is not ours, by id
	did      map[string]bool   // titles and hours that people set
	faults   int
}

func newEditors(t *rapid.T) *editors {
	w, err := world.New(exchange.Switches{Rewriting: exchange.Rewriting(rapid.IntRange(0, 2).Draw(t, "rewriting"))})
	if err != nil {
		t.Fatal(err)
	}
	w.AddMailbox(ainosBox)
	w.Org.OwnEventsChanged = rapid.SampledFrom([]string{"report", "product", "outlook"}).Draw(t, "rule")
	w.Org.DownSync.Privacy = "all"
	w.Org.RecreateRemoved = rapid.SampledFrom([]string{"never", "time", "always"}).Draw(t, "recreate")
	x := &editors{T: t, w: w, owner: w.Exchange.Owner(world.Tenant, ainosBox), revision: map[string]int64{}, start: map[string]string{},
		title: map[string]string{}, live: map[string]bool{}, deleted: map[string]bool{}, strange: map[string]string{}, did: map[string]bool{},
		faults: rapid.IntRange(0, 5).Draw(t, "faults")}
	x.book()
	return x
}

func (x *editors) run() {
	for range rapid.IntRange(5, 60).Draw(x.T, "length") {
		x.act()
	}
	x.settle()
	for range 12 { // repairs of repairs come to an end
		x.tell(x.fetch(), x.w.Engine())
		x.settle()
	}
	if items := x.fetch(); len(items) > 0 {
		x.Fatalf("the calendar never comes to rest: %d items", len(items))
	}
	x.check()
}

func (x *editors) settle() {
	if err := x.w.Settle(); err != nil {
		x.Fatal(err)
	}
}

func (x *editors) act() {
	switch n := rapid.IntRange(0, 99).Draw(x.T, "act"); {
	case n < 8:
		x.book()
	case n < 18:
		x.w.Begin(rapid.SampledFrom([]string{world.Intake, world.Write, world.Write}).Draw(x.T, "function"))
	case n < 48:
		x.step()
	case n < 62:
		x.edit()
	case n < 82:
		x.read()
	case n < 86:
		x.again()
	case n < 90 && x.w.Late() > 0:
		x.w.Land(0)
	case n < 92:
		x.settle()
	default:
		x.w.Advance(rapid.SampledFrom([]time.Duration{time.Second, 15 * time.Second, 11 * time.Minute}).Draw(x.T, "time"))
	}
}

func (x *editors) book() {
	id := rapid.SampledFrom([]string{"b1", "b2"}).Draw(x.T, "booking")
	x.revision[id]++
	x.title[id] = id + rapid.SampledFrom([]string{" A", " B"}).Draw(x.T, "title")
	x.start[id] = "2026-12-01T1" + rapid.SampledFrom([]string{"4", "5"}).Draw(x.T, "start") + ":00:00"
	status := rapid.SampledFrom([]string{"confirmed", "confirmed", "confirmed", "cancelled"}).Draw(x.T, "status")
	x.live[id] = status != "cancelled"
	x.Logf("%s revision %d: %s at %s, %s", id, x.revision[id], x.title[id], x.start[id], status)
	err := x.w.Send(context.Background(), bookingJSON(id, x.revision[id], map[string]any{"title": x.title[id], "status": status,
		"start": map[string]any{"dateTime": x.start[id], "timeZone": "UTC"}, "end": map[string]any{"dateTime": "2026-12-01T17:00:00", "timeZone": "UTC"}}))
	if err != nil {
		x.Fatal(err)
	}
}

func (x *editors) step() {
	if len(x.w.Workers) == 0 {
		return
	}
	k := x.w.Workers[rapid.IntRange(0, len(x.w.Workers)-1).Draw(x.T, "worker")]
	v := world.Go
	if x.faults > 0 && rapid.IntRange(0, 6).Draw(x.T, "fault") == 0 {
		v = world.Verdict(rapid.IntRange(int(world.Kill), int(world.DelayKill)).Draw(x.T, "verdict"))
		x.faults--
	}
	x.Logf("%s %s: %s", k.Kind, k.At, v)
	x.w.Step(k, v)
}

// edit does what people do to an event of ours, or beside it.
func (x *editors) edit() {
	id := rapid.SampledFrom([]string{"b1", "b2"}).Draw(x.T, "booking")
	ours := x.w.Ours(id, "aino")
	if len(ours) == 0 {
		return
	}
	e := ours[0]
	var err error
	switch n := rapid.IntRange(0, 7).Draw(x.T, "edit"); n {
	case 0, 1:
		title := fmt.Sprint("mine ", len(x.did))
		x.did[title] = true
		x.Logf("%s is called %s", id, title)
		err = x.owner.Retitle(e.ID, title)
	case 2, 3:
		hour := exchange.Time{DateTime: fmt.Sprintf("2026-12-%02dT09:00:00", 2+len(x.did)%25), Zone: "UTC"}
		end := hour
		end.DateTime = strings.Replace(end.DateTime, "T09", "T10", 1)
		x.did[hour.DateTime] = true
		x.Logf("%s is moved to %s", id, hour.DateTime)
		err = x.owner.Move(e.ID, hour, end)
	case 4:
		x.Logf("%s is deleted", id)
		x.deleted[id] = true
		err = x.owner.Delete(e.ID)
	case 5:
		var copied exchange.Event
		copied, err = x.owner.Copy(e.ID)
		x.Logf("%s is copied", id)
		x.strange[copied.ID] = copied.ChangeKey
	case 6:
		var made exchange.Event
		made, err = x.owner.Create(exchange.Change{Subject: ptr("Dentist"), Start: ptr(at(9)), End: ptr(at(10))})
		x.strange[made.ID] = made.ChangeKey
	case 7:
		x.Logf("%s gets a reminder and a note", id)
		if err = x.owner.Remind(e.ID, 120+len(x.pages)); err == nil {
			err = x.owner.WriteAround(e.ID, "<p>note</p>", "")
		}
	}
	if err != nil {
		x.Fatal(err)
	}
}

func (x *editors) fetch() []graph.Item {
	var items []graph.Item
	for {
		p, err := x.w.Graph.Delta(context.Background(), graph.AppAccess(world.Tenant), graph.DeltaRequest{Mailbox: ainosBox, Link: x.link,
			From: world.Start().AddDate(0, -1, 0), To: world.Start().AddDate(1, 0, 0)})
		if err != nil {
			x.Fatal(err)
		}
		items = append(items, p.Items...)
		if x.link = p.Delta; p.Delta != "" {
			return items
		}
		x.link = p.Next
	}
}

// read reads what changed, and may die while it tells; then the page comes again.
func (x *editors) read() {
	items := x.fetch()
	x.Logf("%d items are read", len(items))
	x.pages = append(x.pages, items)
	if x.faults > 0 && rapid.IntRange(0, 2).Draw(x.T, "killed") == 0 {
		x.faults--
		f := &fuse{left: rapid.IntRange(1, 12).Draw(x.T, "effect"), after: rapid.Bool().Draw(x.T, "after")}
		x.Logf("dies at effect %d, after it: %v", f.left, f.after)
		e := fused(x.w, f)
		for _, i := range items {
			if _, err := e.Changed(context.Background(), world.Organization, ainosLane(), graph.AppAccess(world.Tenant), ainosBox, i); err != nil {
				break
			}
		}
	}
	x.tell(items, x.meddled())
}

// meddled is an engine while which works people edit and lanes write.
func (x *editors) meddled() *engine.Engine {
	left := rapid.IntRange(0, 4).Draw(x.T, "meddle")
	m := meddled{Tables: x.w.Tables, Reader: x.w.Graph, Sender: x.w.Bus, meddle: func() {
		switch n := rapid.IntRange(0, 9).Draw(x.T, "meddling"); {
		case left == 0:
		case n < 2:
			left--
			x.edit()
		case n < 5:
			left--
			x.w.Begin(world.Write)
			x.step()
		case n < 7:
			left--
			x.w.Finish()
		}
	}}
	return engine.New(engine.Effects{Tables: m, Bus: m, Calendar: x.w.Calendar, Reader: m, Organizations: x.w},
		&engine.Options{PublicURL: "https://calendar.example.com", Now: x.w.Now, Jitter: func() float64 { return 0.5 }, Parallel: 1})
}

// again tells an old page once more.
func (x *editors) again() {
	if len(x.pages) > 0 {
		x.Logf("an old page is told again")
		x.tell(rapid.SampledFrom(x.pages).Draw(x.T, "page"), x.w.Engine())
	}
}

func (x *editors) tell(items []graph.Item, e *engine.Engine) {
	for _, i := range items {
		fate, err := e.Changed(context.Background(), world.Organization, ainosLane(), graph.AppAccess(world.Tenant), ainosBox, i)
		if err != nil && strings.Contains(err.Error(), "keeps changing") {
			fate, err = x.w.Engine().Changed(context.Background(), world.Organization, ainosLane(), graph.AppAccess(world.Tenant), ainosBox, i)
		}
		if err != nil {
			x.Fatal(err)
		}
		if _, strange := x.strange[i.ID]; strange && fate != downsync.Foreign && !(fate == downsync.Echo && !x.has(i.ID)) {
			x.Fatalf("I4: what is not ours is fate %d", fate)
		}
		if _, strange := x.strange[i.ID]; !strange && fate == downsync.Foreign && !i.Removed {
			x.Fatalf("I6: what is ours is an appointment")
		}
	}
}

func (x *editors) has(id string) bool {
	for _, box := range x.w.Exchange.Boxes() {
		if slices.ContainsFunc(box.Events, func(e exchange.Event) bool { return e.ID == id }) {
			return true
		}
	}
	return false
}

func (x *editors) check() {
	last := map[string]map[string]any{"b1": {}, "b2": {}} // what was told last of each field
	count := map[string]int{}
	for _, c := range changesIn(x.T, x.w) {
		id := c.Data.Booking
		if c.Data.Change == "deleted" {
			if !x.deleted[id] {
				x.Fatalf("%s is told to be deleted, and nobody did that", id)
			}
			clear(last[id])
			continue
		}
		maps.Copy(last[id], flat(c))
		count[fmt.Sprint(id, flat(c))]++
		for name, value := range flat(c) {
			if name != "title" && name != "start" {
				continue
			}
			if !x.did[fmt.Sprint(value)] {
				x.Fatalf("I6: %s of %s is told to be %v, and nobody did that", name, id, value)
			}
		}
	}
	for id := range x.revision {
		ours := x.w.Ours(id, "aino")
		switch {
		case !x.live[id] && len(ours) > 0, len(ours) > 1:
			x.Fatalf("I1: %d events of %s", len(ours), id)
		case x.live[id] && len(ours) == 0 && !x.deleted[id]:
			x.Fatalf("I2: no event of %s", id)
		case len(ours) == 0:
			continue
		}
		for name, pair := range map[string][2]string{"title": {ours[0].Subject, x.title[id]}, "start": {ours[0].Start.DateTime, x.start[id]}} {
			if pair[0] == pair[1] {
				continue
			}
			if told := fmt.Sprint(last[id][name]); told != pair[0] {
				x.Fatalf("the %s of %s is %s, the booking says %s, and the last that was told is %s", name, id, pair[0], pair[1], told)
			}
			if x.w.Org.OwnEventsChanged == "product" && !x.tired() {
				x.Fatalf("the %s of %s is %s, and was not put back to %s", name, id, pair[0], pair[1])
			}
		}
	}
	for what, n := range count {
		if n > 1 {
			x.Fatalf("%s was told %d times", what, n)
		}
	}
	for id, version := range x.strange {
		for _, box := range x.w.Exchange.Boxes() {
			for _, e := range box.Events {
				if e.ID == id && e.ChangeKey != version {
					x.Fatalf("I4: what is not ours was changed")
				}
			}
		}
		if !x.has(id) {
			x.Fatalf("I4: what is not ours was deleted")
		}
	}
}

// tired reports whether somebody changed what is put back so often that it was let be.
func (x *editors) tired() bool {
	return slices.ContainsFunc(x.w.Broker.Peek(world.Changes), func(m servicebus.Received) bool { return strings.Contains(string(m.Body), "event-contested") })
}

// flat are the new values of a change; of times the wall clock.
func flat(c changed) map[string]any {
	out := map[string]any{}
	for name, f := range c.Data.Fields {
		out[name] = f.New
		if clock, ok := f.New.(map[string]any); ok {
			out[name] = clock["dateTime"]
		}
	}
	return out
}
