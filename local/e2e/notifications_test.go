package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/local/stack"
)

// heard is Aino's calendar, connected to be read by the app's permission, and the
// subscription that Graph has made of it over the host's wire.
func heard(t *testing.T) (*world, notify.Subscription) {
	t.Helper()
	w := startMoved(t, stack.Options{})
	return w, w.hears()
}

// hears connects Aino's calendar, waits until nothing is left to do, and returns Graph's
// subscription.
func (w *world) hears() notify.Subscription {
	w.t.Helper()
	t := w.t
	w.people("aino")
	api := w.API()
	settings := `{"profile":"training","permission":"application","module":true,"sync":true,"timeZone":"Europe/Helsinki","downSync":{"privacy":"all"}}`
	if err := api.PutOrganization(t.Context(), acme, []byte(settings)); err != nil {
		t.Fatal(err)
	}
	got, err := api.Do(t.Context(), http.MethodPost, "organizations/acme/connections", host.FunctionKey, "application/json",
		[]byte(`{"user":"aino","email":"aino@acme.example","direction":"both"}`))
	if err != nil || got.Status != 201 {
		t.Fatalf("%v, %d: %s", err, got.Status, got.Body)
	}
	eventually(t, func() bool { return len(w.M365.Hub.Subscriptions()) == 1 }, "Graph has no subscription")
	for range 2 { // also what was for later
		w.quiet()
		w.Advance(2 * time.Minute)
	}
	w.quiet()
	return w.M365.Hub.Subscriptions()[0]
}

// edit makes an event in Aino's calendar.
func (w *world) edit(subject string) {
	w.t.Helper()
	day := w.Clock.Now().AddDate(0, 0, 2).Format(time.DateOnly)
	start, end := exchange.Time{DateTime: day + "T09:00:00", Zone: "UTC"}, exchange.Time{DateTime: day + "T10:00:00", Zone: "UTC"}
	if _, err := w.M365.Exchange.Owner(tenant, "aino@acme.example").Create(exchange.Change{Subject: &subject, Start: &start, End: &end}); err != nil {
		w.t.Fatal(err)
	}
}

// tells waits until the topic tells of an appointment. The merging of notifications takes
// up to ten seconds, which pass here.
func (w *world) tells(title string) {
	w.t.Helper()
	eventually(w.t, func() bool {
		if ready, _ := w.Bus.Due(); ready == 0 && w.Host.Calls() == 0 {
			w.Advance(time.Second)
		}
		for _, c := range w.changes.Others() {
			if c.Type == "calbridge.appointment.v1" && bytes.Contains(c.Raw, []byte(title)) {
				return true
			}
		}
		return false
	}, "the topic does not tell of "+title)
}

// notified posts to the address of notifications, through the host.
func (w *world) notified(query, contentType string, body []byte) (int, http.Header, string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+"/api/graph/notifications"+query, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// caused is how many tasks wait that a notification caused; others may wait beside them.
func (w *world) caused() (n int) {
	for _, m := range w.Bus.Peek("mailbox-tasks") {
		if _, ok := m.Properties["subscription"]; ok {
			n++
		}
	}
	return n
}

// A14 over the wire: connected, subscribed with the handshake through the host, edited,
// notified, read and told; and disconnected, which ends it.
func TestAnEditInOutlookIsToldWithinSeconds(t *testing.T) {
	w, made := heard(t)
	if made.NotifyURL != w.Settings["PUBLIC_URL"]+"/api/graph/notifications" || made.LifecycleURL != made.NotifyURL || !made.Immutable {
		t.Errorf("%+v", made)
	}
	before := w.Clock.Now()
	w.edit("Dentist")
	w.tells("Dentist")
	// The clock runs ahead while nobody works here, so that only this can be said; how many
	// seconds it takes is shown in shared/subscribe.
	if took := w.Clock.Now().Sub(before); took > 15*time.Minute {
		t.Errorf("after %v, when the schedule would have found it", took)
	}
	var list struct{ Items []struct{ ID string } }
	got, err := w.API().Do(t.Context(), http.MethodGet, "organizations/acme/connections", host.FunctionKey, "", nil)
	if err = errors.Join(err, json.Unmarshal(got.Body, &list)); err != nil || len(list.Items) != 1 {
		t.Fatalf("%v: %s", err, got.Body)
	}
	if got, err = w.API().Do(t.Context(), http.MethodDelete, "organizations/acme/connections/"+list.Items[0].ID, host.FunctionKey, "", nil); err != nil || got.Status > 299 {
		t.Fatalf("%v: %d %s", err, got.Status, got.Body)
	}
	if left := w.M365.Hub.Subscriptions(); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

// What strangers post through the host: a handshake is text, and nothing but what we
// signed for its tenant causes anything.
func TestStrangersPostToTheAddressOfNotifications(t *testing.T) {
	w, made := heard(t)
	token := "Validation: Testing client application reachability for subscription Request-Id: 6e0b5a5c-0000-4000-8000-0000000000aa"
	for query, want := range map[string]string{url.QueryEscape(token): token, url.PathEscape(token): token, url.QueryEscape("<script>alert(1)</script>"): "&lt;script&gt;alert(1)&lt;/script&gt;"} {
		status, header, text := w.notified("?validationToken="+query, "text/plain; charset=utf-8", nil)
		if status != 200 || text != want || header.Get("Content-Type") != "text/plain; charset=utf-8" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v %q", query, status, header, text)
		}
	}
	notification := func(tenant, state string) string {
		return fmt.Sprintf(`{"subscriptionId":%q,"tenantId":%q,"clientState":%q,"changeType":"updated","resource":"Users/x/Events/y"}`, made.ID, tenant, state)
	}
	genuine := notification(tenant, made.ClientState)
	for name, body := range map[string]string{
		"forged":         `{"value":[` + notification(tenant, made.ClientState[:len(made.ClientState)-3]+"AAA") + `]}`,
		"another tenant": `{"value":[` + notification(other, made.ClientState) + `]}`,
		"no JSON":        `<script>`,
		"oversized":      `{"value":[` + genuine + `,"` + strings.Repeat("x", 1<<20) + `"]}`,
		"empty":          ``,
		"a lifecycle":    `{"value":[{"subscriptionId":"x","tenantId":"` + tenant + `","clientState":"","lifecycleEvent":"subscriptionRemoved"}]}`,
	} {
		if status, _, text := w.notified("", "application/json", []byte(body)); status != 202 || text != "{}" {
			t.Errorf("%s: %d %q", name, status, text)
		}
		if n := w.caused(); n != 0 {
			t.Errorf("%s caused %d tasks", name, n)
		}
	}
	// Half valid, and a genuine one posted again and again: one task in five seconds.
	for range 20 {
		if status, _, _ := w.notified("", "application/json", []byte(`{"value":[7,`+genuine+`]}`)); status != 202 {
			t.Error(status)
		}
	}
	if n := w.caused(); n < 1 || n > 3 {
		t.Errorf("%d tasks", n)
	}
	w.edit("After the strangers")
	w.tells("After the strangers")
}
