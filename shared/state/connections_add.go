package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
)

// Add inserts a connection of a person, as make decides by those that the person has.
// Nobody else adds or removes one, or makes one primary, between that and the insert:
// so the first of a person is primary, and an account is connected once, whoever else
// is at it. make may be called several times; its error is returned as it is. A person's
// first connection is stored as primary whatever make says.
//
// ErrPrecondition: others kept changing the person's connections. ErrExists: there is
// one of that id. Two requests where nobody interferes.
func (c *Connections) Add(ctx context.Context, organization string, lane key.Key, make func(all []Stored) (connection.Connection, []byte, error)) (Stored, error) {
	for range 5 {
		all, primary, err := c.of(ctx, organization, lane)
		if err != nil {
			return Stored{}, err
		}
		x, sealed, err := make(all)
		if err != nil {
			return Stored{}, err
		}
		x.Primary = x.Primary || primary.Row == ""
		changes, err := insertion(organization, lane, x, sealed, primary)
		if err != nil {
			return Stored{}, err
		}
		tags, err := c.tables.Apply(ctx, tableConnections, changes)
		var refused *ChangeError
		if errors.As(err, &refused) && refused.Index == 0 && !errors.Is(err, ErrTooLarge) {
			continue // the person's connections changed meanwhile
		}
		if err != nil {
			return Stored{}, fmt.Errorf("state.AddConnection %s: %w", x.ID, err)
		}
		return Stored{Connection: x, Sealed: sealed, ETag: tags[1]}, nil
	}
	return Stored{}, fmt.Errorf("state.AddConnection: %w", ErrPrecondition)
}

// insertion guards an insert by the row that says which connection is primary: every
// insert writes that row in the version that was read.
func insertion(organization string, lane key.Key, x connection.Connection, sealed []byte, primary Entity) ([]Change, error) {
	props, err := connectionProps(x)
	if err != nil {
		return nil, err
	}
	packed, err := Pack(sealed)
	if err != nil {
		return nil, fmt.Errorf("state.AddConnection %s: %w", x.ID, err)
	}
	for name, value := range packed {
		props[name] = value
	}
	guard := Change{Replace, primary}
	switch {
	case primary.Row == "":
		guard = Change{Insert, primaryRow(organization, lane, x.ID, "")}
	case x.Primary:
		guard = Change{Replace, primaryRow(organization, lane, x.ID, primary.ETag)}
	}
	return []Change{guard,
		{Insert, Entity{Partition: organization, Row: connectionRow(lane, x.ID), Props: props}},
		{Insert, Entity{Partition: organization, Row: pointerRow(x.ID), Props: map[string]any{"lane": lane.String()}}},
	}, nil
}
