package twin_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphworld"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
	"github.com/calbridge/calbridge/shared/key"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// trouble spoils the requests of a twin.
type trouble struct {
	mu       sync.Mutex
	throttle map[string]*twin.Fate
	counts   map[string]int
	fail     twin.Fate
	failing  int
	losing   int
}

func (r *trouble) Throttle(mailbox string, n int, retryAfter time.Duration) {
	key := strings.ToLower(mailbox)
	r.throttle[key] = &twin.Fate{Effect: twin.Answer, Status: http.StatusTooManyRequests, Code: "ApplicationThrottled", RetryAfter: retryAfter}
	r.counts[key] = n
}

func (r *trouble) Fail(n, status int, code string) {
	r.failing, r.fail = n, twin.Fate{Effect: twin.Answer, Status: status, Code: code}
}

func (r *trouble) LoseAnswers(n int) { r.losing = n }

func (r *trouble) before(v twin.Visit) twin.Fate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key := strings.ToLower(v.Mailbox); (v.Call != nil || v.Alone()) && r.counts[key] > 0 {
		r.counts[key]--
		return *r.throttle[key]
	}
	switch {
	case v.Call != nil:
	case r.failing > 0:
		r.failing--
		return r.fail
	case r.losing > 0:
		r.losing--
		return twin.Fate{Effect: twin.LoseAnswer}
	}
	return twin.Fate{}
}

func TestTwinPassesTheSuiteOfTheClient(t *testing.T) {
	graphtest.Run(t, func(t *testing.T) graphtest.Harness {
		store := exchange.New(ticking(), exchange.Switches{})
		r := &trouble{throttle: map[string]*twin.Fate{}, counts: map[string]int{}}
		tw := twin.New(store, &twin.Options{Before: r.before})
		world := graphworld.New(t, store, r)
		tw.Refuse(graphworld.Foreign, true)
		return world.Harness(tw)
	})
}

func TestTwinPassesTheCasesOfPeople(t *testing.T) {
	graphtest.RunPerson(t, func(t *testing.T) graphtest.Person {
		store := exchange.New(ticking(), exchange.Switches{})
		tw := twin.New(store, nil)
		world := graphworld.New(t, store, nil)
		tw.Refuse(graphworld.Tenant, true)
		aino := twin.Account{Tenant: graphworld.Tenant, ObjectID: world.ObjectID()}
		tw.Grant(graphworld.Own, aino)
		tw.GrantToken(graphworld.Token, aino)
		tw.Grant(graphworld.Dead, aino)
		tw.Fail(graphworld.Dead, graph.ClassifyToken("invalid_grant", []int{700082}, 400))
		return world.Person(tw)
	})
}

func TestTwinPassesTheCasesOfLists(t *testing.T) {
	graphtest.RunLists(t, func(t *testing.T) graphtest.Lists {
		store := exchange.New(ticking(), exchange.Switches{})
		r := &trouble{throttle: map[string]*twin.Fate{}, counts: map[string]int{}}
		tw := twin.New(store, &twin.Options{Before: r.before})
		world := graphworld.New(t, store, r)
		tw.Refuse(graphworld.Foreign, true)
		aino := twin.Account{Tenant: graphworld.Tenant, ObjectID: world.ObjectID()}
		sharing := aino
		sharing.Shared = true
		tw.Grant(graphworld.Own, aino)
		tw.Grant(graphworld.Sharing, sharing)
		tw.Grant(graphworld.Dead, aino)
		tw.Fail(graphworld.Dead, graph.ClassifyToken("invalid_grant", []int{700082}, 400))
		return world.Lists(tw, tw)
	})
}

