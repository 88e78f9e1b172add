package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// fakeReadings says of every connection the same.
type fakeReadings struct {
	progress state.Progress
	held     []state.Held
	err      error
	asked    []string
}

func (f *fakeReadings) SyncNow(_ context.Context, organization string, id key.Key) error {
	f.asked = append(f.asked, organization+" "+id.String())
	return f.err
}

func (f *fakeReadings) Progress(context.Context, string, key.Key) (state.Progress, error) {
	if f.progress.State == "" {
		return state.Progress{State: state.SyncNever}, nil
	}
	return f.progress, nil
}

func (f *fakeReadings) Held(_ context.Context, _ string, after key.Key, limit int) (items []state.Held, next key.Key, err error) {
	for _, h := range f.held {
		if !after.IsZero() && h.Connection.String() <= after.String() {
			continue
		}
		if len(items) == limit {
			return items, items[limit-1].Connection, nil
		}
		items = append(items, h)
	}
	return items, next, nil
}

func (f *fakeReadings) Decide(_ context.Context, organization string, id key.Key, decision string) error {
	f.asked = append(f.asked, strings.Join([]string{organization, id.String(), decision}, " "))
	for i := range f.held {
		if f.held[i].Connection == id {
			f.held[i].Decision = decision
			return f.err
		}
	}
	return downsync.ErrNotHeld
}

func readingPages(t testing.TB) map[string]func() shown {
	at := time.Date(2026, 11, 21, 11, 55, 0, 0, time.UTC)
	stands := func(p state.Progress) func() shown {
		return func() shown {
			s, b, apps := reading(t, "down:details")
			s.reads.progress = p
			return b.get(apps.path)
		}
	}
	admin := func(held ...state.Held) (*site, *browser, shown) {
		s, _, _ := reading(t, "down:details")
		s.reads.progress = state.Progress{State: state.SyncDone, Ended: at}
		s.reads.held = held
		b := s.browser()
		return s, b, b.enter(s.link(state.OrgAdmin, nil))
	}
	return map[string]func() shown{
		"reading-never":   stands(state.Progress{}),
		"reading-queued":  stands(state.Progress{State: state.SyncQueued, Asked: at, Ended: at.Add(-time.Hour)}),
		"reading-running": stands(state.Progress{State: state.SyncRunning, Began: at, Calendars: 3, Done: 1, Found: 128}),
		"reading-done":    stands(state.Progress{State: state.SyncDone, Began: at, Ended: at, Calendars: 1, Done: 1, Skipped: []string{"x"}}),
		"reading-failed":  stands(state.Progress{State: state.SyncFailed, Began: at, Cause: "mailbox-unavailable"}),
		"reading-some": stands(state.Progress{State: state.SyncFailed, Began: at, Ended: at, Cause: "unavailable", Calendars: 2, Done: 2,
			Failed: []state.CalendarFailure{{Calendar: "x", Cause: "unavailable"}}}),
		"reading-held": stands(state.Progress{State: state.SyncHeld, Began: at, Ended: at.AddDate(0, 0, -1)}),
		"reading-soon": stands(state.Progress{State: state.SyncOff, Cause: "sync-off", Ended: at}),
		"reading-off": func() shown {
			s, b, apps := reading(t, "down:details")
			s.reads.progress = state.Progress{State: state.SyncDone, Began: at, Ended: at}
			s.organize("acme", map[string]any{"profile": "planning", "module": true, "sync": false})
			return b.get(apps.path)
		},
		"setup-read": func() shown { _, _, p := admin(); return p },
		"setup-held": func() shown { _, _, p := admin(heldOf("u-17", at), heldOf("u-18", at)); return p },
		"held": func() shown {
			_, b, p := admin(heldOf("u-17", at))
			return b.get(p.href("Decide"))
		},
	}
}

func heldOf(user string, since time.Time) state.Held {
	return state.Held{Organization: "acme", Connection: key.Of("held", user), User: user, Since: since, Removals: 41, Known: 60}
}

func TestAPersonReadsTheirCalendarNowAndWatchesHowFarItIs(t *testing.T) {
	s, b, apps := reading(t, "both:readwrite")
	apps.says("Nothing was read yet").saysNot("data-busy")
	s.reads.progress = state.Progress{State: state.SyncQueued, Asked: s.now}
	done := b.press(apps, "Sync calendar").is(200, "Connected apps").says("Your calendar is being read.").says("Asked for at 14:05. It begins in a moment.")
	if want := "acme " + s.connections("u-17")[0].ID.String(); !slices.Equal(s.reads.asked, []string{want}) {
		t.Errorf("asked for %q, want %s", s.reads.asked, want)
	}
	if !strings.Contains(string(done.Body), "data-busy") || !strings.Contains(string(done.Body), `data-live aria-live="polite"`) {
		t.Errorf("the page does not look again soon, or tells nobody:\n%s", done.Body)
	}
	s.reads.progress = state.Progress{State: state.SyncDone, Ended: s.now.Add(time.Second), Found: 1}
	b.get(apps.path).says("Last read: 14:05. 1 new or changed appointment.").saysNot("data-busy")
}

