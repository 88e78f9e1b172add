package msgraph

import (
	"net/http"
	"testing"

	"github.com/calbridge/calbridge/shared/graph"
)

// Whatever Graph answers, each call gets exactly one meaning, and a success has
// what its caller needs.
func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"id":"A","changeKey":"DwAAABYAAABmWdbhEgBXTophjCWt81m9AAAt9l5F","createdDateTime":"2026-11-21T09:00:00Z"}`)
	f.Add(404, `{"error":{"code":"ErrorItemNotFound","message":null,"innererror":7}}`)
	f.Add(400, `{"error":{"code":"ErrorDuplicateTransactionId","@event.existingEventId":"A"}}`)
	f.Add(200, `{"value":[{"id":"A","singleValueExtendedProperties":[{"id":"x"}]}],"@odata.nextLink":"https://x/v1.0/y"}`)
	f.Add(502, `<html>`)
	f.Add(204, ``)
	c, err := New(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		for op := graph.Create; op <= graph.Find; op++ {
			call := graph.Call{Op: op, Mark: "00000000000000000000000000000000"}
			a := answer{status: status, header: http.Header{}, body: []byte(body)}
			if op == graph.Find && nextLinkIsOurs(c, a) {
				continue // would be followed
			}
			r := c.result(t.Context(), graph.Access{}, call, a)
			switch {
			case r.Err != nil:
				if r.Err.Kind < graph.Transient || r.Err.Kind > graph.Gone {
					t.Errorf("%v: kind %d", op, r.Err.Kind)
				}
			case status < 200 || status > 299:
				t.Errorf("%v: status %d is no failure", op, status)
			case op != graph.Delete && op != graph.Find && r.Event.ID == "":
				t.Errorf("%v: success without an id", op)
			}
		}
	})
}

func nextLinkIsOurs(c *Client, a answer) bool {
	var page struct {
		NextLink string `json:"@odata.nextLink"`
	}
	if a.decode(&page) != nil {
		return false
	}
	_, err := c.nextPage(page.NextLink)
	return err == nil
}

// A batch's answer gives one answer per request, each a failure or a status.
func FuzzBatchAnswer(f *testing.F) {
	f.Add(`{"responses":[{"id":"2","status":201,"headers":{"Retry-After":"3"},"body":{"id":"A"}},{"id":"1","status":429,"body":"eA=="}]}`, 2)
	f.Add(`{"responses":[{"id":1,"status":"200"},{"id":"1"},null,7]}`, 3)
	f.Add(`{"responses":{}}`, 1)
	f.Add(``, 20)
	f.Fuzz(func(t *testing.T, body string, n int) {
		if n < 0 || n > MaxCalls {
			return
		}
		answers := decodeBatch(answer{status: 200, header: http.Header{}, body: []byte(body)}, n)
		if len(answers) != n {
			t.Fatalf("%d answers for %d requests", len(answers), n)
		}
		for i, a := range answers {
			switch {
			case a.failure != nil && (!a.failure.Unanswered || a.status != 0):
				t.Errorf("answer %d: %+v", i, a)
			case a.failure == nil && (a.status < 100 || a.status > 599 || a.header == nil):
				t.Errorf("answer %d: %+v", i, a)
			}
		}
	})
}

// Whatever Graph answers to a list of calendars, it is a list whose ids can be stored, or
// a failure and no list.
func FuzzCalendars(f *testing.F) {
	f.Add(200, `{"value":[{"id":"A","name":"Team","isDefaultCalendar":true,"canEdit":true,"owner":{"name":"Aino","address":"A@b.c"}}]}`)
	f.Add(200, `{"value":[{"id":"A"},{"id":"A"},{"id":""}],"@odata.nextLink":"https://x/v1.0/y"}`)
	f.Add(200, `{"value":[],"@odata.nextLink":"https://x/v1.0/y"}`)
	f.Add(200, `{"value":[{"id":7,"name":null,"owner":"x"}]}`)
	f.Add(403, `{"error":{"code":"ErrorAccessDenied"}}`)
	f.Add(200, `{"value":null}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		all := folders{seen: map[string]bool{}}
		next, failure := all.add(answer{status: status, header: http.Header{}, body: []byte(body)})
		if failure != nil {
			if next != "" || failure.Kind < graph.Transient || failure.Kind > graph.Gone {
				t.Errorf("%+v leads on to %q", failure, next)
			}
			return
		}
		if status < 200 || status > 299 || next != "" && len(all.list) == 0 || len(all.list) > graph.MaxFolders {
			t.Errorf("status %d is a list of %d that leads on to %q", status, len(all.list), next)
		}
		ids := map[string]bool{}
		for i, one := range all.ordered() {
			if one.ID == "" || len(one.ID) > graph.MaxFolderID || ids[one.ID] || one.Default && i > 0 && !all.list[i-1].Default {
				t.Errorf("calendar %d: %+v", i, one)
			}
			ids[one.ID] = true
		}
	})
}
