package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// ledgerOf is what a history has seen of connections whose tokens died.
type ledgerOf struct{ deaths map[key.Key]map[string]bool }

// see notes the deaths that stand in the rows, by the id of the event that has to tell of them.
func (l *ledgerOf) see(rows []state.Stored) {
	for _, row := range rows {
		if row.State != connection.NeedsReauth && row.State != connection.BlockedByPolicy {
			continue
		}
		if l.deaths[row.ID] == nil {
			l.deaths[row.ID] = map[string]bool{}
		}
		l.deaths[row.ID][outbound.Connection{ID: row.ID, State: string(row.State), Since: row.Since}.EventID()] = true
	}
}

// holds checks what has to hold of a person whenever everything has followed.
func (r *rig) holds(user string, l *ledgerOf) error {
	rows := r.all(user)
	l.see(rows)
	primaries, accounts, stands, cause := 0, map[string]bool{}, "none", ""
	for _, row := range rows {
		if row.State == connection.Disconnected {
			return fmt.Errorf("%s: a disconnected row is left", user)
		}
		if row.Primary {
			primaries++
			stands, cause = string(row.State), row.Cause
		}
		if accounts[row.Account.ObjectID] {
			return fmt.Errorf("%s: one account is connected twice", user)
		}
		accounts[row.Account.ObjectID] = true
		if err := r.toldOf(row.Connection); err != nil {
			return err
		}
	}
	if len(rows) > 0 && primaries != 1 || len(rows) == 0 && primaries != 0 {
		return fmt.Errorf("%s: %d of %d connections are primary", user, primaries, len(rows))
	}
	who, err := state.NewPeople(r.tables).Person(context.Background(), acme, key.Lane(acme, key.User, user))
	if errors.Is(err, state.ErrNotFound) {
		who, err = state.Person{Connection: "none"}, nil
	}
	if err != nil || who.Connection != stands || who.Cause != cause {
		return fmt.Errorf("%s: the list says %s (%s), the rows %s (%s)", user, who.Connection, who.Cause, stands, cause)
	}
	return nil
}

// toldOf checks that the last that was told of a connection is how it stands.
func (r *rig) toldOf(c connection.Connection) error {
	told := r.states(c.ID)
	if c.State == connection.Paused || len(told) > 0 && told[len(told)-1] == string(c.State) {
		return nil
	}
	return fmt.Errorf("%s is %s, and what was told is %v", c.User, c.State, told)
}

// toldOnce checks that every death was told, once, and no other.
func (r *rig) toldOnce(l *ledgerOf) error {
	told := map[key.Key][]string{}
	for _, e := range r.told("calbridge.connection.v1") {
		if e.Data.State == "needs-reauth" || e.Data.State == "blocked-by-policy" {
			id, err := key.Parse(e.Data.Connection)
			if err != nil {
				return err
			}
			told[id] = append(told[id], e.ID)
		}
	}
	for id, deaths := range l.deaths {
		if len(told[id]) != len(deaths) {
			return fmt.Errorf("connection %s died %d times, told %d times", id, len(deaths), len(told[id]))
		}
		for event := range deaths {
			if !slices.Contains(told[id], event) {
				return fmt.Errorf("connection %s: a death was not told", id)
			}
		}
	}
	for id := range told {
		if l.deaths[id] == nil {
			return fmt.Errorf("connection %s: told of a death that was none", id)
		}
	}
	return nil
}

// act is one use case, chosen by chance, in a process that may die on the way.
func (r *rig) act(t *rapid.T, user string, e *engine.Engine) (string, error) {
	ctx := context.Background()
	rows := r.all(user)
	ops := []string{"connect"}
	if len(rows) > 0 {
		ops = []string{"connect", "direction", "primary", "disconnect", "fail", "block", "reach", "lose", "keepalive", "reconnect"}
	}
	op := rapid.SampledFrom(ops).Draw(t, "op")
	if op == "connect" {
		name := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "account")
		c, err := r.sign(user, user+name, rapid.SampledFrom([]connection.Direction{connection.Up, connection.Both, connection.Down}).Draw(t, "direction"))
		if err == nil {
			_, err = e.Connect(ctx, c, []byte("sealed"))
		}
		return op, err
	}
	row := rows[rapid.IntRange(0, len(rows)-1).Draw(t, "connection")]
	switch op {
	case "reconnect":
		c := row.Connection
		c.Cause, c.Direction = "", connection.Up
		_, err := e.Connect(ctx, c, []byte("again"))
		return op, err
	case "direction":
		d := rapid.SampledFrom([]connection.Direction{connection.Up, connection.Down, connection.None, connection.Both}).Draw(t, "direction")
		_, err := e.ChangeConnection(ctx, acme, row.ID, engine.ConnectionChange{Direction: &d}, nil)
		return op, err
	case "primary":
		yes := true
		_, err := e.ChangeConnection(ctx, acme, row.ID, engine.ConnectionChange{Primary: &yes}, nil)
		return op, err
	case "disconnect":
		return op, e.Disconnect(ctx, acme, row.ID, nil)
	case "fail":
		return op, e.ConnectionFailed(ctx, row.Connection, rapid.SampledFrom([]refusal{revoked, second, consent}).Draw(t, "why").failure())
	case "block":
		return op, e.ConnectionFailed(ctx, row.Connection, blocked.failure())
	case "lose":
		return op, e.ConnectionFailed(ctx, row.Connection, unlicensed())
	case "reach":
		op = "probe"
	}
	r.refusals[row.ID] = nil
	body := fmt.Sprintf(`{"v":1,"op":%q,"organization":"acme","connection":%q}`, op, row.ID)
	return op, e.Task(ctx, queue.Message{ID: key.Random(), Body: []byte(body)})
}

