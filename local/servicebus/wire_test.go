package servicebus_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

// The table of servicebus.md section 2, through azservicebus.

func TestEveryFieldOfAMessageArrives(t *testing.T) {
	b := start(t, nil)
	s, err := b.client.NewSender("plain", nil)
	ok(t, err)
	sent := &azservicebus.Message{
		MessageID: ptr("id"), Subject: ptr("subject"), ContentType: ptr("text/plain"), CorrelationID: ptr("c"),
		To: ptr("to"), ReplyTo: ptr("reply"), TimeToLive: ptr(time.Minute), PartitionKey: ptr("p"),
		Body: bytes.Repeat([]byte("0123456789"), 20_000), // several frames
		ApplicationProperties: map[string]any{
			"string": "s", "int64": int64(1), "int32": int32(2), "float64": 0.5, "bool": true,
			"time": time.UnixMilli(1_700_000_000_000).UTC(), "bytes": []byte("b"),
		},
	}
	before := b.Now().Truncate(time.Millisecond)
	ok(t, s.SendMessage(soon(t), sent, nil))
	got := one(t, b.receiver(t, "plain", nil))
	if diff := cmp.Diff(sent, got.Message()); diff != "" {
		t.Errorf("message differs (-want +got):\n%s", diff)
	}
	if got.DeliveryCount != 1 || *got.SequenceNumber != 1 || got.LockToken == [16]byte{} {
		t.Errorf("delivery %d, sequence number %d, token %x", got.DeliveryCount, *got.SequenceNumber, got.LockToken)
	}
	if got.EnqueuedTime.Before(before) || got.LockedUntil.Sub(*got.EnqueuedTime) < 30*time.Second {
		t.Errorf("enqueued %v, locked until %v; want the lock to be 30s", got.EnqueuedTime, got.LockedUntil)
	}
}

func TestBatchIsManyMessages(t *testing.T) {
	b := start(t, nil)
	s, err := b.client.NewSender("plain", nil)
	ok(t, err)
	batch, err := s.NewMessageBatch(soon(t), nil)
	ok(t, err)
	for range 10 {
		ok(t, batch.AddMessage(&azservicebus.Message{Body: []byte("x")}, nil))
	}
	ok(t, s.SendMessageBatch(soon(t), batch, nil))
	if got := len(b.Peek("plain")); got != 10 {
		t.Errorf("%d messages, want 10", got)
	}
}

func TestReceiveAndDeleteLeavesNothing(t *testing.T) {
	b := start(t, nil)
	b.put(t, "plain", queue.Message{ID: "1"})
	r := b.receiver(t, "plain", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	if m := one(t, r); m.MessageID != "1" {
		t.Errorf("message %q, want 1", m.MessageID)
	}
	if left := b.Peek("plain"); len(left) != 0 || b.Used("plain") != 0 {
		t.Errorf("%d messages and %d bytes left", len(left), b.Used("plain"))
	}
}

func TestCompleteRemoves(t *testing.T) {
	b := start(t, nil)
	b.put(t, "plain", queue.Message{ID: "1"}, queue.Message{ID: "2"})
	r := b.receiver(t, "plain", nil)
	ok(t, r.CompleteMessage(soon(t), one(t, r), nil))
	if got := ids(b.Peek("plain")); !slices.Equal(got, []string{"2"}) {
		t.Errorf("left %q, want 2", got)
	}
}

func TestAbandonCountsAndChangesProperties(t *testing.T) {
	b := start(t, nil)
	b.put(t, "plain", queue.Message{ID: "1", Properties: map[string]any{"kept": "k", "changed": int64(1)}})
	r := b.receiver(t, "plain", nil)
	ok(t, r.AbandonMessage(soon(t), one(t, r), &azservicebus.AbandonMessageOptions{
		PropertiesToModify: map[string]any{"changed": int64(2), "new": true},
	}))
	m := one(t, r)
	want := map[string]any{"kept": "k", "changed": int64(2), "new": true}
	if diff := cmp.Diff(want, m.ApplicationProperties); diff != "" || m.DeliveryCount != 2 {
		t.Errorf("delivery %d; properties differ (-want +got):\n%s", m.DeliveryCount, diff)
	}
}

func TestDeadLetterCarriesReasonAndSource(t *testing.T) {
	b := start(t, nil)
	b.put(t, "plain", queue.Message{ID: "1", Body: []byte("body"), Properties: map[string]any{"kept": "k"}})
	r := b.receiver(t, "plain", nil)
	ok(t, r.DeadLetterMessage(soon(t), one(t, r), &azservicebus.DeadLetterOptions{
		Reason: ptr("because"), ErrorDescription: ptr("of this"), PropertiesToModify: map[string]any{"more": "m"},
	}))
	dead := one(t, b.receiver(t, "plain", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter}))
	if *dead.DeadLetterReason != "because" || *dead.DeadLetterErrorDescription != "of this" || *dead.DeadLetterSource != "plain" {
		t.Errorf("reason %q, description %q, source %q", *dead.DeadLetterReason, *dead.DeadLetterErrorDescription, *dead.DeadLetterSource)
	}
	p := dead.ApplicationProperties
	if dead.DeliveryCount != 1 || string(dead.Body) != "body" || p["kept"] != "k" || p["more"] != "m" {
		t.Errorf("delivery %d, body %q, properties %v", dead.DeliveryCount, dead.Body, p)
	}
}