// A progress of a later version, or one that makes no sense, is no hole in the page.
func TestAnUnknownProgressIsShownAsNone(t *testing.T) {
	s, b, apps := reading(t, "down:busy")
	for _, p := range []state.Progress{{State: "resting"}, {State: state.SyncDone}, {State: "go"}} {
		s.reads.progress = p
		b.get(apps.path).says("Nothing was read yet")
	}
	s.reads.progress = state.Progress{State: state.SyncFailed, Began: s.now, Cause: "ErrorNeverHeardOf"}
	b.get(apps.path).says("did not succeed").says("Microsoft 365 refused it.").saysNot("ErrorNeverHeardOf")
}

func TestACalendarThatIsOnlyWrittenToHasNothingToSync(t *testing.T) {
	s, b, apps := reading(t, "up:readwrite")
	apps.saysNot("Sync calendar")
	_, form := apps.form("Pause")
	s.reads.err = downsync.ErrNotRead
	b.post(apps.path+"/sync", form).is(403, "This calendar is not read now")
}

// What was just switched off is said at once, not when the next reading finds out.
func TestAnAccountThatIsNotReadNowSaysWhyAndOffersNothing(t *testing.T) {
	for says, settings := range map[string]map[string]any{
		"Calendar sync is switched off for Acme Oy.": {"profile": "planning", "module": true, "sync": false},
		"Acme Oy has chosen that nothing":            {"profile": "planning", "module": true, "downSync": map[string]any{"privacy": "nothing"}},
	} {
		s, b, apps := reading(t, "down:details")
		s.reads.progress = state.Progress{State: state.SyncDone, Ended: s.now}
		b.get(apps.path).says("Sync calendar")
		s.organize("acme", settings)
		b.get(apps.path).says(says).says("Last read to the end: 21 November 2026").saysNot("Sync calendar")
	}
}

func TestNobodyReadsAnotherPersonsCalendar(t *testing.T) {
	s, b, apps := reading(t, "both:readwrite")
	_, form := apps.form("Sync calendar")
	for _, id := range []string{"", "x", key.Random(), key.Of("somebody").String()} {
		form.Set("connection", id)
		if p := b.post(apps.path+"/sync", form); p.Status != http.StatusNotFound {
			t.Errorf("%q: %d", id, p.Status)
		}
	}
	if len(s.reads.asked) != 0 {
		t.Errorf("asked for %q", s.reads.asked)
	}
}

func TestTheAdminDecidesAboutWhatTheBrakeHolds(t *testing.T) {
	for decision, button := range map[string]string{state.HeldApprove: "Yes, they were deleted", state.HeldRestore: "No, nothing was deleted"} {
		s := newSite(t)
		if err := s.engine.Announce(t.Context(), "acme", []announce.Person{{User: "u-18", Name: new("Bo Berg")}}); err != nil {
			t.Fatal(err)
		}
		s.reads.held = []state.Held{heldOf("u-18", s.now)}
		b := s.browser()
		setup := b.enter(s.link(state.OrgAdmin, nil)).says("Bo Berg: reading has stopped since 21 November 2026, 14:05 (Europe/Helsinki), because at least 41 of 60 appointments are gone.")
		ask := b.get(setup.href("Decide")).is(200, "What is gone from the calendar of Bo Berg")
		if len(s.reads.asked) != 0 {
			t.Fatalf("looking decided: %q", s.reads.asked)
		}
		b.press(ask, button).is(200, "Set up the calendar connection").saysNot("Decide")
		if want := "acme " + key.Of("held", "u-18").String() + " " + decision; !slices.Equal(s.reads.asked, []string{want}) {
			t.Errorf("%q, want %s", s.reads.asked, want)
		}
		b.press(ask, button).is(200, "Set up the calendar connection")
		s.reads.held = nil
		b.press(ask, button).says("Nothing is held any more")
		b.get(ask.path).is(200, "Set up the calendar connection").says("Nothing is held any more")
	}
}

func TestADecisionThatIsNoneIsRefused(t *testing.T) {
	s := newSite(t)
	s.reads.held = []state.Held{heldOf("u-17", s.now)}
	b := s.browser()
	setup := b.enter(s.link(state.OrgAdmin, nil))
	ask := b.get(setup.href("Decide"))
	action, form := ask.form("Yes, they were deleted")
	for _, values := range [][2]string{{"decision", ""}, {"decision", "perhaps"}, {"connection", "x"}, {"connection", ""}} {
		_, form := ask.form("Yes, they were deleted")
		form.Set(values[0], values[1])
		if p := b.post(action, form); p.Status != http.StatusBadRequest {
			t.Errorf("%v: %d", values, p.Status)
		}
	}
	form.Del("form")
	if p := b.post(action, form); p.Status != http.StatusForbidden {
		t.Errorf("without a token: %d", p.Status)
	}
	user := s.browser()
	user.enter(s.link(state.LinkUser, nil))
	if p := user.post(action, form); p.Status != http.StatusForbidden {
		t.Errorf("by a user: %d", p.Status)
	}
	if len(s.reads.asked) != 0 {
		t.Errorf("decided %q", s.reads.asked)
	}
}
