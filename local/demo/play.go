package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
)

// patience is how long a step may take to settle. Throttling and a first
// connection count; a failure that is postponed does not get through.
const patience = 30 * time.Second

// Player plays one story through one stack.
type Player struct {
	stack *stack.Stack
	story Story
	out   io.Writer
	all   *stack.Changes // nil before it follows the topic
	view  *View
	stop  func()

	viewURL  string // "" while the view is not served
	backLink string // to the page of whose calendar is connected; "" for nobody's
	served   *http.Server

	printing sync.Mutex

	mu       sync.Mutex
	accepted map[string]time.Time // when the step under way was accepted, by booking
	edited   time.Time            // when somebody last changed a calendar here
}

// New returns a player that prints on out.
func New(s *stack.Stack, story Story, out io.Writer) *Player {
	return &Player{stack: s, story: story, out: out, view: NewView(), stop: func() {}, accepted: map[string]time.Time{}}
}

// ServeView serves what a booking app knows that reads the topic, as a page at an
// address, or where that is taken at a free one of loopback, until Close.
func (p *Player) ServeView(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return fmt.Errorf("demo.ServeView: %w", err)
	}
	server := &http.Server{Handler: p.view, ReadHeaderTimeout: 10 * time.Second}
	p.viewURL, p.served = "http://"+listener.Addr().String(), server
	go func() { _ = server.Serve(listener) }()
	return nil
}

// follow begins to read the topic, if that has not begun yet, until Close.
func (p *Player) follow() error {
	if p.all != nil {
		return nil
	}
	client, err := p.stack.Client()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = func() {
		stop()
		_ = client.Close(context.WithoutCancel(ctx))
	}
	p.all, err = stack.Follow(ctx, client, p.tell)
	return err
}

// Close ends the reading of the topic, and the page.
func (p *Player) Close() {
	p.stop()
	if p.served != nil {
		_ = p.served.Close()
	}
}

// Seed makes tenants and people in the simulator, where it is embedded, and the
// organisations with their binding, over HTTP.
func (p *Player) Seed(ctx context.Context) error {
	for _, t := range p.story.Tenants {
		if m := p.stack.M365; m != nil {
			m.AddTenant(t.ID, t.Domain)
			m.Entra.Consent(t.ID, p.stack.Settings["ENTRA_CLIENT_ID"], stack.Permission)
			for _, u := range t.Users {
				state, known := exchange.ParseState(u.State)
				if u.State != "" && !known {
					return fmt.Errorf("tenants.json: no state %q", u.State)
				}
				m.Exchange.AddUser(t.ID, exchange.User{Principal: u.Principal, Name: u.Name, Aliases: u.Aliases, TimeZone: t.TimeZone, State: state})
			}
		}
		if err := p.stack.API().PutOrganization(ctx, t.Organization, t.Settings); err != nil {
			return err
		}
		if err := p.stack.API().Bind(ctx, t.Organization, t.ID); err != nil {
			return err
		}
		p.printf("organisation %s, tenant %s, %d people\n", t.Organization, t.ID, len(t.Users))
	}
	return nil
}

// Play sends every booking and waits until it has settled. It returns what differs
// from what is expected; an error means that it could not be played.
func (p *Player) Play(ctx context.Context) (differences []string, err error) {
	if err := p.follow(); err != nil {
		return nil, err
	}
	for _, step := range p.story.Steps {
		p.printf("\n%s: %s\n", step.File, step.Shows)
		found, err := p.step(ctx, step)
		if err != nil {
			return differences, fmt.Errorf("%s: %w", step.File, err)
		}
		differences = append(differences, found...)
	}
	found, err := p.check(ctx)
	return append(differences, found...), err
}

// tell prints a line for a delivery that has settled, and for what comes from Outlook.
func (p *Player) tell(c stack.Change) {
	if line := p.view.Take(c); line != "" {
		p.printf("  from Outlook   %-8s %s%s\n", c.Organization, line, p.later(c.At))
		return
	}
	p.mu.Lock()
	since, known := p.accepted[c.Organization+"/"+c.Booking]
	p.mu.Unlock()
	if !known {
		return // of another run over the same bus
	}
	p.printf("  %-14s %-6s %-8s %-22s %6d ms\n", c.Booking, c.User+c.Room, c.State, c.Reason, max(0, c.At.Sub(since).Milliseconds()))
}

// step sends one booking and waits for its results.
func (p *Player) step(ctx context.Context, s Step) (differences []string, err error) {
	p.mu.Lock()
	p.accepted[s.Booking.Organization+"/"+s.Booking.ID] = time.Now()
	p.mu.Unlock()
	answer, err := p.stack.API().Send(ctx, s.Event)
	if err != nil {
		return nil, err
	}
	if answer.Status != s.Answer {
		return []string{fmt.Sprintf("%s: status %d, want %d: %s", s.File, answer.Status, s.Answer, answer.Body)}, nil
	}
	if answer.Status != 202 {
		return p.refused(s, answer)
	}
	p.mu.Lock()
	p.accepted[s.Booking.Organization+"/"+s.Booking.ID] = time.Now()
	p.mu.Unlock()
	return p.settle(ctx, s)
}

// refused compares a problem document.
func (p *Player) refused(s Step, answer stack.Answer) ([]string, error) {
	problem, err := answer.Problem()
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", s.File, err)}, nil
	}
	var got []string
	p.printf("  %d %s\n", answer.Status, problem.Title)
	for _, e := range problem.Errors {
		got = append(got, e.Pointer)
		p.printf("    %-24s %s\n", e.Pointer, e.Detail)
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(s.Errors)); !slices.Equal(got, want) {
		return []string{fmt.Sprintf("%s: faults at %q, want %q", s.File, got, want)}, nil
	}
	return nil, nil
}

// settle waits until every delivery has a result of this revision.
func (p *Player) settle(ctx context.Context, s Step) (differences []string, err error) {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	expected := s.expected()
	late := p.all.Wait(wait, func() bool {
		for user := range expected {
			if c, ok := p.latest(s, user); !ok || c.Revision < s.Booking.Revision {
				return false
			}
		}
		return true
	})
	if late != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, user := range slices.Sorted(maps.Keys(expected)) {
		c, ok := p.latest(s, user)
		switch {
		case !ok:
			differences = append(differences, fmt.Sprintf("%s: %s: nothing on the topic, want %q", s.File, user, expected[user]))
		case c.Revision != s.Booking.Revision || c.Result() != expected[user]:
			differences = append(differences, fmt.Sprintf("%s: %s: the topic says %q of revision %d, want %q of %d",
				s.File, user, c.Result(), c.Revision, expected[user], s.Booking.Revision))
		}
	}
	return differences, nil
}

func (p *Player) latest(s Step, user string) (stack.Change, bool) {
	return p.all.Latest(stack.Target{Organization: s.Booking.Organization, Booking: s.Booking.ID, User: user})
}

// printf is called by the player and by the reader of the topic.
func (p *Player) printf(format string, args ...any) {
	p.printing.Lock()
	defer p.printing.Unlock()
	fmt.Fprintf(p.out, format, args...)
}

// ErrDiffers means that something was not as expected.
var ErrDiffers = errors.New("not everything came out as expected")
