package state

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/key"
)

// Person is what is known of somebody who was seen on a booking.
type Person struct {
	Lane                               key.Key
	User, Name, Email, Account, Locale string
}

// People reads and writes the people table.
type People struct{ tables Tables }

// NewPeople returns the people kept in tables.
func NewPeople(tables Tables) *People { return &People{tables} }

// Seen stores who was seen on a booking, a transaction for every 100 people; what
// else is known of them stays.
func (p *People) Seen(ctx context.Context, organization string, people []Person) error {
	for len(people) > 0 {
		n := min(len(people), maxChanges)
		changes := make([]Change, n)
		for i, who := range people[:n] {
			changes[i] = Change{InsertOrMerge, Entity{Partition: organization, Row: who.Lane.String(), Props: map[string]any{
				"v": version, "user": who.User, "name": who.Name, "email": who.Email, "account": who.Account, "locale": who.Locale}}}
		}
		if _, err := p.tables.Apply(ctx, tablePeople, changes); err != nil {
			return fmt.Errorf("state.Seen: %w", err)
		}
		people = people[n:]
	}
	return nil
}
