package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// edgeCase is a row of testdata/payloads/response-edge-cases.json.
type edgeCase struct {
	Case        string  `json:"case"`
	Status      *int    `json:"status"`
	ContentType *string `json:"contentType"`
	Body        *string `json:"body"`
	Outcome     string  `json:"hostOutcome"`
}

// raw is the reply of the row on the wire.
func (c edgeCase) raw() string {
	if c.Status == nil {
		return "" // the harness closes the connection
	}
	head := fmt.Sprintf("HTTP/1.1 %d X\r\n", *c.Status)
	if c.ContentType != nil {
		head += "Content-Type: " + *c.ContentType + "\r\n"
	}
	if *c.Status == http.StatusFound {
		head += "Location: /loop\r\n"
	}
	if *c.Status != http.StatusNoContent {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(*c.Body))
	}
	return head + "\r\n" + *c.Body
}

const timerFunction = `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"0 0 0 1 1 *"}]}`

// TestReplyOutcomes walks the table: each row is answered by a real handler to a call
// by hand, and the host's log tells the outcome.
func TestReplyOutcomes(t *testing.T) {
	text, err := os.ReadFile("testdata/payloads/response-edge-cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []edgeCase
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Run(row.Case, func(t *testing.T) {
			handler := newHandler()
			handler.set(func(call) string { return row.raw() })
			clock := &manualClock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
			h := start(t, writeRoot(t, plainHostJSON, map[string]string{"Sweep": timerFunction}), handler, func(o *Options) {
				o.Now = clock.Now
				if row.Case == "handler not listening" {
					o.Launcher = InProcess(func(context.Context, Command) int { return 0 })
				}
			})
			h.awaitReady(t)
			in := h.instance(h.named("Sweep"))
			done := make(chan error, 1)
			go func() {
				_, err := in.invoke(h.named("Sweep"), []byte(`{"Data":{},"Metadata":{}}`))
				done <- err
			}()
			if strings.Contains(row.Outcome, "hang") {
				h.log.await(t, "HANG")
				if h.Restarts() != 0 {
					t.Fatal("killed before functionTimeout")
				}
				clock.advance(5 * time.Minute)
				h.Tick()
				err := <-done
				h.log.await(t, "function timeout")
				if err == nil {
					t.Error("the call succeeded")
				}
				handler.awaitStarts(t, 2)
				return
			}
			err := <-done
			if success := strings.HasPrefix(row.Outcome, "success"); success != (err == nil) {
				t.Errorf("%v, want: %s", err, row.Outcome)
			}
		})
	}
}

func TestReadReply(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		want                    string // ok, hang or fail
	}{
		{"byte order mark", "application/json", "\xef\xbb\xbf{}", 200, "ok"},
		{"text/json in capitals", "TEXT/JSON; charset=latin1", "{}", 299, "ok"},
		{"blank text", "text/plain", " ", 200, "fail"},
		{"null text", "text/plain", "null", 200, "fail"},
		{"empty text", "text/plain", "", 202, "hang"},
		{"string", "application/json", `"x"`, 200, "fail"},
		{"boolean", "application/json", `true`, 200, "fail"},
		{"octets", "application/octet-stream", `{}`, 200, "fail"},
		{"300", "application/json", `{}`, 300, "fail"},
		{"599", "application/json", `{}`, 599, "fail"},
		{"logs null", "application/json", `{"Logs":null,"Outputs":null}`, 200, "ok"},
		{"outputs an array", "application/json", `{"Outputs":[]}`, 200, "fail"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readReply(&reply{status: c.status, header: http.Header{"Content-Type": {c.contentType}}, body: []byte(c.body)})
			got := "fail"
			if err == nil {
				got = "ok"
			} else if err == errHang {
				got = "hang"
			}
			if got != c.want {
				t.Errorf("%s (%v), want %s", got, err, c.want)
			}
		})
	}
}

func TestLogsOfAReplyAreLogged(t *testing.T) {
	handler := newHandler()
	body := `{"Logs":["one",3,true,null]}`
	handler.set(func(call) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	})
	h := start(t, writeRoot(t, plainHostJSON, map[string]string{"Sweep": timerFunction}), handler, nil)
	h.raw(t, request("POST", "/admin/functions/sweep", `{"input":""}`, "x-functions-key: "+MasterKey))
	for _, want := range []string{"one", "3", "true", "[null]"} {
		line := h.log.await(t, want)
		if want != "3" && (line.Category != "Function.Sweep.User" || line.Level != Information || line.Invocation == "") {
			t.Errorf("%+v", line)
		}
	}
}

