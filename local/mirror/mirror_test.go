package mirror

import (
	"flag"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/shared/state"
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
		if rapid.IntRange(0, 3).Draw(t, "tells nothing") == 0 {
			s.Org.DownSync.Privacy = "nothing" // of appointments; of bookings all the same
		}
		s.passerby = s.edit
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
		s.checkLeft()
	})
}

// Meanwhile people disconnect and connect again, also other accounts, turn directions,
// choose other calendars and show more or less; organisations switch off and on and tell
// more or less; consents are taken away and given again; much is deleted at once. Then,
// too, the booking app ends with what it may have, and at no moment was told more, or that
// something was deleted that nobody deleted.
func TestWhateverIsDecidedTheAppEndsWithWhatItMayHave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStory(t, true)
		s.changes = true
		s.passerby = func() {
			if rapid.Bool().Draw(t, "decides") {
				s.change()
			} else {
				s.edit()
			}
		}
		if rapid.Bool().Draw(t, "brake") {
			s.Org.Brake.Count, s.Org.Brake.Percent = 3, 0
		}
		s.remember()
		s.work(rapid.SampledFrom([]time.Duration{0, 2 * time.Minute}).Draw(t, "begins"))
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			s.round()
		}
		s.calm()
		s.mend()
		s.work(26 * time.Hour)
		s.decideAll(state.HeldApprove, state.HeldRestore)
		if diff := s.reads(); diff != "" {
			t.Fatal(diff)
		}
		s.readAnew()
		s.work(8 * time.Hour)
		s.decideAll(state.HeldApprove, state.HeldRestore)
		s.check()
		s.checkLeft()
	})
}

// When more is deleted at once than the brake allows, no more than that is told before a
// person has decided, whoever dies around it; other mailboxes are read meanwhile. Approved it is
// told, and the booking app has what the calendar shows; restored, it is not, and the app
// keeps what it had.
func TestManyDeletionsWaitForAPerson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStory(t, true)
		s.Org.Brake.Count, s.Org.Brake.Percent = rapid.IntRange(0, 4).Draw(t, "limit"), 0
		b := s.boxes[rapid.IntRange(0, 1).Draw(t, "whose")]
		c, _ := s.connected(b)
		id := c.ID.String()
		several := rapid.Bool().Draw(t, "several calendars")
		had := s.fill(b, several, s.Org.Brake.Count+1+rapid.IntRange(0, 6).Draw(t, "more"))
		s.work(7 * time.Hour)
		if diff := s.reads(); diff != "" {
			t.Fatal(diff)
		}
		removed := had[:s.Org.Brake.Count+1+rapid.IntRange(0, len(had)-s.Org.Brake.Count-1).Draw(t, "removed")]
		s.take(b, removed)
		for range rapid.IntRange(0, 2).Draw(t, "spoils") {
			s.spoil()
		}
		s.work(7 * time.Hour)
		kept := s.stillHas(id, removed)
		if told := len(removed) - kept; told > s.Org.Brake.Count {
			t.Fatalf("A2: %d of %d were told as deleted, and nobody has decided", told, len(removed))
		}
		if !s.rules().held[id] {
			s.calm()
			s.work(7 * time.Hour)
		}
		if !s.rules().held[id] {
			t.Fatal("A2: much is gone, and nobody is asked")
		}
		for range rapid.IntRange(0, 2).Draw(t, "edits") {
			s.edit()
		}
		decision := rapid.SampledFrom([]string{state.HeldApprove, state.HeldRestore}).Draw(t, "decision")
		if rapid.Bool().Draw(t, "spoils the decision") {
			s.spoil()
		}
		s.decide(decision)
		s.work(rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "for"))
		s.calm()
		s.work(8 * time.Hour)
		s.decideAll(decision)
		s.readAnew()
		s.work(8 * time.Hour)
		s.decideAll(decision)
		s.check()
		// What is gone from a calendar that was not held is told, up to the limit.
		if n := s.stillHas(id, removed); decision == state.HeldApprove && n > 0 || decision == state.HeldRestore && n < kept-s.Org.Brake.Count {
			t.Errorf("A2: %s, and the app still has %d of %d", decision, n, kept)
		}
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

// TestMain makes fewer histories than usual, which take long; -rapid.checks makes more.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "20"); err != nil {
			panic(err)
		}
	}
	m.Run()
}
