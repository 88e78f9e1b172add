package servicebus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

func adapter(t testing.TB, s *servicebus.Server, o *queue.AzureOptions) *queue.Azure {
	t.Helper()
	a, err := queue.FromConnectionString(s.ConnectionString(), o)
	ok(t, err)
	t.Cleanup(func() { closeWith(t, a.Close) })
	return a
}

func TestAdapterSendsAgainAfterACut(t *testing.T) {
	b := deployed(t)
	s := listen(t, b)
	a := adapter(t, s, nil)
	for i := range 5 {
		ok(t, a.Send(t.Context(), queue.Bookings, queue.Message{ID: fmt.Sprint(i)}))
		s.DropConnections()
	}
	if got := len(b.Peek(queue.Bookings)); got < 5 {
		t.Errorf("%d messages, want 5 or, sent twice, more", got)
	}
}

func TestAdapterRecoversFromAnEntityThatRefused(t *testing.T) {
	for _, err := range []error{
		&servicebus.Error{Condition: servicebus.EntityDisabled, Description: "test"},
		&servicebus.Error{Condition: servicebus.Unauthorized, Description: "test"},
		errors.New("any other error is server-busy"),
	} {
		t.Run(err.Error(), func(t *testing.T) {
			b := deployed(t)
			a := adapter(t, listen(t, b), nil)
			m := queue.Message{ID: "1"}
			ok(t, a.Send(t.Context(), queue.Bookings, m))
			b.Refuse(queue.Bookings, err)
			if got := a.Send(t.Context(), queue.Bookings, m); got == nil || errors.Is(got, queue.ErrFull) || errors.Is(got, queue.ErrTooLarge) {
				t.Errorf("refused send gives %v", got)
			}
			ok(t, a.Send(t.Context(), queue.Rejected, m))
			b.Refuse(queue.Bookings, nil)
			ok(t, a.Send(t.Context(), queue.Bookings, m))
		})
	}
}

func TestPingTellsWhetherTheBusAnswers(t *testing.T) {
	b := deployed(t)
	a := adapter(t, listen(t, b), &queue.AzureOptions{Timeout: 500 * time.Millisecond})
	ok(t, a.Ping(t.Context()))
	b.Down(true)
	if err := a.Ping(t.Context()); err == nil {
		t.Error("ping succeeds while the bus is down")
	}
	b.Down(false)
	ok(t, a.Ping(t.Context()))
	if left := b.Peek(queue.Bookings); len(left) != 0 {
		t.Errorf("ping left %q", ids(left))
	}
}

func TestPingNeedsTheBookingsQueue(t *testing.T) {
	b := start(t, nil)
	if err := adapter(t, b.server, nil).Ping(t.Context()); err == nil {
		t.Error("ping succeeds without the queue")
	}
}

func TestSendIsBoundedWithoutADeadline(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, never answers
	ok(t, err)
	defer silent.Close()
	a, err := queue.FromConnectionString("Endpoint=sb://"+silent.Addr().String()+";SharedAccessKeyName=x;SharedAccessKey=y;UseDevelopmentEmulator=true",
		&queue.AzureOptions{Timeout: 100 * time.Millisecond})
	ok(t, err)
	defer closeWith(t, a.Close)
	if err := a.Send(t.Context(), queue.Bookings, queue.Message{ID: "1"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline", err)
	}
}

func TestManySendAtOnceOverOneLink(t *testing.T) {
	b := deployed(t)
	a := adapter(t, listen(t, b), nil)
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			for j := range 10 {
				if err := a.Send(t.Context(), queue.Bookings, queue.Message{ID: fmt.Sprint(i, j)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := len(b.Peek(queue.Bookings)); got != 400 {
		t.Errorf("%d messages, want 400", got)
	}
}

// token is a credential that counts how often it is asked.
type token struct{ asked atomic.Int64 }

func (c *token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.asked.Add(1)
	return azcore.AccessToken{Token: "header.payload.signature", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestNamespaceWithCredential(t *testing.T) {
	b := deployed(t)
	s := listen(t, b)
	o := queue.ClientOptions()
	o.NewWebSocketConn = func(ctx context.Context, _ azservicebus.NewWebSocketConnArgs) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", s.Addr())
	}
	credential := new(token)
	client, err := azservicebus.NewClient("contoso.servicebus.windows.net", credential, o)
	ok(t, err)
	t.Cleanup(func() { closeWith(t, client.Close) })
	ok(t, queue.NewAzure(client, nil).Send(t.Context(), queue.Bookings, queue.Message{ID: "1"}))
	if credential.asked.Load() == 0 || len(b.Peek(queue.Bookings)) != 1 {
		t.Errorf("credential asked %d times, %d messages", credential.asked.Load(), len(b.Peek(queue.Bookings)))
	}
}

func TestConstructorsRefuseNonsenseWithoutRepeatingIt(t *testing.T) {
	const secret = "Endpoint=;SharedAccessKey=secret"
	if _, err := queue.FromConnectionString(secret, nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, want one without the string", err)
	}
	if _, err := queue.FromNamespace("contoso.servicebus.windows.net", nil, nil); err == nil {
		t.Error("no credential is no error")
	}
}
