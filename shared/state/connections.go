package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
)

const tableConnections = "connections"

// Stored is a connection as its row has it.
type Stored struct {
	connection.Connection
	// Sealed is the token cache as it was given to Put or SaveTokens; empty for a
	// connection without a sign-in, and after its tokens were destroyed.
	Sealed []byte
	ETag   string // of the row; it changes with every write but SetPrimary of another
}

// Connections reads and writes the connections table.
//
// A partition is an organisation. The row <lane key><connection id> holds the
// connection and its sealed tokens; the row <lane key> before those says which of
// them is primary; the row -<connection id> points to the lane. So everything of
// one person is one range, and at most one of a person's connections is primary
// whoever writes at the same time: what a row itself says of it counts for nothing.
//
// A kept token cache may be longer than a property; it is packed as bodies of
// bookings are. The document is at most 64 KiB, else ErrTooLarge: a caller bounds
// how many calendars it keeps.
type Connections struct{ tables Tables }

// NewConnections returns the connections kept in tables.
func NewConnections(tables Tables) *Connections { return &Connections{versioned(tables)} }

func connectionRow(lane, id key.Key) string { return lane.String() + id.String() }
func pointerRow(id key.Key) string          { return "-" + id.String() }

// Of reads all connections of a person, in the order of their ids; none is no
// error. One request.
func (c *Connections) Of(ctx context.Context, organization string, lane key.Key) ([]Stored, error) {
	found, _, err := c.of(ctx, organization, lane)
	return found, err
}

// of also returns the person's primary row; an empty entity when there is none.
func (c *Connections) of(ctx context.Context, organization string, lane key.Key) (found []Stored, primary Entity, err error) {
	rows, err := c.tables.Query(ctx, tableConnections, Span{Partition: organization, From: lane.String(), Before: lane.String() + "~"})
	if err != nil {
		return nil, primary, fmt.Errorf("state.ConnectionsOf %s: %w", lane, err)
	}
	for _, e := range rows {
		if e.Row == lane.String() {
			primary = e
			continue
		}
		one, err := parseConnection(organization, e, primary)
		if err != nil {
			return nil, primary, err
		}
		found = append(found, one)
	}
	return found, primary, nil
}

// Get reads one connection by its id; ErrNotFound when there is none. Two requests.
func (c *Connections) Get(ctx context.Context, organization string, id key.Key) (Stored, error) {
	lane, err := c.Lane(ctx, organization, id)
	if err != nil {
		return Stored{}, err
	}
	all, err := c.Of(ctx, organization, lane)
	if err != nil {
		return Stored{}, err
	}
	for _, one := range all {
		if one.ID == id {
			return one, nil
		}
	}
	return Stored{}, fmt.Errorf("state.Connection %s: %w", id, ErrNotFound)
}

// Lane is the lane of the person whose connection it is; ErrNotFound when there is
// none. One request.
func (c *Connections) Lane(ctx context.Context, organization string, id key.Key) (key.Key, error) {
	e, err := c.tables.Get(ctx, tableConnections, organization, pointerRow(id))
	if err != nil {
		return key.Key{}, fmt.Errorf("state.Connection %s: %w", id, err)
	}
	text, _ := e.Props["lane"].(string)
	lane, err := key.Parse(text)
	if err != nil {
		return key.Key{}, fmt.Errorf("state.Connection %s: %w: %w", id, ErrCorrupt, err)
	}
	return lane, nil
}

