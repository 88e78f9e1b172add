package stories

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/stack"
	"github.com/calbridge/calbridge/shared/state"
)

// The search itself: whatever is planted, wherever, is found, and nothing before.
func TestAPlantedLeakIsFound(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	w.mailbox(acme, "alice@acme.example", "Alice")
	alice := w.agent().connects(w.own("one", "u-alice", "alice@acme.example")).signIn("alice@acme.example").press("Yes, connect it").sees("Your calendar is connected")
	w.hears("u-alice", "connected")
	w.nothingLeaked()
	m := w.collect()
	var token, cookie, form string
	for secret, what := range m {
		switch what {
		case "refresh_token":
			token = secret
		case "cookie":
			cookie = secret
		case "form token":
			form = secret
		}
	}
	finds := func(name, leak string, plant func()) {
		t.Helper()
		before := leaks(w.output(), m)
		if slices.Contains(before, leak) {
			t.Errorf("%s: found before it was planted", name)
		}
		plant()
		if after := leaks(w.output(), m); !slices.Contains(after, leak) {
			t.Errorf("%s: not found; found are %q", name, after)
		}
	}
	say := func(data fields) {
		raw, err := json.Marshal(fields{"data": data})
		if err != nil {
			t.Fatal(err)
		}
		w.said.take(stack.Change{Type: "planted", Raw: raw})
	}
	finds("the end of a token in the log", "the log: refresh_token", func() { w.log.take(host.Line{Text: "refused " + token[len(token)/2:]}) })
	finds("an address in the log", "the log: an address", func() { w.log.take(host.Line{Text: "for alice@acme.example"}) })
	finds("a cookie in base64 in an event", "event planted: cookie", func() { say(fields{"detail": base64.StdEncoding.EncodeToString([]byte("a" + cookie))}) })
	finds("an address in an event", "event planted: an address", func() { say(fields{"user": "alice@acme.example"}) })
	finds("a token in a URL", "URL of GET /api/portal/nowhere (404): refresh_token", func() { alice.open(w.front.URL + "/api/portal/nowhere?t=" + url.QueryEscape(token)) })
	finds("an address in a URL", "URL of GET /api/portal/nowhere (404): an address", func() { alice.open(w.front.URL + "/api/portal/nowhere?t=alice%40acme.example") })
	finds("a form's token in a URL", "URL of GET /api/portal/nowhere (404): form token", func() { alice.open(w.front.URL + "/api/portal/nowhere?t=" + form) })
	finds("an address in an error", "answer of POST /api/bookings (400): an address", func() {
		w.front.add(taped{Method: http.MethodPost, URL: "/api/bookings", Status: 400, Body: `{"title":"alice@acme.example"}`})
	})
	finds("a cookie in a header", "header X-Trace of GET /api/x (200): cookie", func() {
		w.front.add(taped{Method: http.MethodGet, URL: "/api/x", Status: 200, Answered: http.Header{"X-Trace": {cookie}}})
	})
	finds("a token in a row, packed", "table links: refresh_token", func() { w.plant("links", token) })
}

// plant puts a row into a table, whose value is long enough to be compressed.
func (w *world) plant(table, secret string) {
	w.t.Helper()
	props, err := state.Pack([]byte(`{"token":"` + secret + `","more":"` + secret + secret + `"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	if props["enc"] != "gzip" {
		w.t.Error("it was not compressed")
	}
	service, err := aztables.NewServiceClientFromConnectionString(w.Settings["TABLES"], nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for name, value := range props {
		if b, ok := value.([]byte); ok {
			props[name] = aztables.EDMBinary(b)
		}
	}
	row, err := json.Marshal(aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: "planted", RowKey: "planted"}, Properties: props})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := service.NewClient(table).AddEntity(w.t.Context(), row, nil); err != nil {
		w.t.Fatal(err)
	}
}
