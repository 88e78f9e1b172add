package msgraph_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/msgraph"
)

// Graph is spoken to over HTTP/2, where one connection carries many calls.
func TestOverHTTP2AResetStreamIsUnansweredAndNotRepeated(t *testing.T) {
	var requests atomic.Int32
	var reset atomic.Bool
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("HTTP/%d", r.ProtoMajor)
		}
		requests.Add(1)
		if reset.Load() {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(201)
		io.WriteString(w, made)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	c, err := msgraph.New(&tokens{}, &msgraph.Options{Endpoint: s.URL, Transport: s.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{flight(1)})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	reset.Store(true)
	r := c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{flight(1)})[0]
	if r.Err == nil || r.Err.Kind != graph.Transient || !r.Err.Unanswered || requests.Load() != 2 {
		t.Errorf("%+v after %d requests", r.Err, requests.Load())
	}
}

func TestManyLanesShareOneClient(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, r sent) {
		if strings.HasSuffix(r.URL, "/$batch") {
			io.WriteString(w, responses(item("2", 201, "", created("two")), item("1", 201, "", created("one"))))
			return
		}
		w.WriteHeader(201)
		io.WriteString(w, created("alone"))
	})
	var group sync.WaitGroup
	for n := range 40 {
		group.Go(func() {
			calls := []graph.Call{flight(n), flight(n + 100)}
			want := []string{"one", "two"}
			if n%2 == 0 {
				calls, want = calls[:1], []string{"alone"}
			}
			for i, r := range c.Do(t.Context(), graph.AppAccess(tenant), calls) {
				if r.Err != nil || r.Event.ID != want[i] {
					t.Errorf("lane %d: %+v", n, r)
				}
			}
		})
	}
	group.Wait()
}

// Invariant I8: no failure says whose calendar, what event, or which token.
func TestNoErrorHoldsAnythingPersonal(t *testing.T) {
	s, c := serve(t, func(w http.ResponseWriter, r sent) {
		if strings.Contains(r.URL, "gone") {
			panic(http.ErrAbortHandler)
		}
		answerWith(404, `{"error":{"code":"ErrorInvalidUser","message":"The requested user 'aino o'hara+x@acme.example' is invalid."}}`)(w, r)
	})
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	refusing, err := msgraph.New(&s.tokens, &msgraph.Options{Endpoint: closed.URL})
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()

	cut := flight(1)
	cut.Mailbox = "gone" + mailbox
	unfit := flight(1)
	unfit.Mark = mailbox
	strange := flight(1)
	strange.Mailbox = "%zz\x00" + mailbox
	var all []graph.Result
	for _, call := range []graph.Call{flight(1), cut, unfit, strange} {
		all = append(all, c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{call})...)
		all = append(all, c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{call, flight(2)})...)
		all = append(all, refusing.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{call})...)
		all = append(all, c.Do(cancelled, graph.AppAccess(tenant), []graph.Call{call})...)
	}
	for _, r := range all {
		if r.Err == nil {
			t.Errorf("%+v succeeded", r)
			continue
		}
		text := fmt.Sprintf("%v %v", r.Err, r.Err.Cause)
		for _, secret := range []string{"acme.example", "aino", "AY1331", "Seat", "token-0"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q holds %q", text, secret)
			}
		}
	}
}
