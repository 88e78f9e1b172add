package infra_test

import (
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/shared/queue"
)

func load(t *testing.T) infra.Resources {
	t.Helper()
	r, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestListHasEveryQueueAndTopicThatTheCodeSendsTo(t *testing.T) {
	r := load(t)
	var names []string
	for _, q := range r.Queues {
		names = append(names, q.Name)
	}
	for _, x := range r.Topics {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	want := []string{queue.Bookings, queue.Rejected, queue.Changes, queue.Deliveries, queue.MailboxTasks}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("entities are %q, the code sends to %q", names, want)
	}
}

// The values of write-path.md section 1, last bullet on queues and the one on
// duplicate detection.
func TestQueuesHaveThePropertiesOfTheWritePath(t *testing.T) {
	sessions := map[string]bool{queue.Deliveries: true, queue.MailboxTasks: true}
	duplicates := map[string]bool{queue.MailboxTasks: true, queue.Changes: true}
	for _, q := range load(t).Queues {
		p := q.Properties
		if got := time.Duration(p.LockDuration); got != 5*time.Minute {
			t.Errorf("%s: lock duration %v, want 5m", q.Name, got)
		}
		if p.MaxDeliveryCount != 20 || p.EnablePartitioning || !p.DeadLetteringOnMessageExpiration {
			t.Errorf("%s: %+v, want 20 deliveries, no partitions, dead letters on expiry", q.Name, p)
		}
		if got := time.Duration(p.DefaultMessageTimeToLive); got != 14*24*time.Hour {
			t.Errorf("%s: time to live %v, want 14 days", q.Name, got)
		}
		if p.RequiresSession != sessions[q.Name] || p.RequiresDuplicateDetection != duplicates[q.Name] {
			t.Errorf("%s: sessions %v, duplicate detection %v", q.Name, p.RequiresSession, p.RequiresDuplicateDetection)
		}
		if w := time.Duration(p.DuplicateDetectionHistoryTimeWindow); p.RequiresDuplicateDetection && w != 10*time.Minute {
			t.Errorf("%s: duplicate window %v, want 10m", q.Name, w)
		}
	}
}

func TestTopicHasASubscriptionAllWithoutSessions(t *testing.T) {
	r := load(t)
	if len(r.Topics) != 1 || len(r.Topics[0].Subscriptions) != 1 {
		t.Fatalf("topics %+v, want one with one subscription", r.Topics)
	}
	topic, all := r.Topics[0].Properties, r.Topics[0].Subscriptions[0]
	if !topic.RequiresDuplicateDetection || time.Duration(topic.DuplicateDetectionHistoryTimeWindow) != 10*time.Minute {
		t.Errorf("topic %+v, want duplicate detection over 10m", topic)
	}
	if time.Duration(topic.DefaultMessageTimeToLive) != 14*24*time.Hour || topic.EnablePartitioning {
		t.Errorf("topic %+v, want 14 days, no partitions", topic)
	}
	if p := all.Properties; time.Duration(p.LockDuration) != 5*time.Minute || p.MaxDeliveryCount != 20 || !p.DeadLetteringOnMessageExpiration {
		t.Errorf("subscription %+v, want a lock of 5m, 20 deliveries, dead letters on expiry: what a booking app never read must not vanish", p)
	}
	if all.Name != "all" || all.Properties.RequiresSession || time.Duration(all.Properties.DefaultMessageTimeToLive) != 14*24*time.Hour {
		t.Errorf("subscription %+v, want all, no sessions, 14 days", all)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"P14D": 14 * 24 * time.Hour, "PT5M": 5 * time.Minute, "PT10M": 10 * time.Minute,
		"P1DT2H3M4S": 26*time.Hour + 3*time.Minute + 4*time.Second, "PT0S": 0,
	} {
		if got, err := infra.ParseDuration(text); err != nil || time.Duration(got) != want {
			t.Errorf("%s is %v, %v; want %v", text, time.Duration(got), err, want)
		}
	}
	for _, text := range []string{"", "P", "PT", "P1DT", "P1Y", "P1M", "5M", "PT5", "pt5m", "PT-5M", "PT999999H"} {
		if got, err := infra.ParseDuration(text); err == nil {
			t.Errorf("%q was read as %v, want an error", text, time.Duration(got))
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"P14D", "PT5M", "P1DT1H1M1S", "PT", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := infra.ParseDuration(s); err == nil && d < 0 {
			t.Errorf("%q is negative: %v", s, time.Duration(d))
		}
	})
}
