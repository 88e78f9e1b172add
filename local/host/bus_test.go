package host

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

// busFunction is the function.json of a Service Bus trigger.
func busFunction(queue string, sessions bool, more string) string {
	return fmt.Sprintf(`{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"message","queueName":%q,"connection":"BUS",`+
		`"isSessionsEnabled":%v%s}]}`, queue, sessions, more)
}

const binaryData = `,"dataType":"binary"`

// newBroker is a broker with a session queue "lanes" and a plain queue "plain".
func newBroker(t testing.TB, now func() time.Time) (*servicebus.Broker, *servicebus.Server) {
	t.Helper()
	b := servicebus.New(servicebus.Options{Now: now, Topology: servicebus.Topology{Queues: []servicebus.Queue{
		{Name: "lanes", Properties: servicebus.Properties{Sessions: true, Lock: time.Minute, MaxDeliveries: 3}},
		{Name: "sturdy", Properties: servicebus.Properties{Sessions: true, Lock: time.Minute, MaxDeliveries: 20}},
		{Name: "plain", Properties: servicebus.Properties{Lock: time.Minute, MaxDeliveries: 3}},
	}}})
	s, err := b.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return b, s
}

// startBus runs a host with a broker.
func startBus(t testing.TB, handler *fakeHandler, functions map[string]string, change func(*Options)) (*running, *servicebus.Broker, *servicebus.Server) {
	t.Helper()
	var now func() time.Time
	var probe Options
	if change != nil {
		change(&probe)
		now = probe.Now
	}
	b, s := newBroker(t, now)
	h := start(t, writeRoot(t, plainHostJSON, functions), handler, func(o *Options) {
		if change != nil {
			change(o)
		}
		o.Env = append(o.Env, "BUS="+s.ConnectionString())
	})
	return h, b, s
}

// send puts messages with a text body on a queue.
func send(t testing.TB, b *servicebus.Broker, entity string, messages ...queue.Message) {
	t.Helper()
	if err := b.Sender().Send(t.Context(), entity, messages...); err != nil {
		t.Fatal(err)
	}
}

// delivered is the message in an envelope.
type delivered struct {
	function, body, session, id string
	count                       string
	meta                        map[string]json.RawMessage
}

func read(t testing.TB, c call) delivered {
	t.Helper()
	e, err := decoded([]byte(c.body))
	if err != nil {
		t.Fatalf("%v in %s", err, c.body)
	}
	d := delivered{function: strings.TrimPrefix(c.target, "/")}
	if err := json.Unmarshal(e.Metadata, &d.meta); err != nil {
		t.Fatal(err)
	}
	text := func(name string) (s string) {
		var inner string
		if json.Unmarshal(d.meta[name], &inner) == nil && json.Unmarshal([]byte(inner), &s) != nil {
			s = inner
		}
		return s
	}
	d.session, d.id, d.count = text("SessionId"), text("MessageId"), text("DeliveryCount")
	var data string
	if err := json.Unmarshal(e.Data["message"], &data); err != nil {
		t.Fatal(err)
	}
	if raw, err := base64.StdEncoding.DecodeString(data); err == nil {
		data = string(raw)
	}
	d.body = data
	return d
}

// drained waits until a store of the broker holds n messages.
func drained(t testing.TB, b *servicebus.Broker, path string, n int) []servicebus.Received {
	t.Helper()
	for range 2000 {
		if left := b.Peek(path); len(left) == n {
			return left
		}
		pause(t)
	}
	t.Fatalf("%s holds %d messages, want %d", path, len(b.Peek(path)), n)
	return nil
}

const failed = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"

func TestSessionMessagesComeInOrderOneAtATime(t *testing.T) {
	handler := newHandler()
	var mu sync.Mutex
	busy := map[string]int{}
	seen := map[string][]string{}
	handler.set(func(c call) string {
		d := read(t, c)
		mu.Lock()
		busy[d.session]++
		if busy[d.session] > 1 {
			t.Errorf("two calls at once for session %s", d.session)
		}
		seen[d.session] = append(seen[d.session], d.body)
		mu.Unlock()
		pause(t)
		mu.Lock()
		defer mu.Unlock()
		busy[d.session]--
		return okEmpty
	})
	_, b, _ := startBus(t, handler, map[string]string{"Work": busFunction("lanes", true, binaryData)}, nil)
	for i := range 10 {
		for _, s := range []string{"a", "b", "c"} {
			send(t, b, "lanes", queue.Message{ID: fmt.Sprint(s, i), SessionID: s, Body: fmt.Append(nil, i)})
		}
	}
	drained(t, b, "lanes", 0)
	for _, s := range []string{"a", "b", "c"} {
		if got := strings.Join(seen[s], ""); got != "0123456789" {
			t.Errorf("session %s saw %s", s, got)
		}
	}
}

