package downsync_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
)

// The oddities of graph/contract.md 4.4 and 4.5: what pages show of events, and what they
// do not.

// titles are those of the appointments that the booking app has, sorted.
func (r *rig) titles() []string {
	r.t.Helper()
	var all []string
	for _, a := range r.app() {
		all = append(all, *a.Title)
	}
	slices.Sort(all)
	return all
}

// Contract 4.5: one occurrence deleted: the master and the remaining ones come, and no
// @removed.
func TestADayThatIsSimplyAbsentFromItsSeriesIsToldAsDeletedAlone(t *testing.T) {
	r := newRig(t, "")
	id := r.repeat("Daily", "daily", "Europe/Helsinki", "2026-11-23T10:00:00", 4)
	r.sync(downsync.CauseConnect)
	gone := "OID." + id + ".2026-11-25"
	r.must(r.owner().Delete(r.view(monday, monday.AddDate(0, 0, 5))[gone].ID))
	told := len(r.appointments())
	r.sync(downsync.CauseSchedule)
	if news := r.appointments()[told:]; len(news) != 1 || news[0].Change != "deleted" || news[0].ID != gone {
		t.Errorf("%+v", news)
	}
}

// Contract 4.5: what is made or changed outside of the window may come as a removed one
// that nobody has ever seen.
func TestARemovedItemThatWasNeverSeenIsIgnored(t *testing.T) {
	r := newRig(t, "")
	r.meet("Inside", monday)
	r.sync(downsync.CauseConnect)
	far := r.meet("Far away", monday.AddDate(2, 0, 0))
	r.sync(downsync.CauseSchedule)
	r.must(r.owner().Retitle(far, "Further away"))
	r.sync(downsync.CauseSchedule)
	if len(r.topic) != 1 || r.reads() != 0 {
		t.Errorf("%d events, %d reads", len(r.topic), r.reads())
	}
}

// Contract 4.5: a change can come again later.
func TestAChangeThatComesAgainLaterIsToldOnce(t *testing.T) {
	r := newRig(t, "")
	r.twin.Changes().Set(changes.Switches{Replays: true})
	id, other := r.meet("First", monday), r.meet("Gone", monday)
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Retitle(id, "Second"))
	r.must(r.owner().Delete(other))
	for range 3 {
		r.sync(downsync.CauseSchedule)
	}
	if all := r.appointments(); len(all) != 4 || !slices.Equal(r.titles(), []string{"Second"}) {
		t.Errorf("%q of %d events", r.titles(), len(all))
	}
}

// Contract 4.4: the same item may appear several times in a round; the last one wins.
func TestOfAnItemThatComesSeveralTimesTheLastOneCounts(t *testing.T) {
	as := func(id, version, subject string) graph.Item {
		i := meeting(id, version)
		i.Subject = subject
		return i
	}
	gone := func(id string) graph.Item { return graph.Item{ID: id, Removed: true} }
	r, s := scripted(t, map[string]graph.DeltaPage{
		"":   {Items: []graph.Item{as("a", "1", "a first"), as("a", "2", "a"), as("b", "1", "b first"), as("e", "1", "e")}, Next: "n1"},
		"n1": {Items: []graph.Item{as("b", "2", "b"), gone("c"), as("c", "1", "c"), gone("e")}, Next: "n2"},
		"n2": {Items: []graph.Item{as("d", "1", "d"), gone("d"), as("e", "2", "e")}, Delta: "d"},
		"d":  {Items: []graph.Item{as("a", "3", "a again"), gone("a"), as("b", "3", "b last")}, Delta: "e"},
	})
	s.read = func(string) (graph.Item, error) {
		return graph.Item{}, &graph.Error{Kind: graph.Gone, Status: 404}
	}
	r.sync(downsync.CauseConnect)
	if have := r.titles(); !slices.Equal(have, []string{"a", "b", "c", "e"}) {
		t.Errorf("a first round: %q", have)
	}
	r.sync(downsync.CauseSchedule)
	if have := r.titles(); !slices.Equal(have, []string{"b last", "c", "e"}) {
		t.Errorf("a later round: %q", have)
	}
	for _, a := range r.appointments() {
		if a.Change == "deleted" && a.ID != "a" {
			t.Errorf("%s was told as deleted", a.ID)
		}
	}
}

// Contract 4.4: the order is not guaranteed: days may come before their series.
func TestDaysThatComeBeforeTheirMasterAreTold(t *testing.T) {
	master := meeting("m", "1")
	master.Kind, master.StartZone, master.Subject = graph.Master, "UTC", "Standup"
	day := func(n int) graph.Item {
		at := monday.AddDate(0, 0, n)
		return graph.Item{ID: fmt.Sprint("day ", n), ChangeKey: "1", Kind: graph.Occurrence, Series: "m", Start: at, End: at.Add(time.Hour)}
	}
	changed := meeting("day 2", "1")
	changed.Kind, changed.Series, changed.Subject, changed.Original = graph.Exception, "m", "Review", monday.AddDate(0, 0, 2)
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Items: []graph.Item{day(1), changed, master, day(0)}, Delta: "d"}})
	r.sync(downsync.CauseConnect)
	if have := r.titles(); !slices.Equal(have, []string{"Review", "Standup", "Standup"}) || len(s.asked) != 1 {
		t.Errorf("%q, asked %q", have, s.asked)
	}
	if days := slices.Sorted(maps.Keys(r.app())); !slices.Equal(days, []string{"OID.m.2026-11-23", "OID.m.2026-11-24", "OID.m.2026-11-25"}) {
		t.Errorf("%q", days)
	}
}