func TestWhateverHappensOnePrimaryIsLeftTheListAgreesAndEveryDeathIsToldOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, "travel")
		l := &ledgerOf{deaths: map[key.Key]map[string]bool{}}
		users := []string{"aino", "bert"}
		for range rapid.IntRange(1, 12).Draw(t, "length") {
			r.now = r.now.Add(time.Duration(rapid.IntRange(1, 4).Draw(t, "days")) * 24 * time.Hour)
			user := rapid.SampledFrom(users).Draw(t, "user")
			f := &fuse{left: rapid.IntRange(0, 18).Draw(t, "kill at"), after: rapid.Bool().Draw(t, "after")}
			op, err := r.act(t, user, r.fused(f))
			if err != nil && !f.blown {
				t.Fatalf("%s for %s: %v", op, user, err)
			}
			r.settle()
			for _, user := range users {
				if err := r.holds(user, l); err != nil {
					t.Fatalf("after %s for %s (killed: %t): %v", op, user, f.blown, err)
				}
			}
			if err := r.toldOnce(l); err != nil {
				t.Fatalf("after %s (killed: %t): %v", op, f.blown, err)
			}
		}
	})
}

// Every use case, killed at every one of its effects, before and after it.
func TestAKillAnywhereIsPutRightByTheTaskThatWasOrderedBefore(t *testing.T) {
	ctx := context.Background()
	uses := map[string]func(r *rig, e *engine.Engine, first, second connection.Connection) error{
		"connect": func(r *rig, e *engine.Engine, _, _ connection.Connection) error {
			c, err := r.sign("aino", "third", connection.Up)
			if err == nil {
				_, err = e.Connect(ctx, c, []byte("sealed"))
			}
			return err
		},
		"first connect": func(r *rig, e *engine.Engine, _, _ connection.Connection) error {
			c, err := r.sign("bert", "bert", connection.Up)
			if err == nil {
				_, err = e.Connect(ctx, c, []byte("sealed"))
			}
			return err
		},
		"reconnect": func(r *rig, e *engine.Engine, first, _ connection.Connection) error {
			_, err := e.Connect(ctx, first, []byte("again"))
			return err
		},
		"primary": func(r *rig, e *engine.Engine, _, second connection.Connection) error {
			_, err := e.ChangeConnection(ctx, acme, second.ID, engine.ConnectionChange{Primary: ptrTo(true), Direction: ptrTo(connection.Both)}, nil)
			return err
		},
		"disconnect": func(r *rig, e *engine.Engine, first, _ connection.Connection) error {
			return e.Disconnect(ctx, acme, first.ID, nil)
		},
		"death": func(r *rig, e *engine.Engine, first, _ connection.Connection) error {
			return e.ConnectionFailed(ctx, first, revoked.failure())
		},
	}
	for name, use := range uses {
		for n := 1; ; n++ {
			reached := false
			for _, after := range []bool{false, true} {
				r := newRig(t, "travel")
				first, second := r.connect("aino", "work", connection.Up), r.connect("aino", "side", connection.Up)
				r.settle()
				f := &fuse{left: n, after: after}
				if err := use(r, r.fused(f), first, second); err != nil && !f.blown {
					t.Fatalf("%s: %v", name, err)
				}
				reached = reached || f.blown
				r.settle()
				l := &ledgerOf{deaths: map[key.Key]map[string]bool{}}
				for _, user := range []string{"aino", "bert"} {
					if err := r.holds(user, l); err != nil {
						t.Errorf("%s killed at effect %d (after it: %t): %v", name, n, after, err)
					}
				}
				if err := r.toldOnce(l); err != nil {
					t.Errorf("%s killed at effect %d (after it: %t): %v", name, n, after, err)
				}
				for _, row := range append(r.all("aino"), r.all("bert")...) {
					if row.Followed == "" && row.Primary && row.State == connection.Connected {
						t.Errorf("%s killed at effect %d (after it: %t): the lane of %s was not owed", name, n, after, row.User)
					}
				}
			}
			if !reached {
				break
			}
		}
	}
}

// Two browsers confirm at the same moment, and a third thing happens meanwhile.
func TestUseCasesAtTheSameMomentLeaveOnePrimaryAndOneOfEachAccount(t *testing.T) {
	for range 20 {
		r := newRig(t, "travel")
		confirm := func(name string) func(*engine.Engine) error {
			c, err := r.sign("aino", name, connection.Up)
			if err != nil {
				t.Fatal(err)
			}
			return func(e *engine.Engine) error {
				_, err := e.Connect(context.Background(), c, []byte("sealed"))
				if errors.Is(err, engine.ErrAccountMoved) {
					return nil
				}
				return err
			}
		}
		old := r.connect("aino", "old", connection.Up)
		work := []func(*engine.Engine) error{confirm("one"), confirm("one"), confirm("two"),
			func(e *engine.Engine) error { return e.Disconnect(context.Background(), acme, old.ID, nil) }}
		var all sync.WaitGroup
		for _, do := range work {
			e := r.fused(&fuse{})
			all.Go(func() {
				if err := do(e); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		r.settle()
		if err := r.holds("aino", &ledgerOf{deaths: map[key.Key]map[string]bool{}}); err != nil {
			t.Error(err)
		}
		if n := len(r.all("aino")); n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
	}
}
