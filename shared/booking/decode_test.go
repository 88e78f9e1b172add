package booking_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/booking/bookingtest"
)

type data = bookingtest.Data

func flight() data { return bookingtest.Flight("acme", "PNR-7QX/1", 3) }

// example is the message of design.md, every member of it.
const example = `{"specversion":"1.0","id":"e-1","source":"https://app.example.com","type":"calbridge.booking.v1","subject":"acme/PNR-7QX/1","data":
{ "organization": "acme", "id": "PNR-7QX/1", "revision": 3, "status": "tentative",
  "title": "AY1331 Helsinki - London", "description": {"text": "…"}, "url": "https://example.com/…",
  "location": {"name": "HEL", "address": "…"},
  "start": {"dateTime": "2026-12-01T16:05:00", "timeZone": "Europe/Helsinki"},
  "end":   {"dateTime": "2026-12-01T17:20:00", "timeZone": "Europe/London"}, "allDay": false,
  "recurrence": {"rrule": "FREQ=WEEKLY;BYDAY=MO;COUNT=10", "exdates": ["2026-12-08"],
                 "overrides": [{"occurrence": "2026-12-15", "start": {}, "end": {}, "title": "", "cancelled": false}]},
  "people": [{"user": "u-17", "email": "aino@acme.example", "account": "", "name": "Aino", "locale": "fi",
              "role": "organizer", "assigned": true}],
  "rooms": ["r-204"], "responsible": {"user": "u-17"},
  "reminderMinutes": 15, "showAs": "tentative", "sensitivity": "normal", "categories": [], "extensions": {} }}`

