package state

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/key"
)

// Standing is what keeps a person's calendar from being written, apart from the
// calendar itself. The zero value is everybody's until something else is said.
//
// It stands on the lane row, where the writer finds it with what is owed, and on
// the people row, where lists find it.
type Standing struct {
	Inactive bool // announced so by the booking app
	OptedOut bool // by the person
	Paused   bool // by the person, for a while
}

func (s Standing) props() map[string]any {
	return map[string]any{"inactive": s.Inactive, "optedOut": s.OptedOut, "paused": s.Paused}
}

func parseStanding(e Entity) Standing {
	is := func(name string) bool { v, _ := e.Props[name].(bool); return v }
	return Standing{is("inactive"), is("optedOut"), is("paused")}
}

// SetStanding stores who a lane belongs to, its address, its standing and its verdict; what
// else the row says stays. It costs one request.
func (l *Lanes) SetStanding(ctx context.Context, lane Lane) error {
	props := lane.Standing.props()
	props["organization"], props["kind"], props["target"] = lane.Organization, lane.Kind, lane.Target
	props["address"], props["account"], props["verdict"] = lane.Address, lane.Account, lane.Verdict
	_, err := l.tables.Apply(ctx, tableLanes, []Change{{InsertOrMerge, Entity{Partition: lane.Key.String(), Row: laneRow, Props: props}}})
	if err != nil {
		return fmt.Errorf("state.SetStanding lane %s: %w", lane.Key, err)
	}
	return nil
}

// DeliveriesAfter reads at most limit deliveries of a lane in the order of their
// keys, those after the one that next named (zero: from the first); next is zero
// when there are no more. It costs one request.
func (l *Lanes) DeliveriesAfter(ctx context.Context, lane, after key.Key, limit int) (items []Delivery, next key.Key, err error) {
	span := Span{Partition: lane.String(), From: "d", Before: "e", Limit: limit + 1}
	if after != (key.Key{}) {
		span.From = deliveryRow(after) + " " // the first key behind it
	}
	rows, err := l.tables.Query(ctx, tableLanes, span)
	if err != nil {
		return nil, next, fmt.Errorf("state.DeliveriesAfter lane %s: %w", lane, err)
	}
	for _, e := range rows {
		if len(items) == limit {
			return items, items[limit-1].Key, nil
		}
		d, err := parseDelivery(e)
		if err != nil {
			return nil, next, err
		}
		items = append(items, d)
	}
	return items, next, nil
}
