package subscribe_test

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/queue/queuetest"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
	"github.com/calbridge/calbridge/shared/version"
)

var update = flag.Bool("update", false, "write the messages of the current version anew")

// sentNow are messages of every kind, as this build sends them.
func sentNow(t *testing.T) map[string]queue.Message {
	t.Helper()
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	subscription := r.one(r.c)
	now := map[string]queue.Message{"subscribe": subscribe.Message(r.c, subscribe.CauseFollow, r.now), "subscribe all": subscribe.AllMessage(acme, subscribe.CauseSettings, r.now)}
	now["subscribe all, second page"] = now["subscribe all"].With("after", "x")
	now["subscribe, third attempt"] = now["subscribe"].With(queue.AttemptProperty, int64(2))
	for _, kind := range []string{"", "missed", "reauthorizationRequired", "subscriptionRemoved"} {
		r.tasks = nil
		body := `{"value":[{"subscriptionId":"` + subscription.ID + `","tenantId":"` + tenant + `","clientState":"` + subscription.ClientState + `","resource":"Users/` + r.c.Account.ObjectID + `/Events/x"`
		if kind != "" {
			body += `,"lifecycleEvent":"` + kind + `"`
		}
		if _, err := r.receive(body + "}]}"); err != nil || len(r.tasks) != 1 {
			t.Fatalf("%d tasks, %v", len(r.tasks), err)
		}
		now["notification "+kind] = r.tasks[0]
	}
	r.tasks = nil
	r.now = r.now.Add(6 * 24 * time.Hour)
	if err := r.keeper.Renewals(t.Context()); err != nil || len(r.tasks) != 1 {
		t.Fatalf("%d tasks, %v", len(r.tasks), err)
	}
	now["renew"] = r.tasks[0]
	return now
}

// Tasks about subscriptions, and merged notifications, as each version wrote them, are
// taken by that version and the next.
func TestMessagesAreTakenByTheirVersionAndTheNext(t *testing.T) {
	for v, messages := range queuetest.Golden(t, *update, sentNow(t)) {
		for own := v; own <= v+1; own++ {
			r := newRig(t)
			r.order(r.c, subscribe.CauseFollow)
			r.version = own
			r.boot()
			var names []string
			for name, m := range messages {
				names = append(names, name)
				if !subscribe.Takes(m) {
					t.Errorf("%s is not taken", name)
				}
				m.ScheduledFor = time.Time{}
				if err := r.keeper.Task(t.Context(), m, r); err != nil {
					t.Errorf("version %d, %s: %v", own, name, err)
				}
			}
			if slices.Index(names, "renew") < 0 || len(names) != 9 {
				t.Errorf("%q", names)
			}
			r.run()
			if n := len(r.hub.Subscriptions()); n != 1 {
				t.Errorf("version %d: %d subscriptions", own, n)
			}
			if !slices.Contains(r.syncs, "acme mine notified") || !slices.Contains(r.syncs, "acme mine missed") {
				t.Errorf("version %d: read %q", own, r.syncs)
			}
		}
	}
}

// A task or a row of a newer build is left to one, and nothing is asked of Graph.
func TestWhatANewerBuildWroteIsLeftToOne(t *testing.T) {
	for name, change := range map[string]func(*rig, *queue.Message){
		"message": func(_ *rig, m *queue.Message) { m.Body = append([]byte(`{"v":2,`), m.Body[len(`{"v":1,`):]...) },
		"subscription": func(r *rig, _ *queue.Message) {
			row, err := r.rows.Get(t.Context(), r.c.ID)
			if err == nil {
				_, err = state.NewSubscriptions(state.WithVersion(r.tables, 2)).Put(t.Context(), row)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"connection": func(r *rig, _ *queue.Message) {
			rows := state.NewConnections(state.WithVersion(r.tables, 2))
			row, err := rows.Get(t.Context(), acme, r.c.ID)
			if err == nil {
				_, err = rows.Put(t.Context(), row.Connection, nil, row.ETag)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.order(r.c, subscribe.CauseFollow)
			first := r.hub.Subscriptions()[0]
			r.calls()
			r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite // it is to be ended
			r.connect(r.c)
			m := subscribe.Message(r.c, subscribe.CauseFollow, time.Time{})
			change(r, &m)
			if err := r.keeper.Task(t.Context(), m, r); !version.Is(err) || len(r.tasks) != 0 {
				t.Errorf("%v, %v", err, r.tasks)
			}
			if all := r.hub.Subscriptions(); len(all) != 1 || all[0].ID != first.ID || r.calls() != 0 {
				t.Errorf("%+v", all)
			}
			r.version = 2
			r.boot()
			if err := r.keeper.Task(t.Context(), m, r); err != nil {
				t.Error(err)
			}
			if all := r.hub.Subscriptions(); len(all) != 0 {
				t.Errorf("%+v", all)
			}
		})
	}
}
