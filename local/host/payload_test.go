package host

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"
)

// sample is one entry of testdata/payloads/index.json.
type sample struct {
	File     string          `json:"file"`
	Kind     string          `json:"kind"`
	Function string          `json:"function"`
	Binding  json.RawMessage `json:"binding"`
	Raw      json.RawMessage `json:"rawMessageBody"`
}

func samples(t *testing.T) map[string]sample {
	t.Helper()
	text, err := os.ReadFile("testdata/payloads/index.json")
	if err != nil {
		t.Fatal(err)
	}
	var index struct{ Files []sample }
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	all := map[string]sample{}
	for _, s := range index.Files {
		all[s.File] = s
	}
	return all
}

func (s sample) function(t *testing.T) *function {
	t.Helper()
	f, err := parseFunction(s.Function, []byte(`{"bindings":[`+string(s.Binding)+`]}`), settings{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// bodies are the message bodies of the sample.
func (s sample) bodies(t *testing.T) []string {
	t.Helper()
	var one string
	var many []string
	if json.Unmarshal(s.Raw, &one) == nil {
		return []string{one}
	}
	if err := json.Unmarshal(s.Raw, &many); err != nil {
		t.Fatal(err)
	}
	return many
}

// sampleEnvelope is a request sample, member by member.
type sampleEnvelope struct {
	Data     map[string]json.RawMessage
	Metadata json.RawMessage
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func instantOf(t *testing.T, text string) time.Time {
	t.Helper()
	return must[time.Time](t)(time.Parse(time.RFC3339Nano, text))
}

// compare checks an envelope against a sample: strings byte for byte, member order,
// and real objects by value.
func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	want := must[[]byte](t)(os.ReadFile(filepath.Join("testdata/payloads", file)))
	var g, w sampleEnvelope
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	for name, value := range w.Data {
		compareValue(t, "Data."+name, g.Data[name], value)
	}
	gotNames, gotValues := ordered(t, g.Metadata)
	wantNames, wantValues := ordered(t, w.Metadata)
	if !reflect.DeepEqual(gotNames, wantNames) {
		t.Errorf("metadata members\n got %v\nwant %v", gotNames, wantNames)
	}
	for name, value := range wantValues {
		compareValue(t, "Metadata."+name, gotValues[name], value)
	}
}

func compareValue(t *testing.T, name string, got, want json.RawMessage) {
	t.Helper()
	if strings.HasPrefix(string(want), `"`) {
		if string(got) != string(want) {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
		return
	}
	var g, w any
	if json.Unmarshal(got, &g) != nil || json.Unmarshal(want, &w) != nil || !reflect.DeepEqual(g, w) {
		t.Errorf("%s\n got %s\nwant %s", name, got, want)
	}
}

// ordered reads an object with its member order.
func ordered(t *testing.T, object json.RawMessage) (names []string, values map[string]json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal(object, &values); err != nil {
		t.Fatalf("%v in %s", err, object)
	}
	decoder := json.NewDecoder(bytes.NewReader(object))
	_, _ = decoder.Token()
	for decoder.More() {
		name := must[json.Token](t)(decoder.Token())
		names = append(names, name.(string))
		var skip json.RawMessage
		_ = decoder.Decode(&skip)
	}
	return names, values
}

func ptr[T any](v T) *T { return &v }

// message is the sample message most files share.
func message(t *testing.T) *azservicebus.ReceivedMessage {
	return &azservicebus.ReceivedMessage{
		DeliveryCount: 1, LockToken: uuid.MustParse("6b1c9f0e-93a1-4f3a-8d35-0f3d8f4a2b77"), MessageID: "msg-0001",
		EnqueuedTime: ptr(instantOf(t, "2026-11-21T09:30:15.123Z")), TimeToLive: ptr(14 * 24 * time.Hour),
		ContentType: ptr("application/json"), Subject: ptr("sync.requested"), CorrelationID: ptr("corr-7d3c"), SequenceNumber: ptr(int64(42)),
		SessionID: ptr("tenant-a"),
		ApplicationProperties: map[string]any{
			"schema": int32(3), "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "retry": false, "ratio": 0.5,
		},
	}
}

func TestServiceBusEnvelopesEqualTheSamples(t *testing.T) {
	plain := func(t *testing.T, id, token string, sequence int64) *azservicebus.ReceivedMessage {
		return &azservicebus.ReceivedMessage{
			DeliveryCount: 1, LockToken: uuid.MustParse(token), MessageID: id,
			EnqueuedTime: ptr(instantOf(t, "2026-11-21T09:30:15Z")), SequenceNumber: ptr(sequence),
		}
	}
	dead := func(t *testing.T) *azservicebus.ReceivedMessage {
		m := message(t)
		m.DeliveryCount, m.LockToken = 10, uuid.MustParse("93d1a8a1-7f0d-4a0c-8f83-4f9d20c3f0aa")
		m.ApplicationProperties["DeadLetterReason"] = "MaxDeliveryCountExceeded"
		m.ApplicationProperties["DeadLetterErrorDescription"] = "Message could not be consumed after 10 delivery attempts."
		return m
	}
	batch := func(t *testing.T) []*azservicebus.ReceivedMessage {
		a, b := plain(t, "msg-0101", "6b1c9f0e-93a1-4f3a-8d35-0f3d8f4a2b77", 101), plain(t, "msg-0102", "c2c0f0b8-2e57-4f0f-9d64-3d1f7d9a1f02", 102)
		a.EnqueuedTime, b.EnqueuedTime = ptr(instantOf(t, "2026-11-21T09:30:15.123Z")), ptr(instantOf(t, "2026-11-21T09:30:15.1704Z"))
		a.TimeToLive, b.TimeToLive = ptr(14*24*time.Hour), ptr(14*24*time.Hour)
		a.ContentType, a.ApplicationProperties = ptr("application/json"), map[string]any{"schema": int64(3)}
		b.DeliveryCount, b.Subject = 2, ptr("x")
		return []*azservicebus.ReceivedMessage{a, b}
	}
	one := func(m *azservicebus.ReceivedMessage) []*azservicebus.ReceivedMessage {
		return []*azservicebus.ReceivedMessage{m}
	}
	session := instantOf(t, "2026-11-21T09:31:15.5512345Z")
	for file, make := range map[string]func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time){
		"sb-queue-session-string.request.json":  func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) { return one(message(t)), session },
		"sb-queue-session-binary.request.json":  func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) { return one(message(t)), session },
		"sb-queue-session-spoofed.request.json": func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) { return one(message(t)), session },
		"sb-queue-nosession-text.request.json": func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) {
			m := plain(t, "msg-0002", "0f6b7c3a-5b1b-4b55-9a15-0c9d8e7f6a50", 43)
			m.DeliveryCount = 3
			return one(m), time.Time{}
		},
		"sb-topic-binary.request.json": func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) {
			m := plain(t, "evt-0001", "0f6b7c3a-5b1b-4b55-9a15-0c9d8e7f6a50", 7)
			m.Subject, m.ApplicationProperties = ptr("project.changed"), map[string]any{"kind": "project"}
			return one(m), time.Time{}
		},
		"sb-deadletter.request.json": func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) { return one(dead(t)), time.Time{} },
		"sb-deadletter-forwarded.request.json": func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) {
			m := dead(t)
			m.DeadLetterSource = ptr("work")
			return one(m), time.Time{}
		},
		"sb-queue-batch-string.request.json":  func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) { return batch(t), time.Time{} },
		"sb-queue-batch-binary.request.json":  func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) { return batch(t), time.Time{} },
		"sb-queue-batch-default.request.json": func(t *testing.T) ([]*azservicebus.ReceivedMessage, time.Time) { return batch(t), time.Time{} },
	} {
		t.Run(file, func(t *testing.T) {
			s := samples(t)[file]
			f := s.function(t)
			messages, locked := make(t)
			for i, body := range s.bodies(t) {
				messages[i].Body = []byte(body)
			}
			d := &delivery{
				function: f.name, trigger: f.trigger, namespace: "contoso-dev.servicebus.windows.net",
				identifier:  "contoso-dev.servicebus.windows.net-0c9f3b6e-2a41-4b4e-8a4c-7d0b3b1d6a55",
				lockedUntil: locked, now: instantOf(t, "2026-11-21T09:30:16.0423177Z"),
				id: uuid.MustParse("5f0f9a0e-5a3f-4c8b-9d0b-6b7f6a2f1c11"), messages: messages,
			}
			compare(t, file, must[[]byte](t)(d.envelope()))
		})
	}
}