// ready is a twin over a fresh world, with the grants of all connections.
func ready(t *testing.T, hub func(*exchange.Store) *notify.Hub) (*twin.Twin, *graphworld.World) {
	store := exchange.New(ticking(), exchange.Switches{})
	r := &trouble{throttle: map[string]*twin.Fate{}, counts: map[string]int{}}
	opt := &twin.Options{Before: r.before}
	if hub != nil {
		opt.Hub = hub(store)
	}
	tw := twin.New(store, opt)
	world := graphworld.New(t, store, r)
	tw.Refuse(graphworld.Foreign, true)
	aino := twin.Account{Tenant: graphworld.Tenant, ObjectID: world.ObjectID()}
	basic := aino
	basic.Basic = true
	tw.Grant(graphworld.Own, aino)
	tw.Grant(graphworld.Basic, basic)
	tw.Grant(graphworld.Dead, aino)
	tw.Fail(graphworld.Dead, graph.ClassifyToken("invalid_grant", []int{700082}, 400))
	return tw, world
}

func TestTwinPassesTheCasesOfReaders(t *testing.T) {
	graphtest.RunReader(t, func(t *testing.T) graphtest.Readings {
		tw, world := ready(t, nil)
		return world.Readings(tw, tw, tw.Changes())
	})
}

func TestTwinPassesTheCasesOfSubscribers(t *testing.T) {
	graphtest.RunSubscriber(t, func(t *testing.T) graphtest.Notified {
		sink := &graphworld.Sink{}
		tw, world := ready(t, func(store *exchange.Store) *notify.Hub { return notify.New(store, store.Now, notify.To(sink), nil) })
		return world.Notified(tw, tw, tw.Hub(), sink, "https://product.example")
	})
}

// A call that left with a token lands, also where the token has died since.
func TestACallThatLeftLandsWhateverBecomesOfItsToken(t *testing.T) {
	store := exchange.New(ticking(), exchange.Switches{})
	world := graphworld.New(t, store, nil)
	tw := twin.New(store, nil)
	tw.Grant(graphworld.Own, twin.Account{Tenant: graphworld.Tenant, ObjectID: world.ObjectID()})
	land := tw.Depart(t.Context(), world.Person(tw).Own, []graph.Call{creation(1)})
	tw.Fail(graphworld.Own, graph.ClassifyToken("invalid_grant", []int{700082}, 400))
	if n := len(world.Events(graphworld.Mailbox)); n != 0 {
		t.Errorf("%d events before it landed", n)
	}
	land()
	if n := len(world.Events(graphworld.Mailbox)); n != 1 {
		t.Errorf("%d events after it landed", n)
	}
	late := tw.Depart(t.Context(), world.Person(tw).Own, []graph.Call{creation(2)})
	late()
	if n := len(world.Events(graphworld.Mailbox)); n != 1 {
		t.Errorf("%d events: a dead token sent a call", n)
	}
}

// Every attempt of a connection to reach what is not its account's is refused and
// listed, whether it names a mailbox, a tenant or an object id.
func TestTwinListsWhatAConnectionMayNotReach(t *testing.T) {
	store := exchange.New(ticking(), exchange.Switches{})
	world := graphworld.New(t, store, nil)
	tw := twin.New(store, nil)
	tw.Grant(graphworld.Own, twin.Account{Tenant: graphworld.Tenant, ObjectID: world.ObjectID()})
	own := world.Person(tw).Own
	second, err := store.User(graphworld.Tenant, graphworld.Second)
	if err != nil {
		t.Fatal(err)
	}
	tenant, person, connection := own, own, own
	tenant.Tenant, person.ObjectID, connection.Connection = graphworld.Foreign, second.ObjectID, key.Of("connection", "nobody's")
	mailbox := creation(1)
	mailbox.Mailbox = graphworld.Second
	for i, try := range []struct {
		as   graph.Access
		call graph.Call
	}{{tenant, creation(1)}, {person, creation(1)}, {connection, creation(1)}, {own, mailbox}} {
		if r := tw.Do(t.Context(), try.as, []graph.Call{try.call})[0]; r.Err == nil || len(tw.Foreign()) != i+1 {
			t.Errorf("%v: %v, listed %v", try.as, r.Err, tw.Foreign())
		}
	}
	if r := tw.Do(t.Context(), own, []graph.Call{creation(1)})[0]; r.Err != nil || len(tw.Foreign()) != 4 {
		t.Errorf("its own: %v, listed %v", r.Err, tw.Foreign())
	}
}

