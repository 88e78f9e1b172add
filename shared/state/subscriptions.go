package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/version"
)

// Subscription is the row of a connection's subscription at Graph: what the receiver of a
// notification finds by the connection's key alone (write-path.md section 6).
type Subscription struct {
	Connection   key.Key `json:"-"`
	Organization string  `json:"organization"`
	// Session is the Service Bus session of the connection's tasks.
	Session string `json:"session"`

	// ID is Graph's, "" while there is none that we know of. Mailbox in Tenant is what it
	// is to; App says that it was made by the app, not by the person who signed in.
	ID      string `json:"id,omitempty"`
	Tenant  string `json:"tenant,omitempty"`
	Mailbox string `json:"mailbox,omitempty"`
	App     bool   `json:"app,omitempty"`
	// Key is the id of the key that signed its client state, Notify where it notifies.
	Key    string `json:"key,omitempty"`
	Notify string `json:"notify,omitempty"`
	// Expires, Renewed: when it ends, and when it was made or last renewed. UTC. Without
	// an id, Expires is when one ends at the latest that may have been made; Renewed is
	// zero where the one of the id may be gone.
	Expires time.Time `json:"expires,omitzero"`
	Renewed time.Time `json:"renewed,omitzero"`

	// Of is the connection whose subscription it is, where two connections are of one
	// mailbox: Graph makes no second one. Sharers are the others that it serves.
	Of      string   `json:"of,omitempty"`
	Sharers []Sharer `json:"sharers,omitempty"`

	// Heard is when a notification was last taken (UTC, to five minutes); Suspect when
	// the schedule found what none had told of, zero where it is not suspected to be
	// silent. Rebuilt counts how often it was (A14).
	Heard   time.Time `json:"heard,omitzero"`
	Suspect time.Time `json:"suspect,omitzero"`
	Rebuilt int       `json:"rebuilt,omitempty"`
	// Resting says that it is not wanted any more and could not be ended: its person's
	// token is dead. It ends by itself.
	Resting bool `json:"resting,omitempty"`
	// Due is in which slot of the agenda it stands; zero in none.
	Due time.Time `json:"due,omitzero"`

	ETag string `json:"-"` // "" for one that is not stored
}

// Sharer is a connection that another one's subscription serves.
type Sharer struct {
	Organization string `json:"organization"`
	Connection   string `json:"connection"`
}

// Subscriptions reads and writes the rows of subscriptions, in the table of connections.
// Partition "k" + connection key holds one; partition "s" + key of a subscription's id
// points to it. No id of an organisation is of use in their place: the row is the empty
// one, which organisations do not have there.
type Subscriptions struct{ tables Tables }

// NewSubscriptions returns the subscriptions kept in tables.
func NewSubscriptions(tables Tables) *Subscriptions { return &Subscriptions{versioned(tables)} }

func subscriptionPartition(connection key.Key) string { return "k" + connection.String() }

func ownerPartition(id string) string {
	return "s" + key.Of("subscription", strings.ToLower(id)).String()
}

// Get reads a connection's; ErrNotFound: there never was one. One request.
func (s *Subscriptions) Get(ctx context.Context, connection key.Key) (Subscription, error) {
	e, err := s.tables.Get(ctx, tableConnections, subscriptionPartition(connection), "")
	if err != nil {
		return Subscription{}, fmt.Errorf("state.Subscription %s: %w", connection, err)
	}
	doc, _ := e.Props["doc"].([]byte)
	x := Subscription{Connection: connection, ETag: e.ETag}
	if err := json.Unmarshal(doc, &x); err != nil {
		return Subscription{}, fmt.Errorf("state.Subscription %s: %w: %w", connection, ErrCorrupt, err)
	}
	return x, nil
}

// Put stores a row in place of the version that it was read in, "" of none, and returns
// the new version. ErrExists, ErrPrecondition, ErrNotFound: it is not as it was read. One
// request.
func (s *Subscriptions) Put(ctx context.Context, x Subscription) (string, error) {
	doc, err := json.Marshal(x)
	if err != nil {
		return "", fmt.Errorf("state.PutSubscription: %w", err)
	}
	action := Replace
	if x.ETag == "" {
		action = Insert
	}
	tags, err := s.tables.Apply(ctx, tableConnections, []Change{{action, Entity{Partition: subscriptionPartition(x.Connection),
		ETag: x.ETag, Props: map[string]any{"doc": doc}}}})
	if err != nil {
		return "", fmt.Errorf("state.PutSubscription %s: %w", x.Connection, err)
	}
	return tags[0], nil
}

// Delete takes a row away if it is the version that was read; one that is gone is as
// good. ErrPrecondition: it has changed. One request.
func (s *Subscriptions) Delete(ctx context.Context, x Subscription) error {
	return s.drop(ctx, Entity{Partition: subscriptionPartition(x.Connection), ETag: x.ETag})
}

