package servicebus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a broker; only Topology is required.
type Options struct {
	Topology Topology
	// Now is the clock; nil is the machine's. Whoever moves it calls Tick.
	Now func() time.Time
	// FreeOnLinkLoss frees a plain message at once when the link it was received
	// on is lost. False, the default, keeps it locked until the lock runs out.
	// (Which of the two the service does is disputed: servicebus.md section 6.)
	// A session is always freed at once.
	FreeOnLinkLoss bool
	// CountOnLinkLoss raises the delivery count of what was in hand when a
	// connection was cut and is freed by that. False, the default, counts only
	// abandoned messages and locks that ran out.
	CountOnLinkLoss bool
}

// Broker holds entities and messages. Its methods are safe for concurrent use,
// never block and start no goroutine; what time does (locks that run out,
// scheduled and expired messages) is worked out from the clock when somebody
// looks, so an unattended broker costs nothing.
type Broker struct {
	opts   Options
	offset atomic.Int64 // nanoseconds added by Advance
	down   atomic.Bool

	mu       sync.Mutex
	entities []*entity
	senders  map[string]*entity // lower-case name to what is sent to
	stores   map[string]*store  // lower-case path to what is received from
	tokens   uint64
	servers  map[*Server]struct{}
}

// errDown is what the twin and deliveries answer while Down(true) holds.
var errDown = errors.New("servicebus: the broker is down")

// New makes a broker with empty entities. Two entities of one name panic.
func New(o Options) *Broker {
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Broker{
		opts:    o,
		senders: make(map[string]*entity),
		stores:  make(map[string]*store),
		servers: make(map[*Server]struct{}),
	}
	for _, q := range o.Topology.Queues {
		e := b.addEntity(q.Name, q.Properties, false)
		b.addStore(e, q.Name, q.Properties, nil)
	}
	for _, t := range o.Topology.Topics {
		e := b.addEntity(t.Name, t.Properties, true)
		for _, s := range t.Subscriptions {
			b.addStore(e, Subscriptions(t.Name, s.Name), s.Properties, s.Rules)
		}
	}
	return b
}

// Subscriptions is the path by which a subscription is received from.
func Subscriptions(topic, name string) string { return topic + "/subscriptions/" + name }

// DeadLetter is the path of the dead-letter queue of a queue or subscription.
func DeadLetter(path string) string { return path + "/$deadletterqueue" }

func (b *Broker) addEntity(name string, p Properties, topic bool) *entity {
	if _, taken := b.senders[strings.ToLower(name)]; taken {
		panic(fmt.Sprintf("servicebus: two entities named %q", name))
	}
	e := &entity{name: name, topic: topic, Properties: p.withDefaults(), seen: make(map[string]time.Time)}
	b.entities = append(b.entities, e)
	b.senders[strings.ToLower(name)] = e
	return e
}

func (b *Broker) addStore(e *entity, path string, p Properties, rules []Rule) {
	p = p.withDefaults()
	s := newStore(b, e, path, p)
	s.rules = rules
	s.dead = newStore(b, e, DeadLetter(path), Properties{Lock: p.Lock})
	e.main = append(e.main, s)
	e.stores = append(e.stores, s, s.dead)
	e.needSession = e.needSession || p.Sessions
	b.stores[strings.ToLower(s.name)] = s
	b.stores[strings.ToLower(s.dead.name)] = s.dead
}

// Now is the broker's time, UTC.
func (b *Broker) Now() time.Time {
	return b.opts.Now().Add(time.Duration(b.offset.Load())).UTC()
}

// Advance moves the broker's own clock forward of Options.Now, and acts on it.
func (b *Broker) Advance(d time.Duration) {
	b.offset.Add(int64(d))
	b.Tick()
}

// Tick does what has become due: frees what is locked for too long, shows what
// was scheduled, expires what is old, and wakes who waits for it. A server does
// it by itself every few milliseconds; a test that moves a shared clock does it
// to see the effect at once.
func (b *Broker) Tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	for _, e := range b.entities {
		e.settle(now)
	}
}