func TestBatchOfWhatIsNotJSONFailsWithoutDataType(t *testing.T) {
	f := samples(t)["sb-queue-batch-default.request.json"].function(t)
	d := &delivery{trigger: f.trigger, messages: []*azservicebus.ReceivedMessage{{Body: []byte("{}")}, {Body: []byte("hello")}}}
	if _, err := d.envelope(); err == nil {
		t.Error("the batch was taken")
	}
}

func TestTimerEnvelopesEqualTheSamples(t *testing.T) {
	for file, c := range map[string]struct {
		now, last, next string
		pastDue, retry  bool
	}{
		"timer.request.json":            {"2026-11-21T09:30:00.0123456Z", "2026-11-21T09:25:00.0041237Z", "2026-11-21T09:30:00Z", false, false},
		"timer-first-run.request.json":  {"2026-11-21T09:30:00.0123456Z", "", "2026-11-21T09:30:00Z", false, false},
		"timer-past-due.request.json":   {"2026-11-21T09:27:41.1000001Z", "2026-11-21T03:00:00.0031Z", "2026-11-21T03:05:00Z", true, false},
		"timer-no-monitor.request.json": {"2026-11-21T09:30:00.0123456Z", "", "2026-11-21T09:30:00Z", false, false},
		"timer-retry.request.json":      {"2026-11-21T09:30:10.0123456Z", "2026-11-21T09:25:00.0041237Z", "2026-11-21T09:30:00Z", false, true},
	} {
		t.Run(file, func(t *testing.T) {
			f := samples(t)[file].function(t)
			if c.retry {
				f.retry = retryPolicy{Strategy: "fixedDelay", MaxRetryCount: 3, DelayInterval: "00:00:10"}
			}
			status := timerStatus{next: instantOf(t, c.next)}
			if c.last != "" {
				status.last = instantOf(t, c.last)
				status.updated = status.last
			}
			s := must[schedule](t)(parseSchedule(f.trigger.Schedule))
			call := timerCall{f, s, status, c.pastDue, 0, instantOf(t, c.now), uuid.MustParse("5f0f9a0e-5a3f-4c8b-9d0b-6b7f6a2f1c11")}
			compare(t, file, call.envelope())
		})
	}
}