// Own notes whose a subscription of Graph's is. One request.
func (s *Subscriptions) Own(ctx context.Context, id string, connection key.Key) error {
	_, err := s.tables.Apply(ctx, tableConnections, []Change{{InsertOrReplace, Entity{Partition: ownerPartition(id),
		Props: map[string]any{"connection": connection.String()}}}})
	if err != nil {
		return fmt.Errorf("state.OwnSubscription: %w", err)
	}
	return nil
}

// Owner finds whose a subscription of Graph's is; ErrNotFound: nobody noted it. One request.
func (s *Subscriptions) Owner(ctx context.Context, id string) (key.Key, error) {
	e, err := s.tables.Get(ctx, tableConnections, ownerPartition(id), "")
	if err != nil {
		return key.Key{}, fmt.Errorf("state.SubscriptionOwner: %w", err)
	}
	text, _ := e.Props["connection"].(string)
	connection, err := key.Parse(text)
	if err != nil {
		return key.Key{}, fmt.Errorf("state.SubscriptionOwner: %w: %w", ErrCorrupt, err)
	}
	return connection, nil
}

// Disown forgets it; one that is gone is as good. One request.
func (s *Subscriptions) Disown(ctx context.Context, id string) error {
	return s.drop(ctx, Entity{Partition: ownerPartition(id)})
}

func (s *Subscriptions) drop(ctx context.Context, e Entity) error {
	if _, err := s.tables.Apply(ctx, tableConnections, []Change{{Delete, e}}); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("state.DeleteSubscription: %w", err)
	}
	return nil
}

// RenewalSlot is the span of time that one slot of the agenda of renewals gathers.
const RenewalSlot = time.Hour

// Renewal is a connection whose subscription is to be looked at.
type Renewal struct {
	Organization string
	Connection   key.Key
	Session      string
	At           time.Time // of its slot
}

func renewalSlot(at time.Time) string {
	return fmt.Sprintf("r%013d", at.Truncate(RenewalSlot).UnixMilli())
}

const notifiedRow = "notified"

// Notified is where all subscriptions were last made to notify; "" when that is not known.
// One request.
func (d *Due) Notified(ctx context.Context) (string, error) {
	e, err := d.tables.Get(ctx, tableDue, sweptPartition, notifiedRow)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("state.Notified: %w", err)
	}
	address, _ := e.Props["address"].(string)
	return address, nil
}

// SetNotified remembers it. One request.
func (d *Due) SetNotified(ctx context.Context, address string) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: sweptPartition, Row: notifiedRow,
		Props: map[string]any{"address": address}}}})
	if err != nil {
		return fmt.Errorf("state.SetNotified: %w", err)
	}
	return nil
}

// AddRenewal puts a connection on the agenda; again in the same slot changes nothing. One
// request.
func (d *Due) AddRenewal(ctx context.Context, r Renewal) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: renewalSlot(r.At), Row: r.Connection.String(),
		Props: map[string]any{"organization": r.Organization, "session": r.Session}}}})
	if err != nil {
		return fmt.Errorf("state.AddRenewal: %w", err)
	}
	return nil
}

// Renewals reads the connections in the slot of an instant. One request for 1,000 of them.
func (d *Due) Renewals(ctx context.Context, at time.Time) ([]Renewal, error) {
	rows, unread := agenda(ctx, d.tables, renewalSlot(at))
	if unread != nil && !version.Is(unread) {
		return nil, fmt.Errorf("state.Renewals: %w", unread)
	}
	out := make([]Renewal, len(rows))
	for i, e := range rows {
		id, err := key.Parse(e.Row)
		if err != nil {
			return nil, fmt.Errorf("state.Renewals: %w: %w", ErrCorrupt, err)
		}
		out[i] = Renewal{Connection: id, At: at}
		out[i].Organization, _ = e.Props["organization"].(string)
		out[i].Session, _ = e.Props["session"].(string)
	}
	return out, unread
}

// RenewalsDone takes connections from the slots of their instants; those that are gone
// are as good. One request for every 100 of a slot.
func (d *Due) RenewalsDone(ctx context.Context, all []Renewal) error {
	slots := map[string][]Change{}
	for _, r := range all {
		slot := renewalSlot(r.At)
		slots[slot] = append(slots[slot], Change{Delete, Entity{Partition: slot, Row: r.Connection.String()}})
	}
	for _, changes := range slots {
		for batch := range slices.Chunk(changes, maxChanges) {
			if err := applyMissing(ctx, d.tables, tableDue, batch); err != nil {
				return fmt.Errorf("state.RenewalsDone: %w", err)
			}
		}
	}
	return nil
}