// ticking is a clock that moves a millisecond with every look.
func ticking() func() time.Time {
	now := noon
	return func() time.Time {
		now = now.Add(time.Millisecond)
		return now
	}
}

// creation is a create of delivery n.
func creation(n int) graph.Call {
	d := key.Delivery("acme", strconv.Itoa(n), key.User, "u")
	return graph.Call{Op: graph.Create, Mailbox: graphworld.Mailbox, Mark: d.Hex(), TransactionID: key.TransactionID(d, 1), Content: event.Event{
		Subject: "x", Body: "<p>x</p>", Start: event.Time{DateTime: "2026-12-01T10:00:00", Zone: "Europe/Helsinki"},
		End: event.Time{DateTime: "2026-12-01T11:00:00", Zone: "Europe/Helsinki"}, ShowAs: "busy", Sensitivity: "normal", ReminderMinutes: 15,
	}}
}

// fixture is a twin whose next visits meet a fate.
func fixture(t testing.TB, fates ...twin.Fate) (*twin.Twin, *exchange.Store) {
	store := exchange.New(ticking(), exchange.Switches{})
	graphworld.New(t, store, nil)
	return twin.New(store, &twin.Options{Before: func(v twin.Visit) twin.Fate {
		if v.Call == nil || len(fates) == 0 {
			return twin.Fate{}
		}
		f := fates[0]
		fates = fates[1:]
		return f
	}}), store
}

func events(store *exchange.Store) int {
	return len(store.Events(graphworld.Tenant, graphworld.Mailbox))
}

func TestEachCallOfARequestMeetsItsOwnFate(t *testing.T) {
	tw, store := fixture(t, twin.Fate{Effect: twin.Lose}, twin.Fate{Effect: twin.LoseAnswer},
		twin.Fate{Effect: twin.Answer, Status: 409, Code: "ConcurrentItemSave"}, twin.Fate{Effect: twin.Delay})
	results := tw.Do(t.Context(), graph.AppAccess(graphworld.Tenant), []graph.Call{creation(0), creation(1), creation(2), creation(3), creation(4)})
	for i, want := range []struct {
		kind       graph.Kind
		unanswered bool
	}{{graph.Transient, true}, {graph.Transient, true}, {graph.Conflict, false}, {graph.Transient, true}} {
		if err := results[i].Err; err == nil || err.Kind != want.kind || err.Unanswered != want.unanswered {
			t.Errorf("call %d: %+v", i, err)
		}
	}
	if results[4].Err != nil || events(store) != 2 {
		t.Errorf("the last: %v; %d events, want the lost answer's and the last", results[4].Err, events(store))
	}
}

func TestALateCallLandsWhenTheTestSays(t *testing.T) {
	delay := twin.Fate{Effect: twin.Delay}
	tw, store := fixture(t, delay, delay)
	tw.Do(t.Context(), graph.AppAccess(graphworld.Tenant), []graph.Call{creation(0), creation(1)})
	late := tw.Late()
	if len(late) != 2 || late[0].Call.Mark != creation(0).Mark || events(store) != 0 {
		t.Fatalf("late %v, %d events", late, events(store))
	}
	r, ok := tw.Land(late[1].ID)
	if !ok || r.Err != nil || r.Event.ID == "" || events(store) != 1 {
		t.Errorf("landed %+v, %t, %d events", r, ok, events(store))
	}
	if _, again := tw.Land(late[1].ID); again {
		t.Error("it landed twice")
	}
	if !tw.Drop(late[0].ID) || tw.Drop(late[0].ID) || len(tw.Late()) != 0 || events(store) != 1 {
		t.Errorf("after dropping: %v, %d events", tw.Late(), events(store))
	}
}

