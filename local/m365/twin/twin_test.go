package twin_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphworld"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// trouble spoils the requests of a twin.
type trouble struct {
	mu       sync.Mutex
	throttle map[string]*twin.Fate
	counts   map[string]int
	fail     twin.Fate
	failing  int
	losing   int
}

func (r *trouble) Throttle(mailbox string, n int, retryAfter time.Duration) {
	key := strings.ToLower(mailbox)
	r.throttle[key] = &twin.Fate{Effect: twin.Answer, Status: http.StatusTooManyRequests, Code: "ApplicationThrottled", RetryAfter: retryAfter}
	r.counts[key] = n
}

func (r *trouble) Fail(n, status int, code string) {
	r.failing, r.fail = n, twin.Fate{Effect: twin.Answer, Status: status, Code: code}
}

func (r *trouble) LoseAnswers(n int) { r.losing = n }

func (r *trouble) before(v twin.Visit) twin.Fate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v.Call != nil {
		key := strings.ToLower(v.Mailbox)
		if r.counts[key] > 0 {
			r.counts[key]--
			return *r.throttle[key]
		}
		return twin.Fate{}
	}
	switch {
	case r.failing > 0:
		r.failing--
		return r.fail
	case r.losing > 0:
		r.losing--
		return twin.Fate{Effect: twin.LoseAnswer}
	}
	return twin.Fate{}
}

func TestTwinPassesTheSuiteOfTheClient(t *testing.T) {
	graphtest.Run(t, func(t *testing.T) graphtest.Harness {
		store := exchange.New(ticking(), exchange.Switches{})
		r := &trouble{throttle: map[string]*twin.Fate{}, counts: map[string]int{}}
		tw := twin.New(store, &twin.Options{Before: r.before})
		world := graphworld.New(t, store, r)
		tw.Refuse(graphworld.Foreign, true)
		return world.Harness(tw)
	})
}

// ticking is a clock that moves a millisecond with every look.
func ticking() func() time.Time {
	now := noon
	return func() time.Time {
		now = now.Add(time.Millisecond)
		return now
	}
}

var _ graph.Calendar = (*twin.Twin)(nil)
