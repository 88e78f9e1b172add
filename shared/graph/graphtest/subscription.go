package graphtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

// Notified is a fresh Graph that mailboxes can be subscribed to: by the app in
// Harness.Tenant, and by the owner of Harness.Mailbox.
type Notified struct {
	Harness
	Subscriber graph.Subscriber
	// Own is the access of the owner with Calendars.Read, Basic one with
	// Calendars.ReadBasic only, Dead one whose token has ended.
	Own, Basic, Dead graph.Access
	Desk             Desk
	// Notify and Lifecycle are addresses that answer the handshake as they should, Deaf
	// one that does not.
	Notify, Lifecycle, Deaf string
	// Now is Graph's time.
	Now func() time.Time
	// Arrived lets Graph send what is due, and gives what has arrived since.
	Arrived func() []Notification
	// Send makes Graph send a lifecycle event: subscriptionRemoved ends the subscription.
	Send func(id, event string)
}

// Notification is one that arrived.
type Notification struct {
	Subscription, Tenant, ClientState string
	Change                            string // created, updated, deleted; "" of a lifecycle event
	Event                             string // id, of a change
	Lifecycle                         string
}

// RunSubscriber runs the cases of graph.Subscriber against fresh ones.
func RunSubscriber(t *testing.T, start func(t *testing.T) Notified) {
	for _, c := range subscriberCases {
		t.Run(c.name, func(t *testing.T) { c.run(subscribeSuite{t, start(t)}) })
	}
}

type subscribeSuite struct {
	*testing.T
	Notified
}

var subscriberCases = []struct {
	name string
	run  func(subscribeSuite)
}{
	{"what changes is told with client state and immutable ids", toldOfChanges},
	{"a day of a series is told by its master", toldOfSeries},
	{"a mailbox of its own, whatever is named", ownSubscription},
	{"a second one is a conflict that names the first", secondSubscription},
	{"an address that does not answer is refused", deafSubscription},
	{"what lasts too long is refused, what is too short made longer", longSubscription},
	{"a subscription is renewed and ended", renewedSubscription},
	{"what Graph removed is gone", removedSubscription},
	{"ReadBasic may not subscribe", basicSubscription},
	{"a failure is told", failedSubscription},
	{"a subscription whose answer was lost is found by the next", lostSubscription},
	{"without consent or with a dead token nobody subscribes", refusedSubscription},
}

func (s subscribeSuite) app() graph.Access { return graph.AppAccess(s.Tenant) }

func (s subscribeSuite) wish() graph.Subscription {
	return graph.Subscription{Mailbox: s.Mailbox, ClientState: "1.k.state", Expires: s.Now().Add(6 * 24 * time.Hour).Truncate(time.Second).UTC()}
}

func (s subscribeSuite) subscribe(as graph.Access) graph.Subscription {
	s.Helper()
	made, err := s.Subscriber.Subscribe(s.Context(), as, s.wish(), s.Notify, s.Lifecycle)
	if err != nil {
		s.Fatalf("subscribe: %v (cause %v)", err, errors.Unwrap(err))
	}
	return made
}

// refused fails the test unless an error has a kind and reason.
func (s subscribeSuite) refused(what string, err error, kind graph.Kind, reason string) *graph.Error {
	s.Helper()
	return readSuite{T: s.T}.refused(what, err, kind, reason)
}

// hears compares what has arrived, in any order.
func (s subscribeSuite) hears(what string, want ...Notification) {
	s.Helper()
	got := s.Arrived()
	less := func(a, b Notification) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(got, less)
	slices.SortFunc(want, less)
	if !slices.Equal(got, want) {
		s.Errorf("%s:\n%+v\nwant\n%+v", what, got, want)
	}
}

// change is a notification of a subscription.
func (s subscribeSuite) change(of graph.Subscription, kind, event string) Notification {
	return Notification{Subscription: of.ID, Tenant: s.Tenant, ClientState: "1.k.state", Change: kind, Event: event}
}

func toldOfChanges(s subscribeSuite) {
	made := s.subscribe(s.app())
	if made.ID == "" || made.Mailbox != s.Mailbox || !made.Expires.Equal(s.wish().Expires) {
		s.Errorf("%+v", made)
	}
	id := s.Desk.Add(entry("a", 2))
	s.hears("created", s.change(made, "created", id))
	s.Desk.Retitle(id, "b")
	s.hears("updated", s.change(made, "updated", id))
	s.Desk.Delete(id)
	s.hears("deleted", s.change(made, "deleted", id))
	s.hears("nothing")
	ours := suite{s.T, s.Harness}.create(1)
	s.hears("what our client wrote", s.change(made, "created", ours.ID))
}