// Contract 4.4: an occurrence tells seven members and no subject, which is its master's;
// an exception tells everything of its own.
func TestASlimOccurrenceIsToldAsItsMasterAndAnExceptionAsItself(t *testing.T) {
	r := newRig(t, "")
	id := r.repeat("Daily", "daily", "UTC", "2026-11-23T10:00:00", 3)
	const place = "Room 1"
	_, err := r.owner().Change(id, exchange.Change{Locations: &[]exchange.Location{{Name: place}}})
	r.must(err)
	day := "OID." + id + ".2026-11-24"
	r.must(r.owner().Retitle(r.view(monday, monday.AddDate(0, 0, 5))[day].ID, "Review"))
	r.sync(downsync.CauseConnect)
	have := r.app()
	if len(have) != 3 || *have[day].Title != "Review" {
		t.Fatalf("%+v", have)
	}
	for name, a := range have {
		if want := map[bool]string{true: "Review", false: "Daily"}[name == day]; *a.Title != want || a.Location == nil || a.Location.Name != place || a.ShowAs != "busy" || a.end().Sub(a.start()) != time.Hour {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// Contract 4.4: a page may be empty and lead on, not only the first one.
func TestAnEmptyPageInTheMiddleOfARoundLeadsOn(t *testing.T) {
	r, s := scripted(t, map[string]graph.DeltaPage{
		"": {Items: []graph.Item{meeting("a", "1")}, Next: "n1"}, "n1": {Next: "n2"}, "n2": {Next: "n3"},
		"n3": {Items: []graph.Item{meeting("b", "1")}, Next: "n4"}, "n4": {Delta: "d"}, "d": {Next: "d1"}, "d1": {Delta: "e"},
	})
	r.sync(downsync.CauseConnect)
	r.sync(downsync.CauseSchedule)
	if have := r.titles(); !slices.Equal(have, []string{"a", "b"}) || len(s.asked) != 7 || len(r.topic) != 2 {
		t.Errorf("%q of %d events, asked %q", have, len(r.topic), s.asked)
	}
}

// Contract 4.6: after a 410 nothing known is deleted before the new round is whole.
func TestAfterAnExpiredLinkNothingIsDeletedBeforeTheNewRoundIsWhole(t *testing.T) {
	r := newRig(t, "")
	r.options = &downsync.Options{PageSize: 3}
	r.boot(nil)
	var ids []string
	for n := range 10 {
		ids = append(ids, r.meet(fmt.Sprint("Meeting ", n), monday.Add(time.Duration(n)*time.Hour)))
	}
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Delete(ids[0]))
	r.must(r.twin.Changes().Expire(tenant, aino))
	pages, told := 0, len(r.topic)
	r.fate = func(v twin.Visit) twin.Fate {
		if v.Delta == nil {
			return twin.Fate{}
		}
		if pages++; pages > 2 {
			return twin.Fate{Effect: twin.Answer, Status: 504}
		}
		return twin.Fate{}
	}
	r.order(downsync.CauseSchedule)
	for range 4 {
		r.step(r.now.Add(time.Hour))
	}
	if pages < 4 || len(r.topic) != told || r.reads() != 0 {
		t.Errorf("%d pages, %d events, %d reads before the round was whole", pages, len(r.topic)-told, r.reads())
	}
	r.fate = nil
	r.settle()
	if news := r.appointments()[told:]; len(news) != 1 || news[0].ID != ids[0] || news[0].Change != "deleted" {
		t.Errorf("%+v", news)
	}
}

// Issue 6, Speed: a change costs one page, whatever the calendar's size, and a deletion one
// read more.
func TestAChangeCostsOnePage(t *testing.T) {
	r := newRig(t, "")
	var ids []string
	for n := range 300 {
		ids = append(ids, r.meet(fmt.Sprint("Meeting ", n), monday.Add(time.Duration(n)*time.Hour)))
	}
	series := r.repeat("Daily", "daily", "Europe/Helsinki", "2026-11-23T10:00:00", 150)
	r.sync(downsync.CauseConnect)
	costs := func(what string, pages, reads, events int, change func() error) {
		t.Helper()
		r.must(change())
		deltas, direct, told := r.deltas(), r.reads(), len(r.topic)
		r.sync(downsync.CauseNotified)
		if d, n, e := r.deltas()-deltas, r.reads()-direct, len(r.topic)-told; d != pages || n != reads || e != events {
			t.Errorf("%s: %d pages, %d reads, %d events; want %d, %d, %d", what, d, n, e, pages, reads, events)
		}
	}
	costs("another title", 1, 0, 1, func() error { return r.owner().Retitle(ids[7], "Other") })
	costs("another time", 1, 0, 1, func() error {
		return r.owner().Move(ids[8], *at(monday.AddDate(0, 0, 3)), *at(monday.AddDate(0, 0, 4)))
	})
	costs("one more", 1, 0, 1, func() error { r.meet("New", monday); return nil })
	costs("one less", 1, 1, 1, func() error { return r.owner().Delete(ids[9]) })
	costs("a series of 150 days with another title", 1, 0, 150, func() error { return r.owner().Retitle(series, "Sitdown") })
}
