package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// Person is how somebody stands in an organisation (wire.md, Connections and people).
type Person struct {
	User  string `json:"user"`
	Name  string `json:"name"`
	Email string `json:"email"`
	// Account is the user name or object id that the booking app named, for pages only.
	Account string `json:"-"`
	// OptedOut is the person's own wish, for pages only; it counts where the organisation allows it.
	OptedOut bool `json:"-"`
	Active   bool `json:"active"`
	// Mailbox is ok, unknown, or the reason of ics that it gave last.
	Mailbox string `json:"mailbox"`
	// Connection is none, or the state of the person's connection.
	Connection string `json:"connection"`
	// Offer is what the product should offer the person: connect, reconnect or none.
	Offer string `json:"offer"`
}

// People is a page of an organisation's people.
type People struct {
	Items []Person `json:"items"`
	// Next continues the list; empty when there is no more.
	Next string `json:"next,omitempty"`
}

// People lists who was seen on bookings or announced, at most limit of them, after
// the cursor, in an order that stays but means nothing. state.ErrNotFound: there is
// no such organisation. It costs one read beside the organisation's.
func (e *Engine) People(ctx context.Context, organization, after string, limit int) (People, error) {
	org, err := e.orgs.Organization(ctx, organization)
	if err != nil {
		return People{}, fmt.Errorf("engine.People: %w", err)
	}
	from, err := cursor(after)
	if err != nil {
		return People{}, err
	}
	rows, next, err := e.people.List(ctx, organization, from, limit)
	if err != nil {
		return People{}, err
	}
	page := People{Items: make([]Person, len(rows)), Next: cursorText(next)}
	for i, row := range rows {
		page.Items[i] = personOf(org, row)
	}
	return page, nil
}

// Person tells how one person stands. state.ErrNotFound: there is no such
// organisation, or the person was never seen in it.
func (e *Engine) Person(ctx context.Context, organization, user string) (Person, error) {
	org, err := e.orgs.Organization(ctx, organization)
	if err != nil {
		return Person{}, fmt.Errorf("engine.Person: %w", err)
	}
	row, err := e.people.Person(ctx, organization, key.Lane(organization, key.User, user))
	if err != nil {
		return Person{}, fmt.Errorf("engine.Person: %w", err)
	}
	return personOf(org, row), nil
}

func personOf(org organization.Organization, row state.Person) Person {
	return Person{User: row.User, Name: row.Name, Email: row.Email, Account: row.Account, OptedOut: row.OptedOut, Active: !row.Inactive, Mailbox: row.Mailbox,
		Connection: row.Connection, Offer: offer(org, row)}
}

// Offers, of what the product shows a person.
const (
	OfferConnect   = "connect"
	OfferReconnect = "reconnect"
	OfferNone      = "none"
)

// offer is what the product should offer a person: nothing where they dismissed it.
func offer(org organization.Organization, row state.Person) string {
	if o := undismissed(org, row); o != row.Dismissed {
		return o
	}
	return OfferNone
}

// undismissed is what a person is offered who dismissed nothing: nothing where nobody
// has to connect, where sync is off (T4), or where reconnecting is pointless because a
// policy is in the way (identity.md section 4).
func undismissed(org organization.Organization, row state.Person) string {
	if org.Permission != organization.Delegated || !org.Module || !org.Sync || row.Inactive {
		return OfferNone
	}
	switch row.Connection {
	case state.NoConnection, string(connection.Disconnected):
		return OfferConnect
	case string(connection.NeedsReauth):
		return OfferReconnect
	}
	return OfferNone
}

// Dismiss remembers that a person does not want to be offered what they are offered
// now, or, with false, that they may be again. "Connected apps" offers it all the
// same (T5). A connection that is made or dies ends the dismissal. Who was never seen
// is made known by it: the caller answers for the id. state.ErrNotFound: there is no
// such organisation.
func (e *Engine) Dismiss(ctx context.Context, organization, user string, dismissed bool) error {
	org, err := e.orgs.Organization(ctx, organization)
	if err != nil {
		return fmt.Errorf("engine.Dismiss: %w", err)
	}
	lane := key.Lane(organization, key.User, user)
	row, err := e.people.Person(ctx, organization, lane)
	if errors.Is(err, state.ErrNotFound) {
		row, err = state.Person{Connection: state.NoConnection}, nil
	}
	if err != nil {
		return fmt.Errorf("engine.Dismiss: %w", err)
	}
	what := ""
	if dismissed {
		if what = undismissed(org, row); what == OfferNone {
			return nil // there is nothing to dismiss
		}
	}
	if what == row.Dismissed {
		return nil
	}
	return e.people.SetDismissed(ctx, organization, lane, user, what)
}

// PersonDelivery is the last published result of one booking for a person.
type PersonDelivery struct {
	Booking string `json:"booking"`
	DeliveryStatus
}

// PersonDeliveries is a page of a person's deliveries.
type PersonDeliveries struct {
	Items []PersonDelivery `json:"items"`
	// Next continues the list; empty when there is no more.
	Next string `json:"next,omitempty"`
}

// PersonDeliveries lists what a person's bookings came to, at most limit of them,
// after the cursor, in an order that stays but means nothing. state.ErrNotFound:
// the person was never seen in the organisation. It costs two reads.
func (e *Engine) PersonDeliveries(ctx context.Context, organization, user, after string, limit int) (PersonDeliveries, error) {
	from, err := cursor(after)
	if err != nil {
		return PersonDeliveries{}, err
	}
	lane := key.Lane(organization, key.User, user)
	if _, err := e.people.Person(ctx, organization, lane); err != nil {
		return PersonDeliveries{}, fmt.Errorf("engine.PersonDeliveries: %w", err)
	}
	rows, next, err := e.lanes.DeliveriesAfter(ctx, lane, from, limit)
	if err != nil {
		return PersonDeliveries{}, err
	}
	page := PersonDeliveries{Items: make([]PersonDelivery, len(rows)), Next: cursorText(next)}
	for i, row := range rows {
		page.Items[i] = PersonDelivery{row.Booking, statusOf(row)}
		page.Items[i].User = user
	}
	return page, nil
}

// cursor reads an after that a list of rows gave out: the key of its last row.
func cursor(after string) (key.Key, error) {
	if after == "" {
		return key.Key{}, nil
	}
	k, err := key.Parse(after)
	if err != nil {
		return key.Key{}, errors.Join(ErrBadCursor, err)
	}
	return k, nil
}

func cursorText(k key.Key) string {
	if k == (key.Key{}) {
		return ""
	}
	return k.String()
}
