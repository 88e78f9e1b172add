package state

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/calbridge/calbridge/shared/key"
)

// What a people row may say of a mailbox and of a connection, besides a reason of
// ics and the state of a connection.
const (
	MailboxOK      = "ok"
	MailboxUnknown = "unknown" // nobody has asked yet
	NoConnection   = "none"
)

// Person is what is known of somebody who was seen on a booking or announced.
type Person struct {
	Lane                               key.Key
	User, Name, Email, Account, Locale string
	Standing
	// Mailbox is MailboxOK, MailboxUnknown, or the reason of ics that the mailbox
	// gave last.
	Mailbox string
	// Connection is NoConnection or the state of the person's primary connection, and
	// Cause is that connection's: "" while nothing is wrong with it.
	Connection, Cause string
	// Dismissed is the offer that the person does not want to see again, until the
	// connection's state changes; "" for none.
	Dismissed string
}

// People reads and writes the people table.
//
// A row is merged by whoever learns something: intake (Seen) the names and
// addresses of a booking, an announcement (Announce) those and the standing, the
// writer (SetMailbox) the mailbox, whoever changes connections (SetConnection) theirs.
type People struct{ tables Tables }

// NewPeople returns the people kept in tables.
func NewPeople(tables Tables) *People { return &People{versioned(tables)} }

// Seen stores who was seen on a booking, a transaction for every 100 people; what
// else is known of them stays.
func (p *People) Seen(ctx context.Context, organization string, people []Person) error {
	return p.merge(ctx, organization, people, func(Person) map[string]any { return map[string]any{} })
}

// Announce stores people with their standing and their mailbox, a transaction for
// every 100; what is known of connections stays. No Mailbox keeps what is there.
func (p *People) Announce(ctx context.Context, organization string, people []Person) error {
	return p.merge(ctx, organization, people, func(who Person) map[string]any {
		props := who.Standing.props()
		if who.Mailbox != "" {
			props["mailbox"] = who.Mailbox
		}
		return props
	})
}

func (p *People) merge(ctx context.Context, organization string, people []Person, more func(Person) map[string]any) error {
	for len(people) > 0 {
		n := min(len(people), maxChanges)
		changes := make([]Change, n)
		for i, who := range people[:n] {
			props := more(who)
			props["user"], props["name"], props["email"] = who.User, who.Name, who.Email
			props["account"], props["locale"] = who.Account, who.Locale
			changes[i] = Change{InsertOrMerge, Entity{Partition: organization, Row: who.Lane.String(), Props: props}}
		}
		if _, err := p.tables.Apply(ctx, tablePeople, changes); err != nil {
			return fmt.Errorf("state.People: %w", err)
		}
		people = people[n:]
	}
	return nil
}

// SetMailbox stores what the mailbox of a person who is known turned out to be.
// Nobody of that lane: nothing is stored, and that is no error.
func (p *People) SetMailbox(ctx context.Context, organization string, lane key.Key, mailbox string) error {
	_, err := p.tables.Apply(ctx, tablePeople, []Change{{Merge, Entity{Partition: organization, Row: lane.String(),
		Props: map[string]any{"mailbox": mailbox}}}})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("state.SetMailbox %s: %w", lane, err)
	}
	return nil
}

// Person reads one person; ErrNotFound when nobody of that lane was ever seen.
func (p *People) Person(ctx context.Context, organization string, lane key.Key) (Person, error) {
	e, err := p.tables.Get(ctx, tablePeople, organization, lane.String())
	if err != nil {
		return Person{}, fmt.Errorf("state.Person %s: %w", lane, err)
	}
	return parsePerson(e)
}

// List reads at most limit people in the order of their lanes' keys, those after
// the one that next named (zero: from the first); next is zero when there are no
// more. That order means nothing to people, but every page costs one request.
func (p *People) List(ctx context.Context, organization string, after key.Key, limit int) (items []Person, next key.Key, err error) {
	span := Span{Partition: organization, Limit: limit + 1}
	if after != (key.Key{}) {
		span.From = after.String() + " " // the first key behind it
	}
	rows, err := p.tables.Query(ctx, tablePeople, span)
	if err != nil {
		return nil, next, fmt.Errorf("state.ListPeople: %w", err)
	}
	for _, e := range rows {
		if len(items) == limit {
			return items, items[limit-1].Lane, nil
		}
		who, err := parsePerson(e)
		if err != nil {
			return nil, next, err
		}
		items = append(items, who)
	}
	return items, next, nil
}

// Remove takes people away, a transaction for every 100; who is not there is as good.
func (p *People) Remove(ctx context.Context, organization string, lanes []key.Key) error {
	for batch := range slices.Chunk(lanes, maxChanges) {
		changes := make([]Change, len(batch))
		for i, lane := range batch {
			changes[i] = Change{Delete, Entity{Partition: organization, Row: lane.String()}}
		}
		_, err := p.tables.Apply(ctx, tablePeople, changes)
		for i := 0; errors.Is(err, ErrNotFound) && i < len(changes); i++ { // somebody else is at it: one by one
			if _, one := p.tables.Apply(ctx, tablePeople, changes[i:i+1]); one != nil && !errors.Is(one, ErrNotFound) {
				err = one
			} else if i == len(changes)-1 {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("state.RemovePeople: %w", err)
		}
	}
	return nil
}

func parsePerson(e Entity) (Person, error) {
	lane, err := key.Parse(e.Row)
	if err != nil {
		return Person{}, fmt.Errorf("state.Person: %w", err)
	}
	s := func(name, otherwise string) string {
		if v, _ := e.Props[name].(string); v != "" {
			return v
		}
		return otherwise
	}
	return Person{Lane: lane, User: s("user", ""), Name: s("name", ""), Email: s("email", ""), Account: s("account", ""),
		Locale: s("locale", ""), Standing: parseStanding(e), Mailbox: s("mailbox", MailboxUnknown),
		Connection: s("connection", NoConnection), Cause: s("cause", ""), Dismissed: s("dismissed", "")}, nil
}