func TestTheSearchLagsAndTheMemoryFailsAsTheStoreSays(t *testing.T) {
	tw, store := fixture(t)
	store.SetSwitches(exchange.Switches{SearchByHand: true})
	do := func(c graph.Call) graph.Result {
		t.Helper()
		r := tw.Do(t.Context(), graph.AppAccess(graphworld.Tenant), []graph.Call{c})[0]
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r
	}
	first := do(creation(0))
	find := graph.Call{Op: graph.Find, Mailbox: graphworld.Mailbox, Mark: creation(0).Mark}
	if n := len(do(find).Found); n != 0 {
		t.Errorf("found %d before Index", n)
	}
	store.Index()
	if n := len(do(find).Found); n != 1 {
		t.Errorf("found %d after Index", n)
	}
	if err := store.Forget(graphworld.Tenant, graphworld.Mailbox, ""); err != nil {
		t.Fatal(err)
	}
	if again := do(creation(0)); again.Event.ID == first.Event.ID {
		t.Error("the forgotten transaction found its event")
	}
}

// The content of a call stays the caller's.
func TestTheTwinSharesNoMemoryWithTheCaller(t *testing.T) {
	tw, store := fixture(t)
	c := creation(0)
	c.Content.Categories = []string{"Red"}
	tw.Do(t.Context(), graph.AppAccess(graphworld.Tenant), []graph.Call{c})
	c.Content.Categories[0] = "Blue"
	if got := store.Events(graphworld.Tenant, graphworld.Mailbox)[0].Categories[0]; got != "Red" {
		t.Errorf("category %q", got)
	}
	again := creation(0)
	again.Content.Categories = []string{"Red"}
	if r := tw.Do(t.Context(), graph.AppAccess(graphworld.Tenant), []graph.Call{again}); r[0].Err != nil {
		t.Errorf("the same content again: %v", r[0].Err)
	}
}

func BenchmarkCreate(b *testing.B) {
	tw, store := fixture(b)
	calls := make([]graph.Call, 1)
	n := 0
	for b.Loop() {
		calls[0] = creation(n)
		r := tw.Do(b.Context(), graph.AppAccess(graphworld.Tenant), calls)[0]
		if r.Err != nil {
			b.Fatal(r.Err)
		}
		if n++; n%100 == 0 {
			for _, e := range store.Events(graphworld.Tenant, graphworld.Mailbox) {
				if err := store.Delete(graphworld.Tenant, graphworld.Mailbox, e.ID, ""); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

// A calendar that somebody shares is read under its id in the own list, without what is
// private, and only where the grant reaches it.
func TestTwinReadsASharedCalendar(t *testing.T) {
	store := exchange.New(ticking(), exchange.Switches{})
	world := graphworld.New(t, store, nil)
	tw := twin.New(store, nil)
	aino := twin.Account{Tenant: graphworld.Tenant, ObjectID: world.ObjectID()}
	sharing := aino
	sharing.Shared = true
	tw.Grant(graphworld.Own, aino)
	tw.Grant(graphworld.Sharing, sharing)
	lists := world.Lists(tw, tw)
	lists.Share()
	for _, sensitivity := range []string{"private", "normal"} {
		start, end := exchange.Time{DateTime: "2026-12-01T10:00:00", Zone: "UTC"}, exchange.Time{DateTime: "2026-12-01T11:00:00", Zone: "UTC"}
		if _, err := store.Owner(graphworld.Tenant, graphworld.Second).Create(exchange.Change{Subject: &sensitivity, Sensitivity: &sensitivity, Start: &start, End: &end}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := tw.Calendars(t.Context(), lists.Shared, graphworld.Mailbox)
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	ask := graph.DeltaRequest{Mailbox: graphworld.Mailbox, Calendar: all[1].ID, From: noon, To: noon.AddDate(0, 1, 0)}
	page, err := tw.Delta(t.Context(), lists.Shared, ask)
	if err != nil || len(page.Items) != 2 || page.Items[0].Subject == "private" || page.Items[0].Sensitivity != "private" || page.Items[1].Subject != "normal" {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := tw.Delta(t.Context(), lists.Own, ask); err == nil {
		t.Error("read without the permission")
	}
	ask.Link = page.Delta
	if page, err = tw.Delta(t.Context(), lists.Shared, ask); err != nil || len(page.Items) != 0 || page.Delta == "" {
		t.Errorf("on: %+v, %v", page, err)
	}
}
