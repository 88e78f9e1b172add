package graphapi_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Contract 2.1 and 2.2.
func TestAnEventIsCreatedReadChangedAndDeleted(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	made := w.must(201, "POST", events, flight(1))
	got := w.must(200, "GET", events+"/"+url.PathEscape(made.id()), nil)
	if diff := cmp.Diff(made.json, got.json); diff != "" {
		t.Errorf("create and get differ (-create +get):\n%s", diff)
	}
	w.clock.advance(time.Minute)
	changed := w.must(200, "PATCH", events+"/"+made.id(), map[string]any{"subject": "Late flight"})
	for name, value := range made.json {
		same := cmp.Equal(value, changed.json[name])
		if should := !slices.Contains([]string{"subject", "changeKey", "@odata.etag", "lastModifiedDateTime"}, name); same != should {
			t.Errorf("%s: was %v, is %v", name, value, changed.json[name])
		}
	}
	gone := w.must(204, "DELETE", events+"/"+made.id(), nil)
	if len(gone.body) != 0 || gone.header.Get("request-id") == "" {
		t.Errorf("delete answered %q, request-id %q", gone.body, gone.header.Get("request-id"))
	}
	w.fails(404, "ErrorItemNotFound", "DELETE", events+"/"+made.id(), nil)
	w.fails(404, "ErrorItemNotFound", "GET", events+"/"+made.id(), nil)
	w.fails(404, "ErrorItemNotFound", "PATCH", events+"/"+made.id(), map[string]any{"subject": "x"})
}

// The official sample of POST /me/events gives order and shape (2.2).
func TestAnEventLooksLikeTheOfficialSample(t *testing.T) {
	data, err := os.ReadFile("testdata/samples.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []struct {
		URL, Method string
		Body        json.RawMessage
	}
	if err := json.Unmarshal(data, &samples); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(samples, func(s struct {
		URL, Method string
		Body        json.RawMessage
	}) bool {
		return strings.HasSuffix(s.URL, "/v1.0/me/events") && s.Method == "POST"
	})
	w := start(t, exchange.Switches{}, nil)
	made := w.must(201, "POST", events, flight(1))
	if diff := cmp.Diff(names(t, samples[at].Body), names(t, made.body)); diff != "" {
		t.Errorf("members (-sample +ours):\n%s", diff)
	}
	want := map[string]string{
		"id":          `^AAMkA[A-Za-z0-9_-]{146}=$`,
		"changeKey":   `^[A-Za-z0-9+/]{30}==$`,
		"@odata.etag": `^W/"[A-Za-z0-9+/]{30}=="$`,
		"iCalUId":     `^040000008200E00074C5B7101A82E00800000000[0-9A-F]{16}000000000000000010000000[0-9A-F]{32}$`,
		"webLink":     `^https://outlook.office365.com/owa/\?itemid=AAMk[^&]+&exvsurl=1&path=/calendar/item$`,
	}
	for name, pattern := range want {
		if value, _ := made.json[name].(string); !regexp.MustCompile(pattern).MatchString(value) {
			t.Errorf("%s is %q, want %s", name, value, pattern)
		}
	}
}