// FuzzReadReply checks that no body makes the reader panic, and that only objects succeed.
func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"{}", "", " ", "null", `{"Logs":["a",{}]}`, `{"outputs":{"a":[]},"returnvalue":1}`, "{} x", "[]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		_, err := readReply(&reply{status: 200, header: http.Header{"Content-Type": {"application/json"}}, body: []byte(body)})
		if err == nil && !strings.Contains(body, "{") {
			t.Errorf("%q succeeded", body)
		}
	})
}

func TestHTTPOutputs(t *testing.T) {
	root := writeRoot(t, strings.Replace(plainHostJSON, "true", "false", 1), map[string]string{"Items": httpFunction("anonymous", "items")})
	handler := newHandler()
	h := start(t, root, handler, nil)
	for _, c := range []struct {
		name, body string
		status     int
		want       string
		media      string
	}{
		{"sample", `{"Outputs":{"res":{"statusCode":201,"body":{"id":"7"},"headers":{"Location":"/api/items/7","Content-Type":"application/json"}}}}`, 201, "{\n  \"id\": \"7\"\n}", "application/json"},
		{"numeric string", `{"Outputs":{"res":{"statusCode":"404","body":"no"}}}`, 404, "no", "text/plain; charset=utf-8"},
		{"status has no effect", `{"Outputs":{"res":{"status":404,"body":"x"}}}`, 200, "x", "text/plain; charset=utf-8"},
		{"nothing", `{}`, 204, "", ""},
		{"another binding", `{"Outputs":{"RES":{"statusCode":404}}}`, 200, "{}", "text/plain; charset=utf-8"},
		{"null", `{"Outputs":{"res":null}}`, 500, "", ""},
		{"null header", `{"Outputs":{"res":{"headers":{"A":null}}}}`, 500, "", ""},
		{"array header", `{"Outputs":{"res":{"headers":{"A":["x"]}}}}`, 500, "", ""},
		{"merged return value", `{"ReturnValue":{"res":{"statusCode":202,"body":"y"}}}`, 202, "y", "text/plain; charset=utf-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler.set(func(call) string {
				return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(c.body), c.body)
			})
			resp, body := h.raw(t, get("/api/items"))
			if resp.StatusCode != c.status || body != c.want || resp.Header.Get("Content-Type") != c.media {
				t.Errorf("%d %q %q, want %d %q %q", resp.StatusCode, body, resp.Header.Get("Content-Type"), c.status, c.want, c.media)
			}
		})
	}
}

func TestRedirectsAreFollowedWithoutForwarding(t *testing.T) {
	root := writeRoot(t, strings.Replace(plainHostJSON, "true", "false", 1), map[string]string{"Items": httpFunction("anonymous", "items")})
	handler := newHandler()
	h := start(t, root, handler, nil)
	for status, method := range map[int]string{301: "GET", 303: "GET", 307: "POST", 308: "POST"} {
		handler.set(func(c call) string {
			if c.target == "/Items" {
				return fmt.Sprintf("HTTP/1.1 %d X\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", status)
			}
			return okEmpty
		})
		resp, _ := h.raw(t, get("/api/items"))
		first, second := handler.next(t), handler.next(t)
		if resp.StatusCode != 204 || second.method != method || second.target != "/other" || (second.body == first.body) != (method == "POST") {
			t.Errorf("%d: %d, then %s %s", status, resp.StatusCode, second.method, second.target)
		}
	}
	handler.set(func(call) string { return "HTTP/1.1 302 X\r\nLocation: /Items\r\nContent-Length: 0\r\n\r\n" })
	if resp, _ := h.raw(t, get("/api/items")); resp.StatusCode != 500 {
		t.Errorf("an endless redirect: %d", resp.StatusCode)
	}
	for range maxHops {
		handler.next(t)
	}
	handler.none(t)
}

func TestServiceBusOutputForms(t *testing.T) {
	for _, c := range []struct {
		value  string
		binary bool
		want   []string
	}{
		{`["{\"n\":1}","{\"n\":2}"]`, false, []string{`{"n":1}`, `{"n":2}`}},
		{`"{\"kind\":\"follow-up\"}"`, false, []string{"{\n  \"kind\": \"follow-up\"\n}"}},
		{`{"a":1}`, false, []string{"{\n  \"a\": 1\n}"}},
		{`"[\"a b\",\"c\"]"`, false, []string{"a b", "c"}},
		{`"abcd"`, false, []string{"System.Byte[]"}},
		{`""`, false, []string{"System.Byte[]"}},
		{`"abcd"`, true, []string{"abcd"}},
		{`"not base64!"`, false, []string{"not base64!"}},
	} {
		var got []string
		for _, b := range outputBodies(json.RawMessage(c.value), c.binary) {
			got = append(got, string(b))
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %q, want %q", c.value, got, c.want)
		}
	}
}