func TestTheExampleOfTheDesignIsRead(t *testing.T) {
	m, err := booking.Decode([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := booking.Booking{
		Organization: "acme", ID: "PNR-7QX/1", Revision: 3, Status: booking.Tentative,
		Title: "AY1331 Helsinki - London", Description: booking.Description{Text: "…"}, URL: "https://example.com/…",
		Location: booking.Location{Name: "HEL", Address: "…"},
		Start:    &booking.Time{DateTime: "2026-12-01T16:05:00", TimeZone: "Europe/Helsinki"},
		End:      &booking.Time{DateTime: "2026-12-01T17:20:00", TimeZone: "Europe/London"},
		Recurrence: &booking.Recurrence{RRule: "FREQ=WEEKLY;BYDAY=MO;COUNT=10", ExDates: []string{"2026-12-08"},
			Overrides: []booking.Override{{Occurrence: "2026-12-15"}}},
		People: []booking.Person{{User: "u-17", Email: "aino@acme.example", Name: "Aino", Locale: "fi", Role: booking.Organizer, Assigned: true}},
		Rooms:  []string{"r-204"}, Responsible: booking.Responsible{User: "u-17"},
		ReminderMinutes: new(15), ShowAs: "tentative", Sensitivity: "normal", Extensions: map[string]any{},
	}
	if diff := cmp.Diff(want, m.Booking); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if string(m.Event) != example || !strings.HasPrefix(string(m.Data), `{ "organization"`) || !json.Valid(m.Data) {
		t.Error("event and data are not kept as they were sent")
	}
}

// faultsOf are the faults as pointer and code, in order.
func faultsOf(t *testing.T, body []byte) []string {
	t.Helper()
	_, err := booking.Decode(body)
	if err == nil {
		return nil
	}
	var invalid *booking.Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("error of type %T", err)
	}
	var list []string
	for _, f := range invalid.Faults {
		if f.Detail == "" {
			t.Errorf("%s %s has no detail", f.Pointer, f.Code)
		}
		list = append(list, f.Pointer+" "+f.Code)
	}
	return list
}

func TestEachFaultOfDataIsNamed(t *testing.T) {
	person := func(p data) []any { return []any{p} }
	many := func(n int) (list []any) {
		for i := range n {
			list = append(list, fmt.Sprint(i))
		}
		return list
	}
	people := func(n int) (list []any) {
		for i := range n {
			list = append(list, data{"user": fmt.Sprint(i)})
		}
		return list
	}
	overrides := func(n int) (list []any) {
		for range n {
			list = append(list, data{"occurrence": "2026-12-08"})
		}
		return list
	}
	tests := []struct {
		name    string
		changes data
		want    []string
	}{
		{"nothing wrong", nil, nil},
		{"revision 0", data{"revision": 0}, []string{"/data/revision range"}},
		{"revision negative", data{"revision": -1}, []string{"/data/revision range"}},
		{"revision text", data{"revision": "3"}, []string{"/data/revision type"}},
		{"revision fraction", data{"revision": 3.5}, []string{"/data/revision type"}},
		{"revision highest", data{"revision": int64(1)<<53 - 1}, nil},
		{"revision too high", data{"revision": int64(1) << 53}, []string{"/data/revision range"}},
		{"revision missing", data{"revision": nil}, []string{"/data/revision required"}},
		{"revision endless", data{"revision": json.Number("1e999999999")}, []string{"/data/revision range"}},
		{"unknown status", data{"status": "Confirmed"}, []string{"/data/status value"}},
		{"title null", data{"title": json.RawMessage("null")}, []string{"/data/title type"}},
		{"title 255", data{"title": strings.Repeat("ä", 255)}, nil},
		{"title 256", data{"title": strings.Repeat("ä", 256)}, []string{"/data/title too-long"}},
		{"id with slashes, quotes, unicode", data{"id": `a/b\"'"中🎉 %2F?#`}, nil},
		{"id 256", data{"id": strings.Repeat("🎉", 256)}, nil},
		{"id 300", data{"id": strings.Repeat("x", 300)}, []string{"/data/id too-long"}},
		{"id empty", data{"id": ""}, []string{"/data/id required"}},
		{"id with line break", data{"id": "a\nb"}, []string{"/data/id format"}},
		{"id with NUL", data{"id": "a\x00"}, []string{"/data/id format"}},
		{"organization with slash", data{"organization": "a/b"}, []string{"/data/organization format"}},
		{"organization beginning with dot", data{"organization": ".a"}, []string{"/data/organization format"}},
		{"organization 65", data{"organization": strings.Repeat("a", 65)}, []string{"/data/organization format"}},
		{"organization with line break at its end", data{"organization": "acme\n"}, []string{"/data/organization format"}},
		{"description 32 KiB", data{"description": data{"text": strings.Repeat("x", 32*1024)}}, nil},
		{"description over 32 KiB", data{"description": data{"text": strings.Repeat("x", 32*1024+1)}}, []string{"/data/description/text too-long"}},
		{"description over 32 KiB in bytes only", data{"description": data{"text": strings.Repeat("ä", 16*1024+1)}}, []string{"/data/description/text too-large"}},
		{"URL of a script", data{"url": "javascript:alert(1)"}, []string{"/data/url format"}},
		{"URL without host", data{"url": "https://?x"}, []string{"/data/url format"}},
		{"URL with space", data{"url": "https://a b"}, []string{"/data/url format"}},
		{"end missing", data{"end": nil}, []string{"/data/end required"}},
		{"start missing", data{"start": nil}, []string{"/data/start required"}},
		{"neither", data{"start": nil, "end": nil}, nil},
		{"unknown zone", data{"start.timeZone": "Europe/Helsinky"}, []string{"/data/start/timeZone unknown-zone"}},
		{"zone of the file system", data{"start.timeZone": "../Europe/Helsinki"}, []string{"/data/start/timeZone unknown-zone"}},
		{"zone of this machine", data{"start.timeZone": "Local"}, []string{"/data/start/timeZone unknown-zone"}},
		{"Windows zone", data{"start.timeZone": "FLE Standard Time"}, nil},
		{"no zones", data{"start.timeZone": nil, "end.timeZone": nil, "end.dateTime": "2026-12-01T16:06:00"}, nil},
		{"30 February", data{"end.dateTime": "2027-02-30T10:00:00"}, []string{"/data/end/dateTime no-such-time"}},
		{"29 February of no leap year", data{"end.dateTime": "2027-02-29T10:00:00"}, []string{"/data/end/dateTime no-such-time"}},
		{"hour 24", data{"end.dateTime": "2026-12-02T24:00:00"}, []string{"/data/end/dateTime no-such-time"}},
		{"with offset", data{"end.dateTime": "2026-12-02T17:20:00Z"}, []string{"/data/end/dateTime format"}},
		{"year 3000", data{"end.dateTime": "3000-12-02T17:20:00"}, []string{"/data/end/dateTime range"}},
		{"no time in start", data{"start": data{}}, []string{"/data/start/dateTime required"}},
		{"end before start", data{"end.dateTime": "2026-12-01T13:00:00"}, []string{"/data/end/dateTime end-before-start"}},
		{"end before start across zones only", data{"end.dateTime": "2026-12-01T14:04:59"}, []string{"/data/end/dateTime end-before-start"}},
		{"end before start in one zone", data{"end": data{"dateTime": "2026-12-01T16:04:59", "timeZone": "Europe/Helsinki"}}, []string{"/data/end/dateTime end-before-start"}},
		{"end before start in no zone", data{"start.timeZone": nil, "end": data{"dateTime": "2026-12-01T16:04:59"}}, []string{"/data/end/dateTime end-before-start"}},
		{"end at start across zones", data{"end.dateTime": "2026-12-01T14:05:00"}, nil},
		{"earlier on the clock, later in time", data{"start.timeZone": "Asia/Tokyo", "end.dateTime": "2026-12-01T08:00:00", "end.timeZone": "America/New_York"}, nil},
		{"in order on the clock, start skipped by the change of time", data{"start": data{"dateTime": "2027-03-28T02:30:00", "timeZone": "Europe/Berlin"}, "end": data{"dateTime": "2027-03-28T03:10:00", "timeZone": "Europe/Berlin"}}, nil},
		{"all day at noon", data{"allDay": true, "end.timeZone": "Europe/Helsinki"}, []string{"/data/end/dateTime all-day", "/data/start/dateTime all-day"}},
		{"all day in two zones", data{"allDay": true, "start.dateTime": "2026-12-01T00:00:00", "end.dateTime": "2026-12-02T00:00:00"}, []string{"/data/end/timeZone all-day"}},
		{"all day in one zone by two names", data{"allDay": true, "start.dateTime": "2026-12-01T00:00:00", "end.dateTime": "2026-12-02T00:00:00", "start.timeZone": "GMT Standard Time"}, nil},
		{"all day of no length", data{"allDay": true, "start.dateTime": "2026-12-01T00:00:00", "end.dateTime": "2026-12-01T00:00:00", "end.timeZone": "Europe/Helsinki"}, []string{"/data/end/dateTime end-before-start"}},
		{"person without user", data{"people": person(data{"email": "a@b"})}, []string{"/data/people/0/user required"}},
		{"person with two at", data{"people": person(data{"user": "1", "email": "a@b@c"})}, []string{"/data/people/0/email format"}},
		{"person with header injection", data{"people": person(data{"user": "1", "email": "a@b\r\nBcc: c@d"})}, []string{"/data/people/0/email format"}},
		{"person with display name", data{"people": person(data{"user": "1", "email": "Aino <a@b>"})}, []string{"/data/people/0/email format"}},
		{"person with neither address", data{"people": person(data{"user": "1", "email": "", "account": ""})}, nil},
		{"account as object id", data{"people": person(data{"user": "1", "account": "87d349ed-44d7-43e1-9a83-5f2406dee5bd"})}, nil},
		{"account with line break", data{"people": person(data{"user": "1", "account": "a\nb"})}, []string{"/data/people/0/account format"}},
		{"unknown role", data{"people": person(data{"user": "1", "role": "resource"})}, []string{"/data/people/0/role value"}},
		{"assigned as text", data{"people": person(data{"user": "1", "assigned": "no"})}, []string{"/data/people/0/assigned type"}},
		{"1,000 people", data{"people": people(1000)}, nil},
		{"1,001 people", data{"people": people(1001)}, []string{"/data/people too-many"}},
		{"50 rooms", data{"rooms": many(50)}, nil},
		{"51 rooms", data{"rooms": many(51)}, []string{"/data/rooms too-many"}},
		{"500 overrides", data{"recurrence": data{"rrule": "FREQ=DAILY", "overrides": overrides(500)}}, nil},
		{"501 overrides", data{"recurrence": data{"rrule": "FREQ=DAILY", "overrides": overrides(501)}}, []string{"/data/recurrence/overrides too-many"}},
		{"rule without FREQ", data{"recurrence": data{"rrule": "COUNT=3"}}, []string{"/data/recurrence/rrule format"}},
		{"exdate 31 November", data{"recurrence": data{"rrule": "FREQ=DAILY", "exdates": []any{"2026-11-30", "2026-11-31"}}}, []string{"/data/recurrence/exdates/1 no-such-time"}},
		{"override in no zone", data{"recurrence": data{"rrule": "FREQ=DAILY", "overrides": []any{data{"occurrence": "2026-12-08", "start": data{"dateTime": "2026-12-08T10:00:00", "timeZone": "Mars"}}}}}, []string{"/data/recurrence/overrides/0/start/timeZone unknown-zone"}},
		{"reminder four weeks", data{"reminderMinutes": 40320}, nil},
		{"reminder longer", data{"reminderMinutes": 40321}, []string{"/data/reminderMinutes range"}},
		{"reminder after start", data{"reminderMinutes": -1}, []string{"/data/reminderMinutes range"}},
		{"show as nothing", data{"showAs": ""}, []string{"/data/showAs value"}},
		{"unknown sensitivity", data{"sensitivity": "secret"}, []string{"/data/sensitivity value"}},
		{"26 categories", data{"categories": many(26)}, []string{"/data/categories too-many"}},
		{"unknown fields", data{"x": data{"y": []any{1}}, "start.z": true}, nil},
		{"member with slash", data{"people": person(data{"user": "1", "a/b~c": 1})}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := faultsOf(t, bookingtest.Event(bookingtest.With(flight(), test.changes)))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestEachFaultOfTheEnvelopeIsNamed(t *testing.T) {
	event := func(changes data) []byte {
		e := data{"specversion": "1.0", "id": "1", "source": "app", "type": booking.Type, "data": flight()}
		return bookingtest.Encode(bookingtest.With(e, changes))
	}
	tests := []struct {
		name string
		body []byte
		want []string
	}{
		{"nothing wrong", event(nil), nil},
		{"empty", nil, []string{" syntax"}},
		{"no JSON", []byte(`{"a":`), []string{" syntax"}},
		{"two values", []byte(`{} {}`), []string{" syntax"}},
		{"with byte order mark", append([]byte("\xef\xbb\xbf"), event(nil)...), []string{" syntax"}},
		{"no UTF-8", []byte("{\"id\":\"\xff\"}"), []string{" encoding"}},
		{"a batch", []byte(`[]`), []string{" type"}},
		{"null", []byte(`null`), []string{" type"}},
		{"nothing in it", []byte(`{}`), []string{"/data required", "/id required", "/source required", "/specversion required", "/type required"}},
		{"another type", event(data{"type": "calbridge.booking.v2"}), []string{"/type value"}},
		{"an older version", event(data{"specversion": "0.3"}), []string{"/specversion value"}},
		{"data as text", event(data{"data": "{}"}), []string{"/data type"}},
		{"data as base64", event(data{"data": nil, "data_base64": "e30="}), []string{"/data required", "/data_base64 value"}},
		{"XML", event(data{"datacontenttype": "application/xml"}), []string{"/datacontenttype format"}},
		{"JSON with charset", event(data{"datacontenttype": "application/json; charset=utf-8"}), nil},
		{"subject right", event(data{"subject": "acme/PNR-7QX/1"}), nil},
		{"subject of another booking", event(data{"subject": "acme/PNR-7QX"}), []string{"/subject mismatch"}},
		{"subject empty", event(data{"subject": ""}), []string{"/subject mismatch"}},
		{"subject of another type", event(data{"subject": 1}), []string{"/subject type"}},
		{"unknown attribute", event(data{"tenant": "x"}), nil},
		{"member twice", []byte(strings.Replace(string(event(nil)), `"id":"1"`, `"id":"1","\u0069d":"2"`, 1)), []string{"/id duplicate-member"}},
		{"member twice below", []byte(strings.Replace(string(event(nil)), `"name":"HEL"`, `"name":"HEL","name":"HEL"`, 1)), []string{"/data/location/name duplicate-member"}},
		{"member twice in an unknown field", event(data{"x": json.RawMessage(`[{"a/b":1,"a/b":2}]`)}), []string{"/x/0/a~1b duplicate-member"}},
		{"32 levels", event(data{"x": json.RawMessage(strings.Repeat("[", 31) + strings.Repeat("]", 31))}), nil},
		{"33 levels", event(data{"x": json.RawMessage(strings.Repeat("[", 32) + strings.Repeat("]", 32))}), []string{"/x" + strings.Repeat("/0", 31) + " too-deep"}},
		{"100,000 levels", []byte(strings.Repeat("[", 100_000)), []string{" syntax"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, faultsOf(t, test.body)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTheWholeEventHasAtMost192KiB(t *testing.T) {
	const limit = 192 * 1024
	pad := func(size int) []byte {
		body := bookingtest.Event(bookingtest.With(flight(), data{"x": ""}))
		return []byte(strings.Replace(string(body), `"x":""`, `"x":"`+strings.Repeat("x", size-len(body))+`"`, 1))
	}
	if _, err := booking.Decode(pad(limit)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	_, err := booking.Decode(pad(limit + 1))
	var invalid *booking.Invalid
	if !errors.As(err, &invalid) || !invalid.TooLarge() {
		t.Fatalf("over the limit: %v", err)
	}
	if invalid.Organization != "acme" || invalid.ID != "PNR-7QX/1" {
		t.Errorf("sender %q, %q", invalid.Organization, invalid.ID)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	body := bookingtest.Event(data{
		"organization": "acme", "id": "7", "revision": "x", "status": "maybe", "description": data{"text": strings.Repeat("ä", 17_000)},
		"start": data{"dateTime": "2026-02-30T10:00:00", "timeZone": "Mars"}, "end": data{"dateTime": "now"},
		"people": []any{data{}, data{"user": "1", "email": "x"}}, "url": "ftp://x",
	})
	want := []string{
		"/data/description/text too-large", "/data/end/dateTime format", "/data/people/0/user required", "/data/people/1/email format",
		"/data/revision type", "/data/start/dateTime no-such-time", "/data/start/timeZone unknown-zone", "/data/status value",
		"/data/title required", "/data/url format",
	}
	if diff := cmp.Diff(want, faultsOf(t, body)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOfVeryManyFaultsTheFirstAreListed(t *testing.T) {
	people := make([]any, 900)
	for i := range people {
		people[i] = data{"email": "no address"}
	}
	_, err := booking.Decode(bookingtest.Event(bookingtest.With(flight(), data{"people": people})))
	var invalid *booking.Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v", err)
	}
	last := invalid.Faults[len(invalid.Faults)-1]
	if len(invalid.Faults) != booking.MaxFaults || !strings.Contains(last.Detail, "1701 more") {
		t.Errorf("%d faults, the last %q", len(invalid.Faults), last)
	}
}

func TestFaultsNeverQuoteTheMessage(t *testing.T) {
	const secret = "s3cr3t"
	body := bookingtest.Event(data{
		"organization": secret + "/", "id": secret + "\n", "revision": secret, "status": secret, "title": []any{secret},
		"start": data{"dateTime": secret, "timeZone": secret}, "people": []any{data{"user": 1, "email": secret}}, "url": secret,
		"showAs": secret, "categories": secret, "recurrence": data{"rrule": secret},
	})
	_, err := booking.Decode(body)
	var invalid *booking.Invalid
	if !errors.As(err, &invalid) {
		t.Fatal("accepted")
	}
	if text := fmt.Sprint(err, invalid.Faults); strings.Contains(text, secret) {
		t.Errorf("quoted: %s", text)
	}
}

func TestTheSenderOfARejectedMessageIsNamedWhereItCanBe(t *testing.T) {
	tests := []struct {
		name, body       string
		organization, id string
	}{
		{"both", `{"data":{"organization":"acme","id":"a/1"}}`, "acme", "a/1"},
		{"malformed organization", `{"data":{"organization":"a b","id":"1"}}`, "", "1"},
		{"id with control characters", `{"data":{"organization":"acme","id":"a\nb"}}`, "acme", ""},
		{"id too long", `{"data":{"organization":"acme","id":"` + strings.Repeat("x", 257) + `"}}`, "acme", ""},
		{"not JSON", `{"data":{"organization":"acme"`, "", ""},
		{"too deep", `{"data":{"organization":"acme","id":"1"},"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "acme", "1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := booking.Decode([]byte(test.body))
			var invalid *booking.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("error %v", err)
			}
			if invalid.Organization != test.organization || invalid.ID != test.id {
				t.Errorf("got %q, %q", invalid.Organization, invalid.ID)
			}
		})
	}
}

func TestARevisionIsAnyIntegerOfJSONSchema(t *testing.T) {
	for literal, want := range map[string]int64{"3": 3, "3.0": 3, "3e0": 3, "1e3": 1000, "30e-1": 3, "9007199254740991": 1<<53 - 1} {
		m, err := booking.Decode(bookingtest.Event(bookingtest.With(flight(), data{"revision": json.RawMessage(literal)})))
		if err != nil || m.Booking.Revision != want {
			t.Errorf("%s: %d, %v, want %d", literal, m.Booking.Revision, err, want)
		}
	}
}

func TestHalfASurrogatePairIsReplaced(t *testing.T) {
	m, err := booking.Decode(bookingtest.Event(bookingtest.With(flight(), data{"title": json.RawMessage(`"a\ud800b \ud83c\udf89"`)})))
	if err != nil || m.Booking.Title != "a\ufffdb 🎉" {
		t.Errorf("%q, %v", m.Booking.Title, err)
	}
}

func TestTheMessageSharesNoMemoryWithTheBody(t *testing.T) {
	body := bookingtest.Event(flight())
	m, err := booking.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	before := string(m.Event) + string(m.Data) + m.Booking.Title
	clear(body)
	if string(m.Event)+string(m.Data)+m.Booking.Title != before {
		t.Error("the caller's slice is kept")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(example))
	f.Add(bookingtest.Event(flight()))
	f.Add(bookingtest.Event(bookingtest.Hotel("acme", "h", 1)))
	f.Add(bookingtest.Event(bookingtest.Training("acme", "t", 1, 3)))
	f.Add([]byte(`{"data":{"revision":1e400,"start":{},"x":[[[]]],"a":"\u00e4\ud800"}}`))
	f.Add([]byte(`{"data":{"organization":"a","organization":"b"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := booking.Decode(body)
		if err != nil {
			var invalid *booking.Invalid
			if !errors.As(err, &invalid) || len(invalid.Faults) == 0 || len(invalid.Faults) > booking.MaxFaults {
				t.Fatalf("error %v", err)
			}
			return
		}
		var event struct{ Data json.RawMessage }
		if err := json.Unmarshal(body, &event); err != nil || string(event.Data) != string(m.Data) {
			t.Fatalf("data is not what was sent: %v", err)
		}
		again, err := booking.Load(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m.Booking, again); diff != "" {
			t.Fatalf("loaded otherwise (-decoded +loaded)\n%s", diff)
		}
		m.Booking.Targets()
		if _, err := m.Booking.Resolve("Asia/Tokyo"); err != nil && m.Booking.Start.TimeZone != "" && m.Booking.End.TimeZone != "" {
			t.Fatalf("accepted and then not: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, body := range map[string][]byte{
		"flight":        bookingtest.Event(flight()),
		"40 learners":   bookingtest.Event(bookingtest.Training("acme", "t", 1, 40)),
		"1000 learners": bookingtest.Event(bookingtest.Training("acme", "t", 1, 999)),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := booking.Decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	data := bookingtest.Encode(bookingtest.Training("acme", "t", 1, 40))
	for b.Loop() {
		if _, err := booking.Load(data); err != nil {
			b.Fatal(err)
		}
	}
}
