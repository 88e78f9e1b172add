package graphapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Whatever is accepted as an event can be stored or is refused, and what is
// stored comes out as JSON.
func FuzzDecodeEvent(f *testing.F) {
	for _, seed := range []string{
		`{"subject":"x","start":{"dateTime":"2026-12-01T16:05:00","timeZone":"UTC"},"end":{"dateTime":"2026-12-01T17:05:00.5","timeZone":"Europe/Helsinki"}}`,
		`{"body":{"contentType":"HTML","content":"<html><head></head><body>x</body></html>"},"categories":["a"],"isAllDay":true}`,
		`{"location":{"displayName":"x","coordinates":{"latitude":1}},"attendees":[{"emailAddress":{"address":"a@b"}}]}`,
		`{"recurrence":{"pattern":{"type":"weekly","interval":1,"daysOfWeek":["monday"]},"range":{"type":"noEnd","startDate":"2026-12-01"}}}`,
		`{"singleValueExtendedProperties":[{"id":"String {6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3} Name x","value":"y"}]}`,
		`{"subject":null,"recurrence":null,"location":null,"@odata.type":"#microsoft.graph.event"}`, `{`, `[]`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := DecodeEvent(body)
		if err != nil {
			return
		}
		store := exchange.New(func() time.Time { return time.Unix(1e9, 0) }, exchange.Switches{})
		store.AddUser("t", exchange.User{Principal: "a@b"})
		e, err := store.Create("t", "a@b", "", c)
		if err != nil {
			return
		}
		if out := encodeEvent(&e, view{}).append(nil); !json.Valid(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzDecodeBatch(f *testing.F) {
	for _, seed := range []string{
		`{"requests":[{"id":"1","method":"GET","url":"/me/events"}]}`,
		`{"requests":[{"id":"1","method":"POST","url":"me/events","headers":{"Content-Type":"application/json"},"body":{"a":1}},{"id":"2","method":"GET","url":"/x","dependsOn":["1"]}]}`,
		`{"requests":[{"id":"1","method":"POST","url":"/x","headers":{"Content-Type":"text/plain"},"body":"aGk"}]}`, `{"requests":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := decodeBatch(body)
		if err != nil {
			return
		}
		if len(items) == 0 || len(items) > mostItems {
			t.Errorf("%d items", len(items))
		}
		for _, it := range items {
			if it.id == "" || it.method == "" || it.url == "" || it.header.Get("Authorization") != "" {
				t.Errorf("item %+v", it)
			}
		}
	})
}

// A filter that parses can be asked about any event.
func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{
		"singleValueExtendedProperties/Any(ep: ep/id eq 'String {6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3} Name x' and ep/value eq 'y')",
		"singleValueExtendedProperties/Any(ep: ep/id eq 'Integer 0x0037' and cast(ep/value, Edm.Int32) gt 5)",
		"not (subject eq 'it''s' or contains(subject,'x')) and isAllDay ne true", "start/dateTime ge '2026-12-01T00:00:00Z'", "((((", "'",
	} {
		f.Add(seed)
	}
	event := exchange.Event{Subject: "x", Indexed: true, Properties: []exchange.Property{{ID: exchange.PropertyID{Type: "String", Kind: "Name", Name: "x"}, Value: "7"}}}
	f.Fuzz(func(t *testing.T, s string) {
		if filter, err := ParseFilter(s); err == nil {
			filter(&event)
		}
		if _, err := ParseExpand(s); err == nil && !strings.Contains(strings.ToLower(s), "singlevalueextendedproperties") {
			t.Errorf("expanded %q", s)
		}
	})
}

// A path that is accepted names a user or the directory, whatever it looks like.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{
		"me/events", "users/a%40b/events/AAMk%3D", "users('a')/events('b')", "users/a/calendars/c/calendarView", "organization",
		"users/a/calendarGroups/g/calendars/c/events/e/permanentDelete", "users/a/calendarView/delta()", "users/../organization", "users/%2e%2e/events", "//", "%",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		route, err := ParsePath(path)
		if err != nil {
			return
		}
		inMailbox := route.Kind.inMailbox()
		if inMailbox && !route.Me && route.User == "" {
			t.Errorf("%q: no user in %+v", path, route)
		}
		if (route.Kind == OneEvent || route.Kind == Permanent) && route.Event == "" {
			t.Errorf("%q: no event in %+v", path, route)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"$top=5&$skip=10", "%24select=subject,body", "startDateTime=2026-12-01&enddatetime=2026-12-02T00:00:00%2B02:00", "$orderby=subject desc", "a=%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if q, err := parseQuery(raw); err == nil && (q.Top < 0 || q.Top > 1000 || q.Skip < 0) {
			t.Errorf("%q: top %d, skip %d", raw, q.Top, q.Skip)
		}
	})
}

// A string written is the string read.
func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "a\"b\\c", "\x00\x1f\u2028 é ✈", "\xff\xfe"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		if want := s; utf8.ValidString(s) {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// Whatever is accepted as a subscription is shown as JSON, and nothing panics.
func FuzzDecodeSubscription(f *testing.F) {
	for _, seed := range []string{
		`{"changeType":"created,updated","notificationUrl":"https://x.example/n","resource":"/me/events","expirationDateTime":"2026-11-26T12:00:00.0Z","clientState":"s"}`,
		`{"expirationDateTime":"2026-11-26T12:00:00+02:00"}`, `{"includeResourceData":true}`, `{"a":1}`, `null`, `[]`, `{"resource":null,"@odata.type":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decodeSubscription(body)
		if err != nil {
			return
		}
		if out := encodeSubscription(s.Subscription).append(nil); !json.Valid(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

// Whatever follows the question mark of a delta request is read or refused with 400.
func FuzzDeltaQuery(f *testing.F) {
	for _, seed := range []string{"startDateTime=2026-12-01&endDateTime=2026-12-31", "$top=5", "%24select=subject", "$skiptoken=x&$deltatoken=y", "$deltatoken=", "a=%zz", "startDateTime=2026-12-01T00:00:00%2B02:00&enddatetime=x"} {
		f.Add(seed)
	}
	store := exchange.New(func() time.Time { return time.Unix(1e9, 0) }, exchange.Switches{})
	store.AddUser("t", exchange.User{Principal: "a@b"})
	api := New(store, nil, func() time.Time { return time.Unix(1e9, 0) }, nil)
	f.Fuzz(func(t *testing.T, query string) {
		out := api.delta(&request{query: query, caller: Caller{Tenant: "t", App: "a"}, path: "users/a@b/calendarView/delta"}, Route{Kind: Delta, User: "a@b"})
		if out.status != 200 && out.status != 400 && out.status != 410 || !json.Valid(out.body) {
			t.Errorf("%d %s", out.status, out.body)
		}
	})
}
