package handlers

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/subscribe"
)

const notificationsPath = "/api/graph/notifications"

// handshake asks for a text back, as Graph does (contract 6.3).
func (w *world) handshake(token string) reply {
	return w.web("POST", notificationsPath+"?validationToken="+token, "text/plain; charset=utf-8", "")
}

func TestTheHandshakeSendsBackAGenuineTextExactly(t *testing.T) {
	w := newWorld(t, 0, nil)
	for _, token := range []string{
		"Validation: Testing client application reachability for subscription Request-Id: 6e0b5a5c-0000-4000-8000-0000000000aa",
		"abc+/=-_.~!$*(),;:@ &'\" 100%", "a", strings.Repeat("x", 2048), "Grüße ✓",
	} {
		for _, encoded := range []string{url.QueryEscape(token), strings.ReplaceAll(url.QueryEscape(token), "+", "%20")} {
			got := w.handshake(encoded)
			if got.status != 200 || got.body != token || got.header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("%.80q: %d %v %.80q", token, got.status, got.header, got.body)
			}
		}
	}
	if calls := w.called(); len(calls) != 0 {
		t.Errorf("a handshake is no notification: %q", calls)
	}
}

// The address is open to everybody, and what it sends back could be a page of theirs.
func TestScriptInAValidationTokenIsTextAndNothingElse(t *testing.T) {
	w := newWorld(t, 0, nil)
	for token, want := range map[string]string{
		"<script>alert(1)</script>":                     "&lt;script&gt;alert(1)&lt;/script&gt;",
		"\"><img src=x onerror=alert(1)>":               "\"&gt;&lt;img src=x onerror=alert(1)&gt;",
		"<svg/onload=alert(1)>":                         "&lt;svg/onload=alert(1)&gt;",
		"</textarea><script>":                           "&lt;/textarea&gt;&lt;script&gt;",
		"+ADw-script+AD4-alert(1)+ADw-/script+AD4-":     "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
		"＜script＞":                                      "＜script＞",
		"javascript:alert(document.domain)//<!--\u2028": "javascript:alert(document.domain)//&lt;!--\u2028",
	} {
		got := w.handshake(url.QueryEscape(token))
		if got.status != 200 || got.body != want || got.header.Get("Content-Type") != "text/plain; charset=utf-8" || got.header.Get("X-Content-Type-Options") != "nosniff" ||
			got.header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %d %v %q", token, got.status, got.header, got.body)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 2049), "%00", "a%0D%0ASet-Cookie:%20x=y", "%1b[2J", "%ff%fe", "%C2%85"} {
		got := w.handshake(bad)
		w.problem(got, 400, "invalid")
		if plain, _ := url.QueryUnescape(bad); plain != "" && strings.Contains(got.body, plain) || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%q is sent back: %v %q", bad, got.header, got.body)
		}
	}
	// What else is in the query, the path's neighbours or the headers is not sent back.
	got := w.web("POST", notificationsPath+"?validationToken=ok&x=<b>", "text/html", "<i>", "X-Test: <u>")
	if got.status != 200 || got.body != "ok" {
		t.Errorf("%d %q", got.status, got.body)
	}
}

func TestNotificationsAreTakenOnceTheyAreOnTheBus(t *testing.T) {
	w := newWorld(t, 0, nil)
	got := w.web("POST", notificationsPath, "application/json; charset=utf-8", `{"value":[]}`)
	if got.status != 202 || got.body != "{}" || len(w.called()) != 1 || w.called()[0] != `receive {"value":[]}` {
		t.Errorf("%d %q, %q", got.status, got.body, w.called())
	}
	w.fail = errDown
	got = w.web("POST", notificationsPath, "application/json", `{"value":[]}`)
	w.problem(got, 503, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("it does not say when")
	}
	w.fail = nil
	for _, method := range []string{"GET", "PUT", "DELETE", "HEAD"} {
		if got := w.web(method, notificationsPath, "", ""); got.status != 404 {
			t.Errorf("%s: %d", method, got.status)
		}
	}
}

// Nobody learns what is genuine, and nothing of it is in the log but how many there were.
func TestWhatIsBogusIsAcceptedCountedAndForgotten(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.count = 3
	for _, body := range []string{"", "secret words", strings.Repeat("x", subscribe.MaxBody+1)} {
		if got := w.web("POST", notificationsPath, "text/html", body); got.status != 202 || got.body != "{}" {
			t.Errorf("%.20q: %d %q", body, got.status, got.body)
		}
	}
	calls := w.called()
	if len(calls) != 3 || calls[2] != "receive " {
		t.Errorf("%d calls, the last %.40q", len(calls), calls[len(calls)-1])
	}
	log := w.logged.String()
	if strings.Count(log, `"bogus":3`) != 3 || strings.Contains(log, "secret words") {
		t.Errorf("%s", log)
	}
}

// Speed: a notification takes under 5 ms of handler time besides the enqueue, and reads
// no table, since there is none here to be read.
func BenchmarkGraphNotifications(b *testing.B) {
	keys, err := link.NewKeys([]byte(strings.Repeat("a", 32)), []byte(strings.Repeat("b", 32)))
	if err != nil {
		b.Fatal(err)
	}
	server := New("127.0.0.1:1", "https://calendar.example.com", Deps{Notifications: subscribe.NewReceiver(keys, noBus{}, time.Now)},
		&Options{Logger: slog.New(slog.NewJSONHandler(io.Discard, nil))})
	const tenant = "11111111-aaaa-4bbb-8ccc-000000000001"
	body := `{"value":[{"subscriptionId":"47b6cd58-0000-4000-8000-000000000001","tenantId":"` + tenant + `","changeType":"updated","clientState":"` +
		subscribe.ClientState(keys, key.Of("c"), tenant) + `","resource":"Users/0a0a0a0a-0000-4000-8000-00000000000a/Events/AAMk","resourceData":{"id":"AAMk"}}]}`
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, notificationsPath, strings.NewReader(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		w := httptest.NewRecorder()
		if server.ServeHTTP(w, r); w.Code != 202 {
			b.Fatal(w.Code)
		}
	}
}

// noBus takes no time.
type noBus struct{}

func (noBus) Send(context.Context, string, ...queue.Message) error { return nil }
