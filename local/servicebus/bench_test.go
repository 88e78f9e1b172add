package servicebus_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

// Each prints messages a second, with bodies of 1 kB; client and broker share
// the machine. Compare with the table of servicebus.md section 2.

func kilobyte() queue.Message { return queue.Message{ID: "id", Body: make([]byte, 1024)} }

func perSecond(b *testing.B, messages int) {
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
}

// forget empties a queue between rounds, so that memory does not count.
func forget(b *testing.B, broker *servicebus.Broker, path string) {
	b.StopTimer()
	for d, found := broker.Receive(path); found; d, found = broker.Receive(path) {
		ok(b, d.Complete())
	}
	b.StartTimer()
}

func BenchmarkSend(b *testing.B) {
	bus := start(b, nil)
	for name, sender := range map[string]queue.Sender{"adapter": adapter(b, bus.server, nil), "twin": bus.Sender()} {
		b.Run(name+"/one after the other", func(b *testing.B) {
			for b.Loop() {
				ok(b, sender.Send(b.Context(), "plain", kilobyte()))
			}
			perSecond(b, b.N)
			forget(b, bus.Broker, "plain")
		})
		b.Run(name+"/32 at once", func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					ok(b, sender.Send(b.Context(), "plain", kilobyte()))
				}
			})
			perSecond(b, b.N)
			forget(b, bus.Broker, "plain")
		})
		b.Run(name+"/batches of 100", func(b *testing.B) {
			batch := make([]queue.Message, 100)
			for i := range batch {
				batch[i] = kilobyte()
			}
			for b.Loop() {
				ok(b, sender.Send(b.Context(), "plain", batch...))
			}
			perSecond(b, 100*b.N)
			forget(b, bus.Broker, "plain")
		})
	}
}

func BenchmarkReceiveOneAndComplete(b *testing.B) {
	bus := start(b, nil)
	r := bus.receiver(b, "plain", nil)
	for b.Loop() {
		if bus.Used("plain") == 0 {
			b.StopTimer()
			fill(b, bus, "plain", 10_000, 1)
			b.StartTimer()
		}
		list, err := r.ReceiveMessages(b.Context(), 1, nil)
		ok(b, err)
		ok(b, r.CompleteMessage(b.Context(), list[0], nil))
	}
	perSecond(b, b.N)
}

// 200 sessions of 5 messages, 8 workers accepting whichever is next.
func BenchmarkSessions(b *testing.B) {
	const sessions, each, workers = 200, 5, 8
	bus := start(b, nil)
	for b.Loop() {
		b.StopTimer()
		fill(b, bus, "lanes", sessions*each, sessions)
		b.StartTimer()
		var taken atomic.Int64
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for taken.Add(1) <= sessions {
					serveSession(b, bus.client)
				}
			})
		}
		group.Wait()
	}
	perSecond(b, sessions*each*b.N)
}

func serveSession(b *testing.B, client *azservicebus.Client) {
	r, err := client.AcceptNextSessionForQueue(soon(b), "lanes", nil)
	ok(b, err)
	defer closeWith(b, r.Close)
	list, err := r.ReceiveMessages(soon(b), 5, nil)
	ok(b, err)
	for _, m := range list {
		ok(b, r.CompleteMessage(b.Context(), m, nil))
	}
}

func fill(b *testing.B, bus bus, entity string, n, sessions int) {
	batch := make([]queue.Message, n)
	for i := range batch {
		batch[i] = kilobyte()
		batch[i].SessionID = fmt.Sprint(i % sessions)
	}
	bus.put(b, entity, batch...)
}

// The twin as the property tests use it: send, accept, receive, complete, close.
func BenchmarkTwinLane(b *testing.B) {
	var c clock
	broker := lanesBroker(&c)
	sender := broker.Sender()
	for b.Loop() {
		ok(b, sender.Send(b.Context(), "q", queue.Message{SessionID: "a"}))
		s, _ := broker.Accept("q")
		d, _ := s.Receive()
		ok(b, d.Complete())
		s.Close()
	}
}