func TestHTTPEnvelopesEqualTheSamples(t *testing.T) {
	for file, c := range map[string]struct {
		method, path, query, body string
		values                    []routeValue
	}{
		"http-envelope-get.request.json":  {"GET", "/api/items/7", "view=full", "", []routeValue{{"id", "7"}}},
		"http-envelope-post.request.json": {"POST", "/api/items", "", `{"title":"x","labels":[1]}`, nil},
	} {
		t.Run(file, func(t *testing.T) {
			f := samples(t)[file].function(t)
			header := http.Header{"Accept": {"application/json"}, "User-Agent": {"curl/8.9.1"}, "X-Forwarded-For": {"203.0.113.7:51514"}}
			if c.body != "" {
				header.Set("Content-Type", "application/json")
			}
			req := &incoming{
				r:      &http.Request{Method: c.method, Header: header, ContentLength: int64(len(c.body))},
				scheme: "https", host: "contoso-dev.azurewebsites.net", path: c.path, query: parseQuery(c.query),
				values: c.values, body: []byte(c.body),
			}
			if c.query != "" {
				req.rawQuery = "?" + c.query
			}
			now := instantOf(t, "2026-11-21T09:30:16.0423177Z")
			compare(t, file, req.envelope(f, sys(f.name, now, uuid.MustParse("5f0f9a0e-5a3f-4c8b-9d0b-6b7f6a2f1c11"))))
		})
	}
}

func TestCopiedScalarsBecomeStrings(t *testing.T) {
	meta := &object{}
	meta.add("MessageId", `"x"`)
	copyBody(meta, `{"a":true,"b":1.50,"c":"2026-11-21T10:00:00Z","d":{"e":1},"f":null,"g":[1],"messageid":7,"myTrigger":1,"h":1e3}`)
	want := `{"MessageId":"\"7\"","a":"\"True\"","b":"\"1.5\"","c":"\"11/21/2026 10:00:00\"","d":{"e":1},"h":"\"1000\""}`
	if got := meta.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHTTPParametersReplaceTheHostsOwnEntries(t *testing.T) {
	f := samples(t)["http-envelope-get.request.json"].function(t)
	req := &incoming{
		r:      &http.Request{Method: "POST", Header: http.Header{}},
		scheme: "http", host: "h", path: "/api/items/7", query: parseQuery("headers=mine&sys=too&a=1&a=2&code=k&id=query"),
		values: []routeValue{{"id", "7"}}, body: []byte(`{"Query":"stolen","id":"body"}`),
	}
	_, meta := ordered(t, must[sampleEnvelope](t)(decoded(req.envelope(f, `{"real":true}`))).Metadata)
	for name, want := range map[string]string{
		"headers": `"\"mine\""`, "sys": `"\"too\""`, "$sys": `{"real":true}`, "Query": `"\"stolen\""`, "id": `"\"7\""`, "a": `"\"1,2\""`, "code": "", "Headers": "",
	} {
		if got := string(meta[name]); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
}

func decoded(text []byte) (e sampleEnvelope, err error) {
	err = json.Unmarshal(text, &e)
	return e, err
}

func TestStringsAreWrittenAsNewtonsoftDoes(t *testing.T) {
	if got, want := quote("a\"\\/<&>\n\x01\u2028é\xff"), `"a\"\\/<&>\n\u0001\u2028é`+"\ufffd"+`"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzQuote checks that what is written reads back.
func FuzzQuote(f *testing.F) {
	f.Add("a\u0085b\u2029\x7f")
	f.Fuzz(func(t *testing.T, s string) {
		var once, inner string
		if err := json.Unmarshal([]byte(twice(s)), &inner); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(inner), &once); err != nil || once != string([]rune(s)) {
			t.Errorf("%q came back as %q (%v)", s, once, err)
		}
	})
}

// FuzzCopyBody checks that any body leaves JSON metadata.
func FuzzCopyBody(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":[]},"d":"2026-01-01T00:00:00+02:00"}`)
	f.Add(`{"a":1}x`)
	f.Fuzz(func(t *testing.T, body string) {
		meta := &object{}
		copyBody(meta, body)
		if !json.Valid([]byte(meta.String())) {
			t.Errorf("%q made %s", body, meta)
		}
	})
}