// List reads at most limit connections of an organisation, person by person in the
// order of their lanes' keys, those after the place that next named ("" for the
// first); next is "" when there are no more. One request for 1,000 of them.
// A place that List did not give is ErrInvalid.
func (c *Connections) List(ctx context.Context, organization, after string, limit int) (items []Stored, next string, err error) {
	from := "0" // behind the pointers
	if after != "" {
		if len(after) != 2*key.TextSize {
			return nil, "", fmt.Errorf("state.ListConnections: place: %w", ErrInvalid)
		}
		from = after[:key.TextSize] // again from the person's first row, which names the primary
	}
	var primary Entity
	for {
		// A person has a row more than connections; one read too many costs nothing.
		rows, err := c.tables.Query(ctx, tableConnections, Span{Partition: organization, From: from, Limit: 2*limit + 10})
		if err != nil {
			return nil, "", fmt.Errorf("state.ListConnections: %w", err)
		}
		for _, e := range rows {
			if len(e.Row) == key.TextSize {
				primary = e
				continue
			}
			if e.Row <= after {
				continue
			}
			if len(items) == limit {
				return items, next, nil
			}
			one, err := parseConnection(organization, e, primary)
			if err != nil {
				return nil, "", err
			}
			items, next = append(items, one), e.Row
		}
		if len(rows) < 2*limit+10 {
			return items, "", nil
		}
		from = rows[len(rows)-1].Row + " "
	}
}

// Put stores a connection and returns its new ETag. With an empty etag it is
// inserted, as the person's primary one where it says so (another stops being it);
// ErrExists: it is there. With one it replaces that version and leaves it to
// SetPrimary which is primary; ErrPrecondition: it was changed meanwhile,
// ErrNotFound: it is gone. sealed nil keeps the tokens that are there, an empty
// one destroys them.
func (c *Connections) Put(ctx context.Context, x connection.Connection, sealed []byte, etag string) (string, error) {
	props, err := connectionProps(x)
	if err != nil {
		return "", err
	}
	if sealed != nil || etag == "" {
		packed, err := Pack(sealed)
		if err != nil {
			return "", fmt.Errorf("state.PutConnection %s: %w", x.ID, err)
		}
		for name, value := range packed {
			props[name] = value
		}
	}
	lane := key.Lane(x.Organization, key.User, x.User)
	row := Entity{Partition: x.Organization, Row: connectionRow(lane, x.ID), ETag: etag, Props: props}
	changes := []Change{{Merge, row}}
	switch {
	case etag == "":
		changes = []Change{{Insert, row}, {Insert, Entity{Partition: x.Organization, Row: pointerRow(x.ID),
			Props: map[string]any{"lane": lane.String()}}}}
		if x.Primary {
			changes = append(changes, Change{InsertOrReplace, primaryRow(x.Organization, lane, x.ID, "")})
		}
	case sealed != nil:
		changes[0].Action = Replace // so that nothing stays of tokens that were longer
	}
	tags, err := c.tables.Apply(ctx, tableConnections, changes)
	if err != nil {
		return "", fmt.Errorf("state.PutConnection %s: %w", x.ID, err)
	}
	return tags[0], nil
}

// SaveTokens stores a token cache after a refresh: when it was made (UTC) and, if
// granted is not nil, which permissions it gave. Nothing else of the row changes.
// It returns the new ETag. ErrPrecondition: somebody wrote meanwhile; their tokens
// are as good. ErrNotFound: the connection is gone. One request.
func (c *Connections) SaveTokens(ctx context.Context, organization string, lane, id key.Key, sealed []byte, etag string, refreshed time.Time, granted []string) (string, error) {
	props, err := Pack(sealed)
	if err != nil {
		return "", fmt.Errorf("state.SaveTokens %s: %w", id, err)
	}
	props["refreshed"] = refreshed.UTC().Format(time.RFC3339Nano)
	if granted != nil {
		props["granted"] = strings.Join(granted, " ")
	}
	tags, err := c.tables.Apply(ctx, tableConnections, []Change{{Merge, Entity{Partition: organization,
		Row: connectionRow(lane, id), ETag: etag, Props: props}}})
	if err != nil {
		return "", fmt.Errorf("state.SaveTokens %s: %w", id, err)
	}
	return tags[0], nil
}

// SetPrimary makes one of a person's connections the one that receives writes, and
// with that no other. Its ETag changes. ErrNotFound: it is gone. One request.
func (c *Connections) SetPrimary(ctx context.Context, organization string, lane, id key.Key) error {
	_, err := c.tables.Apply(ctx, tableConnections, []Change{
		{Merge, Entity{Partition: organization, Row: connectionRow(lane, id)}},
		{InsertOrReplace, primaryRow(organization, lane, id, "")}})
	if err != nil {
		return fmt.Errorf("state.SetPrimary %s: %w", id, err)
	}
	return nil
}