func toldOfSeries(s subscribeSuite) {
	daily := entry("daily", 7)
	daily.Days = 3
	series := s.Desk.Add(daily)
	made := s.subscribe(s.app())
	days := s.Desk.Days(series, december, january)
	s.Desk.Retitle(days[0], "other")
	s.hears("a day changed", s.change(made, "updated", series))
	s.Desk.Delete(days[1])
	s.hears("a day deleted", s.change(made, "updated", series))
}

func ownSubscription(s subscribeSuite) {
	wish := s.wish()
	wish.Mailbox = s.Second
	made, err := s.Subscriber.Subscribe(s.Context(), s.Own, wish, s.Notify, s.Lifecycle)
	if err != nil {
		s.Fatal(err)
	}
	id := s.Desk.Add(entry("a", 2))
	s.hears("its own", s.change(made, "created", id))
	if _, err := s.Subscriber.Renew(s.Context(), s.app(), made.ID, s.wish().Expires); err == nil {
		s.Error("the app renewed a user's")
	}
	if _, err := s.Subscriber.Renew(s.Context(), s.Own, made.ID, s.wish().Expires); err != nil {
		s.Error(err)
	}
}

func secondSubscription(s subscribeSuite) {
	made := s.subscribe(s.app())
	_, err := s.Subscriber.Subscribe(s.Context(), s.app(), s.wish(), s.Notify, s.Lifecycle)
	if e := s.refused("a second one", err, graph.Conflict, ""); e.ExistingID != made.ID {
		s.Errorf("names %q, not %q", e.ExistingID, made.ID)
	}
	found, err := s.Subscriber.Subscription(s.Context(), s.app(), made.ID)
	if err != nil || found.Notify != s.Notify || found.Mailbox != s.Mailbox || !found.Expires.Equal(made.Expires) || found.ClientState != "" {
		s.Errorf("reads %+v, %v", found, err)
	}
	_, err = s.Subscriber.Subscription(s.Context(), s.Own, made.ID)
	s.refused("another's", err, graph.Gone, "")
	s.Desk.Add(entry("a", 2))
	if n := len(s.Arrived()); n != 1 {
		s.Errorf("%d notifications", n)
	}
}

func deafSubscription(s subscribeSuite) {
	for _, pair := range [][2]string{{s.Deaf, s.Lifecycle}, {s.Notify, s.Deaf}, {"http://product.example/", s.Lifecycle}} {
		made, err := s.Subscriber.Subscribe(s.Context(), s.app(), s.wish(), pair[0], pair[1])
		s.refused("deaf", err, graph.Invalid, graph.ReasonRefused)
		if made.ID != "" {
			s.Errorf("%+v", made)
		}
	}
	s.subscribe(s.app()) // none was made
}

func longSubscription(s subscribeSuite) {
	wish := s.wish()
	wish.Expires = s.Now().Add(8 * 24 * time.Hour)
	_, err := s.Subscriber.Subscribe(s.Context(), s.app(), wish, s.Notify, s.Lifecycle)
	s.refused("too long", err, graph.Invalid, graph.ReasonRefused)
	wish.Expires = s.Now().Add(5 * time.Minute)
	made, err := s.Subscriber.Subscribe(s.Context(), s.app(), wish, s.Notify, s.Lifecycle)
	if err != nil || made.Expires.Before(s.Now().Add(44*time.Minute)) || made.Expires.After(s.Now().Add(46*time.Minute)) {
		s.Errorf("%+v, %v", made, err)
	}
}

func renewedSubscription(s subscribeSuite) {
	made := s.subscribe(s.app())
	until := s.wish().Expires.Add(time.Hour)
	renewed, err := s.Subscriber.Renew(s.Context(), s.app(), made.ID, until)
	if err != nil || renewed.ID != made.ID || !renewed.Expires.Equal(until) || renewed.Mailbox != s.Mailbox {
		s.Errorf("%+v, %v", renewed, err)
	}
	_, err = s.Subscriber.Renew(s.Context(), s.app(), made.ID, s.Now().Add(30*24*time.Hour))
	s.refused("too long", err, graph.Invalid, graph.ReasonRefused)
	for range 2 {
		if err := s.Subscriber.Unsubscribe(s.Context(), s.app(), made.ID); err != nil {
			s.Error(err)
		}
	}
	_, err = s.Subscriber.Renew(s.Context(), s.app(), made.ID, until)
	s.refused("ended", err, graph.Gone, "")
	_, err = s.Subscriber.Subscription(s.Context(), s.app(), made.ID)
	s.refused("ended", err, graph.Gone, "")
	s.Desk.Add(entry("a", 2))
	s.hears("after the end")
	s.subscribe(s.app())
}

