package booking_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/booking/bookingtest"
	"github.com/calbridge/calbridge/shared/key"
)

func TestTargetsAreListedOnceAndTheOrganizerWins(t *testing.T) {
	b := booking.Booking{
		People: []booking.Person{
			{User: "a", Email: "a1@x", Role: booking.Required},
			{User: "b", Email: "b@x", Role: booking.Optional},
			{User: "a", Email: "a2@x", Role: booking.Organizer},
			{User: "a", Email: "a3@x", Role: booking.Organizer},
			{User: "b", Email: "b2@x", Role: booking.Required},
			{User: "A", Email: "a4@x"},
		},
		Rooms: []string{"r", "a", "r"},
	}
	var got []string
	for _, target := range b.Targets() {
		got = append(got, target.Kind+" "+target.ID+" "+target.Person.Email)
	}
	want := []string{"user a a2@x", "user b b@x", "user A a4@x", "room r ", "room a "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEveryUserAndRoomIsATarget(t *testing.T) {
	ids := rapid.SampledFrom([]string{"a", "b", "c"})
	rapid.Check(t, func(t *rapid.T) {
		var b booking.Booking
		for range rapid.IntRange(0, 8).Draw(t, "people") {
			b.People = append(b.People, booking.Person{User: ids.Draw(t, "user"), Role: rapid.SampledFrom([]string{booking.Organizer, booking.Required}).Draw(t, "role")})
		}
		b.Rooms = rapid.SliceOf(ids).Draw(t, "rooms")
		got := map[string]booking.Target{}
		for _, target := range b.Targets() {
			name := target.Kind + target.ID
			if _, twice := got[name]; twice {
				t.Fatalf("%s twice", name)
			}
			got[name] = target
		}
		for _, p := range b.People {
			target, ok := got[key.User+p.User]
			if !ok || p.Role == booking.Organizer && target.Person.Role != booking.Organizer {
				t.Fatalf("%v is %v", p, target)
			}
		}
		for _, r := range b.Rooms {
			if _, ok := got[key.Room+r]; !ok {
				t.Fatalf("room %s is no target", r)
			}
		}
	})
}

func TestOnlyANewerRevisionIsNewer(t *testing.T) {
	tests := []struct {
		incoming, stored int64
		want             booking.Order
	}{{1, 0, booking.Newer}, {3, 3, booking.Same}, {2, 3, booking.Older}, {1<<53 - 1, 1<<53 - 2, booking.Newer}}
	for _, test := range tests {
		if got := booking.Compare(test.incoming, test.stored); got != test.want {
			t.Errorf("Compare(%d, %d) = %d, want %d", test.incoming, test.stored, got, test.want)
		}
	}
}

func TestTheMailboxIsTheAccountElseTheAddress(t *testing.T) {
	tests := []struct {
		person booking.Person
		want   string
	}{
		{booking.Person{Email: "a@x", Account: "b@x"}, "b@x"},
		{booking.Person{Email: "a@x", Account: ""}, "a@x"},
		{booking.Person{}, ""},
	}
	for _, test := range tests {
		if got := test.person.Mailbox(); got != test.want {
			t.Errorf("%+v: %q, want %q", test.person, got, test.want)
		}
	}
	if booking.Normal(" Aino@ACME.example ") != booking.Normal("aino@acme.example") {
		t.Error("addresses differ by case")
	}
}

func TestWhoTakesPart(t *testing.T) {
	for _, test := range []struct {
		person booking.Person
		want   bool
	}{
		{booking.Person{Role: booking.Required, Assigned: true}, true},
		{booking.Person{Role: booking.Required}, false},
		{booking.Person{Role: booking.Organizer}, true},
	} {
		if got := test.person.Participates(); got != test.want {
			t.Errorf("%+v: %v", test.person, got)
		}
	}
}

func TestABookingWrittenAsJSONIsReadBackTheSame(t *testing.T) {
	m, err := booking.Decode([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]booking.Booking{
		"example":  m.Booking,
		"hotel":    bookingtest.Booking(bookingtest.Hotel("acme", "h", 1)),
		"training": bookingtest.Booking(bookingtest.Training("acme", "t", 1, 2)),
	} {
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := booking.Load(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Extensions) == 0 {
			b.Extensions, again.Extensions = nil, nil
		}
		if diff := cmp.Diff(b, again); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestLoadRefusesWhatIsNoJSON(t *testing.T) {
	if _, err := booking.Load([]byte(`{"id":`)); err == nil {
		t.Error("accepted")
	}
}
