package exchange_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

const (
	acme = "tenant-a"
	aino = "aino@acme.example"
)

type world struct {
	*testing.T
	*exchange.Store
	now time.Time
}

func start(t *testing.T, switches exchange.Switches) *world {
	w := &world{T: t, now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	w.Store = exchange.New(func() time.Time { return w.now }, switches)
	w.AddUser(acme, exchange.User{Principal: aino, Name: "Aino"})
	return w
}

func to[T any](v T) *T { return &v }

// meeting is a change with times, and attendees where there are any.
func meeting(subject string, attendees ...string) exchange.Change {
	c := exchange.Change{
		Subject: &subject,
		Start:   &exchange.Time{DateTime: "2026-12-01T10:00:00", Zone: "Europe/Helsinki"},
		End:     &exchange.Time{DateTime: "2026-12-01T11:00:00", Zone: "Europe/Helsinki"},
	}
	if len(attendees) > 0 {
		c.Attendees = guests(attendees...)
	}
	return c
}

func guests(addresses ...string) *[]exchange.Attendee {
	list := []exchange.Attendee{}
	for _, a := range addresses {
		list = append(list, exchange.Attendee{Address: exchange.Address{Name: a, Address: a}, Type: "required"})
	}
	return &list
}

func (w *world) create(c exchange.Change) exchange.Event {
	w.Helper()
	e, err := w.Create(acme, aino, "", c)
	if err != nil {
		w.Fatal(err)
	}
	return e
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// sent is the mails since the last call, as "kind to... by".
func (w *world) sent(before *int) []string {
	var all []string
	mails := w.Mails()
	for _, m := range mails[*before:] {
		line := m.Kind
		for _, a := range m.To {
			line += " " + a
		}
		all = append(all, line+" by "+m.By.String())
	}
	*before = len(mails)
	return all
}

// Contract 2.4 and 2.7: which changes mail whom.
func TestMailsAreThoseThatExchangeWouldSend(t *testing.T) {
	w := start(t, exchange.Switches{})
	n := 0
	expect := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, w.sent(&n)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	change := func(id string, c exchange.Change) {
		t.Helper()
		_, err := w.Update(acme, aino, id, c, "")
		w.must(err)
	}
	alone := w.create(meeting("alone"))
	change(alone.ID, exchange.Change{Subject: to("other")})
	w.must(w.Delete(acme, aino, alone.ID, ""))
	expect("an event without attendees")

	e := w.create(meeting("with", "x@x.example", aino))
	expect("create invites all but the organiser", "invite x@x.example by app")
	change(e.ID, exchange.Change{ReminderMinutes: to(5), Categories: &[]string{"Red"}, ShowAs: to("oof"), Sensitivity: to("private")})
	expect("reminder, category, show-as")
	change(e.ID, exchange.Change{Attendees: guests("x@x.example", "y@y.example")})
	expect("attendees only: the new one", "invite y@y.example by app")
	change(e.ID, exchange.Change{Start: &exchange.Time{DateTime: "2026-12-01T09:00:00", Zone: "Europe/Helsinki"}})
	expect("time: all", "update x@x.example y@y.example by app")
	change(e.ID, exchange.Change{Start: &exchange.Time{DateTime: "2026-12-01T07:00:00", Zone: "UTC"}})
	expect("the same time in another zone")
	change(e.ID, exchange.Change{Attendees: guests("y@y.example")})
	expect("one less", "cancel x@x.example by app")
	w.must(w.Owner(acme, aino).Invite(e.ID, "z@z.example"))
	expect("the owner invites", "invite z@z.example by person")
	change(e.ID, exchange.Change{Locations: &[]exchange.Location{{Name: "HEL"}}})
	expect("our change of a meeting the owner made", "update y@y.example z@z.example by app")
	w.must(w.Delete(acme, aino, e.ID, ""))
	expect("delete cancels", "cancel y@y.example z@z.example by app")

	c := meeting("draft", "x@x.example")
	c.Draft = to(true)
	draft := w.create(c)
	change(draft.ID, exchange.Change{Subject: to("other")})
	expect("a draft")
	change(draft.ID, exchange.Change{Draft: to(false)})
	expect("a draft no more", "invite x@x.example by app")
	w.must(w.Owner(acme, aino).Delete(draft.ID))
	expect("the owner deletes", "cancel x@x.example by person")
}

// write-path.md 4: Outlook's copy and paste takes our mark along.
func TestACopyHasTheMarkAndNothingElseOfOurs(t *testing.T) {
	w := start(t, exchange.Switches{})
	id, err := exchange.ParsePropertyID("String {6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3} Name CalbridgeDelivery")
	w.must(err)
	c := meeting("x", "x@x.example")
	c.TransactionID, c.Properties = "T", []exchange.Property{{ID: id, Value: "ab"}}
	e := w.create(c)
	w.now = w.now.Add(time.Hour)
	copied, err := w.Owner(acme, aino).Copy(e.ID)
	w.must(err)
	if v, _ := copied.Property(id); v != "ab" || copied.TransactionID != "" || copied.ID == e.ID || copied.MutableID == e.MutableID ||
		copied.ICalUID == e.ICalUID || !copied.Created.After(e.Created) || len(copied.Attendees) != 0 {
		t.Errorf("copy %+v of %+v", copied, e)
	}
	found, err := w.Marked(acme, aino, id, "AB")
	w.must(err)
	if len(found) != 2 || found[0].ID != e.ID {
		t.Errorf("found %v", found)
	}
	if again := w.create(c); again.ID != e.ID {
		t.Error("the copy took the transactionId")
	}
}

func TestTheOwnerEditsFreely(t *testing.T) {
	w := start(t, exchange.Switches{})
	e := w.create(meeting("x"))
	o := w.Owner(acme, aino)
	w.must(o.Retitle(e.ID, "y"))
	w.must(o.Write(e.ID, "<p>mine</p>"))
	w.must(o.Move(e.ID, exchange.Time{DateTime: "2026-12-02T10:00:00", Zone: "UTC"}, exchange.Time{DateTime: "2026-12-02T11:00:00", Zone: "UTC"}))
	got, err := w.Event(acme, aino, e.ID)
	w.must(err)
	if got.Subject != "y" || exchange.Text(got.Body) != "mine" || got.From.Day() != 2 || got.ChangeKey == e.ChangeKey {
		t.Errorf("%+v", got)
	}
	_, err = o.Create(meeting("own"))
	w.must(err)
	w.must(o.Delete(e.ID))
	var refused *exchange.Error
	if err := o.Delete(e.ID); !errors.As(err, &refused) || refused.Code != "ErrorItemNotFound" {
		t.Errorf("second delete: %v", err)
	}
	if events := w.Events(acme, aino); len(events) != 1 || events[0].Subject != "own" {
		t.Errorf("left %v", events)
	}
}

// Contract 2.8, id drift.
func TestPropertyIDsAreReadAndCompared(t *testing.T) {
	parse := func(s string) exchange.PropertyID {
		t.Helper()
		id, err := exchange.ParsePropertyID(s)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		return id
	}
	const guid = "66f5a359-4659-4830-9070-00047ec6ac6e"
	color := parse("String {" + guid + "} Name Color")
	for s, same := range map[string]bool{
		"string {66F5A359-4659-4830-9070-00047EC6AC6E} name Color": true, "String  " + guid + "   Name  Color ": true,
		"String {" + guid + "} Name color": false, "Integer {" + guid + "} Name Color": false,
		"String {" + guid + "} Id 0x8233": false, "String 0x0037": false, "String {" + guid + "} Name Color 2": false,
	} {
		if got := parse(s).Same(color); got != same {
			t.Errorf("%q: same %t, want %t", s, got, same)
		}
		if again := parse(parse(s).String()); !again.Same(parse(s)) {
			t.Errorf("%q: written and read as %v", s, again)
		}
	}
	for _, s := range []string{"", "Color", "String Color", "String {" + guid + "} Name", "String {" + guid + "} Id 5", "Text {" + guid + "} Name x", "String {1} Name x", "String 37"} {
		if id, err := exchange.ParsePropertyID(s); err == nil {
			t.Errorf("%q: read as %v", s, id)
		}
	}
}

// Every Windows name resolves, and those of the contract's samples are there.
func TestEveryWindowsZoneResolves(t *testing.T) {
	w := start(t, exchange.Switches{})
	names := exchange.WindowsZones()
	if len(names) < 130 {
		t.Errorf("%d names", len(names))
	}
	for _, name := range names {
		zone, err := w.Zone(name)
		if err != nil || zone.Windows != name || zone.Location == nil {
			t.Errorf("%s: %+v, %v", name, zone, err)
		}
	}
	for iana, windows := range map[string]string{"Europe/Helsinki": "FLE Standard Time", "Etc/GMT": "UTC", "UTC": "UTC",
		"Asia/Calcutta": "India Standard Time", "America/Los_Angeles": "Pacific Standard Time", "Antarctica/Troll": "Antarctica/Troll"} {
		if zone, err := w.Zone(iana); err != nil || zone.Windows != windows || zone.Name != iana {
			t.Errorf("%s: %+v, %v", iana, zone, err)
		}
	}
	for _, name := range []string{"", "Local", "Factory", "../etc/passwd", "posix/UTC", "right/UTC", "Mars", "posixrules"} {
		if zone, err := w.Zone(name); err == nil {
			t.Errorf("%q resolves to %v", name, zone)
		}
	}
}

// Contract 2.2: the server rewrites HTML; what it rewrote it leaves alone.
func TestABodyBecomesADocumentOnce(t *testing.T) {
	w := start(t, exchange.Switches{})
	e := w.create(meeting("x"))
	for _, html := range []string{
		"", "plain", "<p>a</p>\n<p>b</p>", "<body>x</body>", "<html>x</html>", "<html><head></head><body>x</body></html>",
		"<HTML><HEAD><title>t</title></HEAD><BODY>İx</BODY></HTML>", "<html><head><meta charset=utf-8></head><body>x</body></html>",
	} {
		once, err := w.Update(acme, aino, e.ID, exchange.Change{Body: &exchange.Body{Content: html}}, "")
		w.must(err)
		twice, err := w.Update(acme, aino, e.ID, exchange.Change{Body: &exchange.Body{Content: once.Body}}, "")
		w.must(err)
		if once.Body != twice.Body {
			t.Errorf("%q: %q, then %q", html, once.Body, twice.Body)
		}
	}
	text := "<html><head><style>p{}</style></head><body><!-- x --><p>a &amp; b</p>\r\n<p>c</p></body></html>"
	if got := exchange.Text(text); got != "a & b\r\n c" {
		t.Errorf("as text %q", got)
	}
}

// design.md: two addresses of one mailbox find the same events.
func TestEveryNameOfAUserFindsTheirMailbox(t *testing.T) {
	w := start(t, exchange.Switches{})
	first, err := w.User(acme, aino)
	w.must(err)
	again := w.AddUser(acme, exchange.User{Principal: aino, Mail: "Aino.V@acme.example", Aliases: []string{"av@acme.example"}})
	if again.ObjectID != first.ObjectID || again.Mail != aino {
		t.Errorf("added again: %+v", again)
	}
	other := w.AddUser(acme, exchange.User{Principal: "other@acme.example", Aliases: []string{"AV@acme.example"}})
	w.create(meeting("x"))
	for name, want := range map[string]int{aino: 1, "AINO@acme.example": 1, "aino.v@acme.example": 1, "av@ACME.example": 1, first.ObjectID: 1, other.ObjectID: 0} {
		if n := len(w.Events(acme, name)); n != want {
			t.Errorf("%s: %d events, want %d", name, n, want)
		}
	}
	if n := len(w.Events("tenant-b", aino)); n != 0 {
		t.Errorf("another tenant sees %d", n)
	}
}