func removedSubscription(s subscribeSuite) {
	made := s.subscribe(s.app())
	event := func(name string) Notification {
		return Notification{Subscription: made.ID, Tenant: s.Tenant, ClientState: "1.k.state", Lifecycle: name}
	}
	s.Send(made.ID, "missed")
	s.hears("missed", event("missed"))
	s.Send(made.ID, "reauthorizationRequired")
	s.hears("authorise", event("reauthorizationRequired"))
	s.Send(made.ID, "subscriptionRemoved")
	s.hears("removed", event("subscriptionRemoved"))
	_, err := s.Subscriber.Renew(s.Context(), s.app(), made.ID, s.wish().Expires)
	s.refused("removed", err, graph.Gone, "")
	if again := s.subscribe(s.app()); again.ID == made.ID {
		s.Error("the same id again")
	}
}

func basicSubscription(s subscribeSuite) {
	_, err := s.Subscriber.Subscribe(s.Context(), s.Basic, s.wish(), s.Notify, s.Lifecycle)
	s.refused("basic", err, graph.Unreachable, graph.ReasonOutsideScope)
}

func failedSubscription(s subscribeSuite) {
	made := s.subscribe(s.app())
	for _, tt := range []struct {
		status int
		code   string
		kind   graph.Kind
		reason string
	}{{503, "ServiceUnavailable", graph.Transient, ""}, {500, "InternalServerError", graph.Transient, ""}, {403, "ErrorAccessDenied", graph.Unreachable, graph.ReasonOutsideScope}} {
		s.World.Fail(3, tt.status, tt.code)
		_, err := s.Subscriber.Subscribe(s.Context(), s.Own, s.wish(), s.Notify, s.Lifecycle)
		s.refused(tt.code, err, tt.kind, tt.reason)
		_, err = s.Subscriber.Renew(s.Context(), s.app(), made.ID, s.wish().Expires)
		s.refused(tt.code, err, tt.kind, tt.reason)
		s.refused(tt.code, s.Subscriber.Unsubscribe(s.Context(), s.app(), made.ID), tt.kind, tt.reason)
	}
	wish := s.wish()
	wish.Mailbox = s.Unknown
	_, err := s.Subscriber.Subscribe(s.Context(), s.app(), wish, s.Notify, s.Lifecycle)
	s.refused("unknown", err, graph.Unreachable, graph.ReasonNotFound)
	wish.Mailbox = ""
	_, err = s.Subscriber.Subscribe(s.Context(), s.app(), wish, s.Notify, s.Lifecycle)
	s.refused("no mailbox", err, graph.Invalid, graph.ReasonRefused)
	_, err = s.Subscriber.Renew(s.Context(), s.app(), "", s.wish().Expires)
	s.refused("no id", err, graph.Invalid, graph.ReasonRefused)
	s.World.SetState(s.Second, Unlicensed)
	wish.Mailbox = s.Second
	_, err = s.Subscriber.Subscribe(s.Context(), s.app(), wish, s.Notify, s.Lifecycle)
	s.refused("closed", err, graph.Unreachable, graph.ReasonUnavailable)
}

func lostSubscription(s subscribeSuite) {
	s.World.LoseAnswers(1)
	_, err := s.Subscriber.Subscribe(s.Context(), s.app(), s.wish(), s.Notify, s.Lifecycle)
	if e := s.refused("lost", err, graph.Transient, ""); !e.Unanswered {
		s.Errorf("%+v", e)
	}
	_, err = s.Subscriber.Subscribe(s.Context(), s.app(), s.wish(), s.Notify, s.Lifecycle)
	e := s.refused("again", err, graph.Conflict, "")
	if _, err := s.Subscriber.Renew(s.Context(), s.app(), e.ExistingID, s.wish().Expires); err != nil {
		s.Errorf("adopting %q: %v", e.ExistingID, err)
	}
}

func refusedSubscription(s subscribeSuite) {
	_, err := s.Subscriber.Subscribe(s.Context(), graph.AppAccess(s.Foreign), s.wish(), s.Notify, s.Lifecycle)
	s.refused("foreign", err, graph.Unauthorised, graph.ReasonConsentMissing)
	_, err = s.Subscriber.Subscribe(s.Context(), s.Dead, s.wish(), s.Notify, s.Lifecycle)
	s.refused("dead", err, graph.Unauthorised, graph.ReasonNeedsReauth)
	_, err = s.Subscriber.Renew(s.Context(), s.Dead, "8b3f0a52-0000-4000-8000-00000000000a", s.wish().Expires)
	s.refused("dead", err, graph.Unauthorised, graph.ReasonNeedsReauth)
}
