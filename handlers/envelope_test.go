package handlers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/queue"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func payload(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/payloads", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The worked samples of functions/payloads, whose raw bodies index.json names.
func TestSamplesAreDecoded(t *testing.T) {
	body := []byte("{\"kind\":\"sync\",\"ticket\":42,\"urgent\":true,\"tags\":[\"a\",\"b\"],\"note\":\"café \\\"quoted\\\"\"}")
	enqueued := time.Date(2026, 11, 21, 9, 30, 15, 0, time.UTC)
	properties := map[string]any{"schema": int64(3), "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "retry": false, "ratio": 0.5}
	dead := map[string]any{"DeadLetterReason": "MaxDeliveryCountExceeded",
		"DeadLetterErrorDescription": "Message could not be consumed after 10 delivery attempts."}
	for name, value := range properties {
		dead[name] = value
	}
	session := Invocation{Message: queue.Message{ID: "msg-0001", SessionID: "tenant-a", Subject: "sync.requested", ContentType: "application/json",
		Body: body, Properties: properties}, DeliveryCount: 1, SequenceNumber: 42, EnqueuedAt: enqueued}
	deadLetter := session
	deadLetter.Message.Properties, deadLetter.DeliveryCount = dead, 10
	deadLetter.DeadLetterReason, deadLetter.DeadLetterDetail = "MaxDeliveryCountExceeded", "Message could not be consumed after 10 delivery attempts."
	for name, want := range map[string]Invocation{
		"sb-queue-session-binary.request.json": session,
		"sb-deadletter.request.json":           deadLetter,
		"sb-deadletter-forwarded.request.json": deadLetter,
		// Not ours, since we declare binary: the text is JSON in a string and taken as it is.
		"sb-queue-nosession-text.request.json": {Message: queue.Message{ID: "msg-0002", Body: []byte(`"hello"`), Properties: map[string]any{}},
			DeliveryCount: 3, SequenceNumber: 43, EnqueuedAt: enqueued},
	} {
		got, err := DecodeInvocation(payload(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestEverySampleIsDecodedWithoutAnError(t *testing.T) {
	names, err := filepath.Glob("testdata/payloads/sb-*.request.json")
	if err != nil || len(names) < 8 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if _, err := DecodeInvocation(payload(t, filepath.Base(name))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// contract 2.3: how metadata is written differs by type and by host.
func TestMetadataIsReadInEveryFormAndNeverFailsAnInvocation(t *testing.T) {
	for name, test := range map[string]struct {
		metadata string
		want     Invocation
	}{
		"twice encoded":     {`{"MessageId":"\"abc\"","DeliveryCount":"2"}`, Invocation{Message: queue.Message{ID: "abc"}, DeliveryCount: 2}},
		"once encoded":      {`{"MessageId":"abc","DeliveryCount":2}`, Invocation{Message: queue.Message{ID: "abc"}, DeliveryCount: 2}},
		"an id like number": {`{"MessageId":"\"42\"","SessionId":"\"true\""}`, Invocation{Message: queue.Message{ID: "42", SessionID: "true"}}},
		"an id like null":   {`{"MessageId":"\"null\"","SessionId":"null"}`, Invocation{Message: queue.Message{ID: "null"}}},
		"64 bits":           {`{"SequenceNumber":"9007199254740993"}`, Invocation{SequenceNumber: 9007199254740993}},
		"time with zone":    {`{"EnqueuedTimeUtc":"2026-11-21T09:30:15+02:00"}`, Invocation{EnqueuedAt: time.Date(2026, 11, 21, 7, 30, 15, 0, time.UTC)}},
		"rubbish":           {`{"MessageId":[1],"DeliveryCount":"many","EnqueuedTimeUtc":"soon","SequenceNumber":{},"ApplicationProperties":"x"}`, Invocation{}},
		"properties": {`{"ApplicationProperties":{"i":9007199254740993,"f":1.0,"big":1e300,"s":"x","b":true,"n":null,"o":{},"a":[]}}`,
			Invocation{Message: queue.Message{Properties: map[string]any{"i": int64(9007199254740993), "f": 1.0, "big": 1e300, "s": "x", "b": true}}}},
		"none": {`null`, Invocation{}},
	} {
		got, err := DecodeInvocation([]byte(`{"Data":{"message":""},"Metadata":` + test.metadata + `}`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		test.want.Message.Body = []byte{}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestWhatIsNoEnvelopeIsAnErrorWithoutContent(t *testing.T) {
	for _, body := range []string{"", "secret", "[]", `"secret"`, `{"Data":"secret"}`, `{"Metadata":{}}`, `{"Data":{"a":"eA==","b":"eA=="}}`} {
		_, err := DecodeInvocation([]byte(body))
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestAnyMessageBodySurvivesTheEnvelope(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body, id := rapid.SliceOf(rapid.Byte()).Draw(t, "body"), rapid.String().Draw(t, "id")
		quoted, _ := json.Marshal(id)
		envelope, err := json.Marshal(map[string]any{"Data": map[string]any{"message": base64.StdEncoding.EncodeToString(body)},
			"Metadata": map[string]any{"MessageId": string(quoted), "MessageSession": map[string]any{}}})
		if err != nil {
			t.Fatal(err)
		}
		inv, err := DecodeInvocation(envelope)
		if err != nil || !bytes.Equal(inv.Message.Body, body) || inv.Message.ID != strings.ToValidUTF8(id, "\ufffd") {
			t.Fatalf("got %+v, %v", inv, err)
		}
	})
}

func FuzzDecodeInvocation(f *testing.F) {
	names, _ := filepath.Glob("testdata/payloads/*.request.json")
	for _, name := range names {
		f.Add(payload(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		inv, err := DecodeInvocation(body)
		if err != nil {
			return
		}
		for name, v := range inv.Message.Properties {
			switch v.(type) {
			case string, bool, int64, float64:
			default:
				t.Fatalf("property %q is a %T", name, v)
			}
		}
	})
}

func TestEachQueueFunctionCallsItsPart(t *testing.T) {
	w := newWorld(t, 0, nil)
	for _, f := range []string{"BookingIntake", "CalendarWrite", "DeadLetterBookings", "DeadLetterDeliveries", "DownSyncSchedule", "DeadLetterTasks", "MailboxTask", "SubscriptionRenewal", "TokenKeepAlive"} {
		r := w.envelope("/"+f, wakeUp)
		if r.status != 200 || r.body != "{}" || r.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %q %v", f, r.status, r.body, r.header)
		}
	}
	want := []string{"intake m1", "write m1", "dead-letter bookings m1", "dead-letter deliveries m1", "due", "sweep", "dead-letter mailbox-tasks m1", "task m1", "renewals", "keep alive"}
	if diff := cmp.Diff(want, w.called()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if w.messages[1].SessionID != "lane" || string(w.messages[1].Body) != "{}" {
		t.Errorf("got %+v", w.messages[1])
	}
	if left := time.Until(w.deadline); left <= 0 || left > Deadline {
		t.Errorf("the deadline is %v away, want at most %v", left, Deadline)
	}
}

func TestOnlyAnErrorFailsAnInvocation(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.fail = errDown
	if r := w.envelope("/CalendarWrite", wakeUp); r.status != 500 {
		t.Errorf("error: %d", r.status)
	}
	w.fail = nil
	for name, body := range map[string]string{"no envelope": "{", "nothing": ""} {
		if r := w.envelope("/CalendarWrite", body); r.status != 500 {
			t.Errorf("%s: %d", name, r.status)
		}
	}
	if r := w.envelope("/CalendarWrite", wakeUp); r.status != 200 {
		t.Errorf("afterwards: %d", r.status)
	}
}

func TestAPanicFailsOneInvocationAndSaysNothingPersonal(t *testing.T) {
	w := newWorld(t, 0, nil)
	for _, v := range []any{"aino@acme.example", errors.New("aino@acme.example")} {
		w.panicking = v
		if r := w.envelope("/BookingIntake", wakeUp); r.status != 500 || strings.Contains(r.body, "aino") {
			t.Errorf("got %d %s", r.status, r.body)
		}
	}
	w.panicking = nil
	if r := w.envelope("/BookingIntake", wakeUp); r.status != 200 {
		t.Errorf("afterwards: %d", r.status)
	}
	if log := w.logged.String(); strings.Contains(log, "aino") || !strings.Contains(log, `"msg":"panic"`) || !strings.Contains(log, hostID) {
		t.Errorf("log: %s", log)
	}
}

// contract 2.1: ids of the caller are merged before the host's.
func TestTheInvocationIDIsTheLastWellFormedOne(t *testing.T) {
	const forged = "11111111-1111-1111-1111-111111111111"
	for header, want := range map[string]string{
		hostID: hostID, strings.ToUpper(hostID): hostID, "aaaa, " + hostID: hostID, forged + ", " + hostID: hostID, forged + "," + hostID: hostID,
		"x\r\nX-Azure-Functions-InvocationId: " + hostID: hostID,
		"aaaa": "", hostID + ", aaaa": "", "x" + hostID: "", "": "",
	} {
		w := newWorld(t, 0, nil)
		r := w.raw("GET /nothing HTTP/1.1\r\nHost: x\r\nX-Azure-Functions-InvocationId: " + header + "\r\n\r\n")
		got := w.problem(r, 404, "not-found").Instance
		if want != "" && got != want || len(got) != len(hostID) || strings.Contains(got, "1111-1111") {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
