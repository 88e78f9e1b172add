package host

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/queue"
)

// BenchmarkSessionMessage is one session message through broker, host and a trivial
// handler, 64 sessions of 20 messages at a time.
func BenchmarkSessionMessage(b *testing.B) { benchmarkQueue(b, "lanes", true) }

// BenchmarkPlainMessage is one message of a queue without sessions.
func BenchmarkPlainMessage(b *testing.B) { benchmarkQueue(b, "plain", false) }

func benchmarkQueue(b *testing.B, name string, sessions bool) {
	handler := newHandler()
	var done sync.WaitGroup
	handler.calls = make(chan call, 1)
	h, broker, _ := startBus(b, handler, map[string]string{"Work": busFunction(name, sessions, binaryData)}, func(o *Options) {
		o.Env = []string{"AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentSessions=64",
			"AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls=32"}
	})
	h.awaitReady(b)
	done.Add(b.N)
	go func() {
		for range handler.calls {
			done.Done()
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	body := []byte(`{"organization":"acme","lane":"x"}`)
	for i := range b.N {
		m := queue.Message{ID: fmt.Sprint(i), Body: body}
		if sessions {
			m.SessionID = fmt.Sprint("s", i/20)
		}
		if err := broker.Sender().Send(context.Background(), name, m); err != nil {
			b.Fatal(err)
		}
	}
	done.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkForward is one forwarded GET through the front door and a handler process's stand-in.
func BenchmarkForward(b *testing.B) {
	handler := newHandler()
	handler.calls = make(chan call, b.N+1)
	h := start(b, webRoot(b), handler, nil)
	h.awaitReady(b)
	client := &http.Client{Timeout: time.Minute}
	b.ReportAllocs()
	for b.Loop() {
		resp, err := client.Get(h.URL() + "/api/guarded/acme/bookings?id=1")
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if len(handler.calls) > 0 {
			<-handler.calls
		}
	}
}
