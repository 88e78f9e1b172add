package mirror

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/notify"
)

// Whatever people do in Outlook and the booking app at the same time, and whatever is
// lost, repeated, reordered, throttled, expired, removed or killed meanwhile: after
// settling the booking app has the calendars as far as it may be told, and none of our own
// events; nothing of the owners' was touched, nothing told as deleted that nobody deleted,
// every change of ours told, every booking in its calendar once, and no mailbox listed into
// which bookings only go up.
func TestBothDirectionsEndAlikeWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStory(t, true)
		if rapid.Bool().Draw(t, "begins read") {
			s.work(2 * time.Minute)
		}
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			s.round()
		}
		s.calm()
		s.work(26 * time.Hour)
		if diff := s.reads(); diff != "" {
			t.Fatal(diff)
		}
		s.readAnew() // an event that came and went between two readings only a full one finds
		s.work(8 * time.Hour)
		s.check()
	})
}

// With notifications that come, a change is told without the schedule.
func TestAChangeIsToldWithoutTheSchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStory(t, false)
		s.noTimers = true
		s.work(3 * time.Minute)
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			for range rapid.IntRange(1, 3).Draw(t, "edits") {
				s.edit()
			}
			s.work(3 * time.Minute)
			if diff := s.reads(); diff != "" {
				t.Fatal(diff)
			}
		}
		s.check()
	})
}

// Where no notification ever comes, the schedule finds every change.
func TestWithAllNotificationsLostTheScheduleTells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStory(t, true)
		s.work(3 * time.Minute)
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			for range rapid.IntRange(1, 3).Draw(t, "edits") {
				s.edit()
			}
			s.hub.Drop(notify.Which{})
			every := time.Duration(s.Org.DownSync.EveryMinutes) * time.Minute
			s.work(every + 31*time.Minute)
			if diff := s.reads(); diff != "" {
				t.Fatal(diff)
			}
		}
		s.check()
	})
}