func TestFailedSessionMessageComesAgainBeforeTheNext(t *testing.T) {
	handler := newHandler()
	handler.set(func(c call) string {
		if d := read(t, c); d.body == "1" && d.count != "3" {
			return failed
		}
		return okEmpty
	})
	h, b, _ := startBus(t, handler, map[string]string{"Work": busFunction("lanes", true, binaryData)}, nil)
	for i := range 4 {
		send(t, b, "lanes", queue.Message{ID: fmt.Sprint(i), SessionID: "a", Body: fmt.Append(nil, i)})
	}
	drained(t, b, "lanes", 0)
	var got []string
	for range 6 {
		d := read(t, handler.next(t))
		got = append(got, d.body+"/"+d.count)
	}
	if s := strings.Join(got, " "); s != "0/1 1/1 1/2 1/3 2/1 3/1" {
		t.Errorf("order %s", s)
	}
	handler.none(t)
	h.log.await(t, "does not indicate success: 500")
}

func TestMessageThatFailsTooOftenReachesTheDeadLetterFunction(t *testing.T) {
	handler := newHandler()
	handler.set(func(c call) string {
		if c.target == "/Dead" {
			return okEmpty
		}
		return failed
	})
	_, b, _ := startBus(t, handler, map[string]string{
		"Work": busFunction("lanes", true, binaryData), "Dead": busFunction("lanes/$DeadLetterQueue", false, binaryData),
	}, nil)
	send(t, b, "lanes", queue.Message{ID: "m", SessionID: "a", Body: []byte("x"), Properties: map[string]any{"attempt": int64(2)}})
	for range 3 {
		if d := read(t, handler.next(t)); d.function != "Work" {
			t.Fatalf("%s was called", d.function)
		}
	}
	d := read(t, handler.next(t))
	if d.function != "Dead" || d.body != "x" || d.session != "a" || d.id != "m" {
		t.Errorf("%+v", d)
	}
	var properties map[string]any
	if err := json.Unmarshal(d.meta["ApplicationProperties"], &properties); err != nil {
		t.Fatal(err)
	}
	if properties["DeadLetterReason"] != "MaxDeliveryCountExceeded" || properties["attempt"] != 2.0 {
		t.Errorf("properties %v", properties)
	}
	if string(d.meta["MessageSession"]) != "{}" {
		t.Errorf("a dead letter has a session lock: %s", d.meta["MessageSession"])
	}
	drained(t, b, "lanes/$deadletterqueue", 0)
}

func TestPlainQueueIsServedConcurrentlyUpToTheLimit(t *testing.T) {
	handler := newHandler()
	release := make(chan struct{})
	handler.set(func(call) string { <-release; return okEmpty })
	_, b, _ := startBus(t, handler, map[string]string{"Intake": busFunction("plain", false, binaryData)}, nil)
	for i := range 10 {
		send(t, b, "plain", queue.Message{ID: fmt.Sprint(i), Body: []byte("{}")})
	}
	for range 4 { // maxConcurrentCalls
		handler.next(t)
	}
	pause(t)
	handler.none(t)
	close(release)
	drained(t, b, "plain", 0)
}

func TestSpoofedMetadataOnlyWithoutBinary(t *testing.T) {
	handler := newHandler()
	_, b, _ := startBus(t, handler, map[string]string{"Text": busFunction("plain", false, ""), "Binary": busFunction("lanes", true, binaryData)}, nil)
	body := []byte(`{"MessageId":"evil","DeliveryCount":0,"SessionId":"other"}`)
	send(t, b, "plain", queue.Message{ID: "real", Body: body})
	if d := read(t, handler.next(t)); d.id != "evil" || d.count != "0" || d.session != "other" {
		t.Errorf("string: %+v", d)
	}
	send(t, b, "lanes", queue.Message{ID: "real", SessionID: "s", Body: body})
	if d := read(t, handler.next(t)); d.id != "real" || d.count != "1" || d.session != "s" || d.body != string(body) {
		t.Errorf("binary: %+v", d)
	}
}

