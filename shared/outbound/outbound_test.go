package outbound_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/calbridge/calbridge/docs/schemas"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/problem"
)

func origin() outbound.Origin {
	return outbound.Origin{PublicURL: "https://calendar.example.com", Organization: "acme",
		Time: time.Date(2026, 12, 1, 12, 0, 0, 250_000_000, time.FixedZone("", 7200))}
}

// valid fails the test where the published schema refuses an event.
func valid(t *testing.T, e outbound.Event) {
	t.Helper()
	text, err := schemas.Read(e.Type[len("calbridge."):] + ".json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("x", doc); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Body))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
}

func TestADeliveryIsWrittenAsTheWireSays(t *testing.T) {
	d := outbound.Delivery{Booking: "PNR-7QX/1", Kind: key.User, ID: "u-17", Revision: 3, Sequence: 4, State: "written", EventID: "AAMk<&>"}
	e := d.Event(origin())
	valid(t, e)
	const want = `{"specversion":"1.0","id":"92236cf8-e407-57e1-a754-22bf872f03f7","source":"https://calendar.example.com/api/organizations/acme",` +
		`"type":"calbridge.delivery.v1","subject":"PNR-7QX/1","time":"2026-12-01T10:00:00.25Z","datacontenttype":"application/json",` +
		`"data":{"booking":"PNR-7QX/1","user":"u-17","revision":3,"sequence":4,"state":"written","eventId":"AAMk<&>"}}`
	if diff := cmp.Diff(want, string(e.Body)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if e.Type != outbound.TypeDelivery || e.Organization != "acme" || e.Session != key.Lane("acme", key.User, "u-17").String() {
		t.Errorf("%+v", e)
	}
}

func TestEveryKindOfDeliveryFitsTheSchema(t *testing.T) {
	for name, d := range map[string]outbound.Delivery{
		"room":    {Booking: "b", Kind: key.Room, ID: "r", Revision: 1, Sequence: 1, State: "removed", Reason: "cancelled", Message: "Cancelled."},
		"file":    {Booking: "b", Kind: key.User, ID: "u", Revision: 1, Sequence: 1, State: "ics", Reason: "not-connected", ICS: &outbound.ICS{Method: "PUBLISH", UID: "x", Content: "BEGIN:VCALENDAR"}},
		"link":    {Booking: "b", Kind: key.User, ID: "u", Revision: 1, Sequence: 1, State: "ics", Reason: "gave-up", ICS: &outbound.ICS{Method: "CANCEL", UID: "x", URL: "https://x"}},
		"skipped": {Booking: "b", Kind: key.User, ID: "u", Revision: 1, Sequence: 1, State: "skipped", Reason: "in-the-past"},
	} {
		t.Run(name, func(t *testing.T) { valid(t, d.Event(origin())) })
	}
}

func TestTheIdOfADeliveryTellsResultsApart(t *testing.T) {
	delivery := key.Delivery("acme", "b", key.User, "u")
	base := outbound.DeliveryID(delivery, 1, 1, "ics", "paused")
	if base != key.UUID(delivery.Hex()+"/1/1/ics/paused") {
		t.Error("the id is not the UUIDv5 of the wire format")
	}
	if base != outbound.DeliveryID(delivery, 1, 1, "ics", "paused") {
		t.Error("a re-send has another id")
	}
	for _, other := range []string{
		outbound.DeliveryID(delivery, 2, 1, "ics", "paused"),
		outbound.DeliveryID(delivery, 1, 2, "ics", "paused"),
		outbound.DeliveryID(delivery, 1, 1, "skipped", "paused"),
		outbound.DeliveryID(delivery, 1, 1, "ics", "held"),
		outbound.DeliveryID(key.Delivery("acme", "b", key.Room, "u"), 1, 1, "ics", "paused"),
	} {
		if other == base {
			t.Error("two results share an id")
		}
	}
}

func TestARejectionNamesWhatCouldBeRead(t *testing.T) {
	faults := []problem.Fault{{Pointer: "/data/title", Code: "required", Detail: "is missing"}}
	e := outbound.Rejected{MessageID: "m-1", ID: "b/1", Faults: faults}.Event(origin())
	valid(t, e)
	if again := (outbound.Rejected{MessageID: "m-1"}).Event(origin()); again.ID != e.ID {
		t.Error("the same message has another id")
	}
	unknown := origin()
	unknown.Organization = ""
	e = outbound.Rejected{MessageID: "m-1"}.Event(unknown)
	valid(t, e)
	var got map[string]any
	if err := json.Unmarshal(e.Body, &got); err != nil {
		t.Fatal(err)
	}
	if _, there := got["subject"]; there || got["source"] != "https://calendar.example.com/api/organizations" {
		t.Errorf("%s", e.Body)
	}
}

func TestAnAlertNamesItsTarget(t *testing.T) {
	e := outbound.Alert{ID: "i-1", Code: "dead-letter", State: "raised", Message: "x", Booking: "b", Kind: key.Room, Target: "r"}.Event(origin())
	valid(t, e)
	if !bytes.Contains(e.Body, []byte(`"room":"r"`)) || e.Session != key.Organization("acme").String() || e.ID != "i-1" {
		t.Errorf("%+v", e)
	}
	valid(t, outbound.Alert{ID: "i-2", Code: "topic-full", State: "over", Message: "x"}.Event(origin()))
}

func FuzzDelivery(f *testing.F) {
	f.Add("b", "u", "e", "m")
	f.Add("a/\"\\\x00", "ä\xff", "<>", "\u2028")
	f.Fuzz(func(t *testing.T, booking, user, event, message string) {
		e := outbound.Delivery{Booking: booking, Kind: key.User, ID: user, Revision: 1, Sequence: 1, State: "written", EventID: event, Message: message}.Event(origin())
		if !json.Valid(e.Body) || len(e.ID) != 36 {
			t.Fatalf("%q", e.Body)
		}
	})
}

func BenchmarkDelivery(b *testing.B) {
	d := outbound.Delivery{Booking: "PNR-7QX/1", Kind: key.User, ID: "u-17", Revision: 3, Sequence: 4, State: "written", EventID: "AAMk"}
	o := origin()
	b.ReportAllocs()
	for b.Loop() {
		d.Event(o)
	}
}
