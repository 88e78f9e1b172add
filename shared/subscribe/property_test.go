package subscribe_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// Whatever happened, once it has settled there is one subscription for a calendar that is
// read, the row knows it and the agenda has it, and none for one that is not; and an
// edit is then told.
func TestAfterAnythingThereIsTheSubscriptionThereShouldBe(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t)
		r.step = 12 * time.Hour
		reads, settling := true, 26*time.Hour
		steps := rapid.IntRange(1, 12).Draw(rt, "steps")
		for range steps {
			switch rapid.SampledFrom([]string{"read", "leave", "kill", "lose", "down", "time", "removed", "lifecycle", "edit", "silent", "rotate", "again"}).Draw(rt, "step") {
			case "read":
				reads = true
				r.c.Direction, r.c.Scope = connection.Both, connection.ReadWrite
				r.connect(r.c)
				r.order(r.c, subscribe.CauseFollow)
			case "leave":
				reads = false
				r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite
				r.connect(r.c)
				r.order(r.c, subscribe.CauseFollow)
			case "kill":
				r.left = rapid.IntRange(1, 12).Draw(rt, "effects")
			case "lose":
				left := rapid.IntRange(1, 2).Draw(rt, "answers")
				r.fate = func(twin.Visit) twin.Fate {
					if left--; left < 0 {
						return twin.Fate{}
					}
					return twin.Fate{Effect: twin.LoseAnswer}
				}
			case "down":
				left := rapid.IntRange(1, 20).Draw(rt, "requests")
				r.fate = func(twin.Visit) twin.Fate {
					if left--; left < 0 {
						return twin.Fate{}
					}
					return twin.Fate{Effect: twin.Answer, Status: 503}
				}
			case "time":
				r.passes(time.Duration(rapid.IntRange(1, 100).Draw(rt, "hours")) * time.Hour)
			case "removed": // and nobody told: the next renewal finds it
				settling = 6 * 24 * time.Hour
				for _, s := range r.hub.Subscriptions() {
					_ = r.twin.Unsubscribe(t.Context(), accessOf(r.c), s.ID)
				}
			case "lifecycle":
				for _, s := range r.hub.Subscriptions() {
					_ = r.hub.Send(s.ID, rapid.SampledFrom([]string{"missed", "reauthorizationRequired", "subscriptionRemoved"}).Draw(rt, "event"))
				}
				r.moment()
			case "edit":
				r.edit()
				r.moment()
			case "silent":
				_ = r.keeper.SweepFound(t.Context(), acme, r.c.ID)
				if r.dead {
					r.boot()
				}
			case "rotate":
				r.secrets = append([][]byte{secret(byte(rapid.IntRange('a', 'z').Draw(rt, "key")))}, r.secrets...)
				r.boot()
			case "again":
				r.order(r.c, subscribe.CauseFollow)
			}
		}
		r.left, r.fate = 0, nil
		if r.dead {
			r.boot()
		}
		r.order(r.c, subscribe.CauseFollow) // the engine's own order, which comes at last
		r.passes(settling)
		r.moment()
		if !reads { // one whose answer was lost ends when it tells of something, or by itself
			r.passes(8 * 24 * time.Hour)
		}
		// A kill may leave the agenda an entry too many, which goes when its time comes.
		all, agenda := r.hub.Subscriptions(), entries(rt, r)
		row, err := r.rows.Get(t.Context(), r.c.ID)
		if reads && (len(all) != 1 || err != nil || row.ID != all[0].ID || agenda < 1 || agenda > 3) || !reads && (len(all) != 0 || !errors.Is(err, state.ErrNotFound) || agenda != 0) {
			rt.Fatalf("reads %v: %d subscriptions, row %+v, %v; %d entries on the agenda", reads, len(all), row, err, agenda)
		}
		r.syncs = nil
		r.edit()
		r.moment()
		if reads != (len(r.syncs) > 0) {
			rt.Fatalf("reads %v: an edit caused %q", reads, r.syncs)
		}
	})
}

func entries(rt *rapid.T, r *rig) (n int) {
	due := state.NewDue(r.tables)
	for i := -24 * 9; i < 24*9; i++ {
		all, err := due.Renewals(r.Context(), r.now.Add(time.Duration(i)*time.Hour))
		if err != nil {
			rt.Fatal(err)
		}
		n += len(all)
	}
	return n
}

// Contract 6.6: what Graph wants authorised anew and cannot be is the connection's matter.
func TestAnAuthorisationThatIsRefusedFailsTheConnection(t *testing.T) {
	for status, want := range map[int]struct{ failed, probes int }{401: {1, 0}, 403: {0, 1}} {
		r := newRig(t)
		r.order(r.c, subscribe.CauseFollow)
		first := r.one(r.c)
		r.now = r.now.Add(3 * time.Hour)
		r.fate = func(twin.Visit) twin.Fate {
			return twin.Fate{Effect: twin.Answer, Status: status, Code: "ErrorAccessDenied"}
		}
		if err := r.hub.Send(first.ID, "reauthorizationRequired"); err != nil {
			t.Fatal(err)
		}
		r.moment()
		if len(r.failed) != want.failed || r.probes != want.probes {
			t.Errorf("%d: failures %v, %d probes", status, r.failed, r.probes)
		}
	}
}

// A client state is no secret of one connection from another: with its own a stranger
// cannot speak for anybody else.
func TestALifecycleEventOfAnotherSubscriptionChangesNothing(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	before := r.calls()
	for _, event := range []string{"subscriptionRemoved", "reauthorizationRequired"} {
		body := `{"value":[{"subscriptionId":"` + one + `","tenantId":"` + tenant + `","lifecycleEvent":"` + event + `","clientState":"` +
			subscribe.ClientState(r.keys, key.Of("another"), tenant) + `"}]}`
		if _, err := r.receive(body); err != nil {
			t.Fatal(err)
		}
	}
	r.moment()
	var now notify.Subscription = r.one(r.c)
	if n := r.calls(); now.ID != first.ID || n != 0 || before == 0 {
		t.Errorf("%d requests, %+v", n, now)
	}
}