// Calls fail as long as the handler starts again, and each counts as a delivery:
// hence the queue with many.
func TestKilledHandlerLosesNoMessage(t *testing.T) {
	handler := newHandler()
	entered, release := make(chan struct{}, 10), make(chan struct{})
	handler.set(func(call) string {
		entered <- struct{}{}
		<-release
		return okEmpty
	})
	h, b, _ := startBus(t, handler, map[string]string{"Work": busFunction("sturdy", true, binaryData)}, nil)
	for i := range 3 {
		send(t, b, "sturdy", queue.Message{ID: fmt.Sprint(i), SessionID: "a", Body: fmt.Append(nil, i)})
	}
	<-entered
	h.KillHandlers()
	handler.awaitStarts(t, 2)
	close(release)
	drained(t, b, "sturdy", 0)
	var got []string
	for range 4 {
		got = append(got, read(t, handler.next(t)).body)
	}
	if s := strings.Join(got, ""); s != "0012" {
		t.Errorf("deliveries %s", s)
	}
}

func TestRestartedHostGoesOn(t *testing.T) {
	handler := newHandler()
	h, b, _ := startBus(t, handler, map[string]string{"Work": busFunction("lanes", true, binaryData)}, nil)
	send(t, b, "lanes", queue.Message{ID: "1", SessionID: "a", Body: []byte("1")})
	drained(t, b, "lanes", 0)
	h.Restart()
	h.log.await(t, "a new one starts")
	send(t, b, "lanes", queue.Message{ID: "2", SessionID: "a", Body: []byte("2")})
	drained(t, b, "lanes", 0)
	if first, second := handler.next(t), handler.next(t); read(t, second).body != "2" || first.port == second.port {
		t.Errorf("a new host has a new port: %s, %s", first.port, second.port)
	}
}

func TestCutConnectionsAreMendedInOrder(t *testing.T) {
	handler := newHandler()
	_, b, s := startBus(t, handler, map[string]string{"Work": busFunction("lanes", true, binaryData)}, nil)
	var cut sync.Once
	handler.set(func(c call) string {
		if read(t, c).body == "3" {
			cut.Do(s.DropConnections)
		}
		return okEmpty
	})
	for i := range 8 {
		send(t, b, "lanes", queue.Message{ID: fmt.Sprint(i), SessionID: "a", Body: fmt.Append(nil, i)})
	}
	drained(t, b, "lanes", 0)
	var got string
	for len(handler.calls) > 0 {
		got += read(t, handler.next(t)).body
	}
	if got != "012334567" && got != "01234567" {
		t.Errorf("deliveries %s", got)
	}
}

func TestSessionLockIsRenewedWhileTheHandlerWorks(t *testing.T) {
	clock := &manualClock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	handler := newHandler()
	release := make(chan struct{})
	handler.set(func(call) string { <-release; return okEmpty })
	root := map[string]string{"Work": busFunction("lanes", true, binaryData)}
	h, b, _ := startBus(t, handler, root, func(o *Options) { o.Now = clock.Now })
	send(t, b, "lanes", queue.Message{ID: "1", SessionID: "a", Body: []byte("1")})
	handler.next(t)
	// functionTimeout is five minutes, the lock one; the clock moves in steps of 31 s.
	for range 8 {
		clock.advance(31 * time.Second)
		h.Tick()
		want := clock.Now().Add(50 * time.Second)
		for range 2000 {
			if p := b.Peek("lanes"); len(p) == 1 && p[0].LockedUntil.After(want) {
				break
			}
			pause(t)
		}
		b.Tick()
	}
	close(release)
	drained(t, b, "lanes", 0)
	handler.none(t) // the lock was never lost
}

// TestRenewalCountsFromTheAccept: after maxAutoLockRenewalDuration the lock runs out, and
// the message comes again though the handler still works on it.
func TestRenewalCountsFromTheAccept(t *testing.T) {
	clock := &manualClock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	handler := newHandler()
	release := make(chan struct{})
	var once sync.Once
	handler.set(func(c call) string {
		if read(t, c).count == "1" {
			<-release
		}
		return okEmpty
	})
	t.Cleanup(func() { once.Do(func() { close(release) }) })
	h, b, _ := startBus(t, handler, map[string]string{"Work": busFunction("lanes", true, binaryData)}, func(o *Options) {
		o.Now = clock.Now
		o.Env = []string{"AzureFunctionsJobHost__functionTimeout=-1", "AzureFunctionsJobHost__extensions__serviceBus__maxAutoLockRenewalDuration=00:02:00"}
	})
	send(t, b, "lanes", queue.Message{ID: "1", SessionID: "a", Body: []byte("1")})
	handler.next(t)
	steps := 0
	for ; len(handler.calls) == 0 && steps < 200; steps++ {
		clock.advance(10 * time.Second)
		h.Tick()
		pause(t)
	}
	if d := read(t, handler.next(t)); d.count != "2" || steps < 12 {
		t.Errorf("delivery %s after %d s", d.count, steps*10)
	}
	once.Do(func() { close(release) })
	drained(t, b, "lanes", 0)
}

