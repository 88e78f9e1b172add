package graphapi_test

import (
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

func at(dateTime, zone string) any {
	return map[string]any{"dateTime": dateTime, "timeZone": zone}
}

// Contract 2.2, 2.3, 9: what Graph refuses in a body, and with which code.
func TestGraphRefusesWhatTheContractSays(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	id := w.must(201, "POST", events, flight(1)).id()
	noon, one := at("2026-12-01T12:00:00", "UTC"), at("2026-12-01T13:00:00", "UTC")
	for name, tt := range map[string]struct {
		body any
		code string
	}{
		"unknown property":           {flight(1, "colour", "red"), "RequestBodyRead"},
		"property in another case":   {flight(1, "Subject2", "red"), "RequestBodyRead"},
		"unknown nested property":    {flight(1, "start", map[string]any{"dateTime": "2026-12-01T12:00:00", "timeZone": "UTC", "zone": "UTC"}), "RequestBodyRead"},
		"wrong type of string":       {flight(1, "subject", 5), "RequestBodyRead"},
		"wrong type of boolean":      {flight(1, "isAllDay", "true"), "RequestBodyRead"},
		"wrong type of number":       {flight(1, "reminderMinutesBeforeStart", "15"), "RequestBodyRead"},
		"number that is no int32":    {flight(1, "reminderMinutesBeforeStart", 3e9), "RequestBodyRead"},
		"negative reminder":          {flight(1, "reminderMinutesBeforeStart", -1), "ErrorPropertyValidationFailure"},
		"unknown member of an enum":  {flight(1, "showAs", "asleep"), "RequestBodyRead"},
		"wrong odata type":           {flight(1, "@odata.type", "#microsoft.graph.message"), "RequestBodyRead"},
		"read-only property":         {flight(1, "iCalUId", "x"), "ErrorInvalidPropertySet"},
		"id":                         {flight(1, "id", "x"), "ErrorInvalidPropertySet"},
		"no start":                   {flight(1, "start", nil), "ErrorPropertyValidationFailure"},
		"no end":                     {flight(1, "end", nil), "ErrorPropertyValidationFailure"},
		"unknown zone":               {flight(1, "start", at("2026-12-01T12:00:00", "Europe/Atlantis")), "TimeZoneNotSupportedException"},
		"the machine's zone":         {flight(1, "start", at("2026-12-01T12:00:00", "Local")), "TimeZoneNotSupportedException"},
		"no zone":                    {flight(1, "start", map[string]any{"dateTime": "2026-12-01T12:00:00"}), "TimeZoneNotSupportedException"},
		"legacy custom zone":         {flight(1, "start", at("2026-12-01T12:00:00", "tzone://Microsoft/Custom")), "TimeZoneNotSupportedException"},
		"offset in dateTime":         {flight(1, "start", at("2026-12-01T12:00:00+02:00", "UTC")), "ErrorInvalidRequest"},
		"Z in dateTime":              {flight(1, "start", at("2026-12-01T12:00:00Z", "UTC")), "ErrorInvalidRequest"},
		"no such day":                {flight(1, "start", at("2026-02-30T12:00:00", "UTC")), "ErrorInvalidRequest"},
		"eight fraction digits":      {flight(1, "start", at("2026-12-01T12:00:00.00000000", "UTC")), "ErrorInvalidRequest"},
		"end before start":           {flight(1, "start", one, "end", noon), "ErrorPropertyValidationFailure"},
		"end before start by zone":   {flight(1, "start", at("2026-12-01T12:00:00", "America/New_York"), "end", at("2026-12-01T13:00:00", "Europe/Berlin")), "ErrorPropertyValidationFailure"},
		"longer than Exchange takes": {flight(1, "start", noon, "end", at("2031-12-02T12:00:00", "UTC")), "ErrorCalendarDurationIsTooLong"},
		"all-day, not midnight":      {flight(1, "isAllDay", true, "start", noon, "end", at("2026-12-03T00:00:00", "UTC")), "ErrorInvalidRequest"},
		"all-day, end not midnight":  {flight(1, "isAllDay", true, "start", at("2026-12-01T00:00:00", "UTC"), "end", noon), "ErrorInvalidRequest"},
		"all-day of no length":       {flight(1, "isAllDay", true, "start", at("2026-12-01T00:00:00", "UTC"), "end", at("2026-12-01T00:00:00", "UTC")), "ErrorInvalidRequest"},
		"all-day over two zones":     {flight(1, "isAllDay", true, "start", at("2026-12-01T00:00:00", "UTC"), "end", at("2026-12-02T00:00:00", "Asia/Tokyo")), "ErrorInvalidRequest"},
		"property id without GUID":   {flight(1, "singleValueExtendedProperties", []any{map[string]any{"id": "String Name x", "value": "y"}}), "ErrorInvalidRequest"},
		"property value as number":   {flight(1, "singleValueExtendedProperties", []any{map[string]any{"id": mark, "value": 1}}), "RequestBodyRead"},
		"attendee without address":   {flight(1, "attendees", []any{map[string]any{"emailAddress": map[string]any{"address": "nobody"}}}), "ErrorInvalidRecipients"},
		"name twice":                 {`{"subject":"a","subject":"b"}`, "RequestBodyRead"},
		"not JSON":                   {`subject=a`, "RequestBodyRead"},
		"two values":                 {`{}{}`, "RequestBodyRead"},
		"a list":                     {`[]`, "RequestBodyRead"},
		"nothing":                    {``, "RequestBodyRead"},
	} {
		got := w.do("POST", events, tt.body)
		if got.status != 400 || got.code() != tt.code {
			t.Errorf("create, %s: %d %s, want 400 %s", name, got.status, got.code(), tt.code)
		}
		if name == "no start" || name == "no end" {
			continue // a patch may leave both out
		}
		if got := w.do("PATCH", events+"/"+id, tt.body); got.status != 400 || got.code() != tt.code {
			t.Errorf("update, %s: %d %s, want 400 %s", name, got.status, got.code(), tt.code)
		}
	}
	w.fails(400, "RequestBodyRead", "POST", events, flight(1), "Content-Type", "text/plain")
	w.fails(501, "NotImplemented", "POST", events, flight(1, "extensions", []any{}))
	w.fails(400, "ErrorPropertyValidationFailure", "PATCH", events+"/"+id, `{"start":null}`)
	w.fails(400, "ErrorInvalidRequest", "PATCH", events+"/"+id, `{"transactionId":"other"}`)
	if n := len(w.store.Events(acme, aino)); n != 1 {
		t.Errorf("%d events after refusals, want 1", n)
	}
}

// Contract 2.3, open: the code for an unknown zone.
func TestTheCodeForAnUnknownZoneHasASwitch(t *testing.T) {
	w := start(t, exchange.Switches{ZoneFailureCode: "ErrorPropertyValidationFailure"}, nil)
	w.fails(400, "ErrorPropertyValidationFailure", "POST", events, flight(1, "start", at("2026-12-01T12:00:00", "Mars")))
}

// Contract 2.3, 3.5: Windows and IANA names, daylight saving nights.
func TestZonesAreReadByBothKindsOfName(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	for _, tt := range []struct{ start, zone, utc, original string }{
		{"2026-12-01T16:05:00", "FLE Standard Time", "2026-12-01T14:05:00.0000000", "FLE Standard Time"},
		{"2026-12-01T16:05:00", "fle standard time", "2026-12-01T14:05:00.0000000", "FLE Standard Time"},
		{"2026-12-01T16:05:00", "Europe/Helsinki", "2026-12-01T14:05:00.0000000", "FLE Standard Time"},
		{"2026-12-01T16:05:00.25", "Etc/GMT", "2026-12-01T16:05:00.2500000", "UTC"},
		{"2026-12-01T16:05:00", "Pacific/Chatham", "2026-12-01T02:20:00.0000000", "Chatham Islands Standard Time"},
		{"2026-03-29T03:30:00", "Europe/Helsinki", "2026-03-29T01:30:00.0000000", "FLE Standard Time"},      // in the gap: moves forward
		{"2026-10-25T03:30:00", "Europe/Helsinki", "2026-10-25T00:30:00.0000000", "FLE Standard Time"},      // overlap: the first
		{"2026-11-01T01:30:00", "America/New_York", "2026-11-01T05:30:00.0000000", "Eastern Standard Time"}, // overlap west of UTC
		{"2026-03-08T02:30:00", "Pacific Standard Time", "2026-03-08T10:30:00.0000000", "Pacific Standard Time"},
	} {
		got := w.must(201, "POST", events, flight(1, "start", at(tt.start, tt.zone), "end", at("2026-12-31T00:00:00", "UTC")))
		if s := got.json["start"].(map[string]any); s["dateTime"] != tt.utc || got.json["originalStartTimeZone"] != tt.original {
			t.Errorf("%s %s: %v, original %v; want %s, %s", tt.start, tt.zone, s["dateTime"], got.json["originalStartTimeZone"], tt.utc, tt.original)
		}
	}
}

// Contract 3.1, 3.2: plainly wrong recurrence is refused, the rest comes back full.
func TestRecurrenceIsCheckedAndComesBack(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	rule := func(pattern, span map[string]any) any { return map[string]any{"pattern": pattern, "range": span} }
	type m = map[string]any
	noEnd := m{"type": "noEnd", "startDate": "2026-12-01"}
	for name, r := range map[string]any{
		"no interval":        rule(m{"type": "daily"}, noEnd),
		"no days":            rule(m{"type": "weekly", "interval": 1}, noEnd),
		"day 32":             rule(m{"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 32}, noEnd),
		"unused month 13":    rule(m{"type": "daily", "interval": 1, "month": 13}, noEnd),
		"no month":           rule(m{"type": "absoluteYearly", "interval": 1, "dayOfMonth": 1}, noEnd),
		"other start date":   rule(m{"type": "daily", "interval": 1}, m{"type": "noEnd", "startDate": "2026-12-02"}),
		"end before start":   rule(m{"type": "daily", "interval": 1}, m{"type": "endDate", "startDate": "2026-12-01", "endDate": "2026-11-30"}),
		"numbered without":   rule(m{"type": "daily", "interval": 1}, m{"type": "numbered", "startDate": "2026-12-01"}),
		"zone of another":    rule(m{"type": "daily", "interval": 1}, m{"type": "noEnd", "startDate": "2026-12-01", "recurrenceTimeZone": "Asia/Tokyo"}),
		"pattern of no type": rule(m{"interval": 1}, noEnd),
	} {
		if got := w.do("POST", events, flight(1, "recurrence", r)); got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	got := w.must(201, "POST", events, flight(1, "recurrence", rule(m{"type": "Weekly", "interval": 2, "daysOfWeek": []any{"Tuesday"}},
		m{"type": "numbered", "startDate": "2026-12-01", "numberOfOccurrences": 10, "recurrenceTimeZone": "Europe/Helsinki"})))
	r := got.json["recurrence"].(map[string]any)
	pattern, span := r["pattern"].(map[string]any), r["range"].(map[string]any)
	if got.json["type"] != "seriesMaster" || pattern["firstDayOfWeek"] != "sunday" || pattern["index"] != "first" ||
		pattern["month"] != 0.0 || span["recurrenceTimeZone"] != "FLE Standard Time" || span["endDate"] != "0001-01-01" {
		t.Errorf("series: %s", got.body)
	}
	if got := w.must(200, "GET", "/users/"+aino+"/calendarView?startDateTime=2026-12-01&endDateTime=2026-12-31", nil); len(got.json["value"].([]any)) != 3 {
		t.Errorf("in December: %s", got.body)
	}
	got = w.must(200, "PATCH", events+"/"+got.id(), `{"recurrence":null}`)
	if got.json["type"] != "singleInstance" || got.json["recurrence"] != nil {
		t.Errorf("single again: %s", got.body)
	}
}
