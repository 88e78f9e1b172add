package downsync_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// The oddities of graph/contract.md section 4 that no other test is named after.

// Contract 4.6: an expired link is told in several spellings.
func TestAnExpiredLinkInAllItsSpellingsIsReadAnew(t *testing.T) {
	for _, spelling := range []struct {
		code   string
		status int
	}{{"", 0}, {"syncStateNotFound", 410}, {"resyncRequired", 410}, {"SyncStateInvalid", 410}, {"ErrorInvalidDeltaToken", 400}, {"SyncStateNotFound", 400}} {
		r := newRig(t, "")
		gone := r.meet("Gone", monday)
		r.meet("Stays", monday)
		r.sync(downsync.CauseConnect)
		r.must(r.owner().Delete(gone))
		r.twin.Changes().Set(changes.Switches{ExpiredCode: spelling.code, ExpiredStatus: spelling.status, Location: true})
		r.must(r.twin.Changes().Expire(tenant, aino))
		r.sync(downsync.CauseSchedule)
		if have := r.app(); len(have) != 1 || have[gone].ID != "" {
			t.Errorf("%+v: %d appointments", spelling, len(have))
		}
	}
}

// Contract 4.6: also the link of the next page dies.
func TestALinkThatExpiresInTheMiddleOfARoundIsReadAnew(t *testing.T) {
	r := newRig(t, "")
	for i := range 20 {
		r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
	}
	r.boot(&downsync.Options{PageSize: 3})
	pages := 0
	r.fate = func(v twin.Visit) twin.Fate {
		if pages++; pages == 4 {
			return twin.Fate{Effect: twin.Answer, Status: 410, Code: "SyncStateNotFound"}
		}
		return twin.Fate{}
	}
	r.sync(downsync.CauseConnect)
	if have := r.app(); len(have) != 20 || len(r.topic) != 20 {
		t.Errorf("%d appointments, %d events", len(have), len(r.topic))
	}
}

// Contract 4.6: 503 and 504 in the middle of a round; the same page is asked for again.
func TestAPageThatFailsIsAskedForAgain(t *testing.T) {
	for _, status := range []int{503, 504} {
		r := newRig(t, "")
		for i := range 20 {
			r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
		}
		r.boot(&downsync.Options{PageSize: 3})
		var links []string
		r.fate = func(v twin.Visit) twin.Fate {
			links = append(links, v.Delta.Link)
			if len(links) == 4 {
				return twin.Fate{Effect: twin.Answer, Status: status}
			}
			return twin.Fate{}
		}
		r.sync(downsync.CauseConnect)
		if have := r.app(); len(have) != 20 || links[4] != links[3] || links[3] == "" {
			t.Errorf("%d: %d appointments, pages %v", status, len(have), links)
		}
	}
}

