package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/calbridge/calbridge/shared/queue"
)

// booking is what the booking app knows.
type booking struct {
	id        string
	revision  int64
	cancelled bool
	people    []int
	everyone  map[int]int64 // who ever was on it, and in which revision they were taken off; 0: never
	day       int
}

func (b *booking) title() string { return fmt.Sprintf("%s, revision %d", b.id, b.revision) }

func (b *booking) event() []byte {
	status := "confirmed"
	if b.cancelled {
		status = "cancelled"
	}
	var people []string
	for _, p := range b.people {
		people = append(people, fmt.Sprintf(`{"user":"p%d","email":%q}`, p, address(p)))
	}
	day := time.Now().AddDate(0, 0, 30+b.day).Format(time.DateOnly)
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"1","source":"https://soak.example","type":"calbridge.booking.v1",
 "data":{"organization":%q,"id":%q,"revision":%d,"status":%q,"title":%q,"people":[%s],
 "start":{"dateTime":"%sT10:00:00"},"end":{"dateTime":"%sT11:00:00"}}}`,
		organization, b.id, b.revision, status, b.title(), strings.Join(people, ","), day, day)
}

// feeder is the booking app.
type feeder struct {
	s        *soak
	random   *rand.Rand
	count    int
	bookings []*booking
	later    map[int][]*booking // changes to come, by the number of the booking that is made then
	batch    [][]byte
	sent     int
	kills    int
	nextKill int
	sender   *azservicebus.Sender
}

func newFeeder(s *soak, count int) *feeder {
	f := &feeder{s: s, random: rand.New(rand.NewPCG(s.seed, 1)), count: count, later: map[int][]*booking{}}
	f.nextKill = f.random.IntN(f.pause())
	client, err := s.Client()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close(context.WithoutCancel(s.t.Context())) })
	if f.sender, err = client.NewSender(queue.Bookings, nil); err != nil {
		s.t.Fatal(err)
	}
	return f
}

// pause is about how many bookings are made between two kills.
func (f *feeder) pause() int { return min(max(f.count/8, 20), 2500) }

// feed makes bookings and changes them until there are enough or time is up.
func (f *feeder) feed(ctx context.Context, limit time.Duration) {
	end := time.Now().Add(limit)
	for i := 0; i < f.count && time.Now().Before(end) && ctx.Err() == nil; i++ {
		f.create(i)
		for _, b := range f.later[i] {
			f.change(b)
		}
		delete(f.later, i)
		if i >= f.nextKill {
			f.nextKill += 1 + f.pause()/2 + f.random.IntN(f.pause())
			f.kills++
			f.s.kill(f.random)
		}
		if len(f.batch) >= 50 {
			f.flush(ctx)
			f.backpressure(ctx, end)
		}
	}
	for _, i := range sorted(f.later) {
		for _, b := range f.later[i] {
			f.change(b)
		}
	}
	f.flush(ctx)
}

func (f *feeder) create(i int) {
	b := &booking{id: fmt.Sprintf("b%06d", i), revision: 1, day: i / mailboxes % 300, everyone: map[int]int64{}}
	f.bookings = append(f.bookings, b)
	f.invite(b)
	if f.random.IntN(3) == 0 {
		f.invite(b)
	}
	f.post(b)
	for f.random.IntN(4) == 0 {
		at := i + 1 + f.random.IntN(300)
		f.later[at] = append(f.later[at], b)
	}
}

func (f *feeder) invite(b *booking) {
	p := f.random.IntN(mailboxes)
	if !slices.Contains(b.people, p) {
		b.people = append(b.people, p)
		b.everyone[p] = 0
	}
}

// change makes the next revision: cancelled, somebody taken off, somebody invited,
// moved, or with another title only.
func (f *feeder) change(b *booking) {
	b.revision++
	switch f.random.IntN(6) {
	case 0:
		b.cancelled = !b.cancelled
	case 1:
		if len(b.people) > 0 {
			i := f.random.IntN(len(b.people))
			b.everyone[b.people[i]] = b.revision
			b.people = slices.Delete(slices.Clone(b.people), i, i+1)
		}
	case 2:
		f.invite(b)
	case 3:
		b.day++
	}
	f.post(b)
}

// post puts the booking into the next batch: now and then twice, or in front of what
// was there before.
func (f *feeder) post(b *booking) {
	body := b.event()
	if f.random.IntN(50) == 0 {
		f.batch = append(f.batch, body)
	}
	if f.random.IntN(50) == 0 {
		f.batch = slices.Insert(f.batch, 0, body)
		return
	}
	f.batch = append(f.batch, body)
}

// flush sends the batch, one in ten over HTTP, until all of it is accepted.
func (f *feeder) flush(ctx context.Context) {
	var messages []*azservicebus.Message
	for _, body := range f.batch {
		f.sent++
		if f.sent%10 == 0 {
			f.persist(ctx, func() error {
				got, err := f.s.API().Send(ctx, body)
				if err == nil && got.Status != 202 {
					err = fmt.Errorf("status %d: %s", got.Status, got.Body)
				}
				return err
			})
			continue
		}
		messages = append(messages, &azservicebus.Message{Body: body})
	}
	f.batch = f.batch[:0]
	if len(messages) == 0 {
		return
	}
	f.persist(ctx, func() error {
		batch, err := f.sender.NewMessageBatch(ctx, nil)
		for _, m := range messages {
			if err == nil {
				err = batch.AddMessage(m, nil)
			}
		}
		if err != nil {
			return err
		}
		return f.sender.SendMessageBatch(ctx, batch, nil)
	})
}

// persist sends again what was not accepted, as a booking app does.
func (f *feeder) persist(ctx context.Context, send func() error) {
	for {
		err := send()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			f.s.t.Errorf("not accepted: %v", err)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// backpressure waits while too much lies on the queues.
func (f *feeder) backpressure(ctx context.Context, end time.Time) {
	const bookings, wakes = 1 << 20, 2 << 20 // bytes
	for f.s.Bus.Used(queue.Bookings) > bookings || f.s.Bus.Used(queue.Deliveries) > wakes {
		if ctx.Err() != nil || time.Now().After(end) {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func sorted(m map[int][]*booking) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