func TestDeadLetterQueueOfASessionQueueNeedsNoSession(t *testing.T) {
	b := start(t, nil)
	b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a"})
	s := b.session(t, "a")
	ok(t, s.DeadLetterMessage(soon(t), one(t, s), nil))
	dead := one(t, b.receiver(t, "lanes", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter}))
	if *dead.SessionID != "a" {
		t.Errorf("session %q, want a", *dead.SessionID)
	}
}

func TestSubscriptionsGetCopiesByTheirRules(t *testing.T) {
	b := start(t, nil)
	b.put(t, "topic", queue.Message{ID: "1", Subject: "other"}, queue.Message{ID: "2", Subject: "wanted"})
	for name, want := range map[string][]string{"all": {"1", "2"}, "some": {"2"}} {
		r, err := b.client.NewReceiverForSubscription("topic", name, nil)
		ok(t, err)
		for _, id := range want {
			m := one(t, r)
			if m.MessageID != id {
				t.Errorf("%s: message %q, want %q", name, m.MessageID, id)
			}
			ok(t, r.CompleteMessage(soon(t), m, nil))
		}
		none(t, r)
		closeWith(t, r.Close)
	}
}

func TestPeekShowsWithoutLocking(t *testing.T) {
	b := start(t, nil)
	b.put(t, "plain", queue.Message{ID: "1"}, queue.Message{ID: "2"},
		queue.Message{ID: "later", ScheduledFor: b.Now().Add(time.Hour)})
	r := b.receiver(t, "plain", nil)
	list, err := r.PeekMessages(soon(t), 10, nil)
	ok(t, err)
	if len(list) != 3 || list[2].MessageID != "later" || list[2].State != azservicebus.MessageStateScheduled {
		t.Fatalf("peeked %d messages, want 1, 2 and a scheduled one", len(list))
	}
	list, err = r.PeekMessages(soon(t), 1, &azservicebus.PeekMessagesOptions{FromSequenceNumber: list[1].SequenceNumber})
	ok(t, err)
	if len(list) != 1 || list[0].MessageID != "2" || list[0].DeliveryCount != 1 {
		t.Errorf("peeked %d from the second on, want 2", len(list))
	}
	if m := one(t, r); m.MessageID != "1" {
		t.Errorf("received %q after peeking, want 1", m.MessageID)
	}
}

func TestScheduleAndCancelByRequest(t *testing.T) {
	b := start(t, nil)
	s, err := b.client.NewSender("plain", nil)
	ok(t, err)
	at := b.Now().Add(time.Minute)
	numbers, err := s.ScheduleMessages(soon(t), []*azservicebus.Message{
		{MessageID: ptr("1")}, {MessageID: ptr("2")}, {MessageID: ptr("3")},
	}, at, nil)
	ok(t, err)
	ok(t, s.CancelScheduledMessages(soon(t), numbers[1:2], nil))
	wantCode(t, s.CancelScheduledMessages(soon(t), numbers[1:2], nil), azservicebus.CodeNotFound)
	r := b.receiver(t, "plain", nil)
	none(t, r)
	b.Advance(time.Minute)
	for _, id := range []string{"1", "3"} {
		m := one(t, r)
		if m.MessageID != id || m.EnqueuedTime.Before(at.Truncate(time.Millisecond)) {
			t.Errorf("message %q enqueued %v, want %q at %v", m.MessageID, m.EnqueuedTime, id, at)
		}
		ok(t, r.CompleteMessage(soon(t), m, nil))
	}
}

