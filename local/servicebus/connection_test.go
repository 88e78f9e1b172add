package servicebus

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/queue"
)

// FuzzConnection says whatever it likes after a good handshake, in frames whose
// fields are picked from what clients say, with messages waiting to be taken:
// the broker answers or hangs up, does not panic, and loses nothing but what
// the fuzzer completed.
func FuzzConnection(f *testing.F) {
	f.Add([]byte("\x02\x00\x01\x02\x03\x03\x04\x00\x00\x00\x00\x03\x05\x05\x05\x05\x00\x00\x05"))
	f.Add([]byte("\x02\x0a\x0b\x05\x02\x00\x00\x0c\x0d\x03\x03\x0a\x05\x05\x00\x05\x05"))
	f.Add([]byte("\x05\x05\x01\x05\x06\x01\x0f"))
	f.Fuzz(func(t *testing.T, input []byte) {
		b := New(Options{Topology: Topology{Queues: []Queue{{Name: "q"}, {Name: "s", Properties: Properties{Sessions: true}}}}})
		send(t, b, "q", "")
		send(t, b, "s", "a")
		talk(t, b, append(bytes.Clone(headerAMQP), conversation(input)...))
		b.Advance(time.Hour) // what the fuzzer locked comes back
		for _, path := range []string{"q", "s"} {
			for _, m := range b.Peek(path) {
				if m.Locked {
					t.Errorf("%s: still locked an hour later", path)
				}
			}
		}
		if h, ok := b.Accept("s"); !ok && len(b.Peek("s")) > 0 {
			t.Error("a session with a message cannot be accepted")
		} else if ok {
			h.Close()
		}
	})
}

// Whatever bytes follow the header, the broker hangs up and goes on.
func FuzzBytes(f *testing.F) {
	f.Add(conversation([]byte{1, 2, 3}))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	b := New(Options{Topology: Topology{Queues: []Queue{{Name: "q"}}}})
	f.Fuzz(func(t *testing.T, input []byte) { talk(t, b, input) })
}

func send(t *testing.T, b *Broker, entity, session string) {
	t.Helper()
	if err := b.Sender().Send(t.Context(), entity, queue.Message{ID: "1", SessionID: session}); err != nil {
		t.Fatal(err)
	}
}

// talk has a connection to itself, and waits until it is over.
func talk(t *testing.T, b *Broker, input []byte) {
	t.Helper()
	client, server := net.Pipe()
	s := &Server{b: b, done: make(chan struct{}), conns: make(map[*conn]struct{})}
	if !s.welcome(server) {
		t.Fatal("not welcome")
	}
	go io.Copy(io.Discard, client)
	client.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = client.Write(input)
	client.Close()
	s.group.Wait()
}

// conversation makes frames: a byte for the performative, one per field, until
// the number of fields it has.
func conversation(input []byte) []byte {
	fields := map[uint64]int{opBegin: 4, opAttach: 14, opFlow: 11, opTransfer: 6, opDisposition: 5, opDetach: 3, opEnd: 1, opClose: 1}
	out := appendFrame(nil, frameAMQP, 0, opOpen, []any{"fuzz"}, nil)
	out = appendFrame(out, frameAMQP, 0, opBegin, []any{nil, uint32(0), uint32(100), uint32(100)}, nil)
	for len(input) > 0 {
		code := opBegin + uint64(input[0])%8
		input = input[1:]
		n := min(fields[code], len(input))
		var list []any
		for _, pick := range input[:n] {
			list = append(list, said(pick))
		}
		input = input[n:]
		out = appendFrame(out, frameAMQP, 0, code, list, payload(code))
	}
	return out
}

func payload(code uint64) []byte {
	if code != opTransfer {
		return nil
	}
	b, _ := encode(queue.Message{ID: "2", SessionID: "b", Body: []byte("body")}).MarshalBinary()
	return b
}

func said(pick byte) any {
	values := []any{
		nil, uint32(0), "link", true, false, uint32(9), uint32(1), uint32(1<<32 - 1), []byte("tag"), uint8(1),
		composite(typeSource, "q"), composite(typeTarget, ""), composite(typeSource, ""), composite(typeTarget, "q"),
		composite(typeSource, "s", nil, nil, nil, nil, nil, nil, dict{{symbol(sessionFilter), described{code: sessionFilterCode}}}),
		composite(typeSource, "s", nil, nil, nil, nil, nil, nil, dict{{symbol(sessionFilter), described{code: sessionFilterCode, value: "a"}}}),
		composite(typeSource, "q/$management"), composite(typeTarget, "q/$management"), composite(typeTarget, "s"),
		composite(stateAccepted), composite(stateReleased), composite(stateModified, nil, true),
		composite(stateModified, nil, nil, dict{{symbol("p"), "v"}}), composite(stateRejected, composite(typeError, symbol("x"))),
		dict{{symbol(timeoutProperty), uint32(1)}}, uint32(batchFormat), uint16(0), uint64(5),
	}
	return values[int(pick)%len(values)]
}
