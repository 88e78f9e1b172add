package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/booking"
)

// check compares the status route and the calendars with the last step of every
// booking.
func (p *Player) check(ctx context.Context) (differences []string, err error) {
	last := p.last()
	for _, step := range last {
		found, err := p.checkStatus(ctx, step)
		if err != nil {
			return differences, err
		}
		differences = append(differences, found...)
	}
	if p.stack.M365 == nil {
		return differences, nil
	}
	found, err := p.checkCalendars(last)
	return append(differences, found...), err
}

// last is the last accepted step of every booking.
func (p *Player) last() []Step {
	byBooking := map[string]Step{}
	for _, step := range p.story.Steps {
		if step.Answer == 202 {
			byBooking[step.Booking.Organization+"/"+step.Booking.ID] = step
		}
	}
	var out []Step
	for _, id := range slices.Sorted(maps.Keys(byBooking)) {
		out = append(out, byBooking[id])
	}
	return out
}

func (p *Player) checkStatus(ctx context.Context, s Step) (differences []string, err error) {
	deliveries, err := p.stack.API().Status(ctx, s.Booking.Organization, s.Booking.ID)
	if err != nil {
		return nil, err
	}
	got := map[string]string{}
	for _, d := range deliveries {
		got[d.User] = strings.TrimSpace(d.State + " " + d.Reason)
	}
	want := s.expected()
	for _, user := range slices.Sorted(maps.Keys(want)) {
		if got[user] != want[user] {
			differences = append(differences, fmt.Sprintf("%s: %s: the status route says %q, want %q", s.Booking.ID, user, got[user], want[user]))
		}
		delete(got, user)
	}
	for _, user := range slices.Sorted(maps.Keys(got)) {
		differences = append(differences, fmt.Sprintf("%s: %s: the status route says %q of nobody on the booking", s.Booking.ID, user, got[user]))
	}
	return differences, nil
}

// checkCalendars compares all that stands in all mailboxes.
func (p *Player) checkCalendars(last []Step) ([]string, error) {
	want := map[string][]string{}
	for _, step := range last {
		tenant := p.tenant(step.Booking.Organization)
		for user, result := range step.expected() {
			if result != "written" {
				continue
			}
			line, err := entry(step.Booking)
			if err != nil {
				return nil, err
			}
			u, err := p.stack.M365.Exchange.User(tenant.ID, mailbox(step.Booking, user))
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", step.Booking.ID, user, err)
			}
			want[u.ObjectID] = append(want[u.ObjectID], line)
		}
	}
	var differences []string
	for _, box := range p.stack.M365.Exchange.Boxes() {
		var got []string
		for _, e := range box.Events {
			got = append(got, entryOf(e))
		}
		slices.Sort(got)
		slices.Sort(want[box.User.ObjectID])
		if !slices.Equal(got, want[box.User.ObjectID]) {
			differences = append(differences, fmt.Sprintf("calendar of %s: %q, want %q", box.User.Principal, got, want[box.User.ObjectID]))
		}
	}
	if mails := p.stack.M365.Exchange.Mails(); len(mails) > 0 {
		differences = append(differences, fmt.Sprintf("%d mails left the tenant, want none", len(mails)))
	}
	return differences, nil
}

func (p *Player) tenant(organization string) Tenant {
	for _, t := range p.story.Tenants {
		if t.Organization == organization {
			return t
		}
	}
	return Tenant{}
}

func mailbox(b booking.Booking, user string) string {
	for _, t := range b.Targets() {
		if t.ID == user {
			return t.Person.Mailbox()
		}
	}
	return ""
}

// entry is what one line of a calendar must say of a booking.
func entry(b booking.Booking) (string, error) {
	if b.AllDay {
		return fmt.Sprintf("%s, %s to %s", b.Title, b.Start.DateTime[:10], b.End.DateTime[:10]), nil
	}
	start, err := b.Start.Instant()
	if err != nil {
		return "", err
	}
	end, err := b.End.Instant()
	return fmt.Sprintf("%s, %s to %s", b.Title, instant(start), instant(end)), err
}

// entryOf is the same of an event in a mailbox.
func entryOf(e exchange.Event) string {
	if e.AllDay {
		return fmt.Sprintf("%s, %s to %s", e.Subject, e.Start.DateTime[:10], e.End.DateTime[:10])
	}
	return fmt.Sprintf("%s, %s to %s", e.Subject, instant(e.From), instant(e.To))
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