// Contract 4.3: a series is on one page, however large that gets.
func TestASeriesThatOverflowsItsPageIsReadWhole(t *testing.T) {
	r := newRig(t, "")
	id := r.repeat("Daily", "daily", "Europe/Helsinki", "2026-11-23T10:00:00", 180)
	r.boot(&downsync.Options{PageSize: 10})
	r.sync(downsync.CauseConnect)
	if have := r.app(); len(have) != 180 {
		t.Errorf("%d days", len(have))
	}
	// Over the change of the clocks the days keep their names.
	if a := r.app()["OID."+id+".2027-03-29"]; !a.start().Equal(time.Date(2027, 3, 29, 7, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", a)
	}
}

// Contract 4.4: a series that began years before the window is told with the days in it.
func TestASeriesThatBeganYearsAgoIsToldWithTheDaysOfTheWindow(t *testing.T) {
	r := newRig(t, "")
	r.repeat("Old", "weekly", "UTC", "2021-01-04T10:00:00", 900)
	r.sync(downsync.CauseConnect)
	have := r.app()
	for id, a := range have {
		if a.end().Before(r.now.AddDate(0, 0, -8)) {
			t.Fatalf("%s at %v", id, a.start())
		}
	}
	if len(have) < 26 || len(have) > 32 {
		t.Errorf("%d days", len(have))
	}
}

// Contract 4.5: with a series each of its days may be listed as removed too.
func TestADeletedSeriesIsToldOnceWhicheverWayItIsListed(t *testing.T) {
	for _, listed := range []bool{false, true} {
		r := newRig(t, "")
		r.twin.Changes().Set(changes.Switches{ListOccurrences: listed, Shuffle: true})
		id := r.repeat("Standup", "weekly", "UTC", "2026-11-23T12:00:00", 5)
		r.sync(downsync.CauseConnect)
		told := len(r.topic)
		r.must(r.owner().Delete(id))
		r.sync(downsync.CauseSchedule)
		if n := len(r.topic) - told; n != 5 || len(r.app()) != 0 {
			t.Errorf("listed %v: %d events, %d appointments are left", listed, n, len(r.app()))
		}
	}
}

// Contract 4.5: an exception that leaves the window, and one whose day is deleted.
func TestADayThatLeavesTheWindowIsToldWithItsNewTime(t *testing.T) {
	r := newRig(t, "")
	id := r.repeat("Yearly", "daily", "UTC", "2026-11-23T12:00:00", 1)
	r.sync(downsync.CauseConnect)
	name := "OID." + id + ".2026-11-23"
	days := r.view(monday, monday.AddDate(0, 0, 1))
	later := monday.AddDate(2, 0, 0)
	r.must(r.owner().Move(days[name].ID, *at(later), *at(later.Add(time.Hour))))
	r.sync(downsync.CauseSchedule)
	if a := r.app()[name]; !a.start().Equal(later) {
		t.Errorf("%+v", a)
	}
}

// An account that the organisation's own consent reaches is read with the app's token.
func TestAConnectionWithoutASignInIsReadWithTheAppsPermission(t *testing.T) {
	r := newRig(t, "")
	var err error
	if r.org, err = r.org.Bind(tenant, r.now); err != nil {
		t.Fatal(err)
	}
	r.org.Permission, r.org.Accounts = "application", "tenant"
	r.c.Delegated, r.c.Account = false, connection.Account{Tenant: tenant}
	r.connect()
	r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	if have := r.app(); len(have) != 1 || !r.visits[0].Access.App() {
		t.Errorf("%d appointments, as %v", len(have), r.visits[0].Access)
	}
	if downsync.Session(r.c) != key.Lane(acme, key.User, "u-1").String() {
		t.Errorf("session %s", downsync.Session(r.c))
	}
}

// The calendar of somebody else is read, and its events never by their ids, which are of
// another mailbox.
func TestASharedCalendarIsReadWithoutReadingItsEventsByTheirIds(t *testing.T) {
	r := newRig(t, "")
	const bo = "bo@acme.example"
	r.store.AddUser(tenant, userOf(bo))
	r.must(r.store.Share(tenant, bo, aino, false))
	mounts, err := r.store.Mounts(tenant, aino)
	if err != nil || len(mounts) != 1 {
		t.Fatalf("%v, %v", err, mounts)
	}
	r.c.Scope = connection.Shared
	r.c.Calendars = []connection.Calendar{{ID: mounts[0].ID, Name: "Bo", Shared: true}}
	r.connect()
	theirs := r.store.Owner(tenant, bo)
	one, err := theirs.Create(changeOf("Bo's", monday))
	r.must(err)
	_, err = theirs.Create(changeOf("Bo's other", monday))
	r.must(err)
	r.mine[one.ID] = true // whatever anybody says: ours are in no calendar of others
	r.sync(downsync.CauseConnect)
	if have := r.app(); len(have) != 2 {
		t.Fatalf("%+v", have)
	}
	r.must(theirs.Delete(one.ID))
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 1 || r.reads() != 0 || len(r.changed) != 0 {
		t.Errorf("%d appointments, %d reads, %d asked", len(have), r.reads(), len(r.changed))
	}
}

// What is known elsewhere of the mailbox is told from there alone.
func TestAnEventThatMovedToAnotherCalendarIsForgottenInItsFirst(t *testing.T) {
	r := newRig(t, "")
	work, err := r.store.AddCalendar(tenant, aino, "Work")
	r.must(err)
	own, err := r.store.Calendar(tenant, aino, "")
	r.must(err)
	// Work is read first, so that what moves there is known there.
	r.c.Calendars = []connection.Calendar{{ID: work.ID, Name: "Work"}, {ID: own.ID, Name: "Calendar", Default: true}}
	r.connect()
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	_, err = r.owner().File(id, work.ID)
	r.must(err)
	r.sync(downsync.CauseSchedule)
	rows := state.NewAppointments(r.tables)
	if all, err := rows.All(t.Context(), state.CalendarKey(r.c.ID, own.ID)); err != nil || len(all) != 0 {
		t.Errorf("%v, %d are known where it was", err, len(all))
	}
	if a := r.app()[id]; a.Calendar != work.ID {
		t.Errorf("%+v", a)
	}
}

// A token of a sign-in that is over is not used: the access names the sign-in.
func TestCallsNameTheSignInAndTheAccount(t *testing.T) {
	r := newRig(t, "")
	r.sync(downsync.CauseConnect)
	want := graph.Access{Tenant: tenant, Organization: acme, Lane: key.Lane(acme, key.User, "u-1"), Connection: r.c.ID,
		ObjectID: r.c.Account.ObjectID, Version: r.c.SignIn()}
	for _, v := range r.visits {
		if v.Access != want {
			t.Errorf("%+v", v.Access)
		}
	}
	if foreign := r.twin.Foreign(); len(foreign) != 0 {
		t.Errorf("%v", foreign)
	}
}
