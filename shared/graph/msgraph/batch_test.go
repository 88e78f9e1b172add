package msgraph_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

// item is one response of a batch.
func item(id any, status int, headers, body string) string {
	name, _ := json.Marshal(id)
	return fmt.Sprintf(`{"id":%s,"status":%d,"headers":{%s},"body":%s}`, name, status, headers, body)
}

func responses(items ...string) string { return `{"responses":[` + strings.Join(items, ",") + `]}` }

func created(id string) string { return strings.Replace(made, `"AAk="`, `"`+id+`"`, 1) }

func TestABatchesAnswersComeInAnyOrderAndShape(t *testing.T) {
	encoded := `"` + base64.StdEncoding.EncodeToString([]byte(created("four"))) + `"`
	_, c := serve(t, answerWith(200, responses(
		item("4", 201, "", encoded),
		item("3", 429, `"retry-after":"7","request-id":"own"`, `{"error":{"code":"ApplicationThrottled","message":"x"}}`),
		item(2, 201, `"Retry-After":7`, created("two")),
		item("6", 503, `"Retry-After":9`, `"<html>"`),
		item("1", 201, "", created("one")),
	)))
	var calls []graph.Call
	for n := range 6 {
		calls = append(calls, flight(n))
	}
	results := c.Do(t.Context(), graph.AppAccess(tenant), calls)
	for i, want := range []string{"one", "two", "", "four"} {
		if want != "" && (results[i].Err != nil || results[i].Event.ID != want || results[i].RequestID != "req-1") {
			t.Errorf("call %d: %+v", i, results[i])
		}
	}
	if r := results[2]; r.Err == nil || r.Err.Kind != graph.Throttled || r.Err.RetryAfter != 7*time.Second || r.RequestID != "own" {
		t.Errorf("throttled: %+v", r)
	}
	if r := results[4]; r.Err == nil || r.Err.Kind != graph.Transient || !r.Err.Unanswered || r.Status != 0 {
		t.Errorf("missing: %+v", r)
	}
	if r := results[5]; r.Err == nil || r.Err.Kind != graph.Throttled || r.Err.RetryAfter != 9*time.Second {
		t.Errorf("html: %+v", r)
	}
}

func TestABatchesOddItemsAreUnanswered(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "html": "<html>", "no responses": "{}", "null": `{"responses":null}`, "another type": `{"responses":{}}`,
		"cut":          `{"responses":[{"id":"1","status":201,"body":{"id":"x"}}`,
		"foreign ids":  responses(item("0", 201, "", made), item("3", 201, "", made), item("x", 201, "", made)),
		"twice":        responses(item("1", 201, "", made), item("1", 404, "", `{}`), item("2", 201, "", made), item("2", 201, "", made)),
		"three times":  responses(item("1", 201, "", made), item("1", 201, "", made), item("1", 201, "", made)),
		"no status":    `{"responses":[{"id":"1","body":{"id":"x"}},{"id":"2","status":"soon","body":{"id":"x"}}]}`,
		"odd status":   responses(item("1", 0, "", made), item("2", 999, "", made)),
		"no body":      `{"responses":[{"id":"1","status":201},{"id":"2","status":200,"body":null}]}`,
		"a giant":      responses(item("1", 201, "", `{"id":"`+strings.Repeat("x", 2<<20)+`"}`)),
		"not an item":  `{"responses":[7,"x",null,[],{}]}`,
		"odd headers":  `{"responses":[{"id":"1","status":201,"headers":7,"body":{"id":"x"}}]}`,
		"empty bodies": responses(item("1", 201, "", "{}"), item("2", 201, "", `""`)),
	} {
		t.Run(name, func(t *testing.T) {
			_, c := serve(t, answerWith(200, body))
			for i, r := range c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{flight(1), flight(2)}) {
				if r.Err == nil || r.Err.Kind != graph.Transient || !r.Err.Unanswered {
					t.Errorf("call %d: %+v", i, r)
				}
			}
		})
	}
}

func TestOnlyItemsWithA401AreSentAgain(t *testing.T) {
	for _, refused := range []int{1, 2} {
		s, c := serve(t, func(w http.ResponseWriter, r sent) {
			if r.Header.Get("Authorization") == "Bearer token-0" {
				items := []string{item("1", 201, "", created("one")), item("2", 201, "", created("two")), item("3", 201, "", created("three"))}
				for i := range refused {
					items[i] = item(fmt.Sprint(i+1), 401, "", `{"error":{"code":"InvalidAuthenticationToken"}}`)
				}
				io.WriteString(w, responses(items...))
				return
			}
			if strings.HasSuffix(r.URL, "/$batch") {
				io.WriteString(w, responses(item("2", 201, "", created("again-2")), item("1", 201, "", created("again-1"))))
				return
			}
			w.WriteHeader(201)
			io.WriteString(w, created("again-1"))
		})
		results := c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{flight(1), flight(2), flight(3)})
		want := []string{"again-1", "two", "three"}
		if refused == 2 {
			want[1] = "again-2"
		}
		for i, r := range results {
			if r.Err != nil || r.Event.ID != want[i] {
				t.Errorf("%d refused, call %d: %+v, want %s", refused, i, r, want[i])
			}
		}
		if got := s.requests(); len(got) != 2 || strings.Contains(string(got[1].Body), flight(3).TransactionID) {
			t.Errorf("%d refused: %d requests", refused, len(got))
		}
	}
}

