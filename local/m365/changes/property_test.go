package changes_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
)

const acme, aino = "tenant-a", "aino@acme.example"

var (
	from = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	to   = from.AddDate(0, 0, 30)
)

// reader reconstructs a calendar from rounds, as the contract tells a client to (4.5).
type reader struct {
	tracker *changes.Tracker
	link    string
	known   map[string]string // id of an event or occurrence: what it is
	series  map[string]string // occurrence: master
}

func (r *reader) read(size int) error {
	ask := changes.Request{Tenant: acme, App: "app", User: aino, From: from, To: to, Token: r.link, Size: size}
	if r.link == "" {
		r.known, r.series = map[string]string{}, map[string]string{}
	}
	round := map[string]changes.Item{}
	masters := map[string]bool{}
	for {
		p, err := r.tracker.Read(ask)
		if err != nil {
			return err
		}
		for _, i := range p.Items {
			round[i.ID] = i
			if i.Event.Recurrence != nil {
				masters[i.ID] = true
			}
		}
		if p.Delta != "" {
			r.link = p.Delta
			break
		}
		ask.Token = p.Next
	}
	for id, i := range round {
		if i.Removed || masters[id] {
			r.forget(id)
		}
	}
	for id, i := range round {
		if !i.Removed && !masters[id] {
			r.known[id], r.series[id] = shown(i.Event), i.Event.Series
		}
	}
	return nil
}

// forget drops an event, and what is of its series.
func (r *reader) forget(id string) {
	maps.DeleteFunc(r.known, func(k, _ string) bool { return k == id || r.series[k] == id })
}

func shown(e exchange.Event) string {
	return fmt.Sprint(e.Subject, " ", e.From.UTC().Format(time.RFC3339), " ", e.Exception())
}

// A client that follows the contract has, after each round, what calendarView shows,
// whatever people did and whatever is switched on: also after an expired link.
func TestAClientThatFollowsTheContractHasTheCalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := from
		store := exchange.New(func() time.Time { return now }, exchange.Switches{ListExceptions: rapid.Bool().Draw(t, "exceptions")})
		store.AddUser(acme, exchange.User{Principal: aino})
		tracker := changes.New(store, func() time.Time { return now })
		tracker.Set(changes.Switches{
			EmptyFirst: rapid.Bool().Draw(t, "empty first"), Duplicates: rapid.Bool().Draw(t, "duplicates"),
			Replays: rapid.Bool().Draw(t, "replays"), Shuffle: rapid.Bool().Draw(t, "shuffle"),
			QuietOutside: rapid.Bool().Draw(t, "quiet"), ListOccurrences: rapid.Bool().Draw(t, "list"),
			LagMS: rapid.SampledFrom([]int{0, 0, 60_000}).Draw(t, "lag"),
		})
		r := &reader{tracker: tracker}
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			for range rapid.IntRange(0, 4).Draw(t, "edits") {
				edit(t, store)
				now = now.Add(time.Second)
			}
			if rapid.IntRange(0, 9).Draw(t, "expires") == 0 {
				if err := tracker.Expire(acme, aino); err != nil {
					t.Fatal(err)
				}
			}
			settled := rapid.Bool().Draw(t, "settled")
			if settled {
				now = now.Add(time.Minute)
			}
			size := rapid.IntRange(0, 7).Draw(t, "size")
			err := r.read(size)
			if refusal := (*exchange.Error)(nil); errors.As(err, &refusal) && refusal.Status == 410 {
				r.link = ""
				err = r.read(size)
			}
			if err != nil {
				t.Fatal(err)
			}
			if tracker.Switches().LagMS > 0 && !settled {
				continue
			}
			want := map[string]string{}
			there, err := store.View(acme, aino, "", from, to)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range there {
				want[e.ID] = shown(e)
				if e.Series != "" && !e.Exception() {
					want[e.ID] = shown(e)
				}
			}
			if diff := cmp.Diff(want, r.known); diff != "" {
				t.Fatalf("(-calendar +client):\n%s", diff)
			}
		}
	})
}

