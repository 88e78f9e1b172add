package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/calbridge/calbridge/shared/key"
)

// Update is a change of one delivery and of what it owes.
type Update struct {
	// Before is the row as read; its ETag is the version that must still stand.
	Before Delivery
	// After is the row to be. Debt may be kept, cleared, or replaced by a fresh one.
	After Delivery
	// Settle are owed rows, as read, that this update takes away.
	Settle []Owed
	// Owe are owed rows that it adds.
	Owe []Owed
}

// maxChanges is how many changes an entity group transaction takes.
const maxChanges = 100

// Save stores the updates of one lane, all in one transaction where they fit.
// An update whose row changed meanwhile is left out and the rest is stored
// without it. It returns the new ETag of every delivery that was stored; one that
// is missing there was overtaken. After an error the outcome of any is unknown.
//
// A home that is not nil is remembered with them: Home as the mailbox that answers
// for ResolvedAddress, where there is one, and Verdict where there is one.
func (l *Lanes) Save(ctx context.Context, lane key.Key, updates []Update, home *Lane) (map[key.Key]string, error) {
	saved := make(map[key.Key]string, len(updates))
	var batch [][]Change
	size := 0
	if home != nil {
		batch, size = append(batch, []Change{homeChange(lane, home)}), 1
	}
	flush := func() error {
		err := l.saveBatch(ctx, batch, saved)
		batch, size = nil, 0
		return err
	}
	for _, u := range updates {
		group, err := u.changes(lane)
		if err != nil {
			return saved, err
		}
		if size+len(group) > maxChanges {
			if err := flush(); err != nil {
				return saved, err
			}
		}
		batch, size = append(batch, group), size+len(group)
	}
	return saved, flush()
}

// saveBatch applies groups of changes; the first change of each is its delivery.
func (l *Lanes) saveBatch(ctx context.Context, groups [][]Change, saved map[key.Key]string) error {
	for len(groups) > 0 {
		var all []Change
		for _, g := range groups {
			all = append(all, g...)
		}
		tags, err := l.tables.Apply(ctx, tableLanes, all)
		var refused *ChangeError
		if errors.As(err, &refused) && !errors.Is(err, ErrTooLarge) {
			groups = without(groups, refused.Index)
			continue
		}
		if err != nil {
			return fmt.Errorf("state.Save: %w", err)
		}
		at := 0
		for _, g := range groups {
			if k, err := key.Parse(g[0].Entity.Row[1:]); err == nil { // else the lane row
				saved[k] = tags[at]
			}
			at += len(g)
		}
		return nil
	}
	return nil
}

func homeChange(lane key.Key, home *Lane) Change {
	props := map[string]any{}
	if home.ResolvedAddress != "" {
		props["resolved"], props["tenant"], props["mailbox"] = home.ResolvedAddress, home.Home.Tenant, home.Home.Mailbox
	}
	if home.Verdict != "" {
		props["verdict"] = home.Verdict
	}
	return Change{InsertOrMerge, Entity{Partition: lane.String(), Row: laneRow, Props: props}}
}

// without drops the group that holds the change of that index.
func without(groups [][]Change, index int) [][]Change {
	for i, g := range groups {
		if index < len(g) {
			return append(append([][]Change(nil), groups[:i]...), groups[i+1:]...)
		}
		index -= len(g)
	}
	return nil // an index outside: nothing can be trusted to stand
}

// changes are the entity changes of an update, the delivery's own first. An event's row
// stays when its delivery has another event or none: what was ours may still come back on
// a page of changes, and is no appointment then.
func (u Update) changes(lane key.Key) ([]Change, error) {
	partition := lane.String()
	doc, err := json.Marshal(u.After)
	if err != nil {
		return nil, fmt.Errorf("state.Save %s: %w", u.After.Key, err)
	}
	props := map[string]any{"doc": string(doc)}
	if u.After.Debt != u.Before.Debt {
		props["debt"] = u.After.Debt
	}
	out := []Change{{Merge, Entity{Partition: partition, Row: deliveryRow(u.Before.Key), ETag: u.Before.ETag, Props: props}}}
	if u.Before.Event != u.After.Event && u.After.Event != "" {
		out = append(out, Change{InsertOrReplace, Entity{Partition: partition, Row: eventRow(u.After.Event),
			Props: map[string]any{"delivery": u.After.Key.String()}}})
	}
	stays := map[string]bool{} // settled and owed again at the same time: nothing to change
	for _, o := range u.Owe {
		stays[OwedRow(o.Priority, o.Due, o.Delivery, o.Nonce)] = false
	}
	for _, o := range u.Settle {
		if _, again := stays[o.Row]; again {
			stays[o.Row] = true
			continue
		}
		out = append(out, Change{Delete, Entity{Partition: partition, Row: o.Row}})
	}
	for _, o := range u.Owe {
		if stays[OwedRow(o.Priority, o.Due, o.Delivery, o.Nonce)] {
			continue
		}
		props := map[string]any{}
		if o.Look {
			props["look"] = true
		}
		out = append(out, Change{InsertOrReplace, Entity{Partition: partition,
			Row: OwedRow(o.Priority, o.Due, o.Delivery, o.Nonce), Props: props}})
	}
	return out, nil
}