// Delete removes a connection with its tokens. An etag that is not empty must be
// its version, else ErrPrecondition. If it was primary, next becomes that, or with
// a zero next nobody. ErrNotFound: it, or next, is gone. Two requests.
func (c *Connections) Delete(ctx context.Context, organization string, lane, id key.Key, etag string, next key.Key) error {
	for range 5 {
		_, primary, err := c.of(ctx, organization, lane)
		if err != nil {
			return err
		}
		changes := []Change{
			{Delete, Entity{Partition: organization, Row: connectionRow(lane, id), ETag: etag}},
			{Delete, Entity{Partition: organization, Row: pointerRow(id)}}}
		if primary.Props["connection"] == id.String() {
			changes = append(changes, successor(organization, lane, primary.ETag, next)...)
		}
		_, err = c.tables.Apply(ctx, tableConnections, changes)
		var refused *ChangeError
		if errors.As(err, &refused) && refused.Index >= 2 && errors.Is(err, ErrPrecondition) {
			continue // another was made primary meanwhile
		}
		if err != nil {
			return fmt.Errorf("state.DeleteConnection %s: %w", id, err)
		}
		return nil
	}
	return fmt.Errorf("state.DeleteConnection %s: %w", id, ErrPrecondition)
}

// successor hands the place of the primary connection on.
func successor(organization string, lane key.Key, etag string, next key.Key) []Change {
	if next.IsZero() {
		return []Change{{Delete, Entity{Partition: organization, Row: lane.String(), ETag: etag}}}
	}
	return []Change{{Replace, primaryRow(organization, lane, next, etag)},
		{Merge, Entity{Partition: organization, Row: connectionRow(lane, next)}}}
}

func primaryRow(organization string, lane, id key.Key, etag string) Entity {
	return Entity{Partition: organization, Row: lane.String(), ETag: etag, Props: map[string]any{"connection": id.String()}}
}

// connectionProps leaves out what the keys say, and what SaveTokens writes alone.
func connectionProps(x connection.Connection) (map[string]any, error) {
	refreshed, granted := x.LastRefresh, x.Granted
	x.ID, x.Organization, x.Primary, x.LastRefresh, x.Granted = key.Key{}, "", false, time.Time{}, nil
	doc, err := json.Marshal(x)
	if err != nil {
		return nil, fmt.Errorf("state.PutConnection: %w", err)
	}
	return map[string]any{"doc": doc, "refreshed": refreshed.UTC().Format(time.RFC3339Nano),
		"granted": strings.Join(granted, " ")}, nil
}

func parseConnection(organization string, e, primary Entity) (Stored, error) {
	out := Stored{ETag: e.ETag}
	bad := func(err error) (Stored, error) {
		return Stored{}, fmt.Errorf("state: connection row: %w: %w", ErrCorrupt, err)
	}
	if len(e.Row) != 2*key.TextSize {
		return bad(fmt.Errorf("key of %d characters", len(e.Row)))
	}
	doc, _ := e.Props["doc"].([]byte)
	if err := json.Unmarshal(doc, &out.Connection); err != nil {
		return bad(err)
	}
	var err error
	if out.ID, err = key.Parse(e.Row[key.TextSize:]); err != nil {
		return bad(err)
	}
	if out.Sealed, err = Unpack(e.Props); err != nil {
		return bad(err)
	}
	refreshed, _ := e.Props["refreshed"].(string)
	if out.LastRefresh, err = time.Parse(time.RFC3339Nano, refreshed); err != nil {
		return bad(err)
	}
	granted, _ := e.Props["granted"].(string)
	out.Organization, out.Granted = organization, strings.Fields(granted)
	out.Primary = primary.Row == e.Row[:key.TextSize] && primary.Props["connection"] == e.Row[key.TextSize:]
	return out, nil
}