// Down makes the broker unreachable: servers cut their connections and refuse
// new ones, the twin's sends fail, nothing is handed out or settled. What is
// stored stays, and time goes on for it.
func (b *Broker) Down(down bool) {
	b.down.Store(down)
	if !down {
		return
	}
	b.mu.Lock()
	servers := make([]*Server, 0, len(b.servers))
	for s := range b.servers {
		servers = append(servers, s)
	}
	b.mu.Unlock()
	for _, s := range servers {
		s.DropConnections()
	}
}

// Refuse makes every send to an entity fail until Refuse(entity, nil). An *Error
// reaches senders as it is; any other error as ServerBusy with its text. It
// panics when there is no such queue or topic.
func (b *Broker) Refuse(entity string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.mustEntity(entity)
	e.refusal = nil
	if err == nil {
		return
	}
	var known *Error
	if !errors.As(err, &known) {
		known = refuse(ServerBusy, err.Error())
	}
	e.refusal = known
}

// Limit sets how many bytes a queue or topic holds; what is already there stays.
// It panics when there is none of that name.
func (b *Broker) Limit(entity string, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mustEntity(entity).MaxBytes = bytes
}

// Used is how many bytes a queue or topic holds, as Limit counts them.
func (b *Broker) Used(entity string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mustEntity(entity).used
}

// Peek lists what a queue, subscription or dead-letter queue holds, in the order
// of sequence numbers: waiting, locked, and for a queue also scheduled. Nothing
// is locked by it, and it works while the broker is down. It panics when there
// is no such path; a topic's scheduled messages are under the topic's name.
func (b *Broker) Peek(path string) []Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.senders[strings.ToLower(path)]; e != nil && e.topic {
		e.settle(b.Now())
		return peeked(e.scheduled.inOrder())
	}
	return b.peek(b.mustStore(path))
}

// Counts tells how many messages Peek would list: those that somebody has or may
// take, and those for later. It copies none, so that it may be asked often of a
// queue that holds very many.
func (b *Broker) Counts(path string) (active, scheduled int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.senders[strings.ToLower(path)]; e != nil && e.topic {
		e.settle(b.Now())
		return 0, len(e.scheduled)
	}
	s := b.mustStore(path)
	s.owner.settle(b.Now())
	if !s.owner.topic && s.dead != nil {
		scheduled = len(s.owner.scheduled)
	}
	return len(s.msgs), scheduled
}

// Due tells what time alone will do: ready counts the messages that somebody could
// receive this moment, and next is the earliest instant at which another becomes so
// with nobody acting, because it was scheduled, or because its lock or that of its
// session runs out; zero when there is none. A test that finds nobody at work, and
// nothing ready, may move its clock there.
func (b *Broker) Due() (ready int, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entities {
		e.settle(b.Now())
		if len(e.scheduled) > 0 {
			next = earlier(next, e.scheduled[0].ScheduledFor)
		}
		for _, s := range e.stores {
			n, at := s.due()
			ready += n
			next = earlier(next, at)
		}
	}
	return ready, next
}

func (b *Broker) peek(s *store) []Received {
	s.owner.settle(b.Now())
	return peeked(s.inOrder())
}

func peeked(list []*message) []Received {
	out := make([]Received, 0, len(list))
	for _, m := range list {
		out = append(out, m.received())
	}
	return out
}

func (b *Broker) mustEntity(name string) *entity {
	if e := b.senders[strings.ToLower(name)]; e != nil {
		return e
	}
	panic(fmt.Sprintf("servicebus: no queue or topic %q", name))
}

func (b *Broker) mustStore(path string) *store {
	if s := b.stores[strings.ToLower(path)]; s != nil {
		return s
	}
	panic(fmt.Sprintf("servicebus: nothing to receive from at %q", path))
}

// token returns a lock token that was never used: a counter, so that histories
// repeat exactly.
func (b *Broker) token() Token {
	b.tokens++
	var t Token
	binary.BigEndian.PutUint64(t[8:], b.tokens)
	t[6], t[8] = 0x40, t[8]|0x80 // the shape of a version 4 UUID
	return t
}
