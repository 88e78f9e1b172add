package engine

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// Summary is how an organisation's people stand, for its admin.
type Summary struct {
	// People were counted; More says that there are more, who were not.
	People int
	More   bool
	// States counts active people by the state of their primary connection, "none"
	// included.
	States map[string]int
	// Causes counts those of a state by cause: an AADSTS number or a reason of package
	// reason, as connection.Connection.Cause.
	Causes map[string]map[string]int
	// Mailboxes counts active people by mailbox: ok, unknown or a reason of ics.
	Mailboxes map[string]int
	// Inactive people are counted nowhere else.
	Inactive int
	// Dismissed counts those who dismissed the offer.
	Dismissed int
}

const (
	summaryPeople = 5000 // at most, five requests
	summaryPage   = 1000
)

// Summary counts an organisation's people by state, at most 5,000 of them: one request
// for every 1,000. A larger organisation is told how the first of them stand, whom the
// keys of their lanes choose: as good as at random. state.ErrNotFound: there is no such
// organisation.
func (e *Engine) Summary(ctx context.Context, organization string) (Summary, error) {
	if _, err := e.orgs.Organization(ctx, organization); err != nil {
		return Summary{}, fmt.Errorf("engine.Summary: %w", err)
	}
	s := Summary{States: map[string]int{}, Causes: map[string]map[string]int{}, Mailboxes: map[string]int{}}
	for after := (key.Key{}); ; {
		rows, next, err := e.people.List(ctx, organization, after, summaryPage)
		if err != nil {
			return Summary{}, fmt.Errorf("engine.Summary: %w", err)
		}
		for _, row := range rows {
			s.count(row)
		}
		if next.IsZero() || s.People >= summaryPeople {
			s.More = !next.IsZero()
			return s, nil
		}
		after = next
	}
}

func (s *Summary) count(row state.Person) {
	s.People++
	if row.Inactive {
		s.Inactive++
		return
	}
	s.States[row.Connection]++
	s.Mailboxes[row.Mailbox]++
	if row.Dismissed != "" {
		s.Dismissed++
	}
	if row.Cause == "" {
		return
	}
	if s.Causes[row.Connection] == nil {
		s.Causes[row.Connection] = map[string]int{}
	}
	s.Causes[row.Connection][row.Cause]++
}
