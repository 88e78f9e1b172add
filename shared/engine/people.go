package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Choice is what a person decides about their own calendar; nil is not said.
type Choice struct {
	// OptedOut counts only while the organisation allows it (optOut).
	OptedOut *bool
	Paused   *bool
}

// Announce takes what a booking app says of people: it keeps who they are, and
// makes their calendars follow. Whoever becomes inactive is owed everything that
// is not over, to be removed; whoever becomes active again, or gets another
// address, is owed what is current and upcoming.
//
// It may be repeated: what is as announced already costs two reads a person, and
// a repeat after a failure goes on where that one stopped, to a hundred people.
// Lanes are woken 20 a second, behind live work. state.ErrNotFound: there is no
// such organisation.
//
// The lane row changes first, then what is owed is marked and the lane woken, and
// the people row comes last: as long as it does not say so, the change was not
// carried out.
func (e *Engine) Announce(ctx context.Context, organization string, people []announce.Person) error {
	org, err := e.orgs.Organization(ctx, organization)
	if err != nil {
		return fmt.Errorf("engine.Announce: %w", err)
	}
	changes := make([]change, len(people))
	for i, p := range people {
		changes[i] = change{p.User, func(who *state.Person) { announced(who, p) }}
	}
	return e.change(ctx, org, changes)
}

// announced merges an announcement into what is known of a person.
func announced(who *state.Person, p announce.Person) {
	set := func(to *string, said *string) {
		if said != nil {
			*to = *said
		}
	}
	set(&who.Email, p.Email)
	set(&who.Account, p.Account)
	set(&who.Name, p.Name)
	set(&who.Locale, p.Locale)
	if p.Active != nil {
		who.Inactive = !*p.Active
	}
}

// Choose takes what a person decides about their own calendar. What is in the
// calendar stays when they pause or opt out; when they take that back, they are
// owed what is current and upcoming. state.ErrNotFound: there is no such
// organisation, or the person was never seen in it. ErrOptOut: the organisation lets
// nobody opt out.
func (e *Engine) Choose(ctx context.Context, organization, user string, c Choice) error {
	org, err := e.orgs.Organization(ctx, organization)
	if err != nil {
		return fmt.Errorf("engine.Choose: %w", err)
	}
	if c.OptedOut != nil && *c.OptedOut && !org.OptOut {
		return fmt.Errorf("engine.Choose: %w", ErrOptOut)
	}
	if _, err := e.people.Person(ctx, organization, key.Lane(organization, key.User, user)); err != nil {
		return fmt.Errorf("engine.Choose: %w", err)
	}
	return e.change(ctx, org, []change{{user, func(who *state.Person) {
		if c.OptedOut != nil {
			who.OptedOut = *c.OptedOut
		}
		if c.Paused != nil {
			who.Paused = *c.Paused
		}
	}}})
}

// change is a change of what is known of a person.
type change struct {
	user  string
	apply func(*state.Person)
}

// changesAtOnce is how many people one round reads, and one transaction stores.
const changesAtOnce = 100

func (e *Engine) change(ctx context.Context, org organization.Organization, changes []change) error {
	now, woken := e.now(), 0
	for len(changes) > 0 {
		round := changes[:min(len(changes), changesAtOnce)]
		people, owing := make([]state.Person, len(round)), make([]bool, len(round))
		err := e.each(ctx, len(round), func(ctx context.Context, i int) (err error) {
			people[i], owing[i], err = e.changePerson(ctx, org, round[i])
			return err
		})
		if err != nil {
			return err
		}
		var wakeups []queue.Message
		for i, who := range people {
			if owing[i] {
				wakeups = append(wakeups, wake(who.Lane, e.paced(now, woken)))
				woken++
			}
		}
		if err := e.send(ctx, queue.Deliveries, wakeups...); err != nil {
			return err
		}
		if err := e.people.Announce(ctx, org.ID, people); err != nil {
			return err
		}
		changes = changes[len(round):]
	}
	return nil
}

// changePerson changes a person's lane and marks what follows from it as owed. It
// returns the person as the people row is to have them, and whether the lane is to
// be woken.
func (e *Engine) changePerson(ctx context.Context, org organization.Organization, c change) (state.Person, bool, error) {
	id := key.Lane(org.ID, key.User, c.user)
	was, err := e.people.Person(ctx, org.ID, id)
	if errors.Is(err, state.ErrNotFound) {
		was, err = state.Person{Lane: id, User: c.user}, nil
	}
	if err != nil {
		return was, false, err
	}
	lane, err := e.lanes.Lane(ctx, id)
	if err != nil {
		return was, false, err
	}
	who := was
	c.apply(&who)
	next := lane
	next.Organization, next.Kind, next.Target, next.Standing = org.ID, key.User, c.user, who.Standing
	moved := false
	address, account := addressOf(who)
	if before, _ := addressOf(was); address != before || address != lane.Address && address != "" {
		next.Address, next.Account, next.Verdict, moved = address, account, "", lane.Target != ""
	}
	who.Mailbox = "" // the writer's to tell
	if moved {
		who.Mailbox = state.MailboxUnknown
	}
	if next.Standing == lane.Standing && next.Standing == was.Standing && !moved {
		return who, false, nil
	}
	if err := e.lanes.SetStanding(ctx, next); err != nil {
		return who, false, err
	}
	if !moved && !owes(lane.Standing, next.Standing) && !owes(was.Standing, next.Standing) {
		return who, false, nil
	}
	since := e.now()
	if !who.Inactive {
		since = since.AddDate(0, 0, -org.BackfillPastDays)
	}
	// Also what is owed already is owed anew: a turn that is under way decides by
	// the standing it has read.
	owed, err := e.oweLane(ctx, id, since, func(state.Delivery) bool { return true })
	return who, len(owed) > 0, err
}

// owes reports whether a change of standing is one that calendars follow at once.
// Pausing and opting out are none: what is there stays until it changes.
func owes(from, to state.Standing) bool {
	return from.Inactive != to.Inactive || from.OptedOut && !to.OptedOut || from.Paused && !to.Paused
}

// addressOf is the name under which Microsoft 365 should know a person, and
// whether it is an account.
func addressOf(p state.Person) (address string, account bool) {
	b := booking.Person{Email: p.Email, Account: p.Account}
	return b.Mailbox(), strings.TrimSpace(p.Account) != ""
}
