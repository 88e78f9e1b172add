package state

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/key"
)

// SetConnection stores how a person's primary connection stands, with its cause, and
// forgets which offer was dismissed. It makes the row where nobody of that lane was
// seen yet; isNew says so, and gives it the address. One request.
func (p *People) SetConnection(ctx context.Context, organization string, who Person, isNew bool) error {
	props := map[string]any{"user": who.User, "connection": who.Connection, "cause": who.Cause, "dismissed": ""}
	if isNew {
		props["email"] = who.Email
	}
	_, err := p.tables.Apply(ctx, tablePeople, []Change{{InsertOrMerge, Entity{Partition: organization, Row: who.Lane.String(), Props: props}}})
	if err != nil {
		return fmt.Errorf("state.SetConnection %s: %w", who.Lane, err)
	}
	return nil
}

// SetDismissed remembers which offer a person does not want to see; "" none. It makes
// the row where nobody of that lane was seen yet. One request.
func (p *People) SetDismissed(ctx context.Context, organization string, lane key.Key, user, offer string) error {
	_, err := p.tables.Apply(ctx, tablePeople, []Change{{InsertOrMerge, Entity{Partition: organization, Row: lane.String(),
		Props: map[string]any{"user": user, "dismissed": offer}}}})
	if err != nil {
		return fmt.Errorf("state.SetDismissed %s: %w", lane, err)
	}
	return nil
}
