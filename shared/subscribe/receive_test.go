package subscribe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// receiving is a receiver over a bus that keeps what it is given.
type receiving struct {
	keys *link.Keys
	now  time.Time
	got  []queue.Message
	err  error
}

func (r *receiving) Send(_ context.Context, entity string, messages ...queue.Message) error {
	if r.err != nil {
		return r.err
	}
	if entity != queue.MailboxTasks {
		return errors.New("to " + entity)
	}
	r.got = append(r.got, messages...)
	return nil
}

func (r *receiving) take(t testing.TB, body string) subscribe.Received {
	t.Helper()
	got, err := subscribe.NewReceiver(r.keys, r, func() time.Time { return r.now }).Receive(t.Context(), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func newReceiving(t testing.TB, secrets ...byte) *receiving {
	t.Helper()
	all := make([][]byte, len(secrets))
	for i, c := range secrets {
		all[i] = secret(c)
	}
	keys, err := link.NewKeys(all...)
	if err != nil {
		t.Fatal(err)
	}
	return &receiving{keys: keys, now: time.Date(2026, 11, 20, 9, 0, 3, 500_000_000, time.UTC)}
}

const (
	account = "0a0a0a0a-0000-4000-8000-00000000000a"
	one     = "47b6cd58-0000-4000-8000-000000000001"
)

var conn = key.Of("test", "connection")

// told is a notification as Graph sends it (contract 6.4).
func (r *receiving) told(change func(map[string]any)) string {
	n := map[string]any{"subscriptionId": one, "subscriptionExpirationDateTime": "2026-12-11T02:47:21+00:00", "tenantId": tenant, "changeType": "updated",
		"clientState": subscribe.ClientState(r.keys, conn, tenant), "resource": "Users/" + account + "/Events/AAMk",
		"resourceData": map[string]any{"@odata.type": "#Microsoft.Graph.Event", "@odata.id": "Users/x/Events/AAMk", "@odata.etag": `W/"DwAAABYAAAAUwKIB"`, "id": "AAMk"}}
	if change != nil {
		change(n)
	}
	text, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func collection(notifications ...string) string {
	return `{"value":[` + strings.Join(notifications, ",") + `]}`
}

func TestNotificationsOfFiveSecondsBecomeOneTask(t *testing.T) {
	r := newReceiving(t, 'a')
	for range 3 {
		r.take(t, collection(r.told(nil), r.told(nil)))
		r.now = r.now.Add(400 * time.Millisecond)
	}
	ids := map[string]bool{}
	for _, m := range r.got {
		ids[m.ID] = true
	}
	if len(r.got) != 3 || len(ids) != 1 {
		t.Fatalf("%d messages of %d ids", len(r.got), len(ids))
	}
	m := r.got[0]
	want := queue.Message{ID: key.Of("notified", conn.String(), "1795165200").String(), SessionID: key.Of("mailbox", tenant, account).String(),
		ContentType: "application/json", Body: []byte(`{"v":1,"op":"sync","connection":"` + conn.String() + `","cause":"notified"}`),
		Properties: map[string]any{"subscription": one}, ScheduledFor: time.Date(2026, 11, 20, 9, 0, 10, 0, time.UTC)}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	r.now = r.now.Add(2 * time.Second)
	r.take(t, collection(r.told(nil)))
	if r.got[3].ID == m.ID || !r.got[3].ScheduledFor.Equal(m.ScheduledFor.Add(5*time.Second)) {
		t.Errorf("%+v", r.got[3])
	}
}

// Contract 6.4: several spellings of what changed, and members of any case.
func TestEverySpellingOfAResourceIsUnderstood(t *testing.T) {
	r := newReceiving(t, 'a')
	mailbox, unknown := key.Of("mailbox", tenant, account).String(), conn.String()
	for resource, want := range map[string]string{
		"Users/" + account + "/Events/x": mailbox, "users/" + strings.ToUpper(account) + "@" + tenant + "/events/x": mailbox, "/users('" + account + "')/events('x')": mailbox,
		"Users/" + account: mailbox, "me/events/x": unknown, "": unknown, "Users/aino@acme.example/Events/x": unknown, "Users/" + account + "0/Events": unknown, "users": unknown,
		strings.Repeat("x", 5000): unknown, "Users('": unknown, "Users/\x00": unknown,
	} {
		r.got = nil
		r.take(t, collection(r.told(func(n map[string]any) { n["resource"] = resource })))
		if len(r.got) != 1 || r.got[0].SessionID != want {
			t.Errorf("%.60q: %+v", resource, r.got)
		}
	}
	r.got = nil
	odd := strings.NewReplacer("subscriptionId", "SubscriptionID", "tenantId", "TENANTID", "clientState", "ClientState", tenant, strings.ToUpper(tenant)).Replace(r.told(nil))
	if got := r.take(t, `{"VALUE":[`+odd+`],"validationTokens":null}`); got != (subscribe.Received{Good: 1, Tasks: 1}) || r.got[0].SessionID != mailbox {
		t.Errorf("%+v, %+v", got, r.got)
	}
}

func TestOfAHalfValidCollectionTheGoodOnesCount(t *testing.T) {
	r := newReceiving(t, 'a')
	second := func(n map[string]any) {
		n["clientState"] = subscribe.ClientState(r.keys, key.Of("test", "second"), other)
		n["tenantId"] = other
	}
	got := r.take(t, collection(`null`, r.told(nil), `7`, `{"subscriptionId":7}`, r.told(second), `{}`, r.told(func(n map[string]any) { n["clientState"] = "x" })))
	if got != (subscribe.Received{Good: 2, Bogus: 5, Tasks: 2}) || len(r.got) != 2 {
		t.Errorf("%+v", got)
	}
}

// Whatever is not signed by us for its tenant causes nothing.
func TestWhatIsBogusIsCountedAndCausesNothing(t *testing.T) {
	r := newReceiving(t, 'a')
	genuine := subscribe.ClientState(r.keys, conn, tenant)
	parts := strings.Split(genuine, ".")
	state := func(s string) func(map[string]any) { return func(n map[string]any) { n["clientState"] = s } }
	set := func(name string, v any) func(map[string]any) { return func(n map[string]any) { n[name] = v } }
	theirs := newReceiving(t, 'x')
	for name, change := range map[string]func(map[string]any){
		"forged":                 state(subscribe.ClientState(theirs.keys, conn, tenant)),
		"forged, our key's id":   state("1." + parts[1] + "." + parts[2] + "." + strings.Split(subscribe.ClientState(theirs.keys, conn, tenant), ".")[3]),
		"another connection":     state("1." + parts[1] + "." + key.Of("x").String() + "." + parts[3]),
		"another tenant":         set("tenantId", other),
		"no tenant":              set("tenantId", nil),
		"a tenant in braces":     set("tenantId", "{"+tenant+"}"),
		"another version":        state("2" + genuine[1:]),
		"a part too many":        state(genuine + "."),
		"a part too few":         state(strings.Join(parts[:3], ".")),
		"the key's name unknown": state("1.00000000." + parts[2] + "." + parts[3]),
		"upper case":             state(strings.ToUpper(genuine)),
		"a number":               set("clientState", 7),
		"none":                   set("clientState", nil),
		"a link's signature":     state("1." + parts[1] + "." + parts[2] + "." + r.keys.Sign(link.PurposeLink, parts[2], tenant)),
		"no subscription":        set("subscriptionId", nil),
		"a path for an id":       set("subscriptionId", "../users"),
		"a long id":              set("subscriptionId", strings.Repeat("a", 65)),
		"an unknown event":       set("lifecycleEvent", "somethingNew"),
	} {
		if got := r.take(t, collection(r.told(change))); got != (subscribe.Received{Bogus: 1}) || len(r.got) != 0 {
			t.Errorf("%s: %+v, %+v", name, got, r.got)
		}
	}
	for name, body := range map[string]string{"nothing": "", "no JSON": "{", "an array": "[]", "no value": "{}", "an empty one": `{"value":[]}`, "null": "null",
		"an object": `{"value":{"a":1}}`, "HTML": "<script>", "deep": strings.Repeat("[", 20000), "not UTF-8": "\xff\xfe",
		"oversized": collection(r.told(nil), `"`+strings.Repeat("x", subscribe.MaxBody)+`"`)} {
		if got := r.take(t, body); got != (subscribe.Received{Bogus: 1}) || len(r.got) != 0 {
			t.Errorf("%s: %+v, %+v", name, got, r.got)
		}
	}
}

// A call that somebody overheard and sends again: one look at the calendar each five
// seconds, whatever they send, and for that mailbox only.
func TestAReplayIsOneTaskInFiveSeconds(t *testing.T) {
	r := newReceiving(t, 'a')
	body, ids := collection(r.told(nil)), map[string]bool{}
	for range 1000 {
		r.take(t, body)
		r.now = r.now.Add(10 * time.Millisecond)
	}
	for _, m := range r.got {
		ids[m.ID+m.SessionID+string(m.Body)] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d tasks in ten seconds", len(ids))
	}
}

func TestAClientStateOfARotatedKeyIsGoodUntilTheKeyIsGone(t *testing.T) {
	before, during, after := newReceiving(t, 'a'), newReceiving(t, 'b', 'a'), newReceiving(t, 'b')
	body := collection(before.told(nil))
	if during.take(t, body).Good != 1 || after.take(t, body) != (subscribe.Received{Bogus: 1}) {
		t.Error("a rotated key")
	}
	if during.keys.SigningID() == before.keys.SigningID() || after.take(t, collection(during.told(nil))).Good != 1 {
		t.Error("the new key")
	}
}

func TestManyNotificationsOfOneCallAreBounded(t *testing.T) {
	r := newReceiving(t, 'a')
	all := make([]string, 2500)
	for i := range all {
		all[i] = fmt.Sprintf(`{"subscriptionId":"a","tenantId":"%s","clientState":"%081d"}`, tenant, i)
	}
	all[0] = r.told(nil)
	if got := r.take(t, collection(all...)); got != (subscribe.Received{Good: 1, Bogus: 2499, Tasks: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestARefusedSendIsAnErrorAndNothingIsForgotten(t *testing.T) {
	r := newReceiving(t, 'a')
	r.err = errors.New("down")
	if _, err := subscribe.NewReceiver(r.keys, r, func() time.Time { return r.now }).Receive(t.Context(), []byte(collection(r.told(nil)))); !errors.Is(err, r.err) {
		t.Errorf("%v", err)
	}
}

func FuzzWhateverIsPostedOnlyWhatWeSignedCausesATask(f *testing.F) {
	r := newReceiving(f, 'a')
	f.Add(collection(r.told(nil)))
	f.Add(collection(r.told(func(n map[string]any) { n["lifecycleEvent"] = "MISSED" }), `{}`))
	f.Add(`{"value":[{"subscriptionId":"a","tenantId":"` + tenant + `","clientState":"1.` + strings.Repeat("a", 79) + `"}]}`)
	f.Add(`{"value":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := newReceiving(t, 'a')
		got := r.take(t, body)
		if got.Good+got.Bogus == 0 || got.Tasks != len(r.got) || got.Tasks > got.Good {
			t.Errorf("%+v", got)
		}
		state := subscribe.ClientState(r.keys, conn, tenant)
		if got.Good > 0 && !strings.Contains(body, state) && !strings.Contains(body, `\u`) {
			t.Errorf("%+v of %q", got, body)
		}
		for _, m := range r.got {
			if m.Check() != nil || !strings.Contains(string(m.Body), conn.String()) {
				t.Errorf("%+v", m)
			}
		}
	})
}

func FuzzAClientStateIsVerifiedOrRefused(f *testing.F) {
	r := newReceiving(f, 'b', 'a')
	genuine := subscribe.ClientState(r.keys, conn, tenant)
	f.Add(genuine, tenant)
	f.Add(genuine, other)
	f.Add("1...", "")
	f.Fuzz(func(t *testing.T, state, tenantID string) {
		if c, ok := subscribe.Verify(r.keys, state, tenantID); ok && (state != genuine || !strings.EqualFold(tenantID, tenant) || c != conn) {
			t.Errorf("%q of %q is %s", state, tenantID, c)
		}
	})
}

// Speed: under 5 ms of handler time besides the enqueue, and no table read, which a
// Receiver has no way to do.
func BenchmarkANotification(b *testing.B) {
	r := newReceiving(b, 'b', 'a')
	single, full := collection(r.told(nil)), make([]string, 100)
	for i := range full {
		full[i] = r.told(func(n map[string]any) {
			n["clientState"] = subscribe.ClientState(r.keys, key.Of("test", fmt.Sprint(i)), tenant)
		})
	}
	receiver := subscribe.NewReceiver(r.keys, nowhere{}, func() time.Time { return r.now })
	for name, body := range map[string][]byte{"one": []byte(single), "a hundred of a hundred mailboxes": []byte(collection(full...))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := receiver.Receive(b.Context(), body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// nowhere is a bus that takes no time.
type nowhere struct{}

func (nowhere) Send(context.Context, string, ...queue.Message) error { return nil }
