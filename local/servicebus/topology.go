package servicebus

import (
	"fmt"
	"time"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/shared/queue"
)

// Topology is the set of entities a broker has. It is fixed when the broker is
// made: there is no administration interface.
type Topology struct {
	Queues []Queue
	Topics []Topic
}

// Queue is what is sent to and received from.
type Queue struct {
	Name string
	Properties
}

// Topic is what is sent to; each of its subscriptions gets a copy.
type Topic struct {
	Name string
	// Properties: only DuplicateWindow, TimeToLive and MaxBytes count.
	Properties
	Subscriptions []Subscription
}

// Subscription is received from as "<topic>/subscriptions/<name>".
type Subscription struct {
	Name string
	Properties
	// Rules: a message is copied if one of them matches; no rules is the default
	// rule, which matches everything.
	Rules []Rule
}

// Rule decides whether a subscription takes a message: SQLFilter, CorrelationFilter,
// or a test's own.
type Rule interface {
	Match(m queue.Message) bool
}

// Properties of an entity.
type Properties struct {
	// Sessions: every message must have a session id, and only sessions are received.
	Sessions bool
	// Lock is how long a message or session is held without renewal; zero is a minute.
	Lock time.Duration
	// MaxDeliveries is the number of failed deliveries after which a message goes
	// to the dead-letter queue; zero is 10.
	MaxDeliveries int
	// TimeToLive counts from the instant a message becomes visible; zero is forever.
	TimeToLive time.Duration
	// DeadLetterExpired keeps what expires in the dead-letter queue; else it is gone.
	DeadLetterExpired bool
	// DuplicateWindow is how long message ids are remembered; zero is no detection.
	DuplicateWindow time.Duration
	// MaxBytes is how much a queue or topic holds, dead letters and what is
	// scheduled included; zero is 1 GiB.
	MaxBytes int64
}

// FromResources is the topology that the deployment makes. It panics on a rule
// that the service would refuse.
func FromResources(r infra.Resources) Topology {
	var t Topology
	for _, q := range r.Queues {
		t.Queues = append(t.Queues, Queue{q.Name, fromProperties(q.Properties)})
	}
	for _, topic := range r.Topics {
		to := Topic{Name: topic.Name, Properties: fromProperties(topic.Properties)}
		for _, s := range topic.Subscriptions {
			list, err := fromRules(s.Rules)
			if err != nil {
				panic(fmt.Sprintf("servicebus: subscription %s: %v", s.Name, err))
			}
			to.Subscriptions = append(to.Subscriptions, Subscription{Name: s.Name, Properties: fromProperties(s.Properties), Rules: list})
		}
		t.Topics = append(t.Topics, to)
	}
	return t
}

func fromProperties(p infra.Properties) Properties {
	out := Properties{
		Sessions:          p.RequiresSession,
		Lock:              time.Duration(p.LockDuration),
		MaxDeliveries:     p.MaxDeliveryCount,
		TimeToLive:        time.Duration(p.DefaultMessageTimeToLive),
		DeadLetterExpired: p.DeadLetteringOnMessageExpiration,
		MaxBytes:          int64(p.MaxSizeInMegabytes) << 20,
	}
	if p.RequiresDuplicateDetection {
		out.DuplicateWindow = time.Duration(p.DuplicateDetectionHistoryTimeWindow)
	}
	return out
}

// withDefaults fills in what the service fills in.
func (p Properties) withDefaults() Properties {
	if p.Lock == 0 {
		p.Lock = time.Minute
	}
	if p.MaxDeliveries == 0 {
		p.MaxDeliveries = 10
	}
	if p.MaxBytes == 0 {
		p.MaxBytes = 1 << 30
	}
	return p
}
