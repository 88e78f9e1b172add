package booking

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/calbridge/calbridge/shared/zone"
)

// Decode reads one event. Its error is an *Invalid with every fault; where the
// event is too large, is not JSON or is nested too deeply, that is the only one.
// The message shares no memory with body.
func Decode(body []byte) (Message, error) {
	var fs faults
	if len(body) > MaxEvent {
		fs.add("", CodeTooLarge, "has %d bytes; at most %d are allowed", len(body), MaxEvent)
		organization, id := identify(body)
		return Message{}, fs.invalid(organization, id)
	}
	root, data, usable := parse(body, &fs)
	if !usable {
		organization, id := identify(body)
		return Message{}, fs.invalid(organization, id)
	}
	compiled().validate(root, &fs)
	envelope := object{asObject(root)}
	b := read(envelope.object("data"))
	check(b, &fs)
	checkSubject(envelope, b, &fs)
	if err := fs.invalid(wellFormed(b.Organization, b.ID)); err != nil {
		return Message{}, err
	}
	return Message{Booking: canonical(b), Data: bytes.Clone(data), Event: bytes.Clone(body)}, nil
}

// Load reads the member data of an event that Decode accepted. It checks no
// more than that it is JSON; zones are canonical as after Decode.
func Load(data []byte) (Booking, error) {
	var fs faults
	root, _, usable := parse(data, &fs)
	if !usable {
		return Booking{}, fmt.Errorf("booking.Load: %w", fs.invalid("", ""))
	}
	return canonical(read(object{asObject(root)})), nil
}

// identify finds who sent a message that could not be read as a whole.
func identify(body []byte) (organization, id string) {
	if len(body) > 4*MaxEvent { // no bus carries it
		return "", ""
	}
	var event struct {
		Data struct {
			Organization any `json:"organization"`
			ID           any `json:"id"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &event) != nil {
		return "", ""
	}
	organization, _ = event.Data.Organization.(string)
	id, _ = event.Data.ID.(string)
	return wellFormed(organization, id)
}

// object reads members leniently: what is missing or has another type is zero,
// because the schema has said so already.
type object struct{ members map[string]any }

func asObject(v any) map[string]any { m, _ := v.(map[string]any); return m }

func (o object) object(name string) object { return object{asObject(o.members[name])} }

func (o object) text(name string) string { s, _ := o.members[name].(string); return s }

func (o object) flag(name string, absent bool) bool {
	if b, ok := o.members[name].(bool); ok {
		return b
	}
	return absent
}

// integer reads 3, 3.0 and 3e0; whole numbers beyond 2^53 are none.
func (o object) integer(name string) (int64, bool) {
	literal, ok := o.members[name].(json.Number)
	if !ok {
		return 0, false
	}
	if n, err := strconv.ParseInt(literal.String(), 10, 64); err == nil {
		return n, true
	}
	f, err := literal.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, false
	}
	return int64(f), true
}

func (o object) list(name string) []any { l, _ := o.members[name].([]any); return l }

// texts keeps the places of the items, so that indices are those of the message.
func (o object) texts(name string) []string {
	var texts []string
	for _, item := range o.list(name) {
		s, _ := item.(string)
		texts = append(texts, s)
	}
	return texts
}

func read(o object) Booking {
	b := Booking{
		Organization: o.text("organization"),
		ID:           o.text("id"),
		Status:       o.text("status"),
		Title:        o.text("title"),
		Description:  Description{o.object("description").text("text")},
		URL:          o.text("url"),
		Location:     Location{o.object("location").text("name"), o.object("location").text("address")},
		Start:        readTime(o.object("start")),
		End:          readTime(o.object("end")),
		AllDay:       o.flag("allDay", false),
		Rooms:        o.texts("rooms"),
		Responsible:  Responsible{o.object("responsible").text("user")},
		ShowAs:       o.text("showAs"),
		Sensitivity:  o.text("sensitivity"),
		Categories:   o.texts("categories"),
		Extensions:   o.object("extensions").members,
	}
	b.Revision, _ = o.integer("revision")
	if minutes, ok := o.integer("reminderMinutes"); ok {
		b.ReminderMinutes = new(int(minutes))
	}
	for _, p := range o.list("people") {
		b.People = append(b.People, readPerson(object{asObject(p)}))
	}
	if r := o.object("recurrence"); r.members != nil {
		b.Recurrence = readRecurrence(r)
	}
	return b
}

func readTime(o object) *Time {
	if len(o.members) == 0 {
		return nil
	}
	return &Time{DateTime: o.text("dateTime"), TimeZone: o.text("timeZone")}
}

func readPerson(o object) Person {
	p := Person{
		User: o.text("user"), Email: o.text("email"), Account: o.text("account"),
		Name: o.text("name"), Locale: o.text("locale"), Role: o.text("role"),
		Assigned: o.flag("assigned", true),
	}
	if p.Role == "" {
		p.Role = Required
	}
	return p
}

func readRecurrence(o object) *Recurrence {
	r := &Recurrence{RRule: o.text("rrule"), ExDates: o.texts("exdates")}
	for _, item := range o.list("overrides") {
		v := object{asObject(item)}
		r.Overrides = append(r.Overrides, Override{
			Occurrence: v.text("occurrence"), Title: v.text("title"), Cancelled: v.flag("cancelled", false),
			Start: readTime(v.object("start")), End: readTime(v.object("end")),
		})
	}
	return r
}

// canonical gives every zone its IANA name; unknown ones stay.
func canonical(b Booking) Booking {
	b.eachTime(func(_ string, t *Time) {
		if iana, ok := zone.Canonical(t.TimeZone); ok {
			t.TimeZone = iana
		}
	})
	return b
}