// names lists the members of an object in their order.
func names(t *testing.T, body []byte) []string {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.Token()
	var all []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, key.(string))
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Defaults of 2.2.
func TestAFreshEventHasTheDefaults(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	bare := map[string]any{"start": flight(1)["start"], "end": flight(1)["end"]}
	made := w.must(201, "POST", events, bare)
	want := map[string]any{
		"subject": "", "bodyPreview": "", "isAllDay": false, "attendees": []any{}, "categories": []any{},
		"showAs": "busy", "sensitivity": "normal", "importance": "normal", "isReminderOn": true,
		"reminderMinutesBeforeStart": 15.0, "isDraft": false, "isCancelled": false, "isOrganizer": true,
		"responseRequested": true, "allowNewTimeProposals": true, "hideAttendees": false, "hasAttachments": false,
		"isOnlineMeeting": false, "onlineMeetingProvider": "unknown", "onlineMeeting": nil, "onlineMeetingUrl": nil,
		"recurrence": nil, "seriesMasterId": nil, "type": "singleInstance", "transactionId": nil, "occurrenceId": nil,
		"locations":             []any{},
		"location":              map[string]any{"displayName": "", "locationType": "default", "uniqueIdType": "unknown", "address": map[string]any{}, "coordinates": map[string]any{}},
		"originalStartTimeZone": "FLE Standard Time", "originalEndTimeZone": "GMT Standard Time",
		"start":          map[string]any{"dateTime": "2026-12-01T14:05:00.0000000", "timeZone": "UTC"},
		"end":            map[string]any{"dateTime": "2026-12-01T17:20:00.0000000", "timeZone": "UTC"},
		"responseStatus": map[string]any{"response": "organizer", "time": "0001-01-01T00:00:00Z"},
		"organizer":      map[string]any{"emailAddress": map[string]any{"name": "Aino", "address": aino}},
	}
	for name, value := range want {
		if diff := cmp.Diff(value, made.json[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, expanded := made.json["singleValueExtendedProperties"]; expanded {
		t.Error("extended properties come unasked")
	}
	allDay := w.must(201, "POST", events, flight(1, "isAllDay", true,
		"start", map[string]any{"dateTime": "2026-12-01T00:00:00", "timeZone": "Asia/Tokyo"},
		"end", map[string]any{"dateTime": "2026-12-04T00:00:00", "timeZone": "Tokyo Standard Time"}))
	if allDay.json["showAs"] != "free" {
		t.Errorf("all-day shows as %v", allDay.json["showAs"])
	}
	if s := allDay.json["start"].(map[string]any); s["dateTime"] != "2026-12-01T00:00:00.0000000" || s["timeZone"] != "UTC" {
		t.Errorf("all-day starts %v", s)
	}
}

// Contract 2.2, 2.8: what null clears, what a location mirrors, what a write echoes.
func TestAPatchSetsClearsAndMirrors(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	made := w.must(201, "POST", events, flight(1, "categories", []string{"Red"}, "showAs", "OOF", "importance", "High",
		"location", map[string]any{"displayName": "HEL"}, "singleValueExtendedProperties", marked("ab")))
	path := events + "/" + made.id()
	location := made.json["location"].(map[string]any)
	if location["uniqueId"] != "HEL" || location["uniqueIdType"] != "private" || len(made.json["locations"].([]any)) != 1 {
		t.Errorf("location %v, locations %v", location, made.json["locations"])
	}
	if made.json["showAs"] != "oof" || made.json["importance"] != "high" {
		t.Errorf("showAs %v, importance %v", made.json["showAs"], made.json["importance"])
	}
	got := w.must(200, "PATCH", path, `{"subject":null,"categories":null,"location":null,"showAs":null,"isReminderOn":false}`)
	if got.json["subject"] != "" || len(got.json["categories"].([]any)) != 0 || len(got.json["locations"].([]any)) != 0 ||
		got.json["showAs"] != "busy" || got.json["isReminderOn"] != false {
		t.Errorf("cleared: %s", got.body)
	}
	two := []any{map[string]any{"displayName": "A"}, map[string]any{"displayName": "B", "address": map[string]any{"city": "Turku"}}}
	got = w.must(200, "PATCH", path, map[string]any{"locations": two})
	if got.json["location"].(map[string]any)["displayName"] != "A" || len(got.json["locations"].([]any)) != 2 {
		t.Errorf("two locations: %s", got.body)
	}
	expanded := w.must(200, "GET", path+"?$expand="+url.PathEscape("singleValueExtendedProperties($filter=id eq '"+mark+"')"), nil)
	if diff := cmp.Diff(marked("ab"), expanded.json["singleValueExtendedProperties"]); diff != "" {
		t.Errorf("expanded (-want +got):\n%s", diff)
	}
}

// Contract 2.3: Prefer outlook.timezone, body-content-type; Preference-Applied (1).
func TestPreferChoosesZoneAndBody(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	made := w.must(201, "POST", events, flight(1, "body", map[string]any{"contentType": "text", "content": "a < b\nc"}))
	path := events + "/" + made.id()
	got := w.must(200, "GET", path, nil, "Prefer", `outlook.timezone="W. Europe Standard Time", outlook.body-content-type="text"`)
	if s := got.json["start"].(map[string]any); s["dateTime"] != "2026-12-01T15:05:00.0000000" || s["timeZone"] != "W. Europe Standard Time" {
		t.Errorf("start %v", s)
	}
	if b := got.json["body"].(map[string]any); b["contentType"] != "text" || !strings.Contains(b["content"].(string), "a < b") {
		t.Errorf("body %v", b)
	}
	if p := got.header.Get("Preference-Applied"); p != `outlook.timezone="W. Europe Standard Time", outlook.body-content-type="text"` {
		t.Errorf("applied %q", p)
	}
	got = w.must(200, "GET", path, nil)
	content := got.json["body"].(map[string]any)["content"].(string)
	if !strings.HasPrefix(content, "<html><head>\r\n<meta") || !strings.Contains(content, "a &lt; b<br>\r\nc") || got.header.Get("Preference-Applied") != "" {
		t.Errorf("html %q, applied %q", content, got.header.Get("Preference-Applied"))
	}
	again := w.must(200, "PATCH", path, map[string]any{"body": map[string]any{"contentType": "html", "content": content}})
	if again.json["body"].(map[string]any)["content"] != content {
		t.Errorf("what was read and sent back became %q", again.json["body"])
	}
	w.fails(400, "TimeZoneNotSupportedException", "GET", path, nil, "Prefer", `outlook.timezone="Middle Earth"`)
}

// Contract 10 and 1: both forms of id, both spellings of keys, many of paths.
func TestEverySpellingOfAPathFindsTheEvent(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	mutable := w.must(201, "POST", events, flight(1)).id()
	immutable := w.must(200, "GET", events+"/"+mutable, nil, "Prefer", `IdType="ImmutableId"`).id()
	if immutable == mutable || !strings.HasPrefix(immutable, "AAkALg") {
		t.Errorf("immutable %q, mutable %q", immutable, mutable)
	}
	calendar := w.must(200, "GET", "/users/"+aino+"/calendar", nil).id()
	user, err := w.store.User(acme, aino)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{
		"/users/" + aino, "/users/AINO@Acme.Example", "/users('" + aino + "')", "/users/a.virtanen@acme.example",
		"/users/" + user.ObjectID, "/users/" + aino + "/calendar", "/users/" + aino + "/calendars/" + calendar,
		"/users/" + aino + "/calendars('" + calendar + "')", "/users/" + aino + "/calendarGroups/AAA=/calendars/" + calendar, "/Users/" + aino,
	} {
		for _, id := range []string{mutable, immutable} {
			for _, key := range []string{"/events/" + id, "/events('" + id + "')", "/events/" + url.PathEscape(id), "/events/" + strings.ReplaceAll(id, "=", "%3D")} {
				if got := w.do("GET", prefix+key, nil); got.id() != mutable {
					t.Errorf("GET %s%s: %d %s", prefix, key, got.status, got.body)
				}
			}
		}
	}
	w.token = "aino"
	if got := w.do("GET", "/me/events/"+immutable, nil); got.id() != mutable {
		t.Errorf("me: %d %s", got.status, got.body)
	}
	w.fails(400, "ErrorInvalidIdMalformed", "GET", "/me/events/"+strings.ToLower(mutable), nil)
}

// Contract 10: the mutable id changes on a move, the immutable one does not.
func TestAMoveChangesTheMutableIDOnly(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	made := w.must(201, "POST", events, flight(1), "Prefer", `IdType="ImmutableId"`)
	before := w.must(200, "GET", events+"/"+made.id(), nil).id()
	second, err := w.store.AddCalendar(acme, aino, "Travel")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Owner(acme, aino).File(made.id(), second.ID); err != nil {
		t.Fatal(err)
	}
	w.fails(404, "ErrorItemNotFound", "GET", events+"/"+before, nil)
	if after := w.must(200, "GET", events+"/"+made.id(), nil).id(); after == before {
		t.Error("the mutable id stayed")
	}
	if n := len(found(w.must(200, "GET", "/users/"+aino+"/calendars/"+second.ID+"/events", nil))); n != 1 {
		t.Errorf("%d events in the calendar it moved to", n)
	}
	if n := len(found(w.must(200, "GET", "/users/"+aino+"/calendar/events", nil))); n != 0 {
		t.Errorf("%d events in the calendar it left", n)
	}
}

// Contract 2.4, 2.6: conditions in every form.
func TestIfMatchTakesEveryFormOfTheCurrentKey(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	made := w.must(201, "POST", events, flight(1))
	path := events + "/" + made.id()
	old := made.json["changeKey"].(string)
	forms := func(key string) []string {
		return []string{`W/"` + key + `"`, `"` + key + `"`, `W/"` + exchange.LongChangeKey(key) + `"`, `"zz", W/"` + key + `"`, "*"}
	}
	key := old
	for i := range forms(key) {
		got := w.must(200, "PATCH", path, map[string]any{"subject": "x"}, "If-Match", forms(key)[i])
		key = got.json["changeKey"].(string)
	}
	for _, stale := range forms(old)[:3] {
		w.fails(412, "ErrorIrresolvableConflict", "PATCH", path, map[string]any{"subject": "y"}, "If-Match", stale)
		w.fails(412, "ErrorIrresolvableConflict", "DELETE", path, nil, "If-Match", stale)
	}
	w.fails(400, "BadRequest", "DELETE", path, nil, "If-Match", key)
	w.must(204, "DELETE", path, nil, "If-Match", `W/"`+key+`"`)
}

// Contract 1: request compression; 4 MB cap of section 9.
func TestBodiesMayBePackedAndAreBounded(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	pack := func(b []byte) []byte {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write(b)
		z.Close()
		return packed.Bytes()
	}
	plain, _ := json.Marshal(flight(1))
	w.must(201, "POST", events, pack(plain), "Content-Encoding", "gzip")
	w.fails(415, "UnsupportedMediaType", "POST", events, plain, "Content-Encoding", "br")
	w.fails(400, "BadRequest", "POST", events, plain, "Content-Encoding", "gzip")
	large, _ := json.Marshal(flight(1, "subject", strings.Repeat("x", 4<<20)))
	w.fails(413, "RequestEntityTooLarge", "POST", events, large)
	w.fails(413, "RequestEntityTooLarge", "POST", events, pack(large), "Content-Encoding", "gzip")
}
