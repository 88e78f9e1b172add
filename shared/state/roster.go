package state

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/key"
)

// Lanes lists the lanes of an organisation's people, at most limit of them, after
// the row that next named; next is empty when there are no more.
func (p *People) Lanes(ctx context.Context, organization, after string, limit int) (lanes []key.Key, next string, err error) {
	span := Span{Partition: organization, Limit: limit}
	if after != "" {
		span.From = after + " " // the first key behind it
	}
	rows, err := p.tables.Query(ctx, tablePeople, span)
	if err != nil {
		return nil, "", fmt.Errorf("state.PeopleLanes: %w", err)
	}
	for _, e := range rows {
		k, err := key.Parse(e.Row)
		if err != nil {
			return nil, "", fmt.Errorf("state.PeopleLanes: %w", err)
		}
		lanes = append(lanes, k)
	}
	if len(rows) == limit {
		next = rows[len(rows)-1].Row
	}
	return lanes, next, nil
}