// edit does something to the calendar.
func edit(t *rapid.T, store *exchange.Store) {
	owner := store.Owner(acme, aino)
	at := func(label string) exchange.Time {
		return exchange.Time{DateTime: from.Add(time.Duration(rapid.IntRange(-72, 40*24).Draw(t, label)) * time.Hour).Format("2006-01-02T15:04:05"), Zone: "UTC"}
	}
	later := func(start exchange.Time) exchange.Time {
		at, _ := time.Parse("2006-01-02T15:04:05", start.DateTime)
		return exchange.Time{DateTime: at.Add(time.Hour).Format("2006-01-02T15:04:05"), Zone: "UTC"}
	}
	all := store.Events(acme, aino)
	for _, e := range slices.Clone(all) {
		days, err := store.Instances(acme, aino, e.ID, from.AddDate(0, 0, -5), to)
		if err == nil {
			all = append(all, days...)
		}
	}
	do := rapid.SampledFrom([]string{"create", "create", "repeat", "retitle", "move", "delete", "delete"}).Draw(t, "do")
	subject := rapid.StringMatching(`[a-z]{3}`).Draw(t, "subject")
	if len(all) == 0 && do != "repeat" {
		do = "create"
	}
	var err error
	switch do {
	case "create", "repeat":
		start := at("start")
		end := later(start)
		c := exchange.Change{Subject: &subject, Start: &start, End: &end}
		if do == "repeat" {
			rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: rapid.IntRange(1, 9).Draw(t, "interval")},
				Range: exchange.Range{Type: "numbered", StartDate: start.DateTime[:10], Count: rapid.IntRange(1, 9).Draw(t, "count")}}
			c.Recurrence = &rule
		}
		_, err = owner.Create(c)
	case "retitle":
		err = owner.Retitle(rapid.SampledFrom(all).Draw(t, "event").ID, subject)
	case "move":
		start := at("start")
		err = owner.Move(rapid.SampledFrom(all).Draw(t, "event").ID, start, later(start))
	case "delete":
		err = owner.Delete(rapid.SampledFrom(all).Draw(t, "event").ID)
	}
	if refusal := (*exchange.Error)(nil); err != nil && (!errors.As(err, &refusal) || refusal.Code != "ErrorOccurrenceCrossingBoundary") {
		t.Fatal(do, err)
	}
}

// The same link gives the same page, for as long as it lives, and nothing is read twice
// into the same generation.
func TestAPageStaysAsItIsWhileItsRoundIsRead(t *testing.T) {
	now := from
	store := exchange.New(func() time.Time { return now }, exchange.Switches{})
	store.AddUser(acme, exchange.User{Principal: aino})
	tracker := changes.New(store, func() time.Time { return now })
	owner := store.Owner(acme, aino)
	var ids []string
	for i := range 5 {
		subject := fmt.Sprint(i)
		start, end := exchange.Time{DateTime: "2026-12-02T09:00:00", Zone: "UTC"}, exchange.Time{DateTime: "2026-12-02T10:00:00", Zone: "UTC"}
		e, err := owner.Create(exchange.Change{Subject: &subject, Start: &start, End: &end})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	ask := changes.Request{Tenant: acme, App: "app", User: aino, From: from, To: to, Size: 2}
	first, err := tracker.Read(ask)
	if err != nil {
		t.Fatal(err)
	}
	ask.Token = first.Next
	second, err := tracker.Read(ask)
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Delete(ids[2]); err != nil {
		t.Fatal(err)
	}
	again, err := tracker.Read(ask)
	if err != nil || len(again.Items) != 2 || again.Items[0].ID != second.Items[0].ID || again.Next != second.Next {
		t.Errorf("%+v, %v", again, err)
	}
	ask.Token = again.Next
	last, err := tracker.Read(ask)
	if err != nil || last.Delta == "" {
		t.Fatal(err)
	}
	ask.Token = last.Delta
	later, err := tracker.Read(ask)
	if err != nil || len(later.Items) != 1 || !later.Items[0].Removed || later.Items[0].ID != ids[2] {
		t.Errorf("the next round: %+v, %v", later.Items, err)
	}
}