func TestRefusalsReachTheClient(t *testing.T) {
	b := start(t, nil)
	send := func(entity string, m *azservicebus.Message) error {
		s, err := b.client.NewSender(entity, nil)
		ok(t, err)
		defer closeWith(t, s.Close)
		return s.SendMessage(soon(t), m, nil)
	}
	accept := func(queue string) error {
		_, err := b.client.AcceptNextSessionForQueue(soon(t), queue, nil)
		return err
	}
	receive := func(queue string) error {
		_, err := b.receiver(t, queue, nil).ReceiveMessages(soon(t), 1, nil)
		return err
	}
	long := string(bytes.Repeat([]byte("i"), 129))
	full := &azservicebus.Message{Body: make([]byte, 1000)}
	b.Limit("plain", 500)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"send to an unknown queue":                {send("nowhere", full), servicebus.NotFound},
		"send without session id":                 {send("lanes", full), servicebus.NotAllowed},
		"message id too long":                     {send("plain", &azservicebus.Message{MessageID: &long}), servicebus.NotAllowed},
		"session id too long":                     {send("lanes", &azservicebus.Message{SessionID: &long}), servicebus.NotAllowed},
		"property over 32 KB":                     {send("plain", &azservicebus.Message{ApplicationProperties: map[string]any{"p": string(make([]byte, 33_000))}}), servicebus.NotAllowed},
		"full queue":                              {send("plain", full), servicebus.Full},
		"receive from an unknown queue":           {receive("nowhere"), servicebus.NotFound},
		"receive without session":                 {receive("lanes"), servicebus.NotAllowed},
		"session of a queue without":              {accept("plain"), servicebus.NotAllowed},
		"session of an unknown queue":             {accept("nowhere"), servicebus.NotFound},
		"session of a dead-letter queue of lanes": {accept("lanes/$deadletterqueue"), servicebus.NotAllowed},
	} {
		t.Run(name, func(t *testing.T) { wantCondition(t, c.err, c.want) })
	}
}

func TestSharedClockIsFollowed(t *testing.T) {
	var c clock
	b := start(t, func(o *servicebus.Options) { o.Now = c.now })
	b.put(t, "plain", queue.Message{ID: "1", ScheduledFor: c.now().Add(time.Hour)})
	r := b.receiver(t, "plain", nil)
	got := make(chan string, 1)
	ctx := soon(t)
	go func() {
		if m, err := r.ReceiveMessages(ctx, 1, nil); err == nil && len(m) == 1 {
			got <- m[0].MessageID
		}
		close(got)
	}()
	c.move(time.Hour)
	b.Tick()
	if id := <-got; id != "1" {
		t.Errorf("received %q, want 1", id)
	}
}

// The client's own count stops larger messages on a link; by request it does not.
func TestScheduledMessageOverTheLimitIsRefused(t *testing.T) {
	b := start(t, nil)
	s, err := b.client.NewSender("plain", nil)
	ok(t, err)
	_, err = s.ScheduleMessages(soon(t), []*azservicebus.Message{{Body: make([]byte, queue.MaxMessage)}}, b.Now(), nil)
	if err == nil || len(b.Peek("plain")) != 0 {
		t.Errorf("error %v, %d messages; want a refusal", err, len(b.Peek("plain")))
	}
}

// go-amqp's session window is 5,000 transfers, and is opened again by the client.
func TestMoreMessagesThanTheClientsWindowArrive(t *testing.T) {
	const n = 12_000
	b := start(t, nil)
	b.put(t, "plain", make([]queue.Message, n)...)
	r := b.receiver(t, "plain", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	for got := 0; got < n; {
		list, err := r.ReceiveMessages(soon(t), 5000, &azservicebus.ReceiveMessagesOptions{TimeAfterFirstMessage: 50 * time.Millisecond})
		ok(t, err)
		for _, m := range list {
			if got++; *m.SequenceNumber != int64(got) {
				t.Fatalf("sequence number %d at %d", *m.SequenceNumber, got)
			}
		}
	}
}