func TestIdleSessionKeepsItsSlot(t *testing.T) {
	clock := &manualClock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	handler := newHandler()
	root := map[string]string{"Work": busFunction("lanes", true, binaryData)}
	h, b, _ := startBus(t, handler, root, func(o *Options) {
		o.Now = clock.Now
		o.Env = []string{"AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentSessions=1",
			"AzureFunctionsJobHost__extensions__serviceBus__sessionIdleTimeout=00:10:00"}
	})
	send(t, b, "lanes", queue.Message{ID: "1", SessionID: "a", Body: []byte("a1")})
	handler.next(t)
	drained(t, b, "lanes", 0)
	send(t, b, "lanes", queue.Message{ID: "2", SessionID: "b", Body: []byte("b1")})
	send(t, b, "lanes", queue.Message{ID: "3", SessionID: "a", Body: []byte("a2")})
	if d := read(t, handler.next(t)); d.body != "a2" {
		t.Errorf("%s was served while session a is held", d.body)
	}
	drained(t, b, "lanes", 1)
	for len(handler.calls) == 0 {
		clock.advance(10 * time.Minute)
		h.Tick()
		pause(t)
	}
	if d := read(t, handler.next(t)); d.body != "b1" {
		t.Errorf("%s came after the hold", d.body)
	}
}

func TestBatchesAreSettledTogether(t *testing.T) {
	handler := newHandler()
	_, b, _ := startBus(t, handler, map[string]string{"Many": busFunction("plain", false, `,"cardinality":"many","dataType":"string"`)}, nil)
	send(t, b, "plain", queue.Message{ID: "1", Body: []byte("x")}, queue.Message{ID: "2", Body: []byte("y")})
	drained(t, b, "plain", 0)
	c := handler.next(t)
	if !strings.Contains(c.body, `"MessageIdArray":"[\"1\"`) {
		t.Errorf("body %s", c.body)
	}
}

func TestOutputBindingSendsAfterTheReply(t *testing.T) {
	handler := newHandler()
	body := `{"Outputs":{"next":["a b"]}}`
	handler.set(func(c call) string {
		if c.target != "/Sweep" {
			return okEmpty
		}
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	})
	h, b, _ := startBus(t, handler, map[string]string{
		"Sweep": `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"0 0 0 1 1 *"},` +
			`{"type":"serviceBus","direction":"out","name":"next","queueName":"plain","connection":"BUS"}]}`,
	}, nil)
	h.raw(t, request("POST", "/admin/functions/Sweep", `{}`, "x-functions-key: "+MasterKey))
	if left := drained(t, b, "plain", 1); string(left[0].Body) != "a b" {
		t.Errorf("sent %q", left[0].Body)
	}
}

func TestQueueFunctionByHand(t *testing.T) {
	h, _, _ := startBus(t, newHandler(), map[string]string{"Work": busFunction("plain", false, binaryData)}, nil)
	resp, _ := h.raw(t, request("POST", "/admin/functions/Work", `{"input":"{\"kind\":\"sync\"}"}`, "x-functions-key: "+MasterKey))
	if d := read(t, h.handler.next(t)); resp.StatusCode != 202 || d.body != `{"kind":"sync"}` {
		t.Errorf("%d %+v", resp.StatusCode, d)
	}
}

func TestListenerWithoutItsSettingSaysSo(t *testing.T) {
	h := start(t, writeRoot(t, plainHostJSON, map[string]string{"Work": busFunction("plain", false, "")}), newHandler(), nil)
	h.log.await(t, "unable to start")
}

func TestFlexGroupsReceiveOnTheirOwn(t *testing.T) {
	handler := newHandler()
	h, b, _ := startBus(t, handler, map[string]string{
		"Work": busFunction("lanes", true, binaryData), "Intake": busFunction("plain", false, binaryData),
	}, func(o *Options) { o.PerFunctionGroup = true })
	h.awaitReady(t)
	send(t, b, "lanes", queue.Message{ID: "1", SessionID: "a", Body: []byte("1")})
	work := handler.next(t)
	send(t, b, "plain", queue.Message{ID: "2", Body: []byte("2")})
	if intake := handler.next(t); intake.port == work.port || intake.target != "/Intake" || work.target != "/Work" {
		t.Errorf("%s on %s, %s on %s", work.target, work.port, intake.target, intake.port)
	}
}