func found(n int, mark, next string) string {
	e := strings.Replace(created(fmt.Sprint("id-", n)), `"isCancelled"`,
		fmt.Sprintf(`"singleValueExtendedProperties":[{"id":%q,"value":%q}],"isCancelled"`, graph.MarkProperty, mark), 1)
	if next != "" {
		next = fmt.Sprintf(`,"@odata.nextLink":%q`, next)
	}
	return `{"value":[` + e + `]` + next + `}`
}

func TestASearchFollowsPagesOnItsOwnHostOnly(t *testing.T) {
	find := graph.Call{Op: graph.Find, Mailbox: mailbox, Mark: flight(1).Mark}
	var s *server
	pages := 0
	s, c := serve(t, func(w http.ResponseWriter, r sent) {
		if pages++; pages < 3 {
			io.WriteString(w, found(pages, find.Mark, s.URL+"/v1.0/users/x/events?$skip="+fmt.Sprint(pages)))
			return
		}
		io.WriteString(w, found(pages, strings.ToUpper(find.Mark), ""))
	})
	r := c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{find})[0]
	if r.Err != nil || len(r.Found) != 3 || r.Found[0].ID != "id-1" {
		t.Fatalf("%+v", r)
	}
	for _, got := range s.requests() {
		if got.Method != "GET" || got.Header.Get("Prefer") == "" || got.Header.Get("Authorization") == "" {
			t.Errorf("%+v", got)
		}
	}
	if got := s.requests()[2].URL; got != "/v1.0/users/x/events?$skip=2" {
		t.Errorf("third page at %s", got)
	}
}

// Finding nothing and not being able to say look different.
func TestASearchThatCannotBeTrustedIsAFailure(t *testing.T) {
	find := graph.Call{Op: graph.Find, Mailbox: mailbox, Mark: flight(1).Mark}
	var s *server
	for name, page := range map[string]func() string{
		"another host":    func() string { return found(1, find.Mark, "https://evil.example/v1.0/users/x/events") },
		"another scheme":  func() string { return found(1, find.Mark, strings.Replace(s.URL, "http", "https", 1)+"/v1.0/x") },
		"another version": func() string { return found(1, find.Mark, s.URL+"/beta/x") },
		"user info":       func() string { return found(1, find.Mark, strings.Replace(s.URL, "http://", "http://a@", 1)+"/v1.0/x") },
		"no link":         func() string { return found(1, find.Mark, "::") },
		"without end":     func() string { return found(1, find.Mark, s.URL+"/v1.0/x") },
		"not filtered":    func() string { return found(1, flight(2).Mark, "") },
		"no mark":         func() string { return `{"value":[` + made + `]}` },
		"no list":         func() string { return `{}` },
		"null list":       func() string { return `{"value":null}` },
	} {
		t.Run(name, func(t *testing.T) {
			srv, c := serve(t, func(w http.ResponseWriter, r sent) { io.WriteString(w, page()) })
			s = srv
			r := c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{find})[0]
			if r.Err == nil || r.Err.Kind != graph.Transient || len(r.Found) != 0 {
				t.Errorf("%+v", r)
			}
			if n := len(s.requests()); n > 5 {
				t.Errorf("%d requests", n)
			}
		})
	}
	if r, _ := one(t, find, 200, `{"value":[]}`); r.Err != nil || len(r.Found) != 0 {
		t.Errorf("nothing found: %+v", r)
	}
}

func BenchmarkDo(b *testing.B) {
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var items []string
			var calls []graph.Call
			for i := range n {
				items = append(items, item(fmt.Sprint(i+1), 201, `"Content-Type":"application/json"`, made))
				calls = append(calls, flight(i))
			}
			status, body := 200, responses(items...)
			if n == 1 {
				status, body = 201, made
			}
			_, c := serve(b, answerWith(status, body))
			b.ReportAllocs()
			for b.Loop() {
				if r := c.Do(b.Context(), graph.AppAccess(tenant), calls); r[n-1].Err != nil {
					b.Fatal(r[n-1].Err)
				}
			}
		})
	}
}
