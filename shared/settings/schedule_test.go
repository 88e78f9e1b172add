package settings

import (
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

func TestScheduleLeavesHalfAnHourBetweenFirings(t *testing.T) {
	tests := []struct {
		text string
		ok   bool
	}{
		{"0 */30 * * * *", true},
		{"*/30 * * * *", true},
		{"0 0 * * * *", true},
		{"15 7,37 * * * *", true},
		{"0 0 6-18/2 * * Mon-Fri", true},
		{"0 30 23 * * *", true},
		{"0 0 3 1 1 *", true},
		{"0 0 0 29 2 *", true},
		{"0 0,30 0 * * 0", true},
		{"0 */29 * * * *", false},
		{"0 */25 * * * *", false}, // 50 to 0
		{"* */30 * * * *", false},
		{"*/30 * * * * *", false},
		{"0 7,36 * * * *", false},
		{"0 15 0,23 * * *", true}, // 00:15, 23:15
		{"0 45 23,0 * * *", true},
		{"0 5,50 0,23 * * *", false}, // 23:50 and 00:05 of the next day
		{"0 5,50 0,23 * * Mon", true},
		{"0 5,50 0,23 * * Mon,Tue", false},
		{"0 5,50 0,23 * * Sat,Sun", false},
		{"0 5,50 0,23 31,1 1 *", true},
		{"0 5,50 0,23 31,1 * *", false}, // 31 January and 1 February
		{"0 0 0 30 2 *", false},         // never
		{"0 0 0 ? * *", false},
		{"@every 1h", false},
		{"TZ=UTC 0 0 * * * *", false},
		{"00:30:00", false},
		{"0 0 * * *  * *", false},
		{"0 61 * * * *", false},
		{"0 */0 * * * *", false},
		{"", false},
	}
	for _, test := range tests {
		if problem := checkSchedule(test.text); (problem == "") != test.ok {
			t.Errorf("%q: %q, want ok %v", test.text, problem, test.ok)
		}
	}
}

// The bits are read as robfig/cron reads them: what is accepted has no short
// gap in a year of firings, and what is refused for its gaps has one.
func TestScheduleAgreesWithAYearOfFirings(t *testing.T) {
	parser := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	for _, text := range []string{
		"0 0 0 * * *", "0 5,50 0,23 * * Mon", "0 5,50 0,23 * * Mon,Tue", "0 5,50 0,23 13 * Fri",
		"0 5,50 0,23 31,1 * *", "0 0 */5 * * *", "30 59 23,0 */2 * *", "0 10 0,12 1-7 * *",
	} {
		schedule, err := parser.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Second)
		end := at.AddDate(4, 0, 0)
		short := false
		for previous := (time.Time{}); ; previous = at {
			at = schedule.Next(at)
			if at.IsZero() || !at.Before(end) {
				break
			}
			short = short || !previous.IsZero() && at.Sub(previous) < minBetween
		}
		if problem := checkSchedule(text); (problem != "") != short {
			t.Errorf("%q: %q, but a short gap: %v", text, problem, short)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add("0 */30 * * * *")
	f.Add("*/30 * * * *")
	f.Add("0 0 0 31-1 * *")
	f.Fuzz(func(t *testing.T, text string) { checkSchedule(text) })
}
